//! `nir new`: a config to begin with.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use nir_catalogue::{Library, Method, Source};
use nir_methods::find;

use super::run::method;
use crate::cache::write_whole;
use crate::engine::Pipeline;
use crate::output::outln;
use crate::root::Root;

/// Write the config of a method or of a dataset of your own, with a comment for every parameter.
///
/// The file goes below the working folder: `configs/<family>/<name>.toml` or `datasets/<name>.toml`. A file that is there
/// is never overwritten.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir new method lexical/mine
  nir new method dense/mine --like dense/e5-base-v2
  nir new dataset mine --out datasets/mine.toml")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// A method.
    Method {
        /// Its name, `<family>/<name>`.
        name: String,
        /// The method whose parameters it begins with; the first of its family if not given.
        #[arg(long, value_name = "METHOD")]
        like: Option<String>,
        /// Another place for the file.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// A dataset of files of your own.
    Dataset {
        /// Its name.
        name: String,
        /// Another place for the file.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Method { name, like, out } => new_method(name, like.as_deref(), out.as_deref())?,
        What::Dataset { name, out } => new_dataset(name, out.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn new_method(name: &str, like: Option<&str>, out: Option<&Path>) -> Result<()> {
    let library = Root::find()?.library()?;
    let Some((family, last)) =
        name.split_once('/').filter(|(family, last)| is_name(family) && is_name(last))
    else {
        bail!(
            "`{name}` is no name of a method: expected <family>/<name> in a-z, 0-9, `-`, `_` and `.`, such as lexical/mine"
        );
    };
    if library.methods.contains_key(name) {
        bail!("`{name}` is a method already; `nir show {name}` shows it");
    }
    let like = model(like, family, &library)?;
    let text = skeleton(last, &like)?;
    let path = out.map_or_else(|| PathBuf::from(format!("configs/{name}.toml")), Path::to_owned);
    let source = Source::new(path.display().to_string(), text.clone());
    Pipeline::new(&Method::parse(name, source)?, &library)?; // what is written can be run
    put(&path, &text)?;
    outln!("{}: like {}; try: nir run {} --on pocket", path.display(), like.name, path.display())?;
    Ok(())
}

/// The method to begin with.
fn model(like: Option<&str>, family: &str, library: &Library) -> Result<Method> {
    if let Some(like) = like {
        return method(like, library);
    }
    let plain = library.methods.get("lexical/bm25").filter(|method| method.family() == family);
    let first = || library.methods.values().find(|method| method.family() == family);
    plain.or_else(first).cloned().with_context(|| {
        let mut families: Vec<&str> = library.methods.values().map(Method::family).collect();
        families.dedup();
        format!("the family `{family}` has no method to begin with: name one with --like, or take one of {}", families.join(", "))
    })
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

/// The config of a method under another name, without its claims, each parameter below its documentation.
fn skeleton(name: &str, like: &Method) -> Result<String> {
    let mut text = format!(
        "# A method of your own, made like {}. Change one thing at a time, and compare with `nir run {} FILE --on pocket`.\n\n",
        like.name, like.name
    );
    let (mut stages, mut docs) = (like.stages.iter(), Vec::new());
    let mut told = HashSet::new();
    for line in body(like.source.text()) {
        if line.starts_with("[[stage]]") {
            let stage = stages.next().context("a config has a stage for each `[[stage]]`")?;
            docs = find(stage.algorithm.as_ref())?.parameters();
            text.push_str("# What happens, in order; `nir explain` says more of each stage.\n");
        } else if line.starts_with("name ") || line.starts_with("name=") {
            let _ = writeln!(text, "# The name in tables.\nname  = \"{name}\"");
            continue;
        } else if line.starts_with("paper") {
            text.push_str("# The paper it comes from: a key of configs/papers.toml.\n");
        } else if let Some((key, doc)) = docs.iter().find(|(key, _)| is_key(line, key))
            && told.insert((stages.len(), key.clone()))
        {
            let _ = writeln!(text, "# {doc}");
        }
        text.push_str(line);
        text.push('\n');
    }
    Ok(text.trim_end().to_owned() + "\n")
}

/// The card and the stages: what comes first may tell of the other method, what comes last is claimed for it.
fn body(text: &str) -> impl Iterator<Item = &str> {
    let from_card = text.lines().skip_while(|line| !line.starts_with("[card]"));
    let mut in_claim = false;
    from_card.filter(move |line| {
        if line.starts_with('[') {
            in_claim = line.starts_with("[[claim]]");
        }
        !in_claim && !line.starts_with("licence") && !line.starts_with("differs")
    })
}

fn is_key(line: &str, key: &str) -> bool {
    line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
}

fn new_dataset(name: &str, out: Option<&Path>) -> Result<()> {
    if !is_name(name) {
        bail!("`{name}` is no name of a dataset: expected a-z, 0-9, `-`, `_` and `.`");
    }
    if Root::find()?.manifests()?.iter().any(|manifest| manifest.name == name) {
        bail!("`{name}` is a dataset already; `nir datasets` lists them");
    }
    let path = out.map_or_else(|| PathBuf::from(format!("datasets/{name}.toml")), Path::to_owned);
    put(&path, &include_str!("new/dataset.toml").replace("NAME", name))?;
    outln!("{}: put your files into the folder {name} beside it", path.display())?;
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<()> {
    if path.exists() {
        bail!(
            "{}: is there already, and is not overwritten; name another place with --out",
            path.display()
        );
    }
    write_whole(path, text)
}
