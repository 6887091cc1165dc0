//! A run against a baseline, one measure at a time.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use rayon::prelude::*;

use super::{
    Correction, Interval, Outcome, Tally, bootstraps, detectable, mean, paired_t, randomisations,
    standardised_difference, tally, wilcoxon,
};
use crate::{Evaluation, Measure};

/// A corrected p-value below this is taken for a difference, and nothing else is.
pub const LEVEL: f64 = 0.05;

/// Which test gives `p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Test {
    /// The paired t test.
    T,
    /// Wilcoxon's signed rank test.
    Wilcoxon,
    /// The paired randomisation test, which assumes nothing of how measures are distributed.
    #[default]
    Randomisation,
}

/// How runs are compared. Equal settings give equal numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Which test gives `p`.
    pub test: Test,
    /// How `p` is raised for the number of comparisons made.
    pub correction: Correction,
    /// What random samples start from.
    pub seed: u64,
    /// How many random samples are drawn, by the randomisation test and for the interval.
    pub samples: u32,
    /// Which part of resampled differences the interval holds.
    pub confidence: f64,
}

/// What every command takes where nobody says another: the randomisation test with Holm's correction, 95 % intervals, and
/// 50,000 samples, which leave a p-value near 0.05 a standard error of 0.001.
impl Default for Settings {
    fn default() -> Self {
        let (test, correction) = (Test::default(), Correction::default());
        Self { test, correction, seed: 42, samples: 50_000, confidence: 0.95 }
    }
}

/// A system against the baseline under one measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Which of the systems.
    pub system: usize,
    /// Under which measure.
    pub measure: Measure,
    /// The mean over queries of system less baseline.
    pub difference: f64,
    /// Where that mean lies if the queries were drawn again.
    pub interval: Interval,
    /// What the test says of it alone.
    pub outcome: Outcome,
    /// `p` after correction for all comparisons made together.
    pub corrected_p: f64,
    /// The difference in its own standard deviations (Cohen's `d` of paired values).
    pub effect_size: f64,
    /// Queries by who did better.
    pub tally: Tally,
    /// The smallest true difference that these queries show with a chance of [`POWER`](super::POWER), at the level that
    /// the correction leaves to one comparison; none where no query differs, or there are fewer than two.
    pub detectable: Option<f64>,
}

/// What a system does better than the baseline, query by query, under one measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Differences {
    /// Which of the systems.
    pub system: usize,
    /// Under which measure.
    pub measure: Measure,
    /// System less baseline, one value for each query.
    pub values: Vec<f64>,
}

/// Two evaluations that are not over the same queries and measures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the runs are not measured over the same queries and measures: average over all judged queries, not only over returned ones"
)]
pub struct Unpaired;

/// Compares each system with the baseline under every measure of effectiveness.
///
/// All comparisons made here are one family for the correction: every system under every measure.
pub fn compare(
    baseline: &Evaluation,
    systems: &[&Evaluation],
    settings: &Settings,
) -> Result<Vec<Comparison>, Unpaired> {
    let mut family = Vec::new();
    for (number, system) in systems.iter().enumerate() {
        add_system(&mut family, baseline, number, system)?;
    }
    Ok(settings.judge(&family))
}

fn add_system(
    family: &mut Vec<Differences>,
    baseline: &Evaluation,
    number: usize,
    system: &Evaluation,
) -> Result<(), Unpaired> {
    let names = |of: &Evaluation| of.queries.iter().map(|q| q.query_id.clone()).collect::<Vec<_>>();
    if names(baseline) != names(system) || baseline.measured.len() != system.measured.len() {
        return Err(Unpaired);
    }
    for (theirs, ours) in baseline.measured.iter().zip(&system.measured) {
        if theirs.measure != ours.measure {
            return Err(Unpaired);
        }
        if ours.measure.is_effectiveness() {
            let pairs = ours.per_query.iter().zip(&theirs.per_query);
            let values = pairs.map(|(ours, theirs)| ours - theirs).collect();
            family.push(Differences { system: number, measure: ours.measure, values });
        }
    }
    Ok(())
}

impl Settings {
    /// Judges differences that were made together: all of them are one family for the correction. Random samples are drawn once
    /// for all that have as many queries.
    pub fn judge(&self, family: &[Differences]) -> Vec<Comparison> {
        let level = self.correction.strictest(LEVEL, family.len());
        let outcomes = by_length(family, |values| self.outcomes(values));
        let intervals = by_length(family, |values| {
            bootstraps(values, self.confidence, self.samples, self.seed)
        });
        let p: Vec<f64> = outcomes.iter().map(|outcome| outcome.p).collect();
        let judged = family.par_iter().zip(outcomes).zip(intervals);
        let judged = judged.zip(self.correction.correct(&p)).map(
            |(((one, outcome), interval), corrected_p)| {
                let &Differences { system, measure, ref values } = one;
                Comparison {
                    system,
                    measure,
                    difference: mean(values),
                    interval,
                    outcome,
                    corrected_p,
                    effect_size: standardised_difference(values),
                    tally: tally(values),
                    detectable: detectable(values, level),
                }
            },
        );
        judged.collect()
    }

    fn outcomes(&self, systems: &[&[f64]]) -> Vec<Outcome> {
        match self.test {
            Test::T => systems.par_iter().map(|values| paired_t(values)).collect(),
            Test::Wilcoxon => systems.par_iter().map(|values| wilcoxon(values)).collect(),
            Test::Randomisation => randomisations(systems, self.samples, self.seed),
        }
    }
}

/// What `of` gives for all differences over as many queries at once, in the order of the family.
fn by_length<T: Copy>(family: &[Differences], of: impl Fn(&[&[f64]]) -> Vec<T>) -> Vec<T> {
    let mut places: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, one) in family.iter().enumerate() {
        places.entry(one.values.len()).or_default().push(place);
    }
    let mut found: Vec<Option<T>> = vec![None; family.len()];
    for places in places.into_values() {
        let values: Vec<&[f64]> = places.iter().map(|&at| family[at].values.as_slice()).collect();
        for (place, value) in places.into_iter().zip(of(&values)) {
            found[place] = Some(value);
        }
    }
    found.into_iter().map(|value| value.expect("every place is in one list")).collect()
}

const NAMES: [(Test, &str); 3] =
    [(Test::T, "t"), (Test::Wilcoxon, "wilcoxon"), (Test::Randomisation, "randomisation")];

impl Display for Test {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(test, _)| test == self).map_or("", |(_, name)| name))
    }
}

/// A text that names no test.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown test `{name}`: expected one of t, wilcoxon, randomisation")]
pub struct UnknownTest {
    /// The name as written.
    pub name: String,
}

impl FromStr for Test {
    type Err = UnknownTest;

    fn from_str(name: &str) -> Result<Self, UnknownTest> {
        NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|&(test, _)| test)
            .ok_or_else(|| UnknownTest { name: name.to_owned() })
    }
}
