//! Writing a text token by token, whatever network says which token is likely to follow.
//!
//! | way        | takes                                                                                        |
//! |------------|----------------------------------------------------------------------------------------------|
//! | [`greedy`] | the most likely token at each place                                                           |
//! | [`beam`]   | the text whose tokens are the most likely together, as far as a few of them are followed         |
//! | [`sample`] | a token at random, by the probabilities of the most likely ones                                  |
//!
//! A network is a [`Continues`]: it holds texts that are being written, and gives the logits of what may follow each of them.

mod beam;
mod sampling;

pub use beam::Beam;
pub(crate) use beam::beam;
pub use sampling::Sampling;
pub(crate) use sampling::{Stream, sample};

use rayon::prelude::*;

use crate::Result;

/// Texts that are being written by a network.
pub(crate) trait Continues {
    /// Puts a token behind each text, and returns the logits of the token that follows: `[texts, vocab]`, one text after the
    /// other.
    fn next(&mut self, tokens: &[u32]) -> Result<Vec<f32>>;

    /// Keeps the texts at these places, in this order. A place may occur several times: that text is continued in several ways.
    fn keep(&mut self, places: &[usize]);
}

/// Where a text begins and ends.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    /// The token before the first.
    pub(crate) start: u32,
    /// The tokens after the last, any of which ends a text.
    pub(crate) ends: &'a [u32],
    /// The most tokens that are written, the one at the end included.
    pub(crate) most: usize,
    /// Whether a text is complete without such a token.
    pub(crate) stops: &'a dyn Fn(&[u32]) -> bool,
}

impl Bounds<'_> {
    fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }
}

/// Writes one text for each that `network` holds: the most likely token at each place, up to the end and without it.
pub(crate) fn greedy(
    network: &mut impl Continues,
    texts: usize,
    bounds: Bounds<'_>,
) -> Result<Vec<Vec<u32>>> {
    write(network, texts, bounds, |_, logits| most_likely(logits))
}

/// Writes texts with a choice of the next token by its logits; `choose` gets the number of the text.
fn write(
    network: &mut impl Continues,
    texts: usize,
    bounds: Bounds<'_>,
    mut choose: impl FnMut(usize, &[f32]) -> u32,
) -> Result<Vec<Vec<u32>>> {
    let mut written = vec![Vec::new(); texts];
    let mut open: Vec<usize> = (0..texts).collect();
    let mut last = vec![bounds.start; texts];
    for _ in 0..bounds.most {
        if open.is_empty() {
            break;
        }
        let logits = network.next(&last)?;
        let rows = logits.chunks_exact(logits.len() / open.len());
        let next: Vec<u32> = open.iter().zip(rows).map(|(&text, row)| choose(text, row)).collect();
        let goes_on = |&at: &usize| {
            if bounds.is_end(next[at]) {
                return false;
            }
            let text = &mut written[open[at]];
            text.push(next[at]);
            !(bounds.stops)(text)
        };
        let goes_on: Vec<usize> = (0..open.len()).filter(goes_on).collect();
        if goes_on.len() < open.len() {
            network.keep(&goes_on);
        }
        open = goes_on.iter().map(|&at| open[at]).collect();
        last = goes_on.iter().map(|&at| next[at]).collect();
    }
    Ok(written)
}

/// The token with the largest logit; of equals the smaller id.
fn most_likely(logits: &[f32]) -> u32 {
    let larger = |best: usize, at: usize| if logits[at] > logits[best] { at } else { best };
    (0..logits.len()).reduce(larger).unwrap_or_default() as u32
}

/// The logarithms of the probabilities that logits stand for, in place.
pub(crate) fn log_softmax(logits: &mut [f32]) {
    let total = Total::of(logits);
    logits.iter_mut().for_each(|logit| *logit = total.log_probability(*logit));
}

/// The logarithm of the probability of every token of a target, by the logits in its place.
///
/// - `logits`: `[target, vocab]`
pub(crate) fn log_probabilities(logits: &[f32], vocab: usize, target: &[u32]) -> Vec<f32> {
    let log = |(row, &token): (&[f32], &u32)| Total::of(row).log_probability(row[token as usize]);
    logits.par_chunks_exact(vocab).zip(target).map(log).collect()
}

/// `log Σ exp(x)` of logits in two parts, so that neither large numbers overflow nor small differences are rounded away.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Total {
    most: f32,
    /// `log Σ exp(x - most)`
    rest: f32,
}

impl Total {
    pub(crate) fn of(logits: &[f32]) -> Self {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|&logit| f64::from((logit - most).exp())).sum();
        Self { most, rest: sum.ln() as f32 }
    }

    /// The logarithm of the probability of one of the logits.
    pub(crate) fn log_probability(self, logit: f32) -> f32 {
        logit - self.most - self.rest
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::never;

    /// A network with a fixed table: the logits after each token, whatever was before it.
    pub(crate) struct Chain<'a> {
        pub(crate) after: &'a [&'a [f32]],
        pub(crate) texts: usize,
    }

    impl Continues for Chain<'_> {
        fn next(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
            assert_eq!(tokens.len(), self.texts);
            Ok(tokens.iter().flat_map(|&token| self.after[token as usize].to_vec()).collect())
        }

        fn keep(&mut self, places: &[usize]) {
            self.texts = places.len();
        }
    }

    const BOUNDS: Bounds<'_> = Bounds { start: 0, ends: &[1], most: 4, stops: &never };

    #[test]
    fn greedy_follows_the_largest_logit_to_the_end() {
        // 0 -> 2 -> 3 -> end
        let after: [&[f32]; 4] = [&[0., 0., 9., 1.], &[], &[0., 0., 0., 5.], &[0., 7., 0., 1.]];
        let mut chain = Chain { after: &after, texts: 2 };
        assert_eq!(greedy(&mut chain, 2, BOUNDS).unwrap(), [[2, 3], [2, 3]]);
        let short = Bounds { most: 1, ..BOUNDS };
        let mut chain = Chain { after: &after, texts: 1 };
        assert_eq!(greedy(&mut chain, 1, short).unwrap(), [[2]]);
    }

    #[test]
    fn probabilities_add_up_to_one() {
        let mut logits = [1000.0, 1001.0, -50.0];
        log_softmax(&mut logits);
        // 1 / (1 + e) and e / (1 + e)
        assert!((logits[0] + 1.313_261_7).abs() < 1e-6, "{logits:?}");
        assert!((logits[1] + 0.313_261_7).abs() < 1e-6, "{logits:?}");
    }
}
