//! Writing what the readers read, whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use nir_core::{Qrels, TrecRun};

use crate::{OpenError, write_whole};

/// Writes a run of six columns, in the order of the lists; ranks count from 1.
///
/// Scores are printed with as few digits as read back to the same `f32`.
pub fn write_run(path: &Path, run: &TrecRun, tag: &str) -> Result<(), OpenError> {
    write_whole(path, |file| write_run_lines(file, run, tag))
}

/// The lines of [`write_run`], to anything that takes bytes.
pub fn write_run_lines<W: Write + ?Sized>(to: &mut W, run: &TrecRun, tag: &str) -> io::Result<()> {
    for (query_id, list) in run.iter() {
        for (rank, (doc_id, entry)) in list.iter().enumerate() {
            let score = entry.score as f32;
            writeln!(to, "{query_id} Q0 {doc_id} {} {score} {tag}", rank + 1)?;
        }
    }
    Ok(())
}

/// Writes a run of MS MARCO's three columns, in the order of the lists; ranks count from 1.
pub fn write_msmarco_run(path: &Path, run: &TrecRun) -> Result<(), OpenError> {
    write_whole(path, |file| {
        for (query_id, list) in run.iter() {
            for (rank, (doc_id, _)) in list.iter().enumerate() {
                writeln!(file, "{query_id}\t{doc_id}\t{}", rank + 1)?;
            }
        }
        Ok(())
    })
}

/// Writes qrels of four columns, by query and then by document.
pub fn write_qrels(path: &Path, qrels: &Qrels) -> Result<(), OpenError> {
    write_whole(path, |file| {
        for (query_id, judgements) in qrels.iter() {
            let mut judgements: Vec<_> = judgements.iter().collect();
            judgements.sort();
            for (doc_id, grade) in judgements {
                writeln!(file, "{query_id} 0 {doc_id} {grade}")?;
            }
        }
        Ok(())
    })
}
