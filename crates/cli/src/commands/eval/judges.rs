//! What runs are measured against: judgements, or answers and the documents in which they are looked for.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use nir_core::{Answers, Corpus, Qrels, TrecRun};
use nir_data::{Dataset, Own, Select, Source, read_any_answers, read_any_qrels};
use nir_eval::Judged;

use crate::app::App;
use crate::progress::Bars;
use crate::terminal::warn;

/// A file of judgements or of answers.
pub(super) struct Judges<'a> {
    file: &'a Source,
    by: By,
}

enum By {
    Qrels(Qrels),
    Answers(Answers, Arc<dyn Corpus>),
}

impl<'a> Judges<'a> {
    /// Reads judgements, or answers where there are documents.
    pub(super) fn read(file: &'a Source, corpus: Option<&Source>) -> Result<Self> {
        let by = match corpus {
            None => By::Qrels(read_any_qrels(file)?),
            Some(corpus) => {
                let read = read_any_answers(file)?;
                warn(read.notes.sentences());
                By::Answers(read.value, documents(corpus)?)
            }
        };
        let judges = Self { file, by };
        let what = if corpus.is_some() { "answers" } else { "judgements" };
        ensure!(!judges.queries().is_empty(), "{file}: no {what}");
        Ok(judges)
    }

    pub(super) fn judged(&self) -> Judged<'_> {
        match &self.by {
            By::Qrels(qrels) => Judged::Qrels(qrels),
            By::Answers(answers, corpus) => Judged::Answers(answers, &**corpus),
        }
    }

    /// The queries that are judged, sorted.
    fn queries(&self) -> BTreeSet<&str> {
        match &self.by {
            By::Qrels(qrels) => qrels.iter().map(|(query_id, _)| query_id).collect(),
            By::Answers(answers, _) => answers.iter().map(|(query_id, _)| query_id).collect(),
        }
    }

    /// Refuses a run that shares no query or no document with the judgements: the files do not belong together, and a score
    /// of 0 would hide it. Documents that answers are looked for in must be known, which is seen when they are looked for.
    pub(super) fn ensure_overlap(&self, path: &Path, run: &TrecRun) -> Result<()> {
        let judged = self.queries();
        let queries = || run.iter().map(|(query_id, _)| query_id);
        let asked = queries().any(|query_id| judged.contains(query_id));
        ensure!(asked, self.no_overlap(path, "query", queries().next(), judged.first().copied()));
        let By::Qrels(qrels) = &self.by else { return Ok(()) };
        let judged: HashSet<&str> =
            qrels.iter().flat_map(|(_, docs)| docs.keys().map(String::as_str)).collect();
        let documents = || run.iter().flat_map(|(_, list)| list.iter().map(|(doc_id, _)| doc_id));
        let found = documents().any(|doc_id| judged.contains(doc_id));
        let first = qrels.iter().find_map(|(_, docs)| docs.keys().next());
        let first = first.map(String::as_str);
        ensure!(found, self.no_overlap(path, "document", documents().next(), first));
        Ok(())
    }

    fn no_overlap(
        &self,
        path: &Path,
        what: &str,
        of_run: Option<&str>,
        of_judged: Option<&str>,
    ) -> String {
        let example = |id: Option<&str>| id.map_or("none".to_owned(), |id| format!("`{id}`"));
        format!(
            "{}: no {what} of the run is judged in {} (the run's first is {}, the judged first is {}); are these files of one collection?",
            path.display(),
            self.file,
            example(of_run),
            example(of_judged),
        )
    }

    /// Describes which queries and documents of a run do not fit and therefore cannot count.
    pub(super) fn misfits(&self, path: &Path, run: &TrecRun, returned_only: bool) -> Vec<String> {
        let judged = self.queries();
        let (path, of, file) = (path.display(), judged.len(), self.file);
        let missing = judged.iter().filter(|query_id| run.get(query_id).is_none()).count();
        let unjudged = run.iter().filter(|(query_id, _)| !judged.contains(query_id)).count();
        let counted = if returned_only { "are left out" } else { "count 0" };
        let (kind, judgement) = match self.by {
            By::Qrels(_) => ("judged", "judgement"),
            By::Answers(..) => ("answered", "answer"),
        };
        let said = [
            (missing > 0).then(|| {
                format!("{path}: {missing} of {of} {kind} queries have no results here and {counted}")
            }),
            (unjudged > 0).then(|| {
                let queries = run.len();
                format!("{path}: {unjudged} of {queries} queries have no {judgement} in {file} and are left out")
            }),
            (!self.knows_any(run)).then(|| {
                format!("{path}: not one document is judged in {file} for its query: every measure is 0")
            }),
        ];
        said.into_iter().flatten().collect()
    }

    /// Whether any document of the run is judged for its query.
    fn knows_any(&self, run: &TrecRun) -> bool {
        let By::Qrels(qrels) = &self.by else { return true };
        run.iter().any(|(query_id, list)| {
            let judged = |doc_id| qrels.get(query_id).is_some_and(|docs| docs.contains_key(doc_id));
            list.iter().any(|(doc_id, _)| judged(doc_id))
        })
    }
}

fn documents(corpus: &Source) -> Result<Arc<dyn Corpus>> {
    let own = Own {
        documents: corpus.clone(),
        queries: None,
        qrels: None,
        answers: None,
        select: Select::All,
        fields: Vec::new(),
    };
    let dataset = Dataset::from_files(App::cache()?.data(), &own, &Bars::default())?;
    warn(&dataset.notes);
    Ok(dataset.corpus)
}
