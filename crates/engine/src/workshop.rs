//! What stages borrow while they are built, with a log of what they took.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Error;
use nir_cache::Found;
use nir_catalogue::StageCost;
use nir_core::{BoxError, Key, StoredText, TrecRun};
use nir_data::{CandidateRuns, Source, read_texts, read_texts_of};
use nir_methods::language_model::{LanguageModel, Served};
use nir_methods::{Resources, Stage};
use nir_nn::checkpoint::{Checkpoint, Wanted};

use crate::cache::{self, Cache};
use crate::carried::carried_texts;
use crate::cost::{Spent, spent};
use crate::kept::{COST, read_json, write_made_with};
use crate::models::Models;
use crate::provenance::Facts;
use crate::servers::Servers;

/// A stage that is built and ready to work.
pub(crate) struct Opened {
    pub(crate) stage: Stage,
    /// The cost of everything that it uses, including encoding.
    pub(crate) cost: StageCost,
    /// The cost of building its index alone.
    pub(crate) index: Spent,
    /// The folders of the cache that it reads, with the bytes in each.
    pub(crate) places: Places,
    pub(crate) facts: Facts,
}

/// What a stage uses while it is built, with a record of what it used.
pub(crate) struct Workshop<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) models: &'a Models,
    pub(crate) servers: &'a Servers,
    pub(crate) log: Mutex<Log>,
    pub(crate) recipe: String,
    /// The settings in which the stage may contradict the files of its checkpoint.
    pub(crate) overrides: Vec<String>,
    /// The candidates that are handed out with the dataset.
    pub(crate) candidates: Arc<CandidateRuns>,
}

impl Workshop<'_> {
    /// Ends the building of a stage: its cost, and the properties of its indexes. An entry of the cache counts with the
    /// cost of making it.
    pub(crate) fn finish(self, algorithm: &str, open_seconds: f64, stage: Stage) -> Opened {
        let Log { artifacts, seconds, index, places, facts } =
            self.log.into_inner().expect("no thread died holding the log");
        let build_seconds = if artifacts == 0 { open_seconds } else { seconds };
        let (name, bytes) = (algorithm.to_owned(), places.values().sum());
        let cost = StageCost { stage: name, build_seconds, run_seconds: 0.0, bytes, cpu: None };
        Opened { stage, cost, index, places, facts }
    }
}

#[derive(Default)]
pub(crate) struct Log {
    artifacts: usize,
    seconds: f64,
    /// The part of it that building indexes took.
    index: Spent,
    places: Places,
    facts: Facts,
}

/// Folders of the cache, with the bytes in each.
pub(crate) type Places = BTreeMap<PathBuf, u64>;

/// Makes an entry in a new folder, together with its cost and the versions of the code that made it.
fn fill(
    folder: &Path,
    key: &Key,
    make: &mut dyn FnMut(&Path) -> nir_core::Result<()>,
) -> anyhow::Result<()> {
    let (spent, made) = spent(|| make(folder));
    made.map_err(boxed)?;
    write_made_with(folder, key)?;
    cache::write(&folder.join(COST), serde_json::to_string(&spent)?)
}

impl Workshop<'_> {
    /// Adds the cost that an entry had when it was made.
    fn logged(&self, kind: &str, found: &Found) -> anyhow::Result<PathBuf> {
        let spent: Spent = read_json(&found.file(COST))?;
        let mut log = self.log.lock().expect("no thread died holding the log");
        log.artifacts += 1;
        log.seconds += spent.seconds;
        if kind == "indexes" {
            log.index = log.index + spent;
        }
        log.places.insert(found.path().to_owned(), found.manifest().bytes());
        Ok(found.path().to_owned())
    }
}

impl Resources for Workshop<'_> {
    fn artifact(
        &self,
        kind: &str,
        key: &Key,
        make: &mut dyn FnMut(&Path) -> nir_core::Result<()>,
    ) -> nir_core::Result<PathBuf> {
        let fill = |folder: &Path| fill(folder, key, make);
        let found = self.cache.make(kind, key.digest(), &self.recipe, fill)?;
        Ok(self.logged(kind, &found)?)
    }

    /// An entry that another process is making costs nothing here and is not recorded, because it is asked for again.
    fn artifact_unless_claimed(
        &self,
        kind: &str,
        key: &Key,
        make: &mut dyn FnMut(&Path) -> nir_core::Result<()>,
    ) -> nir_core::Result<Option<PathBuf>> {
        let fill = |folder: &Path| fill(folder, key, make);
        let found = self.cache.make_unless_claimed(kind, key.digest(), &self.recipe, fill)?;
        Ok(found.map(|found| found.path().to_owned()))
    }

    fn checkpoint(&self, wanted: &Wanted) -> nir_core::Result<Checkpoint> {
        Ok(self.models.open(wanted)?)
    }

    fn served(&self, model: &Served) -> nir_core::Result<Arc<dyn LanguageModel>> {
        Ok(self.servers.open(model)?)
    }

    fn run_file(&self, path: &Path) -> nir_core::Result<TrecRun> {
        Ok(nir_data::trec::read_run(path)?)
    }

    fn candidates(&self, name: &str) -> nir_core::Result<TrecRun> {
        self.run_file(&self.candidates.get(name)?.path)
    }

    fn texts(&self, path: &Path) -> nir_core::Result<Vec<StoredText>> {
        let source = Source::file(path);
        let read = match carried_texts(path)? {
            Some(content) => read_texts_of(&source, content)?,
            None => read_texts(&source)?,
        };
        read.notes.sentences().for_each(|sentence| self.cache.folders().tell(&sentence));
        Ok(read.value)
    }

    fn note(&self, index: &str, fact: &str, value: &str) {
        let mut log = self.log.lock().expect("no thread died holding the log");
        log.facts.entry(index.to_owned()).or_default().insert(fact.to_owned(), value.to_owned());
    }
}

pub(crate) fn boxed(error: BoxError) -> Error {
    Error::from_boxed(error)
}
