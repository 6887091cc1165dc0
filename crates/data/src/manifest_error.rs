//! What can be wrong with manifests.

use std::io;

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file is not the TOML of a manifest.
    #[error("{path}:{line}: {message}")]
    Toml {
        /// The path of the manifest.
        path: String,
        /// The number of the line.
        line: usize,
        /// What is wrong there, with the known keys.
        message: String,
    },
    /// The parts of the manifest do not fit together.
    #[error("{path}: {rule}")]
    Rule {
        /// The path of the manifest.
        path: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The manifest names a corpus that has no manifest.
    #[error("{path}: unknown corpus `{corpus}`: expected one of {}", known.join(", "))]
    UnknownCorpus {
        /// The path of the manifest.
        path: String,
        /// The name that it gives.
        corpus: String,
        /// The names of all corpora.
        known: Vec<String>,
    },
    /// The manifest reads from a file that it does not list.
    #[error("{path}: no `[[file]]` is called `{file}`: expected one of {}", known.join(", "))]
    UnknownFile {
        /// The path of the manifest.
        path: String,
        /// The name that it gives.
        file: String,
        /// The names of the files that it lists.
        known: Vec<String>,
    },
    /// The name of a file would lead out of the cache.
    #[error("{path}: `{file}` is not a plain file name: leave out folders and a leading dot")]
    FileName {
        /// The path of the manifest.
        path: String,
        /// The name of the file.
        file: String,
    },
    /// Two files have the same name.
    #[error("{path}: two `[[file]]` are called `{file}`: a name must be unique")]
    TwoFiles {
        /// The path of the manifest.
        path: String,
        /// The name of the files.
        file: String,
    },
    /// A checksum is not well-formed.
    #[error("{path}: `{found}` is no {kind} of `{file}`: expected {digits} digits 0-9 a-f")]
    Checksum {
        /// The path of the manifest.
        path: String,
        /// The name of the file that it belongs to.
        file: String,
        /// The kind of checksum: `md5` or `sha256`.
        kind: &'static str,
        /// The number of digits that it needs.
        digits: usize,
        /// The text that was found.
        found: String,
    },
    /// A sample is taken from itself, or from a dataset that does not exist.
    #[error("{name} samples `{of}`, which no manifest describes or which samples it in turn")]
    Sample {
        /// The name of the dataset or corpus.
        name: String,
        /// The name of the one that it samples.
        of: String,
    },
    /// No dataset has this name.
    #[error("unknown dataset `{name}`: {}", expected(known))]
    UnknownDataset {
        /// The name that was asked for.
        name: String,
        /// The names of datasets that are similar.
        known: Vec<String>,
    },
    /// A file beside a manifest could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The path of the file.
        path: String,
        /// The error of the operating system.
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
