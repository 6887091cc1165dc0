//! Mistral.
//! Jiang, Sablayrolles, Mensch and others, 2023 (arXiv:2310.06825).
//!
//! [LLaMA](super::llama) in which a token may see no more than the `sliding_window` tokens that end with it.

use serde::Deserialize;

use super::CausalLm;
use super::llama::{self, Differs};

/// The keys of `config.json` that this network reads.
#[derive(Debug, Deserialize)]
pub struct Config {
    #[serde(flatten)]
    llama: llama::Config,
    sliding_window: Option<usize>,
}

impl TryFrom<Config> for CausalLm {
    type Error = String;

    fn try_from(Config { llama, sliding_window }: Config) -> Result<Self, String> {
        let windows = vec![sliding_window; llama.layers()];
        llama.describe(&Differs { bias: Some(false), head_norms: None, windows })
    }
}
