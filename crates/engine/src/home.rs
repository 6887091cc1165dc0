//! Where things are: what the program carries, and over it a folder of one's own.
//!
//! | what                | the program carries  | a folder of one's own                                  |
//! |---------------------|----------------------|--------------------------------------------------------|
//! | configs, papers     | all of `configs/`    | its `configs/`, added; one of the same name wins        |
//! | datasets            | all of `datasets/`   | its `datasets/`, likewise                               |
//! | weights `pocket:`   | those of `datasets/pocket/models` | its own of that folder, where it has them  |
//! | results             | none                 | its `results/`; without such a folder, the cache's      |
//!
//! A folder of one's own has a file `nir.toml`, or a list of papers, as a checkout of nir has. The nearest one counts, from
//! the working folder upwards.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use include_dir::{Dir, include_dir};
use nir_catalogue::Source;
use nir_data::Manifests;

static CARRIED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../configs");

/// What a folder of one's own is known by.
const MARKS: [&str; 2] = ["nir.toml", "configs/papers.toml"];

/// What the program carries, and a folder of one's own if there is one.
#[derive(Debug, Clone, Default)]
pub struct Home(Option<PathBuf>);

impl Home {
    /// The home with the folder `root`, or with the nearest folder of one's own from the working folder upwards, if there is any.
    ///
    /// # Errors
    ///
    /// Where `root` is no folder, or the working folder cannot be read.
    pub fn find(root: Option<&Path>) -> Result<Self> {
        if let Some(root) = root {
            if !root.is_dir() {
                bail!("{}: is no folder: expected one with configs/ or datasets/", root.display());
            }
            return Ok(Self::at(root));
        }
        let here = std::env::current_dir().context("the working folder cannot be read")?;
        let is_own = |folder: &&Path| MARKS.iter().any(|mark| folder.join(mark).is_file());
        Ok(Self(here.ancestors().find(is_own).map(Path::to_owned)))
    }

    /// The home with this folder as the folder of one's own.
    pub fn at(root: &Path) -> Self {
        Self(Some(root.to_owned()))
    }

    /// The home without a folder of one's own: what the program carries, and nothing else.
    pub fn carried() -> Self {
        Self(None)
    }

    /// The folder of one's own; `None` if there is none.
    pub fn folder(&self) -> Option<&Path> {
        self.0.as_deref()
    }

    /// The folder where results are kept if `--results` names no other. Fails if the cache has no place.
    pub fn results(&self) -> Result<PathBuf> {
        match self.folder() {
            Some(folder) => Ok(folder.join("results")),
            None => Ok(nir_data::cache_folder()?.join("results")),
        }
    }

    /// The manifests of all datasets. Fails if one cannot be read.
    pub fn datasets(&self) -> Result<Manifests> {
        Ok(Manifests::load(self.folder())?)
    }

    /// All configs. Fails, with file, line and column, if one cannot be read.
    pub(crate) fn configs(&self) -> Result<nir_catalogue::Library> {
        let mut sources = carried(&CARRIED);
        if let Some(folder) = self.folder() {
            sources.extend(on_disk(folder)?);
        }
        Ok(nir_catalogue::Library::parse(sources)?)
    }

    /// The folder of a model that comes with the program, where the folder of one's own has it.
    pub(crate) fn model(&self, name: &str) -> Option<PathBuf> {
        let folder = self.folder()?.join("datasets/pocket/models").join(name);
        folder.is_dir().then_some(folder)
    }
}

fn carried(folder: &Dir<'static>) -> Vec<(String, Source)> {
    let mut sources: Vec<_> = folder.dirs().flat_map(carried).collect();
    for file in folder.files() {
        let path = file.path().to_string_lossy().into_owned();
        if let Some(text) = file.contents_utf8().filter(|_| is_config(&path)) {
            sources.push((path.clone(), Source::new(format!("configs/{path}"), text)));
        }
    }
    sources
}

/// The configs of a folder of one's own, by path. Weights that a method names relatively lie below `root`, as `nir train`
/// leaves them; methods and datasets that a comparison or a sweep names relatively, beside it.
fn on_disk(root: &Path) -> Result<Vec<(String, Source)>> {
    let configs = root.join("configs");
    let (mut sources, mut folders) = (Vec::new(), Vec::new());
    folders.extend(configs.is_dir().then(|| configs.clone()));
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Some(name) = config_name(&configs, &path)? {
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                let source = Source::new(format!("configs/{name}"), text);
                let is_method = name.contains('/') && !name.starts_with("sweeps/");
                let place = if is_method { root } else { folder.as_path() };
                sources.push((name, source.in_folder(place)));
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
    name.ends_with(".toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    const BM25: &str =
        "[card]\nname = \"Mine\"\npaper = \"robertson1994okapi\"\n\n[[stage]]\nuse = \"bm25\"\n";

    #[test]
    fn a_folder_of_ones_own_adds_to_what_the_program_carries_and_wins() {
        let folder =
            own(&[("configs/lexical/bm25.toml", BM25), ("configs/lexical/mine.toml", BM25)]);
        let (carried, both) =
            (Home::carried().configs().unwrap(), Home::at(folder.path()).configs().unwrap());
        assert_eq!(both.methods.len(), carried.methods.len() + 1);
        assert_eq!(both.methods["lexical/bm25"].card.name, "Mine");
        assert_ne!(carried.methods["lexical/bm25"].card.name, "Mine");
        assert_eq!(both.papers.iter().count(), carried.papers.iter().count());
    }
}
