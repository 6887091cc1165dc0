//! Values of many systems side by side, so that one random sample serves all of them.

/// This many systems are resampled together: a row of them fits a few registers, and threads take groups of them.
pub(super) const TOGETHER: usize = 32;

/// Values query by query: `[queries, width]`, a column for each system.
pub(super) struct Rows {
    pub(super) rows: Vec<f64>,
    pub(super) width: usize,
}

impl Rows {
    /// - `systems`: `[width]` lists of as many values each
    ///
    /// # Panics
    ///
    /// If the lists are not equally long.
    pub(super) fn new(systems: &[&[f64]]) -> Self {
        let queries = systems[0].len();
        assert!(systems.iter().all(|one| one.len() == queries), "one value for each query");
        let row = |query: usize| systems.iter().map(move |one| one[query]);
        Self { rows: (0..queries).flat_map(row).collect(), width: systems.len() }
    }

    pub(super) fn row(&self, query: usize) -> &[f64] {
        &self.rows[query * self.width..][..self.width]
    }
}
