//! Rankings and what they cost, as they lie in a folder of the cache.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Error, Result};
use nir_core::{Key, Run, TrecRun};

use crate::cache::{self, RUN};
use crate::engine::Target;

/// The name of the file with the cost of making an entry.
pub(crate) const COST: &str = "cost.json";
/// The name of the file with the versions of the code that made an entry, one on each line. `nir cache prune` removes
/// entries that no current code would make.
pub const MADE_WITH: &str = "made-with.txt";
/// The last column of every run file. It does not name the method, so that equal runs of two methods are equal files.
pub(crate) const TAG: &str = "nir";

pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let read =
        fs::read(path).map_err(Error::from).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
    read.with_context(|| path.display().to_string())
}

pub(crate) fn write_run(folder: &Path, run: &Run, target: &Target) -> Result<()> {
    let named = run.named(&target.queries, &*target.corpus);
    Ok(nir_data::trec::write_run(&folder.join(RUN), &named, TAG)?)
}

/// Reads a run file over this collection; document ids become rows.
pub(crate) fn read_run(path: &Path, target: &Target) -> Result<Run> {
    let named: TrecRun = nir_data::trec::read_run(path)?;
    let row = |(doc_id, entry): (&str, nir_core::Entry)| {
        let doc = target.corpus.doc_no(doc_id).expect("the cache holds runs of this collection");
        nir_core::Scored { doc, score: entry.score as f32 }
    };
    let ranking = |query: &nir_core::Query| {
        let list = named.get(&query.query_id);
        let scored: Vec<_> =
            list.into_iter().flat_map(|list| list.iter().map(row).collect::<Vec<_>>()).collect();
        nir_core::Ranking::top(scored.len(), scored, &*target.corpus)
    };
    Ok(target.queries.iter().map(ranking).collect())
}

pub(crate) fn write_made_with(folder: &Path, key: &Key) -> Result<()> {
    let lines: String = key.versions().iter().map(|version| format!("{version}\n")).collect();
    cache::write(&folder.join(MADE_WITH), lines)
}
