//! From a run's lines to ranks, and what its ties leave open.

use std::cmp::Ordering;

use nir_core::{Judgements, RankedList};

use crate::error::EvalError;
use crate::policy::{Order, Policy};
use crate::ranking::{GradedRanking, Hit};

/// The last rank that the MS MARCO script reads.
const MSMARCO_DEPTH: u32 = 1000;

/// The ranking of one query, ordered as a policy says.
pub(crate) struct Ordered {
    /// The ranking in the policy's order.
    pub(crate) ranking: GradedRanking,
    /// The best and the worst order that the scores allow, where they differ for some measure.
    pub(crate) bounds: Option<Box<(GradedRanking, GradedRanking)>>,
    /// Whether the document at each rank has the score of the next one.
    tied: Vec<bool>,
    depth: Option<u32>,
}

impl Ordered {
    pub(crate) fn new(
        query_id: &str,
        list: &RankedList,
        judgements: &Judgements,
        policy: Policy,
    ) -> Result<Self, EvalError> {
        match policy.order {
            Order::MsMarco => by_rank(query_id, list, judgements, policy),
            _ => Ok(by_score(list, judgements, policy)),
        }
    }

    /// Whether the last document that counts and the first that does not have one score.
    ///
    /// `last_rank` is the measure's own limit; the policy's depth is one for every measure.
    pub(crate) fn tie_crosses(&self, last_rank: Option<u32>) -> bool {
        let last = last_rank.into_iter().chain(self.depth).min().unwrap_or(0) as usize;
        last > 0 && self.tied.get(last - 1).copied().unwrap_or(false)
    }
}

/// The documents of a list that can stand within the policy's depth, whichever way ties are ordered.
pub(crate) fn could_count(list: &RankedList, policy: Policy) -> Vec<&str> {
    let depth = policy.depth.map_or(usize::MAX, |depth| depth as usize);
    let scores = scores(list, policy.order);
    let mut sorted = scores.clone();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let last = sorted.get(depth.saturating_sub(1)).copied().unwrap_or(f64::NEG_INFINITY);
    let counts = |row: &usize| match policy.order {
        Order::MsMarco => list.entries()[*row].rank as usize <= depth,
        _ => scores[*row] >= last,
    };
    (0..list.len()).filter(counts).map(|row| list.doc_id(row)).collect()
}

/// A hit with the first and last rank of the tie it is in.
struct Free {
    hit: Hit,
    tie: (u32, u32),
}

fn by_score(list: &RankedList, judgements: &Judgements, policy: Policy) -> Ordered {
    let scores = scores(list, policy.order);
    let rows = rows(list, &scores);
    let tied: Vec<bool> =
        rows.windows(2).map(|pair| scores[pair[0] as usize] == scores[pair[1] as usize]).collect();
    let hits: Vec<Free> = (1..)
        .zip(&rows)
        .filter_map(|(rank, &row)| {
            let grade = *judgements.get(list.doc_id(row as usize))?;
            Some(Free { hit: Hit { rank, grade }, tie: tie(&tied, rank) })
        })
        .collect();
    let depth = policy.depth.unwrap_or(u32::MAX);
    let kept = |hits: Vec<Hit>| hits.into_iter().take_while(|hit| hit.rank <= depth).collect();
    let ranking = GradedRanking::from_hits(
        kept(hits.iter().map(|free| free.hit).collect()),
        depth.min(list.len() as u32),
        judgements.values().copied().collect(),
    );
    let bounds = hits.iter().any(|free| free.tie.0 < free.tie.1).then(|| {
        Box::new((ranking.with_hits(kept(best(&hits))), ranking.with_hits(kept(worst(&hits)))))
    });
    Ordered { ranking, bounds, tied, depth: policy.depth }
}

/// The scores in the precision in which the policy reads them.
fn scores(list: &RankedList, order: Order) -> Vec<f64> {
    let wide = list.entries().iter().map(|entry| entry.score);
    match order {
        Order::TrecEval9 => wide.map(|score| f64::from(score as f32)).collect(),
        _ => wide.collect(),
    }
}

/// The rows of the list by rank, as trec_eval sorts them (form_res_rels.c).
fn rows(list: &RankedList, scores: &[f64]) -> Vec<u32> {
    let before = |&a: &u32, &b: &u32| {
        let (a, b) = (a as usize, b as usize);
        let by_score = scores[b].partial_cmp(&scores[a]).unwrap_or(Ordering::Equal);
        by_score.then_with(|| list.doc_id(b).cmp(list.doc_id(a)))
    };
    let mut rows: Vec<u32> = (0..list.len() as u32).collect();
    // Nearly every run is written in its order already.
    if !scores.is_sorted_by(|a, b| a > b) {
        rows.sort_unstable_by(before);
    }
    rows
}

/// The first and last rank of the tie that `rank` is in.
fn tie(tied: &[bool], rank: u32) -> (u32, u32) {
    let at = rank as usize - 1;
    let before = tied[..at].iter().rev().take_while(|&&tied| tied).count() as u32;
    let after = tied[at..].iter().take_while(|&&tied| tied).count() as u32;
    (rank - before, rank + after)
}

/// Every tie with its judged documents first, better grades before worse ones.
///
/// No measure here can do better: all of them only gain when a better grade moves up, and unjudged documents are worth
/// no more than any judged one, except under Bpref, which does not see them at all.
fn best(hits: &[Free]) -> Vec<Hit> {
    arranged(hits, |tie, grades| {
        grades.sort_unstable_by(|a, b| b.cmp(a));
        tie.0
    })
}

/// The reverse: judged documents last, worse grades before better ones.
fn worst(hits: &[Free]) -> Vec<Hit> {
    arranged(hits, |tie, grades| {
        grades.sort_unstable();
        tie.1 + 1 - grades.len() as u32
    })
}

/// The hits of each tie, their grades ordered and placed from the rank that `place` returns.
fn arranged(hits: &[Free], place: impl Fn((u32, u32), &mut [i32]) -> u32) -> Vec<Hit> {
    hits.chunk_by(|a, b| a.tie == b.tie)
        .flat_map(|group| {
            let mut grades: Vec<i32> = group.iter().map(|free| free.hit.grade).collect();
            let first = place(group[0].tie, &mut grades);
            (first..).zip(grades).map(|(rank, grade)| Hit { rank, grade })
        })
        .collect()
}

/// Documents where their lines say; a later line takes the rank from an earlier one, as in the script.
fn by_rank(
    query_id: &str,
    list: &RankedList,
    judgements: &Judgements,
    policy: Policy,
) -> Result<Ordered, EvalError> {
    let mut places = vec![None; MSMARCO_DEPTH as usize];
    for (doc_id, entry) in list.iter() {
        if !(1..=MSMARCO_DEPTH).contains(&entry.rank) {
            return Err(EvalError::Rank {
                query_id: query_id.to_owned(),
                doc_id: doc_id.to_owned(),
                rank: entry.rank,
            });
        }
        places[entry.rank as usize - 1] = Some(doc_id);
    }
    let depth = policy.depth.unwrap_or(MSMARCO_DEPTH).min(MSMARCO_DEPTH);
    let taken = (1..=depth).zip(&places).filter_map(|(rank, doc_id)| Some((rank, (*doc_id)?)));
    let retrieved = taken.clone().last().map_or(0, |(rank, _)| rank);
    let hits = taken
        .filter_map(|(rank, doc_id)| Some(Hit { rank, grade: *judgements.get(doc_id)? }))
        .collect();
    let judged = judgements.values().copied().collect();
    let ranking = GradedRanking::from_hits(hits, retrieved, judged);
    Ok(Ordered { ranking, bounds: None, tied: Vec::new(), depth: policy.depth })
}
