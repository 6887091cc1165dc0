//! TILDE: which words would a query about this passage have?
//! Zhuang and Zuccon, SIGIR 2021 (`zhuang2021tilde`).
//!
//! A language model can say how likely a query is, given a passage, but it takes a run of the model for each pair. TILDE
//! pretends that the words of a query do not depend on each other. Then one run of BERT over the passage alone, long
//! before any query is known, gives the likelihood of every word there is, and a query only looks its words up.
//!
//! ```text
//! z_d      = LayerNorm(gelu(W h_[DOC] + b))                                         BERT's own head for masked words
//! P(t | d) = σ(e_t · z_d + b_t)
//! s(q, d)  = Σ_{t in q} log10 P(t | d)                                              TILDE-QL, alpha = 1
//! ```
//!
//! | symbol       | is                                                                                |
//! |--------------|-----------------------------------------------------------------------------------|
//! | `h_[DOC]`    | the last hidden state of the passage's first token, which is `[DOC]` and not `[CLS]` |
//! | `e_t`, `b_t` | the word embedding of `t` and its bias                                             |
//! | `q`          | the query's word pieces, with repeats, but for those below                         |
//!
//! As in the authors' code (ielab/TILDE, `indexing.py`, `inference.py`, `utility.py`): `[DOC]` is token number 1; NLTK's
//! English stop words are no words of a query, but for seven question words; nor is `##s`, the plural; nor are pieces with
//! anything in them but ASCII letters, digits, `_` and `-`, unless they continue a word (`##`). The logarithm is to base 10.
//!
//! The authors keep P for all 30,522 words of the vocabulary, 61 kB for each passage in half precision. Here `z_d` is
//! kept, 768 numbers, from which the few words of a query are computed when they are asked for: 3 kB in `f32`, and the
//! same scores. All passages of the collection are encoded when the stage is built, so that its latency is a lookup's.
//!
//! The paper also mixes in the likelihood of the passage given the query, which needs BERT for each query; here it is
//! left out, as in the authors' default (`alpha = 1`).
//!
//! Try it: `nir run efficient/tilde --on pocket`, and compare its latency with that of `cross_encoder/minilm-l6`.

use std::slice;
use std::sync::Arc;

use nir_core::{
    Contribution, Corpus, DocNo, Encode, Encoding, Query, Ranking, Reranker, Result, Scored,
};
use nir_index::structure::DenseVector;
use nir_index::{Matrix, Simd, Storage};
use nir_nn::checkpoint::Wanted;
use nir_nn::heads::MaskedLm;
use nir_nn::{Hidden, Input, Rows, Tokens, numbers};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::model::ModelSource;
use crate::reader::{Reader, Texts, check_inputs, count_tokens, piece, weighted_pieces};
use crate::retriever::encoded;
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder of documents; its tokenizer cuts queries too.
    pub model: ModelSource,
    /// How a query is cut into word pieces; no model reads it.
    pub query: Input,
    /// How a document is written; its first token gives way to `[DOC]`.
    pub document: Input,
    /// The number format of a document's vector.
    pub storage: Storage,
    /// How many candidates of each query are scored; the others are dropped.
    pub depth: usize,
}

/// The number of the token `[DOC]`: one that BERT's vocabulary leaves unused.
const DOC: u32 = 1;

/// NLTK's English stop words without those that hold an apostrophe, which are no word piece, and without `how`, `what`,
/// `when`, `where`, `which`, `who` and `why`, which the authors keep as MS MARCO's questions have them.
const STOP_WORDS: &str = "\
    i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it \
    its itself they them their theirs themselves whom this that these those am is are was were be been being have has \
    had having do does did doing a an the and but if or because as until while of at by for with about against between \
    into through during before after above below to from up down in out on off over under again further then once here \
    there all any both each few more most other some such no nor not only own same so than too very s t can will just \
    don should now d ll m o re ve y ain aren couldn didn doesn hadn hasn haven isn ma mightn mustn needn shan shouldn \
    wasn weren won wouldn";

impl Algorithm for Config {
    const NAME: &'static str = "tilde";
    const VERSION: u32 = 2;
    const PAPER: &'static str = "zhuang2021tilde";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let reader = self.load(context)?;
        let document = serde_json::to_string(&self.document).expect("a config is plain data");
        let checkpoint = self.model.digest(context)?;
        let encoding = context.encoding(&format!("{checkpoint} {document} {:?}", self.storage));
        let states = |texts: Texts<'_>| reader.states(texts);
        let shards = encoded(context, &encoding, &reader.0.effort(), &self.storage, &states)?;
        Ok(Stage::Reranker(Box::new(Tilde {
            reader,
            passages: Passages::new(shards),
            depth: self.depth,
            corpus: Arc::clone(&context.corpus),
        })))
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(Some(Box::new(self.load(context)?)))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        check_inputs(&self.query, &self.document)?;
        match (self.query.special_tokens, self.document.special_tokens) {
            (false, true) => Ok(()),
            (true, _) => {
                Err("`query` has `special_tokens`, which are no words: expected false".to_owned())
            }
            (_, false) => {
                Err("`document` lacks `special_tokens`: [DOC] stands in place of the first"
                    .to_owned())
            }
        }
    }

    fn weights(&self) -> Vec<Wanted> {
        self.model.checkpoints()
    }
}

impl Config {
    fn load(&self, context: &Context<'_>) -> Result<TildeReader> {
        let load = |source: &ModelSource| source.load(context, MaskedLm::load);
        let inputs = (&self.query, &self.document);
        Ok(TildeReader(Reader::counting_queries(context, (&self.model, None), inputs, load)?))
    }
}

/// `z_d` of all documents, in files with the row that each begins at.
struct Passages(Vec<(usize, Matrix)>);

impl Passages {
    fn new(matrices: Vec<Matrix>) -> Self {
        let mut next = 0;
        let placed = |matrix: Matrix| {
            next += matrix.len();
            (next - matrix.len(), matrix)
        };
        Self(matrices.into_iter().map(placed).collect())
    }

    fn read(&self, doc: DocNo, state: &mut [f32]) {
        let place = self.0.partition_point(|&(first, _)| first <= doc.row()) - 1;
        let (first, matrix) = &self.0[place];
        matrix.read(doc.row() - first, state);
    }
}

/// The model with the tokenizers of queries and documents.
struct TildeReader(Reader<MaskedLm>);

impl TildeReader {
    /// The tokens of documents, the first of which is `[DOC]`.
    fn documents(&self, texts: Texts<'_>) -> Result<Vec<Tokens>> {
        let mut tokens = self.0.document.tokens(texts)?;
        tokens.iter_mut().for_each(|tokens| tokens.ids[0] = DOC);
        Ok(tokens)
    }

    /// The vectors `z_d` of documents.
    fn states(&self, texts: Texts<'_>) -> Result<Vec<DenseVector>> {
        let (tokens, model) = (self.documents(texts)?, self.0.model());
        let head = |hidden: &Hidden| model.head.transform(&hidden.states); // [batch, width]
        let text = |place: usize| texts.text(place).to_owned();
        let table = model.encoder.table(&tokens, Rows::First, head, text)?;
        Ok(table.rows.chunks_exact(table.width).map(<[f32]>::to_vec).collect())
    }

    /// The words of a query that are scored.
    fn counted(&self, query: &Query) -> Result<Vec<u32>> {
        let tokens = self.0.query.tokens(Texts::Queries(slice::from_ref(query)))?.swap_remove(0);
        let counts = |id: &u32| counts(&self.piece(*id));
        Ok(tokens.ids.into_iter().filter(counts).collect())
    }

    fn piece(&self, id: u32) -> String {
        piece(&self.0.model().tokenizer, id)
    }
}

impl Encode for TildeReader {
    /// Each word that is scored, with the number of its occurrences.
    fn query(&self, query: &Query) -> Result<Encoding> {
        let counts = count_tokens(&self.0.model().tokenizer, &self.counted(query)?);
        self.0.query.weighted_pieces(Texts::Queries(slice::from_ref(query)), counts)
    }

    /// The likelihood `P(t | d)` of every word of the vocabulary.
    fn document(&self, corpus: &dyn Corpus, doc: DocNo) -> Result<Encoding> {
        let (text, model) = (Texts::Documents(corpus, &[doc]), self.0.model());
        let tokens = self.documents(text)?;
        let head = |hidden: &Hidden| model.head.logits(&hidden.states); // [1, vocab]
        let contents = |_| corpus.contents(doc).to_owned();
        let logits = model.encoder.table(&tokens, Rows::First, head, contents)?.rows;
        let words = (0..).zip(logits.into_iter().map(|x| 1.0 / (1.0 + (-x).exp())));
        Ok(weighted_pieces(&model.tokenizer, &tokens[0], words))
    }
}

struct Tilde {
    reader: TildeReader,
    passages: Passages,
    depth: usize,
    corpus: Arc<dyn Corpus>,
}

impl Reranker for Tilde {
    fn depth(&self) -> usize {
        self.depth
    }

    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        Ok(self.score(&self.words(query)?, candidates))
    }

    fn rerank_all(&self, queries: &[Query], candidates: &[Ranking]) -> Result<Vec<Ranking>> {
        let pairs = queries.par_iter().zip(candidates);
        pairs.map(|(query, own)| self.rerank(query, own)).collect()
    }

    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        let mut state = vec![0.0; self.reader.0.model().head.width()];
        self.passages.read(doc, &mut state);
        let part = |word: QueryWord| {
            Contribution::product(self.reader.piece(word.id), 1.0, word.likelihood(&state))
        };
        Ok(self.words(query)?.into_iter().map(part).collect())
    }
}

/// A word of a query with its row of the decoder.
struct QueryWord {
    id: u32,
    /// `e_t`, `[width]`.
    embedding: Vec<f32>,
    /// `b_t`.
    bias: f32,
}

impl Tilde {
    /// The words of a query that are scored, with their rows of the decoder.
    fn words(&self, query: &Query) -> Result<Vec<QueryWord>> {
        let (ids, head) = (self.reader.counted(query)?, &self.reader.0.model().head);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (embeddings, biases) = head.words(&ids)?;
        let embeddings = numbers(&embeddings)?; // [words, width]
        let rows = embeddings.chunks_exact(head.width()).map(<[f32]>::to_vec);
        let word = |((embedding, bias), id)| QueryWord { id, embedding, bias };
        Ok(rows.zip(numbers(&biases)?).zip(ids).map(word).collect())
    }

    fn score(&self, words: &[QueryWord], ranking: &Ranking) -> Ranking {
        let mut state = vec![0.0; self.reader.0.model().head.width()];
        let mut one = |doc: DocNo| {
            self.passages.read(doc, &mut state);
            Scored { doc, score: likelihood(words, &state) }
        };
        let scored = ranking.iter().take(self.depth).map(|hit| one(hit.doc)).collect();
        Ranking::top(self.depth, scored, &*self.corpus)
    }
}

/// The piece that ends most plurals, which the authors stop.
const PLURAL: &str = "##s";

/// Whether a word piece of a query is scored.
fn counts(piece: &str) -> bool {
    let continues = piece.len() > 1 && piece.starts_with('#') && piece != PLURAL;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    continues || piece.chars().all(plain) && !STOP_WORDS.split(' ').any(|word| word == piece)
}

/// The score `Σ_t log10 σ(e_t · z_d + b_t)` of a document.
fn likelihood(words: &[QueryWord], state: &[f32]) -> f32 {
    words.iter().map(|word| word.likelihood(state)).sum()
}

impl QueryWord {
    /// The log-likelihood of the word, `log10 σ(e_t · z_d + b_t)`.
    fn likelihood(&self, state: &[f32]) -> f32 {
        log10_sigmoid(Simd::get().dot(&self.embedding, state) + self.bias)
    }
}

/// `log10(1 / (1 + e^-x))`, finite for every `x`.
fn log10_sigmoid(x: f32) -> f32 {
    (x.min(0.0) - (-x.abs()).exp().ln_1p()) * std::f32::consts::LOG10_E
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lent, assert_ranked, fixture, sentence_and_word};

    #[test]
    fn words_that_say_something_count() {
        let counted = ["how", "sea", "##ing", "##é", "##ss", "covid", "19", "-", "_"];
        let left_out = ["the", "ll", "whom", "é", ".", "#", "##s", "[CLS]", "[UNK]", "東"];
        assert_eq!(counted.map(counts), [true; 9]);
        assert_eq!(left_out.map(counts), [false; 10]);
        // 179 are NLTK's; 26 hold an apostrophe, seven are kept.
        assert_eq!(STOP_WORDS.split(' ').count(), 179 - 26 - 7);
    }

    #[test]
    fn the_logarithm_of_a_sigmoid_never_overflows() {
        // σ(ln 9) = 9/10, σ(0) = 1/2 and σ(-ln 9) = 1/10
        assert!((log10_sigmoid(9.0_f32.ln()) - 0.9_f32.log10()).abs() < 1e-6);
        assert!((log10_sigmoid(0.0) - 0.5_f32.log10()).abs() < 1e-6);
        assert!((log10_sigmoid(-9.0_f32.ln()) + 1.0).abs() < 1e-6);
        // Far below zero σ(x) = e^x, too small for an f32, and its logarithm is x · log10(e) = -200 · 0.43429.
        assert!((log10_sigmoid(-200.0) + 86.859).abs() < 1e-3);
        assert_eq!(log10_sigmoid(200.0), 0.0);
    }

    #[test]
    fn a_query_is_as_likely_as_its_words() {
        let word =
            |embedding: [f32; 2], bias| QueryWord { id: 0, embedding: embedding.to_vec(), bias };
        let words = [word([1.0, 2.0], 0.5), word([-1.0, 0.0], 3.0)];
        // Logits 3 - 2 + 0.5 = 1.5 and -3 + 3 = 0.
        let expected = log10_sigmoid(1.5) + log10_sigmoid(0.0);
        assert_eq!(likelihood(&words, &[3.0, -1.0]), expected);
        assert_eq!(likelihood(&[], &[3.0, -1.0]), 0.0);
    }

    #[test]
    fn a_tiny_checkpoint_ranks_as_pytorch_does() {
        let (folder, _) = fixture("bert-mlm");
        let config: Config = toml::from_str(&format!(
            r#"
            model    = {{ weights = "file:{folder}" }}
            query    = {{ template = ["{{text}}"], special_tokens = false, max_length = 40 }}
            document = {{ template = ["{{text}}"], special_tokens = true, max_length = 40 }}
            storage  = "f32"
            depth    = 10
            "#
        ))
        .unwrap();
        let lent = Lent::new(sentence_and_word());
        let candidates = [DocNo(1), DocNo(0)].map(|doc| Scored { doc, score: 0.0 });
        let candidates = Ranking::top(10, candidates.to_vec(), lent.corpus());
        // transformers' BertForMaskedLM in f64 over `[UNK] … [SEP]` ([UNK] is number 1 here), for `bread`, `w`, `##h`,
        // `##i`, `##c`, `##h` and `bread`: the comma and `and` do not count.
        let found = lent.rerank(&config, "Bread, and which bread", &candidates);
        assert_ranked(&lent.named(&found), &[("sentence", -6.369_46), ("word", -9.970_192)]);
    }
}
