//! The files that explain themselves, by path: what documentation is made of, so that it cannot drift from the code.

macro_rules! sources {
    ($($path:literal),* $(,)?) => { &[$(($path, include_str!($path))),*] };
}

/// The path and the source of every measure.
pub const MEASURES: &[(&str, &str)] = crate::measures::SOURCES;

/// The path and the source of every test, correction and effect size.
pub const SIGNIFICANCE: &[(&str, &str)] = sources![
    "significance/across.rs",
    "significance/bootstrap.rs",
    "significance/correction.rs",
    "significance/effect_size.rs",
    "significance/paired_t.rs",
    "significance/power.rs",
    "significance/randomisation.rs",
    "significance/tukey.rs",
    "significance/wilcoxon.rs",
];

/// The file that defines a measure, and its source: of `nDCG@10` as of `ndcg`. Nothing where there is no such measure.
pub fn measure(name: &str) -> Option<(&'static str, &'static str)> {
    let base = name.split(['@', '(']).next().unwrap_or_default();
    let found = crate::measures::DEFINED.iter().find(|(definition, ..)| {
        let mut names =
            std::iter::once(definition.name()).chain(definition.aliases().iter().copied());
        names.any(|known| known.eq_ignore_ascii_case(base))
    });
    found.map(|&(_, file, source)| (file, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_leads_to_its_file() {
        let file = |name: &str| measure(name).map(|(file, _)| file);
        assert_eq!(file("nDCG@10"), Some("measures/ndcg.rs"));
        assert_eq!(file("rr(rel=2)@10"), Some("measures/rr.rs"));
        assert_eq!(file("NumRet"), Some("measures/counts.rs"));
        assert_eq!(file("nDGC@10"), None);
    }
}
