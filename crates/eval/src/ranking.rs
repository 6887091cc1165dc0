//! What a measure sees of a query.

/// A judged document that was retrieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// The rank, counted from 1.
    pub rank: u32,
    /// The grade.
    pub grade: i32,
}

/// One query as a measure sees it: where its judged documents stand, and what was judged.
///
/// Unjudged documents matter only through the ranks they take, so they are not listed. That makes every measure a
/// pass over a handful of hits, however long the ranking is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GradedRanking {
    hits: Vec<Hit>,
    retrieved: u32,
    judged: Vec<i32>,
}

impl GradedRanking {
    /// The ranking with `grades[i]` at rank `i + 1` (`None` where unjudged), of a query with these grades in its qrels.
    pub fn new(grades: &[Option<i32>], judged: &[i32]) -> Self {
        let hits = (1..)
            .zip(grades)
            .filter_map(|(rank, grade)| grade.map(|grade| Hit { rank, grade }))
            .collect();
        Self::from_hits(hits, grades.len() as u32, judged.to_vec())
    }

    /// A ranking from its judged documents, `hits`, in ascending order of rank.
    pub(crate) fn from_hits(hits: Vec<Hit>, retrieved: u32, mut judged: Vec<i32>) -> Self {
        debug_assert!(hits.is_sorted_by_key(|hit| hit.rank));
        judged.sort_unstable_by(|a, b| b.cmp(a));
        Self { hits, retrieved, judged }
    }

    /// The same query, with its judged documents at other ranks.
    pub(crate) fn with_hits(&self, hits: Vec<Hit>) -> Self {
        Self { hits, retrieved: self.retrieved, judged: self.judged.clone() }
    }

    /// The number of documents that were retrieved, judged or not.
    pub fn retrieved(&self) -> u32 {
        self.retrieved
    }

    /// The judged documents that were retrieved, in ascending order of rank.
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// The judged documents among the first `cutoff`; all without a cut-off.
    pub fn hits_to(&self, cutoff: Option<u32>) -> impl Iterator<Item = Hit> {
        let last = cutoff.unwrap_or(u32::MAX);
        self.hits.iter().copied().take_while(move |hit| hit.rank <= last)
    }

    /// The ranks at which documents of at least grade `rel` stand, to `cutoff`.
    pub fn relevant_ranks(&self, rel: i32, cutoff: Option<u32>) -> impl Iterator<Item = u32> {
        self.hits_to(cutoff).filter(move |hit| hit.grade >= rel).map(|hit| hit.rank)
    }

    /// The grades of all documents in the qrels, best first.
    pub fn judged(&self) -> &[i32] {
        &self.judged
    }

    /// `R`: how many documents of the qrels have at least grade `rel`.
    pub fn relevant(&self, rel: i32) -> usize {
        self.judged.partition_point(|&grade| grade >= rel)
    }
}
