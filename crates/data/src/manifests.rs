//! All manifests: those in the program, and over them those of a checkout.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use crate::folder::Folder;
use crate::manifest::{CorpusManifest, Documents, Draft, Manifest, RemoteFile, Topics};
use crate::manifest_error::ManifestError;

/// All datasets and corpora that have a manifest.
#[derive(Debug, Clone)]
pub struct Manifests {
    datasets: BTreeMap<String, Manifest>,
    corpora: BTreeMap<String, Arc<CorpusManifest>>,
}

impl Manifests {
    /// The manifests that came with the program. Where `root` is a checkout, those of its folder `datasets/` are added
    /// and win over the ones of the same name.
    pub fn load(root: Option<&Path>) -> Result<Self, ManifestError> {
        let mut drafts = BTreeMap::new();
        let mut corpora = BTreeMap::new();
        read_folder(&Folder::Embedded, &mut drafts, &mut corpora)?;
        if let Some(root) = root {
            read_folder(&Folder::Disk(root.join("datasets")), &mut drafts, &mut corpora)?;
        }
        let mut manifests = Self { datasets: BTreeMap::new(), corpora };
        manifests.finish(drafts)?;
        manifests.check_samples()?;
        Ok(manifests)
    }

    /// The manifest of a dataset. Fails if there is none of this name.
    pub fn get(&self, name: &str) -> Result<&Manifest, ManifestError> {
        self.datasets.get(name).ok_or_else(|| ManifestError::UnknownDataset {
            name: name.to_owned(),
            known: self.close_to(name),
        })
    }

    /// The name of the dataset that `what` names in a file of `folder`: by its own name, or by the path of a manifest from there,
    /// which is added and wins over one of the same name.
    ///
    /// # Errors
    ///
    /// Where it is neither, or the manifest is not well formed.
    pub fn resolve(&mut self, what: &str, folder: &Path) -> Result<String, ManifestError> {
        let path = folder.join(what);
        if self.datasets.contains_key(what) || !path.is_file() {
            return self.get(what).map(|manifest| manifest.name.clone());
        }
        let beside = Folder::Disk(path.parent().unwrap_or(Path::new("")).to_owned());
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let draft = Draft::parse(&beside.path_of(&file), &text(&beside, &file)?, beside)?;
        let name = draft.name().to_owned();
        self.finish(BTreeMap::from([(name.clone(), draft)]))?;
        self.check_samples()?;
        Ok(name)
    }

    /// Whether a dataset has answers in the place of judgements: its own, or those of the dataset that it samples.
    pub fn has_answers(&self, manifest: &Manifest) -> bool {
        match &manifest.topics {
            Topics::Files(parts) | Topics::Embedded(parts) => parts.answers.is_some(),
            Topics::Sample(sample) => {
                self.get(&sample.of).is_ok_and(|parent| self.has_answers(parent))
            }
        }
    }

    /// The manifests of all datasets, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Manifest> {
        self.datasets.values()
    }

    /// The manifest of a corpus: shared, or a dataset's own.
    pub fn corpus(&self, name: &str) -> Option<&Arc<CorpusManifest>> {
        self.corpora.get(name).or_else(|| self.datasets.get(name).map(|dataset| &dataset.corpus))
    }

    /// The official files of a dataset and of all that it samples, by name.
    pub fn official_files<'m>(
        &'m self,
        manifest: &'m Manifest,
    ) -> BTreeMap<&'m str, &'m RemoteFile> {
        let mut files: Vec<&RemoteFile> = manifest.files.iter().collect();
        let mut corpus = &manifest.corpus;
        files.extend(&corpus.files);
        while let Documents::Sample(sample) = &corpus.documents
            && let Some(parent) = self.corpus(&sample.of)
        {
            corpus = parent;
            files.extend(&corpus.files);
        }
        let mut dataset = manifest;
        while let Topics::Sample(sample) = &dataset.topics
            && let Ok(parent) = self.get(&sample.of)
        {
            dataset = parent;
            files.extend(&dataset.files);
        }
        files.into_iter().map(|file| (file.name.as_str(), file)).collect()
    }

    /// The names that share a part with `name`, or are nearly the same.
    fn close_to(&self, name: &str) -> Vec<String> {
        let parts: Vec<&str> = name.split('-').filter(|part| part.len() > 2).collect();
        let close = |known: &&String| {
            parts.iter().any(|part| known.contains(part))
                || strsim::jaro_winkler(known, name) > 0.85
        };
        self.datasets.keys().filter(close).cloned().collect()
    }

    /// Completes the manifests, each after the dataset that it samples.
    fn finish(&mut self, mut drafts: BTreeMap<String, Draft>) -> Result<(), ManifestError> {
        while !drafts.is_empty() {
            let ready: Vec<String> = drafts
                .values()
                .filter(|draft| draft.parent().is_none_or(|of| self.datasets.contains_key(of)))
                .map(|draft| draft.name().to_owned())
                .collect();
            if ready.is_empty() {
                return Err(stuck(&drafts));
            }
            for draft in ready.iter().filter_map(|name| drafts.remove(name)) {
                let parent = draft.parent().and_then(|of| self.datasets.get(of));
                let dataset = draft.finish(&self.corpora, parent)?;
                self.datasets.insert(dataset.name.clone(), dataset);
            }
        }
        Ok(())
    }

    /// A corpus samples one that exists, and no chain of samples leads in a circle.
    fn check_samples(&self) -> Result<(), ManifestError> {
        let own = self.datasets.values().map(|dataset| &dataset.corpus);
        for corpus in self.corpora.values().chain(own) {
            let mut seen = HashSet::from([corpus.name.as_str()]);
            let mut child = corpus;
            while let Documents::Sample(sample) = &child.documents {
                match self.corpus(&sample.of) {
                    Some(parent) if seen.insert(parent.name.as_str()) => child = parent,
                    _ => {
                        let (name, of) = (corpus.name.clone(), sample.of.clone());
                        return Err(ManifestError::Sample { name, of });
                    }
                }
            }
        }
        Ok(())
    }
}

fn read_folder(
    folder: &Folder,
    drafts: &mut BTreeMap<String, Draft>,
    corpora: &mut BTreeMap<String, Arc<CorpusManifest>>,
) -> Result<(), ManifestError> {
    for file in folder.manifests("corpora")? {
        let corpus =
            CorpusManifest::parse(&folder.path_of(&file), &text(folder, &file)?, folder.clone())?;
        corpora.insert(corpus.name.clone(), Arc::new(corpus));
    }
    for file in folder.manifests("")? {
        let draft = Draft::parse(&folder.path_of(&file), &text(folder, &file)?, folder.clone())?;
        drafts.insert(draft.name().to_owned(), draft);
    }
    Ok(())
}

fn text(folder: &Folder, file: &str) -> Result<String, ManifestError> {
    String::from_utf8(folder.read(file)?)
        .map_err(|_| ManifestError::rule(&folder.path_of(file), "is not UTF-8"))
}

fn stuck(drafts: &BTreeMap<String, Draft>) -> ManifestError {
    let name = |draft: &Draft| draft.name().to_owned();
    let of = |draft: &Draft| draft.parent().unwrap_or_default().to_owned();
    let first = drafts.values().next();
    ManifestError::Sample {
        name: first.map(name).unwrap_or_default(),
        of: first.map(of).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_manifest_parses() {
        let manifests = Manifests::load(None).unwrap();
        assert!(manifests.iter().count() >= 50);
        assert_eq!(manifests.get("beir-arguana").unwrap().counts.documents, Some(8_674));
    }
}
