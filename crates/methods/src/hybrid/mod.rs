//! Several systems joined into one ranking.
//!
//! Every fuser works query by query, in f64: a document's parts from each run are added up, in the order of the runs, or
//! multiplied.

pub mod comb_mnz;
pub mod comb_sum;
pub mod linear;
pub mod product;
pub mod rrf;

mod normalise;

use std::collections::HashMap;

use nir_core::{Contribution, Corpus, DocNo, Match, Ranking, Run, Scored};

pub use normalise::Normalise;

/// What the runs say of one document of one query: a part from each run that found it.
#[derive(Debug, Default, Clone, Copy)]
struct Parts {
    sum: f64,
    runs: u32,
}

/// Fuses query by query: `parts` gives a run's ranking as one number for each of its documents, `score` makes a score
/// of what was added up.
fn fuse(
    runs: &[Run],
    depth: usize,
    corpus: &dyn Corpus,
    parts: impl Fn(usize, &Ranking) -> Vec<f64>,
    score: impl Fn(Parts) -> f64,
) -> Run {
    let queries = runs.first().map_or(0, |run| run.len());
    let fused = |query: usize| {
        let mut added: HashMap<DocNo, Parts> = HashMap::new();
        for (number, run) in runs.iter().enumerate() {
            for (hit, part) in run[query].iter().zip(parts(number, &run[query])) {
                let parts = added.entry(hit.doc).or_default();
                parts.sum += part;
                parts.runs += 1;
            }
        }
        let scored =
            added.into_iter().map(|(doc, parts)| Scored { doc, score: score(parts) as f32 });
        Ranking::top(depth, scored.collect(), corpus)
    };
    (0..queries).map(fused).collect()
}

/// What each ranking of one query adds for a document: its part, times what `factor` makes of the number of rankings that
/// found it.
fn explain(
    rankings: &[Ranking],
    doc: DocNo,
    parts: impl Fn(usize, &Ranking) -> Vec<f64>,
    factor: impl Fn(usize) -> f64,
) -> Vec<Contribution> {
    let place = |ranking: &Ranking| ranking.iter().position(|hit| hit.doc == doc);
    let found = rankings.iter().enumerate();
    let found = found.filter_map(|(number, ranking)| Some((number, ranking, place(ranking)?)));
    let found: Vec<(usize, &Ranking, usize)> = found.collect();
    let factor = factor(found.len());
    let one = |(number, ranking, place): (usize, &Ranking, usize)| Contribution {
        of: Match::Input { number, rank: place + 1 },
        score: (factor * parts(number, ranking)[place]) as f32,
    };
    found.into_iter().map(one).collect()
}

/// Checks that a fuser has at least two runs to fuse.
fn check_inputs(inputs: &[String]) -> Result<(), String> {
    match inputs {
        [] | [_] => Err(format!("`inputs` must name at least two methods, found {}", inputs.len())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod testing {
    use std::sync::Arc;

    use nir_core::{Corpus, DocNo, Document, Documents, Ranking, Run, Scored};

    /// Documents `a`, `b`, `c`, … as rows 0, 1, 2, …
    pub(super) fn corpus() -> Arc<dyn Corpus> {
        let doc = |id: char| Document { doc_id: id.to_string(), ..Document::default() };
        Arc::new(Documents::new(('a'..='h').map(doc)).unwrap())
    }

    /// A run of one query.
    pub(super) fn run(hits: &[(char, f32)]) -> Run {
        let scored =
            hits.iter().map(|&(id, score)| Scored { doc: DocNo(id as u32 - 'a' as u32), score });
        Run(vec![Ranking::top(hits.len(), scored.collect(), &*corpus())])
    }

    /// The first query's documents and scores.
    pub(super) fn hits(run: &Run) -> Vec<(char, f32)> {
        run[0].iter().map(|hit| ((b'a' + hit.doc.0 as u8) as char, hit.score)).collect()
    }
}
