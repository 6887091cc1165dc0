//! Which vector instructions the kernels use, found once for the whole program.

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use crate::lanes;
use crate::lanes::{Fused, Job, Lanes, Portable};

/// A set of vector instructions that this processor has.
///
/// `NIR_SIMD` in the environment (`scalar`, `avx2`, `avx512`, `neon`) makes the whole program use a narrower set than
/// the widest. All sets give the same bits, with one exception, which [`Simd::is_fused`] tells.
///
/// ```
/// use nir_kernels::Simd;
///
/// let widest = *Simd::all().last().unwrap();
/// assert_eq!(Simd::named("scalar").unwrap().dot(&[1.0, 2.0], &[3.0_f32, 4.0]), widest.dot(&[1.0, 2.0], &[3.0_f32, 4.0]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simd(pub(crate) Level);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// The names of all levels of this architecture, from the narrowest to the widest.
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
            Self::Avx2 => lanes::avx2::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => lanes::avx512::is_available(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true, // every aarch64 processor has it
        }
    }
}

impl Simd {
    /// The widest set that this processor has, or the one that `NIR_SIMD` names.
    ///
    /// # Panics
    /// If `NIR_SIMD` names a set that this processor does not have. A program that wants an error instead asks
    /// [`Simd::check`] first.
    pub fn get() -> Self {
        static SIMD: OnceLock<Simd> = OnceLock::new();
        *SIMD.get_or_init(|| Self::chosen().unwrap_or_else(|problem| panic!("{problem}")))
    }

    /// Checks the value of `NIR_SIMD`; the error lists the names that this processor takes.
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

    /// Every set that this processor has, the narrowest first.
    pub fn all() -> Vec<Self> {
        let levels = LEVELS.iter().map(|&(_, level)| level);
        levels.filter(|level| level.is_available()).map(Self).collect()
    }

    /// The set with this name, if the processor has it.
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

    /// Whether [`Simd::run`] rounds a multiply-add once. Only `scalar` on x86-64 does not: there a fused multiply-add
    /// would be a function call for every number. All sets that do give the same bits.
    pub fn is_fused(self) -> bool {
        cfg!(target_arch = "aarch64") || self.0 != Level::Scalar
    }

    /// Does `job` with these instructions.
    #[inline]
    pub fn run<J: Job>(self, job: J) -> J::Output {
        match self.0 {
            Level::Scalar => job.run::<Portable>(),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Simd` of this level exists only where the processor has its instructions.
            Level::Avx2 => unsafe { lanes::avx2::run(job) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512 => unsafe { lanes::avx512::run(job) },
            // A compiler makes NEON of the portable code.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => job.run::<Portable>(),
        }
    }

    /// Does `job` with these instructions and rounds every multiply-add once, on every processor.
    #[inline]
    pub(crate) fn run_fused<J: Job>(self, job: J) -> J::Output {
        match self.0 {
            Level::Scalar => job.run::<Fused>(),
            _ => self.run(job),
        }
    }

    /// How many floats a register has.
    pub fn lanes(self) -> usize {
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

    /// Asks for the cache lines of a row that is about to be read. It costs little, and nothing where there is no such
    /// instruction.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(unused_variables, reason = "there is no such instruction")
    )]
    pub fn prefetch<T>(self, row: &[T]) {
        #[cfg(target_arch = "x86_64")]
        for line in (0..size_of_val(row)).step_by(64) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: part of SSE, which all of x86-64 has; an address that is no valid one is not read.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(row.as_ptr().cast::<i8>().wrapping_add(line)) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_set() {
        assert_eq!(Simd::named("sse9"), None);
        for simd in Simd::all() {
            assert_eq!(Simd::named(simd.name()), Some(simd));
        }
        assert_eq!(Simd::all()[0].name(), "scalar");
    }
}
