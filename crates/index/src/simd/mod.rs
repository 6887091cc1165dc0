//! Inner products, with the widest instructions that the processor has, and the same bits with any of them.
//!
//! The sum of many floats depends on their order, so the order is fixed here once for all processors. Component `i`
//! goes to running sum `i mod 16` by a fused multiply-add, components in rising order; the sixteen sums are then
//! halved four times.
//!
//! ```text
//! s_l      =  Σ a_i b_i   over i ≡ l (mod 16)                    0 ≤ l < 16, one rounding for each i
//! a · b    =  fold(fold(fold(fold(s))))      where fold(s)_l = s_l + s_(l + half the lanes)
//! ```
//!
//! Sixteen sums are one register of AVX-512, two of AVX2, four of NEON, and an array where there is none of them. A
//! single product would wait for its own additions; several products at a time do not, which is why all functions
//! here take blocks. Blocks share loads and never sums: a product does not depend on what it was computed with.
//!
//! The level is chosen once. `NIR_SIMD=scalar` (or `avx2`, `avx512`, `neon`) overrides it, if the processor has it.

#![expect(
    unsafe_code,
    reason = "the instructions of a level are unsafe where the level is not known"
)]
#![expect(
    clippy::inline_always,
    reason = "an instruction that is not inlined into a function of its level is a call for every sixteen components"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

use std::sync::OnceLock;

use half::{bf16, f16};

/// How many running sums a product of floats has, on every processor.
pub(crate) const LANES: usize = 16;
/// Components of `i8` that are taken at a time.
const BYTES: usize = 64;

/// A set of vector instructions that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simd(Level);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// From the narrowest to the widest.
const LEVELS: &[(&str, Level)] = &[
    ("scalar", Level::Scalar),
    #[cfg(target_arch = "x86_64")]
    ("avx2", Level::Avx2),
    #[cfg(target_arch = "x86_64")]
    ("avx512", Level::Avx512),
    #[cfg(target_arch = "aarch64")]
    ("neon", Level::Neon),
];

impl Level {
    fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::is_available(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true, // every aarch64 processor has it
        }
    }
}

/// Runs a kernel as compiled for a level.
macro_rules! dispatch {
    ($simd:expr, $kernel:ident $(::<$($generic:tt),*>)? ($($argument:expr),*)) => {
        match $simd.0 {
            Level::Scalar => scalar::$kernel$(::<$($generic),*>)?($($argument),*),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Simd` of this level exists only where the processor has its instructions.
            Level::Avx2 => unsafe { avx2::$kernel$(::<$($generic),*>)?($($argument),*) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512 => unsafe { avx512::$kernel$(::<$($generic),*>)?($($argument),*) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Level::Neon => unsafe { neon::$kernel$(::<$($generic),*>)?($($argument),*) },
        }
    };
}

impl Simd {
    /// The widest level there is, or the one that `NIR_SIMD` names.
    ///
    /// # Panics
    /// If `NIR_SIMD` names a level that this processor does not have: a program says so first, with [`Simd::check`].
    pub fn get() -> Self {
        static SIMD: OnceLock<Simd> = OnceLock::new();
        *SIMD.get_or_init(|| Self::chosen().unwrap_or_else(|problem| panic!("{problem}")))
    }

    /// What is wrong with `NIR_SIMD`, if something is.
    pub fn check() -> Result<(), String> {
        Self::chosen().map(drop)
    }

    fn chosen() -> Result<Self, String> {
        match std::env::var("NIR_SIMD") {
            Ok(name) => Self::named(&name).ok_or_else(|| {
                format!("NIR_SIMD is `{name}`: expected one of {}", Self::names().join(", "))
            }),
            Err(_) => Ok(*Self::all().last().expect("scalar is always there")),
        }
    }

    /// Every level of this processor, the narrowest first.
    pub fn all() -> Vec<Self> {
        let levels = LEVELS.iter().map(|&(_, level)| level);
        levels.filter(|level| level.is_available()).map(Self).collect()
    }

    /// The level of a name, if the processor has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|simd| simd.name() == name)
    }

    /// `scalar`, `avx2`, `avx512` or `neon`.
    pub fn name(self) -> &'static str {
        let named = LEVELS.iter().find(|(_, level)| *level == self.0);
        named.expect("every level has a name").0
    }

    fn names() -> Vec<&'static str> {
        Self::all().into_iter().map(Self::name).collect()
    }

    /// `query · row`.
    ///
    /// # Panics
    /// If they differ in length; so do all functions here.
    pub fn dot<E: Element>(self, query: &[f32], row: &[E]) -> f32 {
        self.dots(query, [row])[0]
    }

    /// `query · row` for each of `R` rows; four or more keep the processor busy.
    pub fn dots<E: Element, const R: usize>(self, query: &[f32], rows: [&[E]; R]) -> [f32; R] {
        dispatch!(self, dots::<E, 1, R>([query], rows))[0]
    }

    /// `scores[q][r] = query q · row r`.
    ///
    /// - `queries`: `[q, dim]`
    /// - `rows`: `[r, dim]`
    /// - `scores`: `[q, r]`, overwritten
    pub fn block(self, dim: usize, queries: &[f32], rows: &[f32], scores: &mut [f32]) {
        assert_eq!(scores.len() * dim * dim, queries.len() * rows.len(), "a score for each pair");
        if !scores.is_empty() && dim > 0 {
            dispatch!(self, block(dim, queries, rows, scores));
        }
    }

    /// The inner product of bytes, exact.
    pub fn dot_i8(self, query: &[i8], row: &[i8]) -> i32 {
        self.dots_i8(query, [row])[0]
    }

    /// The inner product of bytes with each of `R` rows.
    pub fn dots_i8<const R: usize>(self, query: &[i8], rows: [&[i8]; R]) -> [i32; R] {
        assert!(rows.iter().all(|row| row.len() == query.len()), "vectors have one length");
        dispatch!(self, dots_i8::<R>(query, rows))
    }

    /// Announces that a row is about to be read; costs little, and nothing where there is no such instruction.
    pub fn prefetch<T>(self, row: &[T]) {
        #[cfg(target_arch = "x86_64")]
        for line in (0..size_of_val(row)).step_by(64) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: part of SSE, which all of x86-64 has; and no address can be a wrong one.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(row.as_ptr().cast::<i8>().wrapping_add(line)) };
        }
    }
}

/// A number as a row stores it. Each is an `f32` exactly.
pub trait Element: Copy + Default + Into<f32> + private::Load {}

impl Element for f32 {}
impl Element for f16 {}
impl Element for bf16 {}
impl Element for i8 {}

mod private {
    use super::{LANES, Lanes, bf16, f16};

    /// How a level reads sixteen numbers of this kind.
    pub trait Load: Sized {
        /// # Safety
        /// The processor has the instructions of `L`.
        unsafe fn load<L: Lanes>(from: &[Self; LANES]) -> L;
    }

    macro_rules! load {
        ($($element:ty => $load:ident),*) => {$(
            impl Load for $element {
                #[inline(always)]
                unsafe fn load<L: Lanes>(from: &[Self; LANES]) -> L {
                    // SAFETY: the caller's.
                    unsafe { L::$load(from) }
                }
            }
        )*};
    }

    load!(f32 => from_f32, f16 => from_f16, bf16 => from_bf16, i8 => from_i8);
}

/// Sixteen running sums as a level holds them.
///
/// # Safety
/// All functions here may run only where the processor has the level's instructions.
#[doc(hidden)]
pub trait Lanes: Copy {
    unsafe fn zero() -> Self;
    unsafe fn from_f32(from: &[f32; LANES]) -> Self;
    unsafe fn from_f16(from: &[f16; LANES]) -> Self;
    unsafe fn from_bf16(from: &[bf16; LANES]) -> Self;
    unsafe fn from_i8(from: &[i8; LANES]) -> Self;
    /// `self + a · b`, rounded once.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    /// The sum of all, halved four times.
    unsafe fn sum(self) -> f32;
}

/// `queries[q] · rows[r]` for all pairs: what every level compiles for itself.
///
/// # Safety
/// The processor has the instructions of `L`.
#[inline(always)]
unsafe fn dots<L: Lanes, E: Element, const Q: usize, const R: usize>(
    queries: [&[f32]; Q],
    rows: [&[E]; R],
) -> [[f32; R]; Q] {
    let dim = queries[0].len();
    assert!(queries.iter().all(|query| query.len() == dim), "vectors have one length");
    assert!(rows.iter().all(|row| row.len() == dim), "vectors have one length");
    let query_chunks = queries.map(|query| &query.as_chunks::<LANES>().0[..dim / LANES]);
    let row_chunks = rows.map(|row| &row.as_chunks::<LANES>().0[..dim / LANES]);
    // SAFETY: the caller's, for every call of this function.
    unsafe {
        let mut sums = [[L::zero(); R]; Q];
        for chunk in 0..dim / LANES {
            let queries = query_chunks.map(|of| &of[chunk]);
            add_products(&mut sums, queries, row_chunks.map(|of| &of[chunk]));
        }
        if !dim.is_multiple_of(LANES) {
            let (queries, rows) = (queries.map(last_chunk), rows.map(last_chunk));
            add_products(&mut sums, queries.each_ref(), rows.each_ref());
        }
        let mut products = [[0.0; R]; Q];
        for (products, sums) in products.iter_mut().zip(sums) {
            for (product, sum) in products.iter_mut().zip(sums) {
                *product = sum.sum();
            }
        }
        products
    }
}

// An instruction in a closure would be compiled without its level: loops only.
#[inline(always)]
unsafe fn add_products<L: Lanes, E: Element, const Q: usize, const R: usize>(
    sums: &mut [[L; R]; Q],
    queries: [&[f32; LANES]; Q],
    rows: [&[E; LANES]; R],
) {
    // SAFETY: the caller's.
    unsafe {
        let mut row_lanes = [L::zero(); R];
        for (lanes, row) in row_lanes.iter_mut().zip(rows) {
            *lanes = E::load::<L>(row);
        }
        for (sums, query) in sums.iter_mut().zip(queries) {
            let query = L::from_f32(query);
            for (sum, row) in sums.iter_mut().zip(row_lanes) {
                *sum = sum.add_product(query, row);
            }
        }
    }
}

/// What is left of a vector behind its last whole chunk, and zeros.
fn last_chunk<E: Element>(vector: &[E]) -> [E; LANES] {
    padded(vector.as_chunks::<LANES>().1)
}

fn padded<E: Copy + Default, const N: usize>(rest: &[E]) -> [E; N] {
    let mut chunk = [E::default(); N];
    chunk[..rest.len()].copy_from_slice(rest);
    chunk
}

/// All scores of a block, in tiles of `Q` queries by `R` rows, and smaller ones at its edges.
///
/// # Safety
/// The processor has the instructions of `L`.
#[inline(always)]
unsafe fn block<L: Lanes, const Q: usize, const R: usize>(
    dim: usize,
    queries: &[f32],
    rows: &[f32],
    scores: &mut [f32],
) {
    let width = rows.len() / dim;
    for (queries, scores) in queries.chunks(Q * dim).zip(scores.chunks_mut(Q * width)) {
        // SAFETY: the caller's.
        unsafe {
            if queries.len() == Q * dim {
                strip::<L, Q, R>(dim, queries, rows, scores);
                continue;
            }
            for (query, scores) in queries.chunks(dim).zip(scores.chunks_mut(width)) {
                strip::<L, 1, R>(dim, query, rows, scores);
            }
        }
    }
}

/// The scores of exactly `Q` queries.
#[inline(always)]
unsafe fn strip<L: Lanes, const Q: usize, const R: usize>(
    dim: usize,
    queries: &[f32],
    rows: &[f32],
    scores: &mut [f32],
) {
    let width = rows.len() / dim;
    let queries: [&[f32]; Q] = std::array::from_fn(|q| &queries[q * dim..][..dim]);
    let whole = width - width % R;
    // SAFETY: the caller's.
    unsafe {
        for start in (0..whole).step_by(R) {
            let rows: [&[f32]; R] = std::array::from_fn(|r| &rows[(start + r) * dim..][..dim]);
            let tile = dots::<L, f32, Q, R>(queries, rows);
            for (q, tile) in tile.iter().enumerate() {
                scores[q * width + start..][..R].copy_from_slice(tile);
            }
        }
        for row in whole..width {
            let tile = dots::<L, f32, Q, 1>(queries, [&rows[row * dim..][..dim]]);
            for (q, tile) in tile.iter().enumerate() {
                scores[q * width + row] = tile[0];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The definition at the head of this file, in plain words.
    fn dot_by_definition(a: &[f32], b: &[f32]) -> f32 {
        let mut sums = [0.0_f32; 16];
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            sums[i % 16] = a.mul_add(*b, sums[i % 16]);
        }
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = sums;
        let eight = [a + i, b + j, c + k, d + l, e + m, f + n, g + o, h + p];
        let four: [f32; 4] = std::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }

    #[test]
    fn an_unknown_level_has_no_name() {
        assert_eq!(Simd::named("sse9"), None);
        assert_eq!(Simd::named("scalar").unwrap().name(), "scalar");
    }

    #[test]
    fn bytes_at_their_ends_do_not_overflow() {
        for simd in Simd::all() {
            for (a, b) in [(-128, -128), (-128, 127), (127, -128), (127, 127)] {
                let expected = 100 * i32::from(a) * i32::from(b);
                assert_eq!(simd.dot_i8(&[a; 100], &[b; 100]), expected, "{simd:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_level_gives_the_defined_bits(a in vec(-2.0_f32..2.0, 0..100), seed in 0..1000_u32) {
            let b: Vec<f32> = a.iter().map(|a| (a * 1000.0 + seed as f32).sin()).collect();
            let half: Vec<f16> = b.iter().copied().map(f16::from_f32).collect();
            let brain: Vec<bf16> = b.iter().copied().map(bf16::from_f32).collect();
            let bytes: Vec<i8> = b.iter().map(|b| (b * 127.0) as i8).collect();
            let back = |of: &dyn Fn(usize) -> f32| (0..a.len()).map(of).collect::<Vec<_>>();
            for simd in Simd::all() {
                prop_assert_eq!(simd.dot(&a, &b), dot_by_definition(&a, &b));
                prop_assert_eq!(simd.dot(&a, &half), dot_by_definition(&a, &back(&|i| half[i].to_f32())));
                prop_assert_eq!(simd.dot(&a, &brain), dot_by_definition(&a, &back(&|i| brain[i].to_f32())));
                prop_assert_eq!(simd.dot(&a, &bytes), dot_by_definition(&a, &back(&|i| f32::from(bytes[i]))));
            }
        }

        #[test]
        fn bytes_sum_exactly(a in vec(any::<i8>(), 0..200), shift in any::<i8>()) {
            let b: Vec<i8> = a.iter().map(|a| a.wrapping_mul(31).wrapping_add(shift)).collect();
            let expected: i32 = a.iter().zip(&b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
            for simd in Simd::all() {
                prop_assert_eq!(simd.dots_i8(&a, [&b, &a])[0], expected);
            }
        }

        #[test]
        fn a_score_does_not_depend_on_its_block(
            dim in 1..40_usize, queries in 1..9_usize, rows in 1..11_usize, seed in 0..1000_u32
        ) {
            let value = |i: usize| (i as f32 * 1.37 + seed as f32).sin();
            let a: Vec<f32> = (0..queries * dim).map(value).collect();
            let b: Vec<f32> = (0..rows * dim).map(|i| value(i + 7)).collect();
            for simd in Simd::all() {
                let mut scores = vec![f32::NAN; queries * rows];
                simd.block(dim, &a, &b, &mut scores);
                for (pair, score) in scores.iter().enumerate() {
                    let (query, row) = (&a[pair / rows * dim..][..dim], &b[pair % rows * dim..][..dim]);
                    prop_assert_eq!(*score, dot_by_definition(query, row));
                }
            }
        }
    }
}
