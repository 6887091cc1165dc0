//! Beam search, as `transformers` does it (`GenerationMixin._beam_search`).
//!
//! A few texts are followed at once. Each is continued by every token, and of all continuations the most likely are kept; those
//! that end are put aside with their score, the sum of the logarithms of their tokens' probabilities by a power of their length.
//!
//! ```text
//! score(y) = Σ_t log P(y_t | y_<t) / |y|^penalty          |y| counts the token at the end
//! ```
//!
//! The search ends when the best text that goes on, by the length that it has now, is no better than the worst that was put
//! aside. With a penalty above 0 a longer text could still become better: that is how the library decides, and its published
//! models are measured so.

use serde::{Deserialize, Serialize};

use super::{Bounds, Continues, log_softmax};
use crate::Result;

/// The parameters of beam search.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Beam {
    /// Texts that are followed at once.
    pub beams: usize,
    /// The power of the length by which a score is divided; 1 in the library's configs that say nothing.
    pub length_penalty: f32,
    /// Whether the search ends as soon as as many texts are finished as are followed.
    pub early_stopping: bool,
}

/// A text with the sum of its logarithms or, if it is finished, its score.
#[derive(Debug, Clone)]
struct Scored {
    tokens: Vec<u32>,
    score: f32,
}

/// A continuation of a text that is followed.
#[derive(Debug, Clone, Copy)]
struct Next {
    /// The place of the text.
    from: usize,
    token: u32,
    sum: f32,
}

/// Writes the best text that is found for the one that `network` holds, up to the end and without it.
pub(crate) fn beam(
    network: &mut impl Continues,
    with: Beam,
    bounds: Bounds<'_>,
) -> Result<Vec<u32>> {
    let mut running = vec![Scored { tokens: Vec::new(), score: 0.0 }];
    let mut finished: Vec<Scored> = Vec::new();
    for length in 1..=bounds.most {
        let last = |text: &Scored| text.tokens.last().copied().unwrap_or(bounds.start);
        let logits = network.next(&running.iter().map(last).collect::<Vec<_>>())?;
        let best = best(&running, logits, 2 * with.beams);
        let ends = |next: &Next| bounds.is_end(next.token) || length == bounds.most;
        for next in best.iter().take(with.beams).filter(|next| ends(next)) {
            let score = next.sum / (length as f32).powf(with.length_penalty);
            finished.push(Scored { tokens: continued(&running, next), score });
        }
        finished.sort_by(|a, b| b.score.total_cmp(&a.score)); // stable: of equals the earlier
        finished.truncate(with.beams);
        let open: Vec<Next> =
            best.into_iter().filter(|next| !ends(next)).take(with.beams).collect();
        let Some(first) = open.first() else { break };
        let is_full = finished.len() == with.beams;
        let reach = first.sum / (length as f32).powf(with.length_penalty);
        let improves = !is_full || finished.last().is_some_and(|worst| reach > worst.score);
        if !improves || (with.early_stopping && is_full) {
            break;
        }
        network.keep(&open.iter().map(|next| next.from).collect::<Vec<_>>());
        let texts = open.iter();
        running = texts
            .map(|next| Scored { tokens: continued(&running, next), score: next.sum })
            .collect();
    }
    let mut tokens = finished.into_iter().next().map(|best| best.tokens).unwrap_or_default();
    if tokens.last().is_some_and(|&token| bounds.is_end(token)) {
        tokens.pop();
    }
    Ok(tokens)
}

/// The most likely continuations of all texts, best first; of equals the earlier text and the smaller token.
fn best(running: &[Scored], mut logits: Vec<f32>, most: usize) -> Vec<Next> {
    let vocab = logits.len() / running.len();
    let mut all: Vec<Next> = Vec::with_capacity(running.len() * most);
    for (from, row) in logits.chunks_exact_mut(vocab).enumerate() {
        log_softmax(row);
        let score = running[from].score;
        let one = |(token, log): (u32, &f32)| Next { from, token, sum: score + log };
        let mut own: Vec<Next> = (0..).zip(&*row).map(one).collect();
        let order =
            |a: &Next, b: &Next| b.sum.total_cmp(&a.sum).then_with(|| a.token.cmp(&b.token));
        if own.len() > most {
            own.select_nth_unstable_by(most, order);
            own.truncate(most);
        }
        own.sort_unstable_by(order);
        all.extend(own);
    }
    all.sort_by(|a, b| b.sum.total_cmp(&a.sum));
    all.truncate(most);
    all
}

fn continued(running: &[Scored], next: &Next) -> Vec<u32> {
    let mut tokens = running[next.from].tokens.clone();
    tokens.push(next.token);
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::tests::Chain;
    use crate::never;

    const BOUNDS: Bounds<'_> = Bounds { start: 0, ends: &[1], most: 5, stops: &never };

    fn search(beams: usize, length_penalty: f32) -> Vec<u32> {
        // After 0: token 2 with .6, token 3 with .4. After 2: end .4, token 2 .3, 3 .3. After 3: end with .9.
        let [a, b, c] = [[0.0, 0.0, 0.6, 0.4], [0.0, 0.4, 0.3, 0.3], [0.0, 0.9, 0.05, 0.05]]
            .map(|row: [f32; 4]| row.map(|p| p.max(1e-9).ln()));
        let after: [&[f32]; 4] = [&a, &[0.0; 4], &b, &c];
        let with = Beam { beams, length_penalty, early_stopping: false };
        beam(&mut Chain { after: &after, texts: 1 }, with, BOUNDS).unwrap()
    }

    #[test]
    fn two_beams_find_what_one_passes_by() {
        // One beam: .6 · .4 = .24 for (2). Two: .4 · .9 = .36 for (3).
        assert_eq!(search(1, 1.0), [2]);
        assert_eq!(search(2, 1.0), [3]);
    }

    #[test]
    fn a_length_penalty_prefers_longer_texts() {
        // (3): ln .36 / 2 = -.511. (2, 3): ln(.6 · .3 · .9) / 3 = -.607. To the power of 3: -.128 and -.0674.
        assert_eq!(search(3, 1.0), [3]);
        assert!(search(3, 3.0).len() > 1, "{:?}", search(3, 3.0));
    }
}
