//! DeepCT: how often a word should occur, in place of how often it does.
//! Dai and Callan, SIGIR 2020 (`dai2020deepct`).
//!
//! BM25 takes the number of occurrences for importance, and in a short passage nearly every word occurs once. DeepCT has
//! BERT read the passage and guess, for each word, how likely a query about the passage uses it. The guess is written
//! into the index as if it were a count, and BM25 runs on as it always did: nothing is learned about queries, and a word
//! that the passage lacks is still not found.
//!
//! ```text
//! ŷ_{t,c}  = w · T_{t,c} + b                                                                    (eq. 1)
//! tf(t, d) = round(m · ŷ_{t,d})          the largest, where t occurs more than once
//! s(q, d)  = Σ_{t in q} q_t · idf(t) · tf / (tf + k1 · (1 - b + b · |d| / avgdl))
//! idf(t)   = ln(1 + (N - df + 0.5) / (df + 0.5))
//! ```
//!
//! | symbol    | is                                                                             |
//! |-----------|--------------------------------------------------------------------------------|
//! | `T_{t,c}` | the last hidden state of the first word piece of `t` in the context `c`         |
//! | `w`, `b`  | the head, a linear layer with one output (in the first line)                    |
//! | `m`       | `scale`, 100 in the paper; what rounds to less than 1 is not indexed            |
//! | `q_t`     | how often `t` occurs in the query                                               |
//! | `\|d\|`     | the sum of all `tf` of `d`; `avgdl` is the mean over the `N` documents with any  |
//!
//! As the authors' script does (`bert_term_sample_to_json.py`), halves round to the even number, and words are those of
//! BERT's tokenizer, pieces put together again. The authors then index a text in which each word stands `tf` times; so
//! the words go through the config's `analyzer` here, queries do too, and the counts of words that become one term are
//! added. Lengths are exact, where Lucene keeps them in a byte. A word that `max_length` cuts is indexed as what is left
//! of it, also as the authors have it; characters that the vocabulary lacks make no word.
//!
//! Try it: `nir run weighting/deepct --on pocket`, beside `lexical/bm25`. With `scale = 1` most words vanish.

use std::collections::BTreeMap;
use std::sync::Arc;

use nir_core::{Encode, Encoding, Result, Version};
use nir_index::structure::{SparseStructure, SparseVector, Structure, WeightStorage};
use nir_index::{Analyzer, analyzer};
use nir_nn::checkpoint::Wanted;
use nir_nn::heads::PerToken;
use nir_nn::{Input, Role};
use serde::{Deserialize, Serialize};

use super::words::{self, Collection, WeightedWords, Word, WordStructure};
use crate::model::ModelSource;
use crate::reader::{Side, Texts};
use crate::retriever::{Encoder, Shown, encoding, retriever};
use crate::shards::Effort;
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder of documents.
    pub model: ModelSource,
    /// The name of the linear layer that gives a word piece its number.
    pub head: String,
    /// How a document is turned into tokens.
    pub document: Input,
    /// The term frequency that a prediction of 1 becomes.
    pub scale: f32,
    /// The name of an analyzer in `nir_index::analyzer`, which words pass through before they are counted.
    pub analyzer: String,
    /// How soon occurrences saturate; 0 counts only presence.
    pub k1: f32,
    /// How much a document's length counts, from 0 to 1.
    pub b: f32,
    /// How the documents' weights are searched; they are no integers, so only `f32` keeps them.
    pub index: SparseStructure,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "deepct";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "dai2020deepct";
    const SHAPE: Shape = Shape::Retriever;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let deepct = self.load(context)?;
        let parts = (&self.head, &self.document, self.scale, deepct.analyzer.name());
        let encoding = encoding(context, &self.model, &parts)?;
        let bm25 = Bm25 { k1: self.k1, b: self.b };
        let index = WordStructure {
            impacts: &self.index,
            weighing: format!("bm25 {} {}", self.k1, self.b),
            weigh: &|collection, document| bm25.impacts(collection, document),
        };
        retriever(context, &encoding, deepct, &index, self.depth)
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(Some(Box::new(Shown(self.load(context)?))))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        self.document
            .check(&["title", "text"])
            .map_err(|problem| format!("`document`: {problem}"))?;
        analyzer(&self.analyzer).map_err(|error| error.to_string())?;
        self.index.check()?;
        match self.index {
            SparseStructure::Impacts { storage: WeightStorage::U8 } => Err(
                "`storage` is \"u8\", and the weights of BM25 are no integers: expected \"f32\""
                    .to_owned(),
            ),
            _ => check_numbers(self.scale, self.k1, self.b),
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
    fn load(&self, context: &Context<'_>) -> Result<DeepCt> {
        let model = words::load(context, &self.model, std::slice::from_ref(&self.head))?;
        Ok(DeepCt {
            documents: Side::new(context, &self.model, model, &self.document, Role::Document)?,
            scale: self.scale,
            analyzer: analyzer(&self.analyzer)?,
        })
    }
}

fn check_numbers(scale: f32, k1: f32, b: f32) -> std::result::Result<(), String> {
    let positive = |value: f32| value > 0.0 && value.is_finite();
    match (positive(scale), k1 >= 0.0 && k1.is_finite(), (0.0..=1.0).contains(&b)) {
        (false, _, _) => Err(format!("`scale` must be a number above 0, found {scale}")),
        (_, false, _) => Err(format!("`k1` must be a number of at least 0, found {k1}")),
        (_, _, false) => Err(format!("`b` must lie between 0 and 1, found {b}")),
        _ => Ok(()),
    }
}

struct DeepCt {
    documents: Side<PerToken>,
    scale: f32,
    analyzer: Arc<dyn Analyzer>,
}

impl Encoder for DeepCt {
    type Vector = WeightedWords;

    /// The frequencies `tf(t, d)` of documents; the counts `q_t` of queries.
    fn encode(&self, texts: Texts<'_>) -> Result<Vec<WeightedWords>> {
        if let Texts::Queries(queries) = texts {
            let counts = |text: &str| analysed([(text, 1.0)], &*self.analyzer);
            return Ok(queries.iter().map(|query| counts(&query.text)).collect());
        }
        let frequencies = |words| {
            let frequencies = frequencies(words, self.scale);
            analysed(frequencies.iter().map(|(word, &tf)| (word.as_str(), tf)), &*self.analyzer)
        };
        let documents = words::read_words(&self.documents, texts)?;
        Ok(documents.into_iter().map(frequencies).collect())
    }

    fn form(&self) {}

    fn effort(&self) -> Effort {
        self.documents.effort()
    }

    /// The words with their frequencies. The weights of BM25 depend on the collection and are not shown.
    fn show(&self, text: Texts<'_>, words: WeightedWords) -> Result<Encoding> {
        let pieces = match text.role() {
            Role::Query => Vec::new(),
            Role::Document => self.documents.pieces(text)?,
        };
        Ok(words.shown(pieces))
    }
}

/// `tf(t, d)` of the words that have one of at least 1.
fn frequencies(words: Vec<Word>, scale: f32) -> BTreeMap<String, f32> {
    let mut frequencies = BTreeMap::new();
    for (word, prediction) in words {
        let tf = (scale * prediction).round_ties_even();
        if tf >= 1.0 {
            frequencies.entry(word).and_modify(|known| *known = tf.max(*known)).or_insert(tf);
        }
    }
    frequencies
}

/// The terms of texts that stand as often as they count.
fn analysed<'a>(
    texts: impl IntoIterator<Item = (&'a str, f32)>,
    analyzer: &dyn Analyzer,
) -> WeightedWords {
    let mut terms = WeightedWords::default();
    for (text, count) in texts {
        analyzer.analyze(text, &mut |term| *terms.0.entry(term.to_owned()).or_insert(0.0) += count);
    }
    terms
}

/// The part of BM25 that depends on the document.
struct Bm25 {
    k1: f32,
    b: f32,
}

impl Bm25 {
    /// What each word of a document adds to the score of a query that has the word once.
    fn impacts(&self, collection: &Collection, document: SparseVector) -> SparseVector {
        let length = document.iter().map(|&(_, tf)| tf).sum::<f32>() / collection.mean_length();
        let one = |(word, tf)| {
            let df = collection.document_frequency(word) as f32;
            (word, idf(collection.documents() as f32, df) * self.saturated(tf, length))
        };
        document.into_iter().map(one).collect()
    }

    /// `tf / (tf + k1 · (1 - b + b · length))`, with the length as a multiple of the mean.
    fn saturated(&self, tf: f32, length: f32) -> f32 {
        tf / (tf + self.k1 * (1.0 - self.b + self.b * length))
    }
}

fn idf(documents: f32, df: f32) -> f32 {
    (1.0 + (documents - df + 0.5) / (df + 0.5)).ln()
}

#[cfg(test)]
mod tests {
    use nir_core::Match;

    use super::*;
    use crate::testing::{Lent, assert_ranked, fixture, sentence_and_word};

    fn words(words: &[(&str, f32)]) -> Vec<Word> {
        words.iter().map(|&(word, weight)| (word.to_owned(), weight)).collect()
    }

    #[test]
    fn a_prediction_becomes_a_count() {
        // 100 · 0.125 = 12.5 rounds to the even 12; of 30 and 7 the larger stays; 0.4 and -20 vanish; 0.6 becomes 1.
        let found =
            [("a", 0.125), ("b", 0.07), ("b", 0.3), ("c", 0.004), ("d", -0.2), ("e", 0.006)];
        let expected = [("a", 12.0), ("b", 30.0), ("e", 1.0)].map(|(w, tf)| (w.to_owned(), tf));
        assert_eq!(frequencies(words(&found), 100.0), BTreeMap::from(expected));
    }

    #[test]
    fn words_of_one_stem_are_counted_together() {
        let english = analyzer("lucene-english").unwrap();
        let counts =
            frequencies(words(&[("ships", 0.2), ("ship", 0.3), ("the", 0.5), (",", 0.9)]), 10.0);
        let counts = counts.iter().map(|(word, &tf)| (word.as_str(), tf));
        assert_eq!(analysed(counts, &*english).0, BTreeMap::from([("ship".to_owned(), 5.0)]));
    }

    #[test]
    fn counts_are_saturated_and_rare_words_count_more() {
        let bm25 = Bm25 { k1: 1.0, b: 0.5 };
        // Twice the mean length: 3 / (3 + 1 · (0.5 + 0.5 · 2)) = 2/3.
        assert!((bm25.saturated(3.0, 2.0) - 2.0 / 3.0).abs() < 1e-6);
        // ln(1 + (10 - 1 + 0.5) / (1 + 0.5)) = ln(22/3) = 1.99243
        assert!((idf(10.0, 1.0) - 1.992_43).abs() < 1e-5);
    }

    #[test]
    fn an_impact_is_the_words_part_of_the_score() {
        let collection = Collection::of_words(&[&[("fog", 1.0), ("sea", 3.0)], &[("sea", 2.0)]]);
        let length = 4.0 / 3.0; // the mean length is (4 + 2) / 2
        let bm25 = Bm25 { k1: 0.9, b: 0.4 };
        let part = |tf: f32, df: f32| idf(2.0, df) * bm25.saturated(tf, length);
        let expected = vec![(0, part(1.0, 1.0)), (1, part(3.0, 2.0))];
        let document = vec![(0, 1.0), (1, 3.0)];
        assert_eq!(bm25.impacts(&collection, document), expected);
    }

    #[test]
    fn a_tiny_checkpoint_ranks_a_document_by_what_it_predicts() {
        let (folder, expected) = fixture("deepct");
        let config: Config = toml::from_str(&format!(
            r#"
            model    = {{ weights = "file:{folder}" }}
            head     = "classifier"
            document = {{ template = ["{{text}}"], special_tokens = true, max_length = 40 }}
            scale    = 100
            analyzer = "whitespace"
            k1       = 0.9
            b        = 0.4
            index    = {{ use = "impacts", storage = "f32" }}
            depth    = 10
            "#
        ))
        .unwrap();
        let lent = Lent::new(sentence_and_word());
        let run = lent.retrieve(&config, "blood blood bread unknown");
        let parts = lent.explain(&config, "blood blood bread unknown");
        let Match::Term { term, query, .. } = &parts[0][0].of else { panic!("{parts:?}") };
        assert_eq!((term.as_str(), *query), ("blood", 2.0));
        // Row 14 of the sentence is the first piece of `blood`, row 1 of the other text is `bread`.
        let tf = |case: &str, row: usize| (100.0 * expected(case, "impacts")[row]).round();
        let sentence: f32 =
            [1, 6, 10, 14, 19, 21, 22, 23, 26].map(|row| tf("sentence", row)).iter().sum();
        let mean = f32::midpoint(sentence, tf("word", 1));
        let bm25 = Bm25 { k1: 0.9, b: 0.4 };
        let blood = 2.0 * idf(2.0, 1.0) * bm25.saturated(tf("sentence", 14), sentence / mean);
        let bread = idf(2.0, 1.0) * bm25.saturated(tf("word", 1), tf("word", 1) / mean);
        assert_ranked(&lent.named(&run), &[("sentence", blood), ("word", bread)]);
    }
}
