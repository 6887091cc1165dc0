//! What can be run: configs, and the algorithms that they name.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use nir_catalogue::{Comparison, Config, ConfigError, Method, StageTable};
use nir_core::did_you_mean;
use nir_methods::{Entry, Registry};
use toml::Spanned;

use crate::home::Home;

/// Papers, methods, comparisons and sweeps by name, with the algorithms that a program knows.
#[derive(Debug, Clone)]
pub struct Library {
    configs: nir_catalogue::Library,
    registry: Registry,
    /// The folder of one's own whose configs are among them.
    folder: Option<PathBuf>,
}

impl Home {
    /// Every config, for a program with these algorithms.
    ///
    /// # Errors
    ///
    /// Where a config is not well formed: the error names its file and line.
    pub fn library(&self, registry: Registry) -> Result<Library> {
        Ok(Library {
            configs: self.configs()?,
            registry,
            folder: self.folder().map(Path::to_owned),
        })
    }
}

impl Library {
    /// The algorithms.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The algorithm that a stage names; the error points to its place in the config.
    pub fn algorithm(&self, stage: &StageTable) -> Result<&Entry, ConfigError> {
        let found = self.registry.find(stage.algorithm.as_ref());
        found.map_err(|error| stage.error(error.to_string()))
    }

    /// The config that `what` names: by the path of its file, by its name (`lexical/bm25`), or by its path below `configs`.
    /// Nothing where there is neither a file nor a config of that name.
    ///
    /// # Errors
    ///
    /// Where the file is no config; the error names file and line.
    pub fn named(&self, what: &str) -> Result<Option<Config>> {
        let path = Path::new(what);
        match self.own_name(path) {
            Some(name) if self.of_name(&name).is_some() => Ok(self.of_name(&name)),
            _ if path.is_file() => Ok(Some(Config::read(path)?)),
            _ => Ok(self.of_name(config_name(what))),
        }
    }

    fn of_name(&self, name: &str) -> Option<Config> {
        let method = self.methods.get(name).cloned().map(Config::Method);
        let comparison = || self.comparisons.get(name).cloned().map(Config::Comparison);
        method.or_else(comparison).or_else(|| self.sweeps.get(name).cloned().map(Config::Sweep))
    }

    /// The name of a config that lies in the folder of one's own.
    fn own_name(&self, path: &Path) -> Option<String> {
        let configs = self.folder.as_ref()?.join("configs").canonicalize().ok()?;
        let below = path.canonicalize().ok()?.strip_prefix(configs).ok()?.with_extension("");
        Some(below.to_str()?.replace('\\', "/"))
    }

    /// The method that `name` names in a file of `folder`: by its own name, or by a path from there.
    ///
    /// # Errors
    ///
    /// Where there is no such method, or its file is not well formed.
    pub fn method(&self, name: &str, folder: Option<&Path>) -> Result<Method> {
        if let Some(method) = self.methods.get(name) {
            return Ok(method.clone());
        }
        let path = folder.unwrap_or(Path::new("")).join(name);
        let found = match path.to_str() {
            Some(path) if Path::new(path).is_file() => self.named(path)?,
            _ => None,
        };
        match found {
            Some(Config::Method(method)) => Ok(method),
            Some(other) => bail!("`{name}` is {}, expected a method", other.kind()),
            None => {
                let known = self.methods.keys().map(String::as_str);
                let meant = did_you_mean(name, known).map_or(String::new(), |meant| meant + " ");
                bail!(
                    "`{name}` is neither a method nor a file ({}); {meant}`nir list --methods` shows all methods",
                    path.display()
                )
            }
        }
    }

    /// A comparison with its methods; those that it names by the path of a file are called by their names afterwards.
    ///
    /// # Errors
    ///
    /// Where it names no method; the error points at the name.
    pub fn rows(&self, comparison: Comparison) -> Result<(Comparison, Vec<Method>)> {
        let source = comparison.source.clone();
        let row = |name: &Spanned<String>| {
            let found = self.method(name.as_ref(), source.folder());
            found.map_err(|error| match error.downcast::<ConfigError>() {
                Ok(inside) => inside,
                Err(error) => source.error_at(name.span(), format!("{error:#}")),
            })
        };
        let methods = comparison.methods.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        for (at, method) in methods.iter().enumerate() {
            if methods[..at].iter().any(|before| before.name == method.name) {
                let message = format!("two methods are called `{}`: rename one file", method.name);
                return Err(source.error_at(comparison.methods[at].span(), message).into());
            }
        }
        let typed: Vec<String> =
            comparison.methods.iter().map(|name| name.as_ref().clone()).collect();
        let name = |old: &str| {
            let at = typed.iter().position(|typed| typed == old);
            at.map_or_else(|| old.to_owned(), |at| methods[at].name.clone())
        };
        Ok((comparison.renamed(name), methods))
    }

    /// The same with these methods; they win over those of the same name.
    #[must_use]
    pub fn with(mut self, methods: &[Method]) -> Self {
        let named = methods.iter().map(|method| (method.name.clone(), method.clone()));
        self.configs.methods.extend(named);
        self
    }
}

/// The name of a config, by its path below `configs` or alone.
fn config_name(what: &str) -> &str {
    let name = what.strip_prefix("./").unwrap_or(what);
    name.strip_prefix("configs/").unwrap_or(name).trim_end_matches(".toml")
}

impl Deref for Library {
    type Target = nir_catalogue::Library;

    fn deref(&self) -> &Self::Target {
        &self.configs
    }
}
