//! Measuring a run.

use nir_core::{Judgements, RankedList, TrecRun};

use crate::GradedRanking;
use crate::Measure;
use crate::error::EvalError;
use crate::judged::Judged;
use crate::order::Ordered;
use crate::policy::{Average, Policy};

/// The values of a run under a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The policy, which decided the values together with judgements, run and measures.
    pub policy: Policy,
    /// The queries that the values are over, in byte order of their names.
    pub queries: Vec<EvaluatedQuery>,
    /// The number of judged queries that the run has no results for.
    pub missing: usize,
    /// Queries of the run without judgements; they count nowhere.
    pub unjudged: usize,
    /// The values of each measure that was asked for, in the same order.
    pub measured: Vec<Measured>,
}

/// A query that is part of the means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluatedQuery {
    /// The id of the query.
    pub query_id: String,
    /// Whether the run has results for the query.
    pub returned: bool,
}

/// The values of one measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The measure.
    pub measure: Measure,
    /// One value for all queries: the mean, for counts the sum, for GMAP the geometric mean.
    pub value: f64,
    /// The value of each query: `per_query[i]` belongs to `queries[i]`.
    pub per_query: Vec<f64>,
    /// How much the order of tied documents could change the value.
    pub ties: Ties,
}

/// The effect of documents with equal scores on a measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ties {
    /// Queries in which the documents just inside and just outside the cut-off have one score.
    pub crossing: usize,
    /// Queries whose value ties can change, and those of `crossing`: at the cut-off, documents of one score may also be
    /// worth the same.
    pub open: usize,
    /// The value if every tie were ordered in the most favourable way.
    pub best: f64,
    /// The value if every tie were ordered in the least favourable way.
    pub worst: f64,
}

impl Evaluation {
    /// The values of `measure`; `None` if it was not asked for.
    pub fn get(&self, measure: Measure) -> Option<&Measured> {
        self.measured.iter().find(|measured| measured.measure == measure)
    }

    /// The same evaluation with the values of some measures, in this order; those that were not asked for are left out.
    #[must_use]
    pub fn only(&self, measures: &[Measure]) -> Self {
        let measured = measures.iter().filter_map(|&measure| self.get(measure).cloned()).collect();
        Self { measured, queries: self.queries.clone(), ..*self }
    }
}

/// Measures `run` against judgements or, where it is judged by answers, against those in the texts of its documents.
///
/// # Errors
///
/// If the run and the judgements do not fit a measure.
///
/// ```
/// use nir_core::{Qrels, TrecRun};
/// use nir_eval::{Measure, Policy, evaluate};
///
/// let qrels: Qrels = [("q1", "d1", 1), ("q2", "d1", 1)].into_iter().collect();
/// let mut run = TrecRun::default();
/// run.list_mut("q1").push("d1", 2.5, 1);
/// let measures: Vec<Measure> = vec!["RR@10".parse()?, "R(rel=2)@1".parse()?];
/// let evaluation = evaluate(&qrels, &run, &measures, Policy::TREC_EVAL_9)?;
/// assert_eq!(evaluation.measured[0].value, 0.5); // q2 has no results and counts 0
/// assert_eq!(evaluation.measured[1].value, 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn evaluate<'a>(
    judged: impl Into<Judged<'a>>,
    run: &TrecRun,
    measures: &[Measure],
    policy: Policy,
) -> Result<Evaluation, EvalError> {
    let qrels = judged.into().qrels(run, measures, policy)?;
    let mut columns: Vec<Column> = measures.iter().map(|&measure| Column::new(measure)).collect();
    let mut queries = Vec::new();
    let mut missing = 0;
    for (query_id, judgements) in qrels.iter() {
        let list = run.get(query_id).filter(|list| !list.is_empty());
        missing += usize::from(list.is_none());
        if list.is_none() && policy.average == Average::Returned {
            continue;
        }
        add_query(&mut columns, query_id, list, judgements, policy)?;
        queries.push(EvaluatedQuery { query_id: query_id.to_owned(), returned: list.is_some() });
    }
    let unjudged = run.iter().filter(|(query_id, _)| qrels.get(query_id).is_none()).count();
    let measured = columns.into_iter().map(Column::finish).collect();
    Ok(Evaluation { policy, queries, missing, unjudged, measured })
}

fn add_query(
    columns: &mut [Column],
    query_id: &str,
    list: Option<&RankedList>,
    judgements: &Judgements,
    policy: Policy,
) -> Result<(), EvalError> {
    let nothing = RankedList::default();
    let ordered = Ordered::new(query_id, list.unwrap_or(&nothing), judgements, policy)?;
    for column in columns {
        check(column.measure, query_id, &ordered.ranking)?;
        column.add(&ordered, policy);
    }
    Ok(())
}

fn check(measure: Measure, query_id: &str, ranking: &GradedRanking) -> Result<(), EvalError> {
    let Some(highest) = measure.definition.highest_grade() else { return Ok(()) };
    match ranking.judged().first() {
        Some(&grade) if grade > highest => {
            let measure = measure.definition.name();
            Err(EvalError::Grade { query_id: query_id.to_owned(), grade, highest, measure })
        }
        _ => Ok(()),
    }
}

/// The values of one measure, collected query by query.
struct Column {
    measure: Measure,
    per_query: Vec<f64>,
    best: Vec<f64>,
    worst: Vec<f64>,
    crossing: usize,
    open: usize,
}

impl Column {
    fn new(measure: Measure) -> Self {
        let (per_query, best, worst) = (vec![], vec![], vec![]);
        Self { measure, per_query, best, worst, crossing: 0, open: 0 }
    }

    fn add(&mut self, ordered: &Ordered, policy: Policy) {
        let of = |ranking| self.measure.of(ranking, policy);
        let value = of(&ordered.ranking);
        let (best, worst) = match &ordered.bounds {
            Some(bounds) => (of(&bounds.0), of(&bounds.1)),
            None => (value, value),
        };
        self.per_query.push(value);
        self.best.push(best);
        self.worst.push(worst);
        let last_rank = self.measure.last_rank(&ordered.ranking);
        let crosses = ordered.tie_crosses(last_rank);
        self.crossing += usize::from(crosses);
        self.open += usize::from(crosses || best.total_cmp(&worst).is_ne());
    }

    fn finish(self) -> Measured {
        let summary = |values: &[f64]| self.measure.summarise(values);
        let ties = Ties {
            crossing: self.crossing,
            open: self.open,
            best: summary(&self.best),
            worst: summary(&self.worst),
        };
        Measured {
            measure: self.measure,
            value: summary(&self.per_query),
            per_query: self.per_query,
            ties,
        }
    }
}
