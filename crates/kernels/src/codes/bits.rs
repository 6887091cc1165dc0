//! Codes of one bit for each component.

use crate::simd::{Level, Simd};

impl Simd {
    /// Writes `dim - 2 · distance` for a query and each row of a list, `distance` being the number of bits in which the
    /// two differ: the inner product of their signs.
    ///
    /// - `query`: `[words]`, 64 bits in each
    /// - `list`: `[rows, words]`, words of eight bytes, little-endian
    /// - `scores`: `[rows]`
    pub fn sign_products(self, query: &[u64], list: &[u8], dim: usize, scores: &mut [f32]) {
        match self.0 {
            Level::Scalar => plain(query, list, dim, scores),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Simd` of this level exists only where the processor has its instructions; all with AVX2 have
            // `popcnt`, and the others were asked for.
            Level::Avx512 if counts_words() => unsafe { counted_512(query, list, dim, scores) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx2 | Level::Avx512 => unsafe { counted(query, list, dim, scores) },
            #[cfg(target_arch = "aarch64")]
            Level::Neon => plain(query, list, dim, scores),
        }
    }
}

/// Whether bits are counted in eight words at once; the first processors with AVX-512 do not have that.
#[cfg(target_arch = "x86_64")]
fn counts_words() -> bool {
    is_x86_feature_detected!("avx512vpopcntdq")
}

#[inline(always)]
fn plain(query: &[u64], list: &[u8], dim: usize, scores: &mut [f32]) {
    for (score, code) in scores.iter_mut().zip(list.chunks_exact(8 * query.len())) {
        let words = code.as_chunks::<8>().0.iter().zip(query);
        let differ = words.map(|(&code, query)| (u64::from_le_bytes(code) ^ query).count_ones());
        *score = dim as f32 - 2.0 * differ.sum::<u32>() as f32;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt,avx2")]
fn counted(query: &[u64], list: &[u8], dim: usize, scores: &mut [f32]) {
    plain(query, list, dim, scores);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq,popcnt")]
fn counted_512(query: &[u64], list: &[u8], dim: usize, scores: &mut [f32]) {
    plain(query, list, dim, scores);
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_set_counts_the_same_bits(words in 1..5_usize, list in vec(any::<u64>(), 0..40)) {
            let query: Vec<u64> = (0..words as u64).map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
            let rows = list.len() / words;
            let bytes: Vec<u8> = list.iter().flat_map(|word| word.to_le_bytes()).collect();
            let distance = |row: &[u64]| row.iter().zip(&query).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
            let expected: Vec<f32> =
                list.chunks_exact(words).map(|row| 64.0 * words as f32 - 2.0 * distance(row) as f32).collect();
            for simd in Simd::all() {
                let mut scores = vec![0.0; rows];
                simd.sign_products(&query, &bytes, 64 * words, &mut scores);
                prop_assert_eq!(&scores, &expected, "{}", simd.name());
            }
        }
    }
}
