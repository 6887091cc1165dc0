//! Sampling of the next token: temperature, the most likely `k` (Fan, Lewis and Dauphin, ACL 2018, §5.1), the smallest set with
//! probability `p` (Holtzman et al., ICLR 2020, §3.1), in the order in which `transformers` applies them.
//!
//! Every text draws from a stream of numbers of its own, so that what is written for it does not depend on the texts beside it.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Bounds, Continues, write};
use crate::Result;

/// The parameters of sampling.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// How many of the most likely tokens are drawn from; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// The probability that the tokens which are drawn from have together at least; 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// What logits are divided by: below 1 likely tokens become more likely.
    pub temperature: f32,
    /// The seed of all draws.
    pub seed: u64,
}

impl Sampling {
    /// Checks the parameters; the error says what is wrong.
    pub fn check(&self) -> std::result::Result<(), String> {
        if self.top_k == Some(0) {
            return Err("`top_k` must be at least 1, found 0".to_owned());
        }
        if let Some(p) = self.top_p.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
            return Err(format!("`top_p` must be above 0 and at most 1, found {p}"));
        }
        match self.temperature > 0.0 && self.temperature.is_finite() {
            true => Ok(()),
            false => {
                Err(format!("`temperature` must be a number above 0, found {}", self.temperature))
            }
        }
    }

    /// The tokens that are drawn from with their probabilities, the most likely first; of equals the smaller id.
    pub fn kept(&self, logits: &[f32]) -> Vec<(u32, f64)> {
        let most = self.top_k.unwrap_or(logits.len()).min(logits.len());
        let mut order: Vec<u32> = (0..logits.len() as u32).collect();
        let compare = |a: &u32, b: &u32| {
            logits[*b as usize].total_cmp(&logits[*a as usize]).then_with(|| a.cmp(b))
        };
        if most < order.len() {
            order.select_nth_unstable_by(most, compare);
            order.truncate(most);
        }
        order.sort_unstable_by(compare);
        let logit = |token: u32| f64::from(logits[token as usize]) / f64::from(self.temperature);
        let largest = order.first().map_or(0.0, |&token| logit(token));
        let mut kept: Vec<(u32, f64)> =
            order.iter().map(|&token| (token, (logit(token) - largest).exp())).collect();
        normalise(&mut kept);
        if let Some(p) = self.top_p {
            let mut before = 0.0;
            let inside = kept.iter().take_while(|(_, share)| {
                before += share;
                before - share < f64::from(p)
            });
            let count = inside.count().max(1);
            kept.truncate(count);
            normalise(&mut kept);
        }
        kept
    }

    fn draw(&self, logits: &[f32], random: &mut ChaCha8Rng) -> u32 {
        let kept = self.kept(logits);
        // 53 bits: a number from 0 to 1, without 1.
        let at = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let mut sum = 0.0;
        let drawn = kept.iter().find(|(_, share)| {
            sum += share;
            at < sum
        });
        drawn.or(kept.last()).map_or(0, |&(token, _)| token)
    }
}

fn normalise(shares: &mut [(u32, f64)]) {
    let sum: f64 = shares.iter().map(|(_, share)| share).sum();
    shares.iter_mut().for_each(|(_, share)| *share /= sum);
}

/// The number of a stream of draws: that of a document and the number of a text that is written for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) of: u64,
    pub(crate) number: u64,
}

impl Stream {
    /// The streams of `each` texts for every one of `names`, one name after the other.
    pub(crate) fn of_texts(names: impl Iterator<Item = u64>, each: usize) -> Vec<Self> {
        names.flat_map(|of| (0..each as u64).map(move |number| Self { of, number })).collect()
    }
}

/// Writes one text for each that `network` holds, drawing every token from the text's own stream.
pub(crate) fn sample(
    network: &mut impl Continues,
    with: &Sampling,
    streams: &[Stream],
    bounds: Bounds<'_>,
) -> Result<Vec<Vec<u32>>> {
    let mut random: Vec<ChaCha8Rng> = streams.iter().map(|stream| stream.open(with.seed)).collect();
    write(network, streams.len(), bounds, |text, logits| with.draw(logits, &mut random[text]))
}

impl Stream {
    fn open(self, seed: u64) -> ChaCha8Rng {
        let mut key = [0; 32];
        for (to, part) in key.chunks_exact_mut(8).zip([seed, self.of, self.number]) {
            to.copy_from_slice(&part.to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Sampling = Sampling { top_k: None, top_p: None, temperature: 1.0, seed: 7 };

    /// The logits of these probabilities.
    fn logits(shares: [f32; 4]) -> [f32; 4] {
        shares.map(f32::ln)
    }

    fn ids(with: Sampling) -> Vec<u32> {
        with.kept(&logits([0.1, 0.4, 0.2, 0.3])).into_iter().map(|(token, _)| token).collect()
    }

    #[test]
    fn the_most_likely_are_kept_and_share_the_whole() {
        assert_eq!(ids(ALL), [1, 3, 2, 0]);
        let two = Sampling { top_k: Some(2), ..ALL }.kept(&logits([0.1, 0.4, 0.2, 0.3]));
        // .4 / .7 and .3 / .7
        assert!((two[0].1 - 4.0 / 7.0).abs() < 1e-6 && (two[1].1 - 3.0 / 7.0).abs() < 1e-6);
    }

    #[test]
    fn the_nucleus_is_the_smallest_set_that_reaches_p() {
        assert_eq!(ids(Sampling { top_p: Some(0.5), ..ALL }), [1, 3]); // .4 < .5 <= .7
        assert_eq!(ids(Sampling { top_p: Some(0.3), ..ALL }), [1]);
        assert_eq!(ids(Sampling { top_p: Some(1.0), ..ALL }).len(), 4);
    }

    #[test]
    fn a_low_temperature_makes_the_likely_likelier() {
        let kept = Sampling { temperature: 0.5, ..ALL }.kept(&logits([0.1, 0.4, 0.2, 0.3]));
        // .4² / (.1² + .4² + .2² + .3²) = .16 / .3
        assert!((kept[0].1 - 0.16 / 0.3).abs() < 1e-6, "{kept:?}");
    }

    #[test]
    fn draws_have_the_probabilities_and_every_stream_is_its_own() {
        let row = logits([0.1, 0.4, 0.2, 0.3]);
        let mut counts = [0.0; 4];
        for number in 0..4000 {
            let mut random = Stream { of: 1, number }.open(ALL.seed);
            counts[ALL.draw(&row, &mut random) as usize] += 1.0 / 4000.0;
        }
        for (count, expected) in counts.iter().zip([0.1, 0.4, 0.2, 0.3_f64]) {
            // Three standard deviations of a share of .4 in 4,000 draws: 3 √(.24 / 4000) = .023
            assert!((count - expected).abs() < 0.023, "{counts:?}");
        }
        let first = |of, number| Stream { of, number }.open(7).next_u64();
        assert!(first(1, 0) != first(0, 1) && first(1, 0) != first(1, 1));
    }

    #[test]
    fn parameters_that_leave_nothing_are_refused() {
        assert!(Sampling { top_k: Some(0), ..ALL }.check().unwrap_err().contains("top_k"));
        assert!(Sampling { top_p: Some(0.0), ..ALL }.check().unwrap_err().contains("top_p"));
        assert!(Sampling { temperature: 0.0, ..ALL }.check().unwrap_err().contains("temperature"));
        assert_eq!(ALL.check(), Ok(()));
    }
}
