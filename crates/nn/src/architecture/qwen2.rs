//! Qwen2 and Qwen2.5.
//! Yang and others, 2024 (arXiv:2407.10671, arXiv:2412.15115).
//!
//! [LLaMA](super::llama) with a bias in the layers of queries, keys and values. Blocks may be told to see a window only; published
//! models are not.

use serde::Deserialize;

use super::CausalLm;
use super::llama::{self, Differs};

/// The keys of `config.json` that this network reads.
#[derive(Debug, Deserialize)]
pub struct Config {
    #[serde(flatten)]
    llama: llama::Config,
    #[serde(flatten)]
    windows: Windows,
}

/// Which blocks see a window only.
#[derive(Debug, Deserialize)]
pub(super) struct Windows {
    #[serde(default)]
    use_sliding_window: bool,
    sliding_window: Option<usize>,
    /// The first block that sees a window only.
    max_window_layers: Option<usize>,
    /// The kind of each block, in newer files.
    layer_types: Option<Vec<Kind>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    FullAttention,
    SlidingAttention,
}

impl Windows {
    /// The number of tokens that a token sees in each block.
    pub(super) fn of_blocks(&self, layers: usize) -> Result<Vec<Option<usize>>, String> {
        if !self.use_sliding_window {
            return Ok(Vec::new());
        }
        let first = self.max_window_layers.unwrap_or(layers);
        let slides = |block: usize| match &self.layer_types {
            Some(kinds) => kinds.get(block) == Some(&Kind::SlidingAttention),
            None => block >= first,
        };
        match &self.layer_types {
            Some(kinds) if kinds.len() != layers => {
                Err(format!("`layer_types` names {}, there are {layers} layers", kinds.len()))
            }
            _ => {
                Ok((0..layers).map(|block| self.sliding_window.filter(|_| slides(block))).collect())
            }
        }
    }
}

impl TryFrom<Config> for CausalLm {
    type Error = String;

    fn try_from(Config { llama, windows }: Config) -> Result<Self, String> {
        let windows = windows.of_blocks(llama.layers())?;
        llama.describe(&Differs { bias: Some(true), head_norms: None, windows })
    }
}
