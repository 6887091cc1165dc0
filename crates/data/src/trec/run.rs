//! Results: six columns, `query_id Q0 doc_id rank score tag`, or MS MARCO's three, `query_id doc_id rank`.

use std::mem;
use std::path::Path;

use nir_core::{RankedList, TrecRun};
use rustc_hash::FxHashMap;

use super::seen::Seen;
use super::{TrecError, Wrong, check_ids, read_lines, score, wrong};
use crate::lines::{Columns, TextLine};
use crate::open;

/// Reads a run, plain or compressed; `-` is standard input.
///
/// The first line tells the format: six columns (more are part of the tag, as in trec_eval) or MS MARCO's three. A
/// run of three columns has no scores; each line gets the rank below zero, which sorts as the ranks do.
///
/// Lines of one query need not stand together. Refused are: a wrong number of columns, a score that is no number, a name
/// with control characters or other white space in it, and a document that a query found twice. A rank among six columns that is no whole number is kept as 0.
pub fn read_run(path: &Path) -> Result<TrecRun, TrecError> {
    let mut reader = Reader::default();
    read_lines(&mut open(path)?, path, |line| reader.line(line))?;
    Ok(reader.finish())
}

/// A line of a run in either format.
struct Line<'a> {
    query_id: &'a str,
    doc_id: &'a str,
    rank: u32,
    score: f64,
}

/// Gathers the lines of one query in `block` and moves them into `run` when the next query begins.
#[derive(Default)]
struct Reader {
    run: TrecRun,
    query_id: String,
    block: Block,
    /// Queries whose lines do not stand together, while lines of others are read.
    parted: FxHashMap<String, Block>,
    format: Format,
}

#[derive(Clone, Copy, Default)]
enum Format {
    /// No line has been read yet.
    #[default]
    Unknown,
    Trec,
    MsMarco,
}

impl Reader {
    fn line(&mut self, line: TextLine<'_>) -> Result<(), Wrong> {
        let TextLine { number, text, .. } = line;
        if text.trim_ascii_start().is_empty() {
            return Ok(());
        }
        let found = match self.format {
            Format::Unknown => return self.first(line),
            Format::Trec => six_columns(number, text)?,
            Format::MsMarco => three_columns(number, text)?,
        };
        check_ids(line, found.query_id, found.doc_id)?;
        if found.query_id != self.query_id {
            self.turn_to(found.query_id);
        }
        self.block.push(number, &found, &self.query_id)
    }

    fn first(&mut self, line: TextLine<'_>) -> Result<(), Wrong> {
        let columns: Vec<&str> = Columns(line.text).collect();
        self.format = if columns.len() == 3 { Format::MsMarco } else { Format::Trec };
        columns.get(5).copied().unwrap_or_default().clone_into(&mut self.run.tag);
        self.line(line)
    }

    /// Puts the finished block away and makes ready for lines of `query_id`.
    fn turn_to(&mut self, query_id: &str) {
        self.put_away();
        query_id.clone_into(&mut self.query_id);
        if let Some(block) = self.parted.remove(query_id) {
            self.block = block;
        } else if let Some(list) = self.run.get_mut(query_id) {
            self.block = Block::again(mem::take(list));
        }
    }

    fn put_away(&mut self) {
        if self.block.list.is_empty() {
            return;
        }
        if self.block.parted {
            self.parted.insert(mem::take(&mut self.query_id), mem::take(&mut self.block));
        } else {
            // A copy takes just the memory it needs; the block keeps its own for the next query.
            self.run.insert(&self.query_id, self.block.list.clone());
            self.block.clear();
        }
    }

    fn finish(mut self) -> TrecRun {
        self.put_away();
        for (query_id, mut block) in self.parted {
            block.list.shrink_to_fit();
            self.run.insert(&query_id, block.list);
        }
        self.run
    }
}

/// The lines of one query.
#[derive(Default)]
struct Block {
    list: RankedList,
    seen: Seen,
    /// Whether lines of other queries came in between.
    parted: bool,
}

impl Block {
    /// The lines of a query that appears again after others.
    fn again(list: RankedList) -> Self {
        let mut block = Self { parted: true, ..Self::default() };
        for (doc_id, _) in list.iter() {
            block.seen.insert(doc_id);
        }
        Self { list, ..block }
    }

    fn clear(&mut self) {
        self.list.clear();
        self.seen.clear();
    }

    fn push(&mut self, number: u64, line: &Line, query_id: &str) -> Result<(), Wrong> {
        if !self.seen.insert(line.doc_id) && self.holds(line.doc_id) {
            return wrong(
                number,
                format!("document `{}` a second time for query `{query_id}`", line.doc_id),
                "each document once: keep the line with the better score",
            );
        }
        self.list.push(line.doc_id, line.score, line.rank);
        Ok(())
    }

    /// Looks for a name whose hash is here: nearly always the name is here too.
    fn holds(&self, doc_id: &str) -> bool {
        self.list.iter().any(|(held, _)| held == doc_id)
    }
}

/// Inlined, because a line in pieces is cheap to use and dear to move.
#[inline]
fn six_columns(number: u64, line: &str) -> Result<Line<'_>, Wrong> {
    let mut columns = Columns(line);
    let (Some(query_id), Some(_), Some(doc_id), Some(rank), Some(score), true) = (
        columns.next(),
        columns.next(),
        columns.next(),
        columns.next(),
        columns.next(),
        columns.any_left(),
    ) else {
        let found = format!("{} columns", Columns(line).count());
        return wrong(number, found, "six columns (`query_id Q0 doc_id rank score tag`)");
    };
    let Some(score) = score::parse(score.as_bytes()) else {
        return wrong(number, format!("`{score}`"), "a number as score");
    };
    // trec_eval never looks at this column; a file that puts something else there is still a run.
    Ok(Line { query_id, doc_id, rank: parse_rank(rank).unwrap_or(0), score })
}

fn three_columns(number: u64, line: &str) -> Result<Line<'_>, Wrong> {
    let mut columns = Columns(line);
    let (Some(query_id), Some(doc_id), Some(rank), None) =
        (columns.next(), columns.next(), columns.next(), columns.next())
    else {
        let found = format!("{} columns", Columns(line).count());
        return wrong(number, found, "three columns (`query_id doc_id rank`) as on the first line");
    };
    let Some(rank) = parse_rank(rank) else {
        return wrong(number, format!("`{rank}`"), "a whole number as rank");
    };
    Ok(Line { query_id, doc_id, rank, score: -f64::from(rank) })
}

fn parse_rank(rank: &str) -> Option<u32> {
    rank.parse().ok()
}
