//! Codes of four bits, sixteen values to a piece, looked up in registers.

use crate::simd::{Level, Simd};

/// Rows in a block.
pub const ROWS: usize = 32;

impl Simd {
    /// `Σ_j table[j][code_j]` for each row of a block. The caller sees to it that no sum is above 65,535.
    ///
    /// - `block`: for each pair of pieces 32 bytes, one for each row, the code of the even piece in the low half
    /// - `tables`: for each pair of pieces sixteen bytes for the even one and sixteen for the odd one; an even number of pairs,
    ///   as many as `block` has
    pub fn sums_by_table(self, block: &[[u8; ROWS]], tables: &[[u8; 32]]) -> [u16; ROWS] {
        match self.0 {
            Level::Scalar => plain(block, tables),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Simd` of this level exists only where the processor has its instructions.
            Level::Avx2 => unsafe { x86::sums_256(block, tables) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512 => unsafe { x86::sums_512(block, tables) },
            #[cfg(target_arch = "aarch64")]
            Level::Neon => plain(block, tables),
        }
    }
}

fn plain(block: &[[u8; ROWS]], tables: &[[u8; 32]]) -> [u16; ROWS] {
    let mut sums = [0; ROWS];
    for (codes, table) in block.iter().zip(tables) {
        for (sum, code) in sums.iter_mut().zip(codes) {
            let (even, odd) = (usize::from(code & 15), usize::from(code >> 4));
            *sum += u16::from(table[even]) + u16::from(table[16 + odd]);
        }
    }
    sums
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! Bytes are added as if they were 16-bit numbers: one sum of whole pairs, one of the upper bytes alone, and the
    //! lower bytes are what remains.

    #[allow(clippy::wildcard_imports, reason = "intrinsics say where they come from")]
    use std::arch::x86_64::*;

    use super::ROWS;

    #[target_feature(enable = "avx2")]
    pub(super) fn sums_256(block: &[[u8; ROWS]], tables: &[[u8; 32]]) -> [u16; ROWS] {
        let (mut both, mut upper) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        let low = _mm256_set1_epi8(15);
        for (codes, table) in block.iter().zip(tables) {
            // SAFETY: both are 32 bytes.
            let (codes, even, odd) = unsafe {
                let half = |at: usize| _mm_loadu_si128(table.as_ptr().add(at).cast());
                let twice = |at: usize| _mm256_broadcastsi128_si256(half(at));
                (_mm256_loadu_si256(codes.as_ptr().cast()), twice(0), twice(16))
            };
            let even = _mm256_shuffle_epi8(even, _mm256_and_si256(codes, low));
            let odd = _mm256_shuffle_epi8(odd, _mm256_and_si256(_mm256_srli_epi16(codes, 4), low));
            both = _mm256_add_epi16(both, _mm256_add_epi16(even, odd));
            let carried = _mm256_add_epi16(_mm256_srli_epi16(even, 8), _mm256_srli_epi16(odd, 8));
            upper = _mm256_add_epi16(upper, carried);
        }
        in_order(both, upper)
    }

    #[target_feature(enable = "avx512f,avx512bw,avx2")]
    pub(super) fn sums_512(block: &[[u8; ROWS]], tables: &[[u8; 32]]) -> [u16; ROWS] {
        let (mut both, mut upper) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        let low = _mm512_set1_epi8(15);
        let (codes, tables) = (block.as_chunks::<2>().0, tables.as_chunks::<2>().0);
        for (codes, table) in codes.iter().zip(tables) {
            // SAFETY: both are 64 bytes.
            let (codes, table) = unsafe {
                let load = |from: *const u8| _mm512_loadu_si512(from.cast());
                (load(codes.as_ptr().cast()), load(table.as_ptr().cast()))
            };
            // Two pairs: the tables of the first for rows 0..32 in the lower half, those of the second in the upper.
            let even = _mm512_shuffle_i64x2::<0b10_10_00_00>(table, table);
            let odd = _mm512_shuffle_i64x2::<0b11_11_01_01>(table, table);
            let even = _mm512_shuffle_epi8(even, _mm512_and_si512(codes, low));
            let odd =
                _mm512_shuffle_epi8(odd, _mm512_and_si512(_mm512_srli_epi16::<4>(codes), low));
            both = _mm512_add_epi16(both, _mm512_add_epi16(even, odd));
            let carried =
                _mm512_add_epi16(_mm512_srli_epi16::<8>(even), _mm512_srli_epi16::<8>(odd));
            upper = _mm512_add_epi16(upper, carried);
        }
        in_order(halves(both), halves(upper))
    }

    /// The sum of both halves.
    #[target_feature(enable = "avx512f,avx2")]
    fn halves(sums: __m512i) -> __m256i {
        _mm256_add_epi16(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums))
    }

    /// Upper bytes belong to odd rows, lower ones to even rows.
    #[target_feature(enable = "avx2")]
    fn in_order(both: __m256i, odd: __m256i) -> [u16; ROWS] {
        let even = _mm256_sub_epi16(both, _mm256_slli_epi16(odd, 8));
        let (front, back) = (_mm256_unpacklo_epi16(even, odd), _mm256_unpackhi_epi16(even, odd));
        let mut sums = [0_u16; ROWS];
        let (first, second) = sums.split_at_mut(16);
        // SAFETY: both are 32 bytes.
        unsafe {
            _mm256_storeu_si256(
                first.as_mut_ptr().cast(),
                _mm256_permute2x128_si256(front, back, 0x20),
            );
            _mm256_storeu_si256(
                second.as_mut_ptr().cast(),
                _mm256_permute2x128_si256(front, back, 0x31),
            );
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_set_finds_the_sums_of_plain_lines(
            pairs in 1..64_usize, bytes in vec(any::<u8>(), 4096),
        ) {
            let arrays = bytes.as_chunks::<32>().0;
            let (block, tables) = (&arrays[..2 * pairs.min(32)], &arrays[arrays.len() - 2 * pairs.min(32)..]);
            let expected = plain(block, tables);
            for simd in Simd::all() {
                prop_assert_eq!(simd.sums_by_table(block, tables), expected, "{}", simd.name());
            }
        }
    }

    #[test]
    fn the_largest_sum_fits() {
        // 256 pieces of at most 255
        let (block, tables) = ([[0; ROWS]; 128], [[255; 32]; 128]);
        for simd in Simd::all() {
            assert_eq!(simd.sums_by_table(&block, &tables), [255 * 256; ROWS]);
        }
    }
}
