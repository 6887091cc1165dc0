//! Versions of the structures of this crate: what they give, and what they write to disk.
//!
//! A number is raised in the commit that changes either for the same input; the test `versions` of the engine fails until
//! it is, and names the constant.

use nir_core::Version;

/// Declares one constant for each structure, and a list of all of them.
macro_rules! versions {
    ($($(#[$doc:meta])* $name:ident = $of:literal, $number:literal;)*) => {
        $($(#[$doc])* pub const $name: Version = Version::new($of, $number);)*

        /// The versions of all structures of this crate.
        pub const ALL: &[Version] = &[$($name),*];
    };
}

versions! {
    /// The inverted index of terms and frequencies: [`crate::LexicalIndex`].
    LEXICAL = "index::lexical", 2;
    /// BM25's scores and the search for the best: [`crate::Bm25`].
    BM25 = "index::bm25", 1;
    /// The search through tantivy's own scorer: [`crate::TantivySearcher`].
    TANTIVY = "index::tantivy", 1;
    /// An inverted index of weights: [`crate::impacts::ImpactIndex`].
    IMPACTS = "index::impacts", 2;
    /// Clustered lists of weights: [`crate::impacts::Clustered`].
    CLUSTERED = "index::clustered", 2;
    /// The file format of vectors: [`crate::Matrix`].
    MATRIX = "index::matrix", 1;
    /// Exact search, which compares with every vector: [`crate::Flat`].
    FLAT = "index::flat", 1;
    /// Our own graph of neighbours: [`crate::Hnsw`].
    HNSW = "index::hnsw", 1;
    /// The graph of the crate `hnsw_rs`.
    HNSW_RS = "index::hnsw_rs", 1;
    /// Product quantisation: [`crate::codes`].
    PQ = "index::pq", 1;
    /// Inverted lists of codes: [`crate::codes`].
    IVF = "index::ivf", 1;
    /// A bit for each number of a vector: [`crate::codes`].
    BINARY = "index::binary", 1;
    /// A file of several vectors for each document: [`crate::late::TokenMatrix`].
    TOKENS = "index::tokens", 1;
    /// Token vectors pruned by their centroids: [`crate::late::Plaid`].
    PLAID = "index::plaid", 1;
    /// Files of weighted dimensions, [`crate::structure::SparseShard`]. They were part of nir-methods when they got their name.
    SPARSE_VECTORS = "methods::sparse vectors", 1;
    /// Inverted lists of vectors, [`crate::structure::CoilLists`]. They were part of nir-methods when they got their name.
    COIL = "methods::coil lists", 1;
}
