//! By what the documents of a run are judged.

use std::borrow::Cow;

use nir_core::{Answers, Corpus, Qrels, TrecRun};

use crate::answers::{self, Wanted};
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
    /// Whether anything is known about the documents of a query.
    pub fn has(self, query_id: &str) -> bool {
        match self {
            Self::Qrels(qrels) => qrels.get(query_id).is_some(),
            Self::Answers(answers, _) => answers.get(query_id).is_some(),
        }
    }

    /// The grade of a document for a query: by answers, 1 where one of them stands in its text and 0 where none does. `None`
    /// where the document was not judged, or the query has no answers.
    pub fn grade(self, query_id: &str, doc_id: &str) -> Option<i32> {
        match self {
            Self::Qrels(qrels) => qrels.get(query_id)?.get(doc_id).copied(),
            Self::Answers(answers, corpus) => {
                let wanted = Wanted::new(answers.get(query_id)?);
                let text = corpus.text(corpus.doc_no(doc_id)?);
                Some(i32::from(wanted.are_in(text)))
            }
        }
    }

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

#[cfg(test)]
mod tests {
    use nir_core::{Document, Documents};

    use super::*;

    #[test]
    fn a_document_has_the_grade_of_its_judgement_or_of_an_answer_in_it() {
        let qrels: Qrels = [("q1", "d1", 2)].into_iter().collect();
        let judged = Judged::Qrels(&qrels);
        assert!(judged.has("q1") && !judged.has("q2"));
        assert_eq!((judged.grade("q1", "d1"), judged.grade("q1", "d2")), (Some(2), None));

        let texts = [("d1", "in 1911"), ("d2", "later")];
        let document = |(doc_id, text): (&str, &str)| Document {
            doc_id: doc_id.into(),
            text: text.into(),
            ..Document::default()
        };
        let corpus = Documents::new(texts.map(document)).unwrap();
        let answers: Answers = [("q1", vec!["1911".to_owned()])].into_iter().collect();
        let judged = Judged::Answers(&answers, &corpus);
        assert!(judged.has("q1") && !judged.has("q2"));
        let grades = ["d1", "d2", "d3"].map(|doc_id| judged.grade("q1", doc_id));
        assert_eq!((grades, judged.grade("q2", "d1")), ([Some(1), Some(0), None], None));
    }
}
