//! Reranking in blocks of queries, with a journal: a run that was stopped goes on where it was.
//!
//! A reranker may read a hundred passages for minutes, query after query. So the engine gives it a few queries at a time, as
//! many as take about five seconds, and writes down what it made of them before it goes on. The journal lies in the cache
//! under the key of the ranking, so another model, another prompt or another version of the code never meets it, and it is
//! removed when the ranking is whole.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use nir_core::{
    Corpus, Digest, DocNo, Key, Progress, Queries, Ranking, Reranker, Result, Run, Scored,
};
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::cost::timed;

/// The time in seconds that a block should take; a stopped run loses about one block.
const BLOCK_SECONDS: f64 = 5.0;

/// The outcome of one query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    /// The index of the query.
    query: usize,
    /// The query's share of the seconds that its block took.
    seconds: f64,
    /// The rows of its ranking, best first, with the bits of their scores.
    hits: Vec<(u32, u32)>,
}

/// The file with the queries that a run has finished: one line for each, with a digest of the line in front.
pub(crate) struct Journal {
    path: PathBuf,
}

impl Journal {
    /// The journal of the ranking with this key; the file need not exist yet.
    pub(crate) fn of(cache: &Cache, key: &Key) -> Self {
        let name = format!("{}.jsonl", key.digest().short());
        Self { path: cache.folder().join("journals").join(name) }
    }

    /// Reads the finished queries. A line that was cut short by a kill is ignored.
    fn read(&self) -> io::Result<HashMap<usize, Entry>> {
        let text = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let lines = text.split(|&byte| byte == b'\n').filter_map(entry);
        Ok(lines.map(|entry| (entry.query, entry)).collect())
    }

    fn open(&self) -> io::Result<File> {
        fs::create_dir_all(self.path.parent().expect("a journal lies in a folder"))?;
        let mut file = File::options().create(true).append(true).open(&self.path)?;
        // Behind a line that was cut short.
        file.write_all(b"\n")?;
        Ok(file)
    }

    /// Removes the file once the ranking is complete.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn line(entry: &Entry) -> String {
    let json = serde_json::to_string(entry).expect("numbers are valid JSON");
    format!("{} {json}\n", Digest::of(&json).short())
}

fn entry(line: &[u8]) -> Option<Entry> {
    let (digest, json) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    (Digest::of(json).short() == digest).then(|| serde_json::from_str(json).ok())?
}

/// The candidates of all queries, and the reranker that orders them.
pub(crate) struct Reranking<'a> {
    pub(crate) reranker: &'a dyn Reranker,
    pub(crate) queries: &'a Queries,
    pub(crate) run: &'a Run,
    pub(crate) corpus: &'a dyn Corpus,
}

/// The outcome of reranking.
pub(crate) struct Reranked {
    pub(crate) run: Run,
    /// The seconds of each query, if one query takes longer than a block should; else `None`.
    pub(crate) slow: Option<Vec<f64>>,
}

impl Reranking<'_> {
    /// Reranks all queries except those that the journal already has.
    pub(crate) fn all(&self, journal: &mut Journal, progress: &dyn Progress) -> Result<Reranked> {
        let mut done = journal.read()?;
        let todo: Vec<usize> =
            (0..self.queries.len()).filter(|query| !done.contains_key(query)).collect();
        let pairs = todo.iter().map(|&query| self.pairs(query)).sum();
        let task = progress.begin("reranking", "pairs", pairs);
        let mut file = journal.open()?;
        let least = self.reranker.at_once();
        let (mut rest, mut size) = (&todo[..], least);
        while !rest.is_empty() {
            let (block, others) = rest.split_at(size.min(rest.len()));
            let (seconds, entries) = timed(|| self.block(block));
            for mut entry in entries? {
                entry.seconds = seconds / block.len() as f64;
                file.write_all(line(&entry).as_bytes())?;
                task.advance(self.pairs(entry.query));
                done.insert(entry.query, entry);
            }
            (rest, size) = (others, next_size(size, seconds).max(least));
        }
        Ok(self.reranked(&done))
    }

    fn pairs(&self, query: usize) -> u64 {
        self.run[query].len().min(self.reranker.depth()) as u64
    }

    fn block(&self, block: &[usize]) -> Result<Vec<Entry>> {
        let (first, last) = (block[0], block[block.len() - 1]);
        // Whole stretches are handed over as they are; around what the journal has, query by query.
        let rankings = if last - first + 1 == block.len() {
            self.reranker.rerank_all(&self.queries[first..=last], &self.run[first..=last])?
        } else {
            let one = |&query: &usize| self.reranker.rerank(&self.queries[query], &self.run[query]);
            block.iter().map(one).collect::<Result<_>>()?
        };
        let hits = |ranking: &Ranking| {
            ranking.iter().map(|hit| (hit.doc.0, hit.score.to_bits())).collect()
        };
        let entry = |(&query, ranking): (&usize, &Ranking)| Entry {
            query,
            seconds: 0.0,
            hits: hits(ranking),
        };
        Ok(block.iter().zip(&rankings).map(entry).collect())
    }

    fn reranked(&self, done: &HashMap<usize, Entry>) -> Reranked {
        let entries: Vec<&Entry> = (0..self.queries.len()).map(|query| &done[&query]).collect();
        let scored =
            |&(doc, bits): &(u32, u32)| Scored { doc: DocNo(doc), score: f32::from_bits(bits) };
        let ranking = |entry: &&Entry| {
            let scored = entry.hits.iter().map(scored).collect();
            Ranking::top(entry.hits.len(), scored, self.corpus)
        };
        let seconds: Vec<f64> = entries.iter().map(|entry| entry.seconds).collect();
        let mean = seconds.iter().sum::<f64>() / seconds.len().max(1) as f64;
        Reranked {
            run: entries.iter().map(ranking).collect(),
            slow: (mean > BLOCK_SECONDS).then_some(seconds),
        }
    }
}

/// The number of queries of the next block: twice as many if a block took less than half of its time, half as many if
/// it took more than twice its time.
fn next_size(size: usize, seconds: f64) -> usize {
    match seconds / BLOCK_SECONDS {
        share if share < 0.5 => size * 2,
        share if share > 2.0 => (size / 2).max(1),
        _ => size,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use nir_core::{Document, Documents, Query, Silent};

    use super::*;

    /// Turns a ranking round, and dies after so many queries.
    struct Mortal {
        left: AtomicUsize,
        corpus: Documents,
    }

    impl Reranker for Mortal {
        fn depth(&self) -> usize {
            2
        }

        fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
            if self.left.load(Ordering::SeqCst) == 0 {
                return Err(format!("`{}` was too much", query.query_id).into());
            }
            self.left.fetch_sub(1, Ordering::SeqCst);
            let turned = candidates.iter().rev();
            let turned = turned.zip([0.75, 0.1]).map(|(hit, score)| Scored { score, ..*hit });
            Ok(Ranking::top(2, turned.collect(), &self.corpus))
        }
    }

    fn corpus() -> Documents {
        let document = |i| Document { doc_id: format!("d{i:02}"), ..Document::default() };
        Documents::new((0..21).map(document)).unwrap()
    }

    fn given(queries: usize) -> (Queries, Run) {
        let query = |i| Query::new(format!("q{i}"), "tea");
        let hit = |doc| Scored { doc: DocNo(doc), score: 1.0 };
        let of = |i| Ranking::top(2, vec![hit(i), hit(i + 1)], &corpus());
        let run = (0..queries as u32).map(of);
        (Queries::new((0..queries).map(query).collect()).unwrap(), run.collect())
    }

    fn rerank(left: usize, journal: &mut Journal) -> Result<(Run, usize)> {
        let (queries, run) = given(20);
        let (left, corpus) = (AtomicUsize::new(left), corpus());
        let reranker = Mortal { left, corpus: corpus.clone() };
        let work = Reranking { reranker: &reranker, queries: &queries, run: &run, corpus: &corpus };
        let found = work.all(journal, &Silent)?;
        Ok((found.run, reranker.left.load(Ordering::SeqCst)))
    }

    #[test]
    fn a_stopped_run_goes_on_and_ends_as_if_it_had_not_been_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let journal = |name: &str| Journal::of(&cache, &Key::default().param(name));
        let (whole, _) = rerank(20, &mut journal("whole")).unwrap();
        let mut stopped = journal("stopped");
        // Blocks of 1, 2, 4 and 8 queries: it dies in the last of them, and seven queries are written down.
        let error = rerank(9, &mut stopped).unwrap_err().to_string();
        assert_eq!((error.as_str(), stopped.read().unwrap().len()), ("`q9` was too much", 7));
        // A line that was cut short by a kill is as if it had not been written.
        let text = fs::read_to_string(&stopped.path).unwrap();
        fs::write(&stopped.path, &text[..text.len() - 9]).unwrap();
        let (again, left) = rerank(20, &mut stopped).unwrap();
        assert_eq!((again, left), (whole, 20 - 14));
        stopped.remove().unwrap();
        assert!(stopped.read().unwrap().is_empty());
    }

    #[test]
    fn blocks_grow_and_shrink_towards_five_seconds() {
        assert_eq!(
            [0.1, 2.4, 2.6, 9.0, 11.0].map(|seconds| next_size(8, seconds)),
            [16, 16, 8, 8, 4]
        );
        assert_eq!(next_size(1, 60.0), 1);
    }
}
