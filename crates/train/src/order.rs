//! Which examples a step sees: a function of seed and step alone, so that a training can go on from any step.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The first stream of the random generator that belongs to the order of examples; lower ones belong to steps.
const EPOCHS: u64 = 1 << 40;

/// The random numbers of one step; no state is carried from step to step.
pub fn rng(seed: u64, step: usize) -> ChaCha8Rng {
    stream(seed, step as u64)
}

fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}

/// The order in which examples are put into batches.
#[derive(Debug)]
pub enum Order {
    /// Every example once in an epoch, in a new order each time; a last batch that is not full is left out.
    Shuffled(Shuffled),
    /// Each batch at random from one group.
    Grouped {
        /// The seed of all choices.
        seed: u64,
        /// The indices of the examples of each group.
        groups: Vec<Vec<usize>>,
        /// The number of examples of a batch.
        batch: usize,
    },
}

/// The order of examples in the current epoch.
#[derive(Debug)]
pub struct Shuffled {
    seed: u64,
    batch: usize,
    epoch: Option<usize>,
    order: Vec<usize>,
}

impl Order {
    /// Batches of `batch` out of `examples` examples; of all examples if there are fewer.
    pub fn shuffled(seed: u64, examples: usize, batch: usize) -> Self {
        let batch = batch.min(examples);
        Self::Shuffled(Shuffled { seed, batch, epoch: None, order: (0..examples).collect() })
    }

    /// The indices of the examples of a step, counted from 0.
    pub fn batch(&mut self, step: usize) -> Vec<usize> {
        match self {
            Self::Shuffled(shuffled) => shuffled.batch(step),
            Self::Grouped { seed, groups, batch } => {
                let mut rng = stream(*seed, EPOCHS + step as u64);
                let mut group = groups[rng.random_range(0..groups.len())].clone();
                group.shuffle(&mut rng);
                group.truncate(*batch);
                group
            }
        }
    }
}

impl Shuffled {
    fn batch(&mut self, step: usize) -> Vec<usize> {
        let batches = self.order.len() / self.batch;
        self.enter(step / batches);
        self.order[step % batches * self.batch..][..self.batch].to_vec()
    }

    fn enter(&mut self, epoch: usize) {
        if self.epoch == Some(epoch) {
            return;
        }
        self.epoch = Some(epoch);
        self.order.sort_unstable();
        self.order.shuffle(&mut stream(self.seed, EPOCHS + epoch as u64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_sees_everything_once_and_each_has_its_own_order() {
        let mut order = Order::shuffled(7, 12, 4);
        let epoch = |order: &mut Order, n: usize| {
            (3 * n..3 * n + 3).flat_map(|s| order.batch(s)).collect::<Vec<_>>()
        };
        let (first, second) = (epoch(&mut order, 0), epoch(&mut order, 1));
        assert_ne!(first, second);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..12).collect::<Vec<_>>());
        // From the middle: the same.
        assert_eq!(Order::shuffled(7, 12, 4).batch(4), second[4..8]);
    }

    #[test]
    fn a_grouped_batch_stays_in_its_group() {
        let mut order =
            Order::Grouped { seed: 1, groups: vec![vec![0, 1, 2], vec![3, 4, 5]], batch: 2 };
        for step in 0..20 {
            let batch = order.batch(step);
            assert_eq!(batch.len(), 2);
            assert_eq!(batch[0] < 3, batch[1] < 3, "{batch:?}");
        }
    }
}
