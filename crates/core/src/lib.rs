//! The vocabulary of `nir`: collections, queries, judgements, runs, and the shapes of a stage.
//!
//! No I/O and no model lives here. Every other crate speaks in these types, so that an encoder, an index and an
//! evaluator written a year apart fit together.

mod answers;
mod corpus;
mod digest;
mod explain;
mod key;
mod names;
mod passages;
mod progress;
mod qrels;
mod query;
mod run;
mod stage;
mod stored_text;
mod trec_run;

pub use answers::Answers;
pub use corpus::{Corpus, DocNo, Document, Documents, DuplicateDocId};
pub use digest::{Digest, Hasher};
pub use explain::{Contribution, Encode, EncodedTerm, Encoding, Form, Match};
pub use key::{Key, Version};
pub use names::did_you_mean;
pub use passages::{Aggregate, Passages, Unit, Windows};
pub use progress::{Progress, Silent, Task};
pub use qrels::{Judgements, Qrels};
pub use query::{DuplicateQueryId, Queries, Query, WeightedTerm};
pub use run::{Ranking, Run, Scored};
pub use stage::{BoxError, Expander, Fuser, Reranker, Result, Retriever, Rewriter, Search, Writer};
pub use stored_text::StoredText;
pub use trec_run::{Entry, RankedList, TrecRun};
