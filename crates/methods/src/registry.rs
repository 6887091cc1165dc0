//! Which algorithms there are: one line each.

use nir_core::{Version, did_you_mean};
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::{Algorithm, Recipe, Shape, texts_read, weighting};

/// The algorithms of this crate by the paths of their modules, which are those of their files: `late::colbert` is
/// `late/colbert.rs` in the family `late`. A file behind `=` declares the parameters in its place.
macro_rules! algorithms {
    ($($($part:ident)::+ $(= $declared:literal)?,)*) => {
        &[$(algorithms!(@one $($part)::+ $(= $declared)?)),*]
    };
    (@one $name:ident) => {
        algorithms!(@entry crate::$name, "", concat!(stringify!($name), ".rs"))
    };
    (@one $family:ident::$name:ident) => {
        algorithms!(@one $family::$name = concat!(stringify!($family), "/", stringify!($name), ".rs"))
    };
    (@one $family:ident::$name:ident = $declared:expr) => {
        Entry {
            declared: include_str!($declared),
            ..algorithms!(
                @entry
                crate::$family::$name,
                stringify!($family),
                concat!(stringify!($family), "/", stringify!($name), ".rs")
            )
        }
    };
    (@entry $module:path, $family:expr, $file:expr) => {{
        use $module as module;
        Entry {
            family: $family,
            file: $file,
            source: include_str!($file),
            declared: include_str!($file),
            is_own: false,
            ..Entry::of::<module::Config>()
        }
    }};
}

/// Every algorithm that a config can name in `use`, by family.
pub const ALGORITHMS: &[Entry] = algorithms![
    lexical::bm25,
    lexical::bm25_impacts,
    lexical::tantivy_bm25,
    feedback::rm3,
    feedback::rocchio,
    feedback::vector_prf,
    dense::bi_encoder,
    dense::fast_forward,
    sparse::splade,
    weighting::unicoil,
    weighting::deepct,
    weighting::deepimpact,
    weighting::coil,
    late::colbert,
    late::colbert_prf,
    late::max_sim = "late/colbert.rs",
    cross_encoder::pointwise,
    cross_encoder::bert_qe,
    cross_encoder::representation,
    efficient::tilde,
    seq2seq::monot5,
    seq2seq::duot5,
    seq2seq::rankt5,
    likelihood::query_likelihood,
    prompting::listwise,
    prompting::self_consistency,
    prompting::setwise,
    prompting::pairwise,
    prompting::relevance_labels,
    expansion::doc2query,
    expansion::query2doc,
    expansion::hyde,
    expansion::grf,
    hybrid::rrf,
    hybrid::linear,
    hybrid::comb_sum,
    hybrid::comb_mnz,
    hybrid::product,
    run,
    candidates,
    stored_expansions,
    stored_texts,
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
    /// Whether it was added by [`Registry::with`], and so is not one of this crate's algorithms.
    pub is_own: bool,
    /// The path of its file below `crates/methods/src`; empty if it is not one of this crate's algorithms.
    pub file: &'static str,
    /// The source code, whose first comment explains the algorithm.
    pub source: &'static str,
    /// The source code that declares its parameters, in a struct `Config`; usually the same.
    pub(crate) declared: &'static str,
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
            declared: A::SOURCE,
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
    let checked = check_inputs(A::SHAPE, config.inputs()).and_then(|()| config.check());
    checked.map_err(<toml::de::Error as serde::de::Error>::custom)?;
    Ok(Box::new(config))
}

/// Checks that a fuser has at least two runs to fuse.
fn check_inputs(shape: Shape, inputs: &[String]) -> Result<(), String> {
    match (shape, inputs) {
        (Shape::Fuser, [] | [_]) => {
            Err(format!("`inputs` must name at least two methods, found {}", inputs.len()))
        }
        _ => Ok(()),
    }
}

/// The error for a name in `use` that no algorithm has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm `{name}`: {expected}")]
pub struct UnknownAlgorithm {
    /// The name that was found.
    pub name: String,
    /// The known names that are near, or all of them.
    pub expected: String,
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

    /// The same registry with one more algorithm, which replaces one of the same name.
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
        let known = || self.0.iter().map(|entry| entry.name);
        self.0.iter().find(|entry| entry.name == name).ok_or_else(|| UnknownAlgorithm {
            name: name.to_owned(),
            expected: did_you_mean(name, known()).unwrap_or_else(|| {
                format!("expected one of {}", known().collect::<Vec<_>>().join(", "))
            }),
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
    fn an_unknown_algorithm_suggests_a_near_one_or_lists_all() {
        let error = |name: &str| Registry::builtin().find(name).unwrap_err().to_string();
        assert_eq!(error("bm52"), "unknown algorithm `bm52`: did you mean bm25?");
        assert!(error("tea").starts_with("unknown algorithm `tea`: expected one of bm25, "));
    }

    #[test]
    fn a_file_is_named_after_what_configs_use() {
        for entry in ALGORITHMS {
            let folder = match entry.family {
                "" => String::new(),
                family => format!("{family}/"),
            };
            assert_eq!(entry.file, format!("{folder}{}.rs", entry.name.replace('-', "_")));
        }
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> =
            ALGORITHMS.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), ALGORITHMS.len());
    }
}
