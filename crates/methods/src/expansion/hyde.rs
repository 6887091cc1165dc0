//! HyDE: a query is searched by the mean of the vectors of passages that a language model wrote to answer it, and of its own.
//! Gao, Ma, Lin and Callan, ACL 2023 (`gao2022hyde`).
//!
//! An encoder that has seen no judgements compares passages better than it compares a query with a passage. So a language model
//! first writes passages that might answer the query. They may be wrong in every fact, but lie near true passages on the subject,
//! and an encoder, which keeps little detail, finds these.
//!
//! ```text
//! v(q') = (f(q) + Σ_{i ≤ N} f(d_i)) / (N + 1)
//! ```
//!
//! | symbol | is                                                                               |
//! |--------|----------------------------------------------------------------------------------|
//! | `f(x)` | the vector of a text, `[dim]`, as the retriever before this stage makes it of a query |
//! | `q`    | the query                                                                        |
//! | `d_i`  | what was written for it: its first `most` texts in the file `path`                |
//! | `N`    | how many there are; the authors' code writes 8                                   |
//!
//! As in the authors' code (texttron/hyde, `src/hyde/hyde.py`), the query counts as one of the texts, and all are encoded alike.
//! The retriever before this stage lends its encoder of queries: give its `query` the template and the length of passages, as its
//! own search is not read. A query without a text is an error.
//!
//! Try it: `nir run expansion/hyde-pocket dense/dpr-pocket --on pocket`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nir_core::{Queries, Query, Result, Retriever, Rewriter, Run};
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
}

impl Algorithm for Config {
    const NAME: &'static str = "hyde";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "gao2022hyde";
    const SHAPE: Shape = Shape::Rewriter;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let Some(retriever) = context.found_by.clone() else {
            return Err("HyDE needs a retriever before it, whose encoder reads the texts: put a `bi_encoder` there".into());
        };
        let written = Written::read(context, &self.path, self.most)?;
        Ok(Stage::Rewriter(Box::new(Hyde { written, retriever })))
    }

    fn check(&self) -> std::result::Result<(), String> {
        check_most(self.most)
    }

    fn files(&self) -> Vec<&Path> {
        vec![&self.path]
    }
}

struct Hyde {
    written: Written,
    retriever: Arc<dyn Retriever>,
}

impl Rewriter for Hyde {
    fn rewrite(&self, queries: &Queries, _feedback: &Run) -> Result<Queries> {
        let texts: Vec<Vec<Query>> =
            queries.iter().map(|query| self.texts(query)).collect::<Result<_>>()?;
        let Some(vectors) = self.retriever.query_vectors(&texts.concat())? else {
            return Err(
                "the retriever before this stage has no vectors of texts: put a `bi_encoder` there"
                    .into(),
            );
        };
        let mut rest = vectors.as_slice();
        let mut next = |texts: &Vec<Query>| {
            let (own, others) = rest.split_at(texts.len());
            rest = others;
            mean(own)
        };
        Ok(queries.with_vectors(texts.iter().map(&mut next).collect()))
    }
}

impl Hyde {
    /// The query and the texts that were written for it.
    fn texts(&self, query: &Query) -> Result<Vec<Query>> {
        let text = |text: &String| Query::new(query.query_id.as_str(), text.as_str());
        let own = std::iter::once(query.clone());
        Ok(own.chain(self.written.texts(query)?.iter().map(text)).collect())
    }
}

/// The mean of vectors, `[dim]`; there is at least one.
fn mean(vectors: &[Vec<f32>]) -> Vec<f32> {
    let count = vectors.len() as f32;
    (0..vectors[0].len())
        .map(|i| vectors.iter().map(|vector| vector[i]).sum::<f32>() / count)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expansion::written::testing::written;
    use crate::testing::Lent;

    /// An encoder whose vector of a text is its number of words, and 1; or one that has no vectors.
    struct Words(bool);

    impl Retriever for Words {
        fn retrieve(&self, _queries: &Queries) -> Result<Run> {
            Ok(Run::default())
        }

        fn query_vectors(&self, queries: &[Query]) -> Result<Option<Vec<Vec<f32>>>> {
            let vector = |query: &Query| vec![query.text.split(' ').count() as f32, 1.0];
            Ok(self.0.then(|| queries.iter().map(vector).collect()))
        }
    }

    fn queries() -> Queries {
        Queries::new(vec![Query::new("1", "tea"), Query::new("2", "cold milk")]).unwrap()
    }

    fn rewritten(has_vectors: bool, texts: &[(&str, &str)]) -> Result<Queries> {
        let written = written(texts, 2).unwrap();
        Hyde { written, retriever: Arc::new(Words(has_vectors)) }
            .rewrite(&queries(), &Run::default())
    }

    #[test]
    fn matches_the_hand_computed_example() {
        // Query 1: tea has 1 word, its first two texts 3 and 5: (1 + 3 + 5) / 3 = 3. Query 2: (2 + 6) / 2 = 4.
        let texts =
            [("1", "a b c"), ("2", "a b c d e f"), ("1", "a b c d e"), ("1", "left out, as third")];
        let rewritten = rewritten(true, &texts).unwrap();
        let vectors: Vec<_> = rewritten.iter().map(|query| query.vector.clone().unwrap()).collect();
        assert_eq!(vectors, [[3.0, 1.0], [4.0, 1.0]]);
        assert_eq!(rewritten[0].text, "tea");
    }

    #[test]
    fn what_it_lacks_is_said() {
        let error = rewritten(true, &[("1", "a")]).unwrap_err().to_string();
        assert!(error.contains("texts.tsv: no text for query `2` (`cold milk`)"), "{error}");
        let error = rewritten(false, &[("1", "a"), ("2", "b")]).unwrap_err().to_string();
        assert!(error.contains("has no vectors of texts: put a `bi_encoder` there"), "{error}");
        let config: Config = toml::from_str("path = \"texts.tsv\"\nmost = 8").unwrap();
        let error = Lent::new([("a", "tea")]).try_build(&config).err().unwrap().to_string();
        assert!(error.contains("HyDE needs a retriever before it"), "{error}");
    }
}
