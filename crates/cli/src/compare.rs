//! Comparing: every row of a table tested against the baseline.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use nir_catalogue::{Claimed, Library, Verdict};
use nir_engine::Outcome;
use nir_eval::significance::{Comparison as Difference, Correction, LEVEL, Settings, compare};
use nir_eval::{Evaluation, Measure, Measured};
use nir_report::{Judged, Means, Pairs, Question, p_value, verdict};

use crate::table::Table;

/// How a table compares results: the baseline, the significance test and its correction.
pub(crate) struct Plan {
    /// The method that the others are tested against; `None` is the first row.
    baseline: Option<String>,
    settings: Settings,
    /// Which measures are tested; empty where all are.
    tested: Vec<Measure>,
}

impl Plan {
    /// The comparison that a question asks for.
    pub(crate) fn of(question: &Question) -> Self {
        let (baseline, tested) = (Some(question.baseline.clone()), question.tested.clone());
        Self { baseline, settings: question.settings, tested }
    }

    /// The page of one dataset: the rows, then each row against the baseline, then the claims.
    pub(crate) fn page(
        &self,
        dataset: &str,
        outcomes: &[Outcome],
        library: &Library,
    ) -> Result<String> {
        let Some(first) = outcomes.first() else { bail!("no method ran") };
        let mut page =
            format!("\n{dataset}: {} queries, {}\n\n", first.cell.queries, first.cell.policy);
        let names: Vec<String> =
            first.evaluation.measured.iter().map(|measured| measured.measure.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut table = Table::new([&["method"], &names[..], &["ms/query", "paper"]].concat());
        outcomes.iter().for_each(|outcome| table.row(row(outcome, library)));
        let _ = write!(page, "{table}");
        add_missing(&mut page, outcomes);
        let is_baseline = |outcome: &&Outcome| self.baseline.as_ref() == Some(&outcome.cell.method);
        let baseline = outcomes.iter().find(is_baseline).unwrap_or(first);
        self.add_differences(&mut page, baseline, outcomes)?;
        add_claims(&mut page, outcomes);
        Ok(page)
    }

    /// The measures that are tested.
    fn tested(&self, evaluation: &Evaluation) -> Evaluation {
        let is_tested = |measured: &&Measured| {
            self.tested.is_empty() || self.tested.contains(&measured.measure)
        };
        let measured = evaluation.measured.iter().filter(is_tested).cloned().collect();
        Evaluation { measured, ..evaluation.clone() }
    }

    fn add_differences(
        &self,
        page: &mut String,
        baseline: &Outcome,
        outcomes: &[Outcome],
    ) -> Result<()> {
        let others: Vec<&Outcome> =
            outcomes.iter().filter(|outcome| !std::ptr::eq(*outcome, baseline)).collect();
        if others.is_empty() {
            return Ok(());
        }
        let evaluations: Vec<Evaluation> =
            others.iter().map(|outcome| self.tested(&outcome.evaluation)).collect();
        let evaluations: Vec<&Evaluation> = evaluations.iter().collect();
        let (test, correction) = (self.settings.test, self.settings.correction);
        let _ = writeln!(
            page,
            "\nagainst {} ({test}; * p ({correction}) < {LEVEL})\n",
            baseline.cell.label()
        );
        let found = compare(&self.tested(&baseline.evaluation), &evaluations, &self.settings)?;
        let name = |system: usize| others[system].cell.label();
        let _ = write!(page, "{}", differences("method", name, &found, correction));
        let judged: Vec<Judged> =
            found.iter().map(|one| Judged::new(name(one.system), one)).collect();
        let queries = baseline.evaluation.queries.len();
        let _ = writeln!(page, "\n{}", verdict("method", &baseline.cell.label(), queries, &judged));
        add_pairs(page, outcomes);
        Ok(())
    }
}

/// A table of differences to the baseline, one row for each system and measure. `what` is the heading of the names;
/// `detectable` is the smallest true difference that the queries show with a chance of 80 %.
pub(crate) fn differences(
    what: &str,
    name: impl Fn(usize) -> String,
    found: &[Difference],
    correction: Correction,
) -> Table {
    let corrected = format!("p ({correction})");
    let mut table = Table::new([
        what,
        "measure",
        "difference",
        "95 % interval",
        "p",
        &corrected,
        "d",
        "won/tied/lost",
        "detectable",
    ]);
    for one in found {
        let (low, high, tally) = (one.interval.low, one.interval.high, one.tally);
        table.row([
            name(one.system),
            one.measure.to_string(),
            format!("{:+.4}", one.difference),
            format!("{low:+.4} {high:+.4}"),
            p_value(one.outcome.p),
            p_value(one.corrected_p) + if one.corrected_p < LEVEL { "*" } else { " " },
            format!("{:+.2}", one.effect_size),
            format!("{}/{}/{}", tally.wins, tally.ties, tally.losses),
            one.detectable.map_or_else(String::new, |limit| format!("{limit:.4}")),
        ]);
    }
    table
}

fn row(outcome: &Outcome, library: &Library) -> Vec<String> {
    let cell = &outcome.cell;
    let paper =
        library.papers.get(&cell.paper).map_or(cell.paper.clone(), |paper| paper.url.clone());
    let latency = format!("{:.3}", cell.cost.latency.p50_ms);
    let values = outcome.evaluation.measured.iter();
    let values = values.map(|measured| format!("{:.4}", measured.value));
    std::iter::once(cell.label()).chain(values).chain([latency, paper]).collect()
}

/// Queries that a method found nothing for: they count 0, and a low figure may be all their doing.
fn add_missing(page: &mut String, outcomes: &[Outcome]) {
    for outcome in outcomes.iter().filter(|outcome| outcome.evaluation.missing > 0) {
        let Evaluation { missing, queries, .. } = &outcome.evaluation;
        let (name, of) = (outcome.cell.label(), queries.len());
        let _ = writeln!(
            page,
            "{name}: no results for {missing} of {of} judged queries, which count 0"
        );
    }
}

/// A terminal is too narrow for a matrix of more rows.
const MATRIX: usize = 12;

/// All pairs under the first measure, each once.
fn add_pairs(page: &mut String, outcomes: &[Outcome]) {
    let first = |outcome: &Outcome| outcome.evaluation.measured.first().cloned();
    let Some(measured) = outcomes.iter().map(first).collect::<Option<Vec<_>>>() else { return };
    let rows: Vec<(String, &[f64])> = outcomes
        .iter()
        .zip(&measured)
        .map(|(outcome, measured)| (outcome.cell.label(), measured.per_query.as_slice()))
        .collect();
    if rows.len() > MATRIX {
        return;
    }
    let Some(pairs) = measured.first().and_then(|first| Pairs::of(&first.measure, &rows)) else {
        return;
    };
    let numbers = (1..rows.len()).map(|number| number.to_string());
    let mut table = Table::new(std::iter::once("row less column".to_owned()).chain(numbers));
    for (row, name) in pairs.names.iter().enumerate() {
        let cell = |column| {
            let pair = pairs.at(row, column).filter(|_| column < row);
            pair.map_or_else(String::new, |(difference, found)| {
                format!("{difference:+.3}{}", if found { "*" } else { " " })
            })
        };
        let cells = (0..rows.len() - 1).map(cell);
        table.row(std::iter::once(format!("{name} ({})", row + 1)).chain(cells));
    }
    let (measure, sentence) = (&pairs.measure, &pairs.verdict);
    let _ = writeln!(
        page,
        "\nall pairs under {measure} (Tukey's HSD; * p < {LEVEL})\n\n{table}\n{sentence}"
    );
}

/// Means over several datasets, each against the baseline's.
pub(crate) fn means(means: &Means) -> String {
    let datasets = means.datasets.join(", ");
    let names = means.measures.iter().flat_map(|name| [name.clone(), "difference".to_owned()]);
    let mut table = Table::new(std::iter::once("method".to_owned()).chain(names));
    for row in &means.rows {
        let cells = row.values.iter().flat_map(|value| {
            let against = value.against.as_ref().map_or_else(String::new, |one| {
                format!("{:+.4}{}", one.difference, if one.is_significant { "*" } else { " " })
            });
            [format!("{:.4}", value.value), against]
        });
        table.row(std::iter::once(row.name.clone()).chain(cells));
    }
    let mut page = format!(
        "\nmeans over {datasets}: each counts once (randomisation within datasets; * corrected p < {LEVEL})\n\n{table}"
    );
    for (names, why) in [
        (&means.left_out, "left out, samples beside full collections"),
        (&means.incomplete, "without a result on every dataset"),
    ] {
        if !names.is_empty() {
            let _ = writeln!(page, "{why}: {}", names.join(", "));
        }
    }
    if !means.verdict.is_empty() {
        let _ = writeln!(page, "\n{}", means.verdict);
    }
    page
}

fn add_claims(page: &mut String, outcomes: &[Outcome]) {
    for outcome in outcomes {
        for Claimed { claim, ours, difference, verdict } in &outcome.cell.claims {
            let verdict = match verdict {
                Verdict::Reproduced => "reproduced",
                Verdict::Above => "ABOVE the claim",
                Verdict::Below => "BELOW the claim",
            };
            let name = &outcome.cell.label();
            let _ = writeln!(
                page,
                "claim: {name}, {} {} ± {} ({}): ours {ours:.4}, {difference:+.4}: {verdict}",
                claim.measure, claim.value, claim.tolerance, claim.source
            );
        }
    }
}
