//! What can be wrong with manifests.

use std::io;

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not the TOML of a manifest.
    #[error("{path}:{line}: {message}")]
    Toml {
        /// The manifest.
        path: String,
        /// The line.
        line: usize,
        /// What is wrong there, with the known keys.
        message: String,
    },
    /// Its parts do not fit together.
    #[error("{path}: {rule}")]
    Rule {
        /// The manifest.
        path: String,
        /// What it breaks.
        rule: &'static str,
    },
    /// It names a corpus that no manifest describes.
    #[error("{path}: unknown corpus `{corpus}`: expected one of {}", known.join(", "))]
    UnknownCorpus {
        /// The manifest.
        path: String,
        /// The name.
        corpus: String,
        /// The corpora there are.
        known: Vec<String>,
    },
    /// It reads from a file that it does not list.
    #[error("{path}: no `[[file]]` is called `{file}`: expected one of {}", known.join(", "))]
    UnknownFile {
        /// The manifest.
        path: String,
        /// The name.
        file: String,
        /// The files it lists.
        known: Vec<String>,
    },
    /// A file's name would leave the cache.
    #[error("{path}: `{file}` is not a plain file name: leave out folders and a leading dot")]
    FileName {
        /// The manifest.
        path: String,
        /// The name.
        file: String,
    },
    /// Two files have one name.
    #[error("{path}: two `[[file]]` are called `{file}`: a name must be unique")]
    TwoFiles {
        /// The manifest.
        path: String,
        /// The name.
        file: String,
    },
    /// A checksum is not one.
    #[error("{path}: `{found}` is no {kind} of `{file}`: expected {digits} digits 0-9 a-f")]
    Checksum {
        /// The manifest.
        path: String,
        /// The file it is about.
        file: String,
        /// `md5` or `sha256`.
        kind: &'static str,
        /// How many digits it needs.
        digits: usize,
        /// What stands there.
        found: String,
    },
    /// A sample leads back to itself or to nothing.
    #[error("{name} samples `{of}`, which no manifest describes or which samples it in turn")]
    Sample {
        /// The dataset or corpus.
        name: String,
        /// What it samples.
        of: String,
    },
    /// Nothing has this name.
    #[error("unknown dataset `{name}`: {}", expected(known))]
    UnknownDataset {
        /// The name.
        name: String,
        /// The datasets that come close.
        known: Vec<String>,
    },
    /// A file beside a manifest could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

/// The names that come close, or where to find all of them.
fn expected(known: &[String]) -> String {
    if known.is_empty() {
        return "`nir datasets` lists those there are".to_owned();
    }
    format!("expected one of {}", known.join(", "))
}

impl ManifestError {
    pub(crate) fn rule(path: &str, rule: &'static str) -> Self {
        Self::Rule { path: path.to_owned(), rule }
    }
}
