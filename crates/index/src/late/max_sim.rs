//! Late interaction: each token of a query finds its best token of a document.
//! Khattab and Zaharia, SIGIR 2020 (`khattab2020colbert`).
//!
//! ```text
//! score(q, d) = Σ_i max_j  q_i · d_j                                                        (eq. 3)
//! ```
//!
//! Products are never written down. Tokens of a document are unpacked a few at a time into the first-level cache, where
//! they meet the query as [`Panels`] has it, and only the largest product of each query token is kept. There is no
//! padding to mask: a document has as many tokens as it has. One without tokens has no score (minus infinity).

use nir_kernels::Panels;

/// A query in the form in which it is compared with documents.
pub(crate) struct MaxSim {
    query: Panels,
    dim: usize,
    /// The largest product of each query token so far.
    best: Vec<f32>,
    /// The tokens of a document as floats.
    unpacked: Vec<f32>,
}

/// Tokens that are unpacked at a time: whole tiles of [`Panels`], so that they and a query of 32 tokens share 32 KiB.
const TOKENS: usize = 24;

impl MaxSim {
    /// Takes the token vectors of a query, `[q_seq, dim]`.
    pub(crate) fn new(query: &[f32], dim: usize) -> Self {
        let query = Panels::new(query, dim);
        Self { best: vec![0.0; query.len()], unpacked: vec![0.0; TOKENS * dim], query, dim }
    }

    /// Scores a document of `tokens` tokens; `unpack(first, into)` gives `[n, dim]` of them from `first` on.
    pub(crate) fn score(&mut self, tokens: usize, unpack: impl Fn(usize, &mut [f32])) -> f32 {
        if tokens == 0 {
            return f32::NEG_INFINITY;
        }
        self.best.fill(f32::NEG_INFINITY);
        let width = tokens.min(TOKENS);
        let unpacked = &mut self.unpacked[..width * self.dim];
        for first in (0..tokens).step_by(TOKENS) {
            // The last step ends with the last token: tokens that it repeats cannot change a maximum.
            unpack(first.min(tokens - width), unpacked);
            self.query.max(unpacked, &mut self.best);
        }
        self.best.iter().sum()
    }
}
