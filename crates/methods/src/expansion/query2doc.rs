//! query2doc: a passage that a language model wrote for the query is put behind it.
//! Wang, Yang and Wei, EMNLP 2023 (`wang2023query2doc`).
//!
//! A language model that is asked to write a passage which answers the query uses the words of such passages, even where it
//! gets the facts wrong. Query and passage are then searched as one text. A passage has many more words than a query, so for a
//! search for terms the query is repeated before it; an encoder reads both with its separator between them.
//!
//! ```text
//! sparse:  q⁺ = q q … q d'             the query `repeat` times, then the passage
//! dense:   q⁺ = q [SEP] d'
//! ```
//!
//! | symbol | is                                                                    |
//! |--------|-----------------------------------------------------------------------|
//! | `q`    | the query                                                             |
//! | `d'`   | what was written for it: its first `most` texts in the file `path`, joined by a space |
//!
//! The paper repeats the query 5 times and takes one passage. Its passages are published
//! (`intfloat/query2doc_msmarco`: `query_id`, `query`, `pseudo_doc`), and such a file is read as it is. A query without a text
//! is an error; `stored-texts` is the stage that lets such queries pass.
//!
//! Try it: `nir run expansion/query2doc-pocket lexical/bm25 --on pocket`

use std::path::{Path, PathBuf};

use nir_core::{Queries, Query, Result, Writer};
use serde::{Deserialize, Serialize};

use super::written::{Written, check_most};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A file of texts by `query_id`: two columns with a tab between them, or JSON lines with `query_id` and `text`,
    /// `pseudo_doc` or a list `texts`; plain or compressed. `pocket:passages.tsv` comes with the program. A relative path starts
    /// in the folder of the config, or for a config below `configs/` in the folder that holds `configs/`.
    #[serde(skip_serializing)] // what the file holds is in every key, wherever it lies
    pub path: PathBuf,
    /// How many texts of a query are taken, from its first.
    pub most: usize,
    /// How the query and its texts are joined: `{ sparse = { repeat = 5 } }` or `{ dense = { separator = "[SEP]" } }`.
    pub form: Form,
}

/// How a query and its texts are joined.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Form {
    /// For a search for terms.
    Sparse {
        /// How often the query stands before the texts: at least once.
        repeat: usize,
    },
    /// For an encoder.
    Dense {
        /// What stands between the query and the texts: the separator of the encoder's tokenizer.
        separator: String,
    },
}

impl Algorithm for Config {
    const NAME: &'static str = "query2doc";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "wang2023query2doc";
    const SHAPE: Shape = Shape::Writer;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let written = Written::read(context, &self.path, self.most)?;
        Ok(Stage::Writer(Box::new(Query2Doc { written, form: self.form.clone() })))
    }

    fn check(&self) -> std::result::Result<(), String> {
        check_most(self.most)?;
        match self.form {
            Form::Sparse { repeat: 0 } => {
                Err("`form.sparse.repeat` must be at least 1, found 0: the query would be left out"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }

    fn files(&self) -> Vec<&Path> {
        vec![&self.path]
    }
}

struct Query2Doc {
    written: Written,
    form: Form,
}

impl Writer for Query2Doc {
    fn write(&self, queries: &Queries) -> Result<Queries> {
        let expanded = |query: &Query| {
            Ok(self.form.joined(&query.text, &self.written.texts(query)?.join(" ")))
        };
        Ok(queries.with_texts(queries.iter().map(expanded).collect::<Result<_>>()?))
    }
}

impl Form {
    /// The text `q⁺`.
    fn joined(&self, query: &str, passage: &str) -> String {
        match self {
            Self::Sparse { repeat } => format!("{}{passage}", format!("{query} ").repeat(*repeat)),
            Self::Dense { separator } => format!("{query} {separator} {passage}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expansion::written::testing::written;

    fn texts(form: Form, most: usize) -> Vec<String> {
        let written =
            written(&[("1", "a warm drink"), ("2", "it is white"), ("1", "of leaves")], most);
        let queries = Queries::new(vec![Query::new("1", "tea"), Query::new("2", "milk")]).unwrap();
        let written = Query2Doc { written: written.unwrap(), form }.write(&queries).unwrap();
        written.iter().map(|query| query.text.clone()).collect()
    }

    #[test]
    fn a_passage_follows_the_repeated_query() {
        assert_eq!(
            texts(Form::Sparse { repeat: 5 }, 1),
            ["tea tea tea tea tea a warm drink", "milk milk milk milk milk it is white"]
        );
        assert_eq!(
            texts(Form::Sparse { repeat: 1 }, 2),
            ["tea a warm drink of leaves", "milk it is white"]
        );
    }

    #[test]
    fn an_encoder_reads_its_separator_between_query_and_passage() {
        assert_eq!(
            texts(Form::Dense { separator: "[SEP]".to_owned() }, 1),
            ["tea [SEP] a warm drink", "milk [SEP] it is white"]
        );
    }

    #[test]
    fn a_query_without_a_passage_is_refused() {
        let written = written(&[("1", "a warm drink")], 1).unwrap();
        let queries = Queries::new(vec![Query::new("1", "tea"), Query::new("2", "milk")]).unwrap();
        let query2doc = Query2Doc { written, form: Form::Sparse { repeat: 5 } };
        let error = query2doc.write(&queries).unwrap_err().to_string();
        assert!(error.contains("texts.tsv: no text for query `2` (`milk`)"), "{error}");
    }

    #[test]
    fn parameters_that_leave_out_query_or_passage_are_refused() {
        let error = |text: &str| toml::from_str::<Config>(text).unwrap().check().unwrap_err();
        let found = error("path = \"x\"\nmost = 0\nform = { sparse = { repeat = 5 } }");
        assert!(found.starts_with("`most` must be at least 1"), "{found}");
        let found = error("path = \"x\"\nmost = 1\nform = { sparse = { repeat = 0 } }");
        assert!(found.starts_with("`form.sparse.repeat` must be at least 1"), "{found}");
    }
}
