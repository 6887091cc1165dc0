//! `nir explain`: a method in words and equations, from the files that do it.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use nir_methods::{Entry, Explanation};

use super::show::paper_card;
use crate::app::App;
use crate::named::method;
use crate::output::print;
use crate::terminal::{lines, width};

/// Explain a method: its idea, its equations and symbols, the source files that compute it, and commands to try.
///
/// The text is read from the source code of the method's stages, from its config and from its entry in the list of
/// papers.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  nir explain lexical/bm25\n  nir explain sparse/splade-max")]
pub(crate) struct Args {
    /// The name of a method (see `nir list --methods`), or the file of your own method.
    method: String,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let library = app.library()?;
    let method = method(&args.method, &library)?;
    let mut text = String::new();
    let mut told: Vec<&str> = Vec::new();
    for stage in &method.stages {
        let entry = library.algorithm(stage)?;
        if !told.contains(&entry.file) {
            told.push(entry.file);
            text.push_str(&stage_text(entry));
        }
    }
    let _ = writeln!(text, "Config: {}\n", method.source.path());
    method.source.text().trim_end().lines().for_each(|line| {
        let _ = writeln!(text, "  {line}");
    });
    if let Some(paper) = library.papers.get(&method.card.paper) {
        let _ = writeln!(text, "\nEntry of the list\n\n{}", paper_card(paper));
    }
    print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn stage_text(entry: &Entry) -> String {
    let Explanation { title, paper, idea, equations, symbols, notes, try_it } = entry.explanation();
    let mut text = format!("{}\n", lines(&title, width()));
    let mut paragraph = |words: &str| {
        let _ = writeln!(text, "{}\n", lines(words, width()));
    };
    paragraph(&paper);
    idea.iter().for_each(|words| paragraph(words));
    if !equations.is_empty() {
        let _ = writeln!(text, "  {}\n", equations.join("\n  "));
    }
    let widest = symbols.iter().map(|(symbol, _)| symbol.chars().count()).max().unwrap_or(0);
    for (symbol, meaning) in &symbols {
        let _ = writeln!(text, "  {symbol:widest$}  {meaning}");
    }
    text.push_str(if symbols.is_empty() { "" } else { "\n" });
    let mut paragraph = |words: &str| {
        let _ = writeln!(text, "{}\n", lines(words, width()));
    };
    notes.iter().for_each(|words| paragraph(words));
    if !try_it.is_empty() {
        paragraph(&format!("Try it: {try_it}"));
    }
    let _ = writeln!(text, "Code: crates/methods/src/{}\n", entry.file);
    text
}
