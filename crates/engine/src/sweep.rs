//! A search structure measured alone: queries are encoded before, one thread searches for one after the other.

use anyhow::{Context as _, Error, Result, bail};
use nir_catalogue::{Cost, CpuSeconds, StageCost};
use nir_core::{Digest, Hasher, Ranking, Run, Search};
use nir_methods::Stage;

use crate::bind;
use crate::cost::{Spent, peak_bytes, spent_here, summary, timed};
use crate::engine::{Engine, Target};
use crate::keys::made_with;
use crate::pipeline::Pipeline;
use crate::provenance::Origins;
use crate::workshop::Opened;

/// The outcome of measuring a search structure by itself.
pub struct Searched {
    /// One ranking for each query.
    pub run: Run,
    /// Whether the search is exact: each document was compared, or could be left out safely.
    pub is_exact: bool,
    /// The cost of building the index from existing vectors, and of searching for all queries.
    pub cost: Cost,
    /// What the run was made with.
    pub origins: Origins,
}

/// One search for all queries.
struct Round {
    spent: Spent,
    /// The seconds of each query.
    seconds: Vec<f64>,
}

impl Engine {
    /// Opens the search structure of a pipeline with one stage, and searches `rounds` times for all queries on one
    /// thread.
    ///
    /// # Errors
    ///
    /// If the pipeline is no single retriever over vectors, or if a model or an index cannot be opened.
    pub fn search(&self, pipeline: &Pipeline, target: &Target, rounds: usize) -> Result<Searched> {
        let name = &pipeline.method.name;
        let [step] = &pipeline.steps[..] else { bail!("`{name}` has more than one stage") };
        let mut searched = bind::Searched::of(target);
        let opened = self.bind_step(step, &mut searched).with_context(|| name.clone())?;
        let Stage::Retriever(retriever) = &opened.stage else {
            bail!("`{name}` is no retriever: a sweep searches the vectors of one")
        };
        let search = retriever.prepare(&target.queries).map_err(Error::from_boxed)?;
        let search = search.with_context(|| {
            format!("`{name}` searches without vectors, and a sweep is over structures of vectors")
        })?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
        let (run, round) = pool.install(|| measured(&*search, target.queries.len(), rounds));
        Ok(Searched {
            is_exact: search.is_exact(),
            cost: cost(&opened, &*search, round),
            origins: {
                let made_with = made_with(pipeline, &self.final_key(pipeline, target)?);
                self.origins(pipeline, digest(&run, target), opened.facts.clone(), made_with)?
            },
            run,
        })
    }
}

/// The digest of all ids and scores.
fn digest(run: &Run, target: &Target) -> Digest {
    let mut digest = Hasher::new("rankings");
    for hit in run.iter().flat_map(|ranking| ranking.iter()) {
        digest.part(target.corpus.doc_id(hit.doc)).part(hit.score.to_le_bytes());
    }
    digest.digest()
}

/// The ranking, and the round with the median CPU time of `rounds` rounds.
fn measured(search: &dyn Search, queries: usize, rounds: usize) -> (Run, Round) {
    let run = Run(search.search(0..queries)); // reads the files
    let once = || {
        let (spent, seconds) =
            spent_here(|| (0..queries).map(|query| one(search, query)).collect());
        Round { spent, seconds }
    };
    let mut all: Vec<Round> = (0..rounds).map(|_| once()).collect();
    all.sort_by(|a, b| a.spent.cpu_seconds.total_cmp(&b.spent.cpu_seconds));
    (run, all.swap_remove(rounds / 2))
}

fn one(search: &dyn Search, query: usize) -> f64 {
    let (seconds, found): (f64, Vec<Ranking>) = timed(|| search.search(query..query + 1));
    std::hint::black_box(found);
    seconds
}

fn cost(opened: &Opened, search: &dyn Search, round: Round) -> Cost {
    let stage = StageCost {
        stage: opened.cost.stage.clone(),
        build_seconds: opened.index.seconds,
        run_seconds: round.spent.seconds,
        bytes: search.bytes(),
        cpu: Some(CpuSeconds { build: opened.index.cpu_seconds, run: round.spent.cpu_seconds }),
    };
    Cost {
        index_bytes: Some(stage.bytes),
        stages: vec![stage],
        latency: summary(round.seconds),
        peak_bytes: peak_bytes(),
        threads: 1,
    }
}
