//! Test collections from files: formats, manifests, fetching, sampling and the memory-mapped store.

mod archive;
mod checksum;
mod download;
mod folder;
mod formats;
mod lines;
mod malformed;
mod manifest;
mod manifest_error;
mod manifests;
mod open;
mod read_error;
mod source;

pub use checksum::{Mismatch, Sums};
pub use download::{Answer, DownloadError, Patience, download};
pub use formats::{
    Candidates, DocumentFormat, DocumentRef, QrelsFormat, QueryFormat, Visit, read_candidates,
    read_documents, read_qrels, read_queries,
};
pub use malformed::Malformed;
pub use manifest::{
    Card, Citation, CorpusCard, CorpusManifest, Counts, DocIdPattern, DocumentSample, Documents,
    DocumentsPart, LabelsPart, Licence, Manifest, PartSource, Plain, QrelsPart, QueriesPart,
    QuerySample, RemoteFile, Scope, Select, TopicParts, Topics,
};
pub use manifest_error::ManifestError;
pub use manifests::Manifests;
pub use open::{OpenError, open};
pub use read_error::ReadError;
pub use source::Source;
