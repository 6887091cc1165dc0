//! Means over several datasets, each of which counts once, and the test of their differences from the baseline's.

use nir_catalogue::Scope;
use nir_eval::significance::{Across, LEVEL, across, detectable_by_dataset};
use serde::Serialize;

use crate::Question;
use crate::measured::Measured;
use crate::significance::six_digits;
use crate::verdict::{Judged, verdict};

/// Methods beside each other over several datasets.
#[derive(Debug, Clone, Serialize)]
pub struct Means {
    /// The datasets that the means are over.
    pub datasets: Vec<String>,
    /// The datasets that were asked for and are left out: samples beside full collections.
    pub left_out: Vec<String>,
    /// The names of the measures: those that every row records on every dataset.
    pub measures: Vec<String>,
    /// How many queries all the datasets have together.
    pub queries: usize,
    /// The methods that have a result on every dataset.
    pub rows: Vec<MeanRow>,
    /// The methods that have no result on at least one dataset.
    pub incomplete: Vec<String>,
    /// What the comparison says, in one sentence; empty where nothing is compared.
    pub verdict: String,
}

/// The means of one method over several datasets.
#[derive(Debug, Clone, Serialize)]
pub struct MeanRow {
    /// The name of the method's config.
    pub method: String,
    /// The name to show in tables.
    pub name: String,
    /// Whether this is the row that the others are tested against.
    pub is_baseline: bool,
    /// One value for each measure.
    pub values: Vec<Mean>,
}

/// The mean of one measure over datasets.
#[derive(Debug, Clone, Serialize)]
pub struct Mean {
    /// The mean of the datasets' values.
    pub value: f64,
    /// The comparison with the baseline; `None` for the baseline itself.
    pub against: Option<AgainstMean>,
}

/// The difference of a mean from the baseline's.
#[derive(Debug, Clone, Serialize)]
pub struct AgainstMean {
    /// The mean of the datasets' mean differences.
    pub difference: f64,
    /// The lower end of its 95 % bootstrap interval, from queries drawn again within each dataset.
    pub low: f64,
    /// The upper end of that interval.
    pub high: f64,
    /// The p-value of the randomisation test within datasets.
    pub p: f64,
    /// The p-value corrected for all comparisons of means.
    pub corrected_p: f64,
    /// Whether `corrected_p` is below [`LEVEL`].
    pub is_significant: bool,
    /// The smallest true difference that the queries of all datasets show with a chance of 80 %; `None` where no query differs.
    pub detectable: Option<f64>,
}

/// A method, its results dataset by dataset in their order.
struct Complete<'a> {
    of: Vec<&'a Measured>,
}

impl Means {
    /// Of two datasets or more; samples and full collections do not share a mean, so samples are left out beside full
    /// collections. None where no method has a result on all of them, or no measure is common to them.
    pub fn of(question: &Question, measured: &[Measured]) -> Option<Self> {
        let is_sample = |name: &&String| {
            measured.iter().any(|one| {
                &&one.cell.dataset == name && matches!(one.cell.scope, Scope::SampleOf(_))
            })
        };
        let (samples, full): (Vec<&String>, Vec<&String>) =
            question.datasets.iter().partition(is_sample);
        let (datasets, left_out) = if full.is_empty() { (samples, full) } else { (full, samples) };
        if datasets.len() < 2 {
            return None;
        }
        let (rows, incomplete) = complete(question, &datasets, measured);
        let first = rows.first()?;
        let measures = measures(question, &rows);
        if measures.is_empty() {
            return None;
        }
        let owned = |names: &[&String]| names.iter().map(|&name| name.clone()).collect();
        let mut means = Self {
            datasets: owned(&datasets),
            left_out: owned(&left_out),
            queries: first.of.iter().map(|one| one.per_query.queries.len()).sum(),
            rows: rows.iter().map(|row| mean_row(question, &measures, row)).collect(),
            incomplete,
            measures,
            verdict: String::new(),
        };
        means.compare(&rows, question);
        Some(means)
    }

    /// Tests every row against the baseline under every measure that is tested, as one family.
    fn compare(&mut self, rows: &[Complete<'_>], question: &Question) {
        let settings = &question.settings;
        let Some(baseline) = self.rows.iter().position(|row| row.is_baseline) else { return };
        let mut found: Vec<(usize, usize, Across, Vec<Vec<f64>>)> = Vec::new();
        for (i, row) in rows.iter().enumerate().filter(|&(i, _)| i != baseline) {
            for (m, name) in self.measures.iter().enumerate() {
                let is_tested = name.parse().is_ok_and(|measure| question.is_tested(measure));
                let differences = row.differences(&rows[baseline], name);
                if let Some(differences) = differences.filter(|_| is_tested) {
                    let strata: Vec<&[f64]> = differences.iter().map(Vec::as_slice).collect();
                    let judged = across(&strata, settings);
                    found.push((i, m, judged, differences));
                }
            }
        }
        let p: Vec<f64> = found.iter().map(|(_, _, one, _)| one.p).collect();
        let level = settings.correction.strictest(LEVEL, found.len());
        for ((i, m, one, differences), corrected_p) in
            found.iter().zip(settings.correction.correct(&p))
        {
            let strata: Vec<&[f64]> = differences.iter().map(Vec::as_slice).collect();
            self.rows[*i].values[*m].against = Some(AgainstMean {
                difference: one.difference,
                low: one.interval.low,
                high: one.interval.high,
                p: one.p,
                corrected_p,
                is_significant: corrected_p < LEVEL,
                detectable: detectable_by_dataset(&strata, level).map(six_digits),
            });
        }
        self.verdict = self.sentence(&self.rows[baseline].name);
    }

    fn sentence(&self, baseline: &str) -> String {
        let of_row = |row: &MeanRow| -> Vec<Judged> {
            let values = self.measures.iter().zip(&row.values);
            let judged = values.filter_map(|(measure, value)| {
                let against = value.against.as_ref()?;
                Some(Judged {
                    name: row.name.clone(),
                    measure: measure.clone(),
                    difference: against.difference,
                    is_significant: against.is_significant,
                    detectable: against.detectable,
                })
            });
            judged.collect()
        };
        let judged: Vec<Judged> = self.rows.iter().flat_map(of_row).collect();
        verdict("method", baseline, self.queries, &judged)
    }
}

impl Complete<'_> {
    /// This row less `baseline` under one measure, dataset by dataset; none where some dataset's queries are not the same.
    fn differences(&self, baseline: &Self, measure: &str) -> Option<Vec<Vec<f64>>> {
        let pairs = || self.of.iter().zip(&baseline.of);
        let is_paired = pairs().all(|(ours, theirs)| ours.is_paired(theirs));
        is_paired.then(|| pairs().map(|(ours, theirs)| ours.differences(theirs, measure)).collect())
    }

    fn mean(&self, measure: &str) -> f64 {
        let values = self.of.iter().map(|one| one.cell.measures[measure].value);
        values.sum::<f64>() / self.of.len() as f64
    }
}

/// The methods with a result on every dataset, each precision apart, and the names of the others.
fn complete<'a>(
    question: &Question,
    datasets: &[&String],
    measured: &'a [Measured],
) -> (Vec<Complete<'a>>, Vec<String>) {
    let (mut rows, mut incomplete) = (Vec::new(), Vec::new());
    for method in &question.methods {
        let of_method: Vec<&Measured> =
            measured.iter().filter(|one| &one.cell.method == method).collect();
        let mut precisions: Vec<&Option<String>> = Vec::new();
        for one in &of_method {
            if !precisions.contains(&&one.cell.precision) {
                precisions.push(&one.cell.precision);
            }
        }
        let before = rows.len();
        for precision in precisions {
            let on = |dataset: &&String| {
                let is_it = |one: &&&Measured| {
                    one.cell.dataset == **dataset && &one.cell.precision == precision
                };
                of_method.iter().find(is_it).copied()
            };
            if let Some(of) = datasets.iter().map(on).collect::<Option<Vec<_>>>() {
                rows.push(Complete { of });
            }
        }
        if rows.len() == before {
            incomplete.push(method.clone());
        }
    }
    (rows, incomplete)
}

/// The measures asked for, or else those of the first result, that every row records on every dataset.
fn measures(question: &Question, rows: &[Complete<'_>]) -> Vec<String> {
    let asked: Vec<String> = question.measures.iter().map(ToString::to_string).collect();
    let names = match asked.is_empty() {
        true => rows[0].of[0].cell.measures.keys().cloned().collect(),
        false => asked,
    };
    let recorded = |name: &String| {
        rows.iter()
            .flat_map(|row| &row.of)
            .all(|one| one.cell.measures.contains_key(name) && one.per_query.get(name).is_some())
    };
    names.into_iter().filter(recorded).collect()
}

fn mean_row(question: &Question, measures: &[String], row: &Complete<'_>) -> MeanRow {
    let cell = &row.of[0].cell;
    let is_reference = cell.precision.as_deref().is_none_or(|precision| precision == "f32");
    let mean = |name: &String| Mean { value: row.mean(name), against: None };
    MeanRow {
        method: cell.method.clone(),
        name: cell.label(),
        is_baseline: cell.method == question.baseline && is_reference,
        values: measures.iter().map(mean).collect(),
    }
}
