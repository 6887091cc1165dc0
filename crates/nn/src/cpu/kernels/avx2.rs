//! Eight floats in a register: AVX2 and FMA.
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

use super::{Job, Lanes};

#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(__m256);

#[target_feature(enable = "avx2,fma")]
pub(super) fn run<J: Job>(job: J) -> J::Output {
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

impl Lanes for Avx2 {
    const LANES: usize = 8;
    const ROWS: usize = 4;
    const BYTE_OFFSET: i32 = 128;

    type Sums = __m256i;
    type Quad = __m256i;

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
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has FMA.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, term.0) })
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
    fn no_sums() -> Self::Sums {
        // SAFETY: only jobs under `run` reach this, and it has AVX2.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    fn quad(activations: [u8; 4]) -> Self::Quad {
        // SAFETY: only jobs under `run` reach this, and it has AVX2.
        unsafe { _mm256_set1_epi32(i32::from_le_bytes(activations)) }
    }

    #[inline(always)]
    fn dot(sums: Self::Sums, activations: Self::Quad, weights: &[[i8; 4]]) -> Self::Sums {
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
    fn to_floats(sums: Self::Sums) -> Self {
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
