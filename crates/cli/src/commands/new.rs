//! `nir new`: writes the first config of a method or dataset.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use nir_catalogue::{Method, Source};

use crate::app::App;
use crate::models;
use crate::named::method;
use crate::output::{errln, outln, write_whole};
use nir_engine::{Library, Models, checkpoint};

/// Write the config of a new method or dataset, with a comment above every parameter.
///
/// The file is configs/<family>/<name>.toml or datasets/<name>.toml below the working folder. An existing file is never
/// overwritten.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir new method lexical/mine
  nir new method dense/mine --like dense/e5-base-v2
  nir new method dense/mine --from file:models/all-MiniLM-L6-v2
  nir new dataset mine --out datasets/mine.toml")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Write the config of a method.
    Method {
        /// The name of the new method as <family>/<name>; the file is configs/<family>/<name>.toml.
        name: String,
        /// The name of the method whose parameters are copied; if not given, the first method of the same family.
        #[arg(long, value_name = "METHOD")]
        like: Option<String>,
        /// The checkpoint that the method runs, as file:FOLDER or hf:org/name[@revision]; the parameters are read from
        /// its files.
        #[arg(long, value_name = "CHECKPOINT", conflicts_with = "like")]
        from: Option<String>,
        #[command(flatten)]
        models: models::Args,
        /// The file to write, instead of the one below configs/.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Write the description of a dataset that consists of your own files.
    Dataset {
        /// The name of the new dataset; the file is datasets/<name>.toml.
        name: String,
        /// The file to write, instead of the one below datasets/.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    match &args.what {
        What::Method { name, like: _, from: Some(from), models, out } => {
            let engine = app.engine(models)?;
            new_method(name, out.as_deref(), app, |library, family| {
                checkpoint_model(from, family, library, engine.models())
            })?;
        }
        What::Method { name, like, out, .. } => {
            new_method(name, out.as_deref(), app, |library, family| {
                let like = model(like.as_deref(), family, library)?;
                let head = format!(
                    "# A method of your own, made like {0}. Change one thing at a time, and compare with `nir run {0} FILE \
                     --on pocket`.",
                    like.name
                );
                Ok((like, head))
            })?;
        }
        What::Dataset { name, out } => new_dataset(name, out.as_deref(), app)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the config of a new method. `begin` gives the method that it is copied from, and the comment at its top.
fn new_method(
    name: &str,
    out: Option<&Path>,
    app: &App,
    begin: impl FnOnce(&Library, &str) -> Result<(Method, String)>,
) -> Result<()> {
    let library = app.library()?;
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
    let (like, head) = begin(&library, family)?;
    let text = skeleton(last, &like, &head, &library)?;
    let path = place(out, &format!("configs/{name}.toml"), app)?;
    let source = Source::new(path.display().to_string(), text.clone());
    library.read(&Method::parse(name, source)?)?; // what is written can be run
    put(&path, &text)?;
    mark(out, app)?;
    outln!("{}: like {}; try: nir run {} --on pocket", path.display(), like.name, path.display())?;
    Ok(())
}

/// The method that the files of a checkpoint describe, and the comment that says so.
fn checkpoint_model(
    from: &str,
    family: &str,
    library: &Library,
    models: &Models,
) -> Result<(Method, String)> {
    let method = checkpoint::method(from, models)?;
    let last = method.stages.last().context("a method has a stage")?;
    let own = library.algorithm(last)?.family;
    if own != family {
        bail!(
            "`{from}` is run by `{}`, which is of the family `{own}`, not `{family}`: name it {own}/…",
            last.algorithm.as_ref()
        );
    }
    Ok((method, format!("# {from}, as its own files say.")))
}

/// The method to copy: the one that the user names, else the first of the family.
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

/// The text of a config under a new name: the parameters of `like`, each below its documentation, without its claims.
fn skeleton(name: &str, like: &Method, head: &str, library: &Library) -> Result<String> {
    let mut text = format!("{head}\n\n");
    let (mut stages, mut docs) = (like.stages.iter(), Vec::new());
    let mut told = HashSet::new();
    for line in body(like.source.text()) {
        if line.starts_with("[[stage]]") {
            let stage = stages.next().context("a config has a stage for each `[[stage]]`")?;
            docs = library.algorithm(stage)?.parameters();
            text.push_str("# What happens, in order; `nir explain` says more of each stage.\n");
        } else if line.starts_with("name ") || line.starts_with("name=") {
            let _ = writeln!(text, "# The name in tables.\nname  = \"{name}\"");
            continue;
        } else if line.starts_with("paper") {
            text.push_str("# The paper it comes from: a key of configs/papers.toml.\n");
        }
        for (key, doc) in docs.iter().filter(|(key, _)| is_key(line, key)) {
            if told.insert((stages.len(), key.clone())) {
                let _ = writeln!(text, "# {doc}");
            }
        }
        text.push_str(line);
        text.push('\n');
    }
    Ok(text.trim_end().to_owned() + "\n")
}

/// The lines of a config that are copied: the card and the stages. Comments before the card describe the old method,
/// and claims belong to it.
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

/// Whether a line sets a parameter or a part of it: `model.weights = …` sets a part of `model`.
fn is_key(line: &str, key: &str) -> bool {
    line.strip_prefix(key)
        .is_some_and(|rest| rest.starts_with('.') || rest.trim_start().starts_with('='))
}

fn new_dataset(name: &str, out: Option<&Path>, app: &App) -> Result<()> {
    if !is_name(name) {
        bail!("`{name}` is no name of a dataset: expected a-z, 0-9, `-`, `_` and `.`");
    }
    if app.home.datasets()?.iter().any(|manifest| manifest.name == name) {
        bail!("`{name}` is a dataset already; `nir datasets` lists them");
    }
    let path = place(out, &format!("datasets/{name}.toml"), app)?;
    put(&path, &include_str!("new/dataset.toml").replace("NAME", name))?;
    mark(out, app)?;
    outln!("{}: put your files into the folder {name} beside it", path.display())?;
    Ok(())
}

/// The path of the new file: `out` if it is given, else below the user's own folder, else below the working folder.
fn place(out: Option<&Path>, name: &str, app: &App) -> Result<PathBuf> {
    if let Some(out) = out {
        return Ok(out.to_owned());
    }
    let Some(folder) = app.home.folder() else { return Ok(PathBuf::from(name)) };
    let here = std::env::current_dir().context("the working folder cannot be read")?;
    let path = folder.join(name);
    Ok(path.strip_prefix(here).map_or(path.clone(), Path::to_owned))
}

/// The file that makes a folder the user's own.
const MARK: &str = "nir.toml";
const MARKED: &str =
    "# This folder adds its configs, datasets and results to those that nir carries.\n";

/// Makes the working folder the user's own if the new file went into it and there is no such folder yet.
fn mark(out: Option<&Path>, app: &App) -> Result<()> {
    if out.is_some() || app.home.folder().is_some() {
        return Ok(());
    }
    errln!(
        "{MARK}: from now on this folder adds its configs, datasets and results to those of nir"
    );
    write_whole(Path::new(MARK), MARKED)
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
