//! AVX-512 as Ice Lake and Zen 4 have it: sixteen sums are one register.

#[allow(clippy::wildcard_imports, reason = "intrinsics say where they come from")]
use std::arch::x86_64::*;

use half::{bf16, f16};

use super::{BYTES, Element, LANES, Lanes};

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && super::avx2::is_available()
}

#[derive(Clone, Copy)]
struct Avx512(__m512);

impl Lanes for Avx512 {
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's: the processor has AVX-512 F.
        Self(unsafe { _mm512_setzero_ps() })
    }

    #[inline(always)]
    unsafe fn from_f32(from: &[f32; LANES]) -> Self {
        // SAFETY: the caller's; the array has the 16 floats that are read.
        Self(unsafe { _mm512_loadu_ps(from.as_ptr()) })
    }

    #[inline(always)]
    unsafe fn from_f16(from: &[f16; LANES]) -> Self {
        // SAFETY: the caller's; the array has the 16 times 2 bytes that are read.
        Self(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())) })
    }

    #[inline(always)]
    unsafe fn from_bf16(from: &[bf16; LANES]) -> Self {
        // A bfloat16 is the upper half of an f32.
        // SAFETY: the caller's; the array has the 16 times 2 bytes that are read.
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.as_ptr().cast()));
            Self(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide)))
        }
    }

    #[inline(always)]
    unsafe fn from_i8(from: &[i8; LANES]) -> Self {
        // SAFETY: the caller's; the array has the 16 bytes that are read.
        unsafe {
            let wide = _mm512_cvtepi8_epi32(_mm_loadu_si128(from.as_ptr().cast()));
            Self(_mm512_cvtepi32_ps(wide))
        }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        // SAFETY: the caller's: the processor has AVX-512 F.
        Self(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: the caller's: the processor has AVX-512 DQ, and AVX2 with it.
        unsafe {
            let (low, high) = (_mm512_castps512_ps256(self.0), _mm512_extractf32x8_ps::<1>(self.0));
            super::avx2::sum_of_eight(_mm256_add_ps(low, high))
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
pub(super) fn dots<E: Element, const Q: usize, const R: usize>(
    queries: [&[f32]; Q],
    rows: [&[E]; R],
) -> [[f32; R]; Q] {
    // SAFETY: this function has the level's instructions.
    unsafe { super::dots::<Avx512, E, Q, R>(queries, rows) }
}

/// 6 · 4 sums, four rows and a query fit the 32 registers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
pub(super) fn block(dim: usize, queries: &[f32], rows: &[f32], scores: &mut [f32]) {
    // SAFETY: this function has the level's instructions.
    unsafe { super::block::<Avx512, 6, 4>(dim, queries, rows, scores) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
pub(super) fn dots_i8<const R: usize>(query: &[i8], rows: [&[i8]; R]) -> [i32; R] {
    let mut sums = Sums { products: [_mm512_setzero_si512(); R], shift: _mm512_setzero_si512() };
    let (chunks, rest) = query.as_chunks::<BYTES>();
    let row_chunks = rows.map(|row| &row.as_chunks::<BYTES>().0[..chunks.len()]);
    for (chunk, query) in chunks.iter().enumerate() {
        sums.add(query, row_chunks.map(|of| &of[chunk]));
    }
    if !rest.is_empty() {
        let rows = rows.map(|row| super::padded(&row[query.len() - rest.len()..]));
        sums.add(&super::padded(rest), rows.each_ref());
    }
    sums.products.map(|sum| _mm512_reduce_add_epi32(_mm512_sub_epi32(sum, sums.shift)))
}

/// The instruction multiplies unsigned by signed bytes, so rows are shifted by 128, and `Σ 128 q` is taken off again.
struct Sums<const R: usize> {
    products: [__m512i; R],
    shift: __m512i,
}

impl<const R: usize> Sums<R> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
    fn add(&mut self, query: &[i8; BYTES], rows: [&[i8; BYTES]; R]) {
        let (query, shift) = (load_bytes(query), _mm512_set1_epi8(-128));
        self.shift = _mm512_dpbusd_epi32(self.shift, shift, query);
        for (sum, row) in self.products.iter_mut().zip(rows) {
            *sum = _mm512_dpbusd_epi32(*sum, _mm512_xor_si512(load_bytes(row), shift), query);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
fn load_bytes(from: &[i8; BYTES]) -> __m512i {
    // SAFETY: the array has the 64 bytes that are read.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}
