//! `nir book`: what the program knows of itself, as the source of an mdBook.

mod worked;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use nir_catalogue::{Cell, Method, Paper, read_cells};
use nir_data::unfinished::Guard;
use nir_engine::{Engine, Library};
use nir_report::{CoveragePage, Format, coverage_text};

use crate::app::App;
use crate::models;
use crate::output::{outln, write_whole};
use worked::Example;

/// Write the documentation of everything that nir knows as an mdBook: one page for each method, measure and search
/// structure, and a tutorial.
///
/// The pages are made from the comments in the source code, the configs, the results and the list of papers, so they
/// describe what this program does. DIR becomes the source of an mdBook: `mdbook build DIR` makes HTML of it.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  nir book --out book && mdbook build book")]
pub(crate) struct Args {
    /// The folder to write. A folder that holds an earlier book is replaced; any other folder that is not empty is
    /// refused.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The folder of results; if not given, results/ of your own folder, or the cache if you have no folder.
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// The first line of every `book.toml` that this command writes; only a folder that has it may be replaced.
const MADE_HERE: &str = "# Made by `nir book`; do not edit.";
const SETTINGS: &str = "
[book]
title    = \"nir: methods of information retrieval, run\"
language = \"en\"

[output.html]
no-section-label = true
";
const INTRODUCTION: &str = include_str!("../../book/introduction.md");
const TUTORIAL: &str = include_str!("../../book/tutorial.md");

/// One file of the book, at a path below `src`.
struct Page {
    path: String,
    title: String,
    text: String,
}

/// A page, and the pages that the table of contents lists below it.
struct Chapter {
    page: Page,
    below: Vec<Page>,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let library = app.library()?;
    let cells = read_cells(&app.results(args.results.as_ref())?)?;
    let engine = app.engine(&models::Args::at_hand())?;
    let toy = engine.dataset(app.home.datasets()?.get("toy")?)?;
    let shown = Shown {
        library: &library,
        cells: &cells,
        engine: &engine,
        example: Example::new(&engine, &library, toy),
    };
    write(&args.out, &chapters(&shown)?)?;
    outln!("{}: read it with mdbook serve {0}", args.out.display())?;
    Ok(ExitCode::SUCCESS)
}

/// What pages are made of.
struct Shown<'a> {
    library: &'a Library,
    cells: &'a [Cell],
    engine: &'a Engine,
    example: Example<'a>,
}

fn chapters(shown: &Shown<'_>) -> Result<Vec<Chapter>> {
    let Shown { library, cells, engine, .. } = shown;
    let mut chapters = vec![
        alone("introduction", "Introduction", INTRODUCTION.to_owned()),
        alone("tutorial", "From clone to your own method", TUTORIAL.to_owned()),
    ];
    let mut families: BTreeMap<&str, Vec<Page>> = BTreeMap::new();
    for method in library.methods.values() {
        families.entry(method.family()).or_default().push(method_page(method, shown)?);
    }
    for (family, pages) in families {
        let title = format!("Methods: {}", family.replace('_', " "));
        chapters.push(chapter(&format!("methods/{family}"), &title, pages));
    }
    let of = |folder: &str, sources: &[(&str, &str)]| -> Result<Vec<Page>> {
        let page = |(path, source): &(&str, &str)| {
            Ok(source_page(folder, path, source, &worked::picture(path, engine, library)?))
        };
        sources.iter().map(page).collect()
    };
    chapters.extend([
        chapter("measures", "Measures", of("measures", nir_eval::docs::MEASURES)?),
        chapter("significance", "Significance", of("significance", nir_eval::docs::SIGNIFICANCE)?),
        chapter("structures", "Search structures", of("structures", nir_index::docs::STRUCTURES)?),
        alone("list", "The list", list(library, cells)),
    ]);
    Ok(chapters)
}

fn alone(path: &str, title: &str, text: String) -> Chapter {
    let page = Page { path: format!("{path}.md"), title: title.to_owned(), text };
    Chapter { page, below: Vec::new() }
}

/// Makes a page that links to the pages below it.
fn chapter(path: &str, title: &str, below: Vec<Page>) -> Chapter {
    let folder = path.rsplit('/').next().unwrap_or(path);
    let mut text = format!("# {title}\n\n");
    for page in &below {
        let file = page.path.rsplit('/').next().unwrap_or(&page.path);
        let _ = writeln!(text, "- [{}]({folder}/{file})", page.title);
    }
    Chapter { page: Page { path: format!("{path}.md"), title: title.to_owned(), text }, below }
}

fn list(library: &Library, cells: &[Cell]) -> String {
    coverage_text(&CoveragePage::new(library, cells), Format::Markdown)
        .expect("coverage is written as Markdown")
}

fn method_page(method: &Method, shown: &Shown<'_>) -> Result<Page> {
    let Shown { library, cells, engine, example } = shown;
    let mut text = format!("# {}\n\n`{}`\n", method.card.name, method.name);
    let mut told: Vec<&str> = Vec::new();
    for stage in &method.stages {
        let entry = library.algorithm(stage)?;
        if !told.contains(&entry.file) {
            told.push(entry.file);
            let Head { title, rest } = Head::of(entry.source);
            let _ =
                writeln!(text, "\n## {title}\n\n{rest}\nCode: `crates/methods/src/{}`", entry.file);
            text.push_str(&worked::picture(entry.file, engine, library)?);
            text.push_str(&parameters(&entry.parameters()));
        }
    }
    text.push_str(&example.of(method)?);
    let _ = writeln!(text, "\n## Config\n\n```toml\n{}\n```", method.source.text().trim_end());
    text.push_str(&results(method, cells));
    if let Some(paper) = library.papers.get(&method.card.paper) {
        text.push_str(&entry_of_the_list(paper));
    }
    let path = format!("methods/{}.md", method.name);
    Ok(Page { path, title: method.card.name.clone(), text })
}

fn parameters(parameters: &[(String, String)]) -> String {
    if parameters.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n| parameter | |\n|---|---|\n");
    for (name, meaning) in parameters {
        let _ = writeln!(text, "| `{name}` | {} |", in_table(&without_links(meaning)));
    }
    text
}

fn results(method: &Method, cells: &[Cell]) -> String {
    let mut text = String::from("\n## Results\n\n");
    let of_this: Vec<&Cell> = cells.iter().filter(|cell| cell.method == method.name).collect();
    if of_this.is_empty() {
        let _ = writeln!(text, "None yet: `nir run {} --on DATASET`.", method.name);
        return text;
    }
    text.push_str("| dataset | | ms/query (p50) |\n|---|---|---:|\n");
    for cell in of_this {
        let measures = cell.measures.iter();
        let measures: Vec<String> =
            measures.map(|(name, measured)| format!("{name} {:.4}", measured.value)).collect();
        let latency = cell.cost.latency.p50_ms;
        let _ = writeln!(text, "| {} | {} | {latency:.3} |", cell.dataset, measures.join(", "));
    }
    text
}

fn entry_of_the_list(paper: &Paper) -> String {
    let mut text =
        format!("\n## {}\n\n", if paper.is_listed() { "Entry of the list" } else { "Paper" });
    let year = paper.year.map_or_else(String::new, |year| format!(" {year}"));
    let _ = writeln!(
        text,
        "[{}]({}). {}. {}{year}.",
        paper.title, paper.url, paper.authors, paper.venue
    );
    paper.code.iter().for_each(|url| {
        let _ = writeln!(text, "\nCode of the authors: <{url}>");
    });
    text
}

fn source_page(folder: &str, path: &str, source: &str, picture: &str) -> Page {
    let Head { title, rest } = Head::of(source);
    let name = path.trim_end_matches(".rs").replace('/', "-");
    let name = name.strip_prefix(&format!("{folder}-")).unwrap_or(&name);
    let text = format!("# {title}\n\n{rest}{picture}\nCode: `src/{path}`\n");
    Page { path: format!("{folder}/{name}.md"), title, text }
}

/// The `//!` lines at the top of a source file, as Markdown.
struct Head {
    /// The first of these lines, without its full stop.
    title: String,
    rest: String,
}

impl Head {
    fn of(source: &str) -> Self {
        let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
        let mut lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
        let title = lines.next().unwrap_or_default().trim_end_matches('.').to_owned();
        let mut rest = String::new();
        for line in lines {
            let row = line.starts_with('|');
            let line = without_links(line);
            rest.push_str(&if row { row_of_table(&line) } else { line });
            rest.push('\n');
        }
        Self { title, rest }
    }
}

/// Replaces links to items of the code, which a book does not have, by their text: [`Name`](crate::Name) becomes
/// `Name`.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, after)) = after.split_once("`]") else { break };
        let target = after.strip_prefix('(').and_then(|it| it.split_once(')'));
        let _ = write!(out, "{before}`{name}`");
        rest = target.map_or(after, |(_, after)| after);
    }
    out + rest
}

/// Escapes each `|` inside code in a row of a table, so that it does not end a cell.
fn row_of_table(line: &str) -> String {
    let mut is_code = false;
    let one = |c: char| {
        is_code ^= c == '`';
        if c == '|' && is_code { "\\|".to_owned() } else { c.to_string() }
    };
    line.chars().map(one).collect()
}

fn in_table(text: &str) -> String {
    text.replace('|', "\\|")
}

fn write(out: &Path, chapters: &[Chapter]) -> Result<()> {
    let settings = out.join("book.toml");
    if out.exists() && !fs::read_to_string(&settings).is_ok_and(|text| text.starts_with(MADE_HERE))
    {
        bail!(
            "{}: holds files and no book that nir made; name a folder that does not exist",
            out.display()
        );
    }
    let src = out.join("src");
    let new = Guard::new(out.join(format!(".src-{}", std::process::id())));
    for page in
        chapters.iter().flat_map(|chapter| [&chapter.page].into_iter().chain(&chapter.below))
    {
        new.step(|| put(&new.path().join(&page.path), &page.text))?;
    }
    new.step(|| put(&new.path().join("SUMMARY.md"), &summary(chapters)))?;
    if src.exists() {
        fs::remove_dir_all(&src).with_context(|| src.display().to_string())?;
    }
    fs::rename(new.path(), &src).with_context(|| src.display().to_string())?;
    write_whole(&settings, format!("{MADE_HERE}\n{SETTINGS}"))
}

/// Writes one file of a folder that gets its name when all files in it are complete.
fn put(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().expect("a page is in a folder");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .with_context(|| path.display().to_string())
}

fn summary(chapters: &[Chapter]) -> String {
    let mut text = String::from("# Summary\n\n");
    for Chapter { page, below } in chapters {
        let _ = writeln!(text, "- [{}]({})", page.title, page.path);
        below.iter().for_each(|page| {
            let _ = writeln!(text, "  - [{}]({})", page.title, page.path);
        });
    }
    text
}
