//! A user's own files in place of a dataset.

use anyhow::Result;
use nir_data::{Dataset, Own, Select, Source, TopicField};
use nir_engine::{Column, Engine};

use crate::input::check_standard_input;
use crate::progress::Bars;
use crate::terminal::warn;

/// Documents, queries and judgements in a user's own files.
#[derive(clap::Args)]
#[command(next_help_heading = "Your own files")]
#[group(id = "own-files")]
pub(crate) struct Args {
    /// Run over your own documents: TSV, JSON lines, parquet or TREC mark-up, recognised by content. They may be plain
    /// or compressed (gzip, zstd, bzip2, xz), a member of an archive (docs.zip!corpus.jsonl), a folder in BEIR's
    /// layout, or a folder whose files are all documents; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "on")]
    corpus: Option<Source>,
    /// Your own queries: TSV, JSON lines, parquet or TREC topics. May be left out where --corpus is a folder in BEIR's
    /// layout.
    #[arg(long, value_name = "FILE", requires = "corpus")]
    queries: Option<Source>,
    /// Your own judgements in TREC's or BEIR's format or in parquet; without them nothing is measured. Judgements of
    /// unknown queries or documents are counted, and refused if none is known.
    #[arg(long, value_name = "FILE", requires = "corpus")]
    qrels: Option<Source>,
    /// The answers to your own queries, in place of judgements: a document with an answer in its text counts as relevant
    /// (Accuracy@k). JSON lines with `query_id` and `answers`, or DPR's questions with answers (nq-test.qa.csv).
    #[arg(long, value_name = "FILE", requires = "corpus", conflicts_with = "qrels")]
    gold_answers: Option<Source>,
    /// Leave out the queries that nobody judged. Without it a ranking holds every query; measures are means over the judged
    /// ones either way.
    #[arg(long, requires = "qrels")]
    judged_only: bool,
    /// The fields of TREC topics that make the text of a query, separated by commas: title (used if none are named),
    /// description, narrative.
    #[arg(long, value_name = "FIELD", value_delimiter = ',', requires = "queries")]
    fields: Vec<TopicField>,
}

impl Args {
    /// Whether there are any.
    pub(crate) fn is_given(&self) -> bool {
        self.corpus.is_some()
    }

    /// As one would type them again; nothing where there are none.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let all = [
            ("--corpus", &self.corpus),
            ("--queries", &self.queries),
            ("--qrels", &self.qrels),
            ("--gold-answers", &self.gold_answers),
        ];
        let given = all.into_iter().filter_map(|(name, source)| Some((name, source.as_ref()?)));
        let words = given.flat_map(|(name, source)| [name.to_owned(), source.to_string()]);
        words.chain(self.judged_only.then(|| "--judged-only".to_owned())).collect()
    }

    /// The files as a dataset, if there are any; what is odd about them is said.
    pub(crate) fn column(&self, engine: &Engine) -> Result<Option<Column>> {
        let Some(corpus) = &self.corpus else { return Ok(None) };
        let given = [
            ("--corpus", Some(corpus)),
            ("--queries", self.queries.as_ref()),
            ("--qrels", self.qrels.as_ref()),
            ("--gold-answers", self.gold_answers.as_ref()),
        ];
        let given = given.into_iter();
        check_standard_input(
            given.filter_map(|(name, source)| Some((name, source?.path.as_path()))),
        )?;
        let own = Own {
            documents: corpus.clone(),
            queries: self.queries.clone(),
            qrels: self.qrels.clone(),
            answers: self.gold_answers.clone(),
            select: if self.judged_only { Select::Judged } else { Select::All },
            fields: self.fields.clone(),
        };
        let dataset = Dataset::from_files(engine.cache().data(), &own, &Bars::default())?;
        warn(&dataset.notes);
        Ok(Some(Column::own(dataset)?))
    }
}
