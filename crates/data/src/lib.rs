//! Test collections from files: formats, manifests, fetching, sampling and the memory-mapped store.

mod archive;
mod bounds;
mod cache;
mod candidates;
mod checksum;
mod dataset;
mod descriptor;
mod download;
mod fetch;
mod files;
mod folder;
mod formats;
mod grade;
mod ids;
mod import;
mod import_error;
mod lines;
mod malformed;
mod manifest;
mod manifest_error;
mod manifests;
mod names;
mod notes;
mod open;
mod origin;
mod overlap;
mod own;
mod own_files;
mod read_error;
mod sample;
mod source;
mod spool;
mod store;
mod topics;
pub mod trec;
mod unpack;
mod whole;

pub use cache::{Cache, CacheError, NoCacheFolder, cache_folder};
pub use candidates::{CandidateRun, CandidateRuns, NoCandidates};
pub use checksum::{Mismatch, Sums};
pub use dataset::{Dataset, DatasetError, Labels, State};
pub use descriptor::{is_standard_input, is_standard_output};
pub use download::{Answer, DownloadError, Pace, Patience, download};
pub use fetch::{Fetch, Fetched};
pub use folder::embedded_files;
pub use formats::{
    AnswersFormat, Candidates, DocumentFormat, DocumentRef, QrelsFormat, QueryFormat, TopicField,
    Visit, document_format, read_answers, read_any_answers, read_any_qrels, read_any_queries,
    read_candidates, read_documents, read_qrels, read_queries, read_texts, read_texts_of,
    read_topics,
};
pub use import_error::ImportError;
pub use malformed::Malformed;
pub use manifest::{
    AnswersPart, CandidatesFormat, CandidatesPart, Card, Citation, CorpusCard, CorpusManifest,
    Counts, DocIdPattern, DocumentSample, Documents, DocumentsPart, LabelsPart, Licence, Manifest,
    PartSource, Plain, QrelsPart, QueriesPart, QuerySample, RemoteFile, Scope, Select, TopicParts,
    Topics,
};
pub use manifest_error::ManifestError;
pub use manifests::Manifests;
pub use nir_cache::unfinished;
pub use notes::{Notes, Read};
pub use open::{OpenError, open};
pub use origin::{Origin, OriginFile, OriginSource};
pub use overlap::NoOverlap;
pub use own_files::Own;
pub use read_error::ReadError;
pub use sample::{Drawn, SampleError, SampleRule, SampleRun, draw, write_sample};
pub use source::Source;
pub use store::{Import, Store, StoreError};
pub use unpack::{UnpackError, unpack};
pub use whole::{Output, check_output, copy_whole, write_whole};
