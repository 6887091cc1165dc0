//! The book has a page for everything, its links lead somewhere, and its tutorial does what it says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Nir, files_below};

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn book() -> (Nir, PathBuf) {
    let nir = Nir::new();
    nir.run(&["book", "--out", "book"]).ok();
    let src = nir.path("book/src");
    (nir, src)
}

/// The files that open with a comment of their own below a folder of a crate.
fn explained(folder: &str) -> BTreeSet<String> {
    let folder = crates().join(folder);
    let opens = |path: &PathBuf| fs::read_to_string(folder.join(path)).unwrap().starts_with("//!");
    let rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let names = files_below(&folder).into_iter().filter(rust).filter(opens);
    names.map(|path| path.to_string_lossy().into_owned()).collect()
}

fn told<'a>(docs: &'a [(&str, &str)]) -> BTreeSet<&'a str> {
    docs.iter().map(|(path, _)| path.rsplit('/').next().unwrap()).collect()
}

#[test]
fn every_measure_and_every_test_has_a_page() {
    let but = |folder: &str, without: &[&str]| -> BTreeSet<String> {
        explained(folder).into_iter().filter(|name| !without.contains(&name.as_str())).collect()
    };
    let names = |docs| told(docs).into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(names(nir_eval::docs::MEASURES), but("eval/src/measures", &["mod.rs"]));
    let significance =
        but("eval/src/significance", &["mod.rs", "compare.rs", "rows.rs", "studentised_range.rs"]);
    assert_eq!(names(nir_eval::docs::SIGNIFICANCE), significance);
}

#[test]
fn every_method_has_a_page_with_its_idea_config_and_entry() {
    let (_nir, src) = book();
    let configs = crates().join("../configs");
    let mut pages = 0;
    for config in files_below(&configs) {
        let is_method = config.components().count() == 2
            && !config.starts_with("training")
            && !config.starts_with("sweeps");
        if !is_method || config.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let page =
            fs::read_to_string(src.join("methods").join(config.with_extension("md"))).unwrap();
        for part in ["\n## Config\n", "\n## Results\n", "Code: `crates/methods/src/", "```toml\n"] {
            assert!(page.contains(part), "{}: no `{part}` in {page}", config.display());
        }
        assert!(page.contains("\n## Entry of the list\n") || page.contains("\n## Paper\n"));
        pages += 1;
    }
    assert!(pages > 50, "{pages}");
}

#[test]
fn every_link_of_the_book_leads_somewhere() {
    let (_nir, src) = book();
    let mut links = 0;
    for page in files_below(&src).into_iter().filter(|path| path.extension().is_some()) {
        let text = fs::read_to_string(src.join(&page)).unwrap();
        assert!(!text.contains("](crate::") && !text.contains("](super::"), "{}", page.display());
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let is_page = target.ends_with(".md") && !target.contains("://");
            if is_page && page != Path::new("list.md") {
                let target = src.join(&page).parent().unwrap().join(target);
                assert!(target.is_file(), "{}: {}", page.display(), target.display());
                links += 1;
            }
        }
    }
    assert!(links > 150, "{links}");
}

#[test]
fn a_folder_that_holds_something_else_is_left_alone() {
    let nir = Nir::new();
    nir.write("mine/src/notes.md", "mine");
    let error = nir.run(&["book", "--out", "mine"]).error();
    assert!(error.contains("mine: holds files and no book that nir made"), "{error}");
    assert_eq!(fs::read_to_string(nir.path("mine/src/notes.md")).unwrap(), "mine");
    nir.run(&["book", "--out", "book"]).ok();
    nir.write("book/src/stale.md", "");
    nir.run(&["book", "--out", "book"]).ok();
    assert!(!nir.path("book/src/stale.md").exists());
}

/// A fenced block of the tutorial.
enum Block<'a> {
    /// A file, whose name stands in the line above.
    File(&'a str, String),
    /// Commands.
    Commands(Vec<&'a str>),
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    let mut above = "";
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let named = || above.strip_prefix('`').and_then(|it| it.strip_suffix("`:"));
            blocks.push(if language == "sh" {
                Block::Commands(body)
            } else {
                Block::File(named().expect("a file's name above it"), body.join("\n") + "\n")
            });
        } else if !line.is_empty() {
            above = line;
        }
    }
    blocks
}

/// The words of a command; `"…"` is one.
fn words(command: &str) -> Vec<String> {
    let parts = command.split('"').enumerate();
    parts
        .flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

#[test]
fn every_command_of_the_tutorial_runs() {
    let nir = Nir::new();
    let tutorial = fs::read_to_string(crates().join("cli/book/tutorial.md")).unwrap();
    let mut commands = 0;
    for block in blocks(&tutorial) {
        match block {
            Block::File(name, text) => drop(nir.write(name, &text)),
            Block::Commands(lines) => {
                for line in lines.into_iter().filter(|line| line.starts_with("nir ")) {
                    let words = words(line);
                    let arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
                    assert!(!nir.run(&arguments).ok().trim().is_empty(), "{line}");
                    commands += 1;
                }
            }
        }
    }
    assert!(commands > 12, "{commands}");
    let page = fs::read_to_string(nir.path("report.html")).unwrap();
    assert!(page.contains("</html>"));
}
