//! Registers of floats, and which kind this processor has.
//!
//! Every kernel of [`crate::cpu`] is written once, over [`Lanes`], and compiled for each instruction set inside a
//! function that enables it. What differs between processors is a file of one-line wrappers.
//!
//! The bits are the same with AVX2, AVX-512 and NEON: outputs are summed input by input, rows by [`total`], and every
//! multiply-add is fused. Portable code on x86-64 alone rounds twice where the others round once.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use std::ops::{Add, Mul, Sub};
use std::sync::OnceLock;

use portable::Portable;

/// Registers in a row of a tile: three leave room for eight rows of sums among the 32 registers of AVX-512.
pub(super) const ACROSS: usize = 3;

/// Names of instruction sets, the narrower first. NEON has no kernels of its own here: a compiler makes them of the
/// portable ones.
const LEVELS: [&str; 4] = ["scalar", "neon", "avx2", "avx512"];

/// The instructions that kernels use. A value exists only where the processor has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simd(Level);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Simd {
    /// The widest instructions of this processor, and none wider than `NIR_SIMD` allows (`scalar`, `avx2`, `avx512`,
    /// `neon`), which the kernels of search structures read too.
    ///
    /// # Panics
    /// If `NIR_SIMD` is none of these.
    pub fn detect() -> Self {
        static SIMD: OnceLock<Simd> = OnceLock::new();
        *SIMD.get_or_init(|| match std::env::var("NIR_SIMD") {
            Ok(name) => Self::widest(&name).unwrap_or_else(|| {
                panic!("NIR_SIMD is `{name}`: expected one of {}", LEVELS.join(", "))
            }),
            Err(_) => *Self::available().last().expect("portable code runs everywhere"),
        })
    }

    /// The widest instructions of this processor that are no wider than those of a name; `None` for an unknown name.
    pub fn widest(name: &str) -> Option<Self> {
        let most = LEVELS.iter().position(|level| *level == name)?;
        let rank = |simd: &Self| LEVELS.iter().position(|level| *level == simd.name());
        Self::available().into_iter().rfind(|simd| rank(simd).is_some_and(|rank| rank <= most))
    }

    /// Everything that this processor can run, the slowest first.
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Self(Level::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                levels.push(Self(Level::Avx2));
            }
            let has_avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vnni");
            if has_avx512 {
                levels.push(Self(Level::Avx512));
            }
        }
        levels
    }

    /// Whether a multiply-add is rounded once, as all of these do but portable code on x86-64: all that are give the same
    /// bits.
    pub fn is_fused(self) -> bool {
        cfg!(target_arch = "aarch64") || self.0 != Level::Portable
    }

    /// `scalar`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "scalar",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
        }
    }

    /// Does `job` with these instructions.
    #[inline]
    pub(super) fn run<J: Job>(self, job: J) -> J::Output {
        match self.0 {
            Level::Portable => job.run::<Portable>(),
            // SAFETY: `available` is the only constructor of these levels, and it has asked the processor.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2::run(job) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512::run(job) },
        }
    }

    /// Floats in a register.
    pub(super) fn lanes(self) -> usize {
        struct Width;
        impl Job for Width {
            type Output = usize;
            #[inline(always)]
            fn run<V: Lanes>(self) -> usize {
                V::LANES
            }
        }
        self.run(Width)
    }
}

/// Work that is compiled once for each instruction set.
///
/// `run` and all it calls must be `#[inline(always)]`: a function that stays apart is compiled without the wide
/// instructions and passes its registers through memory.
pub(super) trait Job {
    type Output;
    fn run<V: Lanes>(self) -> Self::Output;
}

/// Running sums of a row: one register of AVX-512, two of AVX2, four of NEON.
const SUMS: usize = 16;

/// The sum over a row that comes in parts of a register, in one order on every processor: number `i` goes to running sum
/// `i mod 16`, and the sixteen sums are then halved four times. `add` adds a part to the register of its sums.
#[inline(always)]
pub(super) fn total<V: Lanes, T>(
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
    let mut width = SUMS / V::LANES;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            sums[i] = sums[i] + sums[i + width];
        }
    }
    sums[0].sum()
}

/// A register of floats.
pub(super) trait Lanes:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
    /// Floats in a register.
    const LANES: usize;
    /// Rows of a tile, as many as leave its sums in registers.
    const ROWS: usize;
    /// What is taken off a quantised activation before it is stored in a byte.
    const BYTE_OFFSET: i32;

    /// A register of `i32` sums.
    type Sums: Copy;
    /// Four activations, in every lane.
    type Quad: Copy;

    fn splat(value: f32) -> Self;
    /// The first floats of a slice, zero where it is too short.
    fn load(from: &[f32]) -> Self;
    /// Writes as many floats as `to` has room for.
    fn store(self, to: &mut [f32]);
    /// `self * factor + term`.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    fn max(self, other: Self) -> Self;
    fn min(self, other: Self) -> Self;
    /// `self / other`.
    fn over(self, other: Self) -> Self;
    /// The bits moved 23 places up: the lowest become an exponent.
    fn bits_to_exponent(self) -> Self;
    /// The first `count` lanes of `self`, then those of `other`.
    fn first_or(self, count: usize, other: Self) -> Self;

    /// Asks for the cache line at an address, which need not be a valid one.
    #[inline(always)]
    fn prefetch<T>(_: *const T) {}

    fn no_sums() -> Self::Sums;
    fn quad(activations: [u8; 4]) -> Self::Quad;
    /// Adds to each lane the product of four activations and its own four weights.
    fn dot(sums: Self::Sums, activations: Self::Quad, weights: &[[i8; 4]]) -> Self::Sums;
    fn to_floats(sums: Self::Sums) -> Self;
    /// Rounds values of 0 to 255, takes [`Self::BYTE_OFFSET`] off and writes as many bytes as `to` has room for.
    fn store_bytes(self, to: &mut [u8]);

    /// The sum of the lanes: halves, then halves of halves. Of a row, take [`total`].
    #[inline(always)]
    fn sum(self) -> f32 {
        self.fold(|a, b| a + b)
    }

    #[inline(always)]
    fn largest(self) -> f32 {
        self.fold(f32::max)
    }

    #[inline(always)]
    fn smallest(self) -> f32 {
        self.fold(f32::min)
    }

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
