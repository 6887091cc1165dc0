//! The texts that a language model wrote for queries, as a file has them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use nir_core::{Query, Result, StoredText};

use crate::Context;

/// The texts of each query. A query without one is an error: a query that kept its own words would be measured as if it had
/// been expanded.
pub(super) struct Written {
    path: PathBuf,
    by_query: HashMap<String, Vec<String>>,
}

impl Written {
    /// Reads the first `most` texts that a file has for each query.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or one of its texts is empty.
    pub(super) fn read(context: &Context<'_>, path: &Path, most: usize) -> Result<Self> {
        Self::of(path, context.resources.texts(path)?, most)
    }

    pub(super) fn of(path: &Path, texts: Vec<StoredText>, most: usize) -> Result<Self> {
        let mut by_query: HashMap<String, Vec<String>> = HashMap::new();
        for text in texts {
            if text.text.trim().is_empty() {
                return Err(empty(path, &text).into());
            }
            let own = by_query.entry(text.id).or_default();
            if own.len() < most {
                own.push(text.text);
            }
        }
        Ok(Self { path: path.to_owned(), by_query })
    }

    /// The texts of a query, in the order of the file: at least one.
    ///
    /// # Errors
    ///
    /// If the file has none.
    pub(super) fn texts(&self, query: &Query) -> Result<&[String]> {
        let Query { query_id, text, .. } = query;
        match self.by_query.get(query_id) {
            Some(texts) => Ok(texts),
            None => Err(format!(
                "{}: no text for query `{query_id}` (`{text}`) among those of {} queries: expected a line `{query_id} TAB text` \
                 or {{\"query_id\": \"{query_id}\", \"text\": …}}; add it, or run over the queries that the file was written for",
                self.path.display(),
                self.by_query.len()
            )
            .into()),
        }
    }
}

/// The message for a text without any words.
fn empty(path: &Path, text: &StoredText) -> String {
    let line = text.line.map_or_else(String::new, |line| format!(":{line}"));
    format!(
        "{}{line}: the text for query `{}` is empty: expected what a language model wrote for it; write it there, or remove the line",
        path.display(),
        text.id
    )
}

/// Checks how many texts of a query are taken.
pub(super) fn check_most(most: usize) -> std::result::Result<(), String> {
    match most {
        0 => Err("`most` must be at least 1, found 0: no text would be read".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Texts by query, one a line, as if a file `texts.tsv` had them.
    pub(in crate::expansion) fn written(texts: &[(&str, &str)], most: usize) -> Result<Written> {
        let text = |(line, (id, text)): (usize, &(&str, &str))| StoredText {
            id: (*id).to_owned(),
            text: (*text).to_owned(),
            line: Some(line as u64 + 1),
        };
        Written::of(Path::new("texts.tsv"), texts.iter().enumerate().map(text).collect(), most)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::written;
    use super::*;

    #[test]
    fn the_first_texts_of_a_query_are_taken_in_the_order_of_the_file() {
        let texts = [("1", "a"), ("2", "b"), ("1", "c"), ("1", "d")];
        let of = |most| {
            let written = written(&texts, most).unwrap();
            written.texts(&Query::new("1", "tea")).unwrap().to_vec()
        };
        assert_eq!(of(2), ["a", "c"]);
        assert_eq!(of(9), ["a", "c", "d"]);
    }

    #[test]
    fn a_query_without_a_text_is_an_error_that_names_file_and_query() {
        let written = written(&[("1", "a"), ("2", "b")], 1).unwrap();
        let error = written.texts(&Query::new("q3", "tea")).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "texts.tsv: no text for query `q3` (`tea`) among those of 2 queries: expected a line `q3 TAB text`"
            ),
            "{error}"
        );
    }

    #[test]
    fn an_empty_text_is_an_error_that_names_file_line_and_query() {
        let error = written(&[("1", "a"), ("2", " ")], 1).err().unwrap().to_string();
        assert!(error.starts_with("texts.tsv:2: the text for query `2` is empty"), "{error}");
        let text = StoredText { id: "2".to_owned(), text: String::new(), line: None };
        let error = Written::of(Path::new("texts.parquet"), vec![text], 1).err().unwrap();
        assert!(error.to_string().starts_with("texts.parquet: the text for query `2`"), "{error}");
    }
}
