//! LoTTE: `qas.search.jsonl` and `qas.forum.jsonl`, which name the answers of each question.
//! Santhanam et al., NAACL 2022 (`santhanam2022colbertv2`).

use nir_core::Qrels;
use serde::Deserialize;

use super::collect::Judgements;
use super::input::Input;
use super::lines::Lines;
use crate::ReadError;

const EXPECTED: &str = "a JSON object with `qid` and `answer_pids`, whole numbers";

/// A line; the question and its address are passed over.
#[derive(Deserialize)]
struct Object {
    qid: u64,
    answer_pids: Vec<u64>,
}

/// Reads judgements: every answer has grade 1.
pub(super) fn qrels(input: Input<'_>) -> Result<Qrels, ReadError> {
    let mut judgements = Judgements::new(input.source);
    let mut lines = Lines::of(input)?;
    while let Some(line) = lines.next_row()? {
        let object: Object = serde_json::from_str(line.text).map_err(|error| {
            let message = error.to_string();
            let reason = message.split(" at line ").next().unwrap_or(&message);
            line.malformed(format!("{reason} (column {})", error.column()), EXPECTED)
        })?;
        for doc in object.answer_pids {
            judgements.add(line.number, &object.qid.to_string(), &doc.to_string(), 1)?;
        }
    }
    Ok(judgements.finish())
}
