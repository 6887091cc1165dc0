//! TREC judgements: `query_id 0 doc_id grade`, split at white space.

use nir_core::Qrels;

use super::collect::{Judgements, grade};
use super::lines::Lines;
use crate::{ReadError, Source};

pub(super) fn qrels(source: &Source) -> Result<Qrels, ReadError> {
    let mut judgements = Judgements::new(source);
    let mut lines = Lines::open(source)?;
    while let Some(line) = lines.next_line()? {
        let [query_id, _iteration, doc_id, relevance] = line.fields("`query_id 0 doc_id grade`")?;
        judgements.add(line.number, query_id, doc_id, grade(&line, relevance)?)?;
    }
    Ok(judgements.finish())
}
