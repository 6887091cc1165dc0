//! AVX2 with FMA and F16C, as every x86-64 processor since Haswell and Excavator: sixteen sums are two registers.

#[allow(clippy::wildcard_imports, reason = "intrinsics say where they come from")]
use std::arch::x86_64::*;

use half::{bf16, f16};

use super::{BYTES, Element, LANES, Lanes};

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
}

#[derive(Clone, Copy)]
struct Avx2(__m256, __m256);

impl Lanes for Avx2 {
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's: the processor has AVX2.
        unsafe { Self(_mm256_setzero_ps(), _mm256_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn from_f32(from: &[f32; LANES]) -> Self {
        // SAFETY: the caller's; each half of the array has the 8 floats that are read.
        unsafe { Self(_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from[8..].as_ptr())) }
    }

    #[inline(always)]
    unsafe fn from_f16(from: &[f16; LANES]) -> Self {
        let (low, high) = (from.as_ptr(), from[8..].as_ptr());
        // SAFETY: the caller's, of F16C too; each half of the array has the 8 times 2 bytes that are read.
        unsafe {
            let low = _mm256_cvtph_ps(_mm_loadu_si128(low.cast()));
            Self(low, _mm256_cvtph_ps(_mm_loadu_si128(high.cast())))
        }
    }

    #[inline(always)]
    unsafe fn from_bf16(from: &[bf16; LANES]) -> Self {
        // A bfloat16 is the upper half of an f32.
        let (low, high) = (from.as_ptr(), from[8..].as_ptr());
        // SAFETY: the caller's; each half of the array has the 8 times 2 bytes that are read.
        unsafe {
            let low = _mm256_cvtepu16_epi32(_mm_loadu_si128(low.cast()));
            let high = _mm256_cvtepu16_epi32(_mm_loadu_si128(high.cast()));
            let (low, high) = (_mm256_slli_epi32::<16>(low), _mm256_slli_epi32::<16>(high));
            Self(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high))
        }
    }

    #[inline(always)]
    unsafe fn from_i8(from: &[i8; LANES]) -> Self {
        let (low, high) = (from.as_ptr(), from[8..].as_ptr());
        // SAFETY: the caller's; each half of the array has the 8 bytes that are read.
        unsafe {
            let low = _mm256_cvtepi8_epi32(_mm_loadl_epi64(low.cast()));
            let high = _mm256_cvtepi8_epi32(_mm_loadl_epi64(high.cast()));
            Self(_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high))
        }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        // SAFETY: the caller's: the processor has FMA.
        unsafe { Self(_mm256_fmadd_ps(a.0, b.0, self.0), _mm256_fmadd_ps(a.1, b.1, self.1)) }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: the caller's: the processor has AVX2.
        unsafe { sum_of_eight(_mm256_add_ps(self.0, self.1)) }
    }
}

/// The last three halvings.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub(super) unsafe fn sum_of_eight(eight: __m256) -> f32 {
    // SAFETY: the caller's.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn dots<E: Element, const Q: usize, const R: usize>(
    queries: [&[f32]; Q],
    rows: [&[E]; R],
) -> [[f32; R]; Q] {
    // SAFETY: this function has the level's instructions.
    unsafe { super::dots::<Avx2, E, Q, R>(queries, rows) }
}

/// 3 · 2 sums of two registers each, two rows and a query fit the 16 registers.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn block(dim: usize, queries: &[f32], rows: &[f32], scores: &mut [f32]) {
    // SAFETY: this function has the level's instructions.
    unsafe { super::block::<Avx2, 3, 2>(dim, queries, rows, scores) }
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn dots_i8<const R: usize>(query: &[i8], rows: [&[i8]; R]) -> [i32; R] {
    let mut sums = [_mm256_setzero_si256(); R];
    let (chunks, rest) = query.as_chunks::<BYTES>();
    let row_chunks = rows.map(|row| &row.as_chunks::<BYTES>().0[..chunks.len()]);
    for (chunk, query) in chunks.iter().enumerate() {
        add_bytes(&mut sums, query, row_chunks.map(|of| &of[chunk]));
    }
    if !rest.is_empty() {
        let rows = rows.map(|row| super::padded(&row[query.len() - rest.len()..]));
        add_bytes(&mut sums, &super::padded(rest), rows.each_ref());
    }
    sums.map(|sum| sum_integers(sum))
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_bytes<const R: usize>(
    sums: &mut [__m256i; R],
    query: &[i8; BYTES],
    rows: [&[i8; BYTES]; R],
) {
    for at in 0..BYTES / 16 {
        let query = load_sixteen(&query.as_chunks().0[at]);
        for (sum, row) in sums.iter_mut().zip(rows) {
            let pairs = _mm256_madd_epi16(query, load_sixteen(&row.as_chunks().0[at]));
            *sum = _mm256_add_epi32(*sum, pairs);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_sixteen(from: &[i8; 16]) -> __m256i {
    // SAFETY: the array has the 16 bytes that are read.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(from.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sum_integers(sum: __m256i) -> i32 {
    let four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
    let two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<1>(two)))
}
