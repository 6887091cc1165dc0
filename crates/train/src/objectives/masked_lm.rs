//! Masked language modelling.
//! Devlin, Chang, Lee and Toutanova, NAACL 2019, §3.1.
//!
//! Some tokens are hidden, and the network learns to say which they were: it needs no labels, and to fill the gap it
//! must have read the rest.
//!
//! ```text
//! L = -1/|M| Σ_{i ∈ M} log softmax(logits_i)[token_i],   M a random 15 % of the tokens
//! ```
//!
//! Of the chosen tokens 80 % become `[MASK]`, 10 % a random token and 10 % stay, anew each time a text is seen.

use candle_core::{D, Tensor};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::Result;
use nir_nn::Tokens;

/// The parameters of the objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The share of the tokens that are to be predicted: .15 in the paper.
    pub chosen: f64,
    /// The share of these that become `[MASK]`: .8 in the paper.
    pub masked: f64,
    /// The share of these that become a random token: .1 in the paper.
    pub random: f64,
}

/// A batch of texts in which tokens are hidden.
#[derive(Debug, Default)]
pub struct Gaps {
    /// The texts with hidden tokens.
    pub texts: Vec<Tokens>,
    /// The places of the hidden tokens, as (text, position).
    pub places: Vec<(usize, usize)>,
    /// The tokens that were at these places.
    pub tokens: Vec<u32>,
}

/// Hides tokens of a batch; special tokens are never hidden.
///
/// - `mask`: the id of `[MASK]`
/// - `words`: the ids from which random tokens are drawn
pub fn hide(
    config: &Config,
    mut texts: Vec<Tokens>,
    mask: u32,
    words: std::ops::Range<u32>,
    rng: &mut impl Rng,
) -> Gaps {
    let (mut places, mut tokens) = (Vec::new(), Vec::new());
    for (text, row) in texts.iter_mut().enumerate() {
        for (position, id) in row.ids.iter_mut().enumerate() {
            if !words.contains(id) || !rng.random_bool(config.chosen) {
                continue;
            }
            places.push((text, position));
            tokens.push(*id);
            *id = replaced(config, *id, mask, &words, rng);
        }
    }
    Gaps { texts, places, tokens }
}

fn replaced(
    config: &Config,
    id: u32,
    mask: u32,
    words: &std::ops::Range<u32>,
    rng: &mut impl Rng,
) -> u32 {
    match rng.random::<f64>() {
        x if x < config.masked => mask,
        x if x < config.masked + config.random => rng.random_range(words.clone()),
        _ => id,
    }
}

/// The loss as a mean over the hidden tokens.
///
/// - `logits`: `[gaps, vocab]`
/// - `tokens`: `[gaps]`, u32
pub fn loss(logits: &Tensor, tokens: &Tensor) -> Result<Tensor> {
    let log_likelihood = candle_nn::ops::log_softmax(logits, D::Minus1)?;
    Ok(log_likelihood.gather(&tokens.unsqueeze(1)?, 1)?.mean_all()?.neg()?)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn about_the_right_part_is_hidden_and_special_tokens_never() {
        let config = Config { chosen: 0.15, masked: 0.8, random: 0.1 };
        let text =
            Tokens { ids: [2].into_iter().chain(5..105).collect(), types: vec![0; 101], unseen: 0 };
        let texts = vec![text.clone(); 100];
        let gaps = hide(&config, texts, 4, 5..105, &mut ChaCha8Rng::seed_from_u64(1));
        let now = |&(text, position): &(usize, usize)| gaps.texts[text].ids[position];
        let masked = gaps.places.iter().filter(|place| now(place) == 4).count();
        let kept = gaps.places.iter().zip(&gaps.tokens).filter(|(p, t)| now(p) == **t).count();
        // 10,000 tokens: 1,500 are chosen (σ = 36), 1,200 of them masked, 150 kept.
        assert!((1_350..1_650).contains(&gaps.places.len()), "{}", gaps.places.len());
        assert!((1_050..1_350).contains(&masked) && (90..220).contains(&kept), "{masked} {kept}");
        assert!(gaps.places.iter().all(|&(_, position)| position > 0));
    }
}
