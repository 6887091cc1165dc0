//! Stages bound to a collection, and what they borrow while they are built.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Error, Result, bail};
use indexmap::IndexMap;
use nir_catalogue::StageCost;
use nir_core::{BoxError, Corpus, Digest, Encode, Key, Passages, TrecRun};
use nir_methods::{Context, Resources, Stage};
use nir_nn::checkpoint::{Checkpoint, Wanted};

use crate::cache::{self, Cache};
use crate::cost::{Spent, spent, timed};
use crate::engine::{Engine, Target};
use crate::kept::{COST, read_json};
use crate::keys::write_made_with;
use crate::models::Models;
use crate::pipeline::{Pipeline, Step};
use crate::windows::{self, Cut};

/// What indexes say of themselves, by index.
pub type Facts = IndexMap<String, IndexMap<String, String>>;

/// A pipeline whose stages are ready to work.
pub(crate) struct Bound {
    pub(crate) stages: Vec<Stage>,
    pub(crate) costs: Vec<StageCost>,
    pub(crate) inputs: Vec<Bound>,
    pub(crate) facts: Facts,
}

/// A stage that is ready to work.
pub(crate) struct Opened {
    pub(crate) stage: Stage,
    /// Of all that it took, what encoders made included.
    pub(crate) cost: StageCost,
    /// Of its index alone.
    pub(crate) index: Spent,
    pub(crate) facts: Facts,
}

impl Engine {
    /// Binds every stage, in order: expanders change the collection that the later ones see.
    pub(crate) fn bind(&self, pipeline: &Pipeline, target: &Target) -> Result<Bound> {
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
    pub fn encoder(
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
        let (cache, models) = (&self.cache, &self.models);
        let (recipe, overrides) = (step.recipe.canonical(), step.overrides.clone());
        Workshop { cache, models, log: Mutex::default(), recipe, overrides }
    }

    /// Every file of the first weights that a step names has one of the hashes that its config pins, and every hash is
    /// that of some file of its weights.
    pub(crate) fn check_pins(&self, step: &Step) -> Result<()> {
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
    pub(crate) fn bind_step(
        &self,
        step: &Step,
        searched: &mut (Arc<dyn Corpus>, Digest),
    ) -> Result<Opened> {
        self.check_pins(step)?;
        let workshop = self.workshop(step);
        let (open_seconds, stage) = timed(|| match &step.passages {
            None => self.build(step, &workshop, searched),
            Some(cut) => self.build_behind(step, cut, &workshop, searched),
        });
        let stage = stage?;
        if let Stage::Expander(expander) = &stage {
            searched.0 = expander.expand(Arc::clone(&searched.0)).map_err(boxed)?;
            let key = Key::of(&self.made_with(step)?).input(searched.1).param(&workshop.recipe);
            searched.1 = key.digest();
        }
        Ok(workshop.finish(step.algorithm, open_seconds, stage))
    }

    fn build(
        &self,
        step: &Step,
        workshop: &Workshop<'_>,
        searched: &(Arc<dyn Corpus>, Digest),
    ) -> Result<Stage> {
        step.recipe.build(&self.context(step, workshop, searched)?).map_err(boxed)
    }

    /// The same over passages, which are a collection of their own.
    fn build_behind(
        &self,
        step: &Step,
        cut: &Cut,
        workshop: &Workshop<'_>,
        (documents, digest): &(Arc<dyn Corpus>, Digest),
    ) -> Result<Stage> {
        let passages = Arc::new(cut.of(documents));
        workshop.note("passages", "number", &passages.len().to_string());
        let key = Key::of(&[windows::VERSION]).param(serde_json::to_string(cut)?).input(*digest);
        let searched = (Arc::<Passages>::clone(&passages) as _, key.digest());
        let stage = cut.over(self.build(step, workshop, &searched)?, passages);
        Ok(stage.expect("a pipeline's stage behind passages ranks documents"))
    }
}

pub(crate) fn stage_name(pipeline: &Pipeline, step: &Step) -> String {
    format!("{}: stage `{}`", pipeline.method.source.path(), step.algorithm)
}

pub(crate) fn boxed(error: BoxError) -> Error {
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
