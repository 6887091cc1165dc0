//! A line of a file that is not what its format says.

use std::path::{Path, PathBuf};

/// A line that could not be read: where it is, what it holds, and what would have been right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: found {found}, expected {expected}", path.display())]
pub struct Malformed {
    /// The path of the file, as the user gave it.
    pub path: PathBuf,
    /// The number of the line, counted from 1.
    pub line: u64,
    /// The text that was found.
    pub found: String,
    /// What was expected, and where it helps, what to do.
    pub expected: String,
}

impl Malformed {
    /// `found` at `path:line`, where `expected` should be. What is too long to be read is cut.
    pub fn new(
        path: &Path,
        line: u64,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        let [found, expected] = [found.into(), expected.into()].map(readable);
        Self { path: path.to_owned(), line, found, expected }
    }
}

/// A text of at most a few lines: a file without line ends may be one word.
pub(crate) fn readable(text: String) -> String {
    const MOST: usize = 400;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => text[..end].to_owned() + "…",
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_a_sentence() {
        let error = Malformed::new(Path::new("a/qrels"), 3, "`x`", "a whole number as grade");
        assert_eq!(error.to_string(), "a/qrels:3: found `x`, expected a whole number as grade");
        let long = Malformed::new(Path::new("q"), 1, "é".repeat(5000), "a word");
        assert_eq!(long.to_string(), format!("q:1: found {}…, expected a word", "é".repeat(400)));
    }
}
