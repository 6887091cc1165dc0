//! A pipeline over a dataset: bound, run stage by stage, cached, timed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Error, Result, bail};
use indexmap::IndexMap;
use nir_cache::Found;
use nir_catalogue::{Cost, StageCost};
use nir_core::{BoxError, Corpus, Digest, Encode, Hasher, Key, Queries, Run, TrecRun, Version};
use nir_methods::{Context, Resources, Shape, Stage};
use nir_nn::Backend;
use nir_nn::checkpoint::{Checkpoint, Wanted};
use serde::{Deserialize, Serialize};

use super::cost::{Spent, latency, peak_bytes, spent, timed};
use super::pipeline::{Pipeline, Step};
use super::provenance::device;
use crate::cache::{self, Cache, RUN};
use crate::models::Models;
use crate::progress::Hushable;

/// What a method is run over.
pub(crate) struct Target {
    /// The collection.
    pub(crate) corpus: Arc<dyn Corpus>,
    /// Names its content.
    pub(crate) corpus_digest: Digest,
    /// The queries.
    pub(crate) queries: Queries,
    /// Whether a document named as the query is dropped.
    pub(crate) exclude_query_id: bool,
}

/// What indexes say of themselves, by index.
pub(crate) type Facts = IndexMap<String, IndexMap<String, String>>;

/// A finished run in the cache.
pub(crate) struct Finished {
    /// Its file: six columns.
    pub(crate) run_file: PathBuf,
    /// What it cost when it was made.
    pub(crate) cost: Cost,
    /// Where it comes from.
    pub(crate) origins: Origins,
}

/// What a run is and what it was made with.
pub(crate) struct Origins {
    /// The digest of the rankings.
    pub(crate) run_digest: Digest,
    /// What its indexes say.
    pub(crate) facts: Facts,
    /// The digest of each set of weights, by name; none without a model.
    pub(crate) weights: IndexMap<String, String>,
    /// What computed.
    pub(crate) device: String,
    /// How exactly its models did; none without a model.
    pub(crate) precision: Option<String>,
}

/// A run that was made now, whatever the cache has, with its pipeline ready to run again.
pub(crate) struct Fresh {
    /// The run.
    pub(crate) run: TrecRun,
    /// Where it comes from.
    pub(crate) origins: Origins,
    bound: Bound,
}

/// A stage and what it read when its pipeline ran: work that can be done again and again.
pub(crate) struct Work<'a> {
    /// Its algorithm.
    pub(crate) algorithm: String,
    stage: &'a Stage,
    queries: Queries,
    run: Run,
    inputs: Arc<Vec<Run>>,
    target: &'a Target,
}

/// What lies beside a run in the cache.
#[derive(Serialize, Deserialize)]
struct Record {
    cost: Cost,
    facts: Facts,
}

/// Runs pipelines.
pub(crate) struct Engine<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) progress: Arc<Hushable>,
    pub(crate) models: Models,
    pub(crate) backend: Backend,
}

/// What a pipeline found, and what its last stage read.
pub(super) struct Trace {
    /// As the last rewriter left them.
    pub(super) queries: Queries,
    /// The runs of the methods that it fuses.
    pub(super) inputs: Vec<Run>,
    pub(super) run: Run,
}

/// A pipeline whose stages are ready to work.
pub(super) struct Bound {
    pub(super) stages: Vec<Stage>,
    costs: Vec<StageCost>,
    inputs: Vec<Bound>,
    facts: Facts,
}

/// A stage that is ready to work.
pub(super) struct Opened {
    pub(super) stage: Stage,
    /// Of all that it took, what encoders made included.
    pub(super) cost: StageCost,
    /// Of its index alone.
    pub(super) index: Spent,
    pub(super) facts: Facts,
}

const COST: &str = "cost.json";
/// Which code made what lies beside it, a line each: `nir cache prune` removes what no code of today would make.
pub(crate) const MADE_WITH: &str = "made-with.txt";
/// How rankings are made of stages and written.
const RUNS: Version = Version::new("engine::runs", 1);
/// The last column of every run file: the same run of two methods is the same file.
const TAG: &str = "nir";

impl Engine<'_> {
    /// Whether a pipeline's run over a dataset is in the cache.
    pub(crate) fn is_cached(&self, pipeline: &Pipeline, target: &Target) -> Result<bool> {
        Ok(self.cache.has("runs", self.final_key(pipeline, target)?.digest()))
    }

    /// The run of a pipeline, from the cache or made now.
    pub(crate) fn run(&self, pipeline: &Pipeline, target: &Target) -> Result<Finished> {
        let key = self.final_key(pipeline, target)?;
        let recipe = recipe_text(&pipeline.steps);
        let made = |folder: &Path| {
            self.make(pipeline, target, folder)?;
            write_made_with(folder, &key)
        };
        let found = self.cache.make("runs", key.digest(), &recipe, made)?;
        let record: Record = read_json(&found.file(COST))?;
        let origins = self.origins(pipeline, run_digest(&found)?, record.facts)?;
        Ok(Finished { run_file: found.file(RUN), cost: record.cost, origins })
    }

    /// The run of a pipeline, made now: rankings in the cache are neither taken nor left, indexes are.
    pub(crate) fn run_anew(&self, pipeline: &Pipeline, target: &Target) -> Result<Fresh> {
        let mut bound = self.bind(pipeline, target)?;
        let run = bound.search(&target.queries, target).map_err(boxed)?;
        let run = run.named(&target.queries, &*target.corpus);
        let mut file = Vec::new();
        nir_data::trec::write_run_lines(&mut file, &run, TAG)?;
        let facts = std::mem::take(&mut bound.facts);
        let origins = self.origins(pipeline, Digest::of(file), facts)?;
        Ok(Fresh { run, origins, bound })
    }

    pub(super) fn origins(
        &self,
        pipeline: &Pipeline,
        run_digest: Digest,
        facts: Facts,
    ) -> Result<Origins> {
        let weights = self.weights(pipeline)?;
        let device = match weights.is_empty() {
            true => "cpu".to_owned(),
            false => device(&self.backend),
        };
        let precision = (!weights.is_empty()).then(|| self.backend.precision().to_string());
        Ok(Origins { run_digest, facts, weights, device, precision })
    }

    /// Runs a pipeline into a folder.
    fn make(&self, pipeline: &Pipeline, target: &Target, folder: &Path) -> Result<()> {
        let mut bound = self.bind(pipeline, target)?;
        let run = self.execute(pipeline, &mut bound, target)?;
        let search = |query: &Queries| bound.search(query, target).map(|_| ());
        let latency = self.progress.hushed(|| latency(&target.queries, search)).map_err(boxed)?;
        let threads = rayon::current_num_threads();
        let cost = Cost { stages: bound.costs, latency, peak_bytes: peak_bytes(), threads };
        let record = Record { cost, facts: bound.facts };
        write_run(folder, &run, target)?;
        cache::write(&folder.join(COST), serde_json::to_vec_pretty(&record)?)
    }

    /// Binds every stage, in order: expanders change the collection that the later ones see.
    pub(super) fn bind(&self, pipeline: &Pipeline, target: &Target) -> Result<Bound> {
        let inputs: Vec<Bound> =
            pipeline.inputs.iter().map(|input| self.bind(input, target)).collect::<Result<_>>()?;
        let facts = inputs.iter().flat_map(|input| input.facts.clone()).collect();
        let mut bound = Bound { stages: Vec::new(), costs: Vec::new(), inputs, facts };
        let mut searched = (Arc::clone(&target.corpus), target.corpus_digest);
        for step in &pipeline.steps {
            let opened =
                self.bind_step(step, &mut searched).with_context(|| stage_name(pipeline, step))?;
            bound.stages.push(opened.stage);
            bound.costs.push(opened.cost);
            bound.facts.extend(opened.facts);
        }
        Ok(bound)
    }

    /// What the last stage that makes something of a single text makes of it; none where no stage does.
    pub(crate) fn encoder(
        &self,
        pipeline: &Pipeline,
        corpus: &Arc<dyn Corpus>,
    ) -> Result<Option<Box<dyn Encode>>> {
        for step in pipeline.steps.iter().rev() {
            let corpus = (Arc::clone(corpus), Digest::of(""));
            self.check_pins(step).with_context(|| stage_name(pipeline, step))?;
            let workshop = self.workshop(step);
            let encoder =
                step.recipe.encoder(&self.context(step, &workshop, &corpus)?).map_err(boxed);
            let encoder = encoder.with_context(|| stage_name(pipeline, step))?;
            if encoder.is_some() {
                return Ok(encoder);
            }
        }
        Ok(None)
    }

    fn workshop(&self, step: &Step) -> Workshop<'_> {
        let (cache, models) = (self.cache, &self.models);
        let (recipe, overrides) = (step.recipe.canonical(), step.overrides.clone());
        Workshop { cache, models, log: Mutex::default(), recipe, overrides }
    }

    /// Every file of the first weights that a step names has one of the hashes that its config pins, and every hash is
    /// that of some file of its weights.
    fn check_pins(&self, step: &Step) -> Result<()> {
        if step.sha256.is_empty() {
            return Ok(());
        }
        let mut found = Vec::new();
        for (number, wanted) in step.recipe.weights().iter().enumerate() {
            for path in self.models.open(wanted)?.weights().paths() {
                let hash = self.models.sha256(path)?;
                if number == 0 && !step.sha256.contains(&hash) {
                    bail!(
                        "{}: its sha256 is {hash}, and the config pins {}: these are other weights",
                        path.display(),
                        step.sha256.join(", ")
                    );
                }
                found.push(hash);
            }
        }
        match step.sha256.iter().find(|pin| !found.contains(pin)) {
            Some(pin) => bail!(
                "`sha256` pins {pin}, and no file of the weights is that: found {}",
                found.join(", ")
            ),
            None => Ok(()),
        }
    }

    fn context<'w>(
        &self,
        step: &Step,
        workshop: &'w Workshop<'_>,
        searched: &(Arc<dyn Corpus>, Digest),
    ) -> Result<Context<'w>> {
        Ok(Context {
            made_with: self.made_with(step)?,
            arithmetic: self.arithmetic(step),
            corpus: Arc::clone(&searched.0),
            corpus_digest: searched.1,
            progress: Arc::clone(&self.progress) as _,
            backend: self.backend.clone(),
            overrides: &workshop.overrides,
            resources: workshop,
        })
    }

    /// Binds one stage to the collection under its digest; an expander leaves another in its place.
    pub(super) fn bind_step(
        &self,
        step: &Step,
        searched: &mut (Arc<dyn Corpus>, Digest),
    ) -> Result<Opened> {
        self.check_pins(step)?;
        let workshop = self.workshop(step);
        let context = self.context(step, &workshop, searched)?;
        let (open_seconds, stage) = timed(|| step.recipe.build(&context));
        let stage = stage.map_err(boxed)?;
        if let Stage::Expander(expander) = &stage {
            searched.0 = expander.expand(Arc::clone(&searched.0)).map_err(boxed)?;
            let key = Key::of(&context.made_with).input(searched.1).param(&workshop.recipe);
            searched.1 = key.digest();
        }
        Ok(workshop.finish(step.algorithm, open_seconds, stage))
    }

    /// Runs every stage over all queries; rankings between stages are kept in the cache.
    fn execute(&self, pipeline: &Pipeline, bound: &mut Bound, target: &Target) -> Result<Run> {
        let inputs: Vec<Run> = pipeline
            .inputs
            .iter()
            .map(|input| self.input_run(input, target))
            .collect::<Result<_>>()?;
        let mut queries = target.queries.clone();
        let mut run = Run::default();
        let last = pipeline.steps.len() - 1;
        for (i, step) in pipeline.steps.iter().enumerate() {
            note_recall(&bound.stages[i], &queries, &mut bound.facts)?;
            let work = || step_once(&bound.stages[i], &mut queries, &run, &inputs, target);
            let (seconds, found) = match (i == last, gives_run(step.shape)) {
                (false, true) => {
                    let recipe = recipe_text(&pipeline.steps[..=i]);
                    self.kept(&self.stage_key(pipeline, i, target)?, &recipe, target, work)?
                }
                _ => timed_result(work)?,
            };
            bound.costs[i].run_seconds = seconds;
            if let Some(found) = found {
                run = found;
            }
        }
        Ok(run)
    }

    /// The run of an input method as rows of this collection.
    fn input_run(&self, input: &Pipeline, target: &Target) -> Result<Run> {
        read_run(&self.run(input, target)?.run_file, target)
    }

    /// A ranking between two stages: from the cache, or made and kept; with the seconds it took when it was made.
    fn kept(
        &self,
        key: &Key,
        recipe: &str,
        target: &Target,
        work: impl FnOnce() -> nir_core::Result<Option<Run>>,
    ) -> Result<(f64, Option<Run>)> {
        let mut made = None;
        let found = self.cache.make("stages", key.digest(), recipe, |folder| {
            let (seconds, run) = timed_result(work)?;
            write_run(folder, run.as_ref().expect("this stage gives a run"), target)?;
            made = Some((seconds, run));
            write_made_with(folder, key)?;
            cache::write(&folder.join(COST), serde_json::to_vec(&seconds)?)
        })?;
        match made {
            Some(made) => Ok(made),
            None => Ok((read_json(&found.file(COST))?, Some(read_run(&found.file(RUN), target)?))),
        }
    }
}

impl Engine<'_> {
    fn final_key(&self, pipeline: &Pipeline, target: &Target) -> Result<Key> {
        self.stage_key(pipeline, pipeline.steps.len() - 1, target)
    }

    /// Names everything that decides the ranking after stage `last`: documents, queries, and of every stage its code, its
    /// parameters, files, weights, how exactly they compute, and inputs.
    fn stage_key(&self, pipeline: &Pipeline, last: usize, target: &Target) -> Result<Key> {
        let mut key = Key::of(&[RUNS]).input(target.corpus_digest).input(digest_of(target));
        for input in &pipeline.inputs {
            key = key.made_from(&self.final_key(input, target)?);
        }
        for step in &pipeline.steps[..=last] {
            let named = self.add_step(key, step);
            key = named.with_context(|| stage_name(pipeline, step))?;
        }
        Ok(key)
    }

    fn add_step(&self, key: Key, step: &Step) -> Result<Key> {
        self.check_pins(step)?;
        let mut key = key.made_with(&self.made_with(step)?).made_with(&step.recipe.parts());
        key = key.param(step.recipe.canonical()).param(step.overrides.join(" "));
        for file in step.recipe.files() {
            key = key.input(file_digest(file)?);
        }
        for wanted in step.recipe.weights() {
            key = key.param(self.models.open(&wanted)?.digest()?.to_hex().as_str());
            key = key.param(self.arithmetic(step));
        }
        Ok(key)
    }

    /// The code of a step that turns texts into what is kept of them: its algorithm's, and that of its encoders.
    fn made_with(&self, step: &Step) -> Result<Vec<Version>> {
        let mut versions = vec![step.recipe.version()];
        for wanted in step.recipe.weights() {
            let of_model = nir_nn::versions::of(&self.models.open(&wanted)?)?;
            versions.extend(of_model.into_iter().map(|(of, number)| Version::new(of, number)));
        }
        Ok(versions)
    }

    /// What decides the bits that a step's models give.
    fn arithmetic(&self, step: &Step) -> String {
        match step.recipe.head_multiplies() {
            true => self.backend.with_products(),
            false => self.backend.to_string(),
        }
    }

    /// The digests of all weights that a pipeline and its inputs load.
    fn weights(&self, pipeline: &Pipeline) -> Result<IndexMap<String, String>> {
        let mut weights = IndexMap::new();
        for input in &pipeline.inputs {
            weights.extend(self.weights(input)?);
        }
        for wanted in pipeline.steps.iter().flat_map(|step| step.recipe.weights()) {
            let checkpoint = self.models.open(&wanted)?;
            let digest = checkpoint.digest()?.to_hex().to_string();
            weights.insert(self.models.name_of(&wanted, &checkpoint), digest);
        }
        Ok(weights)
    }
}

impl Fresh {
    /// Every stage that works on queries, in order, each with what it reads.
    pub(crate) fn works<'a>(&'a self, target: &'a Target) -> Result<Vec<Work<'a>>> {
        let inputs = Arc::new(self.bound.input_runs(&target.queries, target).map_err(boxed)?);
        let mut queries = target.queries.clone();
        let mut run = Run::default();
        let mut works = Vec::new();
        for (stage, cost) in self.bound.stages.iter().zip(&self.bound.costs) {
            let read = (queries.clone(), run.clone(), Arc::clone(&inputs));
            if let Some(found) =
                step_once(stage, &mut queries, &run, &inputs, target).map_err(boxed)?
            {
                run = found;
            }
            if !matches!(stage, Stage::Expander(_)) {
                let (algorithm, (queries, run, inputs)) = (cost.stage.clone(), read);
                works.push(Work { algorithm, stage, queries, run, inputs, target });
            }
        }
        Ok(works)
    }
}

impl Work<'_> {
    /// Does it once more.
    pub(crate) fn again(&self) -> Result<()> {
        let mut queries = self.queries.clone();
        step_once(self.stage, &mut queries, &self.run, &self.inputs, self.target).map_err(boxed)?;
        Ok(())
    }
}

impl Bound {
    fn input_runs(&self, queries: &Queries, target: &Target) -> nir_core::Result<Vec<Run>> {
        self.inputs.iter().map(|input| input.search(queries, target)).collect()
    }

    /// The whole pipeline over some queries, nothing cached.
    fn search(&self, queries: &Queries, target: &Target) -> nir_core::Result<Run> {
        Ok(self.trace(queries, target)?.run)
    }

    /// The same, with what the last stage read.
    pub(super) fn trace(&self, queries: &Queries, target: &Target) -> nir_core::Result<Trace> {
        let inputs = self.input_runs(queries, target)?;
        let mut queries = queries.clone();
        let mut run = Run::default();
        for stage in &self.stages {
            if let Some(found) = step_once(stage, &mut queries, &run, &inputs, target)? {
                run = found;
            }
        }
        Ok(Trace { queries, inputs, run })
    }
}

/// One stage: rewriters change `queries`, the others give a run.
fn step_once(
    stage: &Stage,
    queries: &mut Queries,
    run: &Run,
    inputs: &[Run],
    target: &Target,
) -> nir_core::Result<Option<Run>> {
    let found = match stage {
        Stage::Expander(_) => return Ok(None), // its work was done when it was bound
        Stage::Rewriter(rewriter) => {
            *queries = rewriter.rewrite(queries, run)?;
            return Ok(None);
        }
        Stage::Retriever(retriever) => retriever.retrieve(queries)?,
        Stage::Reranker(reranker) => reranker.rerank(queries, run)?,
        Stage::Fuser(fuser) => fuser.fuse(inputs)?,
    };
    Ok(Some(if target.exclude_query_id {
        without_query_ids(found, queries, &*target.corpus)
    } else {
        found
    }))
}

/// Adds what an approximate search misses to what its index says.
fn note_recall(stage: &Stage, queries: &Queries, facts: &mut Facts) -> Result<()> {
    let Stage::Retriever(retriever) = stage else { return Ok(()) };
    let Some(search) = retriever.prepare(queries).map_err(boxed)? else { return Ok(()) };
    if !search.is_exact() {
        let (found, exact) = (search.search(0..queries.len()), search.exhaust());
        let shares = found.iter().zip(&exact).map(|(found, exact)| found.recall(exact, 10));
        let recall = shares.sum::<f64>() / exact.len().max(1) as f64;
        let facts = facts.entry("vectors".to_owned()).or_default();
        facts.insert("recall@10".to_owned(), format!("{recall:.4}"));
    }
    Ok(())
}

fn without_query_ids(run: Run, queries: &Queries, corpus: &dyn Corpus) -> Run {
    let keep = |(ranking, query): (nir_core::Ranking, &nir_core::Query)| match corpus
        .doc_no(&query.query_id)
    {
        Some(doc) => ranking.without(doc),
        None => ranking,
    };
    run.0.into_iter().zip(queries.iter()).map(keep).collect()
}

fn gives_run(shape: Shape) -> bool {
    matches!(shape, Shape::Retriever | Shape::Reranker | Shape::Fuser)
}

fn timed_result<T>(work: impl FnOnce() -> nir_core::Result<T>) -> Result<(f64, T)> {
    let (seconds, result) = timed(work);
    Ok((seconds, result.map_err(boxed)?))
}

fn stage_name(pipeline: &Pipeline, step: &Step) -> String {
    format!("{}: stage `{}`", pipeline.method.source.path(), step.algorithm)
}

fn recipe_text(steps: &[Step]) -> String {
    steps.iter().map(|step| step.recipe.canonical() + "\n").collect()
}

fn file_digest(path: &Path) -> Result<Digest> {
    Ok(Digest::of(fs::read(path).with_context(|| path.display().to_string())?))
}

/// All code that makes what lies in the cache.
pub(crate) fn versions() -> Vec<Version> {
    nir_methods::versions().into_iter().chain([RUNS]).collect()
}

fn write_made_with(folder: &Path, key: &Key) -> Result<()> {
    let lines: String = key.versions().iter().map(|version| format!("{version}\n")).collect();
    cache::write(&folder.join(MADE_WITH), lines)
}

/// Of all that a target has beside its documents.
fn digest_of(target: &Target) -> Digest {
    let mut hasher = Hasher::new("queries");
    hasher.part([u8::from(target.exclude_query_id)]);
    for query in target.queries.iter() {
        hasher.part(&query.query_id).part(&query.text);
    }
    hasher.digest()
}

/// The digest of the ranking in a folder of the cache, which is that of its file.
fn run_digest(found: &Found) -> Result<Digest> {
    let record = found.record(RUN).context("a run in the cache has a ranking")?;
    Digest::from_hex(&record.blake3).context("a manifest has digests of 64 digits")
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let read =
        fs::read(path).map_err(Error::from).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
    read.with_context(|| path.display().to_string())
}

fn write_run(folder: &Path, run: &Run, target: &Target) -> Result<()> {
    let named = run.named(&target.queries, &*target.corpus);
    Ok(nir_data::trec::write_run(&folder.join(RUN), &named, TAG)?)
}

/// A run file of this collection as rows.
fn read_run(path: &Path, target: &Target) -> Result<Run> {
    let named: TrecRun = nir_data::trec::read_run(path)?;
    let row = |(doc_id, entry): (&str, nir_core::Entry)| {
        let doc = target.corpus.doc_no(doc_id).expect("the cache holds runs of this collection");
        nir_core::Scored { doc, score: entry.score as f32 }
    };
    let ranking = |query: &nir_core::Query| {
        let list = named.get(&query.query_id);
        let scored: Vec<_> =
            list.into_iter().flat_map(|list| list.iter().map(row).collect::<Vec<_>>()).collect();
        nir_core::Ranking::top(scored.len(), scored, &*target.corpus)
    };
    Ok(target.queries.iter().map(ranking).collect())
}

pub(super) fn boxed(error: BoxError) -> Error {
    Error::from_boxed(error)
}

/// What stages borrow while they are built, with a log of what they took.
struct Workshop<'a> {
    cache: &'a Cache,
    models: &'a Models,
    log: Mutex<Log>,
    recipe: String,
    /// What of a checkpoint's own words the stage may contradict.
    overrides: Vec<String>,
}

impl Workshop<'_> {
    /// What the stage cost so far, and what its indexes say. What was found in the cache costs what it did when it was made.
    fn finish(self, algorithm: &str, open_seconds: f64, stage: Stage) -> Opened {
        let Log { artifacts, seconds, index, bytes, facts } =
            self.log.into_inner().expect("no thread died holding the log");
        let build_seconds = if artifacts == 0 { open_seconds } else { seconds };
        let name = algorithm.to_owned();
        let cost = StageCost { stage: name, build_seconds, run_seconds: 0.0, bytes, cpu: None };
        Opened { stage, cost, index, facts }
    }
}

#[derive(Default)]
struct Log {
    artifacts: usize,
    seconds: f64,
    /// Of them, for indexes.
    index: Spent,
    bytes: u64,
    facts: Facts,
}

impl Resources for Workshop<'_> {
    fn artifact(
        &self,
        kind: &str,
        key: &Key,
        make: &mut dyn FnMut(&Path) -> nir_core::Result<()>,
    ) -> nir_core::Result<PathBuf> {
        let found = self.cache.make(kind, key.digest(), &self.recipe, |folder| {
            let (spent, made) = spent(|| make(folder));
            made.map_err(boxed)?;
            write_made_with(folder, key)?;
            cache::write(&folder.join(COST), serde_json::to_string(&spent)?)
        })?;
        let spent: Spent = read_json(&found.file(COST))?;
        let mut log = self.log.lock().expect("no thread died holding the log");
        log.artifacts += 1;
        log.seconds += spent.seconds;
        if kind == "indexes" {
            log.index = log.index + spent;
        }
        log.bytes += found.manifest().bytes();
        Ok(found.path().to_owned())
    }

    fn checkpoint(&self, wanted: &Wanted) -> nir_core::Result<Checkpoint> {
        Ok(self.models.open(wanted)?)
    }

    fn run_file(&self, path: &Path) -> nir_core::Result<TrecRun> {
        Ok(nir_data::trec::read_run(path)?)
    }

    fn note(&self, index: &str, fact: &str, value: &str) {
        let mut log = self.log.lock().expect("no thread died holding the log");
        log.facts.entry(index.to_owned()).or_default().insert(fact.to_owned(), value.to_owned());
    }
}
