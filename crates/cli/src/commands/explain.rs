//! `nir explain`: a method, an algorithm, a measure, a search structure or a dataset in words and equations, from the files
//! that do it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use nir_catalogue::Method;
use nir_core::did_you_mean;
use nir_data::{Cache, Manifests};
use nir_engine::{Library, Pipeline};
use nir_methods::{Entry, Explanation};

use super::datasets;
use super::show::paper_card;
use crate::app::App;
use crate::named::method;
use crate::output::print;
use crate::terminal::{lines, width};

/// Explain a method, algorithm, measure, search structure, test or dataset: the idea, equations, symbols, code and what to try.
///
/// All of it is read from the source file that does the work, from the method's config and from its entry of the list.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir explain lexical/bm25
  nir explain splade
  nir explain nDCG@10
  nir explain hnsw
  nir explain randomisation
  nir explain pocket")]
pub(crate) struct Args {
    /// A method (see `nir list --methods`) or its file; an algorithm, as the `use` of a config names it; a measure; a search
    /// structure or its code; a test or correction; a dataset.
    what: String,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let (library, what) = (app.library()?, args.what.as_str());
    if let Some(text) = file_text(what, &library) {
        print(text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let manifests = app.home.datasets()?;
    if let Ok(manifest) = manifests.get(what) {
        datasets::describe(&manifests, &Cache::of_user()?, manifest)?;
        return Ok(ExitCode::SUCCESS);
    }
    let is_path = what.contains(['/', ':']) || Path::new(what).is_file();
    if !is_path && library.named(what)?.is_none() {
        return Err(unknown(what, &library, &manifests));
    }
    print(method_text(&method(what, &library)?, &library)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The crates whose files explain a thing by its name.
fn files() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let eval = nir_eval::docs::SIGNIFICANCE.iter().map(|(path, source)| ("eval", *path, *source));
    let index = nir_index::docs::STRUCTURES.iter().map(|(path, source)| ("index", *path, *source));
    eval.chain(index)
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.trim_end_matches(".rs")
}

/// An algorithm, a measure, a structure or a test, by the file that does it.
fn file_text(what: &str, library: &Library) -> Option<String> {
    if let Ok(entry) = library.registry().find(what) {
        return Some(algorithm_text(entry, library));
    }
    if let Some((path, source)) = nir_eval::docs::measure(what) {
        let code = format!("crates/eval/src/{path}");
        let text = head_text(&Explanation::of(source), &code, library);
        return Some(format!("{text}Measure it: nir eval QRELS RUN -m '{what}'\n"));
    }
    let named = |(_, path, _): &(&str, &str, &str)| stem(path) == what.replace('-', "_");
    let (of, path, source) = files().find(named)?;
    Some(head_text(&Explanation::of(source), &format!("crates/{of}/src/{path}"), library))
}

/// An error with the names that are near.
fn unknown(what: &str, library: &Library, manifests: &Manifests) -> anyhow::Error {
    let measures = nir_eval::Measure::names();
    let measures = measures.iter().map(String::as_str);
    let algorithms = library.registry().entries().iter().map(|entry| entry.name);
    let structures = files().map(|(_, path, _)| stem(path));
    let methods = library.methods.keys().map(String::as_str);
    let datasets = manifests.iter().map(|manifest| manifest.name.as_str());
    let known = measures.chain(algorithms).chain(structures).chain(methods).chain(datasets);
    let meant = did_you_mean(what.split('@').next().unwrap_or(what), known);
    let meant = meant.map_or(String::new(), |meant| format!("; {meant}"));
    anyhow::anyhow!(
        "`{what}` is no method, algorithm, measure, search structure, test or dataset{meant}"
    )
}

fn method_text(method: &Method, library: &Library) -> Result<String> {
    let mut text = String::new();
    let mut told: Vec<&str> = Vec::new();
    for stage in &method.stages {
        let entry = library.algorithm(stage)?;
        if !told.contains(&entry.file) {
            told.push(entry.file);
            text.push_str(&stage_text(entry, library));
        }
    }
    let _ = writeln!(text, "Config: {}\n", method.source.path());
    method.source.text().trim_end().lines().for_each(|line| {
        let _ = writeln!(text, "  {line}");
    });
    if let Some(paper) = library.papers.get(&method.card.paper) {
        let _ = writeln!(text, "\nEntry of the list\n\n{}", paper_card(paper));
    }
    Ok(text)
}

/// The head of an algorithm's file, its parameters and the methods that use it.
fn algorithm_text(entry: &Entry, library: &Library) -> String {
    let mut text = stage_text(entry, library);
    text.push_str("Parameters\n\n");
    for (name, doc) in entry.parameters() {
        let _ = writeln!(text, "{}", lines(&format!("{name}: {doc}"), width()));
    }
    let uses =
        |method: &&Method| method.stages.iter().any(|stage| stage.algorithm.as_ref() == entry.name);
    let methods: Vec<&str> =
        library.methods.values().filter(uses).map(|method| method.name.as_str()).collect();
    let _ = writeln!(text, "\n{}", lines(&format!("Methods: {}", methods.join(", ")), width()));
    text
}

fn stage_text(entry: &Entry, library: &Library) -> String {
    head_text(&entry.explanation(), &format!("crates/methods/src/{}", entry.file), library)
}

/// What the head of a file says.
fn head_text(explanation: &Explanation, code: &str, library: &Library) -> String {
    let Explanation { title, paper, idea, equations, symbols, notes, try_it } = explanation;
    let mut text = format!("{}\n", lines(title, width()));
    let mut paragraph = |words: &str| {
        let _ = writeln!(text, "{}\n", lines(words, width()));
    };
    paragraph(paper);
    idea.iter().for_each(|words| paragraph(words));
    if !equations.is_empty() {
        let _ = writeln!(text, "  {}\n", equations.join("\n  "));
    }
    let widest = symbols.iter().map(|(symbol, _)| symbol.chars().count()).max().unwrap_or(0);
    for (symbol, meaning) in symbols {
        let _ = writeln!(text, "  {symbol:widest$}  {meaning}");
    }
    text.push_str(if symbols.is_empty() { "" } else { "\n" });
    let mut paragraph = |words: &str| {
        let _ = writeln!(text, "{}\n", lines(words, width()));
    };
    notes.iter().for_each(|words| paragraph(words));
    if !try_it.is_empty() {
        paragraph(&format!("Try it: {try_it}"));
        fetched(try_it, library).iter().for_each(|words| paragraph(words));
    }
    let _ = writeln!(text, "Code: {code}\n");
    text
}

/// What has to be fetched for the commands of a text, and a method of the same kind that needs no network.
fn fetched(try_it: &str, library: &Library) -> Vec<String> {
    let words = try_it.split(|c: char| c.is_whitespace() || "`,;:".contains(c));
    let methods = words.filter_map(|word| library.methods.get(word.trim_end_matches('.')));
    methods.filter_map(|method| fetched_of(method, library)).collect()
}

fn fetched_of(method: &Method, library: &Library) -> Option<String> {
    let weights = weights(method, library);
    let hub: Vec<&str> =
        weights.iter().map(String::as_str).filter(|weights| weights.starts_with("hf:")).collect();
    if hub.is_empty() {
        return asks(method, library);
    }
    let algorithm =
        |method: &Method| method.stages.last().map(|stage| stage.algorithm.as_ref().clone());
    let is_sibling = |other: &&Method| {
        let own = self::weights(other, library);
        algorithm(other) == algorithm(method)
            && !own.is_empty()
            && own.iter().all(|weights| weights.starts_with("pocket:"))
    };
    let offline = match library.methods.values().find(is_sibling) {
        Some(sibling) => format!(
            "`nir run {} --on pocket` does the same with a small model that is in the program",
            sibling.name
        ),
        None => "the program has no small model of this kind".to_owned(),
    };
    Some(format!(
        "{} needs {} from the hub, which is fetched the first time; {offline}.",
        method.name,
        hub.join(" and ")
    ))
}

/// The server that has to be there for a method that asks a language model.
fn asks(method: &Method, library: &Library) -> Option<String> {
    let pipeline = library.read(method).ok()?;
    let served = pipeline.steps.iter().find_map(|step| step.recipe.served())?;
    Some(format!(
        "{} needs a server at {} with the model {}; what it answers is kept, and `--answers FILE` replays it without the server.",
        method.name, served.server, served.name
    ))
}

/// The names of all weights of a method and of those that it fuses.
fn weights(method: &Method, library: &Library) -> Vec<String> {
    library.read(method).map_or_else(|_| Vec::new(), |pipeline| weights_of(&pipeline))
}

fn weights_of(pipeline: &Pipeline) -> Vec<String> {
    let own = pipeline.steps.iter().flat_map(|step| step.recipe.weights());
    let own = own.map(|wanted| wanted.to_string());
    own.chain(pipeline.inputs.iter().flat_map(weights_of)).collect()
}
