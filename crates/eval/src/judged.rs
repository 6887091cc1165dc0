//! By what the documents of a run are judged.

use std::borrow::Cow;

use nir_core::{Answers, Corpus, Qrels, TrecRun};

use crate::answers;
use crate::definition::JudgedBy;
use crate::{EvalError, Measure, Policy};

/// What documents are judged by: the grades of people, or whether they hold an answer.
#[derive(Clone, Copy)]
pub enum Judged<'a> {
    /// By the judgements of people.
    Qrels(&'a Qrels),
    /// By answers, which are looked for in the texts of the collection. Only what was found is judged, so the number of all
    /// documents with an answer stays unknown, and only a measure that says so ([`Measure::is_by_answers`]) has a value.
    Answers(&'a Answers, &'a dyn Corpus),
}

impl<'a> From<&'a Qrels> for Judged<'a> {
    fn from(qrels: &'a Qrels) -> Self {
        Self::Qrels(qrels)
    }
}

impl<'a> Judged<'a> {
    /// The judgements of the documents of `run` that the measures look at.
    pub(crate) fn qrels(
        self,
        run: &TrecRun,
        measures: &[Measure],
        policy: Policy,
    ) -> Result<Cow<'a, Qrels>, EvalError> {
        measures.iter().try_for_each(|&measure| self.check(measure))?;
        match self {
            Self::Qrels(qrels) => Ok(Cow::Borrowed(qrels)),
            Self::Answers(answers, corpus) => {
                let policy = Policy { depth: depth(measures, policy), ..policy };
                answers::judge(answers, corpus, run, policy).map(Cow::Owned)
            }
        }
    }

    fn check(self, measure: Measure) -> Result<(), EvalError> {
        match (self, measure.definition.judged_by()) {
            (Self::Qrels(_), JudgedBy::Answers) => Err(EvalError::NoAnswers { measure }),
            (Self::Answers(..), JudgedBy::Grades) => Err(EvalError::NoGrades { measure }),
            _ => Ok(()),
        }
    }
}

/// The rank after which no measure looks; `None` where one looks at all.
fn depth(measures: &[Measure], policy: Policy) -> Option<u32> {
    let cutoffs: Option<Vec<u32>> = measures.iter().map(Measure::cutoff).collect();
    let deepest = cutoffs.and_then(|cutoffs| cutoffs.into_iter().max());
    deepest.into_iter().chain(policy.depth).min()
}
