//! Sixteen floats in a register: AVX-512 with VNNI for bytes, as Cascade Lake, Ice Lake and Zen 4 have it.
//!
//! `vpdpbusd` multiplies four unsigned bytes by four signed ones in every lane and adds all to an `i32`, without
//! saturation: four times the products of a float instruction.
//!
//! SAFETY of every intrinsic here: a [`Avx512`] is made and used only in jobs under [`run`], and
//! [`Simd`](super::Simd) calls `run` only on a processor that has the features. Pointers come from slices whose length
//! was compared with the lanes, or are masked to it.

#[allow(clippy::wildcard_imports)] // intrinsics: their names say where they come from
use std::arch::x86_64::*;
use std::ops::{Add, Mul, Sub};

use half::{bf16, f16};

use super::{BYTES, Job, Lanes, Register, Sixteen, padded};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512(__m512);

pub(crate) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && super::avx2::is_available()
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
pub(crate) fn run<J: Job>(job: J) -> J::Output {
    job.run::<Avx512>()
}

/// The first `count` of sixteen lanes.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    if count >= 16 { !0 } else { (1 << count) - 1 }
}

macro_rules! operator {
    ($trait:ident, $name:ident, $intrinsic:ident) => {
        impl $trait for Avx512 {
            type Output = Self;
            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                // SAFETY: a register of this kind exists only under `run`, which has the features.
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    };
}
operator!(Add, add, _mm512_add_ps);
operator!(Sub, sub, _mm512_sub_ps);
operator!(Mul, mul, _mm512_mul_ps);

impl Register for Avx512 {
    const LANES: usize = 16;
    type Sums = Sixteen<Self, 1>;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        let floats = from.as_ptr();
        Self(match from.len() {
            // SAFETY: only jobs under `run` reach this, and it has AVX-512 F; the slice has the 16 floats that are
            // read.
            16.. => unsafe { _mm512_loadu_ps(floats) },
            // SAFETY: only jobs under `run` reach this, and it has AVX-512 F; the mask leaves only the floats that the
            // slice has to be read.
            count => unsafe { _mm512_maskz_loadu_ps(first(count), floats) },
        })
    }

    #[inline(always)]
    fn load_f16(from: &[f16]) -> Self {
        let from: &[f16; 16] = from.first_chunk().expect("a register of numbers");
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F; the array has the 16 times 2 bytes that are
        // read.
        Self(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())) })
    }

    #[inline(always)]
    fn load_f16_bytes(from: &[u8]) -> Self {
        let from: &[u8; 32] = from.first_chunk().expect("a register of numbers");
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F; the array has the 32 bytes that are read.
        Self(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())) })
    }

    #[inline(always)]
    fn load_bf16(from: &[bf16]) -> Self {
        let from: &[bf16; 16] = from.first_chunk().expect("a register of numbers");
        // A bfloat16 is the upper half of an f32.
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F; the array has the 16 times 2 bytes that are
        // read.
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.as_ptr().cast()));
            Self(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide)))
        }
    }

    #[inline(always)]
    fn load_i8(from: &[i8]) -> Self {
        let from: &[i8; 16] = from.first_chunk().expect("a register of numbers");
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F; the array has the 16 bytes that are read.
        unsafe {
            let wide = _mm512_cvtepi8_epi32(_mm_loadu_si128(from.as_ptr().cast()));
            Self(_mm512_cvtepi32_ps(wide))
        }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, term.0) })
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F.
        unsafe { _mm512_reduce_add_ps(self.0) }
    }
}

impl Lanes for Avx512 {
    const ROWS: usize = 8;
    const BYTE_OFFSET: i32 = 0;

    type Integers = __m512i;
    type Quad = __m512i;

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        let floats = to.as_mut_ptr();
        match to.len() {
            // SAFETY: only jobs under `run` reach this, and it has AVX-512 F; the slice has room for the 16 floats that
            // are written.
            16.. => unsafe { _mm512_storeu_ps(floats, self.0) },
            // SAFETY: only jobs under `run` reach this, and it has AVX-512 F; the mask leaves only the floats that the
            // slice has to be written.
            count => unsafe { _mm512_mask_storeu_ps(floats, first(count), self.0) },
        }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F.
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn over(self, other: Self) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F.
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn bits_to_exponent(self) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F.
        Self(unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(self.0))) })
    }

    #[inline(always)]
    fn first_or(self, count: usize, other: Self) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F.
        Self(unsafe { _mm512_mask_mov_ps(other.0, first(count), self.0) })
    }

    #[inline(always)]
    fn prefetch<T>(address: *const T) {
        // SAFETY: part of SSE, which all of x86-64 has; an address that is no valid one is not read.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }

    #[inline(always)]
    fn no_sums() -> Self::Integers {
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    fn quad(activations: [u8; 4]) -> Self::Quad {
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F.
        unsafe { _mm512_set1_epi32(i32::from_le_bytes(activations)) }
    }

    #[inline(always)]
    fn dot(sums: Self::Integers, activations: Self::Quad, weights: &[[i8; 4]]) -> Self::Integers {
        assert!(weights.len() >= Self::LANES, "a register of weights");
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 VNNI; the assertion leaves 16 times 4 bytes to
        // read.
        unsafe {
            _mm512_dpbusd_epi32(sums, activations, _mm512_loadu_si512(weights.as_ptr().cast()))
        }
    }

    #[inline(always)]
    fn to_floats(sums: Self::Integers) -> Self {
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F.
        Self(unsafe { _mm512_cvtepi32_ps(sums) })
    }

    #[inline(always)]
    fn largest(self) -> f32 {
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F.
        unsafe { _mm512_reduce_max_ps(self.0) }
    }

    #[inline(always)]
    fn smallest(self) -> f32 {
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 F.
        unsafe { _mm512_reduce_min_ps(self.0) }
    }

    #[inline(always)]
    fn store_bytes(self, to: &mut [u8]) {
        // SAFETY: only jobs under `run` reach this, and it has AVX-512 BW; 16 bytes are written where the slice has
        // them, else the mask leaves those that it has.
        unsafe {
            let bytes = _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(self.0));
            match to.len() {
                16.. => _mm_storeu_si128(to.as_mut_ptr().cast(), bytes),
                count => {
                    let bytes = _mm512_castsi128_si512(bytes);
                    _mm512_mask_storeu_epi8(to.as_mut_ptr().cast(), first(count).into(), bytes);
                }
            }
        }
    }

    #[inline(always)]
    fn transpose(
        from: &[f32],
        stride: usize,
        (rows, columns): (usize, usize),
        to: &mut [f32],
        to_stride: usize,
    ) {
        for first in (0..columns).step_by(16) {
            let width = (columns - first).min(16);
            let mut block = [Self::splat(0.0); 16];
            for row in 0..16 {
                if row < rows {
                    block[row] = Self::load(&from[row * stride + first..][..width]);
                }
            }
            let block = transposed(block);
            for column in 0..16 {
                if column < width {
                    block[column].store(&mut to[(first + column) * to_stride..][..16]);
                }
            }
        }
    }
}

/// Pairs, pairs of pairs, and so on: 64 shuffles instead of 256 moves.
#[inline(always)]
fn transposed(rows: [Avx512; 16]) -> [Avx512; 16] {
    // SAFETY: a register of this kind exists only under `run`, which has AVX-512 F.
    unsafe {
        let mut quads = [_mm512_setzero_pd(); 16];
        for g in (0..16).step_by(4) {
            let [r0, r1, r2, r3] = [rows[g].0, rows[g + 1].0, rows[g + 2].0, rows[g + 3].0];
            let [a, b] = [_mm512_unpacklo_ps(r0, r1), _mm512_unpackhi_ps(r0, r1)];
            let [c, d] = [_mm512_unpacklo_ps(r2, r3), _mm512_unpackhi_ps(r2, r3)];
            let [a, b] = [_mm512_castps_pd(a), _mm512_castps_pd(b)];
            let [c, d] = [_mm512_castps_pd(c), _mm512_castps_pd(d)];
            quads[g] = _mm512_unpacklo_pd(a, c);
            quads[g + 1] = _mm512_unpackhi_pd(a, c);
            quads[g + 2] = _mm512_unpacklo_pd(b, d);
            quads[g + 3] = _mm512_unpackhi_pd(b, d);
        }
        // quads[g + c] now holds column 4 l + c of rows g to g + 3 in its quarter l.
        let mut columns = rows;
        for c in 0..4 {
            let even_low = _mm512_shuffle_f64x2::<0x88>(quads[c], quads[4 + c]);
            let even_high = _mm512_shuffle_f64x2::<0x88>(quads[8 + c], quads[12 + c]);
            let odd_low = _mm512_shuffle_f64x2::<0xdd>(quads[c], quads[4 + c]);
            let odd_high = _mm512_shuffle_f64x2::<0xdd>(quads[8 + c], quads[12 + c]);
            let column = |quarters| Avx512(_mm512_castpd_ps(quarters));
            columns[c] = column(_mm512_shuffle_f64x2::<0x88>(even_low, even_high));
            columns[4 + c] = column(_mm512_shuffle_f64x2::<0x88>(odd_low, odd_high));
            columns[8 + c] = column(_mm512_shuffle_f64x2::<0xdd>(even_low, even_high));
            columns[12 + c] = column(_mm512_shuffle_f64x2::<0xdd>(odd_low, odd_high));
        }
        columns
    }
}

/// The inner products of bytes, exactly.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
pub(crate) fn dots_i8<const R: usize>(query: &[i8], rows: [&[i8]; R]) -> [i32; R] {
    let mut sums = Sums { products: [_mm512_setzero_si512(); R], shift: _mm512_setzero_si512() };
    let (chunks, rest) = query.as_chunks::<BYTES>();
    let row_chunks = rows.map(|row| &row.as_chunks::<BYTES>().0[..chunks.len()]);
    for (chunk, query) in chunks.iter().enumerate() {
        sums.add(query, row_chunks.map(|of| &of[chunk]));
    }
    if !rest.is_empty() {
        let rows = rows.map(|row| padded(&row[query.len() - rest.len()..]));
        sums.add(&padded(rest), rows.each_ref());
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
