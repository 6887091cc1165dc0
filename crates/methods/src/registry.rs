//! Which algorithms there are: one line each.

use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::{
    Algorithm, Recipe, Shape, cross_encoder, dense, efficient, feedback, hybrid, late, lexical,
    run_file, sparse, weighting,
};

/// Every algorithm that a config can `use`, by family.
pub const ALGORITHMS: &[Entry] = &[
    Entry::of::<lexical::bm25::Config>("lexical", include_str!("lexical/bm25.rs")),
    Entry::of::<lexical::tantivy_bm25::Config>("lexical", include_str!("lexical/tantivy_bm25.rs")),
    Entry::of::<feedback::rm3::Config>("feedback", include_str!("feedback/rm3.rs")),
    Entry::of::<feedback::rocchio::Config>("feedback", include_str!("feedback/rocchio.rs")),
    Entry::of::<dense::bi_encoder::Config>("dense", include_str!("dense/bi_encoder.rs")),
    Entry::of::<sparse::splade::Config>("sparse", include_str!("sparse/splade.rs")),
    Entry::of::<weighting::unicoil::Config>("weighting", include_str!("weighting/unicoil.rs")),
    Entry::of::<weighting::deepct::Config>("weighting", include_str!("weighting/deepct.rs")),
    Entry::of::<weighting::deepimpact::Config>(
        "weighting",
        include_str!("weighting/deepimpact.rs"),
    ),
    Entry::of::<weighting::coil::Config>("weighting", include_str!("weighting/coil.rs")),
    Entry::of::<late::colbert::Config>("late", include_str!("late/colbert.rs")),
    Entry::of::<late::colbert::MaxSim>("late", include_str!("late/colbert.rs")),
    Entry::of::<cross_encoder::pointwise::Config>(
        "cross_encoder",
        include_str!("cross_encoder/pointwise.rs"),
    ),
    Entry::of::<cross_encoder::representation::Config>(
        "cross_encoder",
        include_str!("cross_encoder/representation.rs"),
    ),
    Entry::of::<efficient::tilde::Config>("efficient", include_str!("efficient/tilde.rs")),
    Entry::of::<hybrid::rrf::Config>("hybrid", include_str!("hybrid/rrf.rs")),
    Entry::of::<hybrid::linear::Config>("hybrid", include_str!("hybrid/linear.rs")),
    Entry::of::<hybrid::comb_sum::Config>("hybrid", include_str!("hybrid/comb_sum.rs")),
    Entry::of::<hybrid::comb_mnz::Config>("hybrid", include_str!("hybrid/comb_mnz.rs")),
    Entry::of::<run_file::Config>("", include_str!("run_file.rs")),
];

/// Reads the parameters of a stage.
type Parse = fn(Spanned<DeValue<'_>>) -> Result<Box<dyn Recipe>, toml::de::Error>;

/// One algorithm.
#[derive(Debug)]
pub struct Entry {
    /// Its name in `use`.
    pub name: &'static str,
    /// The folder of its file; empty for what belongs to no family.
    pub family: &'static str,
    /// The key of its paper; empty where there is none.
    pub paper: &'static str,
    /// What it reads and gives.
    pub shape: Shape,
    /// Its source, whose head explains it.
    pub source: &'static str,
    parse: Parse,
}

impl Entry {
    const fn of<A: Algorithm>(family: &'static str, source: &'static str) -> Self {
        Self { name: A::NAME, family, paper: A::PAPER, shape: A::SHAPE, source, parse: parse::<A> }
    }

    /// Reads the parameters of a stage; the table has no `use`.
    pub fn parse(&self, table: Spanned<DeValue<'_>>) -> Result<Box<dyn Recipe>, toml::de::Error> {
        (self.parse)(table)
    }
}

fn parse<A: Algorithm>(table: Spanned<DeValue<'_>>) -> Result<Box<dyn Recipe>, toml::de::Error> {
    let config = A::deserialize(ValueDeserializer::from(table))?;
    config.check().map_err(<toml::de::Error as serde::de::Error>::custom)?;
    Ok(Box::new(config))
}

/// `use` names no algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm `{name}`: expected one of {known}")]
pub struct UnknownAlgorithm {
    /// What was found.
    pub name: String,
    /// Every name there is.
    pub known: String,
}

/// The algorithm with this name.
pub fn find(name: &str) -> Result<&'static Entry, UnknownAlgorithm> {
    ALGORITHMS.iter().find(|entry| entry.name == name).ok_or_else(|| UnknownAlgorithm {
        name: name.to_owned(),
        known: ALGORITHMS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_algorithm_lists_the_known_ones() {
        let error = find("bm52").unwrap_err().to_string();
        assert!(error.starts_with("unknown algorithm `bm52`: expected one of bm25, "), "{error}");
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> =
            ALGORITHMS.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), ALGORITHMS.len());
    }
}
