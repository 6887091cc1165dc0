//! What bounds the scores of a block of postings, whatever `k1` and `b` will be.
//! Ding and Suel, SIGIR 2011 (`ding2011bmw`); several pairs for each block as in Lucene's impacts.
//!
//! BM25 grows with `tf` and falls with the document's length. So among the postings of a block only those matter that
//! no other beats in both: the skyline of `(tf, length)`. The best score of the block, for any `k1 ≥ 0` and
//! `0 ≤ b ≤ 1`, is that of one of them, and a searcher that knows its `k1` and `b` needs to look at no more.
//!
//! tantivy keeps one pair for each block, the best for `k1 = 1.2` and `b = 0.75`: no bound for other values.

/// Postings no other of the block beats: longer lists of `tf` only with longer documents.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Skyline(Vec<(u32, u32)>);

impl Skyline {
    /// Takes one more posting into account.
    pub(crate) fn add(&mut self, tf: u32, length: u32) {
        if self.0.iter().any(|&(best_tf, best_length)| best_tf >= tf && best_length <= length) {
            return;
        }
        self.0.retain(|&(best_tf, best_length)| best_tf > tf || best_length < length);
        self.0.push((tf, length));
    }

    /// Appends the pairs to `out`, the last marked, and starts the next block.
    pub(crate) fn write(&mut self, out: &mut Vec<u32>) {
        self.0.sort_unstable();
        let last = self.0.len() - 1;
        for (i, (tf, length)) in self.0.drain(..).enumerate() {
            out.extend([tf << 1 | u32::from(i == last), length]);
        }
    }
}

/// The blocks of what [`Skyline::write`] wrote: for each, the largest `value(tf, length)`.
pub(crate) fn maxima(
    mut pairs: impl Iterator<Item = u32>,
    value: impl Fn(u32, u32) -> f32,
) -> Vec<f32> {
    let mut maxima = Vec::new();
    let mut max = 0_f32;
    while let (Some(tf), Some(length)) = (pairs.next(), pairs.next()) {
        max = max.max(value(tf >> 1, length));
        if tf & 1 == 1 {
            maxima.push(std::mem::take(&mut max));
        }
    }
    maxima
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_unbeaten_pairs_stay() {
        let mut skyline = Skyline::default();
        let postings = [(1, 10), (2, 10), (3, 40), (2, 50), (1, 9)];
        for (tf, length) in postings {
            skyline.add(tf, length);
        }
        let mut out = Vec::new();
        skyline.write(&mut out);
        assert_eq!(out, [1 << 1, 9, 2 << 1, 10, 3 << 1 | 1, 40]);
    }

    proptest! {
        #[test]
        fn the_maximum_is_that_of_all_postings(
            postings in prop::collection::vec((1_u32..9, 1_u32..300), 1..128),
            k1 in 0.0_f32..4.0, b in 0.0_f32..=1.0,
        ) {
            let value = |tf: u32, length: u32| tf as f32 * (1.0 / (k1 * ((1.0 - b) + b * length as f32 / 80.0)));
            let mut skyline = Skyline::default();
            for &(tf, length) in &postings {
                skyline.add(tf, length);
            }
            let mut out = Vec::new();
            skyline.write(&mut out);
            let all = postings.iter().map(|&(tf, length)| value(tf, length)).fold(0.0, f32::max);
            prop_assert_eq!(maxima(out.into_iter(), value), vec![all]);
        }
    }
}
