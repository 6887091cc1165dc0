//! `nir eval`: measures runs against judgements, as trec_eval does, and compares them.

mod json;
mod judges;
mod table;
mod trec;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use nir_data::Source;
use nir_data::trec::read_run;
use nir_eval::significance::{
    Comparison, Correction, Pair, Settings, Test, compare, tukey_hsd_by_query,
};
use nir_eval::{Evaluation, Measure, Policy, evaluate};

use crate::input::check_standard_input;
use crate::output::print;
use crate::terminal::warn;
use judges::Judges;

/// Compute measures of runs against judgements, as trec_eval does, and compare the runs.
///
/// QRELS and RUN are TREC files (`query_id 0 doc_id grade` and `query_id Q0 doc_id rank score tag`), plain or
/// compressed with gzip, zstd, bzip2 or xz; `-` reads standard input. Judgements with BEIR's header (`query-id
/// corpus-id score`) or in parquet, and runs with MS MARCO's three columns, are read too. Every line is data: there are
/// no comment lines.
///
/// If several runs are given, each of them is tested against the baseline.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = "\
Examples:
  nir eval qrels.txt bm25.run.gz
  nir eval -m nDCG@10 -m 'RR(rel=2)@10' --per-query qrels.txt bm25.run
  nir eval --test wilcoxon qrels.txt bm25.run splade.run.gz     the first run is the baseline
  nir eval --trec -q qrels.txt bm25.run                         what `trec_eval -c -q` prints
  nir eval --corpus psgs_w100.tsv.gz nq-test.qa.csv dpr.run     by answers in the texts, as DPR's tables are")]
pub(crate) struct Args {
    /// The file of judgements, or of answers where --corpus is given; - is standard input.
    qrels: Source,

    /// One or more run files; - is standard input.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,

    /// The documents of the runs: then QRELS holds answers in place of judgements, and a document with an answer in its text
    /// counts as relevant. Answers are JSON lines with `query_id` and `answers`, or DPR's questions (nq-test.qa.csv).
    #[arg(long, value_name = "FILE")]
    corpus: Option<Source>,

    /// A measure by the name ir_measures gives it, such as `nDCG@10`, `RR(rel=2)@10`, `RBP(p=0.8)`; trec_eval's own
    /// (`ndcg_cut_10`) are read too. May be repeated [default: nDCG@10 RR@10 AP R@100 R@1000 Judged@10; with
    /// answers: Accuracy@20 Accuracy@100 Accuracy@5 Accuracy@1].
    #[arg(short, long = "measure", value_name = "MEASURE")]
    measures: Vec<Measure>,

    /// The lowest grade that counts as relevant, for every measure that does not state one in its own name.
    #[arg(short = 'l', long, value_name = "GRADE", default_value_t = 1, value_parser = clap::value_parser!(i32).range(0..))]
    relevance_level: i32,

    /// The rule that orders the documents of a run: trec_eval-9, trec_eval-10 or msmarco (by the rank column).
    #[arg(long, default_value = "trec_eval-9")]
    policy: Policy,

    /// Average over all judged queries; a judged query without results counts as 0. This is the default.
    #[arg(short, long)]
    complete: bool,

    /// Average only over the judged queries that have results, as trec_eval does without `-c`.
    #[arg(long, conflicts_with = "complete")]
    returned_only: bool,

    /// Use only the first DEPTH documents of each ranking; if not given, all of them.
    #[arg(short = 'M', long, value_parser = clap::value_parser!(u32).range(1..))]
    depth: Option<u32>,

    /// Also print the values of each query.
    #[arg(short = 'q', long)]
    per_query: bool,

    /// Print JSON instead of a table.
    #[arg(long, conflicts_with = "trec")]
    json: bool,

    /// Print trec_eval's format; if no measures are named, also its default measures.
    #[arg(long)]
    trec: bool,

    /// The run that the others are compared with: its position on the command line, counted from 1, or its path.
    #[arg(long, value_name = "RUN", default_value = "1")]
    baseline: String,

    /// The test of differences: randomisation, t or wilcoxon.
    #[arg(long, default_value_t = Settings::default().test)]
    test: Test,

    /// How p-values are corrected for the number of comparisons printed: holm, bonferroni or none.
    #[arg(long, default_value_t = Settings::default().correction)]
    correction: Correction,

    /// The seed of the random samples, a whole number; the same seed gives the same figures.
    #[arg(long, default_value_t = Settings::default().seed)]
    seed: u64,

    /// The number of random samples that the randomisation test and the confidence intervals draw.
    #[arg(long, default_value_t = Settings::default().samples, value_parser = clap::value_parser!(u32).range(1..))]
    samples: u32,

    /// Compare all pairs of runs by Tukey's HSD instead of each run with the baseline.
    #[arg(long)]
    tukey: bool,
}

/// The measures that are computed if the user names none.
const DEFAULTS: [&str; 6] = ["nDCG@10", "RR@10", "AP", "R@100", "R@1000", "Judged@10"];
/// Those of answers.
const BY_ANSWERS: [&str; 4] = ["Accuracy@20", "Accuracy@100", "Accuracy@5", "Accuracy@1"];

/// A run, with the values of all measures.
struct Scored {
    path: PathBuf,
    tag: String,
    evaluation: Evaluation,
}

/// Everything that is printed, in any of the three layouts.
struct Report {
    args: Args,
    runs: Vec<Scored>,
    baseline: usize,
    comparisons: Vec<Comparison>,
    pairs: Vec<(Measure, Vec<Pair>)>,
}

/// Reads the files, computes the measures, compares the runs and prints the result.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let report = report(args)?;
    let text = match (report.args.json, report.args.trec) {
        (true, _) => json::print(&report)?,
        (_, true) => trec::print(&report),
        _ => table::print(&report),
    };
    print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn report(args: Args) -> Result<Report> {
    let runs = args.runs.iter().map(|run| ("RUN", run.as_path()));
    let corpus = args.corpus.iter().map(|corpus| ("--corpus", corpus.path.as_path()));
    let judges = std::iter::once(("QRELS", args.qrels.path.as_path()));
    check_standard_input(judges.chain(corpus).chain(runs))?;
    let judges = Judges::read(&args.qrels, args.corpus.as_ref())?;
    let measures = args.measures();
    let baseline = args.baseline()?;
    let runs: Vec<Scored> = args
        .runs
        .iter()
        .map(|path| score(path, &judges, &measures, &args))
        .collect::<Result<_>>()?;
    let mut report = Report { args, runs, baseline, comparisons: vec![], pairs: vec![] };
    if report.runs.len() > 1 {
        report.compare()?;
    }
    Ok(report)
}

fn score(path: &Path, judges: &Judges, measures: &[Measure], args: &Args) -> Result<Scored> {
    let run = read_run(path)?;
    ensure!(!run.is_empty(), "{}: no results: expected at least one line", path.display());
    judges.ensure_overlap(path, &run)?;
    warn(judges.misfits(path, &run, args.returned_only));
    let evaluation = evaluate(judges.judged(), &run, measures, args.policy())
        .with_context(|| path.display().to_string())?;
    Ok(Scored { path: path.to_owned(), tag: run.tag, evaluation })
}

impl Args {
    fn measures(&self) -> Vec<Measure> {
        let usual = if self.corpus.is_some() { &BY_ANSWERS[..] } else { &DEFAULTS };
        let parsed = |name: &&str| name.parse().expect("the defaults parse");
        let named = match (self.measures.as_slice(), self.trec) {
            ([], true) => Measure::trec_defaults(),
            ([], false) => usual.iter().map(parsed).collect(),
            (named, _) => named.to_vec(),
        };
        let usual = |measure: &Measure| measure.relevance_level() == Some(1);
        named
            .into_iter()
            .map(|m| if usual(&m) { m.with_relevance_level(self.relevance_level) } else { m })
            .collect()
    }

    fn policy(&self) -> Policy {
        let policy = Policy { depth: self.depth, ..self.policy };
        if self.returned_only { policy.returned_only() } else { policy }
    }

    /// The position of the baseline among the runs, counted from 0.
    fn baseline(&self) -> Result<usize> {
        let by_path = self.runs.iter().position(|path| path == Path::new(&self.baseline));
        let by_place =
            self.baseline.parse().ok().filter(|place| (1..=self.runs.len()).contains(place));
        match by_path.or(by_place.map(|place| place - 1)) {
            Some(baseline) => Ok(baseline),
            None => bail!(
                "--baseline `{}`: expected a number from 1 to {} or the path of one of the runs",
                self.baseline,
                self.runs.len()
            ),
        }
    }

    fn settings(&self) -> Settings {
        let &Self { test, correction, seed, samples, .. } = self;
        Settings { test, correction, seed, samples, ..Settings::default() }
    }
}

impl Report {
    fn compare(&mut self) -> Result<()> {
        if self.args.tukey {
            self.pairs = self.all_pairs();
            return Ok(());
        }
        let baseline = &self.runs[self.baseline].evaluation;
        let others: Vec<&Evaluation> = self.others().map(|(_, run)| &run.evaluation).collect();
        self.comparisons = compare(baseline, &others, &self.args.settings())?;
        Ok(())
    }

    /// All runs but the baseline, with their positions.
    fn others(&self) -> impl Iterator<Item = (usize, &Scored)> {
        self.runs.iter().enumerate().filter(|(place, _)| *place != self.baseline)
    }

    /// The run that a comparison is about, by its position among the runs that are not the baseline.
    fn system(&self, place: usize) -> &Scored {
        self.others().nth(place).expect("one system for each other run").1
    }

    fn all_pairs(&self) -> Vec<(Measure, Vec<Pair>)> {
        let first = &self.runs[0].evaluation;
        let columns = first.measured.iter().enumerate();
        columns
            .filter(|(_, measured)| measured.measure.is_effectiveness())
            .map(|(at, measured)| {
                let values: Vec<&[f64]> = self
                    .runs
                    .iter()
                    .map(|run| run.evaluation.measured[at].per_query.as_slice())
                    .collect();
                (measured.measure, tukey_hsd_by_query(&values))
            })
            .collect()
    }
}
