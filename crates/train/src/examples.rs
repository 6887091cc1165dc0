//! Training sets: ids in a file, so that they are facts and can be published where texts cannot.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use candle_core::Device;
use nir_core::TrecRun;
use nir_data::trec::read_run;
use nir_data::{open, write_whole};

use crate::texts::Texts;
use crate::vectors::Stored;
use crate::{Error, Result};

/// A query with one document that answers it and several that do not, as rows of [`Texts`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The row of the query.
    pub query: usize,
    /// The row of the document that answers the query.
    pub positive: usize,
    /// The rows of documents that are assumed not to answer it.
    pub negatives: Vec<usize>,
}

/// Reads a training set: lines `query_id TAB positive TAB negative TAB …`; a line that starts with `#` is a comment.
/// Fails at the first line that has another form or an unknown id.
pub fn read(path: &Path, queries: &Texts, documents: &Texts) -> Result<Vec<Example>> {
    let mut examples = Vec::new();
    for (number, line) in open(path)?.lines().enumerate() {
        let line = line.map_err(|source| Error::io(path, source))?;
        if !line.starts_with('#') {
            let example = parse(&line, queries, documents);
            examples.push(example.map_err(|problem| Error::line(path, number + 1, problem))?);
        }
    }
    match examples.is_empty() {
        true => Err(Error::Unfit(format!("{}: holds no example", path.display()))),
        false => Ok(examples),
    }
}

fn parse(line: &str, queries: &Texts, documents: &Texts) -> std::result::Result<Example, String> {
    let mut columns = line.split('\t');
    let (Some(query), Some(positive)) = (columns.next(), columns.next()) else {
        return Err(format!("expected `query_id TAB positive TAB negative …`, found `{line}`"));
    };
    let document = |name: &str| documents.expect("document", name).map_err(|e| e.to_string());
    Ok(Example {
        query: queries.expect("query", query).map_err(|error| error.to_string())?,
        positive: document(positive)?,
        negatives: columns.map(document).collect::<std::result::Result<_, _>>()?,
    })
}

/// One line of a training set to be written: the query's id, the positive's id, the negatives' ids.
pub type Line<'a> = (&'a str, &'a str, Vec<&'a str>);

/// Writes a training set; the file is complete or does not exist.
pub fn write(path: &Path, lines: &[Line<'_>]) -> Result<()> {
    write_whole(path, |file| {
        for (query, positive, negatives) in lines {
            writeln!(
                file,
                "{query}\t{positive}{}",
                negatives.iter().map(|id| format!("\t{id}")).collect::<String>()
            )?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The scores of a teacher, and the file that they were read from.
pub struct Teacher {
    path: PathBuf,
    scores: Scores,
}

enum Scores {
    /// The scores of a run.
    Run(TrecRun),
    /// Vectors, whose inner product is the score of any pair.
    Vectors {
        /// The vectors of queries.
        queries: Vectors,
        /// The vectors of documents.
        documents: Vectors,
    },
}

/// Vectors by the id of their text.
struct Vectors(BTreeMap<String, Vec<f32>>);

impl Vectors {
    fn new((names, vectors): (Vec<String>, candle_core::Tensor)) -> Result<Self> {
        Ok(Self(names.into_iter().zip(vectors.to_vec2()?).collect()))
    }
}

impl Teacher {
    /// Opens a file of vectors that a recipe of the task `vectors` wrote, or else a run. Fails if it is neither.
    pub fn open(path: &Path) -> Result<Self> {
        let are_vectors = path.extension().is_some_and(|extension| extension == "safetensors");
        let scores = match are_vectors {
            true => {
                let Stored { queries, documents } = Stored::load(path, &Device::Cpu)?;
                let (queries, documents) = (Vectors::new(queries)?, Vectors::new(documents)?);
                Scores::Vectors { queries, documents }
            }
            false => Scores::Run(read_run(path)?),
        };
        Ok(Self { path: path.to_owned(), scores })
    }

    /// The score of a pair. Fails if the teacher has none for it.
    pub fn score(&self, query: &str, document: &str) -> Result<f32> {
        let found = match &self.scores {
            Scores::Run(run) => {
                let list = run.get(query);
                let entry = list.and_then(|list| list.iter().find(|(id, _)| *id == document));
                entry.map(|(_, entry)| entry.score as f32)
            }
            Scores::Vectors { queries, documents } => {
                let (query, document) = (queries.0.get(query), documents.0.get(document));
                query.zip(document).map(|(q, d)| q.iter().zip(d).map(|(q, d)| q * d).sum())
            }
        };
        found.ok_or_else(|| {
            let problem = format!(
                "{}: the teacher has no score of document `{document}` for query `{query}`: let it score all candidates of the training set",
                self.path.display()
            );
            Error::Unfit(problem)
        })
    }
}

/// Reads lines `query_id TAB cluster`; returns the indices of the examples in each cluster. Fails if a query has no
/// cluster.
pub fn clusters(path: &Path, queries: &Texts, examples: &[Example]) -> Result<Vec<Vec<usize>>> {
    let mut of_query = BTreeMap::new();
    for (number, line) in open(path)?.lines().enumerate() {
        let line = line.map_err(|source| Error::io(path, source))?;
        let Some((query, cluster)) = line.split_once('\t') else {
            let problem = format!("expected `query_id TAB cluster`, found `{line}`");
            return Err(Error::line(path, number + 1, problem));
        };
        of_query.insert(query.to_owned(), cluster.to_owned());
    }
    let mut clusters: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, example) in examples.iter().enumerate() {
        let query = queries.name(example.query);
        let Some(cluster) = of_query.get(query) else {
            let problem = format!("{}: query `{query}` has no cluster", path.display());
            return Err(Error::Unfit(problem));
        };
        clusters.entry(cluster).or_default().push(number);
    }
    Ok(clusters.into_values().collect())
}
