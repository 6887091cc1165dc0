//! Qwen3.
//! Yang and others, 2025 (arXiv:2505.09388).
//!
//! [LLaMA](super::llama) with a layer norm over each head of queries and of keys, before they are turned by their positions.

use serde::Deserialize;

use super::CausalLm;
use super::llama::{self, Differs};
use super::qwen2::Windows;

/// The keys of `config.json` that this network reads.
#[derive(Debug, Deserialize)]
pub struct Config {
    #[serde(flatten)]
    llama: llama::Config,
    #[serde(flatten)]
    windows: Windows,
}

impl TryFrom<Config> for CausalLm {
    type Error = String;

    fn try_from(Config { llama, windows }: Config) -> Result<Self, String> {
        let windows = windows.of_blocks(llama.layers())?;
        let head_norms = Some(["self_attn.q_norm", "self_attn.k_norm"]);
        llama.describe(&Differs { bias: None, head_norms, windows })
    }
}
