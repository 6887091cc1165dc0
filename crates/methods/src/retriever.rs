//! Encode, then search: the one way from texts to a ranking for every method that makes vectors of texts.
//!
//! ```text
//! documents ──Encoder──▶ vectors ──shards──▶ cache ──Structure──▶ Index ─┐
//! queries   ──Encoder──▶ vectors ──────────────────────────────────search┴──▶ rankings
//! ```
//!
//! A method of this kind is an [`Encoder`]; its config names the parameters of a [`Structure`] for vectors of the same
//! type, and [`retriever`] does the rest: it encodes the collection in shards, builds the index once, opens it, encodes
//! queries, searches, explains and measures. Vectors of one type in an index of another do not compile:
//!
//! ```compile_fail,E0271
//! use nir_index::structure::{DenseStructure, SparseVector};
//! use nir_methods::{Context, Encoder, Stage, retriever};
//!
//! fn mixed(
//!     context: &Context<'_>,
//!     splade: impl Encoder<Vector = SparseVector>,
//!     flat: &DenseStructure,
//! ) -> nir_core::Result<Stage> {
//!     let encoding = context.encoding("splade");
//!     retriever(context, &encoding, splade, flat, 1000)
//! }
//! ```

use std::ops::Range;
use std::slice;
use std::sync::Arc;

use nir_core::{
    Contribution, Corpus, DocNo, Encode, Encoding, Key, Match, Progress, Queries, Query, Ranking,
    Result, Retriever, Run, Search,
};
use nir_index::structure::{Index, Part, Stored, Structure};
use serde::Serialize;

use crate::model::ModelSource;
use crate::reader::Texts;
use crate::shards::{Effort, shards};
use crate::{Context, Stage};

/// Turns texts into vectors of one type.
pub trait Encoder: Send + Sync + 'static {
    /// The type of the vector of a text.
    type Vector: Stored;

    /// The vector of each text, in order. Fails if a text cannot be encoded.
    fn encode(&self, texts: Texts<'_>) -> Result<Vec<Self::Vector>>;

    /// The form in which the vectors of documents are stored.
    fn form(&self) -> <Self::Vector as Stored>::Form;

    /// The effort of encoding a document.
    fn effort(&self) -> Effort;

    /// A single text and its vector, in a form for people to read.
    fn show(&self, text: Texts<'_>, vector: Self::Vector) -> Result<Encoding>;

    /// The name of a dimension or of a token, by its number.
    fn piece(&self, number: u32) -> String {
        format!("#{number}")
    }

    /// The names of the rows that the vector of a single text has; none for a vector of another kind.
    fn rows(&self, _text: Texts<'_>) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// Encodes the collection, builds and opens the index, and gives what searches it for the best `depth` documents of a
/// query. `encoding` names the vectors of documents: see [`Context::encoding`].
pub fn retriever<E, S>(
    context: &Context<'_>,
    encoding: &Key,
    encoder: E,
    structure: &S,
    depth: usize,
) -> Result<Stage>
where
    E: Encoder,
    S: Structure<Vector = E::Vector>,
{
    let encode = |texts: Texts<'_>| encoder.encode(texts);
    let documents = encoded(context, encoding, &encoder.effort(), &encoder.form(), &encode)?;
    let index = open(context, encoding, structure, documents)?;
    for (fact, value) in index.facts() {
        context.resources.note(S::NAME, fact, &value);
    }
    let (corpus, progress) = (Arc::clone(&context.corpus), Arc::clone(&context.progress));
    Ok(Stage::Retriever(Arc::new(EncodedSearch { encoder, index, depth, corpus, progress })))
}

/// The vectors that `encode` makes of all documents, shard by shard: from the cache, or made now.
pub(crate) fn encoded<V: Stored>(
    context: &Context<'_>,
    encoding: &Key,
    effort: &Effort,
    form: &V::Form,
    encode: &dyn Fn(Texts<'_>) -> Result<Vec<V>>,
) -> Result<Vec<V::Shard>> {
    let corpus = &*context.corpus;
    let task = context.progress.begin("encoding documents", "documents", corpus.len() as u64);
    let folders = shards(context, encoding, V::FORMAT, effort, &mut |folder, rows| {
        let docs: Vec<DocNo> = rows.map(DocNo).collect();
        V::write(folder, &encode(Texts::Documents(corpus, &docs))?, form)?;
        task.advance(docs.len() as u64);
        Ok(())
    })?;
    folders.iter().map(|folder| V::open(folder)).collect()
}

/// The index of the documents: from the cache, or built now.
fn open<S: Structure>(
    context: &Context<'_>,
    encoding: &Key,
    structure: &S,
    documents: Vec<<S::Vector as Stored>::Shard>,
) -> Result<S::Index> {
    let Some(built) = structure.built() else { return structure.open(None, documents) };
    let key = Key::of(&structure.versions()).made_from(encoding);
    let key = key.param(built).input(context.corpus_digest);
    let folder = context
        .resources
        .artifact("indexes", &key, &mut |folder| structure.build(folder, &documents))?;
    structure.open(Some(&folder), documents)
}

/// An encoder of queries over the index of a collection.
struct EncodedSearch<E, I> {
    encoder: E,
    index: I,
    depth: usize,
    corpus: Arc<dyn Corpus>,
    progress: Arc<dyn Progress>,
}

impl<E: Encoder, I: Index<Vector = E::Vector>> Retriever for EncodedSearch<E, I> {
    fn retrieve(&self, queries: &Queries) -> Result<Run> {
        let vectors = self.encoder.encode(Texts::Queries(queries))?;
        let task = self.progress.begin("searching", "queries", queries.len() as u64);
        let search = |together: &[E::Vector]| {
            let rankings = self.index.search(together, self.depth, &*self.corpus);
            task.advance(together.len() as u64);
            rankings
        };
        Ok(Run(vectors.chunks(I::TOGETHER).flat_map(search).collect()))
    }

    fn is_exact(&self) -> bool {
        self.index.is_exact()
    }

    fn query_vectors(&self, queries: &[Query]) -> Result<Option<Vec<Vec<f32>>>> {
        let vectors = self.encoder.encode(Texts::Queries(queries))?;
        Ok(vectors.into_iter().map(Stored::into_row).collect())
    }

    fn document_vector(&self, doc: DocNo) -> Option<Vec<f32>> {
        self.index.row(doc)
    }

    fn prepare<'a>(&'a self, queries: &Queries) -> Result<Option<Box<dyn Search + 'a>>> {
        let vectors = self.encoder.encode(Texts::Queries(queries))?;
        let (index, depth, corpus) = (&self.index, self.depth, &*self.corpus);
        Ok(Some(Box::new(Prepared { index, vectors, depth, corpus })))
    }

    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        contributions(&self.encoder, &self.index, &*self.corpus, query, doc)
    }
}

/// The parts of the score that a document has for a query.
pub(crate) fn contributions<E: Encoder>(
    encoder: &E,
    index: &impl Index<Vector = E::Vector>,
    corpus: &dyn Corpus,
    query: &Query,
    doc: DocNo,
) -> Result<Vec<Contribution>> {
    let text = Texts::Queries(slice::from_ref(query));
    let vector = encoder.encode(text)?.swap_remove(0);
    let (rows, document_rows) =
        (encoder.rows(text)?, encoder.rows(Texts::Documents(corpus, &[doc]))?);
    let parts = index.parts(&vector, doc).into_iter();
    Ok(parts.map(|part| contribution(part, encoder, &rows, &document_rows)).collect())
}

/// A part of a score, with names in place of numbers.
fn contribution(
    part: Part,
    encoder: &impl Encoder,
    query_rows: &[String],
    document_rows: &[String],
) -> Contribution {
    let tokens =
        |query, document, score| Contribution { of: Match::Tokens { query, document }, score };
    match part {
        Part::Texts(score) => Contribution { of: Match::Texts, score },
        Part::Word { word, query, document } => Contribution::product(word, query, document),
        Part::Dimension { number, query, document } => {
            Contribution::product(encoder.piece(number), query, document)
        }
        Part::Token { number, score } => {
            tokens(encoder.piece(number), encoder.piece(number), score)
        }
        Part::Rows { query, document, score } => {
            tokens(query_rows[query].clone(), document_rows[document].clone(), score)
        }
    }
}

/// Encoded queries, with an open index to search for them.
struct Prepared<'a, V, I> {
    index: &'a I,
    vectors: Vec<V>,
    depth: usize,
    corpus: &'a dyn Corpus,
}

impl<V: Stored, I: Index<Vector = V>> Search for Prepared<'_, V, I> {
    fn search(&self, queries: Range<usize>) -> Vec<Ranking> {
        self.index.search(&self.vectors[queries], self.depth, self.corpus)
    }

    fn is_exact(&self) -> bool {
        self.index.is_exact()
    }

    fn exhaust(&self) -> Vec<Ranking> {
        self.index.exhaust(&self.vectors, self.depth, self.corpus)
    }

    fn bytes(&self) -> u64 {
        self.index.bytes()
    }
}

/// The key of the vectors that a model makes of documents; `parts` are the parameters of the config that decide them.
pub(crate) fn encoding(
    context: &Context<'_>,
    model: &ModelSource,
    parts: &impl Serialize,
) -> Result<Key> {
    let parts = serde_json::to_string(parts).expect("a config is plain data");
    Ok(context.encoding(&format!("{} {parts}", model.digest(context)?)))
}

/// The encoder of single texts, whose vectors are shown to people.
pub(crate) struct Shown<E>(pub(crate) E);

impl<E: Encoder> Shown<E> {
    fn encoding(&self, text: Texts<'_>) -> Result<Encoding> {
        let vector = self.0.encode(text)?.swap_remove(0);
        self.0.show(text, vector)
    }
}

impl<E: Encoder> Encode for Shown<E> {
    fn query(&self, query: &Query) -> Result<Encoding> {
        self.encoding(Texts::Queries(slice::from_ref(query)))
    }

    fn document(&self, corpus: &dyn Corpus, doc: DocNo) -> Result<Encoding> {
        self.encoding(Texts::Documents(corpus, &[doc]))
    }
}
