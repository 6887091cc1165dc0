//! Judgements: four columns, `query_id 0 doc_id grade`, or BEIR's three under a header that names them.

use std::io::BufRead;
use std::path::Path;

use nir_core::Qrels;

use super::{TrecError, Wrong, check_ids, read_lines, wrong};
use crate::lines::{Columns, TextLine};
use crate::{grade, open};

/// Reads qrels as TREC or BEIR write them, plain or compressed; `-` is standard input.
///
/// Four columns (`query_id 0 doc_id grade`), or the columns that a first line names (`query-id corpus-id score` in
/// BEIR, in any order and by their usual other names). A `#` is part of a name, also at the start of a line; only a line
/// whose first column is `#` alone and whose last is no grade is a comment, as in a test file of trec_eval. A grade is a whole number, perhaps written `1.0`. A pair may be judged twice only with one grade.
pub fn read_qrels(path: &Path) -> Result<Qrels, TrecError> {
    qrels_from(&mut open(path)?, path)
}

/// Reads qrels that are open already; `path` names them in errors.
pub(crate) fn qrels_from(reader: &mut dyn BufRead, path: &Path) -> Result<Qrels, TrecError> {
    let mut judgements = Reader::default();
    read_lines(reader, path, |line| judgements.line(line))?;
    Ok(judgements.qrels)
}

#[derive(Default)]
struct Reader {
    qrels: Qrels,
    /// The layout, which the first line that is not blank decides.
    layout: Option<Layout>,
}

/// The positions of the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Layout {
    query: usize,
    doc: usize,
    grade: usize,
    columns: usize,
    /// The layout in the words of an error.
    expected: String,
}

/// The names that a column may have in a header, with `-` written as `_`.
const QUERY: [&str; 6] = ["query_id", "qid", "queryid", "query", "topic", "topic_id"];
const DOC: [&str; 12] = [
    "corpus_id",
    "doc_id",
    "docid",
    "docno",
    "did",
    "cid",
    "pid",
    "doc",
    "document_id",
    "passage_id",
    "corpusid",
    "document",
];
const GRADE: [&str; 8] =
    ["score", "grade", "relevance", "rel", "label", "judgement", "judgment", "relevancy"];

impl Layout {
    /// TREC's own layout.
    fn trec() -> Self {
        let expected = "four columns (`query_id 0 doc_id grade`), or on the first line a header such as \
                        `query-id corpus-id score`";
        Self { query: 0, doc: 2, grade: 3, columns: 4, expected: expected.into() }
    }

    /// The layout that a header describes; `None` if the line is no header.
    fn named(line: &str) -> Option<Self> {
        let names: Vec<String> =
            Columns(line).map(|name| name.to_lowercase().replace('-', "_")).collect();
        let place = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        let (query, doc, grade) = (place(&QUERY)?, place(&DOC)?, place(&GRADE)?);
        let expected = format!("{} columns, as the header names them", names.len());
        Some(Self { query, doc, grade, columns: names.len(), expected })
    }
}

impl Reader {
    fn line(&mut self, line: TextLine<'_>) -> Result<(), Wrong> {
        if !Columns(line.text).any_left() || is_comment(line.text) {
            return Ok(());
        }
        match self.layout.take() {
            None => {
                let header = Layout::named(line.text);
                let is_header = header.is_some();
                self.layout = Some(header.unwrap_or_else(Layout::trec));
                if is_header { Ok(()) } else { self.line(line) }
            }
            Some(layout) => {
                let judged = self.judgement(&layout, line);
                self.layout = Some(layout);
                judged
            }
        }
    }

    fn judgement(&mut self, layout: &Layout, line: TextLine<'_>) -> Result<(), Wrong> {
        let [mut query_id, mut doc_id, mut grade] = [""; 3];
        let mut count = 0;
        for column in Columns(line.text) {
            match count {
                at if at == layout.query => query_id = column,
                at if at == layout.doc => doc_id = column,
                at if at == layout.grade => grade = column,
                _ => {}
            }
            count += 1;
        }
        if count != layout.columns {
            return wrong(line.number, format!("{count} columns"), layout.expected.as_str());
        }
        check_ids(line, query_id, doc_id)?;
        match grade::parse(grade) {
            Some(grade) => self.add(line.number, query_id, doc_id, grade),
            None => wrong(line.number, format!("`{grade}`"), grade::EXPECTED),
        }
    }

    fn add(&mut self, number: u64, query_id: &str, doc_id: &str, grade: i32) -> Result<(), Wrong> {
        match self.qrels.insert(query_id, doc_id, grade) {
            Some(earlier) if earlier != grade => wrong(
                number,
                format!("grade {grade} for query `{query_id}` and document `{doc_id}`"),
                format!("grade {earlier} as on an earlier line: keep one of the two"),
            ),
            _ => Ok(()),
        }
    }
}

/// `# comment here`: a line of `qrels.test.with-comments` in trec_eval's tests.
fn is_comment(line: &str) -> bool {
    let mut columns = Columns(line);
    columns.next() == Some("#") && columns.last().and_then(grade::parse).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_number_sign_begins_a_comment_unless_the_line_is_a_judgement() {
        assert!(is_comment("# and comment here"));
        for judged in ["# 0 d1 1", "#tea 0 d1 1", "#tea and more words"] {
            assert!(!is_comment(judged), "{judged}");
        }
    }

    #[test]
    fn a_header_says_where_the_columns_are() {
        let places = |line| Layout::named(line).map(|at| (at.query, at.doc, at.grade, at.columns));
        assert_eq!(places("query-id\tcorpus-id\tscore\r"), Some((0, 1, 2, 3)));
        assert_eq!(places("qid\tcid\tscore"), Some((0, 1, 2, 3)));
        assert_eq!(places("score\tcorpus-id\tquery-id"), Some((2, 1, 0, 3)));
        assert_eq!(places("query_id iteration doc_id relevance"), Some((0, 2, 3, 4)));
        assert_eq!(places("query 0 doc 1"), None, "the grade is a number");
        assert_eq!(places("#tea 0 d1 1"), None);
    }
}
