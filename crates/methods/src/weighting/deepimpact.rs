//! DeepImpact: one number for each word of a document, learned so that the sum over a query's words ranks.
//! Mallia, Khattab, Suel and Tonellotto, SIGIR 2021 (`mallia2021deepimpact`).
//!
//! DeepCT learns what each word is worth alone, and leaves it to BM25 to add them up. DeepImpact learns the sum: pairs
//! of a relevant and another passage are told apart by it, so words share out the score among them. A query costs
//! nothing, as its words all weigh 1. Passages are expanded with predicted queries first, as no word of a query is found
//! that a passage lacks; DeeperImpact (Basnet, Gou, Mallia and Suel, 2024, `basnet2024deeperimpact`) is the same with
//! another encoder, one layer, and queries that a large language model predicts.
//!
//! ```text
//! impact(t, d) = ReLU(W2 · ReLU(W1 · h_t + b1) + b2)                                              (§3)
//! s(q, d)      = Σ_{t in q ∩ d} impact(t, d)
//! ```
//!
//! | symbol         | is                                                                              |
//! |----------------|---------------------------------------------------------------------------------|
//! | `h_t`          | the last hidden state of the first word piece of the first `t` in `d`, `[hidden]` |
//! | `W1`, `b1`, …  | the linear layers that `head` names; DeeperImpact has only the last              |
//!
//! As in the authors' code, words are those of BERT's basic tokenizer (lower case, cut at punctuation), and a word that
//! is one ASCII punctuation mark is left out, from documents and from queries. Two differences: a word that `max_length`
//! cuts is indexed as what is left of it, and characters that the vocabulary lacks make no word.
//!
//! `quantisation` makes integers of impacts, as the authors do with 256 levels before they index.
//!
//! Try it: `nir run weighting/deeper-impact --on pocket`, and `weighting/deepct` beside it.

use nir_core::{Encode, Encoding, Result, Version};
use nir_index::structure::{SparseStructure, Structure, WeightStorage};
use nir_nn::checkpoint::Wanted;
use nir_nn::heads::PerToken;
use nir_nn::{Input, Role, Tokens};
use serde::{Deserialize, Serialize};

use super::words::{self, WeightedWords, Word, WordStructure};
use crate::model::ModelSource;
use crate::reader::{Reader, Texts, check_inputs};
use crate::retriever::{Encoder, Shown, encoding, retriever};
use crate::shards::Effort;
use crate::term_weights::{Quantisation, quantised};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder of documents.
    pub model: ModelSource,
    /// The names of the linear layers, in order, that give a word piece its impact; a ReLU follows each.
    pub head: Vec<String>,
    /// How a query is split into words; no model reads it.
    pub query: Input,
    /// How a document is turned into tokens.
    pub document: Input,
    /// How impacts become integers; if absent, they are not changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantisation: Option<Quantisation>,
    /// The structure in which the documents' impacts are searched.
    pub index: SparseStructure,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "deepimpact";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "mallia2021deepimpact";
    const SHAPE: Shape = Shape::Retriever;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let parts = (&self.head, &self.document, &self.quantisation);
        let encoding = encoding(context, &self.model, &parts)?;
        let index = WordStructure {
            impacts: &self.index,
            weighing: "as they are".to_owned(),
            weigh: &|_, document| document,
        };
        retriever(context, &encoding, self.load(context)?, &index, self.depth)
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(Some(Box::new(Shown(self.load(context)?))))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        self.index.check()?;
        check_inputs(&self.query, &self.document)?;
        match (self.head.is_empty(), &self.index, self.quantisation) {
            (true, ..) => Err("`head` names no layer: expected at least one".to_owned()),
            (_, SparseStructure::Impacts { storage: WeightStorage::U8 }, None) => Err(
                "`storage = \"u8\"` keeps integers: add `quantisation`, or take `storage = \"f32\"`".to_owned(),
            ),
            _ => Ok(()),
        }
    }

    fn parts(&self) -> Vec<Version> {
        self.index.versions()
    }

    fn weights(&self) -> Vec<Wanted> {
        self.model.checkpoints()
    }
}

impl Config {
    fn load(&self, context: &Context<'_>) -> Result<DeepImpact> {
        let load = |source: &ModelSource| words::load(context, source, &self.head);
        let inputs = (&self.query, &self.document);
        let reader = Reader::counting_queries(context, (&self.model, None), inputs, load)?;
        Ok(DeepImpact { reader, quantisation: self.quantisation })
    }
}

struct DeepImpact {
    reader: Reader<PerToken>,
    quantisation: Option<Quantisation>,
}

impl Encoder for DeepImpact {
    type Vector = WeightedWords;

    /// The impacts of a document's words; every word of a query weighs 1.
    fn encode(&self, texts: Texts<'_>) -> Result<Vec<WeightedWords>> {
        if texts.role() == Role::Query {
            let tokenizer = &self.reader.query.model.tokenizer;
            let ones = |tokens: &Tokens| words::words(tokenizer, tokens, &vec![1.0; tokens.len()]);
            let tokens = self.reader.query.tokens(texts)?;
            return Ok(tokens.iter().map(|tokens| impacts(ones(tokens))).collect());
        }
        let whole = |words| quantised(impacts(words).0, self.quantisation).into_iter().collect();
        Ok(words::read_words(&self.reader.document, texts)?.into_iter().map(whole).collect())
    }

    fn form(&self) {}

    fn effort(&self) -> Effort {
        self.reader.effort()
    }

    fn show(&self, text: Texts<'_>, words: WeightedWords) -> Result<Encoding> {
        Ok(words.shown(self.reader.of(text.role()).pieces(text)?))
    }
}

/// The impact of a word piece: `ReLU(W2 · ReLU(W1 · h_t + b1) + b2)`, for one layer or more.
///
/// - `state`: `h_t`, `[hidden]`
/// - `layers`: the rows of `W`, `[outputs][inputs]`, and `b`, `[outputs]`, of each layer; the last has one output
pub fn impact(state: &[f32], layers: &[(Vec<Vec<f32>>, Vec<f32>)]) -> f32 {
    let relu = |x: f32| x.max(0.0);
    let layer = |h: Vec<f32>, (w, b): &(Vec<Vec<f32>>, Vec<f32>)| {
        let product = |row: &Vec<f32>| row.iter().zip(&h).map(|(w, h)| w * h).sum::<f32>();
        w.iter().zip(b).map(|(row, b)| relu(product(row) + b)).collect()
    };
    layers.iter().fold(state.to_vec(), layer)[0]
}

/// The first number of each word that is one, not below zero.
fn impacts(words: Vec<Word>) -> WeightedWords {
    let mut impacts = WeightedWords::default();
    for (word, number) in words.into_iter().filter(|(word, _)| !is_punctuation(word)) {
        impacts.0.entry(word).or_insert(number.max(0.0)); // ReLU
    }
    impacts
}

fn is_punctuation(word: &str) -> bool {
    word.len() == 1 && word.bytes().all(|byte| byte.is_ascii_punctuation())
}

#[cfg(test)]
mod tests {
    use nir_core::DocNo;
    use nir_nn::Rows;

    use super::*;
    use crate::testing::{Lent, assert_ranked, fixture, sentence_and_word};

    #[test]
    fn the_first_of_equal_words_counts_and_punctuation_does_not() {
        let words =
            [("sea", 0.5), (",", 3.0), ("fog", -1.0), ("sea", 2.0), ("fog", 4.0), ("—", 1.0)];
        let expected = [("fog", 0.0), ("sea", 0.5), ("—", 1.0)];
        let own = |(word, number): (&str, f32)| (word.to_owned(), number);
        assert_eq!(impacts(words.map(own).to_vec()), expected.map(own).into_iter().collect());
    }

    #[test]
    fn integers_are_needed_where_a_byte_keeps_them() {
        let config = config("somewhere", "u8");
        assert!(config.check().unwrap_err().starts_with("`storage = \"u8\"` keeps integers"));
        let quantisation = Some(Quantisation { range: 20.0, levels: 256 });
        assert_eq!(Config { quantisation, ..config }.check(), Ok(()));
    }

    fn config(folder: &str, storage: &str) -> Config {
        toml::from_str(&format!(
            r#"
            model    = {{ weights = "file:{folder}", ignore = ["bert.pooler.*"] }}
            head     = ["impact_score_encoder.0", "impact_score_encoder.3"]
            query    = {{ template = ["{{text}}"], special_tokens = false, max_length = 40 }}
            document = {{ template = ["{{text}}"], special_tokens = true, max_length = 40 }}
            index    = {{ use = "impacts", storage = "{storage}" }}
            depth    = 10
            "#
        ))
        .unwrap()
    }

    #[test]
    fn a_word_is_worth_what_two_layers_make_of_its_state() {
        // ReLU(1 - 2 + 0) = 0 and ReLU(1 + 2 + 1) = 4; then ReLU(3 · 0 + 0.5 · 4 - 1) = 1.
        let first = (vec![vec![1.0, -1.0], vec![1.0, 1.0]], vec![0.0, 1.0]);
        let second = (vec![vec![3.0, 0.5]], vec![-1.0]);
        assert_eq!(impact(&[1.0, 2.0], &[first, second]), 1.0);
    }

    #[test]
    fn the_head_of_a_checkpoint_computes_the_equation() {
        let (folder, _) = fixture("deepimpact");
        let lent = Lent::new(sentence_and_word());
        let reader = config(&folder, "f32").load(&lent.context()).unwrap().reader;
        let tokens = reader.document.tokens(Texts::Documents(lent.corpus(), &[DocNo(0)])).unwrap();
        let model = &reader.document.model;
        let hidden = model.encoder.hidden(&tokens, Rows::All).unwrap();
        let found = nir_nn::numbers(&model.head.forward(&hidden).unwrap()).unwrap();
        let file = std::path::Path::new(&folder).join("model.safetensors");
        let tensors = candle_core::safetensors::load(file, &candle_core::Device::Cpu).unwrap();
        let layer = |name: &str| {
            let of = |part: &str| &tensors[&format!("impact_score_encoder.{name}.{part}")];
            (of("weight").to_vec2::<f32>().unwrap(), of("bias").to_vec1::<f32>().unwrap())
        };
        let layers = ["0", "3"].map(layer);
        let states = hidden.states.to_vec2::<f32>().unwrap();
        assert!(found.iter().any(|&impact| impact > 0.0), "{found:?}");
        for (state, found) in states.iter().zip(found) {
            let expected = impact(state, &layers);
            assert!((found.max(0.0) - expected).abs() < 1e-5, "{found} is not {expected}");
        }
    }

    #[test]
    fn a_tiny_checkpoint_ranks_a_document_by_its_impacts() {
        let (folder, expected) = fixture("deepimpact");
        let lent = Lent::new(sentence_and_word());
        let query = "Pressure? Blood pressure, bread, fog";
        let run = lent.retrieve(&config(&folder, "f32"), query);
        let parts = lent.explain(&config(&folder, "f32"), query);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        // Rows 14 and 19 of the sentence are the first pieces of `blood` and `pressure`, row 1 of the other is `bread`.
        let sentence = expected("sentence", "impacts");
        let expected =
            [("sentence", sentence[14] + sentence[19]), ("word", expected("word", "impacts")[1])];
        assert_ranked(&lent.named(&run), &expected);
    }
}
