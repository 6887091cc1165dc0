//! Candidates of a dataset, as they are kept in the cache: a run file each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nir_core::{Digest, TrecRun};

use crate::cache::{Cache, CacheError, candidates_name};
use crate::import_error::ImportError;
use crate::manifest::{CandidatesFormat, CandidatesPart, Manifest};
use crate::origin::{Origin, OriginSource};
use crate::trec::{read_run, write_run};
use crate::{Read, ReadError, Source, read_candidates};

const RUN: &str = "candidates.trec";

/// The candidates that are handed out with a dataset: those that were fetched, and the names of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CandidateRuns {
    dataset: String,
    runs: BTreeMap<String, Option<CandidateRun>>,
}

/// A run file of candidates in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateRun {
    /// The path of the file, in TREC's six columns.
    pub path: PathBuf,
    /// The digest of its content.
    pub digest: Digest,
}

/// Why a dataset cannot give candidates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCandidates {
    /// The dataset has no candidates of this name.
    #[error(
        "`{dataset}` has no candidates `{name}`: expected {}; a run file of your own takes their place with --rerank",
        expected(known)
    )]
    Unknown {
        /// The name of the dataset.
        dataset: String,
        /// The name that was asked for.
        name: String,
        /// The names that it has.
        known: Vec<String>,
    },
    /// They were not fetched, or under another version of the manifest.
    #[error(
        "the candidates `{name}` of `{dataset}` are not here yet; run `nir fetch {dataset} --candidates`"
    )]
    NotHere {
        /// The name of the dataset.
        dataset: String,
        /// The name of the candidates.
        name: String,
    },
}

fn expected(known: &[String]) -> String {
    match known {
        [] => "a dataset that has some".to_owned(),
        _ => format!("one of {}", known.join(", ")),
    }
}

impl CandidateRuns {
    /// What the cache holds of the candidates of a dataset.
    pub(crate) fn open(cache: &Cache, manifest: &Manifest) -> Result<Self, CacheError> {
        let one = |part: &CandidatesPart| Ok((part.name.clone(), find(cache, manifest, part)?));
        let runs = manifest.candidates.iter().map(one).collect::<Result<_, CacheError>>()?;
        Ok(Self { dataset: manifest.name.clone(), runs })
    }

    /// None, for a dataset of this name.
    pub fn none(dataset: &str) -> Self {
        Self { dataset: dataset.to_owned(), runs: BTreeMap::new() }
    }

    /// The candidates of this name.
    ///
    /// # Errors
    ///
    /// If the dataset has none of this name, or they were not fetched.
    pub fn get(&self, name: &str) -> Result<&CandidateRun, NoCandidates> {
        let (dataset, wanted) = (self.dataset.clone(), name.to_owned());
        match self.runs.get(name) {
            Some(Some(run)) => Ok(run),
            Some(None) => Err(NoCandidates::NotHere { dataset, name: wanted }),
            None => {
                let known = self.runs.keys().cloned().collect();
                Err(NoCandidates::Unknown { dataset, name: wanted, known })
            }
        }
    }
}

fn find(
    cache: &Cache,
    manifest: &Manifest,
    part: &CandidatesPart,
) -> Result<Option<CandidateRun>, CacheError> {
    let name = candidates_name(&manifest.name, &part.name);
    if !is_here(cache, manifest, part) {
        return Ok(None);
    }
    let Some(found) = cache.folders().get(&name)? else { return Ok(None) };
    let record = found.record(RUN);
    Ok(record
        .map(|record| CandidateRun { path: found.file(RUN), digest: Digest::of(&record.blake3) }))
}

/// Whether the cache holds candidates that were imported as the manifest says.
pub(crate) fn is_here(cache: &Cache, manifest: &Manifest, part: &CandidatesPart) -> bool {
    let place = cache.folders().place(&candidates_name(&manifest.name, &part.name));
    Origin::read(&place).is_some_and(|origin| origin.recipe == part.recipe().hex())
}

/// Keeps candidates in the cache as a run file.
pub(crate) fn import(
    cache: &Cache,
    manifest: &Manifest,
    part: &CandidatesPart,
    file: &Path,
    origin: OriginSource,
) -> Result<(), ImportError> {
    let Read { value: run, notes } = read(part, file)?;
    let name = candidates_name(&manifest.name, &part.name);
    let origin = Origin::new(origin, part.recipe()).noting(&notes);
    let label = format!("{} of {}", part.name, manifest.name);
    let kept = cache.folders().make_anew(&name, &label, |folder| {
        write_run(&folder.join(RUN), &run, &part.name).map_err(ReadError::from)?;
        Ok::<(), ImportError>(origin.write(folder)?)
    });
    kept.map(drop)
}

fn read(part: &CandidatesPart, file: &Path) -> Result<Read<TrecRun>, ImportError> {
    let source = match &part.member {
        Some(member) => Source::member(file, member),
        None => Source::file(file),
    };
    match part.format {
        CandidatesFormat::MsMarco => {
            let Read { value, notes } = read_candidates(&source)?;
            Ok(Read { value: value.run, notes })
        }
        CandidatesFormat::Trec => {
            let value = read_run(&source.path).map_err(ReadError::from)?;
            Ok(Read { value, ..Read::default() })
        }
    }
}
