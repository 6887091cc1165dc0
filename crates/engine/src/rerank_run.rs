//! A reranker over somebody's ranking: a method whose first stages are replaced by a run file.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use nir_catalogue::{Method, Source};
use nir_methods::Shape;
use toml::{Table, Value};

use crate::library::Library;

/// How deep a run file is read where the stages that it replaces do not say how much they gave to the reranker.
const DEPTH: i64 = 1000;

impl Library {
    /// The method with the run file `run` in place of all stages before its first reranker. It is called
    /// `<method>-over-<the file's name>`, and its text is that of a config which does the same.
    ///
    /// # Errors
    ///
    /// Where the method cannot be read, or reranks nothing.
    pub fn over_run(&self, method: &Method, run: &Path) -> Result<Method> {
        let pipeline = self.read(method)?;
        let is_reranker = |step: &crate::Step| step.shape == Shape::Reranker;
        let Some(first) = pipeline.steps.iter().position(is_reranker) else {
            bail!(
                "`{}` has no stage that reranks: a run file can be reranked by cross-encoders and other rerankers",
                method.name
            );
        };
        let mut file: Table = method.source.parse()?;
        let stages = file.get_mut("stage").and_then(Value::as_array_mut);
        let stages = stages.context("a method is read from its stages")?;
        let depth = stages[..first].iter().rev().find_map(|stage| stage.get("depth")).cloned();
        let path = std::path::absolute(run)?;
        let taken = Table::from_iter([
            ("use".to_owned(), Value::from("run")),
            ("path".to_owned(), Value::from(path.display().to_string())),
            ("depth".to_owned(), depth.unwrap_or(Value::from(DEPTH))),
        ]);
        stages.splice(..first, [Value::Table(taken)]);
        file.remove("claim"); // it is about the method's own first stages
        let over = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(card) = file.get_mut("card").and_then(Value::as_table_mut) {
            card.insert(
                "name".to_owned(),
                Value::from(format!("{} over {over}", method.card.name)),
            );
        }
        let stem = over.split('.').next().unwrap_or_default();
        let name = format!("{}-over-{stem}", method.name);
        let source = Source::made(method.source.path(), toml::to_string(&file)?);
        let source = match method.source.folder() {
            Some(folder) => source.in_folder(folder),
            None => source,
        };
        Ok(Method::parse(&name, source)?)
    }
}

#[cfg(test)]
mod tests {
    use nir_methods::Registry;

    use super::*;
    use crate::Home;

    #[test]
    fn a_run_file_takes_the_place_of_what_comes_before_the_reranker() {
        let library = Home::carried().library(Registry::builtin()).unwrap();
        let method = &library.methods["cross_encoder/monobert-pocket"];
        let over = library.over_run(method, Path::new("runs/bm25.dl19.trec.gz")).unwrap();
        assert_eq!(over.name, "cross_encoder/monobert-pocket-over-bm25");
        assert_eq!(over.card.name, format!("{} over bm25.dl19.trec.gz", method.card.name));
        let algorithms: Vec<&str> =
            over.stages.iter().map(|stage| stage.algorithm.as_ref().as_str()).collect();
        assert_eq!(algorithms, ["run", "pointwise"]);
        assert!(
            over.source.text().contains("depth = 100"),
            "as BM25 gave it: {}",
            over.source.text()
        );
        assert!(library.read(&over).is_ok());
    }

    #[test]
    fn a_method_without_a_reranker_is_refused() {
        let library = Home::carried().library(Registry::builtin()).unwrap();
        let error = library.over_run(&library.methods["lexical/bm25"], Path::new("a.run"));
        assert!(
            error.unwrap_err().to_string().contains("`lexical/bm25` has no stage that reranks")
        );
    }
}
