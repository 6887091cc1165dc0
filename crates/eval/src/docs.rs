//! The files that explain themselves, by path: what documentation is made of, so that it cannot drift from the code.

macro_rules! sources {
    ($($path:literal),* $(,)?) => { &[$(($path, include_str!($path))),*] };
}

/// One file for each measure.
pub const MEASURES: &[(&str, &str)] = crate::measures::SOURCES;

/// One file for each test, correction and effect size.
pub const SIGNIFICANCE: &[(&str, &str)] = sources![
    "significance/bootstrap.rs",
    "significance/correction.rs",
    "significance/effect_size.rs",
    "significance/paired_t.rs",
    "significance/randomisation.rs",
    "significance/tukey.rs",
    "significance/wilcoxon.rs",
];
