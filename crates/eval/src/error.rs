//! What a run or judgements can have that a policy or a measure cannot work with.

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
