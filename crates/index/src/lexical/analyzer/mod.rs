//! Analyzers: named, versioned chains that turn a text into terms.
//!
//! The name with its version is stored in every index and in every result, beside the number of terms it made of the
//! collection: two systems whose totals differ have not indexed the same words.

mod lucene_english;
mod porter;
mod tantivy_english;
mod uax29;
mod whitespace;

use std::sync::Arc;

/// Turns a text into terms. The same name gives the same terms, always: a change is a new version.
pub trait Analyzer: Send + Sync {
    /// The name in an index and in a result, with its version: `lucene-english@1`.
    fn name(&self) -> &str;

    /// Calls `emit` with each term of `text`, in order.
    fn analyze(&self, text: &str, emit: &mut dyn FnMut(&str));

    /// The terms of `text`, in order.
    fn terms(&self, text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        self.analyze(text, &mut |term| terms.push(term.to_owned()));
        terms
    }
}

/// The names that [`analyzer`] accepts.
pub const ANALYZERS: [&str; 3] = ["lucene-english", "tantivy-english", "whitespace"];

/// The error for a name that no analyzer has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown analyzer `{name}`: expected one of {}", ANALYZERS.join(", "))]
pub struct UnknownAnalyzer {
    /// The name that was asked for.
    pub name: String,
}

/// The analyzer of this name, as configs write it (without a version).
///
/// ```
/// let english = nir_index::analyzer("lucene-english")?;
/// assert_eq!(english.terms("The dogs' bowls"), ["dog", "bowl"]);
/// # Ok::<(), nir_index::UnknownAnalyzer>(())
/// ```
pub fn analyzer(name: &str) -> Result<Arc<dyn Analyzer>, UnknownAnalyzer> {
    match name {
        "lucene-english" => Ok(Arc::new(lucene_english::LuceneEnglish)),
        "tantivy-english" => Ok(Arc::new(tantivy_english::TantivyEnglish::default())),
        "whitespace" => Ok(Arc::new(whitespace::Whitespace)),
        _ => Err(UnknownAnalyzer { name: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_name_is_known() {
        for name in ANALYZERS {
            assert!(analyzer(name).unwrap().name().starts_with(name));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = analyzer("english").err().unwrap();
        assert_eq!(
            error.to_string(),
            "unknown analyzer `english`: expected one of lucene-english, tantivy-english, whitespace"
        );
    }
}
