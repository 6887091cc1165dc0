//! The best of a stream of scores before names matter: candidates that will be scored again.

/// The positions of the `count` largest products, in their order; of equal ones the first.
pub(crate) fn largest(products: &[f32], count: usize) -> Vec<usize> {
    let mut best = Candidates::new(count.min(products.len()));
    best.offer_all(0, products);
    best.slots()
}

/// Keeps the slots of the best scores it is offered; of equal ones those with the smaller number.
pub(crate) struct Candidates {
    count: usize,
    /// Score and slot as one number, larger is better.
    keys: Vec<u64>,
    threshold: f32,
}

impl Candidates {
    pub(crate) fn new(count: usize) -> Self {
        let threshold = if count == 0 { f32::INFINITY } else { f32::NEG_INFINITY };
        Self { count, keys: Vec::with_capacity(2 * count), threshold }
    }

    pub(crate) fn offer_all(&mut self, first: u32, scores: &[f32]) {
        for (slot, scores) in (first..).step_by(16).zip(scores.chunks(16)) {
            // One branch for sixteen scores: nearly all fall behind. What is no number must not.
            let behind = scores.iter().filter(|&&score| score < self.threshold).count();
            if behind < scores.len() {
                (slot..).zip(scores).for_each(|(slot, &score)| self.offer(slot, score));
            }
        }
    }

    pub(crate) fn offer(&mut self, slot: u32, score: f32) {
        if score < self.threshold || self.count == 0 {
            return;
        }
        self.keys.push(u64::from(ordered(score)) << 32 | u64::from(u32::MAX - slot));
        if self.keys.len() >= 2 * self.count {
            self.prune();
        }
    }

    fn prune(&mut self) {
        let (_, last, _) = self.keys.select_nth_unstable_by(self.count - 1, |a, b| b.cmp(a));
        self.threshold = float((*last >> 32) as u32);
        self.keys.truncate(self.count);
    }

    /// The slots, from the smallest.
    pub(crate) fn slots(mut self) -> Vec<usize> {
        if self.keys.len() > self.count {
            self.prune();
        }
        let slot = |key: u64| (u32::MAX - key as u32) as usize;
        let mut slots: Vec<usize> = self.keys.into_iter().map(slot).collect();
        slots.sort_unstable();
        slots
    }
}

/// A number with the order of the float: IEEE 754 orders positive floats as integers, and negative ones backwards.
fn ordered(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
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

    proptest! {
        #[test]
        fn candidates_are_the_front_of_a_sort(scores in vec(-3..3_i8, 0..90), count in 0..99_usize) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut expected: Vec<usize> = (0..scores.len()).collect();
            expected.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
            expected.truncate(count);
            expected.sort_unstable();
            prop_assert_eq!(largest(&scores, count), expected);
        }
    }

    #[test]
    fn order_survives_as_a_number() {
        let scores = [f32::NEG_INFINITY, -2.0, -1e-40, 0.0, 1e-40, 3.0, f32::INFINITY];
        assert!(scores.is_sorted_by_key(|&score| ordered(score)));
        assert!(scores.iter().all(|&score| float(ordered(score)) == score));
        assert_eq!(ordered(-0.0), ordered(0.0));
    }
}
