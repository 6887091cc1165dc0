//! Registers of floats: one type for each instruction set, with the same operations.
//!
//! A kernel is written once, over [`Lanes`], and compiled for each instruction set inside a function that enables it
//! ([`Simd::run`](crate::Simd::run)). What differs between processors is a file of one-line wrappers.
//!
//! The bits are the same with AVX2, AVX-512 and NEON: outputs are summed input by input, rows by [`total`], and every
//! multiply-add is fused. [`Portable`] code on x86-64 alone rounds twice where the others round once; [`Fused`] is the
//! same code with a fused multiply-add, which is slow there.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod portable;

use std::ops::{Add, Mul, Sub};

use half::{bf16, f16};

pub(crate) use portable::{Fused, Portable};

/// Work that is compiled once for each instruction set.
///
/// `run` and all it calls must be `#[inline(always)]`: a function that stays apart is compiled without the wide
/// instructions and passes its registers through memory.
pub trait Job {
    /// The result of the work.
    type Output;
    /// Does the work with registers of this kind.
    fn run<V: Lanes>(self) -> Self::Output;
}

/// Running sums of a row: one register of AVX-512, two of AVX2, four of NEON.
pub(crate) const SUMS: usize = 16;
/// Signed bytes that an inner product of bytes takes at a time.
const BYTES: usize = 64;

/// `rest`, and zeros up to `N` numbers.
#[inline(always)]
pub(crate) fn padded<E: Copy + Default, const N: usize>(rest: &[E]) -> [E; N] {
    let mut chunk = [E::default(); N];
    chunk[..rest.len()].copy_from_slice(rest);
    chunk
}

/// The sum over a row that comes in parts of a register, in one order on every processor: number `i` goes to running sum
/// `i mod 16`, and the sixteen sums are then halved four times. `add` adds a part to the register of its sums.
#[inline(always)]
pub fn total<V: Lanes, T>(
    mut parts: impl Iterator<Item = T>,
    mut add: impl FnMut(V, T) -> V,
) -> f32 {
    let mut sums = [V::splat(0.0); SUMS / 4];
    'parts: loop {
        for sum in &mut sums[..SUMS / V::LANES] {
            let Some(part) = parts.next() else { break 'parts };
            *sum = add(*sum, part);
        }
    }
    halved(&mut sums[..SUMS / V::LANES])
}

/// The sum of all lanes of a power of two of registers: halves, then halves of halves.
#[inline(always)]
fn halved<V: Register>(sums: &mut [V]) -> f32 {
    let mut width = sums.len();
    while width > 1 {
        width /= 2;
        for i in 0..width {
            sums[i] = sums[i] + sums[i + width];
        }
    }
    sums[0].sum()
}

/// A number as a row stores it. Each of them is an `f32` exactly.
pub trait Element: Copy + Default + Into<f32> + sealed::Sealed {
    /// Loads as many numbers as a register has lanes.
    #[doc(hidden)]
    fn load<V: Register>(from: &[Self]) -> V;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! elements {
    ($($element:ty => $load:ident),*) => {$(
        impl sealed::Sealed for $element {}

        impl Element for $element {
            #[inline(always)]
            fn load<V: Register>(from: &[Self]) -> V {
                V::$load(from)
            }
        }
    )*};
}

elements!(f32 => load, f16 => load_f16, bf16 => load_bf16, i8 => load_i8);

/// The operations on a register of floats that an inner product needs.
pub trait Register: Copy + Add<Output = Self> {
    /// Floats in a register.
    const LANES: usize;
    /// The sixteen running sums of an inner product, in as many registers as they take.
    type Sums: RunningSums;

    /// `value` in every lane.
    fn splat(value: f32) -> Self;
    /// The first floats of a slice, and zeros if it is shorter than a register.
    fn load(from: &[f32]) -> Self;
    /// Loads as many half-precision floats as a register has lanes; each is converted exactly.
    fn load_f16(from: &[f16]) -> Self;
    /// Loads half-precision floats like [`Register::load_f16`], from little-endian bytes.
    #[inline(always)]
    fn load_f16_bytes(from: &[u8]) -> Self {
        let mut halves = [f16::ZERO; SUMS];
        for (half, bytes) in halves[..Self::LANES].iter_mut().zip(from.as_chunks::<2>().0) {
            *half = f16::from_le_bytes(*bytes);
        }
        Self::load_f16(&halves[..Self::LANES])
    }

    /// Loads as many brain floats as a register has lanes; each is converted exactly.
    fn load_bf16(from: &[bf16]) -> Self;
    /// Loads as many signed bytes as a register has lanes; each is converted exactly.
    fn load_i8(from: &[i8]) -> Self;
    /// `self · factor + term`.
    #[must_use]
    fn mul_add(self, factor: Self, term: Self) -> Self;
    /// The sum of the lanes: halves, then halves of halves. To sum a row, use [`total`].
    fn sum(self) -> f32;
}

/// Sixteen running sums: number `i` of a row goes to sum `i mod 16`.
pub trait RunningSums: Copy {
    /// All zero.
    fn zero() -> Self;
    /// Sixteen stored numbers as floats.
    fn load<E: Element>(from: &[E; SUMS]) -> Self;
    /// `self + a · b`, lane by lane.
    fn add_product(self, a: Self, b: Self) -> Self;
    /// The sum of all, halved four times.
    fn sum(self) -> f32;
}

/// [`RunningSums`] in `N` registers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sixteen<V, const N: usize>([V; N]);

// Loops, not closures: an instruction in a closure that is not inlined would be compiled without its level.
impl<V: Register, const N: usize> RunningSums for Sixteen<V, N> {
    #[inline(always)]
    fn zero() -> Self {
        Self([V::splat(0.0); N])
    }

    #[inline(always)]
    fn load<E: Element>(from: &[E; SUMS]) -> Self {
        let mut registers = [V::splat(0.0); N];
        for (n, register) in registers.iter_mut().enumerate() {
            *register = E::load(&from[n * V::LANES..][..V::LANES]);
        }
        Self(registers)
    }

    #[inline(always)]
    fn add_product(self, a: Self, b: Self) -> Self {
        let mut sums = self.0;
        for (n, sum) in sums.iter_mut().enumerate() {
            *sum = a.0[n].mul_add(b.0[n], *sum);
        }
        Self(sums)
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let mut sums = self.0;
        halved(&mut sums)
    }
}

/// A register of floats with all operations that the layers of a network need.
pub trait Lanes: Register + Sub<Output = Self> + Mul<Output = Self> {
    /// Rows of a tile of a product: as many as leave its sums in registers.
    const ROWS: usize;
    /// The number that is subtracted from a quantised activation before it is stored in a byte.
    const BYTE_OFFSET: i32;

    /// A register of `i32` sums.
    type Integers: Copy;
    /// Four activations, repeated in every lane.
    type Quad: Copy;

    /// Writes as many floats as `to` has room for.
    fn store(self, to: &mut [f32]);
    /// The larger number of each lane.
    #[must_use]
    fn max(self, other: Self) -> Self;
    /// The smaller number of each lane.
    #[must_use]
    fn min(self, other: Self) -> Self;
    /// `self / other`.
    #[must_use]
    fn over(self, other: Self) -> Self;
    /// The bits moved 23 places up: the lowest become an exponent.
    #[must_use]
    fn bits_to_exponent(self) -> Self;
    /// The first `count` lanes of `self`, then those of `other`.
    #[must_use]
    fn first_or(self, count: usize, other: Self) -> Self;

    /// Asks for the cache line at an address, which need not be a valid one.
    #[inline(always)]
    fn prefetch<T>(_: *const T) {}

    /// Sums that are zero.
    fn no_sums() -> Self::Integers;
    /// Four activations as [`Lanes::dot`] takes them.
    fn quad(activations: [u8; 4]) -> Self::Quad;
    /// Adds to each lane the product of four activations and its own four weights.
    fn dot(sums: Self::Integers, activations: Self::Quad, weights: &[[i8; 4]]) -> Self::Integers;
    /// The sums as floats.
    fn to_floats(sums: Self::Integers) -> Self;
    /// Rounds values of 0 to 255, subtracts [`Self::BYTE_OFFSET`] and writes as many bytes as `to` has room for.
    fn store_bytes(self, to: &mut [u8]);

    /// The largest of the lanes.
    #[inline(always)]
    fn largest(self) -> f32 {
        self.fold(f32::max)
    }

    /// The smallest of the lanes.
    #[inline(always)]
    fn smallest(self) -> f32 {
        self.fold(f32::min)
    }

    /// Combines the lanes: halves, then halves of halves.
    #[inline(always)]
    fn fold(self, combine: impl Fn(f32, f32) -> f32) -> f32 {
        let mut lanes = [0.0; 16];
        self.store(&mut lanes[..Self::LANES]);
        let mut width = Self::LANES;
        while width > 1 {
            width /= 2;
            for lane in 0..width {
                lanes[lane] = combine(lanes[lane], lanes[lane + width]);
            }
        }
        lanes[0]
    }

    /// Writes `rows` rows (at most a register's lanes) of `from`, `stride` apart, as columns of `to`, `to_stride`
    /// apart: `to[d * to_stride + row] = from[row * stride + d]` for the first `columns` values `d`.
    #[inline(always)]
    fn transpose(
        from: &[f32],
        stride: usize,
        (rows, columns): (usize, usize),
        to: &mut [f32],
        to_stride: usize,
    ) {
        for row in 0..rows {
            for (d, &value) in from[row * stride..][..columns].iter().enumerate() {
                to[d * to_stride + row] = value;
            }
        }
    }
}
