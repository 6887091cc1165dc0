//! The documents that one or several datasets search, as their manifest gives them.

use nir_core::{Digest, Hasher};

use super::card::{Citation, CorpusCard, Licence};
use super::files::{RemoteFile, add_files, check_files, check_sources};
use super::parts::Documents;
use crate::folder::Folder;
use crate::manifest_error::ManifestError;

/// The documents that one or several datasets search; stored once under its name.
#[derive(Debug, Clone)]
pub struct CorpusManifest {
    /// The name of the corpus, which is that of its dataset if only one searches it.
    pub name: String,
    /// The description of the corpus.
    pub card: CorpusCard,
    /// The licence of the texts.
    pub licence: Licence,
    /// The publication to cite.
    pub citation: Citation,
    /// The official files.
    pub files: Vec<RemoteFile>,
    /// Where the documents come from.
    pub documents: Documents,
    /// How many there must be after import; `None` where nobody has counted them for us.
    pub count: Option<usize>,
    pub(crate) folder: Folder,
}

impl CorpusManifest {
    pub(super) fn check(&self, path: &str) -> Result<(), ManifestError> {
        check_files(path, &self.files)?;
        if let Documents::Files(part) = &self.documents {
            check_sources(path, &part.sources, &self.files, &[])?;
        }
        Ok(())
    }

    /// The digest of all that decides which documents an import gives.
    pub(crate) fn recipe(&self) -> Result<Digest, ManifestError> {
        let mut hasher = Hasher::new("corpus");
        hasher.part(self.documents.recipe());
        if let Documents::Sample(sample) = &self.documents {
            hasher.part(self.folder.read(&sample.documents)?);
        }
        add_files(&mut hasher, self.files.iter());
        Ok(hasher.digest())
    }
}
