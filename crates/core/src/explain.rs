//! The parts of a document's score, and the form that an encoder gives to a text. `nir search` and `nir encode` show both.

use crate::{Corpus, DocNo, Query, Result};

/// The part of a query and the part of a document that a [`Contribution`] to the score comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Match {
    /// A term that occurs in the query and in the document.
    Term {
        /// The term as the analyzer or the model's vocabulary spells it.
        term: String,
        /// The weight of the term in the query, including any weight that depends on the whole collection (idf).
        query: f32,
        /// The weight of the term in the document.
        document: f32,
    },
    /// A token of the query and the token of the document whose vector is most similar to its vector.
    Tokens {
        /// The token of the query.
        query: String,
        /// The token of the document.
        document: String,
    },
    /// The whole query and the whole document, where each is one vector and the score has no smaller parts.
    Texts,
    /// The rank of the document in one of the rankings that a method fuses.
    Input {
        /// The position of that ranking among the inputs of the fusion, from 0.
        number: usize,
        /// The rank of the document in that ranking, from 1.
        rank: usize,
    },
}

/// One part of a document's score. All parts of one document add up to its score, except for rounding errors.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    /// The part of the query and the part of the document that this part of the score comes from.
    pub of: Match,
    /// The amount that this part adds to the score; it may be negative.
    pub score: f32,
}

impl Contribution {
    /// The contribution of a term to an inner product: the weight in the query times the weight in the document.
    pub fn product(term: String, query: f32, document: f32) -> Self {
        Self { score: query * document, of: Match::Term { term, query, document } }
    }
}

/// The form that a method gives to one text before it is compared with another.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoding {
    /// The tokens that the model reads, with special tokens such as `[CLS]`; empty for a method without a model.
    pub tokens: Vec<String>,
    /// The vector, vectors or weighted terms that the method computes from the text.
    pub form: Form,
}

/// The shape of an [`Encoding`].
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// One vector, `[dim]`.
    Vector(Vec<f32>),
    /// One vector for each token that the method keeps, beside the token. The vectors may differ in length.
    Vectors(Vec<(String, Vec<f32>)>),
    /// Terms with their weights; each term occurs once.
    Terms(Vec<EncodedTerm>),
}

/// A term of an [`Encoding`].
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedTerm {
    /// The term as the analyzer or the model's vocabulary spells it.
    pub term: String,
    /// The weight of the term in the text.
    pub weight: f32,
    /// Whether the model added the term: it does not occur in the text itself.
    pub is_expansion: bool,
}

/// Encodes single texts exactly as a method does when it indexes documents and when it searches.
pub trait Encode: Send + Sync {
    /// Encodes a query.
    ///
    /// # Errors
    ///
    /// Any error of the model or its tokenizer.
    fn query(&self, query: &Query) -> Result<Encoding>;
    /// Encodes the document in row `doc` of `corpus`.
    ///
    /// # Errors
    ///
    /// Any error of the model or its tokenizer.
    fn document(&self, corpus: &dyn Corpus, doc: DocNo) -> Result<Encoding>;
}
