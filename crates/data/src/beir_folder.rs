//! A folder as BEIR hands it out: `corpus.jsonl`, `queries.jsonl`, `qrels/<split>.tsv`.

use std::path::{Path, PathBuf};

use crate::Source;

/// The three files of a BEIR folder, each perhaps compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeirFolder {
    /// [`DocumentFormat::BeirJsonl`](crate::DocumentFormat::BeirJsonl).
    pub corpus: Source,
    /// [`QueryFormat::BeirJsonl`](crate::QueryFormat::BeirJsonl); queries of all splits.
    pub queries: Source,
    /// [`QrelsFormat::BeirTsv`](crate::QrelsFormat::BeirTsv), of one split.
    pub qrels: Source,
}

/// A folder without one of the files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{folder}: no `{missing}`: expected a BEIR folder (corpus.jsonl, queries.jsonl, qrels/{split}.tsv){}", splits(.found))]
pub struct NotBeir {
    /// The folder.
    pub folder: PathBuf,
    /// The file that is missing, less `.gz` or `.zst`.
    pub missing: String,
    /// The split asked for.
    pub split: String,
    /// The splits there are.
    pub found: Vec<String>,
}

impl BeirFolder {
    /// Looks for the files of one split (`test`, `dev`, `train`); none is read.
    pub fn find(folder: &Path, split: &str) -> Result<Self, NotBeir> {
        let file = |name: String| {
            let plain = folder.join(&name);
            let packed = [".gz", ".zst"].map(|end| folder.join(format!("{name}{end}")));
            let found = std::iter::once(plain).chain(packed).find(|path| path.is_file());
            found.map(Source::file).ok_or_else(|| NotBeir {
                folder: folder.to_owned(),
                missing: name,
                split: split.to_owned(),
                found: splits_in(&folder.join("qrels")),
            })
        };
        Ok(Self {
            corpus: file("corpus.jsonl".into())?,
            queries: file("queries.jsonl".into())?,
            qrels: file(format!("qrels/{split}.tsv"))?,
        })
    }
}

/// The names of the files in `qrels`, less their endings.
fn splits_in(qrels: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(qrels).into_iter().flatten().flatten().map(|file| file.file_name());
    let mut splits: Vec<String> =
        names.filter_map(|name| Some(name.to_str()?.split_once(".tsv")?.0.to_owned())).collect();
    splits.sort_unstable();
    splits
}

fn splits(found: &[String]) -> String {
    if found.is_empty() {
        return String::new();
    }
    format!("; there are qrels for {}", found.join(", "))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_may_be_compressed_and_a_missing_split_is_named_with_those_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir(path.join("qrels")).unwrap();
        for name in ["corpus.jsonl.gz", "queries.jsonl", "qrels/train.tsv", "qrels/test.tsv.zst"] {
            fs::write(path.join(name), "").unwrap();
        }
        let found = BeirFolder::find(path, "test").unwrap();
        assert_eq!(found.corpus, Source::file(path.join("corpus.jsonl.gz")));
        assert_eq!(found.qrels, Source::file(path.join("qrels/test.tsv.zst")));
        let message = BeirFolder::find(path, "dev").unwrap_err().to_string();
        let expected = "no `qrels/dev.tsv`: expected a BEIR folder (corpus.jsonl, queries.jsonl, qrels/dev.tsv); \
                        there are qrels for test, train";
        assert_eq!(message, format!("{}: {expected}", path.display()));
    }
}
