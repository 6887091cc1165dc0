//! Why a document has its score, and what an encoder makes of a text: for people, after the search.

use crate::{Corpus, DocNo, Query, Result};

/// What of a query met what of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Match {
    /// A term that both have.
    Term {
        /// The term, after analysis.
        term: String,
        /// Its weight in the query, with what a collection says of it (idf).
        query: f32,
        /// Its weight in the document.
        document: f32,
    },
    /// A token of the query, and the document's token that is most like it.
    Tokens {
        /// The query's.
        query: String,
        /// The document's.
        document: String,
    },
    /// The vectors of both texts as a whole.
    Texts,
    /// A place in the ranking of another method.
    Input {
        /// Which of the inputs, from 0.
        number: usize,
        /// The place there, from 1.
        rank: usize,
    },
}

/// A part of a document's score. The parts of one document add up to its score, to rounding.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    /// What it is for.
    pub of: Match,
    /// What it adds.
    pub score: f32,
}

impl Contribution {
    /// The product of a term's two weights.
    pub fn product(term: String, query: f32, document: f32) -> Self {
        Self { score: query * document, of: Match::Term { term, query, document } }
    }
}

/// What a method makes of one text before it meets another.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoding {
    /// The text as the model reads it, special tokens included; empty without a model.
    pub tokens: Vec<String>,
    /// What becomes of it.
    pub form: Form,
}

/// The shape of an [`Encoding`].
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// One vector, `[dim]`.
    Vector(Vec<f32>),
    /// A vector for each token that is kept; a row has its own width.
    Vectors(Vec<(String, Vec<f32>)>),
    /// Terms with weights, each once.
    Terms(Vec<EncodedTerm>),
}

/// A term of an [`Encoding`].
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedTerm {
    /// The term.
    pub term: String,
    /// Its weight.
    pub weight: f32,
    /// Whether the text does not have it, and the model put it there.
    pub is_expansion: bool,
}

/// Turns single texts into what a method keeps of them, exactly as it does when it indexes and when it searches.
pub trait Encode: Send + Sync {
    /// What becomes of a query.
    fn query(&self, query: &Query) -> Result<Encoding>;
    /// What becomes of a document.
    fn document(&self, corpus: &dyn Corpus, doc: DocNo) -> Result<Encoding>;
}
