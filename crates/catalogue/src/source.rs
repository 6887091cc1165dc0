//! A config file with its path, and errors that point into it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

/// The text of a config, and the path that messages show. Clones share the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    path: Arc<str>,
    text: Arc<str>,
    /// The folder that relative paths of weights in the config start from.
    folder: Option<Arc<Path>>,
    /// Whether no file has this text.
    is_made: bool,
}

/// A mistake in a config, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}:{column}: {message}")]
pub struct ConfigError {
    /// The path of the file.
    pub path: String,
    /// The number of the line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// What was found and what was expected.
    pub message: String,
}

impl Source {
    /// A config with the path that messages show.
    pub fn new(path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), text: text.into(), folder: None, is_made: false }
    }

    /// A config that no file has: the program made its text from what `path` names.
    pub fn made(path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { is_made: true, ..Self::new(path, text) }
    }

    /// Whether no file has this text, so that a result has to record it.
    pub fn is_made(&self) -> bool {
        self.is_made
    }

    /// The same config, whose relative paths of weights (`file:model`) start from `folder`.
    #[must_use]
    pub fn in_folder(self, folder: &Path) -> Self {
        Self { folder: Some(folder.into()), ..self }
    }

    /// The folder in which what it names relatively lies; none where that is the working folder.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The path that messages show.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads the whole file as a `T`; errors have file, line and column.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        toml::from_str(&self.text).map_err(|error| self.toml_error(&error))
    }

    /// An error at the place that `error` names.
    pub fn toml_error(&self, error: &toml::de::Error) -> ConfigError {
        self.error_at(error.span().unwrap_or(0..0), error.message())
    }

    /// An error at the first byte of `span`.
    pub fn error_at(&self, span: Range<usize>, message: impl Into<String>) -> ConfigError {
        let before = &self.text[..span.start.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ConfigError {
            path: self.path.to_string(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Tea {
        #[expect(dead_code)]
        cups: u32,
    }

    #[test]
    fn a_misspelt_key_is_shown_with_its_line_and_the_known_keys() {
        let error = Source::new("tea.toml", "# tea\ncusp = 2\n").parse::<Tea>().unwrap_err();
        assert_eq!(error.to_string(), "tea.toml:2:1: unknown field `cusp`, expected `cups`");
    }

    #[test]
    fn a_wrong_type_is_shown_where_it_stands() {
        let error = Source::new("tea.toml", "cups = \"two\"\n").parse::<Tea>().unwrap_err();
        assert_eq!(error.to_string(), "tea.toml:1:8: invalid type: string \"two\", expected u32");
    }
}
