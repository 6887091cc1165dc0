//! Holding rows against a baseline.
//!
//! What no model computed is the same on every processor, and is compared so. The numbers of a model are the same on
//! processors of one instruction set; between two, they may differ in their last digits, and documents whose scores are that
//! near may change places. So where another instruction set (or another device) computed the baseline, the best ten of each
//! query are compared within a tolerance ([`Nearness`]), and what lies below them not at all.

use std::fmt;

use indexmap::IndexMap;
use nir_catalogue::{Gate, Rankings};

use crate::baseline::{BEST, Baseline, Costs, RankedQuery, Row, short};
use crate::clock::REFERENCE;

/// A difference of exactly the tolerance is within it, though decimal fractions are not exact in binary.
const ROUNDING: f64 = 1e-9;

/// The tolerances that apply where two instruction sets computed the numbers of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearness {
    /// Between a document's two scores, as a share of the largest score of the ranking.
    pub scores: f64,
    /// Between two values of a measure, where its gate allows less: a document that changes places takes its grade along.
    pub measures: f64,
}

impl Nearness {
    /// The tolerances for a precision: rounding to 8 or 16 bits turns a difference in the last digit into a whole step.
    pub fn of(precision: &str) -> Self {
        let scores = if precision == "f32" { 1e-5 } else { 1e-2 };
        Self { scores, measures: 0.005 }
    }
}

/// One thing that was held against the baseline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name of the dataset.
    pub dataset: String,
    /// The name of the method.
    pub method: String,
    /// What was compared.
    pub what: What,
    /// The value in the baseline.
    pub was: String,
    /// The value now.
    pub now: String,
    /// The difference that would have been allowed.
    pub allowed: String,
    /// The outcome.
    pub verdict: Verdict,
}

/// What a check compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Documents, queries and judgements, by their digest.
    Dataset,
    /// Something that decides a row and is anyone's to change, by its name: `config`, `weights of …`, `policy`.
    Input(String),
    /// A measure, by its name.
    Measure(String),
    /// The rankings of all queries.
    Rankings,
    /// The cost of a stage: its number, counted from 1, and its algorithm.
    Cost(usize, String),
    /// Which stages there are.
    Stages,
}

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The value is the same, or the difference is allowed.
    Held,
    /// An input has changed; that is allowed, and explains what else changed.
    Noted,
    /// The value changed by more than is allowed.
    Moved,
}

/// A baseline that does not fit what runs. The caller knows the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The baseline has no row for a method and a dataset.
    #[error("holds no `{method}` on {dataset}; add it with --update --reason \"…\"")]
    NoRow {
        /// The method.
        method: String,
        /// The dataset.
        dataset: String,
    },
    /// The baseline has a row that the comparison no longer names.
    #[error(
        "holds `{method}` on {dataset}, which the comparison no longer names; name it again, or --update --reason \"…\""
    )]
    Stranger {
        /// The method.
        method: String,
        /// The dataset.
        dataset: String,
    },
    /// The baseline has no value of a measure.
    #[error(
        "holds no {measure} of `{method}` on {dataset}, only {known}; add it with --update --reason \"…\""
    )]
    NoMeasure {
        /// The measure.
        measure: String,
        /// The method.
        method: String,
        /// The dataset.
        dataset: String,
        /// The measures there are.
        known: String,
    },
    /// The baseline has no costs of a build like this one.
    #[error(
        "holds no costs of `{method}` on {dataset} in a build for {build}, only for {known}; run such a build, leave costs out with --no-costs, or add this build with --update --reason \"…\""
    )]
    NoCosts {
        /// The method.
        method: String,
        /// The dataset.
        dataset: String,
        /// This build.
        build: String,
        /// The builds there are.
        known: String,
    },
    /// The rankings were computed by another instruction set, and the baseline has no scores to compare.
    #[error(
        "holds no scores of `{method}` on {dataset}, which {was} computed and {now} does now; --update --reason \"…\""
    )]
    NoScores {
        /// The method.
        method: String,
        /// The dataset.
        dataset: String,
        /// The arithmetic that computed the baseline.
        was: String,
        /// The arithmetic that computes now.
        now: String,
    },
    /// The costs of the baseline are ratios to another reference workload.
    #[error(
        "holds costs beside the reference {found}, this program has {REFERENCE}; --update --reason \"…\""
    )]
    OtherReference {
        /// The reference that the file names.
        found: String,
    },
}

/// Compares every current row, under its gate, with the baseline's row of the same method and dataset. Costs are
/// compared if the current row has some for `build`. Fails if the baseline lacks something that is needed.
pub fn compare(
    baseline: &Baseline,
    now: &[(Row, &Gate)],
    build: &str,
) -> Result<Vec<Check>, GateError> {
    let ran = |row: &&Row| {
        now.iter().any(|(now, _)| now.method == row.method && now.dataset == row.dataset)
    };
    if let Some(row) = baseline.rows.iter().find(|row| !ran(row)) {
        let (method, dataset) = (row.method.clone(), row.dataset.clone());
        return Err(GateError::Stranger { method, dataset });
    }
    let mut checks = Vec::new();
    for (now, gate) in now {
        let was = baseline.row(&now.dataset, &now.method).ok_or_else(|| GateError::NoRow {
            method: now.method.clone(),
            dataset: now.dataset.clone(),
        })?;
        checks.extend(Pair { was, now, gate }.checks(build)?);
    }
    Ok(checks)
}

/// A row then and now.
struct Pair<'a> {
    was: &'a Row,
    now: &'a Row,
    gate: &'a Gate,
}

impl Pair<'_> {
    fn checks(&self, build: &str) -> Result<Vec<Check>, GateError> {
        let mut checks = vec![self.dataset()];
        checks.extend(self.inputs());
        for (name, &value) in &self.now.measures {
            checks.push(self.measure(name, value)?);
        }
        checks.push(self.rankings()?);
        if let Some(now) = self.now.costs.get(build) {
            checks.extend(self.costs(self.recorded_costs(build)?, now));
        }
        Ok(checks)
    }

    fn check(&self, what: What, verdict: Verdict, [was, now, allowed]: [String; 3]) -> Check {
        let (dataset, method) = (self.now.dataset.clone(), self.now.method.clone());
        Check { dataset, method, what, was, now, allowed, verdict }
    }

    fn dataset(&self) -> Check {
        let [was, now] = [self.was, self.now].map(|row| &row.provenance.dataset);
        let words = [short(was), short(now), "the same".to_owned()];
        self.check(What::Dataset, moved(was != now), words)
    }

    /// Checks of the inputs that have changed.
    fn inputs(&self) -> Vec<Check> {
        let [was, now] = [self.was, self.now].map(inputs);
        let mut names: Vec<&String> = was.keys().chain(now.keys()).collect();
        names.sort();
        names.dedup();
        let changed = names.into_iter().filter(|name| was.get(*name) != now.get(*name));
        let words = |of: &IndexMap<String, String>, name: &str| {
            of.get(name).map_or_else(|| "none".to_owned(), |value| short(value))
        };
        let note = |name: &String| {
            let words = [words(&was, name), words(&now, name), "any".to_owned()];
            self.check(What::Input(name.clone()), Verdict::Noted, words)
        };
        changed.map(note).collect()
    }

    fn measure(&self, name: &str, now: f64) -> Result<Check, GateError> {
        let Some(&was) = self.was.measures.get(name) else {
            return Err(GateError::NoMeasure {
                measure: name.to_owned(),
                method: self.now.method.clone(),
                dataset: self.now.dataset.clone(),
                known: self.was.measures.keys().cloned().collect::<Vec<_>>().join(", "),
            });
        };
        let near = self.nearness().map_or(0.0, |near| near.measures);
        let tolerance = self.gate.tolerance(name).max(near);
        // What is no number lies within no tolerance.
        let is_held = (now - was).abs() <= tolerance + ROUNDING;
        let [was, now] = distinguished(was, now);
        let words = [was, now, format!("± {tolerance}")];
        Ok(self.check(What::Measure(name.to_owned()), moved(!is_held), words))
    }

    /// The tolerances if another instruction set computed the numbers of a model; `None` if they apply to nothing.
    fn nearness(&self) -> Option<Nearness> {
        let precision = self.now.precision.as_ref()?;
        (self.was.computed_by() != self.now.computed_by()).then(|| Nearness::of(precision))
    }

    fn rankings(&self) -> Result<Check, GateError> {
        let found = match self.nearness() {
            Some(near) => self.first_difference(|was, now| far(was, now, near.scores)),
            None => {
                self.first_difference(|was, now| is_other(was, now).then(|| first_rank(was, now)))
            }
        };
        let (verdict, allowed) = match (self.gate.rankings, self.nearness()) {
            (Rankings::Free, _) => (Verdict::Held, "any".to_owned()),
            (Rankings::Same, None) => (moved(found.is_some()), "the same".to_owned()),
            (Rankings::Same, Some(near)) => {
                self.has_scores()?;
                let allowed = format!("scores ± {:e} of the largest, to rank {BEST}", near.scores);
                (moved(found.is_some()), allowed)
            }
        };
        let runs = || [self.was, self.now].map(|row| short(&row.provenance.run));
        let [was, now] = found.unwrap_or_else(runs);
        Ok(self.check(What::Rankings, verdict, [was, now, allowed]))
    }

    /// A ranking that differs can only be held within a tolerance if its scores were written down.
    fn has_scores(&self) -> Result<(), GateError> {
        let lacks = |(query, was): (&String, &RankedQuery)| {
            let differs = self.now.rankings.get(query).is_some_and(|now| is_other(was, now));
            differs && was.scores.len() != was.best.len()
        };
        match self.was.rankings.iter().any(lacks) {
            false => Ok(()),
            true => Err(GateError::NoScores {
                method: self.now.method.clone(),
                dataset: self.now.dataset.clone(),
                was: self.was.computed_by().to_owned(),
                now: self.now.computed_by().to_owned(),
            }),
        }
    }

    /// The first query whose ranking is there only once or differs, as `differs` says: in words, then and now.
    fn first_difference(
        &self,
        differs: impl Fn(&RankedQuery, &RankedQuery) -> Option<[String; 2]>,
    ) -> Option<[String; 2]> {
        let (was, now) = (&self.was.rankings, &self.now.rankings);
        let mut queries = now.keys().chain(was.keys().filter(|query| !now.contains_key(*query)));
        queries.find_map(|query| {
            let [was, now] = match (was.get(query), now.get(query)) {
                (Some(was), Some(now)) => differs(was, now)?,
                (was, _) => [was.is_some(), was.is_none()].map(|there| match there {
                    true => "a ranking".to_owned(),
                    false => "none".to_owned(),
                }),
            };
            Some([format!("query {query}, {was}"), now])
        })
    }

    fn recorded_costs(&self, build: &str) -> Result<&Costs, GateError> {
        let costs = self.was.costs.get(build).ok_or_else(|| GateError::NoCosts {
            method: self.now.method.clone(),
            dataset: self.now.dataset.clone(),
            build: build.to_owned(),
            known: known(self.was.costs.keys()),
        })?;
        match costs.reference == REFERENCE {
            true => Ok(costs),
            false => Err(GateError::OtherReference { found: costs.reference.clone() }),
        }
    }

    fn costs(&self, was: &Costs, now: &Costs) -> Vec<Check> {
        let [before, after] =
            [was, now].map(|costs| known(costs.stages.iter().map(|one| &one.stage)));
        if before != after {
            let words = [before, after, "the same".to_owned()];
            return vec![self.check(What::Stages, Verdict::Moved, words)];
        }
        let pairs = was.stages.iter().zip(&now.stages).zip(1..);
        pairs
            .map(|((was, now), number)| self.cost(number, &now.stage, was.ratio, now.ratio))
            .collect()
    }

    fn cost(&self, number: usize, stage: &str, was: f64, now: f64) -> Check {
        let (least, most) = (was / self.gate.faster.as_ref(), was * self.gate.slower.as_ref());
        // A ratio that is no number lies within nothing.
        let is_moved = !(least..=most).contains(&now);
        let words = [
            format!("{was:.3}"),
            format!("{now:.3} ({:.2} x)", now / was),
            format!("{least:.3} to {most:.3}"),
        ];
        self.check(What::Cost(number, stage.to_owned()), moved(is_moved), words)
    }
}

fn moved(is_moved: bool) -> Verdict {
    if is_moved { Verdict::Moved } else { Verdict::Held }
}

fn known<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The inputs that decide a row, by name.
fn inputs(row: &Row) -> IndexMap<String, String> {
    let source = &row.provenance;
    let mut inputs = IndexMap::from([
        ("config".to_owned(), source.config.clone()),
        ("policy".to_owned(), row.policy.clone()),
    ]);
    let named =
        |what: &str, (name, digest): (&String, &String)| (format!("{what} {name}"), digest.clone());
    inputs.extend(source.inputs.iter().map(|one| named("config of", one)));
    inputs.extend(source.weights.iter().map(|one| named("weights of", one)));
    if let Some(precision) = &row.precision {
        inputs.insert("precision".to_owned(), precision.clone());
        inputs.insert("computed by".to_owned(), row.computed_by().to_owned());
    }
    inputs
}

fn is_other(was: &RankedQuery, now: &RankedQuery) -> bool {
    was.digest != now.digest || was.best != now.best
}

/// The first of the best documents whose two scores are further apart than `tolerance`, in words. A document that is among
/// the best only once was near them the other time: its other score is taken for the last of that list.
fn far(was: &RankedQuery, now: &RankedQuery, tolerance: f64) -> Option<[String; 2]> {
    if !is_other(was, now) {
        return None;
    }
    if was.best.len() != now.best.len() {
        return Some(first_rank(was, now));
    }
    let sizes = was.scores.iter().chain(&now.scores).map(|score| score.abs());
    let allowed = tolerance * f64::from(sizes.fold(0.0, f32::max));
    let only_now = now.best.iter().filter(|doc_id| !was.best.contains(doc_id));
    was.best.iter().chain(only_now).find_map(|doc_id| {
        let [before, after] = [was, now].map(|ranking| score(ranking, doc_id));
        // What is no number lies within no tolerance.
        let is_near = (f64::from(before) - f64::from(after)).abs() <= allowed;
        (!is_near).then(|| [format!("`{doc_id}`: {before}"), after.to_string()])
    })
}

/// The score of one of the best documents; of another, the last of them, which was above it. Where a list holds all that
/// was found there is no such document, and no number.
fn score(ranking: &RankedQuery, doc_id: &str) -> f32 {
    let below = (ranking.best.len() == BEST).then_some(BEST - 1);
    let place = ranking.best.iter().position(|best| best == doc_id).or(below);
    place.and_then(|place| ranking.scores.get(place)).copied().unwrap_or(f32::NAN)
}

/// The first rank at which two different rankings of a query differ, in words.
fn first_rank(was: &RankedQuery, now: &RankedQuery) -> [String; 2] {
    let ranks = was.best.len().max(now.best.len());
    let at = |ranking: &RankedQuery, i: usize| {
        ranking.best.get(i).map_or_else(|| "nothing".to_owned(), |doc_id| format!("`{doc_id}`"))
    };
    let differs = (0..ranks).find(|&i| was.best.get(i) != now.best.get(i));
    match differs {
        Some(i) => [format!("rank {}: {}", i + 1, at(was, i)), at(now, i)],
        None => [format!("scores, or below rank {ranks}: {}", was.digest), now.digest.clone()],
    }
}

/// Two figures with four digits, or with as many as it takes to tell them apart.
fn distinguished(was: f64, now: f64) -> [String; 2] {
    let printed = |digits: usize| [was, now].map(|value| format!("{value:.digits$}"));
    let differ = |[was, now]: &[String; 2]| was != now;
    if was == now {
        return printed(4);
    }
    (4..17).map(printed).find(differ).unwrap_or_else(|| printed(17))
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dataset => f.write_str("dataset"),
            Self::Input(name) | Self::Measure(name) => f.write_str(name),
            Self::Rankings => f.write_str("rankings"),
            Self::Cost(number, stage) => write!(f, "cost of stage {number}, {stage}"),
            Self::Stages => f.write_str("stages"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Held => "held",
            Self::Noted => "noted",
            Self::Moved => "MOVED",
        })
    }
}
