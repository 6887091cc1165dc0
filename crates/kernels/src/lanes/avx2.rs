//! Eight floats in a register: AVX2 with FMA and F16C, as every x86-64 processor has since Haswell and Excavator.
//!
//! `vpmaddubsw` adds two products of an unsigned and a signed byte into sixteen bits, and saturates. Activations are
//! therefore kept signed, and the sign is moved over to the weight: `a w = |a| (sign(a) w)`. With `|a| ≤ 128` and
//! `|w| ≤ 127` two products are at most 32,512, which fits.
//!
//! SAFETY of every intrinsic here: a [`Avx2`] is made and used only in jobs under [`run`], and [`Simd`](super::Simd)
//! calls `run` only on a processor that has the features. Pointers come from slices whose length was compared with the
//! lanes.

#[allow(clippy::wildcard_imports)] // intrinsics: their names say where they come from
use std::arch::x86_64::*;
use std::ops::{Add, Mul, Sub};

use half::{bf16, f16};

use super::{BYTES, Job, Lanes, Register, Sixteen, padded};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(__m256);

pub(crate) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn run<J: Job>(job: J) -> J::Output {
    job.run::<Avx2>()
}

macro_rules! operator {
    ($trait:ident, $name:ident, $intrinsic:ident) => {
        impl $trait for Avx2 {
            type Output = Self;
            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                // SAFETY: a register of this kind exists only under `run`, which has the features.
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    };
}
operator!(Add, add, _mm256_add_ps);
operator!(Sub, sub, _mm256_sub_ps);
operator!(Mul, mul, _mm256_mul_ps);

impl Register for Avx2 {
    const LANES: usize = 8;
    type Sums = Sixteen<Self, 2>;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX2.
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        let mut lanes = [0.0; 8];
        let floats = match from.len() {
            8.. => from.as_ptr(),
            count => {
                lanes[..count].copy_from_slice(from);
                lanes.as_ptr()
            }
        };
        // SAFETY: only jobs under `run` reach this, and it has AVX2; `floats` is a slice of 8 floats or more, or the
        // array.
        Self(unsafe { _mm256_loadu_ps(floats) })
    }

    #[inline(always)]
    fn load_f16(from: &[f16]) -> Self {
        let from: &[f16; 8] = from.first_chunk().expect("a register of numbers");
        // SAFETY: only jobs under `run` reach this, and it has F16C; the array has the 8 times 2 bytes that are read.
        Self(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast())) })
    }

    #[inline(always)]
    fn load_f16_bytes(from: &[u8]) -> Self {
        let from: &[u8; 16] = from.first_chunk().expect("a register of numbers");
        // SAFETY: only jobs under `run` reach this, and it has F16C; the array has the 16 bytes that are read.
        Self(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast())) })
    }

    #[inline(always)]
    fn load_bf16(from: &[bf16]) -> Self {
        let from: &[bf16; 8] = from.first_chunk().expect("a register of numbers");
        // A bfloat16 is the upper half of an f32.
        // SAFETY: only jobs under `run` reach this, and it has AVX2; the array has the 8 times 2 bytes that are read.
        unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.as_ptr().cast()));
            Self(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide)))
        }
    }

    #[inline(always)]
    fn load_i8(from: &[i8]) -> Self {
        let from: &[i8; 8] = from.first_chunk().expect("a register of numbers");
        // SAFETY: only jobs under `run` reach this, and it has AVX2; the array has the 8 bytes that are read.
        unsafe {
            let wide = _mm256_cvtepi8_epi32(_mm_loadl_epi64(from.as_ptr().cast()));
            Self(_mm256_cvtepi32_ps(wide))
        }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has FMA.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, term.0) })
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: only jobs under `run` reach this, and it has AVX2.
        unsafe {
            let eight = self.0;
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
}

impl Lanes for Avx2 {
    const ROWS: usize = 4;
    const BYTE_OFFSET: i32 = 128;

    type Integers = __m256i;
    type Quad = __m256i;

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        if to.len() >= Self::LANES {
            // SAFETY: only jobs under `run` reach this, and it has AVX2; the slice has room for the 8 floats that are
            // written.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr(), self.0) }
        } else {
            let mut lanes = [0.0; 8];
            // SAFETY: only jobs under `run` reach this, and it has AVX2; the array has room for the 8 floats that are
            // written.
            unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), self.0) }
            to.copy_from_slice(&lanes[..to.len()]);
        }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX2.
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX2.
        Self(unsafe { _mm256_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn over(self, other: Self) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX2.
        Self(unsafe { _mm256_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn bits_to_exponent(self) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX2.
        Self(unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(self.0))) })
    }

    #[inline(always)]
    fn first_or(self, count: usize, other: Self) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX2.
        unsafe {
            let lanes = _mm256_setr_ps(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0);
            let kept = _mm256_cmp_ps::<_CMP_LT_OQ>(lanes, _mm256_set1_ps(count as f32));
            Self(_mm256_blendv_ps(other.0, self.0, kept))
        }
    }

    #[inline(always)]
    fn prefetch<T>(address: *const T) {
        // SAFETY: part of SSE, which all of x86-64 has; an address that is no valid one is not read.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }

    #[inline(always)]
    fn no_sums() -> Self::Integers {
        // SAFETY: only jobs under `run` reach this, and it has AVX2.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    fn quad(activations: [u8; 4]) -> Self::Quad {
        // SAFETY: only jobs under `run` reach this, and it has AVX2.
        unsafe { _mm256_set1_epi32(i32::from_le_bytes(activations)) }
    }

    #[inline(always)]
    fn dot(sums: Self::Integers, activations: Self::Quad, weights: &[[i8; 4]]) -> Self::Integers {
        assert!(weights.len() >= Self::LANES, "a register of weights");
        // SAFETY: only jobs under `run` reach this, and it has AVX2; the assertion leaves 8 times 4 bytes to read.
        unsafe {
            let weights = _mm256_loadu_si256(weights.as_ptr().cast());
            let signed = _mm256_sign_epi8(weights, activations);
            let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(activations), signed);
            _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }

    #[inline(always)]
    fn to_floats(sums: Self::Integers) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX2.
        Self(unsafe { _mm256_cvtepi32_ps(sums) })
    }

    #[inline(always)]
    fn store_bytes(self, to: &mut [u8]) {
        let mut integers = [0_i32; 8];
        // SAFETY: only jobs under `run` reach this, and it has AVX2; the array has room for the 8 integers that are
        // written.
        unsafe { _mm256_storeu_si256(integers.as_mut_ptr().cast(), _mm256_cvtps_epi32(self.0)) }
        for (byte, integer) in to.iter_mut().zip(integers) {
            *byte = (integer - Self::BYTE_OFFSET) as u8;
        }
    }
}

/// The inner products of bytes, exactly.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn dots_i8<const R: usize>(query: &[i8], rows: [&[i8]; R]) -> [i32; R] {
    let mut sums = [_mm256_setzero_si256(); R];
    let (chunks, rest) = query.as_chunks::<BYTES>();
    let row_chunks = rows.map(|row| &row.as_chunks::<BYTES>().0[..chunks.len()]);
    for (chunk, query) in chunks.iter().enumerate() {
        add_bytes(&mut sums, query, row_chunks.map(|of| &of[chunk]));
    }
    if !rest.is_empty() {
        let rows = rows.map(|row| padded(&row[query.len() - rest.len()..]));
        add_bytes(&mut sums, &padded(rest), rows.each_ref());
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
