//! What a run or judgements can have that a policy or a measure cannot work with.

use crate::Measure;

/// A run or qrels that a policy or a measure cannot work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The MS MARCO script has places for the ranks 1 to 1000.
    #[error(
        "query `{query_id}`: document `{doc_id}` has rank {rank}, the msmarco policy needs ranks from 1 to 1000; use trec_eval-9 to rank by score"
    )]
    Rank {
        /// The id of the query.
        query_id: String,
        /// The id of the document.
        doc_id: String,
        /// The rank in the file; 0 if the file had no whole number.
        rank: u32,
    },
    /// A measure that is by answers, and there are only judgements.
    #[error(
        "{measure} needs answers to look for in texts, and there are judgements only: name answers, or measure Success@{}, the same \
         by judgements",
        measure.cutoff().unwrap_or(1)
    )]
    NoAnswers {
        /// The measure.
        measure: Measure,
    },
    /// A measure that is by judgements, and there are only answers.
    #[error(
        "{measure} needs judgements, and there are answers only: expected Accuracy@k, such as Accuracy@20"
    )]
    NoGrades {
        /// The measure.
        measure: Measure,
    },
    /// A document of the run whose text is not known.
    #[error(
        "query `{query_id}`: document `{doc_id}` is not in the collection, so no answer can be looked for in it; is the run over \
         this collection?"
    )]
    NoText {
        /// The id of the query.
        query_id: String,
        /// The id of the document.
        doc_id: String,
    },
    /// A measure is not defined for a grade.
    #[error(
        "query `{query_id}`: grade {grade} is above {highest}, the highest that {measure} is defined for"
    )]
    Grade {
        /// The id of the query.
        query_id: String,
        /// The grade.
        grade: i32,
        /// The highest grade that the measure is defined for.
        highest: i32,
        /// The name of the measure, without its parameters.
        measure: &'static str,
    },
}
