//! Paired tests between the rows of a table: each row against the baseline, and what papers claim of two rows.

use nir_eval::Measure;
use nir_eval::significance::{Comparison as Judged, Differences, LEVEL};
use serde::Serialize;

use crate::Question;
use crate::error::ReportError;
use crate::measured::Measured;

/// The comparison of a row with another, usually the baseline, under one measure.
#[derive(Debug, Clone, Serialize)]
pub struct Against {
    /// The mean difference.
    pub difference: f64,
    /// The lower end of the 95% bootstrap interval of the mean difference, over queries.
    pub low: f64,
    /// The upper end of that interval.
    pub high: f64,
    /// The p-value of this comparison alone.
    pub p: f64,
    /// The p-value corrected for all comparisons in the table.
    pub corrected_p: f64,
    /// Whether the corrected p-value is below [`LEVEL`].
    pub is_significant: bool,
    /// The mean difference divided by the standard deviation of the differences.
    pub effect_size: f64,
    /// The number of queries won, tied and lost.
    pub tally: [usize; 3],
    /// The smallest true difference that these queries show with a chance of 80 %, at the level that the correction leaves
    /// to one comparison; `None` where no query differs.
    pub detectable: Option<f64>,
}

impl Against {
    pub(crate) fn of(judged: &Judged) -> Self {
        Self {
            difference: judged.difference,
            low: judged.interval.low,
            high: judged.interval.high,
            p: six_digits(judged.outcome.p),
            corrected_p: six_digits(judged.corrected_p),
            is_significant: judged.corrected_p < LEVEL,
            effect_size: judged.effect_size,
            tally: [judged.tally.wins, judged.tally.ties, judged.tally.losses],
            detectable: judged.detectable.map(six_digits),
        }
    }
}

/// Rounds what comes of a distribution to six digits. The digits after them depend on the mathematical library of the build,
/// not on the data.
pub(crate) fn six_digits(p: f64) -> f64 {
    format!("{p:.5e}").parse().unwrap_or(p)
}

/// A paper's claim that one row is better than another, and the test of it.
#[derive(Debug, Clone, Serialize)]
pub struct Tested {
    /// The claim in words.
    pub says: String,
    /// The key of the paper that makes the claim.
    pub paper: String,
    /// The method that is claimed to be better.
    pub better: String,
    /// The method that it is claimed to be better than.
    pub than: String,
    /// The measure under which the two are compared.
    pub measure: String,
    /// The comparison of `better` with `than`; its p-value is corrected for all claims of the table.
    pub against: Against,
    /// The conclusion from the test.
    pub verdict: Finding,
}

/// The conclusion of a paired test about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The row that is claimed to be better is significantly better.
    Held,
    /// The row that is claimed to be better is significantly worse.
    NotHeld,
    /// The difference is not significant.
    Undecided,
}

impl Finding {
    fn of(against: &Against) -> Self {
        match (against.is_significant, against.difference > 0.0) {
            (true, true) => Self::Held,
            (true, false) => Self::NotHeld,
            (false, _) => Self::Undecided,
        }
    }
}

impl Tested {
    fn new(question: &Question, measure: &str, judged: &Judged) -> Self {
        let hypothesis = &question.hypotheses[judged.system];
        let against = Against::of(judged);
        Self {
            says: hypothesis.says.clone(),
            paper: hypothesis.paper.clone(),
            better: hypothesis.better.as_ref().clone(),
            than: hypothesis.than.as_ref().clone(),
            measure: measure.to_owned(),
            verdict: Finding::of(&against),
            against,
        }
    }
}

/// Compares every row with the baseline under every measure, as one family of tests.
/// Rows that were measured on other data than the baseline are left out.
pub(crate) fn judged(
    question: &Question,
    measures: &[String],
    baseline: Option<usize>,
    rows: &[&Measured],
) -> Result<Vec<Judged>, ReportError> {
    let Some(baseline) = baseline else { return Ok(Vec::new()) };
    let mut family = Vec::new();
    for (system, row) in rows.iter().enumerate() {
        if system == baseline || !row.is_paired(rows[baseline]) {
            continue;
        }
        for name in measures {
            let measure: Measure = name.parse()?;
            if question.is_tested(measure) {
                let values = row.differences(rows[baseline], name);
                family.push(Differences { system, measure, values });
            }
        }
    }
    Ok(question.settings.judge(&family))
}

/// Tests the claims whose two rows are both there, under the first measure, as one family of tests.
pub(crate) fn tested(
    question: &Question,
    measures: &[String],
    rows: &[&Measured],
) -> Result<Vec<Tested>, ReportError> {
    let (Some(name), false) = (measures.first(), question.hypotheses.is_empty()) else {
        return Ok(Vec::new());
    };
    let measure: Measure = name.parse()?;
    let row = |method: &str| rows.iter().find(|row| row.cell.method == method);
    let mut family = Vec::new();
    for (system, hypothesis) in question.hypotheses.iter().enumerate() {
        let (better, than) = (row(hypothesis.better.as_ref()), row(hypothesis.than.as_ref()));
        if let (Some(better), Some(than)) = (better, than)
            && better.is_paired(than)
        {
            family.push(Differences { system, measure, values: better.differences(than, name) });
        }
    }
    let judged = question.settings.judge(&family);
    Ok(judged.iter().map(|judged| Tested::new(question, name, judged)).collect())
}
