//! Recipe, bound, running: a `Config` is a recipe; building it over a collection gives a stage that is ready to work.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nir_core::{
    Corpus, Digest, Encode, Expander, Fuser, Key, Progress, Queries, Ranking, Reranker, Result,
    Retriever, Rewriter, Run, StoredText, TrecRun, Version, Writer,
};
use nir_index::{Analyzer, LexicalIndex, versions};
use nir_nn::Backend;
use nir_nn::checkpoint::{Checkpoint, Wanted};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::language_model::{Asked, LanguageModel, Served};

/// The input and the output of a stage (see the traits of the same names in [`nir_core`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Reads documents, gives documents.
    Expander,
    /// Reads queries, gives a run.
    Retriever,
    /// Reads candidates, gives a run.
    Reranker,
    /// Reads candidates, gives queries.
    Rewriter,
    /// Queries in, queries out, before anything is searched.
    Writer,
    /// Reads the runs of other methods, gives a run.
    Fuser,
}

/// A stage that is bound to a collection and ready to work.
pub enum Stage {
    /// Reads documents, gives documents.
    Expander(Box<dyn Expander>),
    /// Queries in, a run out. A later stage may ask it for vectors: see [`Context::found_by`].
    Retriever(Arc<dyn Retriever>),
    /// Reads candidates, gives a run.
    Reranker(Box<dyn Reranker>),
    /// Reads candidates, gives queries.
    Rewriter(Box<dyn Rewriter>),
    /// Queries in, queries out, before anything is searched.
    Writer(Box<dyn Writer>),
    /// Reads the runs of other methods, gives a run.
    Fuser(Box<dyn Fuser>),
}

/// The `Config` of an algorithm: what a user writes below `use`.
///
/// It has no `Default` and refuses unknown keys: a default is a parameter that the reader cannot see.
pub trait Algorithm: DeserializeOwned + Serialize + fmt::Debug + Send + Sync + 'static {
    /// The name in a config's `use`, which is also the name of the file.
    const NAME: &'static str;
    /// Counts up with every change that makes it give something else for the same config and input; see [`Version`].
    const VERSION: u32;
    /// The key of its paper in `configs/papers.toml`.
    const PAPER: &'static str;
    /// The shape of its input and output.
    const SHAPE: Shape;

    /// The text of its file, which `nir explain` shows and which takes part in every key of an algorithm that is not
    /// this crate's: `include_str!("mine.rs")`.
    const SOURCE: &'static str = "";

    /// Binds the recipe to a collection. Fails if a model, an index or a file cannot be opened.
    fn build(&self, context: &Context<'_>) -> Result<Stage>;

    /// The encoder of single texts; `None` if the algorithm has none. The collection of the context is not read.
    fn encoder(&self, _context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(None)
    }

    /// Checks the parameters; the error says what is wrong, such as `k1 must be at least 0, found -1`.
    fn check(&self) -> std::result::Result<(), String> {
        Ok(())
    }

    /// The names of the methods whose runs it reads.
    fn inputs(&self) -> &[String] {
        &[]
    }

    /// Files outside the config whose content decides the result.
    fn files(&self) -> Vec<&Path> {
        Vec::new()
    }

    /// The name of the candidates of a dataset that it reads, if it reads any.
    fn candidates(&self) -> Option<&str> {
        None
    }

    /// The language model that it asks; `None` for a method that asks none.
    fn asked(&self) -> Option<&Asked> {
        None
    }

    /// The weights it loads: those of the model that it asks, or none.
    fn weights(&self) -> Vec<Wanted> {
        self.asked().map(Asked::checkpoints).unwrap_or_default()
    }

    /// Whether a product of matrices follows its encoder, as it does in most heads. Its last bits depend on the
    /// processor, those of the encoder do not.
    fn head_multiplies(&self) -> bool {
        true
    }

    /// The search structures and scorers that it works with, beside its own code and its encoders.
    fn parts(&self) -> Vec<Version> {
        Vec::new()
    }
}

/// An [`Algorithm`] whose type the registry has forgotten.
pub trait Recipe: fmt::Debug + Send + Sync {
    /// See [`Algorithm::build`].
    fn build(&self, context: &Context<'_>) -> Result<Stage>;
    /// See [`Algorithm::encoder`].
    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>>;
    /// See [`Algorithm::inputs`].
    fn inputs(&self) -> &[String];
    /// See [`Algorithm::files`].
    fn files(&self) -> Vec<&Path>;
    /// See [`Algorithm::candidates`].
    fn candidates(&self) -> Option<&str>;
    /// See [`Algorithm::weights`].
    fn weights(&self) -> Vec<Wanted>;
    /// The model behind a server that it asks; see [`Algorithm::asked`].
    fn served(&self) -> Option<&Served>;
    /// The version of its own code.
    fn version(&self) -> Version;
    /// See [`Algorithm::head_multiplies`].
    fn head_multiplies(&self) -> bool;
    /// See [`Algorithm::parts`].
    fn parts(&self) -> Vec<Version>;
    /// Name and every parameter, in one spelling whatever the file's order and spacing.
    fn canonical(&self) -> String;
}

impl<A: Algorithm> Recipe for A {
    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        // Nothing can be learned from no documents, and none is found. A run file may name some, and must say so.
        if A::SHAPE == Shape::Retriever && context.corpus.is_empty() && self.files().is_empty() {
            return Ok(Stage::Retriever(Arc::new(Nothing)));
        }
        Algorithm::build(self, context)
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Algorithm::encoder(self, context)
    }

    fn inputs(&self) -> &[String] {
        Algorithm::inputs(self)
    }

    fn files(&self) -> Vec<&Path> {
        Algorithm::files(self)
    }

    fn candidates(&self) -> Option<&str> {
        Algorithm::candidates(self)
    }

    fn weights(&self) -> Vec<Wanted> {
        Algorithm::weights(self)
    }

    fn served(&self) -> Option<&Served> {
        self.asked().and_then(Asked::served)
    }

    fn version(&self) -> Version {
        Version::new(A::NAME, A::VERSION)
    }

    fn head_multiplies(&self) -> bool {
        Algorithm::head_multiplies(self)
    }

    fn parts(&self) -> Vec<Version> {
        Algorithm::parts(self)
    }

    fn canonical(&self) -> String {
        let parameters = serde_json::to_string(self).expect("a config is plain data");
        format!("{} {parameters}", A::NAME)
    }
}

/// Finds nothing, as every method does in a collection without documents.
struct Nothing;

impl Retriever for Nothing {
    fn retrieve(&self, queries: &Queries) -> Result<Run> {
        Ok(queries.iter().map(|_| Ranking::default()).collect())
    }
}

/// What the engine gives a stage that is being built: the cache and files.
pub trait Resources: Sync {
    /// A folder that `make` filled, now or in an earlier run: the same `key` is made once.
    fn artifact(
        &self,
        kind: &str,
        key: &Key,
        make: &mut dyn FnMut(&Path) -> Result<()>,
    ) -> Result<PathBuf>;

    /// Like `artifact`, but without waiting: `None` if another process is making the artifact at this moment.
    fn artifact_unless_claimed(
        &self,
        kind: &str,
        key: &Key,
        make: &mut dyn FnMut(&Path) -> Result<()>,
    ) -> Result<Option<PathBuf>> {
        self.artifact(kind, key, make).map(Some)
    }

    /// Published weights, from the hub's cache, the hub or a folder.
    fn checkpoint(&self, wanted: &Wanted) -> Result<Checkpoint>;

    /// The model behind a server, of which every answer is kept.
    fn served(&self, model: &Served) -> Result<Arc<dyn LanguageModel>>;

    /// Reads a run file from disk.
    fn run_file(&self, path: &Path) -> Result<TrecRun>;

    /// Reads the candidates of this name that are handed out with the dataset.
    fn candidates(&self, name: &str) -> Result<TrecRun>;

    /// The texts of a file, each with the `doc_id` or `query_id` that it is for, in the order of the file. The path may be
    /// `pocket:NAME`, a file that comes with the program.
    fn texts(&self, path: &Path) -> Result<Vec<StoredText>>;

    /// Notes a fact about an index for the result's provenance.
    fn note(&self, index: &str, fact: &str, value: &str);
}

/// Everything that a recipe is built over.
pub struct Context<'a> {
    /// The collection.
    pub corpus: Arc<dyn Corpus>,
    /// The digest of the collection's content.
    pub corpus_digest: Digest,
    /// The code that turns texts into what is kept of them: the algorithm's own, and that of its encoders.
    pub made_with: Vec<Version>,
    /// Receives the progress of long steps.
    pub progress: Arc<dyn Progress>,
    /// The device and the precision of models.
    pub backend: Backend,
    /// The name of the part of the backend that decides bits.
    pub arithmetic: String,
    /// The settings in which the config may contradict its checkpoint: the `overrides` of its card.
    pub overrides: &'a [String],
    /// The retriever before this stage, which found what the stage reads; none where there is no such stage.
    pub found_by: Option<Arc<dyn Retriever>>,
    /// The cache and the files that a recipe may use.
    pub resources: &'a dyn Resources,
}

impl Context<'_> {
    /// The key of what the step's encoders make of texts. It contains their code, the arithmetic in which they compute,
    /// and `recipe`, which holds everything else that decides the output.
    pub fn encoding(&self, recipe: &str) -> Key {
        Key::of(&self.made_with).param(&self.arithmetic).param(recipe)
    }

    /// The first `most` texts that a file has for each `doc_id` or `query_id`, in its order.
    pub fn texts_by_id(&self, path: &Path, most: usize) -> Result<HashMap<String, Vec<String>>> {
        let mut texts: HashMap<String, Vec<String>> = HashMap::new();
        for StoredText { id, text, .. } in self.resources.texts(path)? {
            let own = texts.entry(id).or_default();
            if own.len() < most {
                own.push(text);
            }
        }
        Ok(texts)
    }

    /// The inverted index of the collection's contents under an analyzer, built once.
    pub fn lexical_index(&self, analyzer: &Arc<dyn Analyzer>) -> Result<Arc<LexicalIndex>> {
        let key = Key::of(&[versions::LEXICAL]).param(analyzer.name()).input(self.corpus_digest);
        let folder = self.resources.artifact("indexes", &key, &mut |folder| {
            LexicalIndex::build(folder, &*self.corpus, &**analyzer, &*self.progress)?;
            Ok(())
        })?;
        let index = LexicalIndex::open(&folder)?;
        self.resources.note(analyzer.name(), "total_terms", &index.total_terms().to_string());
        self.resources.note(analyzer.name(), "unique_terms", &index.unique_terms().to_string());
        Ok(Arc::new(index))
    }
}
