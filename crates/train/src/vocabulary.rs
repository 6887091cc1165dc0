//! A WordPiece vocabulary of one's own.
//! Schuster and Nakajima, ICASSP 2012; as in BERT: Devlin, Chang, Lee and Toutanova, NAACL 2019.
//!
//! Pairs of pieces are joined, the most frequent first, until there are enough. Departure: the paper joins the pair that
//! raises the likelihood of the text most; here pairs are counted, as byte-pair encoding does (Sennrich, Haddow and Birch,
//! ACL 2016, algorithm 1), and as the trainer of the `tokenizers` crate does.
//!
//! The counting is our own ([`merges`]) because that trainer gives another vocabulary at every run: it numbers the pieces
//! `##c` in the order of a hash map, and breaks ties between equally frequent pairs by those numbers. Words, their
//! normalisation and `tokenizer.json` are still the library's.
//!
//! Try it: `nir train configs/training/vocabulary.toml --data FOLDER`

mod merges;

use std::path::PathBuf;

use nir_data::write_whole;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, OffsetReferential, OffsetType,
    PostProcessorWrapper, PreTokenizerWrapper, TokenizerBuilder,
};

use crate::recipe::{Data, Task};
use crate::texts::Texts;
use crate::{Error, Folders, Result};
use merges::Merges;

/// BERT's special tokens in the order of their ids; the padding has id 0.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// A recipe that learns a tokenizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The task: always `vocabulary`.
    pub task: Task,
    /// One sentence that says what the recipe makes.
    pub summary: String,
    /// The number of pieces, including special tokens.
    pub size: usize,
    /// The smallest number of occurrences of a pair that is merged.
    pub min_frequency: u64,
    /// The largest number of characters that become pieces of their own; rarer characters are left out.
    pub alphabet: usize,
    /// The files of texts.
    pub data: Data,
}

type Tokenizer = tokenizers::TokenizerImpl<
    WordPiece,
    NormalizerWrapper,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    DecoderWrapper,
>;

impl Recipe {
    /// Learns the pieces, writes `tokenizer.json` and returns its path. Fails if the texts cannot be read or the file
    /// cannot be written.
    pub fn make(&self, folders: &Folders<'_>) -> Result<PathBuf> {
        let queries = Texts::queries(&folders.data(&self.data.queries))?;
        let documents = Texts::documents(&folders.data(&self.data.documents))?;
        let texts = (documents.len() + queries.len()) as u64;
        let _task = folders.progress.begin("texts to learn the vocabulary from", "texts", texts);
        let json = self.learn(documents.iter().chain(queries.iter()))?;
        let path = folders.output.join("tokenizer.json");
        write_whole(&path, |file| std::io::Write::write_all(file, json.as_bytes()))?;
        Ok(path)
    }

    /// The text of `tokenizer.json`. It is the same for the same texts, in any order and on any number of threads.
    pub fn learn<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Result<String> {
        let texts: Vec<&str> = texts.collect();
        let words = count(&texts)?;
        let limits = merges::Limits {
            size: self.size,
            min_frequency: self.min_frequency,
            alphabet: self.alphabet,
        };
        let pieces = Merges::new(&SPECIAL, &words, limits).pieces();
        let mut tokenizer = chain(&pieces)?;
        let special = SPECIAL.iter().map(|token| AddedToken::from((*token).to_owned(), true));
        tokenizer
            .add_special_tokens(special.collect::<Vec<_>>())
            .and_then(|_| tokenizer.to_string(true))
            .map_err(|error| unfit(&error))
    }
}

/// The number of texts that one task splits into words.
const PART: usize = 1024;

/// Each word with the number of its occurrences, in the byte order of the words.
fn count(texts: &[&str]) -> Result<Vec<(String, u64)>> {
    let tokenizer = chain(&[])?;
    let parts: Vec<FxHashMap<String, u64>> = texts
        .par_chunks(PART)
        .map(|texts| {
            let mut counts = FxHashMap::default();
            for text in texts {
                split(&tokenizer, text, |word| *counts.entry(word.to_owned()).or_default() += 1)?;
            }
            Ok(counts)
        })
        .collect::<Result<_>>()?;
    let mut counts: FxHashMap<String, u64> = FxHashMap::default();
    for (word, count) in parts.into_iter().flatten() {
        *counts.entry(word).or_default() += count;
    }
    let mut words: Vec<(String, u64)> = counts.into_iter().collect();
    words.sort_unstable();
    Ok(words)
}

/// Calls `take` with the words of a text, as the tokenizer will split it.
fn split(tokenizer: &Tokenizer, text: &str, mut take: impl FnMut(&str)) -> Result<()> {
    use tokenizers::{NormalizedString, Normalizer, PreTokenizedString, PreTokenizer};
    let mut normal = NormalizedString::from(text);
    if let Some(normalizer) = tokenizer.get_normalizer() {
        normalizer.normalize(&mut normal).map_err(|error| unfit(&error))?;
    }
    let mut words = PreTokenizedString::from(normal);
    if let Some(splitter) = tokenizer.get_pre_tokenizer() {
        splitter.pre_tokenize(&mut words).map_err(|error| unfit(&error))?;
    }
    let words = words.get_splits(OffsetReferential::Original, OffsetType::Byte);
    words.into_iter().for_each(|(word, ..)| take(word));
    Ok(())
}

/// BERT's tokenizer: lower case without accents, words and punctuation, `pieces` by their ids, `[CLS] … [SEP]`.
fn chain(pieces: &[String]) -> Result<Tokenizer> {
    let number = |token: &str| {
        let number = SPECIAL.iter().position(|special| *special == token);
        (token.to_owned(), number.expect("the token is one of the five") as u32)
    };
    // The library's builder wants a map of a crate of its own; its file format wants none.
    let numbers: serde_json::Map<_, _> =
        pieces.iter().cloned().zip((0..).map(serde_json::Value::from)).collect();
    let model: WordPiece = serde_json::from_value(serde_json::json!({
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": numbers,
    }))
    .map_err(|error| unfit(&error))?;
    TokenizerBuilder::default()
        .with_model(model)
        .with_normalizer(Some(NormalizerWrapper::from(BertNormalizer::default())))
        .with_pre_tokenizer(Some(PreTokenizerWrapper::from(BertPreTokenizer)))
        .with_post_processor(Some(PostProcessorWrapper::from(BertProcessing::new(
            number("[SEP]"),
            number("[CLS]"),
        ))))
        .with_decoder(Some(DecoderWrapper::from(
            tokenizers::decoders::wordpiece::WordPiece::default(),
        )))
        .build()
        .map_err(|error| unfit(&error))
}

fn unfit(error: &impl std::fmt::Display) -> Error {
    Error::Unfit(format!("the vocabulary cannot be learnt: {error}"))
}
