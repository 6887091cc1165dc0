//! Texts made elsewhere for each query: what somebody's model wrote is put behind the query before anything is searched.
//!
//! A passage that a language model wrote for a query, or queries that mean the same (query2doc: Wang, Yang and Wei, EMNLP
//! 2023; GRF; Q2D), are published as files, and the method needs no model any more. Each line names a query and holds a text;
//! a query may have several. As a passage has many more words than a query, the query is repeated before it.
//!
//! ```text
//! q' = q … q text_1 … text_n          `repeat` times q; 1 for an encoder, 5 for BM25 in query2doc
//! ```
//!
//! ```toml
//! [[stage]]
//! use    = "stored-texts"
//! path   = "passages.tsv"   # query_id, tab, text; or JSON lines {"query_id": …, "text": …}; plain or compressed
//! repeat = 5                # how often the query stands before them
//! most   = 1                # texts of a query at most, from the first
//! ```
//!
//! A query without a text stays as it is; a file that has a text for none of the queries is an error. `query2doc` refuses such a
//! query.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use nir_core::{Queries, Query, Result, Writer};
use serde::{Deserialize, Serialize};

use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A file of texts by `query_id`: two columns with a tab between them, or JSON lines with `id` and `text`; plain or
    /// compressed. A relative path starts in the folder of the config, or for a config below `configs/` in the folder that
    /// holds `configs/`.
    #[serde(skip_serializing)] // what the file holds is in every key, wherever it lies
    pub path: PathBuf,
    /// How often the query stands before the texts; 0 puts them in its place.
    pub repeat: usize,
    /// How many texts of a query are taken, from its first.
    pub most: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "stored-texts";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "";
    const SHAPE: Shape = Shape::Writer;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let texts = context.texts_by_id(&self.path, self.most)?;
        Ok(Stage::Writer(Box::new(Stored { texts, config: self.clone() })))
    }

    fn files(&self) -> Vec<&Path> {
        vec![&self.path]
    }
}

struct Stored {
    /// The texts of each query, by `query_id`.
    texts: HashMap<String, Vec<String>>,
    config: Config,
}

impl Writer for Stored {
    fn write(&self, queries: &Queries) -> Result<Queries> {
        let known = |query: &&Query| self.texts.contains_key(&query.query_id);
        // One query alone is timed, or asked by a user, and need not be among them.
        if queries.len() > 1 && !queries.iter().any(|query| known(&query)) {
            let (path, texts) = (self.config.path.display(), self.texts.len());
            return Err(format!(
                "{path}: none of its {texts} queries is asked here: expected the `query_id`s of the dataset that is run over"
            )
            .into());
        }
        Ok(queries.with_texts(queries.iter().map(|query| self.written(query)).collect()))
    }
}

impl Stored {
    fn written(&self, query: &Query) -> String {
        let Some(texts) = self.texts.get(&query.query_id) else { return query.text.clone() };
        let own = std::iter::repeat_n(query.text.as_str(), self.config.repeat);
        own.chain(texts.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(repeat: usize) -> Stored {
        let texts = HashMap::from([("1".to_owned(), vec!["a warm drink".to_owned()])]);
        Stored { texts, config: Config { path: "passages.tsv".into(), repeat, most: 1 } }
    }

    #[test]
    fn a_text_follows_the_repeated_query() {
        let queries = Queries::new(vec![Query::new("1", "tea"), Query::new("2", "milk")]).unwrap();
        let texts = |repeat| {
            let written = stored(repeat).write(&queries).unwrap();
            written.iter().map(|query| query.text.clone()).collect::<Vec<_>>()
        };
        assert_eq!(texts(2), ["tea tea a warm drink", "milk"]);
        assert_eq!(texts(0), ["a warm drink", "milk"]);
    }

    #[test]
    fn texts_for_other_queries_are_refused() {
        let queries = Queries::new(vec![Query::new("x", "tea"), Query::new("y", "milk")]).unwrap();
        let error = stored(1).write(&queries).unwrap_err().to_string();
        assert!(error.contains("passages.tsv: none of its 1 queries is asked here"), "{error}");
    }
}
