//! Which vector instructions the kernels of this crate's codes and token matrices use.

use std::sync::OnceLock;

use crate::simd::Simd;

/// A set of instructions, all of which the processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Whatever every processor has.
    Plain,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 with F, BW and VPOPCNTDQ, and AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// The widest there is, and none wider than [`Simd::get`] allows.
    pub(crate) fn get() -> Self {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| Self::widest(Simd::get().name()))
    }

    #[cfg(target_arch = "x86_64")]
    fn widest(allowed: &str) -> Self {
        *Self::all().iter().rfind(|level| level.names().contains(&allowed)).unwrap_or(&Self::Plain)
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn widest(_: &str) -> Self {
        Self::Plain
    }

    /// The levels of [`Simd`] that allow this one.
    #[cfg(target_arch = "x86_64")]
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &["scalar", "avx2", "avx512"],
            Self::Avx2 => &["avx2", "avx512"],
            Self::Avx512 => &["avx512"],
        }
    }

    /// Every level of this processor, the narrowest first.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn all() -> Vec<Self> {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vpopcntdq");
        let levels = [(Self::Plain, true), (Self::Avx2, avx2), (Self::Avx512, avx2 && avx512)];
        levels.into_iter().filter(|&(_, there)| there).map(|(level, _)| level).collect()
    }

    /// Every level of this processor.
    #[cfg(all(test, not(target_arch = "x86_64")))]
    pub(crate) fn all() -> Vec<Self> {
        vec![Self::Plain]
    }
}
