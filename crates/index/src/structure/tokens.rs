//! A vector for each token of a text: every token compared, or PLAID.
//!
//! Without `plaid` every document is scored: exact. With it vectors are a centroid and a few bits for each number, and most
//! documents are ruled out by their centroids alone (Santhanam et al., CIKM 2022): `recall@10` in a result says what
//! that misses.

use std::path::Path;

use nir_core::{Corpus, DocNo, Ranking, Result, Scored, Version};
use serde::{Deserialize, Serialize};

use super::{Index, Part, Stored, Structure};
use crate::codes::{Centroids, KMeans};
use crate::late::{Plaid, PlaidProbe, ResidualCode, TokenMatrix, TokenStorage, TokenWriter};
use crate::{Simd, versions};

/// The token vectors of a text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenVectors {
    /// The number of each token in the vocabulary. It is not stored.
    pub ids: Vec<u32>,
    /// `[ids, dim]`.
    pub rows: Vec<f32>,
}

/// The form in which the token vectors of a collection are stored in shards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenForm {
    /// The number of values of a vector.
    pub dim: usize,
    /// The number format of the values.
    pub precision: TokenPrecision,
}

/// The number format of a value of a token vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenPrecision {
    /// Two bytes.
    F16,
    /// One byte, with a scale for each token.
    Int8,
}

const VECTORS: &str = "tokens.matrix";
const LISTS: &str = "lists.plaid";

impl Stored for TokenVectors {
    type Form = TokenForm;
    type Shard = TokenMatrix;
    const FORMAT: Version = versions::TOKENS;

    fn write(folder: &Path, vectors: &[Self], form: &TokenForm) -> Result<()> {
        let storage = match form.precision {
            TokenPrecision::F16 => TokenStorage::F16,
            TokenPrecision::Int8 => TokenStorage::Int8,
        };
        let mut file = TokenWriter::create(&folder.join(VECTORS), form.dim, storage)?;
        vectors.iter().try_for_each(|vectors| file.push(&vectors.rows))?;
        file.finish()?;
        Ok(())
    }

    fn open(folder: &Path) -> Result<TokenMatrix> {
        Ok(TokenMatrix::open(&folder.join(VECTORS))?)
    }
}

/// The structure by which token vectors are searched.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenStructure {
    /// How they are compressed and pruned; without it every document is compared.
    pub plaid: Option<Pruning>,
}

/// The parameters of PLAID.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pruning {
    /// Centroids that tokens lie near: so many, or as many as the authors take.
    pub centroids: CentroidCount,
    /// Bits for each number of what is left of a vector without its centroid: 1, 2 or 4.
    pub bits: usize,
    /// The number of tokens that centroids are learned from.
    pub sample: usize,
    /// The seed of the choice of these tokens and of the start of learning.
    pub seed: u64,
    /// The number of centroids that are read for each token of a query.
    pub nprobe: usize,
    /// Centroids whose products with all tokens of a query are below this are ignored at first.
    pub threshold: f32,
    /// Documents that are left then; a quarter of them is compared in full.
    pub documents: usize,
}

/// The number of centroids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected a number of centroids, or \"auto\"")]
pub enum CentroidCount {
    /// A fixed number.
    Fixed(usize),
    /// A number that a rule computes.
    Rule(CentroidRule),
}

/// A rule for the number of centroids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CentroidRule {
    /// `2^⌊log2(16 · √tokens)⌋`, the rule of the authors' code.
    Auto,
}

impl CentroidCount {
    /// The number of centroids for a collection with this many tokens.
    fn of(self, tokens: usize) -> usize {
        match self {
            Self::Fixed(centroids) => centroids,
            Self::Rule(CentroidRule::Auto) => auto_centroids(tokens),
        }
    }
}

/// The rule of ColBERT's code (`colbert/indexing/collection_indexer.py`), with tokens counted where that code estimates
/// them. Below 256 tokens, where the rule would give more centroids than tokens, the largest power of two that is not
/// larger.
fn auto_centroids(tokens: usize) -> usize {
    let rule = 16.0 * (tokens as f64).sqrt();
    let most = rule.min(tokens as f64).max(1.0);
    1 << most.log2() as u32
}

/// The number of iterations of Lloyd's algorithm for centroids.
const ITERATIONS: usize = 4;

impl Pruning {
    /// Checks the parameters; the error says what is wrong.
    pub fn check(&self) -> std::result::Result<(), String> {
        match self.bits {
            1 | 2 | 4 => Ok(()),
            bits => Err(format!("`plaid`: bits = {bits}: expected 1, 2 or 4")),
        }
    }

    fn probe(&self) -> PlaidProbe {
        let Self { nprobe, threshold, documents, .. } = *self;
        PlaidProbe { nprobe, threshold, documents }
    }

    fn build(&self, folder: &Path, shards: &[TokenMatrix]) -> Result<()> {
        let dim = shards[0].dim();
        let sample = sample(shards, self.sample);
        let centroids = self.learn(shards, &sample)?;
        let code = Box::new(ResidualCode::train(centroids, self.bits, &sample));
        let storage = TokenStorage::Residual(code);
        let mut file = TokenWriter::create(&folder.join(VECTORS), dim, storage)?;
        documents(shards).try_for_each(|document| file.push(&document))?;
        Plaid::build(&folder.join(LISTS), file.finish()?)?;
        Ok(())
    }

    fn learn(&self, shards: &[TokenMatrix], sample: &[f32]) -> Result<Centroids> {
        let (dim, centroids) = (shards[0].dim(), self.centroids.of(tokens(shards)));
        let count = sample.len() / dim;
        if count < centroids {
            return Err(format!(
                "{centroids} centroids cannot be learned from {count} tokens: write fewer `centroids`, or \"auto\""
            )
            .into());
        }
        let kmeans = KMeans { centroids, iterations: ITERATIONS, seed: self.seed, unit: true };
        Ok(kmeans.train(sample, dim))
    }
}

/// The number of tokens of all documents.
fn tokens(shards: &[TokenMatrix]) -> usize {
    shards.iter().map(TokenMatrix::tokens).sum()
}

/// The token vectors of every document, in order.
fn documents(shards: &[TokenMatrix]) -> impl Iterator<Item = Vec<f32>> {
    let of = |shard| (0..TokenMatrix::len(shard) as u32).map(|row| shard.document(DocNo(row)));
    shards.iter().flat_map(of)
}

/// At least `most` tokens if there are as many, from documents that are spread evenly over the collection.
fn sample(shards: &[TokenMatrix], most: usize) -> Vec<f32> {
    documents(shards).step_by((tokens(shards) / most.max(1)).max(1)).flatten().collect()
}

impl Structure for TokenStructure {
    type Vector = TokenVectors;
    type Index = TokenIndex;
    const NAME: &'static str = "vectors";

    fn versions(&self) -> Vec<Version> {
        let plaid = self.plaid.is_some().then_some(versions::PLAID);
        std::iter::once(versions::TOKENS).chain(plaid).collect()
    }

    fn built(&self) -> Option<String> {
        let Pruning { centroids, bits, sample, seed, .. } = self.plaid.as_ref()?;
        let parts = serde_json::to_string(&(centroids, bits, sample, seed));
        Some(parts.expect("a config is plain data"))
    }

    fn build(&self, folder: &Path, documents: &[TokenMatrix]) -> Result<()> {
        self.plaid.as_ref().map_or(Ok(()), |plaid| plaid.build(folder, documents))
    }

    fn open(&self, folder: Option<&Path>, documents: Vec<TokenMatrix>) -> Result<TokenIndex> {
        let open = |(folder, pruning): (&Path, &Pruning)| -> Result<_> {
            let tokens = TokenMatrix::open(&folder.join(VECTORS))?;
            Ok((Plaid::open(&folder.join(LISTS), tokens)?, pruning.probe()))
        };
        let plaid = folder.zip(self.plaid.as_ref()).map(open).transpose()?;
        let mut first = 0;
        let place = |tokens: TokenMatrix| {
            first += tokens.len() as u32;
            Shard { first: first - tokens.len() as u32, tokens }
        };
        Ok(TokenIndex { shards: documents.into_iter().map(place).collect(), plaid })
    }
}

/// The open token vectors of a collection.
pub struct TokenIndex {
    shards: Vec<Shard>,
    plaid: Option<(Plaid, PlaidProbe)>,
}

struct Shard {
    /// The row of its first document.
    first: u32,
    tokens: TokenMatrix,
}

impl Shard {
    /// The scores of those of some rising documents that are here.
    fn score(&self, query: &[f32], docs: &[DocNo]) -> Vec<Scored> {
        let end = self.first + self.tokens.len() as u32;
        let place = |row| docs.partition_point(|doc| doc.0 < row);
        let docs = &docs[place(self.first)..place(end)];
        let own: Vec<DocNo> = docs.iter().map(|doc| DocNo(doc.0 - self.first)).collect();
        let scored = docs.iter().zip(self.tokens.score(query, &own));
        // A document without tokens has no maximum.
        let scored = scored.filter(|(_, score)| *score > f32::NEG_INFINITY);
        scored.map(|(&doc, score)| Scored { doc, score }).collect()
    }
}

impl TokenIndex {
    /// The best `depth` of `docs`, whose rows are in ascending order.
    pub fn best(
        &self,
        query: &TokenVectors,
        docs: &[DocNo],
        depth: usize,
        corpus: &dyn Corpus,
    ) -> Ranking {
        let scored = self.shards.iter().flat_map(|shard| shard.score(&query.rows, docs));
        Ranking::top(depth, scored.collect(), corpus)
    }

    /// The vectors of a document as they are compared, `[tokens, dim]`: what another interaction than MaxSim reads.
    pub fn document(&self, doc: DocNo) -> Vec<f32> {
        if let Some((plaid, _)) = &self.plaid {
            return plaid.tokens().document(doc);
        }
        let shard = self.shards.partition_point(|shard| shard.first <= doc.0) - 1;
        let Shard { first, tokens } = &self.shards[shard];
        tokens.document(DocNo(doc.0 - first))
    }
}

fn centroids(plaid: &Plaid) -> Option<usize> {
    let TokenStorage::Residual(code) = plaid.tokens().storage() else { return None };
    Some(code.centroids().len())
}

impl Index for TokenIndex {
    type Vector = TokenVectors;
    /// One query at a time, as a single search uses all threads.
    const TOGETHER: usize = 1;

    fn search(&self, queries: &[TokenVectors], depth: usize, corpus: &dyn Corpus) -> Vec<Ranking> {
        let Some((plaid, probe)) = &self.plaid else { return self.exhaust(queries, depth, corpus) };
        queries.iter().map(|query| plaid.search(&query.rows, depth, *probe, corpus)).collect()
    }

    fn is_exact(&self) -> bool {
        self.plaid.is_none()
    }

    fn exhaust(&self, queries: &[TokenVectors], depth: usize, corpus: &dyn Corpus) -> Vec<Ranking> {
        let all: Vec<DocNo> = (0..corpus.len() as u32).map(DocNo).collect();
        queries.iter().map(|query| self.best(query, &all, depth, corpus)).collect()
    }

    fn bytes(&self) -> u64 {
        let exact = || self.shards.iter().map(|shard| shard.tokens.bytes()).sum();
        self.plaid.as_ref().map_or_else(exact, |(plaid, _)| plaid.bytes())
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let tokens: usize = self.shards.iter().map(|shard| shard.tokens.tokens()).sum();
        let facts = [("tokens", tokens.to_string()), ("bytes", self.bytes().to_string())];
        let centroids = self.plaid.as_ref().and_then(|(plaid, _)| centroids(plaid));
        let centroids = centroids.map(|count| ("centroids", count.to_string()));
        centroids.into_iter().chain(facts).collect()
    }

    /// For each token of the query, the document's token that is most like it.
    fn parts(&self, query: &TokenVectors, doc: DocNo) -> Vec<Part> {
        let (stored, dim) = (self.document(doc), query.rows.len() / query.ids.len().max(1));
        let best = |(query, row): (usize, &[f32])| {
            let similar = stored.chunks_exact(dim).map(|token| Simd::get().dot(row, token));
            let (score, document) = similar.zip(0..).max_by(|a, b| a.0.total_cmp(&b.0))?;
            Some(Part::Rows { query, document, score })
        };
        query.rows.chunks_exact(dim.max(1)).enumerate().filter_map(best).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let count = |json: &str| serde_json::from_str::<CentroidCount>(json);
        assert_eq!(count("64").unwrap(), CentroidCount::Fixed(64));
        assert_eq!(count("\"auto\"").unwrap(), CentroidCount::Rule(CentroidRule::Auto));
        let error = count("\"many\"").unwrap_err().to_string();
        assert!(error.contains("expected a number of centroids, or \"auto\""), "{error}");
    }
}
