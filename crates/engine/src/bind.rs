//! Stages bound to a collection, and what they borrow while they are built.

use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, bail};
use nir_catalogue::StageCost;
use nir_core::{Corpus, Digest, Encode, Key, Passages, Retriever};
use nir_data::CandidateRuns;
use nir_methods::{Context, Resources as _, Stage};

use crate::cost::timed;
use crate::engine::{Engine, Target};
use crate::expansion::Expansion;
use crate::pipeline::{Pipeline, Step, stage_name};
use crate::provenance::Facts;
use crate::windows::{self, Cut};
use crate::workshop::{Opened, Places, Workshop, boxed};

/// A pipeline whose stages are built and ready to work.
pub(crate) struct Bound {
    pub(crate) stages: Vec<Stage>,
    pub(crate) costs: Vec<StageCost>,
    pub(crate) inputs: Vec<Bound>,
    /// What they and the inputs read of the cache.
    pub(crate) places: Places,
    pub(crate) facts: Facts,
}

/// The collection that a stage is built over, as the stages before it have left it.
pub(crate) struct Searched {
    corpus: Arc<dyn Corpus>,
    /// The digest of the collection's content.
    digest: Digest,
    /// The last retriever before the stage.
    found_by: Option<Arc<dyn Retriever>>,
    /// The candidates that are handed out with the dataset.
    candidates: Arc<CandidateRuns>,
}

impl Searched {
    /// The collection of a target, before any stage.
    pub(crate) fn of(target: &Target) -> Self {
        Self {
            candidates: Arc::clone(&target.candidates),
            ..Self::only(Arc::clone(&target.corpus), target.corpus_digest)
        }
    }

    /// A collection that no dataset gives candidates for.
    fn only(corpus: Arc<dyn Corpus>, digest: Digest) -> Self {
        Self { corpus, digest, found_by: None, candidates: Arc::default() }
    }
}

impl Engine {
    /// Builds every stage in order. An expander changes the collection that later stages are built over.
    pub(crate) fn bind(&self, pipeline: &Pipeline, target: &Target) -> Result<Bound> {
        let inputs: Vec<Bound> =
            pipeline.inputs.iter().map(|input| self.bind(input, target)).collect::<Result<_>>()?;
        let facts = inputs.iter().flat_map(|input| input.facts.clone()).collect();
        let places = inputs.iter().flat_map(|input| input.places.clone()).collect();
        let mut bound = Bound { stages: Vec::new(), costs: Vec::new(), inputs, places, facts };
        let mut searched = Searched::of(target);
        for step in &pipeline.steps {
            let opened =
                self.bind_step(step, &mut searched).with_context(|| stage_name(pipeline, step))?;
            bound.stages.push(opened.stage);
            bound.costs.push(opened.cost);
            bound.places.extend(opened.places);
            bound.facts.extend(opened.facts);
        }
        Ok(bound)
    }

    /// The encoder of the last stage that can encode a single text; `None` if no stage can.
    ///
    /// # Errors
    ///
    /// If a stage cannot be built.
    pub fn encoder(
        &self,
        pipeline: &Pipeline,
        corpus: &Arc<dyn Corpus>,
    ) -> Result<Option<Box<dyn Encode>>> {
        for step in pipeline.steps.iter().rev() {
            let searched = Searched::only(Arc::clone(corpus), Digest::of(""));
            self.check_pins(step).with_context(|| stage_name(pipeline, step))?;
            let workshop = self.workshop(step, &searched);
            let encoder =
                step.recipe.encoder(&self.context(step, &workshop, &searched)?).map_err(boxed);
            let encoder = encoder.with_context(|| stage_name(pipeline, step))?;
            if encoder.is_some() {
                return Ok(encoder);
            }
        }
        Ok(None)
    }

    fn workshop(&self, step: &Step, searched: &Searched) -> Workshop<'_> {
        let (cache, models, servers) = (&self.cache, &self.models, &self.servers);
        let (recipe, overrides) = (step.recipe.canonical(), step.overrides.clone());
        let candidates = Arc::clone(&searched.candidates);
        Workshop { cache, models, servers, log: Mutex::default(), recipe, overrides, candidates }
    }

    /// Checks the SHA-256 digests that a config pins: every file of the first weights must have one of them, and each
    /// of them must be the digest of some file.
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
        searched: &Searched,
    ) -> Result<Context<'w>> {
        Ok(Context {
            made_with: self.made_with(step)?,
            arithmetic: self.arithmetic(step)?,
            corpus: Arc::clone(&searched.corpus),
            corpus_digest: searched.digest,
            found_by: searched.found_by.clone(),
            progress: Arc::clone(&self.progress) as _,
            backend: self.backend.clone(),
            overrides: &workshop.overrides,
            resources: workshop,
        })
    }

    /// Builds one stage over a collection; an expander replaces the collection.
    pub(crate) fn bind_step(&self, step: &Step, searched: &mut Searched) -> Result<Opened> {
        self.check_pins(step)?;
        let workshop = self.workshop(step, searched);
        let (open_seconds, stage) = timed(|| match &step.passages {
            None => self.build(step, &workshop, searched),
            Some(cut) => self.build_behind(step, cut, &workshop, searched),
        });
        let stage = stage?;
        if let Stage::Expander(expander) = &stage {
            let expansion = Expansion {
                expander: &**expander,
                corpus: &*searched.corpus,
                corpus_digest: searched.digest,
                key: self.add_step(Key::default(), step)?,
                workshop: &workshop,
            };
            (searched.corpus, searched.digest) = expansion.store()?;
        }
        if let Stage::Retriever(retriever) = &stage {
            searched.found_by = Some(Arc::clone(retriever));
        }
        Ok(workshop.finish(step.algorithm, open_seconds, stage))
    }

    fn build(&self, step: &Step, workshop: &Workshop<'_>, searched: &Searched) -> Result<Stage> {
        step.recipe.build(&self.context(step, workshop, searched)?).map_err(boxed)
    }

    /// Builds a stage over the passages of the collection, and puts the conversion to documents behind it.
    fn build_behind(
        &self,
        step: &Step,
        cut: &Cut,
        workshop: &Workshop<'_>,
        searched: &Searched,
    ) -> Result<Stage> {
        let passages = Arc::new(cut.of(&searched.corpus));
        workshop.note("passages", "number", &passages.len().to_string());
        let key =
            Key::of(&[windows::VERSION]).param(serde_json::to_string(cut)?).input(searched.digest);
        let searched = Searched {
            corpus: Arc::<Passages>::clone(&passages) as _,
            digest: key.digest(),
            found_by: searched.found_by.clone(),
            candidates: Arc::clone(&searched.candidates),
        };
        let stage = cut.over(self.build(step, workshop, &searched)?, passages);
        Ok(stage.expect("a pipeline's stage behind passages ranks documents"))
    }
}
