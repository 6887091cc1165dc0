//! Hard negatives out of a run.
//! Karpukhin et al., EMNLP 2020, §3.2 (`karpukhin2020dpr`): BM25's best that are not the answer. With the run of the
//! encoder in training, again and again: Xiong et al., ICLR 2021 (`xiong2020ance`).
//!
//! What a retriever ranks high and nobody judged relevant is taken not to be. It is not always so: `from` leaves out
//! the first ranks, where unjudged answers crowd.

use std::collections::HashSet;
use std::path::PathBuf;

use nir_core::TrecRun;
use nir_data::trec::{read_qrels, read_run};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::examples::{self, Line};
use crate::recipe::Task;
use crate::texts::Texts;
use crate::{Error, Folders, Result};

/// The name of the file that the recipe writes, in the recipe's folder.
pub const FILE: &str = "examples.tsv";

/// A recipe that makes a training set with hard negatives from a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The task: always `negatives`.
    pub task: Task,
    /// One sentence that says what the recipe makes.
    pub summary: String,
    /// The seed of the choice of negatives.
    pub seed: u64,
    /// A file of TREC judgements below the folder of data. Documents with grades above 0 are positives.
    pub qrels: PathBuf,
    /// A file of queries, `query_id TAB text`, below the folder of data.
    pub queries: PathBuf,
    /// The number of judged queries at the start of that file that are left out, because `validation` uses them.
    pub held_out: usize,
    /// The run from which negatives are drawn, below the folder of models.
    pub run: PathBuf,
    /// The first rank of the run that may be a negative, counted from 1.
    pub from: usize,
    /// The last rank of the run that may be a negative.
    pub to: usize,
    /// The number of negatives for each positive.
    pub count: usize,
}

impl Recipe {
    /// Writes `examples.tsv` and returns its path.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written, or if no query has enough negatives.
    pub fn make(&self, folders: &Folders<'_>) -> Result<PathBuf> {
        if self.from == 0 || self.to < self.from {
            return Err(Error::Unfit(format!(
                "`from` = {}, `to` = {}: expected ranks from 1",
                self.from, self.to
            )));
        }
        let qrels = read_qrels(&folders.data.join(&self.qrels))?;
        let run = read_run(&folders.models.join(&self.run))?;
        let queries = Texts::queries(&[folders.data.join(&self.queries)])?;
        let judged = (0..queries.len()).map(|row| queries.name(row));
        let judged = judged.filter(|query| qrels.get(query).is_some());
        let held_out: HashSet<&str> = judged.take(self.held_out).collect();
        let lines = self.lines(&qrels, &run, &held_out);
        let path = folders.output.join(FILE);
        match lines.is_empty() {
            true => Err(Error::Unfit(format!(
                "no query of the judgements has {} negatives in the run",
                self.count
            ))),
            false => examples::write(&path, &lines).map(|()| path),
        }
    }

    /// One line for each positive of a query that is not held out and has enough negatives, in the order of the
    /// judgements.
    pub fn lines<'a>(
        &self,
        qrels: &'a nir_core::Qrels,
        run: &'a TrecRun,
        held_out: &HashSet<&str>,
    ) -> Vec<Line<'a>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut lines = Vec::new();
        for (query, judged) in qrels.iter().filter(|(query, _)| !held_out.contains(query)) {
            let unjudged: Vec<&str> = ranked(run, query)
                .skip(self.from - 1)
                .take(self.to + 1 - self.from)
                .filter(|id| judged.get(*id).is_none_or(|&grade| grade <= 0))
                .collect();
            if unjudged.len() < self.count {
                continue;
            }
            for (positive, _) in judged.iter().filter(|(_, grade)| **grade > 0) {
                let drawn = index::sample(&mut rng, unjudged.len(), self.count);
                lines.push((
                    query,
                    positive.as_str(),
                    drawn.iter().map(|place| unjudged[place]).collect(),
                ));
            }
        }
        lines
    }
}

/// The documents of a query by falling score; ties are ordered as in trec_eval.
fn ranked<'a>(run: &'a TrecRun, query: &str) -> impl Iterator<Item = &'a str> {
    let mut found: Vec<(&str, f64)> = run
        .get(query)
        .into_iter()
        .flat_map(nir_core::RankedList::iter)
        .map(|(id, entry)| (id, entry.score))
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| b.0.as_bytes().cmp(a.0.as_bytes())));
    found.into_iter().map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negatives_are_the_unjudged_of_the_asked_ranks() {
        let qrels = [("q", "b", 1), ("q", "d", 0), ("r", "x", 1)].into_iter().collect();
        let mut run = TrecRun::default();
        for (rank, id) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
            run.list_mut("q").push(id, 10.0 - rank as f64, rank as u32 + 1);
        }
        let recipe = |from, to, count| Recipe {
            task: Task::Negatives,
            summary: String::new(),
            seed: 1,
            qrels: "".into(),
            queries: "".into(),
            held_out: 0,
            run: "".into(),
            from,
            to,
            count,
        };
        let sorted = |recipe: Recipe| {
            let mut lines = recipe.lines(&qrels, &run, &HashSet::new());
            lines.iter_mut().for_each(|(_, _, negatives)| negatives.sort_unstable());
            lines
        };
        assert_eq!(sorted(recipe(2, 4, 2)), [("q", "b", vec!["c", "d"])]);
        assert!(sorted(recipe(2, 4, 3)).is_empty());
        assert!(recipe(2, 4, 2).lines(&qrels, &run, &["q"].into()).is_empty());
    }
}
