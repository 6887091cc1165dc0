//! Half-precision floats from bytes.

use crate::lanes::{Job, Lanes};
use crate::simd::Simd;

impl Simd {
    /// Converts little-endian `f16` to `f32`, exactly.
    ///
    /// # Panics
    /// If `halves` does not have two bytes for each float.
    pub fn widen(self, halves: &[u8], into: &mut [f32]) {
        assert_eq!(halves.len(), 2 * into.len(), "two bytes for each float");
        self.run(Widen { halves, into });
    }
}

struct Widen<'a> {
    halves: &'a [u8],
    into: &'a mut [f32],
}

impl Job for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let mut whole = self.into.chunks_exact_mut(V::LANES);
        let halves = self.halves.chunks_exact(2 * V::LANES);
        let rest = halves.remainder();
        for (into, halves) in whole.by_ref().zip(halves) {
            V::load_f16_bytes(halves).store(into);
        }
        let mut last = [0; 32];
        last[..rest.len()].copy_from_slice(rest);
        V::load_f16_bytes(&last).store(whole.into_remainder());
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;

    #[test]
    fn every_set_widens_every_half_exactly() {
        let all: Vec<f16> =
            (0..=u16::MAX).map(f16::from_bits).filter(|half| !half.is_nan()).collect();
        let bytes: Vec<u8> = all.iter().flat_map(|half| half.to_le_bytes()).collect();
        for simd in Simd::all() {
            let mut floats = vec![0.0; all.len()];
            simd.widen(&bytes, &mut floats);
            assert!(
                floats.iter().zip(&all).all(|(float, half)| *float == half.to_f32()),
                "{}",
                simd.name()
            );
        }
    }
}
