//! NEON, as every aarch64 processor: sixteen sums are four registers.

#[allow(clippy::wildcard_imports, reason = "intrinsics say where they come from")]
use std::arch::aarch64::*;

use half::{bf16, f16};

use super::{BYTES, Element, LANES, Lanes};

#[derive(Clone, Copy)]
struct Neon([float32x4_t; 4]);

impl Lanes for Neon {
    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: every aarch64 processor has NEON.
        Self([unsafe { vdupq_n_f32(0.0) }; 4])
    }

    #[inline(always)]
    unsafe fn from_f32(from: &[f32; LANES]) -> Self {
        // SAFETY: every aarch64 processor has NEON; the part of the array has the 4 floats that are read.
        Self(std::array::from_fn(|four| unsafe { vld1q_f32(from[4 * four..][..4].as_ptr()) }))
    }

    #[inline(always)]
    unsafe fn from_f16(from: &[f16; LANES]) -> Self {
        // The conversion of four at a time is not in stable Rust; `half` has it in assembly.
        // SAFETY: the caller's: the processor has NEON.
        unsafe { Self::from_f32(&from.map(f16::to_f32)) }
    }

    #[inline(always)]
    unsafe fn from_bf16(from: &[bf16; LANES]) -> Self {
        // A bfloat16 is the upper half of an f32.
        // SAFETY: every aarch64 processor has NEON; the part of the array has the 4 times 2 bytes that are read.
        Self(std::array::from_fn(|four| unsafe {
            vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(
                from[4 * four..][..4].as_ptr().cast(),
            )))
        }))
    }

    #[inline(always)]
    unsafe fn from_i8(from: &[i8; LANES]) -> Self {
        // SAFETY: the caller's: the processor has NEON.
        unsafe { Self::from_f32(&from.map(f32::from)) }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        // SAFETY: every aarch64 processor has NEON.
        Self(std::array::from_fn(|four| unsafe { vfmaq_f32(self.0[four], a.0[four], b.0[four]) }))
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let [a, b, c, d] = self.0;
        // SAFETY: every aarch64 processor has NEON.
        unsafe {
            let four = vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d));
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        }
    }
}

#[target_feature(enable = "neon")]
pub(super) fn dots<E: Element, const Q: usize, const R: usize>(
    queries: [&[f32]; Q],
    rows: [&[E]; R],
) -> [[f32; R]; Q] {
    // SAFETY: this function has the level's instructions.
    unsafe { super::dots::<Neon, E, Q, R>(queries, rows) }
}

/// 3 · 2 sums of four registers each, and a row or two, fit the 32 registers.
#[target_feature(enable = "neon")]
pub(super) fn block(dim: usize, queries: &[f32], rows: &[f32], scores: &mut [f32]) {
    // SAFETY: this function has the level's instructions.
    unsafe { super::block::<Neon, 3, 2>(dim, queries, rows, scores) }
}

#[target_feature(enable = "neon")]
pub(super) fn dots_i8<const R: usize>(query: &[i8], rows: [&[i8]; R]) -> [i32; R] {
    let mut sums = [vdupq_n_s32(0); R];
    let (chunks, rest) = query.as_chunks::<BYTES>();
    let row_chunks = rows.map(|row| &row.as_chunks::<BYTES>().0[..chunks.len()]);
    for (chunk, query) in chunks.iter().enumerate() {
        add_bytes(&mut sums, query, row_chunks.map(|of| &of[chunk]));
    }
    if !rest.is_empty() {
        let rows = rows.map(|row| super::padded(&row[query.len() - rest.len()..]));
        add_bytes(&mut sums, &super::padded(rest), rows.each_ref());
    }
    sums.map(|sum| vaddvq_s32(sum))
}

#[inline]
#[target_feature(enable = "neon")]
fn add_bytes<const R: usize>(
    sums: &mut [int32x4_t; R],
    query: &[i8; BYTES],
    rows: [&[i8; BYTES]; R],
) {
    for at in 0..BYTES / 8 {
        let query = load_eight(&query.as_chunks().0[at]);
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = vpadalq_s16(*sum, vmull_s8(query, load_eight(&row.as_chunks().0[at])));
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn load_eight(from: &[i8; 8]) -> int8x8_t {
    // SAFETY: the array has the 8 bytes that are read.
    unsafe { vld1_s8(from.as_ptr()) }
}
