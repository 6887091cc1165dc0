//! The loop: a batch, its loss, a step; now and then a validation and a checkpoint.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::time::Instant;

use candle_core::Device;
use nir_core::{Digest, Hasher};
use nir_data::{copy_whole, write_whole};
use nir_nn::Tokenizer;

use crate::optimiser::{AdamW, check};
use crate::parameters::Parameters;
use crate::recipe::Recipe;
use crate::state::{self, Best, State};
use crate::student::{self, Student};
use crate::texts::Texts;
use crate::validation::Pool;
use crate::watch::{Outcome, Step, Watch};
use crate::work::{Work, Writer};
use crate::{Error, Folders, Result, card, tensor_file};

/// Trains a model, or continues a training that was begun in the folder of output, and writes the model there. Returns
/// `None` if `watch` stopped it.
///
/// # Errors
///
/// If the recipe contradicts itself, a file cannot be read or written, or the loss is infinite or not a number.
pub fn train(
    recipe: &Recipe,
    folders: &Folders<'_>,
    device: &Device,
    watch: &mut dyn Watch,
) -> Result<Option<Outcome>> {
    recipe.check()?;
    fs::create_dir_all(folders.output).map_err(|source| Error::io(folders.output, source))?;
    let tokens = folders.models.join(&recipe.model.vocabulary).join("tokenizer.json");
    let (tokenizer, vocab) = Tokenizer::in_file(&tokens, recipe.model.positions)?;
    let queries = Texts::queries(&folders.data(&recipe.data.queries))?;
    let documents = Texts::documents(&folders.data(&recipe.data.documents))?;
    let writer = Writer::new(&tokenizer, &recipe.head)?;
    let texts = (&queries, &documents);
    let work = Work::new(recipe, folders, &tokenizer, vocab, &writer, texts, device)?;
    let (model, head) = (&recipe.model, &recipe.head);
    let parameters = Parameters::new(model, head, vocab, folders.models, recipe.seed, device)?;
    let build = |tensors| Student::new(model, head, vocab, tensors, device);
    let pool = recipe.validation.as_ref();
    let pool = pool.map(|pool| Pool::new(pool, folders, &documents)).transpose()?;
    let mut training = Training {
        student: build(parameters.tensors())?,
        validated: build(parameters.detached())?,
        optimiser: AdamW::new(recipe.optimiser, &parameters)?,
        digest: digest(recipe, texts)?,
        state: State::default(),
        work,
        pool,
        recipe,
        folders,
        parameters,
    };
    let begun = Instant::now();
    let before = training.resume(device)?;
    if training.run(&writer, &documents, watch)?.is_break() {
        return Ok(None);
    }
    let outcome = Outcome {
        parameters: training.parameters.count(),
        taken: training.state.step - before,
        best: training.state.best.as_ref().map(|best| (best.value, best.step)),
        seconds: begun.elapsed().as_secs_f64(),
    };
    training.finish(vocab, &tokens, &outcome)?;
    Ok(Some(outcome))
}

struct Training<'a> {
    student: Student,
    /// The network over the same weights, without gradients.
    validated: Student,
    parameters: Parameters,
    optimiser: AdamW,
    state: State,
    work: Work<'a>,
    pool: Option<Pool>,
    recipe: &'a Recipe,
    folders: &'a Folders<'a>,
    digest: Digest,
}

impl Training<'_> {
    /// Restores the last checkpoint, if there is one; returns the number of steps that were taken before.
    fn resume(&mut self, device: &Device) -> Result<usize> {
        let (folder, digest) = (self.folders.output, &self.digest);
        let saved = State::load(folder, digest, &self.parameters, &self.optimiser, device)?;
        if saved.is_none() && folder.join("model.safetensors").exists() {
            return Err(Error::Unfit(format!(
                "{}: holds a model already; remove the folder to train anew",
                folder.display()
            )));
        }
        self.state = saved.unwrap_or_default();
        Ok(self.state.step)
    }

    fn run(
        &mut self,
        writer: &Writer,
        documents: &Texts,
        watch: &mut dyn Watch,
    ) -> Result<ControlFlow<()>> {
        let steps = self.recipe.optimiser.steps;
        while self.state.step < steps {
            let step = self.step()?;
            self.validate(writer, documents, watch)?;
            if self.state.step.is_multiple_of(self.recipe.optimiser.checkpoint_every) {
                self.state.save(
                    self.folders.output,
                    &self.digest,
                    &self.parameters,
                    &self.optimiser,
                )?;
            }
            if watch.step(&step).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn step(&mut self) -> Result<Step> {
        let (begun, number) = (Instant::now(), self.state.step);
        let loss = self.work.loss(&self.student, number)?;
        let value = check(loss.loss.to_scalar()?, number)?;
        let taken = self.optimiser.step(&self.parameters, &loss.loss.backward()?, number)?;
        self.state.step += 1;
        Ok(Step {
            taken: self.state.step,
            steps: self.recipe.optimiser.steps,
            loss: value,
            rate: taken.rate,
            norm: taken.norm,
            tokens: loss.tokens,
            seconds: begun.elapsed().as_secs_f64(),
        })
    }

    fn validate(
        &mut self,
        writer: &Writer,
        documents: &Texts,
        watch: &mut dyn Watch,
    ) -> Result<()> {
        let (Some(pool), Some(config)) = (&self.pool, &self.recipe.validation) else {
            return Ok(());
        };
        let step = self.state.step;
        if !step.is_multiple_of(config.every) && step != self.recipe.optimiser.steps {
            return Ok(());
        }
        let value = pool.measure(&self.validated, writer, documents, self.folders.progress)?;
        let is_best = self.state.best.as_ref().is_none_or(|best| value > best.value);
        if is_best {
            self.state.best = Some(Best { value, step, weights: self.parameters.copied()? });
        }
        watch.validated(step, value, is_best);
        Ok(())
    }

    /// Writes the model, and removes the checkpoint.
    fn finish(self, vocab: usize, tokenizer: &std::path::Path, outcome: &Outcome) -> Result<()> {
        let folder = self.folders.output;
        let weights = match self.state.best {
            Some(best) => best.weights,
            None => self.parameters.detached(),
        };
        let written = |name: &str, text: String| {
            let path = folder.join(name);
            write_whole(&path, |file| io::Write::write_all(file, text.as_bytes()))
        };
        let config = student::config(&self.recipe.model, vocab);
        written("config.json", format!("{config:#}\n"))?;
        written("README.md", card::write(self.recipe, vocab, outcome))?;
        copy_whole(tokenizer, &folder.join("tokenizer.json"))?;
        let weights: HashMap<String, _> = weights.into_iter().collect();
        tensor_file::write(&folder.join("model.safetensors"), &weights)?;
        let rest = folder.join(state::FILE);
        match rest.exists() {
            true => fs::remove_file(&rest).map_err(|source| Error::io(&rest, source)),
            false => Ok(()),
        }
    }
}

/// The digest of everything that decides the weights, so that a training is only continued by the recipe that began it.
fn digest(recipe: &Recipe, (queries, documents): (&Texts, &Texts)) -> Result<Digest> {
    let recipe = serde_json::to_string(recipe).map_err(|error| Error::Unfit(error.to_string()))?;
    let mut hasher = Hasher::new("training");
    hasher.part(recipe);
    for text in queries.iter().chain(documents.iter()) {
        hasher.part(text);
    }
    Ok(hasher.digest())
}
