//! Where configs come from: a checkout if `nir` runs inside one, else the copies inside the binary.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use include_dir::{Dir, include_dir};
use nir_catalogue::{Library, Method, Source};
use nir_data::Manifests;

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../configs");

/// A checkout, or its absence.
#[derive(Debug, Clone)]
pub(crate) struct Root(Option<PathBuf>);

impl Root {
    /// The checkout that the working directory lies in, if any.
    pub(crate) fn find() -> Result<Self> {
        let here = std::env::current_dir().context("the working directory cannot be read")?;
        let root = here.ancestors().find(|folder| folder.join("configs/papers.toml").is_file());
        Ok(Self(root.map(Path::to_owned)))
    }

    /// The folder of the checkout.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.0.as_deref()
    }

    /// Where results are written if nothing else is said.
    pub(crate) fn results(&self) -> Option<PathBuf> {
        self.folder().map(|folder| folder.join("results"))
    }

    /// Every dataset that there is a manifest for.
    pub(crate) fn manifests(&self) -> Result<Manifests> {
        Ok(Manifests::load(self.folder())?)
    }

    /// Every config.
    pub(crate) fn library(&self) -> Result<Library> {
        let sources = match self.folder() {
            Some(folder) => on_disk(&folder.join("configs"))?,
            None => embedded(&EMBEDDED),
        };
        Ok(Library::parse(sources)?)
    }
}

/// A method in a file of its own, outside `configs`: its name is its folder's and its own.
pub(crate) fn method_file(path: &Path) -> Result<Method> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let absolute = std::path::absolute(path)?;
    let name =
        |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let folder = name(absolute.parent().and_then(Path::file_name));
    let name = format!("{folder}/{}", name(absolute.file_stem()));
    let source = Source::new(path.display().to_string(), text);
    // What it names relatively lies beside it.
    let source = source.in_folder(path.parent().unwrap_or(Path::new("")));
    Ok(Method::parse(&name, source)?)
}

fn embedded(folder: &Dir<'static>) -> Vec<(String, Source)> {
    let mut sources: Vec<_> = folder.dirs().flat_map(embedded).collect();
    for file in folder.files() {
        let path = file.path().to_string_lossy().into_owned();
        if let Some(text) = file.contents_utf8().filter(|_| is_config(&path)) {
            sources.push((path.clone(), Source::new(format!("configs/{path}"), text)));
        }
    }
    sources
}

fn on_disk(configs: &Path) -> Result<Vec<(String, Source)>> {
    let mut sources = Vec::new();
    let mut folders = vec![configs.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Some(name) = config_name(configs, &path)? {
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                let source = Source::new(format!("configs/{name}"), text);
                // Models that are trained in a checkout lie below it, as `nir train` leaves them.
                let root = configs.parent().unwrap_or(configs);
                sources.push((name, source.in_folder(root)));
            }
        }
    }
    sources.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(sources)
}

/// The path of a config below `configs`; `None` for what is no config.
fn config_name(configs: &Path, path: &Path) -> Result<Option<String>> {
    let Some(name) = path.strip_prefix(configs).ok().and_then(Path::to_str) else {
        bail!("{}: the name is not UTF-8", path.display());
    };
    Ok(is_config(name).then(|| name.replace('\\', "/")))
}

fn is_config(name: &str) -> bool {
    name.ends_with(".toml") && !name.starts_with("training/")
}
