//! A config in a file of its own: a method, a comparison or a sweep, told apart by what the file says.

use std::fs;
use std::path::Path;

use toml::Table;

use crate::{Comparison, ConfigError, Method, Source, Sweep};

/// What a file below `configs/`, or a file of a user's own, can be.
#[derive(Debug, Clone)]
pub enum Config {
    /// A card and stages.
    Method(Method),
    /// Methods on datasets.
    Comparison(Comparison),
    /// Search structures over the vectors of methods.
    Sweep(Sweep),
}

/// A config file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file as the user named it.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no config, or says something that cannot be meant.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Keys that only this kind of file has; one of them may be misspelt.
const KINDS: [(&str, Kind); 6] = [
    ("stage", Kind::Method),
    ("card", Kind::Method),
    ("sweep", Kind::Sweep),
    ("dataset", Kind::Sweep),
    ("methods", Kind::Comparison),
    ("datasets", Kind::Comparison),
];

#[derive(Clone, Copy)]
enum Kind {
    Method,
    Comparison,
    Sweep,
}

impl Config {
    /// Reads a file of a user's own. A method is called as its folder and itself, `mine/bm25`; a sweep `sweeps/bm25`. What the
    /// file names relatively (weights, methods, datasets) lies in its folder.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read or is not well formed: the error names file and line.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let at = |source| FileError::Io { path: path.display().to_string(), source };
        let text = fs::read_to_string(path).map_err(at)?;
        let absolute = std::path::absolute(path).map_err(at)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let source = Source::new(path.display().to_string(), text).in_folder(folder);
        let word = |part: Option<&std::ffi::OsStr>| {
            part.unwrap_or_default().to_string_lossy().into_owned()
        };
        let (family, last) =
            (word(absolute.parent().and_then(Path::file_name)), word(absolute.file_stem()));
        Ok(match kind(&source)? {
            Kind::Method => Self::Method(Method::parse(&format!("{family}/{last}"), source)?),
            Kind::Comparison => Self::Comparison(Comparison::parse(source)?),
            Kind::Sweep => Self::Sweep(Sweep::parse(&format!("sweeps/{last}"), source)?),
        })
    }

    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Method(_) => "a method",
            Self::Comparison(_) => "a comparison",
            Self::Sweep(_) => "a sweep",
        }
    }
}

/// What a file is, by the first of the telling keys that it has.
fn kind(source: &Source) -> Result<Kind, ConfigError> {
    let table: Table = source.parse()?;
    if table.contains_key("task") {
        let message = "this is a recipe for training: `nir train` takes it";
        return Err(source.error_at(0..0, message));
    }
    let found = KINDS.iter().find(|(key, _)| table.contains_key(*key));
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        let keys: Vec<&str> = table.keys().map(String::as_str).collect();
        let found = match &keys[..] {
            [] => "nothing".to_owned(),
            keys => format!("`{}`", keys.join("`, `")),
        };
        let message = format!(
            "this is no config: found {found}, expected a method (`[card]` and `[[stage]]`), a comparison (`datasets` and `methods`) \
             or a sweep (`dataset` and `[[sweep]]`)"
        );
        source.error_at(0..0, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        fs::write(&path, text).unwrap();
        let shown = format!("{}", path.display());
        Config::read(&path).map_err(|error| error.to_string().replace(&shown, "mine.toml"))
    }

    const METHOD: &str =
        "[card]\nname = \"Mine\"\npaper = \"robertson1994okapi\"\n[[stage]]\nuse = \"bm25\"\n";

    #[test]
    fn the_content_tells_what_a_file_is() {
        let comparison = "datasets = [\"toy\"]\nmethods = [\"lexical/bm25\"]\nbaseline = \"lexical/bm25\"\nmeasures = [\"AP\"]\n\
                          test = \"randomisation\"\ncorrection = \"holm\"\nseed = 1\n";
        let sweep = "dataset = \"toy\"\ndepth = 1\nrounds = 1\n[[sweep]]\nmethod = \"dense/x\"\nexact = { use = \"flat\" }\nindex = []\n";
        let kinds = [METHOD, comparison, sweep].map(|text| read(text).unwrap().kind());
        assert_eq!(kinds, ["a method", "a comparison", "a sweep"]);
    }

    #[test]
    fn what_is_no_config_is_told_what_is_expected() {
        let error = read("methds = []\n").unwrap_err();
        assert!(
            error
                .starts_with("mine.toml:1:1: this is no config: found `methds`, expected a method"),
            "{error}"
        );
        let error = read("methods = [\n").unwrap_err();
        assert!(error.starts_with("mine.toml:1:"), "{error}");
    }

    #[test]
    fn a_method_is_called_as_its_folder_and_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lexical/mine.toml");
        fs::create_dir(folder.path().join("lexical")).unwrap();
        fs::write(&path, METHOD).unwrap();
        let Config::Method(method) = Config::read(&path).unwrap() else { panic!("a method") };
        assert_eq!(method.name, "lexical/mine");
    }
}
