//! `nir train`: makes weights, and what they are made of, from a recipe.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nir_catalogue::Source;
use nir_nn::{Backend, Precision};
use nir_train::{
    Folders, Kind, Recipe, Step, Task, Watch, clusters, negatives, pack, train, vectors, vocabulary,
};

use crate::memory;
use crate::output::{errln, outln};
use crate::progress::Bars;
use crate::threads;

/// Train a model from a recipe.
///
/// A recipe is a file that states every parameter; configs/training holds examples. The model is written to the folder
/// of the recipe's name below --models, where the next recipe finds it. A training that was interrupted continues from
/// its last checkpoint and gives the same bits.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir train configs/training/vocabulary.toml --data ~/msmarco-mini
  nir train configs/training/dense.toml --data ~/msmarco-mini --models models --device cuda:0")]
pub(crate) struct Args {
    /// The file of the recipe.
    recipe: PathBuf,

    /// The folder of texts and judgements to train on [default: the environment variable NIR_DATA].
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,

    /// The folder below which trained models are written and found.
    #[arg(long, value_name = "FOLDER", default_value = "models")]
    models: PathBuf,

    /// The device to train on: `cpu` or `cuda:0`.
    #[arg(long, default_value = "cpu")]
    device: String,

    #[command(flatten)]
    threads: threads::Args,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    memory::prepare_for_training();
    args.threads.start()?;
    let text =
        std::fs::read_to_string(&args.recipe).with_context(|| args.recipe.display().to_string())?;
    let source = Source::new(args.recipe.display().to_string(), text);
    let name = args.recipe.file_stem().context("a recipe has a name")?;
    let output = args.models.join(name);
    let data = data(args)?;
    let bars = Bars::default();
    let folders = Folders { data: &data, models: &args.models, output: &output, progress: &bars };
    let backend = || Backend::new(&args.device, Precision::F32);
    let made = match source.parse::<Kind>()?.task {
        Task::Vocabulary => source.parse::<vocabulary::Recipe>()?.make(&folders),
        Task::Negatives => source.parse::<negatives::Recipe>()?.make(&folders),
        Task::Clusters => source.parse::<clusters::Recipe>()?.make(&folders),
        Task::Pack => source.parse::<pack::Recipe>()?.make(&folders),
        Task::Vectors => source.parse::<vectors::Recipe>()?.make(&folders, &backend()?),
        Task::Train => weights(&source.parse()?, &folders, &backend()?),
    };
    let made = made.with_context(|| args.recipe.display().to_string())?;
    outln!("{}", made.display())?;
    Ok(ExitCode::SUCCESS)
}

fn data(args: &Args) -> Result<PathBuf> {
    let given = args.data.clone().or_else(|| std::env::var_os("NIR_DATA").map(PathBuf::from));
    given.context("a recipe reads texts: say where they are with --data FOLDER, or set NIR_DATA")
}

fn weights(
    recipe: &Recipe,
    folders: &Folders<'_>,
    backend: &Backend,
) -> nir_train::Result<PathBuf> {
    let mut lines = Lines::new();
    let outcome = train(recipe, folders, backend.device(), &mut lines)?;
    let outcome = outcome.expect("`Lines` stops no training");
    errln!("{} parameters, {:.0} s", outcome.parameters, outcome.seconds);
    Ok(folders.output.join("model.safetensors"))
}

/// The time between two lines of progress.
const EVERY: Duration = Duration::from_secs(10);

/// Prints progress: the mean loss, the throughput and the time left.
struct Lines {
    printed: Instant,
    losses: f64,
    steps: usize,
    tokens: usize,
    seconds: f64,
}

impl Lines {
    fn new() -> Self {
        Self { printed: Instant::now(), losses: 0.0, steps: 0, tokens: 0, seconds: 0.0 }
    }

    fn print(&mut self, step: &Step) {
        let each = self.printed.elapsed().as_secs_f64() / self.steps as f64;
        let left = each * (step.steps - step.taken) as f64;
        errln!(
            "step {}/{}  loss {:.4}  rate {:.2e}  gradient {:.2}  {:.0} tokens/s  {:.0} s left",
            step.taken,
            step.steps,
            self.losses / self.steps as f64,
            step.rate,
            step.norm,
            self.tokens as f64 / self.seconds,
            left
        );
        *self = Self::new();
    }
}

impl Watch for Lines {
    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        self.losses += f64::from(step.loss);
        self.steps += 1;
        self.tokens += step.tokens;
        self.seconds += step.seconds;
        if self.printed.elapsed() > EVERY || step.taken == step.steps {
            self.print(step);
        }
        ControlFlow::Continue(())
    }

    fn validated(&mut self, taken: usize, value: f64, is_best: bool) {
        let best = if is_best { "  best so far" } else { "" };
        errln!("step {taken}  validation {value:.4}{best}");
    }
}
