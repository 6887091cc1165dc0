//! How attention knows where tokens stand to one another, where the embeddings do not say it or do not say it alone.
//!
//! | relation       | what it does to the score of query `i` and key `j`                                        |
//! |----------------|-------------------------------------------------------------------------------------------|
//! | `Buckets`      | adds a learned number for each head and each bucket of `j - i` (Raffel et al., JMLR 2020, §2.1) |
//! | `Alibi`        | takes off `slope · abs(j - i)`, a slope for each head (Press, Smith and Lewis, ICLR 2022, §3)   |
//! | `Rotary`       | turns both by angles that grow with their position (Su et al., 2021, eqs. 15 and 34)        |
//! | `Disentangled` | adds products of each with the other's embedding of `i - j` (He et al., ICLR 2021, eq. 4)   |

use std::ops::Range;

/// How the score of two tokens depends on their positions.
#[derive(Debug, Clone, PartialEq)]
pub enum Relation {
    /// It does not: only the embeddings depend on positions.
    None,
    /// A learned number for each head and bucket of distances is added; all blocks share one table.
    Buckets(Buckets),
    /// A penalty that grows with the distance is subtracted.
    Alibi,
    /// Queries and keys are rotated by angles that depend on their positions.
    Rotary(Frequencies),
    /// Products with embeddings of buckets of distances are added. All blocks share the embeddings; each block projects
    /// them with the layers of its queries and keys.
    Disentangled(Buckets),
}

/// How distances between tokens are grouped into the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    /// T5's buckets: half of the `count` rows for each direction. In each direction, the first half of the rows stand
    /// for one distance each; the others widen by a constant factor up to `furthest`, beyond which all distances share
    /// the last row.
    Halves {
        /// The number of rows of the table.
        count: usize,
        /// About the distance at which the last bucket begins.
        furthest: usize,
    },
    /// The buckets of T5's decoder, in which a token sees those before it only: `count` rows for the distances to them. The
    /// first half of the rows stand for one distance each; the others widen as above.
    Behind {
        /// The number of rows of the table.
        count: usize,
        /// About the distance at which the last bucket begins.
        furthest: usize,
    },
    /// DeBERTa's buckets: `2 span` rows, with distance 0 in the middle. On each side, the first half of the rows stand
    /// for one distance each; the others widen by a constant factor up to `furthest`. Without `furthest`, every row is
    /// one distance.
    Signed {
        /// The number of rows for each direction.
        span: usize,
        /// The distance of the last row; `None` if every row is one distance.
        furthest: Option<usize>,
    },
}

impl Buckets {
    /// The number of rows of the table.
    pub fn rows(self) -> usize {
        match self {
            Self::Halves { count, .. } | Self::Behind { count, .. } => count,
            Self::Signed { span, .. } => 2 * span,
        }
    }

    /// The row of a distance, which is the key's position minus the query's.
    pub fn row(self, distance: i64) -> usize {
        match self {
            Self::Halves { count, furthest } => {
                let side = if distance > 0 { count / 2 } else { 0 };
                side + halved(distance.unsigned_abs() as usize, count / 2, furthest)
            }
            Self::Behind { count, furthest } => {
                halved((-distance).max(0) as usize, count, furthest)
            }
            Self::Signed { span, furthest } => {
                let far = furthest.map_or(distance.abs(), |furthest| {
                    logarithmic(distance.abs(), span as i64 / 2, furthest as i64)
                });
                // DeBERTa counts from the query back to the key.
                let row = span as i64 - far * distance.signum();
                row.clamp(0, 2 * span as i64 - 1) as usize
            }
        }
    }
}

// In f32, as the reference does: where a logarithm falls on a whole number, it is the rounding that decides.

fn halved(distance: usize, count: usize, furthest: usize) -> usize {
    let exact = count / 2;
    if distance < exact {
        return distance;
    }
    let ratio = (distance as f32 / exact as f32).ln();
    let whole = (furthest as f64 / exact as f64).ln() as f32;
    let row = exact + (ratio / whole * (count - exact) as f32) as usize;
    row.min(count - 1)
}

fn logarithmic(distance: i64, middle: i64, furthest: i64) -> i64 {
    if distance <= middle {
        return distance;
    }
    let ratio = (distance as f32 / middle as f32).ln();
    let whole = ((furthest - 1) as f32 / middle as f32).ln();
    (ratio / whole * (middle - 1) as f32).ceil() as i64 + middle
}

/// The slope of each of ALiBi's heads: a geometric sequence that ends at `2^-8`. If the number of heads is no power of
/// two, the remaining heads take every other slope of the sequence for twice as many, as the authors' code does; the
/// paper covers powers of two only.
pub fn slopes(heads: usize) -> Vec<f32> {
    let sequence =
        |heads: usize| (1..=heads).map(move |head| (-8.0 * head as f64 / heads as f64).exp2());
    let power = match heads.is_power_of_two() {
        true => heads,
        false => heads.next_power_of_two() / 2,
    };
    let slopes = sequence(power).chain(sequence(2 * power).step_by(2)).take(heads);
    slopes.map(|slope| slope as f32).collect()
}

/// The angle, in radians, by which each pair of a head's values is rotated from one position to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Frequencies(Vec<f32>);

impl Frequencies {
    /// The frequencies `base^(-2 pair / width)` for all pairs of a head of `width` values.
    pub fn new(base: f64, width: usize) -> Self {
        Self::scaled(base, width, 1.0)
    }

    /// The frequencies for texts that are `factor` times as long as those in training: the base is multiplied by
    /// `factor`, and all frequencies are divided by `factor^(2 / width)`, so that the slowest one becomes `factor`
    /// times slower (GTE's `ntk`).
    pub fn scaled(base: f64, width: usize, factor: f64) -> Self {
        let share = |pair: usize| 2.0 * pair as f64 / width as f64;
        let frequency =
            |pair| ((base * factor).powf(-share(pair)) / factor.powf(2.0 / width as f64)) as f32;
        Self((0..width / 2).map(frequency).collect())
    }

    /// All frequencies divided by `factor`: positions are squeezed into those of training (Chen et al., 2023, arXiv:2306.15595).
    #[must_use]
    pub fn slower(self, factor: f64) -> Self {
        let slower = |frequency: f32| (f64::from(frequency) / factor) as f32;
        Self(self.0.into_iter().map(slower).collect())
    }

    /// The slow frequencies divided by `factor`, as LLaMA 3.1 does it.
    ///
    /// - `turns`: a pair that turns less often than the first of these within `trained` positions is slow, one that turns more
    ///   often than the second stays as it is, and between the two the factor fades in
    /// - `trained`: the positions of texts in training
    #[must_use]
    pub fn slower_where_slow(self, factor: f64, [low, high]: [f64; 2], trained: usize) -> Self {
        let scaled = |frequency: f32| {
            let frequency = f64::from(frequency);
            let turns = trained as f64 * frequency / std::f64::consts::TAU;
            let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
            ((1.0 - kept) * frequency / factor + kept * frequency) as f32
        };
        Self(self.0.into_iter().map(scaled).collect())
    }

    /// The cosines and the sines of the angles of some positions, each `[positions, width / 2]`. Angles are rounded to f32, as
    /// they were when the models were trained.
    pub fn turns(&self, positions: Range<usize>) -> [Vec<f32>; 2] {
        let angles =
            || positions.clone().flat_map(|at| self.0.iter().map(move |step| at as f32 * step));
        [angles().map(f32::cos).collect(), angles().map(f32::sin).collect()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first distance of each row beyond those with one distance each.
    fn firsts(row: impl Fn(i64) -> usize, last: i64) -> Vec<i64> {
        (1..=last).filter(|&distance| row(distance) != row(distance - 1)).collect()
    }

    /// As `MPNetEncoder.relative_position_bucket` and T5 have it.
    #[test]
    fn half_of_the_buckets_are_single_distances_and_the_others_grow() {
        let buckets = Buckets::Halves { count: 32, furthest: 128 };
        let expected = [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91];
        assert_eq!(firsts(|d| buckets.row(-d), 600), expected);
        assert_eq!(firsts(|d| buckets.row(d), 600), expected);
        // 8 + ln(50 / 8) / ln(128 / 8) · 8 = 13.29, and 16 more for a key behind the query
        assert_eq!([buckets.row(-50), buckets.row(50), buckets.row(0)], [13, 29, 0]);
        assert_eq!([buckets.row(-5000), buckets.row(5000)], [15, 31]);
    }

    /// `_relative_position_bucket(-torch.arange(200), bidirectional=False, num_buckets=32, max_distance=128)`.
    #[test]
    fn buckets_behind_take_all_rows_for_one_direction() {
        let buckets = Buckets::Behind { count: 32, furthest: 128 };
        let singles: Vec<i64> = (1..=16).collect();
        let wider = [19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113];
        assert_eq!(firsts(|d| buckets.row(-d), 600), [&singles[..], &wider].concat());
        // 16 + ln(50 / 16) / ln(128 / 16) · 16 = 24.77
        assert_eq!([buckets.row(-50), buckets.row(0), buckets.row(-5000)], [24, 0, 31]);
    }

    #[test]
    fn signed_buckets_have_the_query_in_the_middle() {
        let buckets = Buckets::Signed { span: 4, furthest: None };
        assert_eq!([-5, -4, -1, 0, 1, 3, 9].map(|d| buckets.row(d)), [7, 7, 5, 4, 3, 1, 0]);
        let buckets = Buckets::Signed { span: 256, furthest: Some(512) };
        // ceil(ln(200 / 128) / ln(511 / 128) · 127) + 128 = ceil(40.94) + 128
        assert_eq!([buckets.row(-200), buckets.row(200)], [256 + 169, 256 - 169]);
        assert_eq!([buckets.row(-128), buckets.row(-511), buckets.row(511)], [384, 511, 1]);
    }

    /// `make_log_bucket_position(torch.arange(512), 256, 512)` of transformers, folded: a logarithm rounded to the other side
    /// of a whole number would show.
    #[test]
    fn every_logarithmic_bucket_is_the_reference_s() {
        let buckets = Buckets::Signed { span: 256, furthest: Some(512) };
        let rows = (0..512).map(|distance| 256 - buckets.row(distance) as u32);
        let folded = rows.fold(0_u32, |sum, row| sum.wrapping_mul(31).wrapping_add(row));
        assert_eq!(folded, 3_046_751_805);
    }

    #[test]
    fn slopes_are_a_geometric_sequence() {
        assert_eq!(slopes(4), [0.25, 0.0625, 0.015_625, 0.003_906_25]);
        // Of eight, every second: 2^-1, 2^-3
        assert_eq!(slopes(6), [0.25, 0.0625, 0.015_625, 0.003_906_25, 0.5, 0.125]);
    }

    #[test]
    fn the_first_pair_turns_by_one_radian_and_the_last_nearly_not() {
        let [cosines, sines] = Frequencies::new(10_000.0, 4).turns(0..2);
        assert_eq!([&cosines[..2], &sines[..2]], [[1.0, 1.0], [0.0, 0.0]]);
        assert_eq!(cosines[2..], [1f32.cos(), 0.01f32.cos()]);
        assert_eq!(sines[2..], [1f32.sin(), 0.01f32.sin()]);
    }

    /// (10,000 · 2)^(-1/2) / 2^(2/4) = 0.005: half of 0.01.
    #[test]
    fn scaled_frequencies_slow_the_slowest_by_the_factor() {
        let Frequencies(scaled) = Frequencies::scaled(10_000.0, 4, 2.0);
        assert!((scaled[1] - 0.005).abs() < 1e-9, "{scaled:?}");
    }

    /// Pairs that turn 16 times, 2 times and .5 times within 100 positions: the first is fast, the last slow, the other between.
    #[test]
    fn only_slow_frequencies_become_slower() {
        let per_position = |turns: f64| (turns * std::f64::consts::TAU / 100.0) as f32;
        let plain = Frequencies([16.0, 2.0, 0.5].map(per_position).to_vec());
        let Frequencies(scaled) = plain.slower_where_slow(8.0, [1.0, 4.0], 100);
        // (2 - 1) / (4 - 1) is kept of the second: 2/3 · 2/8 + 1/3 · 2 = 5/6 turns
        for (found, turns) in scaled.iter().zip([16.0, 5.0 / 6.0, 0.0625]) {
            assert!((found - per_position(turns)).abs() < 1e-7, "{found} is not {turns} turns");
        }
    }
}
