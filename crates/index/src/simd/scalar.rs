//! Without vector instructions: the definition itself, sixteen sums in an array.

use half::{bf16, f16};

use super::{Element, LANES, Lanes};

#[derive(Clone, Copy)]
struct Scalar([f32; LANES]);

impl Lanes for Scalar {
    unsafe fn zero() -> Self {
        Self([0.0; LANES])
    }

    unsafe fn from_f32(from: &[f32; LANES]) -> Self {
        Self(*from)
    }

    unsafe fn from_f16(from: &[f16; LANES]) -> Self {
        Self(from.map(f16::to_f32))
    }

    unsafe fn from_bf16(from: &[bf16; LANES]) -> Self {
        Self(from.map(bf16::to_f32))
    }

    unsafe fn from_i8(from: &[i8; LANES]) -> Self {
        Self(from.map(f32::from))
    }

    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|lane| a.0[lane].mul_add(b.0[lane], self.0[lane])))
    }

    unsafe fn sum(self) -> f32 {
        let eight: [f32; 8] = std::array::from_fn(|lane| self.0[lane] + self.0[lane + 8]);
        let four: [f32; 4] = std::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }
}

pub(super) fn dots<E: Element, const Q: usize, const R: usize>(
    queries: [&[f32]; Q],
    rows: [&[E]; R],
) -> [[f32; R]; Q] {
    // SAFETY: no instruction that a processor might lack.
    unsafe { super::dots::<Scalar, E, Q, R>(queries, rows) }
}

pub(super) fn block(dim: usize, queries: &[f32], rows: &[f32], scores: &mut [f32]) {
    // SAFETY: no instruction that a processor might lack.
    unsafe { super::block::<Scalar, 1, 1>(dim, queries, rows, scores) }
}

pub(super) fn dots_i8<const R: usize>(query: &[i8], rows: [&[i8]; R]) -> [i32; R] {
    let dot = |row: &[i8]| query.iter().zip(row).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
    rows.map(dot)
}
