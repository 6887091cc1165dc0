//! MS MARCO's top-1000 files: what BM25 found, with its text, for a reranker to order.

use std::collections::HashMap;

use nir_core::TrecRun;

use super::Candidates;
use super::collect::{QuerySet, named};
use super::input::Input;
use super::lines::{Line, Lines, malformed};
use crate::{Notes, Read, ReadError, Source};

/// The candidates so far. Lines of different queries may be mixed, as in `top1000.dev.tsv`.
struct Gathered<'s> {
    queries: QuerySet<'s>,
    texts: HashMap<String, String>,
    run: TrecRun,
}

pub(super) fn candidates(source: &Source) -> Result<Read<Candidates>, ReadError> {
    let (queries, run) = (QuerySet::new(source), TrecRun::default());
    let mut gathered = Gathered { queries, texts: HashMap::new(), run };
    let mut lines = Lines::of(Input::open(source)?)?;
    let mut read = 0;
    while let Some(line) = lines.next_row()? {
        let [query_id, doc_id, query, _passage] =
            line.columns("`query_id TAB doc_id TAB query TAB passage`")?;
        named(source, line.number, "doc_id", doc_id)?;
        gathered.query(&line, query_id, query)?;
        gathered.candidate(query_id, doc_id);
        read = line.number;
    }
    check_repeats(source, read, &gathered.run)?;
    let mut notes = Notes::default();
    lines.note(&mut notes);
    let Read { value: queries, notes } = gathered.queries.finish(notes);
    Ok(Read { value: Candidates { queries, run: gathered.run }, notes })
}

impl Gathered<'_> {
    fn query(&mut self, line: &Line<'_>, query_id: &str, query: &str) -> Result<(), ReadError> {
        match self.texts.get(query_id) {
            Some(before) if before == query => Ok(()),
            Some(before) => {
                let found = format!("`{query}` for query `{query_id}`");
                Err(line.malformed(found, format!("`{before}` as on its earlier lines")))
            }
            None => {
                self.queries.add(line.number, query_id, query)?;
                self.texts.insert(query_id.to_owned(), query.to_owned());
                Ok(())
            }
        }
    }

    /// The file gives no scores and its order means nothing; falling scores keep that order.
    fn candidate(&mut self, query_id: &str, doc_id: &str) {
        let list = self.run.list_mut(query_id);
        let rank = list.len() as u32 + 1;
        list.push(doc_id, -f64::from(rank), rank);
    }
}

fn check_repeats(source: &Source, last_line: u64, run: &TrecRun) -> Result<(), ReadError> {
    for (query_id, list) in run.iter() {
        let mut doc_ids: Vec<&str> = list.iter().map(|(doc_id, _)| doc_id).collect();
        doc_ids.sort_unstable();
        if let Some([doc_id, _]) = doc_ids.array_windows().find(|[one, next]| one == next) {
            let found = format!("`{doc_id}` twice for query `{query_id}`");
            return Err(malformed(
                source,
                last_line,
                found,
                "each candidate once by the last line",
            ));
        }
    }
    Ok(())
}
