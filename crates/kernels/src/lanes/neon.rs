//! NEON, which every aarch64 processor has: four floats in a register. Only inner products are written with its
//! instructions; a compiler makes them of the portable code of everything else.

#[allow(clippy::wildcard_imports, reason = "intrinsics say where they come from")]
use std::arch::aarch64::*;
use std::ops::Add;

use half::{bf16, f16};

use super::{BYTES, Register, Sixteen, padded};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Neon(float32x4_t);

impl Add for Neon {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: every aarch64 processor has NEON; so below.
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }
}

impl Register for Neon {
    const LANES: usize = 4;
    type Sums = Sixteen<Self, 4>;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: as above.
        Self(unsafe { vdupq_n_f32(value) })
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        let mut lanes = [0.0; 4];
        let count = from.len().min(4);
        lanes[..count].copy_from_slice(&from[..count]);
        let lanes = from.first_chunk().unwrap_or(&lanes);
        // SAFETY: as above; the array has the 4 floats that are read.
        Self(unsafe { vld1q_f32(lanes.as_ptr()) })
    }

    #[inline(always)]
    fn load_f16(from: &[f16]) -> Self {
        // The conversion of four at a time is not in stable Rust; `half` has it in assembly.
        Self::load(&from.first_chunk::<4>().expect("a register of numbers").map(f16::to_f32))
    }

    #[inline(always)]
    fn load_bf16(from: &[bf16]) -> Self {
        let from: &[bf16; 4] = from.first_chunk().expect("a register of numbers");
        // A bfloat16 is the upper half of an f32.
        // SAFETY: as above; the array has the 4 times 2 bytes that are read.
        Self(unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from.as_ptr().cast()))) })
    }

    #[inline(always)]
    fn load_i8(from: &[i8]) -> Self {
        Self::load(&from.first_chunk::<4>().expect("a register of numbers").map(f32::from))
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { vfmaq_f32(term.0, self.0, factor.0) })
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: as above.
        unsafe {
            let two = vadd_f32(vget_low_f32(self.0), vget_high_f32(self.0));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        }
    }
}

/// The inner products of bytes, exactly.
#[target_feature(enable = "neon")]
pub(crate) fn dots_i8<const R: usize>(query: &[i8], rows: [&[i8]; R]) -> [i32; R] {
    let mut sums = [vdupq_n_s32(0); R];
    let (chunks, rest) = query.as_chunks::<BYTES>();
    let row_chunks = rows.map(|row| &row.as_chunks::<BYTES>().0[..chunks.len()]);
    for (chunk, query) in chunks.iter().enumerate() {
        add_bytes(&mut sums, query, row_chunks.map(|of| &of[chunk]));
    }
    if !rest.is_empty() {
        let rows = rows.map(|row| padded(&row[query.len() - rest.len()..]));
        add_bytes(&mut sums, &padded(rest), rows.each_ref());
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
