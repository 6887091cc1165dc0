//! What can go wrong between the files of a collection and the cache.

use std::path::PathBuf;

use nir_core::{BoxError, DuplicateQueryId};

use crate::cache::CacheError;
use crate::checksum::Mismatch;
use crate::download::DownloadError;
use crate::manifest::Licence;
use crate::manifest_error::ManifestError;
use crate::{Malformed, ReadError, StoreError};

/// A dataset that could not be brought into the cache.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A manifest is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The cache failed.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A file could not be downloaded.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Files repeat a query.
    #[error(transparent)]
    Query(#[from] DuplicateQueryId),
    /// A line of an embedded file is wrong.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Documents could not be stored.
    #[error("the documents of `{corpus}` could not be stored: {error}")]
    Store {
        /// The corpus.
        corpus: String,
        /// Why not.
        error: StoreError,
    },
    /// The dataset that is sampled could not be opened.
    #[error(transparent)]
    Parent(BoxError),
    /// The licence was not accepted.
    #[error(
        "`{dataset}` comes under its own licence: {} ({})\n  {}\nread it, then run `nir fetch {dataset} --accept-licence`",
        licence.name, licence.url, licence.note
    )]
    Licence {
        /// The dataset.
        dataset: String,
        /// Its licence, or that of its documents.
        licence: Licence,
    },
    /// A download is needed and was forbidden.
    #[error("`{file}` is not here and --offline forbids to download it; get it from {} and name its folder with --from", urls.join(" or "))]
    Offline {
        /// The file.
        file: String,
        /// Where it is.
        urls: Vec<String>,
    },
    /// A file on disk is not the official one.
    #[error("{path}: not the official `{file}`: {mismatch}")]
    NotOfficial {
        /// The file on disk.
        path: PathBuf,
        /// The file it should be.
        file: String,
        /// In what it differs.
        mismatch: Mismatch,
    },
    /// A folder holds nothing of the dataset.
    #[error(
        "{folder}: neither an official file of `{dataset}` ({}) nor a plain folder ({})",
        official.join(", "), plain.join(", ")
    )]
    NothingThere {
        /// The folder.
        folder: PathBuf,
        /// The dataset.
        dataset: String,
        /// The official files.
        official: Vec<String>,
        /// The plain files.
        plain: Vec<String>,
    },
    /// A plain folder lacks a file.
    #[error("{folder}: a plain folder of `{dataset}` needs {}", expected.join(" or "))]
    PlainFile {
        /// The folder.
        folder: PathBuf,
        /// The dataset.
        dataset: String,
        /// The names that would do.
        expected: Vec<String>,
    },
    /// The counts are not those of the manifest.
    #[error(
        "`{name}` has {found} {what}, its manifest says {expected}: the files are not what they should be"
    )]
    Count {
        /// The dataset or corpus.
        name: String,
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
    /// A sample is not complete, or a plain folder is not the sample.
    #[error("`{name}` should hold {what} `{first}`, and {missing} more that are not there either")]
    Missing {
        /// The sample.
        name: String,
        /// `document` or `query`.
        what: &'static str,
        /// The first that is missing.
        first: String,
        /// How many more are missing.
        missing: usize,
    },
    /// A plain folder holds more than the sample.
    #[error("`{name}` should not hold {what} `{first}`")]
    Foreign {
        /// The sample.
        name: String,
        /// `document` or `query`.
        what: &'static str,
        /// The first that does not belong there.
        first: String,
    },
    /// Two files judge one pair differently.
    #[error(
        "query `{query_id}` and document `{doc_id}` are judged {before} in one file and {grade} in another"
    )]
    TwoGrades {
        /// The query.
        query_id: String,
        /// The document.
        doc_id: String,
        /// The grade of the first file.
        before: i32,
        /// The grade of the second.
        grade: i32,
    },
    /// A judgement has a code that the manifest does not know.
    #[error("query `{query_id}` has a judgement with code {code}: the manifest knows {known:?}")]
    Code {
        /// The code.
        code: i32,
        /// The query.
        query_id: String,
        /// The codes of the manifest.
        known: Vec<i32>,
    },
    /// Files unpack to more than any collection does.
    #[error(
        "the documents of `{corpus}` are more than {most} bytes, a hundred times the size of their files: refused"
    )]
    TooLarge {
        /// The corpus.
        corpus: String,
        /// The most that was expected.
        most: u64,
    },
}
