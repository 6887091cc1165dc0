//! Candidates: documents that others found for the queries of a dataset, for a reranker to order.

use nir_core::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use super::files::{RemoteFile, add_files};

/// A list of candidates that is handed out with a dataset, such as the official first 1,000 of BM25.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandidatesPart {
    /// The name by which a stage asks for it (`use = "candidates"`), such as `top-1000`.
    pub name: String,
    /// Who found the documents, how, and how many for each query.
    pub description: String,
    /// The format of the file.
    pub format: CandidatesFormat,
    /// The name of the member, if the file is an archive.
    pub member: Option<String>,
    /// The official file, which is fetched when the candidates are asked for and not with the dataset.
    pub file: RemoteFile,
}

/// The formats of files of candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CandidatesFormat {
    /// `query_id TAB doc_id TAB query TAB passage`, in no order that means anything: MS MARCO's top-1000 files.
    MsMarco,
    /// A run in TREC's six columns, or in MS MARCO's three.
    Trec,
}

impl CandidatesPart {
    /// The digest of all that decides what an import gives.
    pub(crate) fn recipe(&self) -> Digest {
        let mut hasher = Hasher::new("candidates");
        hasher.part(serde_json::to_string(&self.format).expect("a name is JSON"));
        hasher.part(self.member.as_deref().unwrap_or_default());
        add_files(&mut hasher, std::iter::once(&self.file));
        hasher.digest()
    }
}
