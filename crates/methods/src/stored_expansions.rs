//! Expansions made elsewhere: texts that somebody's model wrote for each document are added to it before it is indexed.
//!
//! Queries that doc2query predicted (`nogueira2019doc2query`), keywords, translations: what takes a model days to write is
//! published as a file, and the method needs no model any more. Each line names a document and holds a text, and a document
//! may have several; they follow the document's own text in the order of the file, a space before each.
//!
//! ```toml
//! [[stage]]
//! use  = "stored-expansions"
//! path = "predicted-queries.tsv"   # doc_id, tab, text; or JSON lines {"id": …, "text": …}; plain or compressed
//! most = 40                        # texts of a document at most, from the first
//! ```
//!
//! A file that names no document of the collection is an error; how many documents it has texts for is in the result.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use nir_core::{Corpus, DocNo, Document, Expander, Result};
use serde::{Deserialize, Serialize};

use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A file of texts by `doc_id`: two columns with a tab between them, or JSON lines with `id` and `text`; plain or
    /// compressed. A relative path starts in the folder of the config, or for a config below `configs/` in the folder that
    /// holds `configs/`.
    #[serde(skip_serializing)] // what the file holds is in every key, wherever it lies
    pub path: PathBuf,
    /// How many texts of a document are taken, from its first.
    pub most: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "stored-expansions";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "";
    const SHAPE: Shape = Shape::Expander;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let texts = context.texts_by_id(&self.path, self.most)?;
        let found = texts.keys().filter(|doc_id| context.corpus.doc_no(doc_id).is_some()).count();
        if found == 0 && !context.corpus.is_empty() {
            return Err(format!(
                "{}: none of its {} documents is of this collection: expected the `doc_id`s of the dataset that is run over",
                self.path.display(),
                texts.len()
            )
            .into());
        }
        context.resources.note("expansion", "documents", &found.to_string());
        context.resources.note("expansion", "foreign", &(texts.len() - found).to_string());
        Ok(Stage::Expander(Box::new(Stored(texts))))
    }

    fn files(&self) -> Vec<&Path> {
        vec![&self.path]
    }
}

/// Texts by the `doc_id` of the document that they were written for.
struct Stored(HashMap<String, Vec<String>>);

impl Expander for Stored {
    fn expand(&self, corpus: &dyn Corpus, rows: Range<u32>) -> Result<Vec<Document>> {
        let one = |doc: DocNo| {
            let mut text = corpus.text(doc).to_owned();
            for own in self.0.get(corpus.doc_id(doc)).into_iter().flatten() {
                text.push(' ');
                text.push_str(own);
            }
            Document {
                doc_id: corpus.doc_id(doc).to_owned(),
                title: corpus.title(doc).to_owned(),
                text,
            }
        };
        Ok(rows.map(DocNo).map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use nir_core::Documents;

    use super::*;

    #[test]
    fn texts_follow_the_documents_own_in_the_order_of_the_file() {
        let document = |doc_id: &str, text: &str| Document {
            doc_id: doc_id.to_owned(),
            title: "t".to_owned(),
            text: text.to_owned(),
        };
        let corpus = Documents::new([document("a", "tea"), document("b", "milk")]).unwrap();
        let texts = ["what is tea", "is tea hot"].map(str::to_owned).to_vec();
        let stored = Stored(HashMap::from([("a".to_owned(), texts)]));
        let expanded = stored.expand(&corpus, 0..2).unwrap();
        let found: Vec<_> = expanded.iter().map(|document| document.text.as_str()).collect();
        assert_eq!(found, ["tea what is tea is tea hot", "milk"]);
        assert!(expanded.iter().all(|document| document.title == "t"));
    }
}
