//! The files that explain themselves, by path: what documentation is made of, so that it cannot drift from the code.

macro_rules! sources {
    ($($path:literal),* $(,)?) => { &[$(($path, include_str!($path))),*] };
}

/// One file for each measure.
pub const MEASURES: &[(&str, &str)] = sources![
    "measures/ap.rs",
    "measures/bpref.rs",
    "measures/compat.rs",
    "measures/counts.rs",
    "measures/err.rs",
    "measures/gmap.rs",
    "measures/iprec.rs",
    "measures/judged.rs",
    "measures/ndcg.rs",
    "measures/precision.rs",
    "measures/rbp.rs",
    "measures/recall.rs",
    "measures/rprec.rs",
    "measures/rr.rs",
    "measures/success.rs",
];

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
