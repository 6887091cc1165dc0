//! A WordPiece vocabulary of one's own.
//! Schuster and Nakajima, ICASSP 2012; as in BERT: Devlin, Chang, Lee and Toutanova, NAACL 2019.
//!
//! Pairs of pieces are joined, the most frequent first, until there are enough. Departure: the paper joins the pair that
//! raises the likelihood of the text most; the library's trainer counts pairs, as byte-pair encoding does.

use std::path::PathBuf;

use nir_data::write_whole;
use serde::{Deserialize, Serialize};
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainerBuilder};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    TokenizerBuilder,
};

use crate::recipe::{Data, Task};
use crate::texts::Texts;
use crate::{Error, Folders, Result};

/// BERT's, in the order of their numbers: padding is 0.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// A recipe for a tokenizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Always `vocabulary`.
    pub task: Task,
    /// One sentence on what it makes.
    pub summary: String,
    /// How many pieces, special tokens included.
    pub size: usize,
    /// How often a pair must occur to be joined.
    pub min_frequency: u64,
    /// How many characters may be pieces of their own; the rarest give way.
    pub alphabet: usize,
    /// The texts.
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
    /// Counts, joins and writes `tokenizer.json`; returns the file.
    pub fn make(&self, folders: &Folders<'_>) -> Result<PathBuf> {
        let queries = Texts::queries(&folders.data(&self.data.queries))?;
        let documents = Texts::documents(&folders.data(&self.data.documents))?;
        let json = self.learn(documents.iter().chain(queries.iter()))?;
        let path = folders.output.join("tokenizer.json");
        write_whole(&path, |file| std::io::Write::write_all(file, json.as_bytes()))?;
        Ok(path)
    }

    /// The text of `tokenizer.json`.
    pub fn learn<'t>(&self, texts: impl Iterator<Item = &'t str> + Send) -> Result<String> {
        let special = |token: &&str| AddedToken::from(token.to_owned().to_owned(), true);
        let mut trainer = WordPieceTrainerBuilder::new()
            .vocab_size(self.size)
            .min_frequency(self.min_frequency)
            .limit_alphabet(self.alphabet)
            .special_tokens(SPECIAL.iter().map(special).collect())
            .show_progress(false)
            .build();
        let mut tokenizer = chain()?;
        tokenizer.train(&mut trainer, texts).map_err(|error| unfit(&error))?;
        tokenizer.to_string(true).map_err(|error| unfit(&error))
    }
}

/// BERT's chain: lower case without accents, words and punctuation, `[CLS] … [SEP]`.
fn chain() -> Result<Tokenizer> {
    let number = |token: &str| {
        let number = SPECIAL.iter().position(|special| *special == token);
        (token.to_owned(), number.expect("the token is one of the five") as u32)
    };
    let model = WordPiece::builder()
        .unk_token("[UNK]".to_owned())
        .build()
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
