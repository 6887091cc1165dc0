//! What a manifest says: one dataset (`datasets/<name>.toml`) or one corpus that several datasets search
//! (`datasets/corpora/<name>.toml`).
//!
//! A dataset is documents, queries and qrels with the facts about them: where the files are, how many of each there
//! must be, the licence, the paper, the official measures. Nothing is inherited and nothing has a default; a key that
//! is not known is an error.

mod candidates;
mod card;
mod corpus;
mod dataset;
mod files;
mod parts;
mod written;

pub use candidates::{CandidatesFormat, CandidatesPart};
pub use card::{Card, Citation, CorpusCard, Licence, Scope};
pub use corpus::CorpusManifest;
pub use dataset::{Counts, Manifest, Plain};
pub use files::{PartSource, RemoteFile};
pub use parts::{
    AnswersPart, DocIdPattern, DocumentSample, Documents, DocumentsPart, LabelsPart, QrelsPart,
    QueriesPart, QuerySample, Select, TopicParts, Topics,
};
pub(crate) use written::Draft;
