//! Every search structure behind one interface: what the `index` of a config may be.
//!
//! ```text
//! vectors of documents ──Stored::write──▶ shards ──Structure::build──▶ files ──Structure::open──▶ Index ──search──▶ rankings
//! ```
//!
//! | vector of a text                      | type                | structures                                        |
//! |---------------------------------------|---------------------|---------------------------------------------------|
//! | one row of numbers                    | [`DenseVector`]     | [`DenseStructure`]: flat, two graphs, codes in lists |
//! | weights of dimensions, most of them 0 | [`SparseVector`]    | [`SparseStructure`]: inverted index, clustered lists |
//! | a row for each token                  | [`TokenVectors`]    | [`TokenStructure`]: all tokens, or PLAID            |
//! | a row for each token, met by its like | [`CoilVectors`]     | [`CoilStructure`]: inverted lists of rows           |
//!
//! The type of the vector is a part of every trait, so an encoder cannot be given an index of other vectors.

mod codes;
mod coil;
mod dense;
mod sparse;
mod tokens;

use std::path::Path;

use nir_core::{Corpus, DocNo, Ranking, Result, Version};

pub use codes::Codes;
pub use coil::{CoilForm, CoilIndex, CoilLists, CoilStructure, CoilVectors};
pub use dense::{DenseIndex, DenseStructure, DenseVector};
pub use sparse::{
    SparseIndex, SparseShard, SparseStructure, SparseVector, SparseWriter, WeightStorage,
};
pub use tokens::{
    CentroidCount, CentroidRule, Pruning, TokenForm, TokenIndex, TokenPrecision, TokenStructure,
    TokenVectors,
};

/// A vector of a text, and the files that keep many of them.
pub trait Stored: Sized + Send + Sync + 'static {
    /// The form in which the vectors of a collection are stored, such as a number format.
    type Form: Send + Sync;
    /// The open file of the vectors of consecutive documents.
    type Shard: Send + Sync;
    /// The version of the files' format.
    const FORMAT: Version;

    /// Writes the vectors of consecutive documents into a folder that is empty.
    fn write(folder: &Path, vectors: &[Self], form: &Self::Form) -> Result<()>;

    /// Opens the files that [`Stored::write`] wrote. Fails if they are missing or damaged.
    fn open(folder: &Path) -> Result<Self::Shard>;

    /// The vector as one row of numbers, whose inner product with another is a score; none where it is of another kind.
    fn into_row(self) -> Option<Vec<f32>> {
        None
    }
}

/// The parameters of a search structure, which build it and open it.
pub trait Structure {
    /// The type of the vectors that it searches.
    type Vector: Stored;
    /// The type of the open structure.
    type Index: Index<Vector = Self::Vector> + 'static;
    /// The name of the structure in the provenance of a result.
    const NAME: &'static str;

    /// The versions of the code that builds it and searches in it.
    fn versions(&self) -> Vec<Version>;

    /// The parameters that decide the files of [`Structure::build`], in one spelling. None where nothing is built and the
    /// encoded documents are searched as they lie.
    fn built(&self) -> Option<String>;

    /// Writes all that a search needs beside the shards into a folder that is empty.
    fn build(&self, folder: &Path, documents: &[<Self::Vector as Stored>::Shard]) -> Result<()>;

    /// Opens what [`Structure::build`] wrote into `folder`, if anything.
    fn open(
        &self,
        folder: Option<&Path>,
        documents: Vec<<Self::Vector as Stored>::Shard>,
    ) -> Result<Self::Index>;
}

/// A structure that is open and can be searched.
pub trait Index: Send + Sync {
    /// The type of queries and documents.
    type Vector;
    /// The number of queries that should be searched for together.
    const TOGETHER: usize = usize::MAX;

    /// The best `depth` documents of each query, in the order of the queries.
    fn search(&self, queries: &[Self::Vector], depth: usize, corpus: &dyn Corpus) -> Vec<Ranking>;

    /// Whether a search always finds the best documents.
    fn is_exact(&self) -> bool {
        true
    }

    /// What [`Index::search`] would find if it compared every document.
    fn exhaust(&self, queries: &[Self::Vector], depth: usize, corpus: &dyn Corpus) -> Vec<Ranking> {
        self.search(queries, depth, corpus)
    }

    /// The vector of a document as one row of numbers, as it is compared; none where it is of another kind.
    fn row(&self, _doc: DocNo) -> Option<Vec<f32>> {
        None
    }

    /// The size on disk in bytes, with the vectors that it reads.
    fn bytes(&self) -> u64;

    /// The properties of the structure by name, for the provenance of a result.
    fn facts(&self) -> Vec<(&'static str, String)>;

    /// The parts that add up to the score of a document.
    fn parts(&self, query: &Self::Vector, doc: DocNo) -> Vec<Part>;
}

/// A part of the score that a document has for a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// The inner product of the vectors of two whole texts.
    Texts(f32),
    /// The product of the weights that a dimension has in the query and in the document.
    Dimension {
        /// The number of the dimension.
        number: u32,
        /// Its weight in the query.
        query: f32,
        /// Its weight in the document.
        document: f32,
    },
    /// A dimension that is a word which the index itself can name.
    Word {
        /// The word.
        word: String,
        /// Its weight in the query.
        query: f32,
        /// Its weight in the document.
        document: f32,
    },
    /// A token of the query, by its number in the vocabulary, which the document has too.
    Token {
        /// The number of the token in the vocabulary.
        number: u32,
        /// What the match adds to the score.
        score: f32,
    },
    /// A row of the query with the row of the document that is most like it.
    Rows {
        /// The position of the query's row.
        query: usize,
        /// The position of the document's row.
        document: usize,
        /// The inner product of the two rows.
        score: f32,
    },
}
