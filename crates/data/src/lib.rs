//! Test collections from files: formats, manifests, fetching, sampling and the memory-mapped store.

mod folder;
mod manifest;
mod manifest_error;
mod manifests;
mod open;

pub use manifest::{
    Card, Citation, CorpusCard, CorpusManifest, Counts, DocumentSample, Documents, Licence,
    Manifest, Part, PartSource, Plain, QrelsPart, QueriesPart, QuerySample, RemoteFile, Scope,
    Select, TopicParts, Topics,
};
pub use manifest_error::ManifestError;
pub use manifests::Manifests;
pub use open::{OpenError, open};
