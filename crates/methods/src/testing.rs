//! What tests lend to a stage: a folder for a cache, and the tiny checkpoints of `nir-nn`.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use candle_core::Device;
use nir_core::{
    Contribution, Corpus, Digest, DocNo, Document, Documents, Encoding, Key, Queries, Query,
    Ranking, Result, Run, Scored, Silent, StoredText, TrecRun,
};
use nir_nn::Backend;
use nir_nn::checkpoint::{Checkpoint, Wanted};
use tempfile::TempDir;

use crate::language_model::{Answer, LanguageModel, Question, Served};
use crate::{Algorithm, Context, Recipe, Resources, Stage};

/// A collection, and a cache in a temporary folder.
pub(crate) struct Lent {
    folder: TempDir,
    corpus: Arc<Documents>,
    /// The settings in which configs may contradict their checkpoint.
    pub(crate) overrides: Vec<String>,
    script: Arc<Script>,
}

/// A language model that gives answers in the order of a script, and notes what it was asked.
#[derive(Default)]
struct Script {
    left: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Question>>,
}

impl LanguageModel for Script {
    fn answers(&self, _query_id: &str, questions: &[Question]) -> Result<Vec<Answer>> {
        self.asked.lock().unwrap().extend_from_slice(questions);
        let mut left = self.left.lock().unwrap();
        let answers = questions.iter().map(|_| left.pop_front().ok_or("the script has ended"));
        Ok(answers.collect::<std::result::Result<_, _>>()?)
    }
}

impl Resources for Lent {
    fn artifact(
        &self,
        kind: &str,
        key: &Key,
        make: &mut dyn FnMut(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let folder = self.folder.path().join(kind).join(key.digest().hex());
        if !folder.is_dir() {
            fs::create_dir_all(&folder)?;
            make(&folder)?;
        }
        Ok(folder)
    }

    fn checkpoint(&self, wanted: &Wanted) -> Result<Checkpoint> {
        match wanted {
            Wanted::Folder(folder) => Ok(Checkpoint::in_folder(folder)?),
            Wanted::Hub { .. } | Wanted::Pocket(_) => {
                Err(format!("a test fetches nothing: {wanted}").into())
            }
        }
    }

    fn served(&self, _model: &Served) -> Result<Arc<dyn LanguageModel>> {
        Ok(Arc::<Script>::clone(&self.script))
    }

    fn run_file(&self, path: &Path) -> Result<TrecRun> {
        Err(format!("a test has no run files: {}", path.display()).into())
    }

    fn candidates(&self, name: &str) -> Result<TrecRun> {
        let mut run = TrecRun::default();
        for (rank, row) in (0..self.corpus.len()).enumerate() {
            let doc_id = self.corpus.doc_id(nir_core::DocNo(row as u32));
            run.list_mut(name).push(doc_id, -(rank as f64), rank as u32 + 1);
        }
        Ok(run)
    }

    fn texts(&self, path: &Path) -> Result<Vec<StoredText>> {
        Err(format!("a test has no files of texts: {}", path.display()).into())
    }

    fn note(&self, _index: &str, _fact: &str, _value: &str) {}
}

impl Lent {
    /// Lends out a collection of texts, each with its name.
    pub(crate) fn new(texts: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        let document = |(doc_id, text): (&str, &str)| Document {
            doc_id: doc_id.to_owned(),
            title: String::new(),
            text: text.to_owned(),
        };
        let corpus = Arc::new(Documents::new(texts.into_iter().map(document)).unwrap());
        let script = Arc::default();
        Self { folder: tempfile::tempdir().unwrap(), corpus, overrides: Vec::new(), script }
    }

    /// The same with a model that writes these texts, one after the other.
    pub(crate) fn answering<'t>(self, texts: impl IntoIterator<Item = &'t str>) -> Self {
        let answer = |text: &str| Answer { text: text.to_owned(), ..Answer::default() };
        self.answering_with(texts.into_iter().map(answer))
    }

    /// The same with a model that gives these answers, one after the other.
    pub(crate) fn answering_with(self, answers: impl IntoIterator<Item = Answer>) -> Self {
        let left = Mutex::new(answers.into_iter().collect());
        Self { script: Arc::new(Script { left, asked: Mutex::default() }), ..self }
    }

    /// What the model was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Question> {
        self.script.asked.lock().unwrap().clone()
    }

    /// The collection.
    pub(crate) fn corpus(&self) -> &dyn Corpus {
        &*self.corpus
    }

    /// The number of artifacts of a kind that were made.
    pub(crate) fn artifacts(&self, kind: &str) -> usize {
        fs::read_dir(self.folder.path().join(kind)).into_iter().flatten().count()
    }

    /// Binds a recipe to the collection.
    pub(crate) fn build(&self, config: &impl Algorithm) -> Stage {
        self.try_build(config).unwrap()
    }

    /// Binds a recipe that may be wrong.
    pub(crate) fn try_build(&self, config: &impl Algorithm) -> Result<Stage> {
        Recipe::build(config, &self.context())
    }

    /// The context that a recipe is built over.
    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            corpus: Arc::<Documents>::clone(&self.corpus),
            corpus_digest: Digest::of("the collection of a test"),
            made_with: Vec::new(),
            progress: Arc::new(Silent),
            backend: Backend::reference(),
            arithmetic: Backend::reference().to_string(),
            overrides: &self.overrides,
            found_by: None,
            resources: self,
        }
    }

    /// The ranking of a retriever for one query.
    pub(crate) fn retrieve(&self, config: &impl Algorithm, query: &str) -> Ranking {
        let Stage::Retriever(retriever) = self.build(config) else { panic!("it is no retriever") };
        one(retriever.retrieve(&queries(query)).unwrap())
    }

    /// What a retriever finds for one query, if it can be built over the collection.
    pub(crate) fn try_retrieve(&self, recipe: &dyn Recipe, query: &str) -> Result<Ranking> {
        let Stage::Retriever(retriever) = recipe.build(&self.context())? else {
            panic!("it is no retriever")
        };
        Ok(one(retriever.retrieve(&queries(query))?))
    }

    /// What share of the ten best documents an approximate retriever finds for one query; none for an exact one.
    pub(crate) fn recall(&self, config: &impl Algorithm, query: &str) -> Option<f64> {
        let Stage::Retriever(retriever) = self.build(config) else { panic!("it is no retriever") };
        let search = retriever.prepare(&queries(query)).unwrap().unwrap();
        (!search.is_exact()).then(|| search.search(0..1)[0].recall(&search.exhaust()[0], 10))
    }

    /// The ranking that a reranker makes of another.
    pub(crate) fn rerank(
        &self,
        config: &impl Algorithm,
        query: &str,
        candidates: &Ranking,
    ) -> Ranking {
        self.try_rerank(config, query, candidates).unwrap()
    }

    /// The same for a reranker that may fail.
    pub(crate) fn try_rerank(
        &self,
        config: &impl Algorithm,
        query: &str,
        candidates: &Ranking,
    ) -> Result<Ranking> {
        let Stage::Reranker(reranker) = self.build(config) else { panic!("it is no reranker") };
        reranker.rerank(&Query::new("q", query), candidates)
    }

    /// The parts of the score of every document that a retriever finds, best first. Fails unless they add up.
    #[track_caller]
    pub(crate) fn explain(&self, config: &impl Algorithm, query: &str) -> Vec<Vec<Contribution>> {
        let Stage::Retriever(retriever) = self.build(config) else { panic!("it is no retriever") };
        let query = Query::new("q", query);
        let found = one(retriever.retrieve(&Queries::new(vec![query.clone()]).unwrap()).unwrap());
        let parts = |hit: &nir_core::Scored| {
            let parts = retriever.explain(&query, hit.doc).unwrap();
            let sum: f32 = parts.iter().map(|part| part.score).sum();
            assert!(
                (sum - hit.score).abs() <= 1e-5 * hit.score.abs().max(1.0),
                "{hit:?}: {parts:?}"
            );
            parts
        };
        assert!(!found.is_empty(), "nothing was found");
        found.iter().map(parts).collect()
    }

    /// What a method makes of a query and of a document of the collection.
    pub(crate) fn encode(&self, config: &impl Algorithm, query: &str, doc: u32) -> [Encoding; 2] {
        let encoder = config.encoder(&self.context()).unwrap().unwrap();
        let query = encoder.query(&Query::new("q", query)).unwrap();
        [query, encoder.document(self.corpus(), nir_core::DocNo(doc)).unwrap()]
    }

    /// A ranking with ids in place of rows.
    pub(crate) fn named(&self, ranking: &Ranking) -> Vec<(&str, f32)> {
        let name = |hit: &nir_core::Scored| (self.corpus.doc_id(hit.doc), hit.score);
        ranking.iter().map(name).collect()
    }
}

/// A ranking of all documents in the order of their rows.
pub(crate) fn all(lent: &Lent) -> Ranking {
    let rows = 0..lent.corpus().len() as u32;
    let scored = rows.map(|row| Scored { doc: DocNo(row), score: -(row as f32) });
    Ranking::top(lent.corpus().len(), scored.collect(), lent.corpus())
}

fn queries(query: &str) -> Queries {
    Queries::new(vec![Query::new("q", query)]).unwrap()
}

fn one(run: Run) -> Ranking {
    let [ranking] = <[Ranking; 1]>::try_from(run.0).unwrap();
    ranking
}

/// Two of the texts for which the fixtures hold what PyTorch computes, by the names of their cases.
pub(crate) fn sentence_and_word() -> [(&'static str, &'static str); 2] {
    [("sentence", "Which treatment lowers blood pressure, and why?"), ("word", "bread")]
}

/// The folder of a tiny checkpoint, and the tensors that PyTorch computes with it by case and name, row by row.
pub(crate) fn fixture(name: &str) -> (String, impl Fn(&str, &str) -> Vec<f32>) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nn/tests/fixtures");
    let folder = fixtures.join(name);
    let tensors: HashMap<String, candle_core::Tensor> =
        candle_core::safetensors::load(folder.join("expected.safetensors"), &Device::Cpu).unwrap();
    let tensor =
        move |case: &str, name: &str| nir_nn::numbers(&tensors[&format!("{case}.{name}")]).unwrap();
    (folder.to_str().unwrap().to_owned(), tensor)
}

/// The text of a case of a tiny encoder-decoder, and PyTorch's logit of a token at the first position of what follows it.
pub(crate) fn recorded(name: &str, case: &str) -> (String, impl Fn(&str) -> f32) {
    let (folder, tensor) = fixture(name);
    let inputs = fs::read(Path::new(&folder).join("inputs.json")).unwrap();
    let inputs: serde_json::Value = serde_json::from_slice(&inputs).unwrap();
    let cases = inputs["cases"].as_array().unwrap();
    let text = cases.iter().find(|one| one["name"] == case).unwrap()["text"].as_str().unwrap();
    let tokenizer = Path::new(&folder).join("tokenizer.json");
    let (tokenizer, _) = nir_nn::Tokenizer::in_file(&tokenizer, 512).unwrap();
    let logits = tensor(case, "logits"); // [target, vocab], of which the first row is read
    (text.to_owned(), move |token: &str| logits[tokenizer.id(token).unwrap() as usize])
}

/// Fails unless two rankings have the same names in the same order, and scores that agree to four decimals.
#[track_caller]
pub(crate) fn assert_ranked(found: &[(&str, f32)], expected: &[(&str, f32)]) {
    let alike = |((a, x), (b, y)): (&(&str, f32), &(&str, f32))| {
        a == b && (x - y).abs() <= 1e-4 * y.abs().max(1.0)
    };
    let equal = found.len() == expected.len() && found.iter().zip(expected).all(alike);
    assert!(equal, "found {found:?}, expected {expected:?}");
}
