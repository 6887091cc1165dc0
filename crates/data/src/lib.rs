//! Test collections from files: formats, manifests, fetching, sampling and the memory-mapped store.

mod archive;
mod formats;
mod malformed;
mod open;
mod read_error;
mod source;
mod store;

pub use formats::{
    Candidates, DocumentFormat, DocumentRef, QrelsFormat, QueryFormat, Visit, read_candidates,
    read_documents, read_qrels, read_queries,
};
pub use malformed::Malformed;
pub use open::{OpenError, open};
pub use read_error::ReadError;
pub use source::Source;
pub use store::{Import, Store, StoreError};
