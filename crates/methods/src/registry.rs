//! Which algorithms there are: one line each.

use nir_core::Version;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::{
    Algorithm, Recipe, Shape, cross_encoder, dense, efficient, feedback, hybrid, late, lexical,
    run_file, sparse, stored_expansions, stored_texts, texts_read, weighting,
};

/// An algorithm of this crate, by its config, its family and its file.
macro_rules! algorithm {
    ($config:ty, $family:literal, $file:literal) => {
        Entry {
            family: $family,
            file: $file,
            source: include_str!($file),
            is_own: false,
            ..Entry::of::<$config>()
        }
    };
}

/// Every algorithm that a config can name in `use`, by family.
pub const ALGORITHMS: &[Entry] = &[
    algorithm!(lexical::bm25::Config, "lexical", "lexical/bm25.rs"),
    algorithm!(lexical::bm25_impacts::Config, "lexical", "lexical/bm25_impacts.rs"),
    algorithm!(lexical::tantivy_bm25::Config, "lexical", "lexical/tantivy_bm25.rs"),
    algorithm!(feedback::rm3::Config, "feedback", "feedback/rm3.rs"),
    algorithm!(feedback::rocchio::Config, "feedback", "feedback/rocchio.rs"),
    algorithm!(feedback::vector_prf::Config, "feedback", "feedback/vector_prf.rs"),
    algorithm!(dense::bi_encoder::Config, "dense", "dense/bi_encoder.rs"),
    algorithm!(dense::fast_forward::Config, "dense", "dense/fast_forward.rs"),
    algorithm!(sparse::splade::Config, "sparse", "sparse/splade.rs"),
    algorithm!(weighting::unicoil::Config, "weighting", "weighting/unicoil.rs"),
    algorithm!(weighting::deepct::Config, "weighting", "weighting/deepct.rs"),
    algorithm!(weighting::deepimpact::Config, "weighting", "weighting/deepimpact.rs"),
    algorithm!(weighting::coil::Config, "weighting", "weighting/coil.rs"),
    algorithm!(late::colbert::Config, "late", "late/colbert.rs"),
    algorithm!(late::max_sim::Config, "late", "late/max_sim.rs"),
    algorithm!(cross_encoder::pointwise::Config, "cross_encoder", "cross_encoder/pointwise.rs"),
    algorithm!(cross_encoder::bert_qe::Config, "cross_encoder", "cross_encoder/bert_qe.rs"),
    algorithm!(
        cross_encoder::representation::Config,
        "cross_encoder",
        "cross_encoder/representation.rs"
    ),
    algorithm!(efficient::tilde::Config, "efficient", "efficient/tilde.rs"),
    algorithm!(hybrid::rrf::Config, "hybrid", "hybrid/rrf.rs"),
    algorithm!(hybrid::linear::Config, "hybrid", "hybrid/linear.rs"),
    algorithm!(hybrid::comb_sum::Config, "hybrid", "hybrid/comb_sum.rs"),
    algorithm!(hybrid::comb_mnz::Config, "hybrid", "hybrid/comb_mnz.rs"),
    algorithm!(hybrid::product::Config, "hybrid", "hybrid/product.rs"),
    algorithm!(run_file::Config, "", "run_file.rs"),
    algorithm!(stored_expansions::Config, "", "stored_expansions.rs"),
    algorithm!(stored_texts::Config, "", "stored_texts.rs"),
];

/// Reads the parameters of a stage.
type Parse = fn(Spanned<DeValue<'_>>) -> Result<Box<dyn Recipe>, toml::de::Error>;

/// An algorithm: its names, its source, and how its parameters are read.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The name in a config's `use`.
    pub name: &'static str,
    /// The folder of its file; empty for what belongs to no family.
    pub family: &'static str,
    /// The key of its paper; empty if there is none.
    pub paper: &'static str,
    /// The shape of its input and output.
    pub shape: Shape,
    /// Whether it came by [`Registry::with`], and is none of this crate's.
    pub is_own: bool,
    /// Its file, below `crates/methods/src`; empty for one of somebody else's.
    pub file: &'static str,
    /// The source code, whose first comment explains the algorithm.
    pub source: &'static str,
    /// The version of its code.
    pub version: Version,
    parse: Parse,
}

impl Entry {
    const fn of<A: Algorithm>() -> Self {
        Self {
            name: A::NAME,
            family: "",
            paper: A::PAPER,
            shape: A::SHAPE,
            is_own: true,
            file: "",
            source: A::SOURCE,
            version: Version::new(A::NAME, A::VERSION),
            parse: parse::<A>,
        }
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

/// The error for a name in `use` that no algorithm has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm `{name}`: expected one of {known}")]
pub struct UnknownAlgorithm {
    /// The name that was found.
    pub name: String,
    /// All known names.
    pub known: String,
}

/// The algorithms that a program knows: this crate's, and those of its own.
///
/// ```
/// use nir_methods::Registry;
///
/// let registry = Registry::builtin(); // .with::<mine::Config>() adds one
/// assert_eq!(registry.find("bm25")?.family, "lexical");
/// assert!(registry.find("bm52").is_err());
/// # Ok::<(), nir_methods::UnknownAlgorithm>(())
/// ```
#[derive(Debug, Clone)]
pub struct Registry(Vec<Entry>);

impl Registry {
    /// The algorithms of this crate.
    pub fn builtin() -> Self {
        Self(ALGORITHMS.to_vec())
    }

    /// The same with one more. One of the same name takes the place of the one that there was.
    #[must_use]
    pub fn with<A: Algorithm>(mut self) -> Self {
        self.0.retain(|entry| entry.name != A::NAME);
        self.0.push(Entry::of::<A>());
        self
    }

    /// All algorithms.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The algorithm with this name.
    pub fn find(&self, name: &str) -> Result<&Entry, UnknownAlgorithm> {
        self.0.iter().find(|entry| entry.name == name).ok_or_else(|| UnknownAlgorithm {
            name: name.to_owned(),
            known: self.0.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", "),
        })
    }

    /// All code that decides what a method gives: algorithms, what they keep of texts, search structures and encoders.
    pub fn versions(&self) -> Vec<Version> {
        let models = nir_nn::versions::all().into_iter();
        let models = models.map(|(of, number)| Version::new(of, number));
        let formats = [weighting::WORDS, texts_read::FORMAT];
        let structures = nir_index::versions::ALL.iter().copied().chain(formats);
        self.0.iter().map(|entry| entry.version).chain(structures).chain(models).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_algorithm_lists_the_known_ones() {
        let error = Registry::builtin().find("bm52").unwrap_err().to_string();
        assert!(error.starts_with("unknown algorithm `bm52`: expected one of bm25, "), "{error}");
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> =
            ALGORITHMS.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), ALGORITHMS.len());
    }
}
