//! A measure with its cut-off and parameters.

use std::fmt::{self, Debug, Display, Formatter};

use crate::definition::{At, Definition, Given, JudgedBy};
use crate::measures::ALL;
use crate::{GradedRanking, Policy};

/// A measure with its cutoff and parameters.
///
/// It is read from its name and prints as it: those of ir_measures, such as `nDCG@10`, `RR(rel=2)@10`,
/// `nDCG(dcg='exp-log2')@20`, `RBP(p=0.8)` and `IPrec@0.5`, and trec_eval's, such as `ndcg_cut_10`.
///
/// ```
/// use nir_eval::{GradedRanking, Measure, Policy};
///
/// let measure: Measure = "recip_rank".parse()?;
/// assert_eq!(measure.to_string(), "RR");
/// // The first relevant document stands at rank 2.
/// let ranking = GradedRanking::new(&[Some(0), Some(1)], &[1, 0]);
/// assert_eq!(measure.of(&ranking, Policy::TREC_EVAL_9), 0.5);
/// # Ok::<(), nir_eval::MeasureError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Measure {
    pub(crate) definition: &'static dyn Definition,
    pub(crate) given: Given,
}

impl Measure {
    pub(crate) fn new(definition: &'static dyn Definition) -> Self {
        Self { definition, given: Given::usual(definition) }
    }

    /// The measures that exist, each as a shortest name: `nDCG`, `P@k`, `IPrec@recall`.
    pub fn names() -> Vec<String> {
        let hint = |at: At| match at {
            At::Nothing | At::Cutoff => "",
            At::CutoffNeeded => "@k",
            At::Recall => "@recall",
        };
        ALL.iter().map(|measure| format!("{}{}", measure.name(), hint(measure.at()))).collect()
    }

    /// The lowest grade that counts as relevant, for measures that have such a level.
    pub fn relevance_level(&self) -> Option<i32> {
        Some(self.given.values[self.place_of("rel")?] as i32)
    }

    /// The same measure at another relevance level; unchanged if it has none.
    #[must_use]
    pub fn with_relevance_level(mut self, rel: i32) -> Self {
        if let Some(place) = self.place_of("rel") {
            self.given.values[place] = f64::from(rel);
        }
        self
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        self.definition.parameters().iter().position(|parameter| parameter.name == name)
    }

    /// The number of documents that are counted; `None` for all.
    pub fn cutoff(&self) -> Option<u32> {
        self.given.cutoff
    }

    /// Whether it judges documents by answers in their texts, and not by the grades of judgements.
    pub fn is_by_answers(&self) -> bool {
        self.definition.judged_by() == JudgedBy::Answers
    }

    /// Whether a larger value is better: not so for counts, which only describe.
    pub fn is_effectiveness(&self) -> bool {
        self.definition.is_effectiveness()
    }

    /// Whether the measure counts documents or queries, so that its values are whole numbers and are summed.
    pub fn is_count(&self) -> bool {
        self.definition.is_count()
    }

    /// The value for one query. The policy decides how IPrec rounds, and nothing else here.
    pub fn of(&self, ranking: &GradedRanking, policy: Policy) -> f64 {
        self.definition.of(ranking, &self.given, policy)
    }

    /// The value over many queries, which is their mean unless the measure says otherwise.
    pub fn summarise(&self, values: &[f64]) -> f64 {
        self.definition.summarise(values)
    }

    /// The rank after which documents no longer count for this query.
    pub(crate) fn last_rank(&self, ranking: &GradedRanking) -> Option<u32> {
        self.definition.last_rank(ranking, &self.given)
    }
}

impl Eq for Measure {}

impl PartialEq for Measure {
    fn eq(&self, other: &Self) -> bool {
        self.definition.name() == other.definition.name() && self.given == other.given
    }
}

impl Debug for Measure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl Display for Measure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.definition.name())?;
        let parameters = self.definition.parameters().iter().zip(self.given.values);
        let parameters: Vec<String> = parameters
            .filter(|(parameter, value)| parameter.is_always_printed || *value != parameter.usual)
            .map(|(parameter, value)| format!("{}={}", parameter.name, (parameter.print)(value)))
            .collect();
        if !parameters.is_empty() {
            write!(f, "({})", parameters.join(","))?;
        }
        match self.given.cutoff {
            Some(cutoff) => write!(f, "@{cutoff}"),
            None if self.definition.at() == At::Recall => write!(f, "@{}", self.given.recall),
            None => Ok(()),
        }
    }
}
