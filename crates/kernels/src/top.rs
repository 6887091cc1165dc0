//! The best of a stream of scores.

/// A row and its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The number of the row.
    pub row: u32,
    /// The score of the row; never -0.
    pub score: f32,
}

/// Keeps the best `depth` rows of those that it is offered, and all that are tied with the last of them.
///
/// A heap would put in order what is only to be cut. Here everything that reaches the `depth`-th best score so far is put
/// aside, and when twice as many have gathered, a selection finds the `depth`-th and forgets what is behind it. That is
/// constant work for each row, and the result does not depend on the order of the offers.
///
/// Who wins a tie is the caller's to say: [`Top::hits`] has all of them, [`Top::rows`] takes the smaller row. `-0` ties
/// with `0`. A score that is not a number comes first, whatever its sign, so that it is not lost in silence.
///
/// ```
/// use nir_kernels::Top;
///
/// let mut top = Top::new(2);
/// top.offer_all(10, &[0.5, 2.0, 0.5, 0.1]);
/// assert_eq!(top.hits().iter().map(|hit| hit.row).collect::<Vec<_>>(), [11, 10, 12]); // two are tied
/// ```
#[derive(Debug, Clone)]
pub struct Top {
    depth: usize,
    threshold: f32,
    /// Score and row as one number: larger is better, and of equal scores the smaller row is.
    keys: Vec<u64>,
    /// How many keys call for a selection.
    full: usize,
}

impl Top {
    /// Keeps the best `depth` of all that will be offered.
    pub fn new(depth: usize) -> Self {
        Self::reaching(depth, f32::NEG_INFINITY)
    }

    /// Keeps the best `depth` of those that reach `threshold`.
    pub fn reaching(depth: usize, threshold: f32) -> Self {
        Self { depth, threshold, keys: Vec::new(), full: 2 * depth + 16 }
    }

    /// How many rows are wanted.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The score that a row must reach to be kept.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Whether `depth` rows are kept.
    pub fn is_full(&self) -> bool {
        self.keys.len() >= self.depth
    }

    /// Offers a row with its complete score. No row is offered twice.
    #[inline]
    pub fn offer(&mut self, row: u32, score: f32) {
        if score < self.threshold || self.depth == 0 {
            return;
        }
        self.keys.push(key(row, score));
        self.select_if_full();
    }

    #[inline]
    fn select_if_full(&mut self) {
        if self.keys.len() >= self.full {
            self.select();
            self.full = self.full.max(2 * self.keys.len()); // where many are tied
        }
    }

    /// Offers the rows `first`, `first + 1` and so on.
    pub fn offer_all(&mut self, first: u32, scores: &[f32]) {
        for (row, scores) in (first..).step_by(16).zip(scores.chunks(16)) {
            // One branch for sixteen scores: nearly all fall behind. What is not a number must not.
            let behind = scores.iter().filter(|&&score| score < self.threshold).count();
            if behind < scores.len() {
                (row..).zip(scores).for_each(|(row, &score)| self.offer(row, score));
            }
        }
    }

    /// Takes over what another one keeps.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.threshold = self.threshold.max(other.threshold);
        self.keys.extend(other.keys);
        self.select_if_full();
        self
    }

    /// Raises the threshold to the `depth`-th best score so far, if there are `depth`.
    pub fn select(&mut self) {
        if self.depth == 0 || self.keys.len() < self.depth {
            return;
        }
        let (_, last, _) = self.keys.select_nth_unstable_by(self.depth - 1, |a, b| b.cmp(a));
        let last = *last >> 32;
        self.threshold = self.threshold.max(float(last as u32));
        self.keys.retain(|key| key >> 32 >= last);
    }

    /// The rows that are kept so far, in no order.
    pub fn so_far(&self) -> impl Iterator<Item = Hit> + '_ {
        self.keys.iter().map(|&key| hit(key))
    }

    /// The best `depth` and all that are tied with the last of them, best first, and of equal scores the smaller row.
    pub fn hits(mut self) -> Vec<Hit> {
        self.select();
        self.keys.sort_unstable_by(|a, b| b.cmp(a));
        self.keys.into_iter().map(hit).collect()
    }

    /// The best `depth`, of tied ones those with the smaller row, in the order of their rows.
    pub fn rows(mut self) -> Vec<usize> {
        if self.keys.len() > self.depth {
            self.keys.select_nth_unstable_by(self.depth, |a, b| b.cmp(a));
            self.keys.truncate(self.depth);
        }
        let mut rows: Vec<usize> = self.keys.into_iter().map(|key| hit(key).row as usize).collect();
        rows.sort_unstable();
        rows
    }
}

fn key(row: u32, score: f32) -> u64 {
    u64::from(ordered(score)) << 32 | u64::from(!row)
}

fn hit(key: u64) -> Hit {
    Hit { row: !(key as u32), score: float((key >> 32) as u32) }
}

/// A number with the order of the float: IEEE 754 orders positive floats as integers, and negative ones backwards.
fn ordered(score: f32) -> u32 {
    let bits = if score.is_nan() { f32::NAN.to_bits() } else { (score + 0.0).to_bits() };
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

/// The float of [`ordered`].
fn float(ordered: u32) -> f32 {
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// All rows, best first, tied ones by row.
    fn sorted(scores: &[f32]) -> Vec<Hit> {
        let mut all: Vec<Hit> = (0..).zip(scores).map(|(row, &score)| Hit { row, score }).collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
        all
    }

    proptest! {
        #[test]
        fn it_is_the_front_of_a_sort(
            scores in vec(-3..3_i8, 0..200), depth in 0..99_usize, cut in 0..200_usize
        ) {
            // Few scores, so that most are tied.
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let cut = cut.min(scores.len());
            let (mut front, mut back) = (Top::new(depth), Top::new(depth));
            front.offer_all(0, &scores[..cut]);
            back.offer_all(cut as u32, &scores[cut..]);
            let (top, mut expected) = (front.merge(back), sorted(&scores));
            let mut rows: Vec<usize> = expected.iter().take(depth).map(|hit| hit.row as usize).collect();
            rows.sort_unstable();
            prop_assert_eq!(top.clone().rows(), rows);
            let last = depth.checked_sub(1).and_then(|last| expected.get(last)).copied();
            expected.retain(|hit| depth > 0 && last.is_none_or(|last| hit.score >= last.score));
            prop_assert_eq!(top.hits(), expected);
        }

        #[test]
        fn what_does_not_reach_the_threshold_is_not_kept(scores in vec(0..9_u8, 0..90), least in 0..9_u8) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut top = Top::reaching(5, f32::from(least));
            top.offer_all(0, &scores);
            let (all, kept) = (sorted(&scores), top.hits());
            let expected = all.iter().take(5).filter(|hit| hit.score >= f32::from(least)).count();
            prop_assert!(kept.len() >= expected && kept[..expected] == all[..expected]);
            prop_assert!(kept.iter().all(|hit| hit.score >= f32::from(least)));
        }
    }

    #[test]
    fn order_survives_as_a_number() {
        let scores = [f32::NEG_INFINITY, -2.0, -1e-40, 0.0, 1e-40, 3.0, f32::INFINITY];
        assert!(scores.is_sorted_by_key(|&score| ordered(score)));
        assert!(scores.iter().all(|&score| float(ordered(score)) == score));
        assert_eq!(ordered(-0.0), ordered(0.0));
    }

    #[test]
    fn what_is_not_a_number_is_not_lost() {
        let mut top = Top::new(1);
        top.offer_all(0, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -f32::NAN, 1.0]);
        assert!(top.hits()[0].score.is_nan());
    }
}
