//! What can go wrong between the files of a collection and the cache.

use std::path::PathBuf;

use nir_core::{BoxError, DuplicateQueryId};

use crate::cache::CacheError;
use crate::checksum::Mismatch;
use crate::download::DownloadError;
use crate::manifest::Licence;
use crate::manifest_error::ManifestError;
use crate::{Malformed, ReadError, StoreError};

/// Why a dataset could not be brought into the cache.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A manifest is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An operation of the cache failed.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A file could not be downloaded.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Two files have the same query.
    #[error(transparent)]
    Query(#[from] DuplicateQueryId),
    /// A line of an embedded file is wrong.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Documents could not be stored.
    #[error("the documents of `{corpus}` could not be stored: {error}")]
    Store {
        /// The name of the corpus.
        corpus: String,
        /// The error of the store.
        error: StoreError,
    },
    /// Documents could not be read: the error says where.
    #[error(transparent)]
    Documents(BoxError),
    /// The dataset that is sampled could not be opened.
    #[error(transparent)]
    Parent(BoxError),
    /// Two files have answers to the same query.
    #[error("query `{query_id}` has answers in two of the files; expected all of them in one")]
    TwoAnswers {
        /// The name of the query.
        query_id: String,
    },
    /// The dataset is handed out without candidates.
    #[error(
        "`{dataset}` is handed out without candidates; a run file is reranked with `nir run METHOD --on {dataset} --rerank FILE`"
    )]
    NoCandidates {
        /// The name of the dataset.
        dataset: String,
    },
    /// The licence was not accepted.
    #[error(
        "`{dataset}` comes under its own licence: {} ({})\n  {}\nread it, then run `nir fetch {dataset} --accept-licence`",
        licence.name, licence.url, licence.note
    )]
    Licence {
        /// The name of the dataset.
        dataset: String,
        /// The licence of the dataset, or that of its documents.
        licence: Licence,
    },
    /// A file would have to be downloaded, which was not allowed.
    #[error("`{file}` is not here and --offline forbids to download it; get it from {} and name its folder with --from", urls.join(" or "))]
    Offline {
        /// The name of the file.
        file: String,
        /// The addresses of the file.
        urls: Vec<String>,
    },
    /// A file on disk is not the official one.
    #[error("{path}: not the official `{file}`: {mismatch}")]
    NotOfficial {
        /// The path of the file on disk.
        path: PathBuf,
        /// The name of the official file.
        file: String,
        /// How it differs.
        mismatch: Mismatch,
    },
    /// A folder holds no file of the dataset.
    #[error(
        "{folder}: neither an official file of `{dataset}` ({}) nor a plain folder ({})",
        official.join(", "), plain.join(", ")
    )]
    NothingThere {
        /// The folder.
        folder: PathBuf,
        /// The name of the dataset.
        dataset: String,
        /// The names of the official files.
        official: Vec<String>,
        /// The names of the plain files.
        plain: Vec<String>,
    },
    /// A plain folder lacks a file.
    #[error("{folder}: a plain folder of `{dataset}` needs {}", expected.join(" or "))]
    PlainFile {
        /// The folder.
        folder: PathBuf,
        /// The name of the dataset.
        dataset: String,
        /// The names that the file may have.
        expected: Vec<String>,
    },
    /// The counts differ from those of the manifest.
    #[error(
        "`{name}` has {found} {what}, its manifest says {expected}: the files are not what they should be"
    )]
    Count {
        /// The name of the dataset or corpus.
        name: String,
        /// What was counted.
        what: &'static str,
        /// The number that was found.
        found: usize,
        /// The number in the manifest.
        expected: usize,
    },
    /// A sample is not complete, or a plain folder is not the sample.
    #[error("`{name}` should hold {what} `{first}`, and {missing} more that are not there either")]
    Missing {
        /// The name of the sample.
        name: String,
        /// What is missing: `document` or `query`.
        what: &'static str,
        /// The first id that is missing.
        first: String,
        /// The number of further missing ids.
        missing: usize,
    },
    /// A plain folder holds more than the sample.
    #[error("`{name}` should not hold {what} `{first}`")]
    Foreign {
        /// The name of the sample.
        name: String,
        /// What does not belong there: `document` or `query`.
        what: &'static str,
        /// The first id that does not belong there.
        first: String,
    },
    /// Two files judge the same pair differently.
    #[error(
        "query `{query_id}` and document `{doc_id}` are judged {before} in one file and {grade} in another"
    )]
    TwoGrades {
        /// The id of the query.
        query_id: String,
        /// The id of the document.
        doc_id: String,
        /// The grade in the first file.
        before: i32,
        /// The grade in the second file.
        grade: i32,
    },
    /// A judgement has a code that the manifest does not know.
    #[error("query `{query_id}` has a judgement with code {code}: the manifest knows {known:?}")]
    Code {
        /// The label code.
        code: i32,
        /// The id of the query.
        query_id: String,
        /// The codes that the manifest describes.
        known: Vec<i32>,
    },
    /// Files unpack to more bytes than is plausible for their size.
    #[error(
        "the documents of `{corpus}` are more than {most} bytes, a hundred times the size of their files: refused"
    )]
    TooLarge {
        /// The name of the corpus.
        corpus: String,
        /// The largest number of bytes that is accepted.
        most: u64,
    },
}

impl ImportError {
    /// The error of storing `corpus`. One of reading it names the file itself.
    pub(crate) fn store(corpus: &str, error: StoreError) -> Self {
        match error {
            StoreError::Fill(error) => Self::Documents(error),
            error => Self::Store { corpus: corpus.to_owned(), error },
        }
    }
}
