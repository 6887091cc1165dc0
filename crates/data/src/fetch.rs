//! Fetching a dataset: its licence, its files, its import.
//!
//! Files come from a folder of the user, from the cache, or from their official place, in this order. A sample is cut
//! from what it samples, which is fetched first. A folder of plain files (`docs.tsv` or `collection.tsv`, queries and
//! qrels, perhaps gzip) will do for any dataset; it is checked by counts and, for a sample, by names.

use std::path::{Path, PathBuf};

use nir_core::Progress;

use crate::cache::Cache;
use crate::candidates;
use crate::dataset::{DatasetError, corpus_state, open_corpus, open_topics, topics_state};
use crate::download::Patience;
use crate::files::{Files, Places, official_in, sums};
use crate::import::{self, Incoming};
use crate::import_error::ImportError;
use crate::manifest::{
    CandidatesPart, CorpusManifest, Documents, Licence, Manifest, PartSource, TopicParts, Topics,
};
use crate::manifests::Manifests;
use crate::origin::{OriginFile, OriginSource};
use crate::{DocumentFormat, Source};

/// The settings with which datasets are fetched.
pub struct Fetch<'a> {
    /// A folder that holds official or plain files; `None` to use the cache and servers only.
    pub from: Option<&'a Path>,
    /// Whether nothing may be downloaded.
    pub offline: bool,
    /// Whether a dataset is imported again although it is there.
    pub again: bool,
    /// Asked once for each licence that was not accepted before.
    pub accept: &'a dyn Fn(&Licence) -> bool,
    /// The limits on waiting for servers.
    pub patience: Patience,
    /// Receives the progress.
    pub progress: &'a dyn Progress,
}

/// The outcome of fetching a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The dataset comes with the program.
    Embedded,
    /// The dataset was in the cache already.
    AlreadyHere,
    /// The dataset was imported now.
    Imported,
}

const PLAIN_DOCUMENTS: [&str; 4] =
    ["docs.tsv", "docs.tsv.gz", "collection.tsv", "collection.tsv.gz"];

impl Fetch<'_> {
    /// Brings a dataset into the cache. Fails if a file cannot be had, is damaged, or the licence was not accepted.
    pub fn dataset(
        &self,
        manifests: &Manifests,
        name: &str,
        cache: &Cache,
    ) -> Result<Fetched, ImportError> {
        let manifest = manifests.get(name)?;
        if manifest.is_embedded() {
            return Ok(Fetched::Embedded);
        }
        let job = Job { fetch: self, manifests, cache, dataset: manifest };
        if !self.again && job.is_done(manifest)? {
            return Ok(Fetched::AlreadyHere);
        }
        job.check_licence(&manifest.licence)?;
        job.check_licence(&manifest.corpus.licence)?;
        match self.from.filter(|from| !has_official(from, manifests, manifest)) {
            Some(folder) => job.plain(folder)?,
            None => job.official(manifest)?,
        }
        Ok(Fetched::Imported)
    }
}

impl Fetch<'_> {
    /// Brings the candidates that are handed out with a dataset into the cache; the name of each, and whether it was there.
    ///
    /// # Errors
    ///
    /// If a file cannot be had or is damaged, the licence was not accepted, or the dataset has no candidates.
    pub fn candidates(
        &self,
        manifests: &Manifests,
        name: &str,
        cache: &Cache,
    ) -> Result<Vec<(String, Fetched)>, ImportError> {
        let manifest = manifests.get(name)?;
        if manifest.candidates.is_empty() {
            return Err(ImportError::NoCandidates { dataset: name.to_owned() });
        }
        let job = Job { fetch: self, manifests, cache, dataset: manifest };
        job.check_licence(&manifest.licence)?;
        let one = |part: &CandidatesPart| Ok((part.name.clone(), job.candidates(part)?));
        manifest.candidates.iter().map(one).collect()
    }
}

/// A dataset that is being fetched.
struct Job<'a> {
    fetch: &'a Fetch<'a>,
    manifests: &'a Manifests,
    cache: &'a Cache,
    dataset: &'a Manifest,
}

impl Job<'_> {
    fn is_done(&self, manifest: &Manifest) -> Result<bool, ImportError> {
        let corpus = corpus_state(self.cache, &manifest.corpus)?;
        let topics = topics_state(self.cache, manifest)?;
        Ok(corpus.is_here() && topics.is_here())
    }

    fn check_licence(&self, licence: &Licence) -> Result<(), ImportError> {
        if self.cache.has_accepted(licence) {
            return Ok(());
        }
        if (self.fetch.accept)(licence) {
            return Ok(self.cache.accept(licence)?);
        }
        let (dataset, licence) = (self.dataset.name.clone(), licence.clone());
        Err(ImportError::Licence { dataset, licence })
    }

    fn official(&self, manifest: &Manifest) -> Result<(), ImportError> {
        self.official_corpus(&manifest.corpus, manifest.name == self.dataset.name)?;
        self.official_topics(manifest)
    }

    /// `asked` tells the corpus that the user asked for from the parents of samples, which are not imported again.
    fn official_corpus(&self, corpus: &CorpusManifest, asked: bool) -> Result<(), ImportError> {
        let again = self.fetch.again && asked;
        if !again && corpus_state(self.cache, corpus)?.is_here() {
            return Ok(());
        }
        match &corpus.documents {
            Documents::Embedded(_) => Ok(()),
            Documents::Files(part) => {
                let mut files = self.files();
                let known = |name: &str| corpus.files.iter().find(|file| file.name == name);
                let sources = files.sources(&part.sources, known)?;
                let bytes = files.bytes();
                let origin = OriginSource::Official { files: files.used() };
                let incoming = Incoming { sources, bytes, origin };
                let pattern = part.doc_id.as_ref();
                self.import_documents(corpus, part.format, pattern, incoming)
            }
            Documents::Sample(sample) => {
                let parent = self.manifests.corpus(&sample.of).expect("checked when loaded");
                self.check_licence(&parent.licence)?;
                self.official_corpus(parent, false)?;
                let (documents, _, origin) =
                    open_corpus(self.cache, &self.dataset.name, parent).map_err(opening)?;
                let origin = sample_origin(origin, &sample.of, &sample.rule);
                let progress = self.fetch.progress;
                import::sampled_documents(self.cache, corpus, sample, &*documents, origin, progress)
            }
        }
    }

    fn import_documents(
        &self,
        corpus: &CorpusManifest,
        format: DocumentFormat,
        pattern: Option<&crate::DocIdPattern>,
        incoming: Incoming,
    ) -> Result<(), ImportError> {
        import::documents(self.cache, corpus, format, pattern, incoming, self.fetch.progress)
    }

    fn official_topics(&self, manifest: &Manifest) -> Result<(), ImportError> {
        match &manifest.topics {
            Topics::Embedded(_) => Ok(()),
            Topics::Files(parts) => self.official_topic_files(manifest, parts),
            Topics::Sample(sample) => {
                let parent = self.manifests.get(&sample.of)?;
                self.check_licence(&parent.licence)?;
                if !topics_state(self.cache, parent)?.is_here() {
                    self.official_topics(parent)?;
                }
                let (topics, _, origin) = open_topics(self.cache, parent).map_err(opening)?;
                let topics = import::sampled_topics(manifest, sample, &topics)?;
                let origin = sample_origin(origin, &sample.of, &sample.rule);
                import::topics(self.cache, manifest, &topics, origin)
            }
        }
    }

    fn official_topic_files(
        &self,
        manifest: &Manifest,
        parts: &TopicParts,
    ) -> Result<(), ImportError> {
        let mut files = self.files();
        let queries = files.sources(&parts.queries.sources, |name| manifest.file(name))?;
        let mut sources = |part: Option<&Vec<PartSource>>| match part {
            Some(sources) => files.sources(sources, |name| manifest.file(name)),
            None => Ok(Vec::new()),
        };
        let qrels = sources(parts.qrels.as_ref().map(|part| &part.sources))?;
        let answers = sources(parts.answers.as_ref().map(|part| &part.sources))?;
        let topics = import::read_topics(parts, &queries, &qrels, &answers)?;
        let origin = OriginSource::Official { files: files.used() };
        import::topics(self.cache, manifest, &topics, origin)
    }

    fn candidates(&self, part: &CandidatesPart) -> Result<Fetched, ImportError> {
        if !self.fetch.again && candidates::is_here(self.cache, self.dataset, part) {
            return Ok(Fetched::AlreadyHere);
        }
        let mut files = self.files();
        let source = PartSource { file: part.file.name.clone(), member: None };
        let found = files.sources(&[source], |_| Some(&part.file))?;
        let origin = OriginSource::Official { files: files.used() };
        candidates::import(self.cache, self.dataset, part, &found[0].path, origin)?;
        Ok(Fetched::Imported)
    }

    fn files(&self) -> Files<'_> {
        let downloads = self.cache.downloads();
        Files::new(Places {
            from: self.fetch.from,
            downloads,
            offline: self.fetch.offline,
            patience: &self.fetch.patience,
            progress: self.fetch.progress,
        })
    }

    fn plain(&self, folder: &Path) -> Result<(), ImportError> {
        let manifest = self.dataset;
        let plain = PlainFolder::find(folder, self.manifests, manifest)?;
        if self.fetch.again || !corpus_state(self.cache, &manifest.corpus)?.is_here() {
            let documents = Source::file(&plain.documents);
            let origin = plain_origin(manifest, &[&plain.documents])?;
            let bytes = sums(&plain.documents)?.bytes;
            let incoming = Incoming { sources: vec![documents], bytes, origin };
            self.import_documents(&manifest.corpus, DocumentFormat::Tsv, None, incoming)?;
        }
        let (queries, judged) = (Source::file(&plain.queries), Source::file(&plain.judged));
        let by_answers = self.manifests.has_answers(manifest);
        let topics = import::read_plain_topics(manifest, &queries, &judged, by_answers)?;
        let origin = plain_origin(manifest, &[&plain.queries, &plain.judged])?;
        import::topics(self.cache, manifest, &topics, origin)
    }
}

fn sample_origin(parent: OriginSource, of: &str, rule: &str) -> OriginSource {
    OriginSource::Sample { of: of.to_owned(), parent: Box::new(parent), rule: rule.to_owned() }
}

fn opening(error: DatasetError) -> ImportError {
    ImportError::Parent(Box::new(error))
}

/// Whether a folder holds an official file of the dataset or of what it samples.
fn has_official(folder: &Path, manifests: &Manifests, manifest: &Manifest) -> bool {
    manifests.official_files(manifest).values().any(|file| official_in(folder, file).is_some())
}

/// The files of a plain folder.
struct PlainFolder {
    documents: PathBuf,
    queries: PathBuf,
    /// The judgements, or the answers of a dataset that has answers.
    judged: PathBuf,
}

impl PlainFolder {
    fn find(
        folder: &Path,
        manifests: &Manifests,
        manifest: &Manifest,
    ) -> Result<Self, ImportError> {
        let documents = PLAIN_DOCUMENTS.map(str::to_owned);
        let queries = twins(&manifest.plain.queries, "queries.tsv");
        let judged = match manifests.has_answers(manifest) {
            true => twins(&manifest.plain.answers, "answers.jsonl"),
            false => twins(&manifest.plain.qrels, "qrels.txt"),
        };
        let Some(documents) = first_in(folder, &documents) else {
            return Err(nothing_there(folder, manifests, manifest));
        };
        let find = |names: &[String]| {
            first_in(folder, names).ok_or_else(|| ImportError::PlainFile {
                folder: folder.to_owned(),
                dataset: manifest.name.clone(),
                expected: names.to_vec(),
            })
        };
        Ok(Self { documents, queries: find(&queries)?, judged: find(&judged)? })
    }
}

/// The origin of plain files, with the sums of those that were read.
fn plain_origin(manifest: &Manifest, files: &[&Path]) -> Result<OriginSource, ImportError> {
    let mut used = Vec::new();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        used.push(OriginFile { name, sums: sums(path)? });
    }
    Ok(OriginSource::Plain { files: used, note: manifest.plain.note.clone() })
}

fn first_in(folder: &Path, names: &[String]) -> Option<PathBuf> {
    names.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// The names that a plain file may have, the preferred one first.
fn twins(name: &str, usual: &str) -> Vec<String> {
    let mut names = vec![name.to_owned(), format!("{name}.gz")];
    if name != usual {
        names.extend([usual.to_owned(), format!("{usual}.gz")]);
    }
    names
}

fn nothing_there(folder: &Path, manifests: &Manifests, manifest: &Manifest) -> ImportError {
    let official = manifests.official_files(manifest).into_keys().map(str::to_owned);
    let names = &manifest.plain;
    let judged = if manifests.has_answers(manifest) { &names.answers } else { &names.qrels };
    let plain = ["docs.tsv or collection.tsv", &names.queries, judged];
    ImportError::NothingThere {
        folder: folder.to_owned(),
        dataset: manifest.name.clone(),
        official: official.collect(),
        plain: plain.map(str::to_owned).to_vec(),
    }
}
