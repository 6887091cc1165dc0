//! The names of rankings in the cache: everything that decides them, and nothing else.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use nir_core::{Digest, Hasher, Key, Version};
use nir_methods::Registry;

use crate::carried::carried_texts;
use crate::engine::{Engine, Target};
use crate::pipeline::{Pipeline, Step, stage_name};
use crate::{expansion, windows};

/// The version of the code that combines stages to a ranking and writes it.
const RUNS: Version = Version::new("engine::runs", 1);

/// The versions of all code that writes to the cache, for a program with these algorithms.
pub fn versions(registry: &Registry) -> Vec<Version> {
    registry.versions().into_iter().chain([RUNS, windows::VERSION, expansion::VERSION]).collect()
}

impl Engine {
    pub(crate) fn final_key(&self, pipeline: &Pipeline, target: &Target) -> Result<Key> {
        self.stage_key(pipeline, pipeline.steps.len() - 1, target)
    }

    /// The key of the ranking after stage `last`. It contains everything that decides the ranking: documents, queries,
    /// and for every stage its code, parameters, files, weights, arithmetic and inputs.
    pub(crate) fn stage_key(
        &self,
        pipeline: &Pipeline,
        last: usize,
        target: &Target,
    ) -> Result<Key> {
        let mut key = Key::of(&[RUNS]).input(target.corpus_digest).input(digest_of(target));
        for input in &pipeline.inputs {
            key = key.made_from(&self.final_key(input, target)?);
        }
        for step in &pipeline.steps[..=last] {
            let named = self.add_step(key, step);
            key = named.with_context(|| stage_name(pipeline, step))?;
            if let Some(name) = step.recipe.candidates() {
                let candidates = target.candidates.get(name);
                key = key.input(candidates.with_context(|| stage_name(pipeline, step))?.digest);
            }
        }
        Ok(key)
    }

    /// Adds everything that decides a step except the collection: code, parameters, files, weights and arithmetic.
    pub(crate) fn add_step(&self, key: Key, step: &Step) -> Result<Key> {
        self.check_pins(step)?;
        let mut key = key.made_with(&self.made_with(step)?).made_with(&step.recipe.parts());
        if let Some(cut) = &step.passages {
            let cut = serde_json::to_string(cut).expect("a config is plain data");
            key = key.made_with(&[windows::VERSION]).param(cut);
        }
        key = key.param(step.recipe.canonical()).param(step.overrides.join(" "));
        if let Some(source) = step.own_source {
            key = key.input(source);
        }
        for file in step.recipe.files() {
            key = key.input(file_digest(file)?);
        }
        if step.recipe.served().is_some()
            && let Some(answers) = self.servers.answers_digest()
        {
            key = key.param("answers").input(answers);
        }
        for wanted in step.recipe.weights() {
            key = key.param(self.models.open(&wanted)?.digest()?.to_hex().as_str());
            key = key.param(self.arithmetic(step)?);
        }
        Ok(key)
    }

    /// The versions of the code of a step that turns texts into stored data: its algorithm and its encoders.
    pub(crate) fn made_with(&self, step: &Step) -> Result<Vec<Version>> {
        let mut versions = vec![step.recipe.version()];
        for wanted in step.recipe.weights() {
            let of_model = nir_nn::versions::of(&self.models.open(&wanted)?)?;
            versions.extend(of_model.into_iter().map(|(of, number)| Version::new(of, number)));
        }
        Ok(versions)
    }

    /// The name of the arithmetic that decides the bits of a step's models. Attention of a decoder is a product of matrices, as most
    /// heads are, whatever stands behind it.
    pub(crate) fn arithmetic(&self, step: &Step) -> Result<String> {
        let decodes = self.made_with(step)?.iter().any(|version| version.of == "nn::decoder");
        Ok(match decodes || step.recipe.head_multiplies() {
            true => self.backend.with_products(),
            false => self.backend.to_string(),
        })
    }
}

pub(crate) fn recipe_text(steps: &[Step]) -> String {
    steps.iter().map(|step| step.recipe.canonical() + "\n").collect()
}

/// The versions of all code that made a ranking, and the digests of code that is not nir's, one text for each.
pub(crate) fn made_with(pipeline: &Pipeline, key: &Key) -> Vec<String> {
    let own = |step: &Step| {
        let source = step.own_source.as_ref()?;
        Some(format!("{}, source {}", step.algorithm, source.short()))
    };
    let own = pipeline.steps.iter().filter_map(own);
    key.versions().iter().map(Version::to_string).chain(own).collect()
}

/// The digest of everything that a target has beside its documents: queries and settings.
fn digest_of(target: &Target) -> Digest {
    let mut hasher = Hasher::new("queries");
    hasher.part([u8::from(target.exclude_query_id)]);
    hasher.part(serde_json::to_string(&target.cutoffs).expect("numbers are plain data"));
    for query in target.queries.iter() {
        hasher.part(&query.query_id).part(&query.text);
    }
    hasher.digest()
}

fn file_digest(path: &Path) -> Result<Digest> {
    match carried_texts(path)? {
        Some(content) => Ok(Digest::of(content)),
        None => Ok(Digest::of(fs::read(path).with_context(|| path.display().to_string())?)),
    }
}
