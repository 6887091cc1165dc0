//! ColBERT-PRF: feedback where a text is many vectors.
//! Wang, Macdonald, Tonellotto and Ounis, ICTIR 2021 (`wang2021colbertprf`).
//!
//! Feedback needs terms to add, and ColBERT has none: it has a vector for every token. So the tokens of the best documents
//! are gathered into clusters, and each centroid stands for something that these documents speak of. How much it tells apart
//! is asked of the token next to it: one that few documents have weighs more. The best centroids join the query.
//!
//! ```text
//! ν_1 … ν_K = k-means(E_d for the best f_b documents d)
//! σ_i       = ln((N + 1) / (N_t + 1))        t: the token nearest to ν_i
//! s'(q, d)  = Σ_{i ∈ E_q} max_{j ∈ E_d} E_q,i · E_d,j  +  β Σ_{i ∈ F} σ_i max_{j ∈ E_d} ν_i · E_d,j
//! ```
//!
//! | symbol     | is                                                                                 |
//! |------------|------------------------------------------------------------------------------------|
//! | `f_b`, `K` | `feedback_documents` and `clusters`: 3 and 24 in the paper                          |
//! | `F`        | the `expansions` centroids with the largest `σ`: 10 in the paper                    |
//! | `β`        | `beta`: 1 in the paper                                                              |
//! | `N`, `N_t` | the documents of the collection, and those that have the token `t`                  |
//!
//! This is the paper's reranker: the documents that a first search found are scored anew (`σ_i > 0` may stand inside the
//! maximum, so that an expansion is one more token of the query). The authors ask an approximate index of all tokens for the
//! nearest ones; here the nearest is looked for among the tokens that the centroids were made of.
//!
//! Try it: `nir run feedback/colbert-prf-pocket late/colbert-pocket --on pocket`

use std::fs;
use std::path::Path;
use std::slice;
use std::sync::Arc;

use nir_core::{
    Contribution, Corpus, DocNo, Encode, Key, Query, Ranking, Reranker, Result, Version,
};
use nir_index::codes::KMeans;
use nir_index::structure::{Structure, TokenIndex, TokenVectors};
use nir_index::versions;
use nir_nn::Role;
use nir_nn::checkpoint::Wanted;
use serde::{Deserialize, Serialize};

use super::colbert::{self, ColBert};
use crate::reader::Texts;
use crate::retriever::{Encoder, contributions, encoded};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder, with the parameters of `colbert` without `plaid`; its vectors are shared with it, and its `depth` is how
    /// many candidates stay.
    pub encoder: colbert::Config,
    /// How many documents of the first search are taken as relevant.
    pub feedback_documents: usize,
    /// The number of clusters of their tokens; where there are fewer tokens, as many as tokens.
    pub clusters: usize,
    /// How many centroids join the query.
    pub expansions: usize,
    /// The weight of the centroids beside the query's own tokens.
    pub beta: f32,
    /// The seed of the clusters.
    pub seed: u64,
}

impl Algorithm for Config {
    const NAME: &'static str = "colbert_prf";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "wang2021colbertprf";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let (encoding, encoder) = (self.encoder.encoding(context)?, self.encoder.load(context)?);
        let documents =
            encoded(context, &encoding, &encoder.effort(), &encoder.form(), &|texts| {
                encoder.encode(texts)
            })?;
        Ok(Stage::Reranker(Box::new(ColBertPrf {
            config: self.clone(),
            frequencies: Frequencies::of(context, &encoding, &encoder)?,
            index: self.encoder.structure().open(None, documents)?,
            encoder,
            corpus: Arc::clone(&context.corpus),
        })))
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        self.encoder.encoder(context)
    }

    fn check(&self) -> std::result::Result<(), String> {
        if self.encoder.plaid.is_some() {
            return Err(
                "`encoder.plaid` prunes a collection, and this scores candidates: leave it out"
                    .to_owned(),
            );
        }
        let Self { feedback_documents, clusters, expansions, beta, .. } = *self;
        match feedback_documents > 0 && clusters > 0 && expansions <= clusters && beta >= 0.0 {
            true => self.encoder.check(),
            false => Err(format!(
                "expected at least one document and one cluster, no more expansions than clusters, and a weight of at least 0; \
                 found {feedback_documents}, {clusters}, {expansions} and {beta}"
            )),
        }
    }

    fn parts(&self) -> Vec<Version> {
        vec![versions::TOKENS]
    }

    fn weights(&self) -> Vec<Wanted> {
        self.encoder.weights()
    }
}

/// In how many documents each token of the vocabulary stands: `N_t`.
struct Frequencies {
    documents: usize,
    of: Vec<u32>,
}

const FILE: &str = "frequencies.u32";
/// The number of documents whose tokens are counted together.
const BLOCK: usize = 4096;

impl Frequencies {
    /// The frequencies of the collection's tokens, from the cache or counted now.
    fn of(context: &Context<'_>, encoding: &Key, encoder: &ColBert) -> Result<Self> {
        let key = Key::of(&[Version::new(Config::NAME, Config::VERSION)])
            .made_from(encoding)
            .input(context.corpus_digest);
        let corpus = &*context.corpus;
        let folder = context.resources.artifact("indexes", &key, &mut |folder| {
            let bytes = count(corpus, encoder)?.into_iter().flat_map(u32::to_le_bytes);
            Ok(fs::write(folder.join(FILE), bytes.collect::<Vec<u8>>())?)
        })?;
        Self::open(&folder, corpus.len())
    }

    fn open(folder: &Path, documents: usize) -> Result<Self> {
        let bytes = fs::read(folder.join(FILE))?;
        let of = bytes.as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk));
        Ok(Self { documents, of: of.collect() })
    }

    /// `σ = ln((N + 1) / (N_t + 1))`.
    fn weight(&self, token: u32) -> f32 {
        let known = self.of.get(token as usize).copied().unwrap_or_default();
        idf(self.documents, known)
    }
}

fn idf(documents: usize, containing: u32) -> f32 {
    ((documents as f32 + 1.0) / (containing as f32 + 1.0)).ln()
}

/// Counts the documents that have each token.
fn count(corpus: &dyn Corpus, encoder: &ColBert) -> Result<Vec<u32>> {
    let mut counts = Vec::new();
    let docs: Vec<DocNo> = (0..corpus.len() as u32).map(DocNo).collect();
    for block in docs.chunks(BLOCK) {
        for tokens in encoder.tokens(Texts::Documents(corpus, block))? {
            let mut ids = tokens.ids;
            ids.sort_unstable();
            ids.dedup();
            for id in ids {
                if counts.len() <= id as usize {
                    counts.resize(id as usize + 1, 0);
                }
                counts[id as usize] += 1;
            }
        }
    }
    Ok(counts)
}

struct ColBertPrf {
    config: Config,
    encoder: ColBert,
    index: TokenIndex,
    frequencies: Frequencies,
    corpus: Arc<dyn Corpus>,
}

impl ColBertPrf {
    /// `E_q` and, each times `β σ_i`, the centroids of `F`.
    fn expanded(&self, query: &Query, candidates: &Ranking) -> Result<TokenVectors> {
        let texts = Texts::Queries(slice::from_ref(query));
        let mut vectors = self.encoder.encode(texts)?.swap_remove(0);
        let best: Vec<DocNo> =
            candidates.iter().take(self.config.feedback_documents).map(|hit| hit.doc).collect();
        let feedback = self.feedback(&best)?;
        let dim = self.encoder.form().dim;
        for (token, row) in
            expansions(&self.config, &feedback, dim, |id| self.frequencies.weight(id))
        {
            vectors.ids.push(token);
            vectors.rows.extend(row);
        }
        Ok(vectors)
    }

    /// The tokens of documents with their vectors, one document after the other.
    fn feedback(&self, docs: &[DocNo]) -> Result<TokenVectors> {
        let mut all = TokenVectors::default();
        let tokens = self.encoder.tokens(Texts::Documents(&*self.corpus, docs))?;
        for (&doc, tokens) in docs.iter().zip(tokens) {
            let kept = tokens.ids.into_iter().filter(|&id| self.encoder.keeps(id, Role::Document));
            all.ids.extend(kept);
            all.rows.extend(self.index.document(doc));
        }
        Ok(all)
    }
}

/// The tokens that stand for the centroids of `F`, and `β σ_i ν_i`, `[dim]`, the largest `σ` first.
fn expansions(
    config: &Config,
    feedback: &TokenVectors,
    dim: usize,
    weight: impl Fn(u32) -> f32,
) -> Vec<(u32, Vec<f32>)> {
    let rows = feedback.ids.len();
    let clusters = config.clusters.min(rows);
    if clusters == 0 {
        return Vec::new();
    }
    let kmeans =
        KMeans { centroids: clusters, iterations: ITERATIONS, seed: config.seed, unit: false };
    let centroids = kmeans.train(&feedback.rows, dim);
    let mut named: Vec<(f32, u32, usize)> = (0..clusters)
        .map(|number| {
            let token = feedback.ids[nearest(centroids.row(number), &feedback.rows, dim)];
            (weight(token), token, number)
        })
        .collect();
    named.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)));
    named.truncate(config.expansions);
    let scaled = |(sigma, token, number): (f32, u32, usize)| {
        let times = config.beta * sigma;
        (token, centroids.row(number).iter().map(|number| times * number).collect())
    };
    named.into_iter().map(scaled).collect()
}

/// The number of iterations of Lloyd's algorithm; every one of them is made.
const ITERATIONS: usize = 20;

/// The row with the smallest distance to a point; the first of equals.
fn nearest(point: &[f32], rows: &[f32], dim: usize) -> usize {
    let distance = |row: &[f32]| row.iter().zip(point).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    let distances = rows.chunks_exact(dim).map(distance).enumerate();
    distances.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(row, _)| row)
}

impl Reranker for ColBertPrf {
    fn depth(&self) -> usize {
        usize::MAX // all of them are scored, and the best `encoder.depth` kept
    }

    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        let vectors = self.expanded(query, candidates)?;
        let mut docs: Vec<DocNo> = candidates.iter().map(|hit| hit.doc).collect();
        docs.sort_unstable();
        Ok(self.index.best(&vectors, &docs, self.config.encoder.depth, &*self.corpus))
    }

    /// The parts of the first sum; what the centroids add depends on the other candidates.
    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        contributions(&self.encoder, &self.index, &*self.corpus, query, doc)
    }
}

#[cfg(test)]
mod tests {
    use super::super::colbert::max_sim;
    use super::*;
    use crate::testing::{Lent, fixture, sentence_and_word};

    fn config(folder: &str, more: &str) -> Config {
        let input = "{ template = [\"{text}\"], special_tokens = true, max_length = 40 }";
        let text = format!(
            "feedback_documents = 2\nseed = 1\n{more}\n[encoder]\n\
             model = {{ weights = \"file:{folder}\", ignore = [\"*pooler.*\"] }}\nprojection = \"linear\"\n\
             punctuation = true\nquery = {input}\ndocument = {input}\nstorage = \"f16\"\ndepth = 10"
        );
        toml::from_str(&text).unwrap()
    }

    /// Two clusters: tokens 5 and 5 about (1, 0), token 7 at (0, 2).
    #[test]
    fn the_rarest_centroid_joins_the_query() {
        let feedback =
            TokenVectors { ids: vec![5, 7, 5], rows: vec![1.0, 0.0, 0.0, 2.0, 3.0, 0.0] };
        let config = config("none", "clusters = 2\nexpansions = 1\nbeta = 0.5");
        let weight = |token| if token == 7 { idf(9, 0) } else { idf(9, 4) };
        // σ = ln(10 / 1) for token 7 and ln(10 / 5) for token 5.
        let added = expansions(&config, &feedback, 2, weight);
        assert_eq!(added.len(), 1);
        assert_eq!(added[0].0, 7);
        let expected = [0.0, 0.5 * 10f32.ln() * 2.0];
        assert!(added[0].1.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{added:?}");
        // Both centroids: (2, 0) is the mean of the tokens 5.
        let both = Config { expansions: 2, beta: 1.0, ..config };
        let added = expansions(&both, &feedback, 2, weight);
        assert_eq!((added[1].0, added[1].1[1]), (5, 0.0));
        assert!((added[1].1[0] - 2f32.ln() * 2.0).abs() < 1e-6, "{added:?}");
    }

    #[test]
    fn fewer_tokens_than_clusters_are_a_cluster_each() {
        let feedback = TokenVectors { ids: vec![3], rows: vec![0.5, 0.5] };
        let config = config("none", "clusters = 24\nexpansions = 10\nbeta = 1.0");
        assert_eq!(expansions(&config, &feedback, 2, |_| 2.0), [(3, vec![1.0, 1.0])]);
        assert!(expansions(&config, &TokenVectors::default(), 2, |_| 2.0).is_empty());
    }

    #[test]
    fn without_expansions_the_score_is_max_sim() {
        let (folder, expected) = fixture("colbert");
        let lent = Lent::new(sentence_and_word());
        let plain = config(&folder, "clusters = 4\nexpansions = 0\nbeta = 1.0");
        let found = lent.retrieve(&plain.encoder, "bread");
        let again = lent.named(&lent.rerank(&plain, "bread", &found));
        assert_eq!(again, lent.named(&found));
        let own = expected("word", "tokens_normalized");
        let score = again.iter().find(|(name, _)| *name == "word").unwrap().1;
        assert!((score - max_sim(&own, &own, 8)).abs() < 5e-3);
        let more = config(&folder, "clusters = 4\nexpansions = 3\nbeta = 1.0");
        let expanded = lent.named(&lent.rerank(&more, "bread", &found));
        assert_eq!(expanded.len(), again.len());
        assert_ne!(expanded, again, "the centroids add to the scores");
    }

    #[test]
    fn more_expansions_than_clusters_are_refused() {
        let config = config("none", "clusters = 2\nexpansions = 3\nbeta = 1.0");
        assert!(config.check().unwrap_err().contains("no more expansions than clusters"));
    }
}
