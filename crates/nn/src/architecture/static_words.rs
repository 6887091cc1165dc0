//! Static embeddings: a vector for each token, whatever stands beside it (model2vec).
//! Tulkens and van Dongen, 2024 (github.com/MinishLab/model2vec); the mean of word vectors is as old as those.
//!
//! A network without a single block. What a large encoder makes of each token alone is computed once, for the whole
//! vocabulary; a text is the mean of its tokens' vectors. Unknown tokens are left out, and a text without a known one is zero.

use candle_core::{DType, Tensor};
use serde::Deserialize;

use super::{
    Architecture, Attended, ClassifierNames, Describe, Design, MaskedLmNames, Names, Sizes, Up,
};
use crate::{Activation, Error, Result, Tensors};

/// The keys of `config.json` that this encoder reads.
#[derive(Debug, Deserialize)]
pub struct Config {
    hidden_dim: usize,
    #[serde(default = "unbounded")]
    seq_length: usize,
}

/// The largest number of tokens that model2vec itself writes.
fn unbounded() -> usize {
    1_000_000
}

const NAMES: Names = Names {
    word: "embeddings",
    word_copies: &[],
    position: "",
    token_type: "",
    embedding_norm: "",
    embedding_projection: "",
    relation: "",
    relation_norm: "",
    final_norm: "",
    block: "",
    attention: Attended::Stacked(""),
    attention_output: "",
    attention_norm: "",
    up: Up::Plain(""),
    down: "",
    output_norm: "",
    classifier: ClassifierNames::NONE,
    masked_lm: MaskedLmNames::NONE,
};

impl Describe for Config {
    fn describe(self) -> std::result::Result<Architecture, String> {
        let sizes = Sizes {
            vocab: 0, // the file decides
            embedding: self.hidden_dim,
            hidden: self.hidden_dim,
            layers: 0,
            heads: 1,
            attention: self.hidden_dim,
            intermediate: 0,
            positions: self.seq_length,
            first_position: 0,
            token_types: 0,
            norm_eps: 0.0,
            activation: Activation::Identity,
        };
        let design = Design { skips_unknown: true, ..Design::bert(0) };
        Ok(Architecture { sizes, design, names: &NAMES })
    }
}

/// The vector of each token: its row of `embeddings`, which tokens may share (`mapping`), times its weight (`weights`).
///
/// Returns `[vocab, width]`.
pub(crate) fn words(tensors: &mut Tensors, width: usize) -> Result<Tensor> {
    let length = |tensors: &Tensors, name: &str| {
        tensors.shape(name).and_then(|shape| shape.first()).copied()
    };
    let rows = length(tensors, "embeddings").unwrap_or_default();
    let mut words = tensors.take("embeddings", &[rows, width])?;
    if let Some(vocab) = length(tensors, "mapping") {
        let mapping = tensors.take_as("mapping", &[vocab], DType::I64)?;
        let largest = mapping.max_all()?.to_scalar::<i64>()?;
        if largest >= rows as i64 {
            return Err(Error::Unfit(format!(
                "`mapping` names row {largest} of `embeddings`, which has {rows}: the file is damaged"
            )));
        }
        words = words.index_select(&mapping, 0)?;
    }
    if let Some(vocab) = length(tensors, "weights") {
        let weights = tensors.take_as("weights", &[vocab], words.dtype())?;
        words = words.broadcast_mul(&weights.unsqueeze(1)?)?;
    }
    Ok(words)
}
