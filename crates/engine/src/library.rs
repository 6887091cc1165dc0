//! What can be run: configs, and the algorithms that they name.

use std::ops::Deref;

use anyhow::Result;
use nir_catalogue::{ConfigError, Method, StageTable};
use nir_methods::{Entry, Registry};

use crate::home::Home;

/// Papers, methods, comparisons and sweeps by name, with the algorithms that a program knows.
#[derive(Debug, Clone)]
pub struct Library {
    configs: nir_catalogue::Library,
    registry: Registry,
}

impl Home {
    /// Every config, for a program with these algorithms.
    ///
    /// # Errors
    ///
    /// Where a config is not well formed: the error names its file and line.
    pub fn library(&self, registry: Registry) -> Result<Library> {
        Ok(Library { configs: self.configs()?, registry })
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

    /// The same with more methods, where they have names of their own.
    #[must_use]
    pub fn with(mut self, methods: &[Method]) -> Self {
        for method in methods {
            let entry = self.configs.methods.entry(method.name.clone());
            entry.or_insert_with(|| method.clone());
        }
        self
    }
}

impl Deref for Library {
    type Target = nir_catalogue::Library;

    fn deref(&self) -> &Self::Target {
        &self.configs
    }
}
