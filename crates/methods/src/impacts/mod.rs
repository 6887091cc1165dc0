//! What learned-sparse methods share: documents as weighted terms, kept in shards, indexed, searched by inner product.

mod index;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use nir_core::{
    Contribution, Corpus, DocNo, Key, Progress, Queries, Query, Ranking, Result, Retriever, Run,
    Search, Version,
};
use nir_nn::{Tokenizer, Tokens};
use serde::{Deserialize, Serialize};

pub(crate) use index::{Index, Searcher, Storage};

use crate::neural::{Effort, count_tokens, shards};
use crate::{Context, Stage};

/// Terms with weights above zero, each term once.
pub(crate) type SparseVector = Vec<(u32, f32)>;

/// Weights as integers, as Anserini and Pyserini write them into an index and into queries.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Quantisation {
    /// The weight that becomes `levels`.
    pub range: f32,
    /// How many steps.
    pub levels: u16,
}

impl Quantisation {
    /// `round(w / range · levels)`
    fn of(self, weight: f32) -> f32 {
        (weight / self.range * f32::from(self.levels)).round()
    }
}

/// Which weights the terms of a query have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QueryWeighting {
    /// The model's.
    Model,
    /// How often the tokenizer finds them: no model is run for a query.
    Tokens,
    /// 1 for each, however often the tokenizer finds it: likewise.
    Binary,
}

impl QueryWeighting {
    /// The vectors of queries that no model has to read; none where one has to.
    pub(crate) fn bags(
        self,
        tokenizer: &Tokenizer,
        queries: &[Tokens],
    ) -> Option<Vec<SparseVector>> {
        let weight: fn(f32) -> f32 = match self {
            Self::Model => return None,
            Self::Tokens => |count| count,
            Self::Binary => |_| 1.0,
        };
        let bag = |tokens| {
            let counts = count_tokens(tokenizer, tokens).into_iter();
            counts.map(|(id, count)| (id, weight(count))).collect()
        };
        Some(queries.iter().map(bag).collect())
    }
}

/// Quantised where that is asked for; what becomes zero is left out, and so are terms of no weight.
pub(crate) fn quantised<Term>(
    vector: impl IntoIterator<Item = (Term, f32)>,
    quantisation: Option<Quantisation>,
) -> Vec<(Term, f32)> {
    let weight = |weight: f32| quantisation.map_or(weight, |quantisation| quantisation.of(weight));
    let terms = vector.into_iter().map(|(term, w)| (term, weight(w)));
    terms.filter(|&(_, weight)| weight > 0.0).collect()
}

/// How a method turns queries into weighted terms.
pub(crate) trait WeighQueries: Send + Sync {
    /// The vectors of queries, in order.
    fn queries(&self, queries: &[Query]) -> Result<Vec<SparseVector>>;
    /// The term of this number.
    fn term(&self, number: u32) -> String;
}

/// How a method turns texts into weighted terms.
pub(crate) trait Weigh: WeighQueries {
    /// The vectors of some documents of the collection, in order.
    fn documents(&self, corpus: &dyn Corpus, rows: Range<u32>) -> Result<Vec<SparseVector>>;
    /// What a document takes.
    fn effort(&self) -> Effort;
}

/// Encodes and indexes the collection, and searches it. `encoding` names the documents' vectors.
pub(crate) fn retriever(
    context: &Context<'_>,
    encoding: &Key,
    weigh: impl Weigh + 'static,
    index: &Index,
    depth: usize,
) -> Result<Stage> {
    let index = build(context, encoding, &weigh, index)?;
    Ok(searching(context, index, weigh, depth))
}

/// Searches an index with what `weigh` makes of queries.
pub(crate) fn searching(
    context: &Context<'_>,
    index: Searcher,
    weigh: impl WeighQueries + 'static,
    depth: usize,
) -> Stage {
    for (fact, value) in index.facts() {
        context.resources.note("impacts", fact, &value);
    }
    Stage::Retriever(Arc::new(SparseRetriever {
        weigh: Box::new(weigh),
        index,
        depth,
        corpus: Arc::clone(&context.corpus),
        progress: Arc::clone(&context.progress),
    }))
}

fn build(
    context: &Context<'_>,
    encoding: &Key,
    weigh: &dyn Weigh,
    index: &Index,
) -> Result<Searcher> {
    let corpus = &*context.corpus;
    let task = context.progress.begin("weighing terms", "documents", corpus.len() as u64);
    let folders = shards(context, encoding, FORMAT, weigh.effort(), &mut |folder, rows| {
        let vectors = weigh.documents(corpus, rows)?;
        task.advance(vectors.len() as u64);
        Ok(write(&folder.join(VECTORS), &vectors)?)
    })?;
    let key = Key::of(&index.versions()).made_from(encoding);
    let key = key.param(index.built()).input(context.corpus_digest);
    let folder = context.resources.artifact("indexes", &key, &mut |folder| {
        let mut writer = index.create(folder)?;
        for shard in &folders {
            read(&shard.join(VECTORS), |vector| writer.push(vector))?;
        }
        writer.finish()
    })?;
    index.open(&folder)
}

const VECTORS: &str = "vectors.sparse";
/// Of that file: see [`write`].
pub(crate) const FORMAT: Version = Version::new("methods::sparse vectors", 1);

struct SparseRetriever {
    weigh: Box<dyn WeighQueries>,
    index: Searcher,
    depth: usize,
    corpus: Arc<dyn Corpus>,
    progress: Arc<dyn Progress>,
}

impl Retriever for SparseRetriever {
    fn is_exact(&self) -> bool {
        self.index.is_exact()
    }

    fn retrieve(&self, queries: &Queries) -> Result<Run> {
        let task = self.progress.begin("searching impacts", "queries", queries.len() as u64);
        let vectors = self.weigh.queries(queries)?;
        let rankings = self.index.search(&vectors, self.depth, &*self.corpus);
        task.advance(queries.len() as u64);
        Ok(Run(rankings))
    }

    fn prepare<'a>(&'a self, queries: &Queries) -> Result<Option<Box<dyn Search + 'a>>> {
        Ok(Some(Box::new(Prepared { retriever: self, queries: self.weigh.queries(queries)? })))
    }

    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        let vector = self.weigh.queries(std::slice::from_ref(query))?.swap_remove(0);
        let shared = |&(number, weight): &(u32, f32)| {
            let document = self.index.weight(number, doc)?;
            Some(Contribution::product(self.weigh.term(number), weight, document))
        };
        Ok(vector.iter().filter_map(shared).collect())
    }
}

struct Prepared<'a> {
    retriever: &'a SparseRetriever,
    queries: Vec<SparseVector>,
}

impl Search for Prepared<'_> {
    fn search(&self, queries: Range<usize>) -> Vec<Ranking> {
        let SparseRetriever { index, depth, corpus, .. } = self.retriever;
        index.search(&self.queries[queries], *depth, &**corpus)
    }

    fn is_exact(&self) -> bool {
        self.retriever.index.is_exact()
    }

    fn exhaust(&self) -> Vec<Ranking> {
        let SparseRetriever { index, depth, corpus, .. } = self.retriever;
        index.exhaust(&self.queries, *depth, &**corpus)
    }

    fn bytes(&self) -> u64 {
        self.retriever.index.bytes()
    }
}

/// Vectors one after the other: how many terms, then each term and its weight, in 32-bit little-endian words. The file
/// lies in the cache, where what has a name is complete.
fn write(path: &Path, vectors: &[SparseVector]) -> io::Result<()> {
    let mut file = BufWriter::new(File::create_new(path)?);
    for vector in vectors {
        file.write_all(&(vector.len() as u32).to_le_bytes())?;
        for &(term, weight) in vector {
            file.write_all(&term.to_le_bytes())?;
            file.write_all(&weight.to_le_bytes())?;
        }
    }
    file.flush()
}

fn read(path: &Path, mut each: impl FnMut(&[(u32, f32)]) -> Result<()>) -> Result<()> {
    let file = File::open(path)?;
    let mut left = file.metadata()?.len();
    let mut file = BufReader::new(file);
    let mut word = || -> io::Result<[u8; 4]> {
        let mut bytes = [0; 4];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    while left > 0 {
        let terms = u32::from_le_bytes(word()?);
        let pair = |_| Ok((u32::from_le_bytes(word()?), f32::from_le_bytes(word()?)));
        let vector: SparseVector = (0..terms).map(pair).collect::<io::Result<_>>()?;
        left -= 4 + 8 * u64::from(terms);
        each(&vector)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_back_from_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vectors");
        let vectors = vec![vec![(3, 0.5), (7, 1.5)], vec![], vec![(0, 2.0)]];
        write(&path, &vectors).unwrap();
        let mut found = Vec::new();
        read(&path, |vector| {
            found.push(vector.to_vec());
            Ok(())
        })
        .unwrap();
        assert_eq!(found, vectors);
    }

    #[test]
    fn weights_are_quantised_as_anserini_does() {
        // 256 steps up to 5: 1 -> 51.2 -> 51; 0.009 -> 0.46 -> nothing; 5 -> 256.
        let quantisation = Some(Quantisation { range: 5.0, levels: 256 });
        let found = quantised([(1, 1.0), (2, 0.009), (3, 5.0)], quantisation);
        assert_eq!(found, [(1, 51.0), (3, 256.0)]);
        assert_eq!(quantised([(1, 0.25), (2, 0.0)], None), [(1, 0.25)]);
    }
}
