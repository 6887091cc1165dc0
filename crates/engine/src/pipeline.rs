//! A method's config, read and checked: recipes in order, and the pipelines of the methods that it fuses.

use anyhow::{Context as _, Result, bail};
use nir_catalogue::{ConfigError, Method, StageTable};
use nir_core::Digest;
use nir_methods::{Recipe, Shape, check_shapes};
use nir_nn::contract::OVERRIDES;

use crate::library::Library;
use crate::windows::Cut;

/// One stage of a pipeline.
pub struct Step {
    /// The name of its algorithm.
    pub algorithm: &'static str,
    /// The shape of its input and output.
    pub shape: Shape,
    /// The digest of its source code if it is not one of nir's own algorithms, because its author may forget to raise
    /// its version.
    pub own_source: Option<Digest>,
    /// Its parameters.
    pub recipe: Box<dyn Recipe>,
    /// The settings in which it may contradict the files of its checkpoint.
    pub overrides: Vec<String>,
    /// How documents are cut into passages before the stage, and how scores of passages are joined; `None` if the stage
    /// reads whole documents.
    pub passages: Option<Cut>,
    /// The SHA-256 digests of its files of weights; empty if they are not pinned.
    pub sha256: Vec<String>,
}

/// A method whose config has been read and checked, ready to be bound to a dataset.
pub struct Pipeline {
    /// The method.
    pub method: Method,
    /// The stages, in order.
    pub steps: Vec<Step>,
    /// The pipelines of the methods whose runs its first stage fuses.
    pub inputs: Vec<Pipeline>,
}

impl Library {
    /// Reads and checks the method of this name. Fails if there is none, or as [`read`](Self::read) does.
    pub fn pipeline(&self, name: &str) -> Result<Pipeline> {
        let method = self.methods.get(name).with_context(|| format!("`{name}` is no method"))?;
        self.read(method)
    }

    /// Reads and checks a method, which need not be in the library.
    ///
    /// # Errors
    ///
    /// If a stage names an unknown algorithm or has a wrong parameter, if stages do not fit together, or if a method
    /// that it fuses does not exist. The error names file and line.
    pub fn read(&self, method: &Method) -> Result<Pipeline> {
        Pipeline::new(method, self)
    }
}

impl Pipeline {
    /// Reads every stage of a method and of the methods that it fuses; errors name file and line.
    pub(crate) fn new(method: &Method, library: &Library) -> Result<Self> {
        Self::below(method, library, &mut Vec::new())
    }

    /// Reads a method; `path` has the methods that fuse it, so that a circle is an error.
    fn below(method: &Method, library: &Library, path: &mut Vec<String>) -> Result<Self> {
        if path.contains(&method.name) {
            bail!(
                "{}: `{}` fuses itself: {}",
                method.source.path(),
                method.name,
                path.join(" -> ")
            );
        }
        let steps = steps(method, library)?;
        path.push(method.name.clone());
        let names: Vec<String> =
            steps.iter().flat_map(|step| step.recipe.inputs().to_vec()).collect();
        let inputs =
            names.iter().map(|name| input(method, name, library, path)).collect::<Result<_>>()?;
        path.pop();
        Ok(Self { method: method.clone(), steps, inputs })
    }

    /// Whether it, or a method that it fuses, has a model to run, or asks one behind a server.
    pub fn has_model(&self) -> bool {
        self.asks()
            || self.steps.iter().any(|step| !step.recipe.weights().is_empty())
            || self.inputs.iter().any(Self::has_model)
    }

    /// Whether it, or a method that it fuses, asks a model behind a server.
    pub fn asks(&self) -> bool {
        self.steps.iter().any(|step| step.recipe.served().is_some())
            || self.inputs.iter().any(Self::asks)
    }

    /// The digests of the configs that it fuses, at any depth, by the methods' names.
    pub fn input_digests(&self) -> Vec<(String, String)> {
        let own = |input: &Self| (input.method.name.clone(), input.method.digest().hex());
        let below = |input: &Self| {
            std::iter::once(own(input)).chain(input.input_digests()).collect::<Vec<_>>()
        };
        self.inputs.iter().flat_map(below).collect()
    }
}

/// Refuses names in `overrides` that are no setting of a checkpoint.
fn check_overrides(method: &Method) -> Result<()> {
    let unknown = method.card.overrides.iter().find(|name| !OVERRIDES.contains(&name.as_str()));
    let Some(name) = unknown else { return Ok(()) };
    let source = &method.source;
    let at = source.text().find(&format!("\"{name}\"")).unwrap_or_default();
    let known = OVERRIDES.join(", ");
    Err(source
        .error_at(at..at, format!("`overrides` names `{name}`: expected some of {known}"))
        .into())
}

/// The `passages` of a stage; `None` if it has none.
fn passages(stage: &StageTable, shape: Shape) -> Result<Option<Cut>, ConfigError> {
    let Some(cut) = stage.passages::<Cut>()? else { return Ok(None) };
    cut.check().map_err(|problem| stage.error(problem))?;
    match shape {
        Shape::Retriever | Shape::Reranker => Ok(Some(cut)),
        _ => Err(stage.error("`passages` stands with a retriever or a reranker: leave it out")),
    }
}

fn steps(method: &Method, library: &Library) -> Result<Vec<Step>> {
    check_overrides(method)?;
    let mut steps = Vec::new();
    for stage in &method.stages {
        let entry = library.algorithm(stage)?;
        let recipe = stage.read(|table| entry.parse(table))?;
        let passages = passages(stage, entry.shape)?;
        let (overrides, sha256) = (method.card.overrides.clone(), stage.sha256.clone());
        if !sha256.is_empty() && recipe.weights().is_empty() {
            return Err(stage
                .error("`sha256` pins weights, and this stage has none: leave it out")
                .into());
        }
        let own_source = entry.is_own.then(|| Digest::of(entry.source));
        let (algorithm, shape) = (entry.name, entry.shape);
        steps.push(Step { algorithm, shape, own_source, recipe, overrides, passages, sha256 });
    }
    let shapes: Vec<_> = steps.iter().map(|step| (step.algorithm, step.shape)).collect();
    check_shapes(&shapes).map_err(|error| match method.stages.get(error.position) {
        Some(stage) => anyhow::Error::from(stage.error(error.to_string())),
        None => anyhow::anyhow!("{}: {error}", method.source.path()),
    })?;
    Ok(steps)
}

fn input(
    method: &Method,
    name: &str,
    library: &Library,
    path: &mut Vec<String>,
) -> Result<Pipeline> {
    let found = library.method(name, method.source.folder());
    let input = found.with_context(|| format!("{}: `inputs`", method.source.path()))?;
    Pipeline::below(&input, library, path)
        .with_context(|| format!("`{name}`, an input of `{}`", method.name))
}

/// A stage as errors name it: by the file of its method.
pub(crate) fn stage_name(pipeline: &Pipeline, step: &Step) -> String {
    format!("{}: stage `{}`", pipeline.method.source.path(), step.algorithm)
}
