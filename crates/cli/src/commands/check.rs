//! `nir check`: whether configs, papers, datasets and results fit together.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use nir_catalogue::{Cell, Comparison, ConfigError, Method, Source, Sweep, read_cells};
use nir_data::{Manifest, Manifests};
use nir_eval::Measure;
use nir_nn::checkpoint::Wanted;
use nir_report::Question;
use toml::Spanned;

use crate::app::App;
use crate::commands::bench;
use crate::output::{errln, outln};
use nir_engine::Library;

/// Check all configs, papers, claims, datasets and results, and print each problem with its file and line.
#[derive(clap::Args)]
#[command(after_help = "Example: nir check && echo all is well")]
pub(crate) struct Args {
    /// Also refuse weights that name a branch instead of a commit, as a branch may change after a result was made,
    /// unless the config's card gives a reason (`unpinned = "…"`). The reasons are printed.
    #[arg(long)]
    strict: bool,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let library = app.library()?;
    let manifests = app.home.datasets()?;
    // Results in the cache may be of methods in files of their own.
    let own = app.home.folder().map(|folder| read_cells(&folder.join("results")));
    let cells = own.transpose()?.unwrap_or_default();
    let mut problems = problems(&library, &manifests);
    problems.extend(cells.iter().filter_map(|cell| stale(cell, &library, app.home.folder())));
    let unpinned = unpinned(&library);
    match args.strict {
        true => problems.extend(unpinned.iter().filter_map(Unpinned::problem)),
        false if unpinned.is_empty() => {}
        false => errln!("{} weights to pin; `nir check --strict` lists them", unpinned.len()),
    }
    for reason in unpinned.iter().filter(|_| args.strict).filter_map(Unpinned::excuse) {
        errln!("unpinned: {reason}");
    }
    for problem in &problems {
        errln!("error: {problem}");
    }
    outln!(
        "{} papers, {} methods, {} comparisons, {} datasets, {} results: {} problems",
        library.papers.len(),
        library.methods.len(),
        library.comparisons.len(),
        manifests.iter().count(),
        cells.len(),
        problems.len()
    )?;
    outln!("{}", library.coverage(&cells).sentence())?;
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn problems(library: &Library, manifests: &Manifests) -> Vec<String> {
    let mut problems: Vec<String> = library.problems().iter().map(ToString::to_string).collect();
    for method in library.methods.values() {
        problems.extend(library.read(method).err().map(|error| format!("{error:#}")));
        problems.extend(claims(method, manifests));
        problems.extend(idle_reason(method, library));
    }
    for comparison in library.comparisons.values() {
        problems.extend(comparison_problems(comparison, library, manifests));
    }
    for sweep in library.sweeps.values() {
        let dataset = manifests.get(sweep.dataset.as_ref()).err();
        let dataset = dataset.map(|e| sweep.source.error_at(sweep.dataset.span(), e.to_string()));
        problems.extend(dataset.map(|error| error.to_string()));
        problems.extend(bench::pipelines(sweep, library).err().map(|error| format!("{error:#}")));
    }
    for manifest in manifests.iter() {
        let measures = manifest.card.measures.iter();
        let wrong = measures.filter_map(|measure| wrong_measure(measure, manifest, manifests));
        problems.extend(wrong.map(|error| format!("datasets/{}.toml: {error}", manifest.name)));
    }
    problems
}

/// Weights on the Hugging Face hub that a config names without a commit.
struct Unpinned {
    /// The path of the config file.
    config: String,
    /// The weights with the branch they come from, such as `hf:org/name@main`.
    weights: String,
    /// The reason that the card of the config gives, if it gives one.
    reason: Option<String>,
}

impl Unpinned {
    fn problem(&self) -> Option<String> {
        let Self { config, weights, reason } = self;
        let advice = "name a commit, or say in the card why none is known (`unpinned = \"…\"`)";
        reason.is_none().then(|| format!("{config}: `{weights}`: {advice}"))
    }

    fn excuse(&self) -> Option<String> {
        let Self { config, weights, reason } = self;
        reason.as_ref().map(|reason| format!("{config}: `{weights}`: {reason}"))
    }
}

fn unpinned(library: &Library) -> Vec<Unpinned> {
    library.methods.values().flat_map(|method| unpinned_of(method, library)).collect()
}

fn unpinned_of(method: &Method, library: &Library) -> Vec<Unpinned> {
    let Ok(pipeline) = library.read(method) else { return Vec::new() };
    let weights = pipeline.steps.iter().flat_map(|step| step.recipe.weights());
    let weights = weights.filter(|wanted| wanted.revision().is_some() && !wanted.is_pinned());
    let one = |wanted: Wanted| Unpinned {
        config: method.source.path().to_owned(),
        weights: wanted.to_string(),
        reason: method.card.unpinned.clone(),
    };
    weights.map(one).collect()
}

/// An error text if a card gives a reason for unpinned weights although all of its weights are pinned.
fn idle_reason(method: &Method, library: &Library) -> Option<String> {
    let idle = method.card.unpinned.is_some() && unpinned_of(method, library).is_empty();
    let path = method.source.path();
    idle.then(|| {
        format!(
            "{path}: `unpinned` gives a reason, and no weights are named by a branch: leave it out"
        )
    })
}

fn claims(method: &Method, manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for claim in &method.claims {
        problems.extend(match manifests.get(&claim.dataset) {
            Ok(manifest) => wrong_measure(&claim.measure, manifest, manifests),
            Err(error) => Some(error.to_string()),
        });
    }
    problems
        .into_iter()
        .map(|problem| format!("{}: [[claim]]: {problem}", method.source.path()))
        .collect()
}

/// Describes why a measure has no value on a dataset: there is no such measure, or the dataset has answers where it needs
/// judgements, or judgements where it needs answers.
fn wrong_measure(measure: &str, manifest: &Manifest, manifests: &Manifests) -> Option<String> {
    let parsed: Measure = match measure.parse() {
        Ok(parsed) => parsed,
        Err(error) => return Some(error.to_string()),
    };
    let (dataset, answers) = (&manifest.name, manifests.has_answers(manifest));
    let [needs, has] = match answers {
        true => ["judgements", "answers"],
        false => ["answers", "judgements"],
    };
    (parsed.is_by_answers() != answers)
        .then(|| format!("{measure} needs {needs}, and {dataset} has {has}"))
}

/// Describes every method, dataset and baseline that a comparison names and that does not exist.
fn comparison_problems(
    comparison: &Comparison,
    library: &Library,
    manifests: &Manifests,
) -> Vec<String> {
    let at =
        |name: &Spanned<String>, message: String| comparison.source.error_at(name.span(), message);
    let dataset =
        |name: &Spanned<String>| Some(at(name, manifests.get(name.as_ref()).err()?.to_string()));
    let method = |name: &Spanned<String>| {
        let missing = !library.methods.contains_key(name.as_ref());
        missing.then(|| at(name, format!("`{}` is no method", name.as_ref())))
    };
    let errors: Vec<ConfigError> = comparison
        .datasets
        .iter()
        .filter_map(dataset)
        .chain(comparison.methods.iter().filter_map(method))
        .chain(Question::of(comparison).err())
        .collect();
    errors.iter().map(ToString::to_string).collect()
}

/// Describes a result whose config has changed since the result was made; `root` is the user's own folder.
fn stale(cell: &Cell, library: &Library, root: Option<&Path>) -> Option<String> {
    let path = cell.path();
    if cell.provenance.contract.is_some() {
        return None; // of a checkpoint without a config: the result holds what its files said
    }
    if library.sweeps.values().flat_map(Sweep::points).any(|point| point.name == cell.method) {
        return None; // times and recall: nothing that a config could promise
    }
    let in_file = || method_in_file(cell, root?);
    let Some(method) = library.methods.get(&cell.method).cloned().or_else(in_file) else {
        return Some(format!(
            "results/{}: its method `{}` has no config",
            path.display(),
            cell.method
        ));
    };
    let same = method.digest().hex() == cell.provenance.config;
    (!same).then(|| {
        format!(
            "results/{}: made from another {}; `nir run {} --on {}` makes it anew",
            path.display(),
            method.source.path(),
            cell.method,
            cell.dataset
        )
    })
}

/// The method of a result in a file below the user's own folder, of the name that the result gives it.
fn method_in_file(cell: &Cell, root: &Path) -> Option<Method> {
    let path = root.join(format!("{}.toml", cell.method));
    let text = std::fs::read_to_string(&path).ok()?;
    Method::parse(&cell.method, Source::new(path.display().to_string(), text)).ok()
}
