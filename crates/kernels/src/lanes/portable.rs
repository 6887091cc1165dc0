//! Four floats in an array: what a compiler turns into SSE2 or NEON by itself, and plain code elsewhere.

use std::ops::{Add, Mul, Sub};

use half::{bf16, f16};

use super::{Lanes, Register, Sixteen};

/// A register whose multiply-adds round twice on x86-64, or once if `FUSED`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain<const FUSED: bool>([f32; WIDTH]);

/// The fast one: a multiply-add is fused only where that is one instruction.
pub(crate) type Portable = Plain<false>;
/// The one with the bits of every other instruction set.
pub(crate) type Fused = Plain<true>;

const WIDTH: usize = 4;

impl<const FUSED: bool> Plain<FUSED> {
    #[inline(always)]
    fn zip(self, other: Self, combine: impl Fn(f32, f32) -> f32) -> Self {
        // A loop, not `array::from_fn`: that is a call wherever the compiler has inlined enough already.
        let mut lanes = self.0;
        for (lane, other) in lanes.iter_mut().zip(other.0) {
            *lane = combine(*lane, other);
        }
        Self(lanes)
    }
}

impl<const FUSED: bool> Add for Plain<FUSED> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl<const FUSED: bool> Sub for Plain<FUSED> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl<const FUSED: bool> Mul for Plain<FUSED> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}

impl<const FUSED: bool> Register for Plain<FUSED> {
    const LANES: usize = WIDTH;
    type Sums = Sixteen<Self, 4>;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; WIDTH])
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        let mut lanes = [0.0; WIDTH];
        let count = from.len().min(WIDTH);
        lanes[..count].copy_from_slice(&from[..count]);
        Self(from.first_chunk().copied().unwrap_or(lanes))
    }

    #[inline(always)]
    fn load_f16(from: &[f16]) -> Self {
        Self(from.first_chunk().expect("a register of numbers").map(f16::to_f32))
    }

    #[inline(always)]
    fn load_bf16(from: &[bf16]) -> Self {
        Self(from.first_chunk().expect("a register of numbers").map(bf16::to_f32))
    }

    #[inline(always)]
    fn load_i8(from: &[i8]) -> Self {
        Self(from.first_chunk().expect("a register of numbers").map(f32::from))
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        // Fused where that is one instruction; elsewhere it would be a call.
        if FUSED || cfg!(target_arch = "aarch64") {
            let mut lanes = term.0;
            for (lane, (a, b)) in lanes.iter_mut().zip(self.0.into_iter().zip(factor.0)) {
                *lane = a.mul_add(b, *lane);
            }
            Self(lanes)
        } else {
            self * factor + term
        }
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let [a, b, c, d] = self.0;
        (a + c) + (b + d)
    }
}

impl<const FUSED: bool> Lanes for Plain<FUSED> {
    const ROWS: usize = 4;
    const BYTE_OFFSET: i32 = 0;

    type Integers = [i32; WIDTH];
    type Quad = [i32; 4];

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        match to.first_chunk_mut() {
            Some(lanes) => *lanes = self.0,
            None => to.copy_from_slice(&self.0[..to.len()]),
        }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn over(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    fn bits_to_exponent(self) -> Self {
        self.zip(self, |lane, _| f32::from_bits(lane.to_bits() << 23))
    }

    #[inline(always)]
    fn first_or(self, count: usize, other: Self) -> Self {
        let mut lanes = other.0;
        lanes[..count.min(WIDTH)].copy_from_slice(&self.0[..count.min(WIDTH)]);
        Self(lanes)
    }

    #[inline(always)]
    fn no_sums() -> Self::Integers {
        [0; WIDTH]
    }

    #[inline(always)]
    fn quad(activations: [u8; 4]) -> Self::Quad {
        let [a, b, c, d] = activations;
        [a.into(), b.into(), c.into(), d.into()]
    }

    #[inline(always)]
    fn dot(sums: Self::Integers, activations: Self::Quad, weights: &[[i8; 4]]) -> Self::Integers {
        let mut sums = sums;
        for (sum, quad) in sums.iter_mut().zip(&weights[..WIDTH]) {
            for (activation, &weight) in activations.iter().zip(quad) {
                *sum += activation * i32::from(weight);
            }
        }
        sums
    }

    #[inline(always)]
    fn to_floats(sums: Self::Integers) -> Self {
        let [a, b, c, d] = sums;
        Self([a as f32, b as f32, c as f32, d as f32])
    }

    #[inline(always)]
    fn store_bytes(self, to: &mut [u8]) {
        for (byte, value) in to.iter_mut().zip(self.0) {
            *byte = value.round_ties_even() as u8;
        }
    }
}

/// The inner products of bytes, exactly.
pub(crate) fn dots_i8<const R: usize>(query: &[i8], rows: [&[i8]; R]) -> [i32; R] {
    let dot = |row: &[i8]| query.iter().zip(row).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
    rows.map(dot)
}
