//! Header lines of tables: a first line that names the columns is no document and no query.

use super::lines::Line;
use crate::ReadError;

/// The names that a column may have, in lower case and with `-` written as `_`.
pub(super) struct Names {
    ids: &'static [&'static str],
    texts: &'static [&'static str],
    titles: &'static [&'static str],
    expected: &'static str,
}

pub(super) const DOCUMENTS: Names = Names {
    ids: &[
        "_id",
        "id",
        "doc_id",
        "docid",
        "docno",
        "doc_no",
        "did",
        "pid",
        "cid",
        "passage_id",
        "document_id",
        "corpus_id",
        "documentid",
        "passageid",
    ],
    texts: &[
        "text",
        "contents",
        "content",
        "body",
        "passage",
        "document",
        "doc",
        "passage_text",
        "document_text",
        "abstract",
    ],
    titles: &["title", "headline"],
    expected: "columns named `id`, `text` and perhaps `title`",
};

pub(super) const QUERIES: Names = Names {
    ids: &[
        "_id",
        "id",
        "query_id",
        "qid",
        "queryid",
        "topic_id",
        "topic",
        "number",
        "num",
        "question_id",
    ],
    texts: &[
        "text",
        "query",
        "question",
        "title",
        "contents",
        "query_text",
        "topic",
        "description",
    ],
    titles: &[],
    expected: "columns named `id` and `text`",
};

/// Texts that were stored for queries or documents. A title was read of no such file.
pub(super) const TEXTS: Names = Names {
    ids: &[
        "_id",
        "id",
        "query_id",
        "qid",
        "queryid",
        "topic_id",
        "topic",
        "question_id",
        "doc_id",
        "docid",
        "docno",
        "doc_no",
        "did",
        "pid",
        "cid",
        "passage_id",
        "document_id",
        "corpus_id",
        "documentid",
        "passageid",
    ],
    texts: &[
        "text",
        "contents",
        "content",
        "body",
        "passage",
        "document",
        "doc",
        "passage_text",
        "document_text",
        "abstract",
        "pseudo_doc",
        "generation",
        "expansion",
    ],
    titles: &["title", "headline"],
    expected: "columns named `query_id` (or `doc_id`) and `text`",
};

/// The positions of the columns that a header names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    id: usize,
    text: usize,
    title: Option<usize>,
    columns: usize,
}

/// The columns of a row that are used.
pub(super) struct Fields<'l> {
    pub(super) id: &'l str,
    pub(super) title: &'l str,
    pub(super) text: &'l str,
}

impl Header {
    /// The header that a first line is; none where it is a row.
    ///
    /// It is one if two of its columns have the names of an id and of a text, or if there are two and the first has the
    /// name of an id. A column with another name is refused: nothing is left unread in silence.
    pub(super) fn of(line: &Line<'_>, names: &Names) -> Result<Option<Self>, ReadError> {
        let columns: Vec<String> = line
            .text
            .split('\t')
            .map(|name| name.trim().to_lowercase().replace('-', "_"))
            .collect();
        let place = |known: &[&str], not: Option<usize>| {
            let is =
                |(at, name): &(usize, &String)| known.contains(&name.as_str()) && Some(*at) != not;
            columns.iter().enumerate().find(is).map(|(at, _)| at)
        };
        let Some(id) = place(names.ids, None) else { return Ok(None) };
        let text = place(names.texts, Some(id));
        let other = (id == 0 && columns.len() == 2).then_some(1);
        let Some(text) = text.or(other) else { return Ok(None) };
        let title = place(names.titles, Some(text));
        let header = Self { id, text, title, columns: columns.len() };
        match (0..columns.len()).find(|&at| !header.reads(at)) {
            None => Ok(Some(header)),
            Some(at) => {
                Err(line.malformed(format!("a header with `{}`", columns[at]), names.expected))
            }
        }
    }

    fn reads(&self, column: usize) -> bool {
        column == self.id || column == self.text || Some(column) == self.title
    }

    /// The values of a row below the header.
    pub(super) fn fields<'l>(&self, line: &Line<'l>) -> Result<Fields<'l>, ReadError> {
        let mut fields = Fields { id: "", title: "", text: "" };
        let mut count = 0;
        for column in line.text.split('\t') {
            match count {
                at if at == self.id => fields.id = column,
                at if at == self.text => fields.text = column,
                _ => fields.title = column,
            }
            count += 1;
        }
        if count == self.columns {
            return Ok(fields);
        }
        Err(line.wrong_columns(&format!("{} columns, as the header names them", self.columns)))
    }
}
