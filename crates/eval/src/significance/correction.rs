//! Corrections for making several comparisons at once.
//! Bonferroni 1936; Holm, Scandinavian Journal of Statistics 1979; for IR: Carterette, TOIS 2012.
//!
//! Twenty fair comparisons at 5 % find one difference that is none. Both methods hold the chance of any such finding
//! in the family below the level; Holm's never finds less than Bonferroni's.
//!
//! ```text
//! Bonferroni:  p'_i = min(1, m p_i)
//! Holm:        p'_(i) = max_{j ≤ i} min(1, (m - j + 1) p_(j)),  p_(1) ≤ … ≤ p_(m)
//! ```

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// How `p` values of one family are raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Correction {
    /// Step by step from the smallest.
    #[default]
    Holm,
    /// All by the size of the family.
    Bonferroni,
    /// Not at all.
    None,
}

impl Correction {
    /// The values of one family, corrected, in their order.
    pub fn correct(self, p: &[f64]) -> Vec<f64> {
        match self {
            Self::None => p.to_vec(),
            Self::Bonferroni => p.iter().map(|one| (one * p.len() as f64).min(1.0)).collect(),
            Self::Holm => holm(p),
        }
    }

    /// The level at which one comparison of a `family` is sure to count: what the smallest of its p-values has to be below.
    pub fn strictest(self, level: f64, family: usize) -> f64 {
        match self {
            Self::None => level,
            Self::Bonferroni | Self::Holm => level / family.max(1) as f64,
        }
    }
}

fn holm(p: &[f64]) -> Vec<f64> {
    let mut ascending: Vec<usize> = (0..p.len()).collect();
    ascending.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![0.0; p.len()];
    let mut largest = 0.0f64;
    for (done, i) in ascending.into_iter().enumerate() {
        largest = largest.max((p[i] * (p.len() - done) as f64).min(1.0));
        corrected[i] = largest;
    }
    corrected
}

const NAMES: [(Correction, &str); 3] = [
    (Correction::Holm, "holm"),
    (Correction::Bonferroni, "bonferroni"),
    (Correction::None, "none"),
];

impl Display for Correction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(correction, _)| correction == self).map_or("", |n| n.1))
    }
}

/// A text that names no correction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown correction `{name}`: expected one of holm, bonferroni, none")]
pub struct UnknownCorrection {
    /// The name as written.
    pub name: String,
}

impl FromStr for Correction {
    type Err = UnknownCorrection;

    fn from_str(name: &str) -> Result<Self, UnknownCorrection> {
        NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|&(correction, _)| correction)
            .ok_or_else(|| UnknownCorrection { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn matches_the_hand_computed_example() {
        // Sorted: .01 · 4, .02 · 3, .03 · 2 (raised to the .06 before it), .5 · 1
        let p = [0.03, 0.01, 0.5, 0.02];
        for (ours, expected) in Correction::Holm.correct(&p).iter().zip([0.06, 0.04, 0.5, 0.06]) {
            assert!((ours - expected).abs() < 1e-12);
        }
        assert_eq!(Correction::Bonferroni.correct(&p), [0.12, 0.04, 1.0, 0.08]);
        assert_eq!(Correction::None.correct(&p), p);
    }

    #[test]
    fn below_the_strictest_level_every_correction_finds() {
        // .05 / 4 = .0125, times 4 is .05 again.
        for correction in [Correction::Holm, Correction::Bonferroni, Correction::None] {
            let p = correction.strictest(0.05, 4) - 1e-9;
            assert!(correction.correct(&[p, 0.9, 0.8, 0.7])[0] < 0.05, "{correction}");
        }
        assert_eq!(Correction::Holm.strictest(0.05, 4), 0.0125);
    }

    proptest! {
        #[test]
        fn holm_never_finds_less_than_bonferroni(p in prop::collection::vec(0.0..1.0f64, 1..20)) {
            let holm = Correction::Holm.correct(&p);
            let bonferroni = Correction::Bonferroni.correct(&p);
            for i in 0..p.len() {
                prop_assert!(p[i] <= holm[i] && holm[i] <= bonferroni[i]);
            }
        }
    }
}
