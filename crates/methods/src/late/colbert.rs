//! ColBERT: every token of a query looks for the token of the passage that is most like it.
//! Khattab and Zaharia, SIGIR 2020 (`khattab2020colbert`); the released checkpoint is that of ColBERTv2 (Santhanam et al., NAACL 2022).
//!
//! One vector for a text must be a compromise; reading query and passage together is slow. ColBERT keeps a small vector
//! for each token, made without a look at the other side, and compares them late: a sum of maxima, which needs no model
//! once the passages are encoded.
//!
//! ```text
//! E_q     = normalise(W BERT([CLS] [Q] q_1 … q_l [SEP] [MASK] … [MASK]))      [q_seq, dim]      (§3.2)
//! E_d     = filter(normalise(W BERT([CLS] [D] d_1 … d_m [SEP])))              [d_seq, dim]
//! s(q, d) = Σ_{i ∈ E_q} max_{j ∈ E_d} E_q,i · E_d,j                                             (§3.3, eq. 3)
//! ```
//!
//! | symbol         | is                                                                                        |
//! |----------------|-------------------------------------------------------------------------------------------|
//! | `W`            | the layer `projection`, without bias: 128 outputs in the released checkpoint              |
//! | `[Q]`, `[D]`   | `marker`: the second token of a text, `[unused0]` and `[unused1]` of BERT's vocabulary    |
//! | `[MASK]`       | fills queries up to `max_length`: looks at the words and is looked at by none, but counts |
//! | `filter`       | drops the tokens of passages that are punctuation, where `punctuation = false`            |
//!
//! The authors tokenize `". text"` and put the marker in the place of the full stop; a template does the same here.
//!
//! Without candidates it is a retriever and every passage is scored: exact. With `plaid` vectors are a centroid and a few
//! bits for each number, and most passages are ruled out by their centroids alone (Santhanam et al., CIKM 2022): `recall@10`
//! in the result says what that misses; with `centroids = "auto"` there are as many centroids as the authors' code takes,
//! `2^⌊log2(16 · √tokens)⌋`, which serves collections of any size. After another stage, `use = "max_sim"` scores
//! that stage's candidates with the same vectors. They are mapped from the cache: 2 bytes for each number in `f16`, so
//! 8.8 million passages of 70 tokens take 160 GB, and half of that in `int8`.
//!
//! Try it: `nir run late/colbert-v2 --on pocket`, and set `fill` aside: expanding queries with masks is worth a point or
//! two of RR@10.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use nir_core::{
    BoxError, Contribution, Corpus, DocNo, Encode, Encoding, Form, Key, Match, Progress, Queries,
    Query, Ranking, Reranker, Result, Retriever, Run, Scored, Search, Version,
};
use nir_index::Simd;
use nir_index::codes::{Centroids, KMeans};
use nir_index::late::{Plaid, PlaidProbe, ResidualCode, TokenMatrix, TokenStorage, TokenWriter};
use nir_index::versions;
use nir_nn::checkpoint::Wanted;
use nir_nn::heads::PerToken;
use nir_nn::{
    Artifact, Bound, Hidden, Input, Late, Model, Role, Rows, Tokens, check_finite, normalise,
    numbers,
};
use serde::{Deserialize, Serialize};

use crate::model::ModelSource;
use crate::neural::{Effort, document_token, document_tokens, piece, pieces, shards};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters, those of [`MaxSim`] too.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder of queries and documents.
    pub model: ModelSource,
    /// The name of the linear layer that makes a token's vector.
    pub projection: String,
    /// What takes the place of the second token.
    pub marker: Marker,
    /// Whether tokens of passages that are punctuation are kept.
    pub punctuation: bool,
    /// How a query is written.
    pub query: Input,
    /// How a document is written.
    pub document: Input,
    /// How each number of a document's vectors is kept.
    pub storage: Storage,
    /// How they are compressed and pruned; without it every document is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaid: Option<Pruning>,
    /// How many documents are kept for each query.
    pub depth: usize,
}

/// Tokens that say which side a text is of.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    /// `[Q]`
    pub query: String,
    /// `[D]`
    pub document: String,
}

/// PLAID: see [`Plaid`].
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pruning {
    /// Centroids that tokens lie near: so many, or as many as the authors take.
    pub centroids: CentroidCount,
    /// Bits for each number of what is left: 1, 2 or 4.
    pub bits: usize,
    /// Tokens that centroids are learned from.
    pub sample: usize,
    /// Decides where learning starts.
    pub seed: u64,
    /// Centroids that a token of a query looks at.
    pub nprobe: usize,
    /// Centroids below this for all tokens of a query are ignored at first.
    pub threshold: f32,
    /// Documents that are left then; a quarter of them is compared in full.
    pub documents: usize,
}

/// How many centroids there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a number of centroids, or \"auto\"")]
pub enum CentroidCount {
    /// So many.
    Fixed(usize),
    /// By a rule.
    Rule(CentroidRule),
}

/// A rule for their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CentroidRule {
    /// `2^⌊log2(16 · √tokens)⌋`.
    Auto,
}

impl CentroidCount {
    /// For a collection of so many tokens.
    fn of(self, tokens: usize) -> usize {
        match self {
            Self::Fixed(centroids) => centroids,
            Self::Rule(CentroidRule::Auto) => auto_centroids(tokens),
        }
    }
}

/// As ColBERT's code has it (`colbert/indexing/collection_indexer.py`), with the tokens counted where it estimates them.
/// Below 256 tokens, where that would be more than there are tokens, the largest power of two that is not.
fn auto_centroids(tokens: usize) -> usize {
    let rule = 16.0 * (tokens as f64).sqrt();
    let most = rule.min(tokens as f64).max(1.0);
    1 << most.log2() as u32
}

/// Lloyd's iterations for centroids.
const ITERATIONS: usize = 4;

impl Pruning {
    fn check(&self) -> std::result::Result<(), String> {
        match self.bits {
            1 | 2 | 4 => Ok(()),
            bits => Err(format!("`plaid`: bits = {bits}: expected 1, 2 or 4")),
        }
    }

    fn probe(&self) -> PlaidProbe {
        let Self { nprobe, threshold, documents, .. } = *self;
        PlaidProbe { nprobe, threshold, documents }
    }

    /// The compressed tokens of all shards with their lists, from the cache or made now.
    fn bind(&self, shards: &[Shard], encoding: &Key, context: &Context<'_>) -> Result<Plaid> {
        let Self { bits, sample, seed, .. } = *self;
        let centroids = self.centroids.of(shards.iter().map(|shard| shard.tokens.tokens()).sum());
        context.resources.note("vectors", "centroids", &centroids.to_string());
        let key = Key::of(&[versions::PLAID]).made_from(encoding).input(context.corpus_digest);
        let key = key.param(format!("{centroids} {bits} {sample} {seed}"));
        let folder = context.resources.artifact("indexes", &key, &mut |folder| {
            let code =
                ResidualCode::train(self.learn(shards, centroids)?, bits, &tokens(shards, sample));
            let storage = TokenStorage::Residual(Box::new(code));
            let dim = shards[0].tokens.dim();
            let mut file = TokenWriter::create(&folder.join(VECTORS), dim, storage)?;
            documents(shards).try_for_each(|document| file.push(&document))?;
            Plaid::build(&folder.join(LISTS), file.finish()?)?;
            Ok(())
        })?;
        Ok(Plaid::open(&folder.join(LISTS), TokenMatrix::open(&folder.join(VECTORS))?)?)
    }

    fn learn(&self, shards: &[Shard], centroids: usize) -> Result<Centroids> {
        let Self { sample, seed, .. } = *self;
        let dim = shards[0].tokens.dim();
        let tokens = tokens(shards, sample);
        let count = tokens.len() / dim;
        if count < centroids {
            return Err(format!(
                "{centroids} centroids cannot be learned from {count} tokens: write fewer `centroids`, or \"auto\""
            )
            .into());
        }
        let kmeans = KMeans { centroids, iterations: ITERATIONS, seed, unit: true };
        Ok(kmeans.train(&tokens, dim))
    }
}

/// The tokens of every document, in order.
fn documents(shards: &[Shard]) -> impl Iterator<Item = Vec<f32>> {
    shards.iter().flat_map(|shard| {
        (0..shard.tokens.len() as u32).map(|row| shard.tokens.document(DocNo(row)))
    })
}

/// At least `most` tokens where there are as many, of documents spread evenly over the collection.
fn tokens(shards: &[Shard], most: usize) -> Vec<f32> {
    let all: usize = shards.iter().map(|shard| shard.tokens.tokens()).sum();
    documents(shards).step_by((all / most.max(1)).max(1)).flatten().collect()
}

/// How a number is kept.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// Two bytes.
    F16,
    /// One byte, and a scale for each token.
    Int8,
}

impl Algorithm for Config {
    const NAME: &'static str = "colbert";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "khattab2020colbert";
    const SHAPE: Shape = Shape::Retriever;

    fn parts(&self) -> Vec<Version> {
        vec![versions::TOKENS, versions::PLAID]
    }

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        Ok(Stage::Retriever(Arc::new(ColBert::new(self, context)?)))
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(Some(Box::new(Reader::load(self, context)?)))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        self.query.check(&["text"]).map_err(|problem| format!("`query`: {problem}"))?;
        self.document
            .check(&["title", "text"])
            .map_err(|problem| format!("`document`: {problem}"))?;
        for (name, input) in [("query", &self.query), ("document", &self.document)] {
            if !input.special_tokens || input.max_length < 3 {
                return Err(format!(
                    "`{name}`: expected `special_tokens` and room for three: [CLS], the marker and [SEP]"
                ));
            }
        }
        self.plaid.as_ref().map_or(Ok(()), Pruning::check)
    }

    fn weights(&self) -> Vec<Wanted> {
        self.model.checkpoints()
    }
}

impl Config {
    /// Holds what the checkpoint's `artifact.metadata` says against this config.
    fn hold(&self, context: &Context<'_>, dim: usize) -> Result<()> {
        let checkpoint = self.model.checkpoint(context)?;
        let Some(artifact) = Artifact::read(&checkpoint)? else { return Ok(()) };
        let asked = Late {
            query: (&self.marker.query, &self.query),
            document: (&self.marker.document, &self.document),
            punctuation: self.punctuation,
            dim,
        };
        Ok(artifact.hold(&asked, context.overrides)?)
    }
}

/// [`Config`] as a reranker: the candidates of an earlier stage are scored, the best `depth` of them.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct MaxSim(Config);

impl Algorithm for MaxSim {
    const NAME: &'static str = "max_sim";
    const VERSION: u32 = 1;
    const PAPER: &'static str = Config::PAPER;
    const SHAPE: Shape = Shape::Reranker;

    fn parts(&self) -> Vec<Version> {
        vec![versions::TOKENS]
    }

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        Ok(Stage::Reranker(Box::new(ColBert::new(&self.0, context)?)))
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        self.0.encoder(context)
    }

    fn check(&self) -> std::result::Result<(), String> {
        match self.0.plaid {
            None => self.0.check(),
            Some(_) => {
                Err("`plaid` prunes a collection, and this scores candidates: leave it out"
                    .to_owned())
            }
        }
    }

    fn weights(&self) -> Vec<Wanted> {
        self.0.weights()
    }
}

/// The model with the ways of writing texts.
struct Reader {
    model: Arc<Model<PerToken>>,
    query_tokens: Bound,
    query_marker: u32,
    document_tokens: Bound,
    document_marker: u32,
    punctuation: bool,
}

impl Reader {
    fn load(config: &Config, context: &Context<'_>) -> Result<Self> {
        let model = config.model.load(context, |architecture, tensors| {
            PerToken::load(architecture, tensors, &[&config.projection])
        })?;
        config.hold(context, model.head.dim())?;
        let bind = |input, role| config.model.bind(context, &model, input, role);
        Ok(Self {
            query_tokens: bind(&config.query, Role::Query)?,
            query_marker: model.tokenizer.id(&config.marker.query)?,
            document_tokens: bind(&config.document, Role::Document)?,
            document_marker: model.tokenizer.id(&config.marker.document)?,
            punctuation: config.punctuation,
            model,
        })
    }

    fn query(&self, query: &Query) -> Result<Tokens> {
        let mut tokens = self.query_tokens.encode(|_| query.text.clone())?;
        tokens.ids[1] = self.query_marker;
        Ok(tokens)
    }

    fn document(&self, corpus: &dyn Corpus, doc: DocNo) -> Result<Tokens> {
        let mut tokens = document_token(&self.document_tokens, corpus, doc)?;
        tokens.ids[1] = self.document_marker;
        Ok(tokens)
    }

    /// Whether a document keeps the vector of this token.
    fn keeps(&self, id: u32) -> bool {
        self.punctuation || !is_punctuation(&self.model, id)
    }

    /// The names of the tokens whose vectors a text keeps.
    fn kept(&self, tokens: &Tokens, keeps: &dyn Fn(u32) -> bool) -> Vec<String> {
        let kept = tokens.ids.iter().filter(|&&id| keeps(id));
        kept.map(|&id| piece(&self.model.tokenizer, id)).collect()
    }

    fn encoding(
        &self,
        tokens: &Tokens,
        keeps: &dyn Fn(u32) -> bool,
        text: &str,
    ) -> Result<Encoding> {
        let all = std::slice::from_ref(tokens);
        let vectors = vectors(&self.model, all, keeps, |_| text.to_owned())?.swap_remove(0);
        let rows = vectors.chunks_exact(self.model.head.dim()).map(<[f32]>::to_vec);
        let form = Form::Vectors(self.kept(tokens, keeps).into_iter().zip(rows).collect());
        Ok(Encoding { tokens: pieces(&self.model.tokenizer, tokens), form })
    }
}

impl Encode for Reader {
    fn query(&self, query: &Query) -> Result<Encoding> {
        self.encoding(&self.query(query)?, &|_| true, &query.text)
    }

    fn document(&self, corpus: &dyn Corpus, doc: DocNo) -> Result<Encoding> {
        let tokens = self.document(corpus, doc)?;
        self.encoding(&tokens, &|id| self.keeps(id), corpus.contents(doc))
    }
}

struct ColBert {
    reader: Reader,
    shards: Vec<Shard>,
    plaid: Option<(Plaid, PlaidProbe)>,
    depth: usize,
    corpus: Arc<dyn Corpus>,
    progress: Arc<dyn Progress>,
}

struct Shard {
    /// The row of its first document.
    first: u32,
    tokens: TokenMatrix,
}

impl ColBert {
    fn new(config: &Config, context: &Context<'_>) -> Result<Self> {
        let reader = Reader::load(config, context)?;
        let (shards, encoding) = config.encode(context, &reader)?;
        let bind = |pruning: &Pruning| {
            Ok::<_, BoxError>((pruning.bind(&shards, &encoding, context)?, pruning.probe()))
        };
        let plaid = config.plaid.as_ref().map(bind).transpose()?;
        let tokens: usize = shards.iter().map(|shard| shard.tokens.tokens()).sum();
        let bound = Self {
            reader,
            shards,
            plaid,
            depth: config.depth,
            corpus: Arc::clone(&context.corpus),
            progress: Arc::clone(&context.progress),
        };
        context.resources.note("vectors", "tokens", &tokens.to_string());
        context.resources.note("vectors", "bytes", &bound.bytes().to_string());
        Ok(bound)
    }

    /// What is searched, on disk.
    fn bytes(&self) -> u64 {
        let exact = || self.shards.iter().map(|shard| shard.tokens.bytes()).sum();
        self.plaid.as_ref().map_or_else(exact, |(plaid, _)| plaid.bytes())
    }

    /// `E_q` of every query, `[q_seq, dim]`.
    fn queries(&self, queries: &[Query]) -> Result<Vec<Vec<f32>>> {
        let tokens = queries.iter().map(|query| self.reader.query(query));
        let tokens: Vec<Tokens> = tokens.collect::<Result<_>>()?;
        vectors(&self.reader.model, &tokens, &|_| true, |i| queries[i].text.clone())
    }

    /// `E_d` as it is compared, `[d_seq, dim]`.
    fn stored(&self, doc: DocNo) -> Vec<f32> {
        if let Some((plaid, _)) = &self.plaid {
            return plaid.tokens().document(doc);
        }
        let shard = self.shards.partition_point(|shard| shard.first <= doc.0) - 1;
        let Shard { first, tokens } = &self.shards[shard];
        tokens.document(DocNo(doc.0 - first))
    }

    /// For each token of a query, the document's token that is most like it.
    fn matches(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        let (tokens, dim) = (self.reader.query(query)?, self.reader.model.head.dim());
        let vectors =
            vectors(&self.reader.model, std::slice::from_ref(&tokens), &|_| true, |_| {
                query.text.clone()
            })?;
        let document = self.reader.document(&*self.corpus, doc)?;
        let names = self.reader.kept(&document, &|id| self.reader.keeps(id));
        let (stored, simd) = (self.stored(doc), Simd::get());
        let best = |(query, vector): (String, &[f32])| {
            let similar = stored.chunks_exact(dim).map(|row| simd.dot(vector, row));
            let (score, at) = similar.zip(0..).max_by(|a, b| a.0.total_cmp(&b.0))?;
            Some(Contribution { of: Match::Tokens { query, document: names[at].clone() }, score })
        };
        let queries = pieces(&self.reader.model.tokenizer, &tokens).into_iter();
        Ok(queries.zip(vectors[0].chunks_exact(dim)).filter_map(best).collect())
    }

    /// The scores of documents of one shard.
    fn score(shard: &Shard, query: &[f32], docs: &[DocNo]) -> Vec<Scored> {
        let own: Vec<DocNo> = docs.iter().map(|doc| DocNo(doc.0 - shard.first)).collect();
        let scored = docs.iter().zip(shard.tokens.score(query, &own));
        // A document without tokens has no maximum.
        let scored = scored.filter(|(_, score)| *score > f32::NEG_INFINITY);
        scored.map(|(&doc, score)| Scored { doc, score }).collect()
    }

    /// The best of all documents, or of those that pruning leaves.
    fn search(&self, query: &[f32]) -> Ranking {
        match &self.plaid {
            None => self.exhaust(query),
            Some((plaid, probe)) => plaid.search(query, self.depth, *probe, &*self.corpus),
        }
    }

    fn exhaust(&self, query: &[f32]) -> Ranking {
        let all: Vec<DocNo> = (0..self.corpus.len() as u32).map(DocNo).collect();
        self.best(query, &all)
    }

    /// The best of some documents, rising.
    fn best(&self, query: &[f32], docs: &[DocNo]) -> Ranking {
        let shard = |shard: &Shard| {
            let end = shard.first + shard.tokens.len() as u32;
            let from = docs.partition_point(|doc| doc.0 < shard.first);
            let to = docs.partition_point(|doc| doc.0 < end);
            Self::score(shard, query, &docs[from..to])
        };
        Ranking::top(self.depth, self.shards.iter().flat_map(shard).collect(), &*self.corpus)
    }
}

impl Retriever for ColBert {
    fn is_exact(&self) -> bool {
        self.plaid.is_none()
    }

    fn retrieve(&self, queries: &Queries) -> Result<Run> {
        let task = self.progress.begin("comparing tokens", "queries", queries.len() as u64);
        let search = |query: &Vec<f32>| {
            let ranking = self.search(query);
            task.advance(1);
            ranking
        };
        Ok(Run(self.queries(queries)?.iter().map(search).collect()))
    }

    fn prepare<'a>(&'a self, queries: &Queries) -> Result<Option<Box<dyn Search + 'a>>> {
        Ok(Some(Box::new(Prepared { method: self, queries: self.queries(queries)? })))
    }

    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        self.matches(query, doc)
    }
}

struct Prepared<'a> {
    method: &'a ColBert,
    queries: Vec<Vec<f32>>,
}

impl Search for Prepared<'_> {
    fn search(&self, queries: Range<usize>) -> Vec<Ranking> {
        self.queries[queries].iter().map(|query| self.method.search(query)).collect()
    }

    fn is_exact(&self) -> bool {
        self.method.plaid.is_none()
    }

    fn exhaust(&self) -> Vec<Ranking> {
        self.queries.iter().map(|query| self.method.exhaust(query)).collect()
    }

    fn bytes(&self) -> u64 {
        self.method.bytes()
    }
}

impl Reranker for ColBert {
    fn depth(&self) -> usize {
        usize::MAX // all of them are scored, and the best `depth` kept
    }

    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        let vectors = self.queries(std::slice::from_ref(query))?.swap_remove(0);
        let mut docs: Vec<DocNo> = candidates.iter().map(|hit| hit.doc).collect();
        docs.sort_unstable();
        Ok(self.best(&vectors, &docs))
    }

    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        self.matches(query, doc)
    }
}

const VECTORS: &str = "tokens.matrix";
const LISTS: &str = "lists.plaid";

impl Config {
    /// `E_d` of all documents, and everything that decides what it is.
    fn encode(&self, context: &Context<'_>, reader: &Reader) -> Result<(Vec<Shard>, Key)> {
        let checkpoint = self.model.digest(context)?;
        let parts = (
            &self.projection,
            &self.marker.document,
            self.punctuation,
            &self.document,
            self.storage,
        );
        let parts = serde_json::to_string(&parts).expect("a config is plain data");
        let model = &reader.model;
        let corpus = &*context.corpus;
        let task = context.progress.begin("encoding documents", "documents", corpus.len() as u64);
        let encoding = context.encoding(&format!("{checkpoint} {parts}"));
        let effort = Effort::new(&model.encoder, &reader.document_tokens);
        let folders = shards(context, &encoding, versions::TOKENS, effort, &mut |folder, rows| {
            let mut tokens = document_tokens(&reader.document_tokens, corpus, rows.clone())?;
            tokens.iter_mut().for_each(|tokens| tokens.ids[1] = reader.document_marker);
            let text = |i: usize| corpus.contents(DocNo(rows.start + i as u32)).to_owned();
            let vectors = vectors(model, &tokens, &|id| reader.keeps(id), text)?;
            write(folder, &vectors, model.head.dim(), self.storage)?;
            task.advance(u64::from(rows.end - rows.start));
            Ok(())
        })?;
        let mut first = 0;
        let open = |folder: &std::path::PathBuf| {
            let shard = Shard { first, tokens: TokenMatrix::open(&folder.join(VECTORS))? };
            first += shard.tokens.len() as u32;
            Ok(shard)
        };
        let shards = folders.iter().map(open).collect::<Result<_>>()?;
        Ok((shards, encoding))
    }
}

fn write(folder: &Path, documents: &[Vec<f32>], dim: usize, storage: Storage) -> Result<()> {
    let storage = match storage {
        Storage::F16 => TokenStorage::F16,
        Storage::Int8 => TokenStorage::Int8,
    };
    let mut file = TokenWriter::create(&folder.join(VECTORS), dim, storage)?;
    documents.iter().try_for_each(|document| file.push(document))?;
    file.finish()?;
    Ok(())
}

/// One of ASCII's marks, which the authors leave out (Python's `string.punctuation`).
fn is_punctuation(model: &Model<PerToken>, id: u32) -> bool {
    let piece = model.tokenizer.token(id);
    piece.is_some_and(|piece| piece.len() == 1 && piece.bytes().all(|c| c.is_ascii_punctuation()))
}

/// The normalised vectors of the tokens that are kept, for each text `[seq, dim]`.
fn vectors(
    model: &Model<PerToken>,
    tokens: &[Tokens],
    kept: &dyn Fn(u32) -> bool,
    text: impl Fn(usize) -> String,
) -> Result<Vec<Vec<f32>>> {
    let dim = model.head.dim();
    let mut all = vec![Vec::new(); tokens.len()];
    model.encoder.in_batches(tokens, Rows::All, |places, hidden: &Hidden| {
        let rows = numbers(&normalise(&model.head.forward(hidden)?)?)?; // [Σ lengths, dim]
        let mut end = 0;
        for (&place, &length) in places.iter().zip(&hidden.lengths) {
            let range: Range<usize> = end * dim..(end + length) * dim;
            end += length;
            check_finite(&rows[range.clone()], || text(place))?;
            let ids = tokens[place].ids.iter();
            let tokens = rows[range].chunks_exact(dim).zip(ids).filter(|(_, id)| kept(**id));
            all[place] = tokens.flat_map(|(row, _)| row.iter().copied()).collect();
        }
        Ok(())
    })?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lent, assert_ranked, fixture, sentence_and_word};

    /// As the fixture was recorded: no marker of its own, punctuation kept, and no masks.
    fn config(folder: &str, query: &str) -> Config {
        let text = format!(
            "model = {{ weights = \"file:{folder}\", ignore = [\"*pooler.*\"] }}\nprojection = \"linear\"\n\
             marker = {{ query = \"bread\", document = \"bread\" }}\npunctuation = true\n\
             query = {query}\n\
             document = {{ template = [\"{{text}}\"], special_tokens = true, max_length = 40 }}\n\
             storage = \"f16\"\ndepth = 10"
        );
        toml::from_str(&text).unwrap()
    }

    const PLAIN: &str = r#"{ template = ["{text}"], special_tokens = true, max_length = 40 }"#;

    /// Σ max over PyTorch's own vectors, eight numbers a token.
    fn max_sim(query: &[f32], document: &[f32]) -> f32 {
        let best = |q: &[f32]| {
            let dots = document.chunks_exact(8).map(|d| q.iter().zip(d).map(|(a, b)| a * b).sum());
            dots.fold(f32::NEG_INFINITY, f32::max)
        };
        query.chunks_exact(8).map(best).sum()
    }

    #[test]
    fn a_score_is_the_sum_of_maxima_of_the_references_vectors() {
        let (folder, expected) = fixture("colbert");
        // "word" is the text "bread", so that its own marker changes nothing.
        let lent = Lent::new([sentence_and_word()[1]]);
        let own = expected("word", "tokens_normalized");
        let found = lent.retrieve(&config(&folder, PLAIN), "bread");
        // Halves keep 11 bits.
        let named = lent.named(&found);
        assert_eq!(named[0].0, "word");
        assert!((named[0].1 - max_sim(&own, &own)).abs() < 5e-3, "{named:?}");
    }

    #[test]
    fn a_reranker_gives_its_candidates_the_same_scores() {
        let (folder, _) = fixture("colbert");
        let lent = Lent::new(sentence_and_word());
        let config = config(&folder, PLAIN);
        let all = lent.retrieve(&config, "bread and water");
        let parts = lent.explain(&config, "bread and water");
        let [query, document] = lent.encode(&config, "bread and water", 1);
        assert_eq!(parts[0].len(), query.tokens.len());
        assert!(
            matches!(document.form, Form::Vectors(rows) if rows.len() == document.tokens.len())
        );
        let again = lent.rerank(&MaxSim(config.clone()), "bread and water", &all);
        assert_ranked(&lent.named(&again), &lent.named(&all));
        let one = Ranking::top(1, all.iter().skip(1).copied().collect(), lent.corpus());
        let again = lent.rerank(&MaxSim(config), "bread and water", &one);
        assert_ranked(&lent.named(&again), &lent.named(&all)[1..]);
    }

    #[test]
    fn masks_count_and_punctuation_does_not() {
        let (folder, _) = fixture("colbert");
        let lent = Lent::new([("mark", "bread"), ("none", "bread ?")]);
        let mut config = config(&folder, PLAIN);
        config.punctuation = false;
        let plain = lent.retrieve(&config, "bread");
        config.query.fill = Some(nir_nn::Fill { token: "[MASK]".to_owned(), seen: false });
        config.query.max_length = 12;
        let filled = lent.retrieve(&config, "bread");
        // Three tokens have a cosine of at most one each; the nine masks add theirs.
        assert!(plain[0].score <= 3.001 && filled[0].score > plain[0].score);
    }

    #[test]
    fn pruning_that_looks_everywhere_loses_only_to_rounding() {
        let (folder, _) = fixture("colbert");
        let texts = ["bread", "water and wine", "pressure", "which treatment", "blood", "why?"];
        let lent = Lent::new(texts.map(|text| (text, text)));
        let mut config = config(&folder, PLAIN);
        let exact = lent.retrieve(&config, "bread and water");
        let everywhere = Pruning {
            centroids: CentroidCount::Fixed(8),
            bits: 4,
            sample: 1000,
            seed: 1,
            nprobe: 8,
            threshold: f32::NEG_INFINITY,
            documents: 24,
        };
        config.plaid = Some(everywhere.clone());
        let found = lent.retrieve(&config, "bread and water");
        assert_eq!((found.len(), found[0].doc), (exact.len(), exact[0].doc));
        assert!((found[0].score - exact[0].score).abs() < 0.2);
        assert_eq!(lent.recall(&config, "bread"), Some(1.0));

        config.plaid = Some(Pruning { documents: 4, nprobe: 1, ..everywhere.clone() });
        assert!(lent.recall(&config, "bread").unwrap() < 1.0);

        let auto = CentroidCount::Rule(CentroidRule::Auto);
        config.plaid = Some(Pruning { centroids: auto, nprobe: 1000, ..everywhere.clone() });
        let found = lent.retrieve(&config, "bread and water");
        assert_eq!((found.len(), found[0].doc), (exact.len(), exact[0].doc));

        config.plaid = Some(Pruning { centroids: CentroidCount::Fixed(1000), ..everywhere });
        let error = lent.try_build(&config).err().unwrap().to_string();
        assert!(error.contains("1000 centroids cannot be learned"), "{error}");
        assert!(Algorithm::check(&MaxSim(config)).unwrap_err().contains("leave it out"));
    }

    #[test]
    fn the_authors_rule_gives_a_power_of_two_that_a_tiny_collection_can_fill() {
        // 16 · √1,000,000 = 16,000, and 2^13 = 8,192 is the last power of two below; 16 · √256 = 256.
        assert_eq!(auto_centroids(1_000_000), 8192);
        assert_eq!(auto_centroids(256), 256);
        // 16 · √255 = 255.5 is more than 255 tokens; of 20 tokens 16 may be centroids.
        assert_eq!(auto_centroids(255), 128);
        assert_eq!([20, 2, 1, 0].map(auto_centroids), [16, 2, 1, 1]);
        // MS MARCO's passages: 8,841,823 of about 67 tokens.
        assert_eq!(auto_centroids(592_402_141), 262_144);
    }

    #[test]
    fn a_number_of_centroids_is_a_number_or_the_rule() {
        let read = |value: &str| {
            toml::from_str::<toml::Table>(&format!("x = {value}")).unwrap()["x"].clone()
        };
        let count = |value: &str| read(value).try_into::<CentroidCount>();
        assert_eq!(count("64"), Ok(CentroidCount::Fixed(64)));
        assert_eq!(count("\"auto\""), Ok(CentroidCount::Rule(CentroidRule::Auto)));
        let error = count("\"many\"").unwrap_err().to_string();
        assert!(error.contains("expected a number of centroids, or \"auto\""), "{error}");
    }

    #[test]
    fn a_text_without_room_for_a_marker_is_refused() {
        let mut config = config("somewhere", PLAIN);
        config.document.max_length = 2;
        let error = Algorithm::check(&config).unwrap_err();
        assert!(error.starts_with("`document`: expected `special_tokens`"), "{error}");
    }
}
