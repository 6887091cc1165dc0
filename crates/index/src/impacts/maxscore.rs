//! MaxScore over windows of documents.
//! Turtle and Flood, IPM 31(6), 1995 (`turtle1995maxscore`); windows as in Chakrabarti, Chaudhuri and Ganti, ICDE 2011
//! (`chakrabarti2011interval`); the first threshold as in Mallia, Siedlaczek, Sun and Suel, CIKM 2020.
//!
//! Let `U_t = q_t · max d_t`, and take the terms by falling `U_t`. As long as the sum of the last `U_t` stays below the
//! score `θ` of the `depth`-th best document so far, a document that has only those terms is no result: their lists are
//! *optional*, and they are consulted only for documents found in the others, the *required* ones.
//!
//! ```text
//! required = the shortest prefix, by falling U_t, such that  Σ_{t behind it} U_t < θ
//! drop d   if   score so far + Σ U_t of the lists not yet looked up  <  θ
//! ```
//!
//! In a window of 65,536 documents, `U_t` is the maximum there. The required lists are scattered into an array of
//! scores, one after another; those that reach `θ` less the optional bound are candidates, and are looked up.
//!
//! The order of a sum is the order of the lists in both steps, so that scores are those of scattering everything, bit
//! for bit. Bounds are sums too: [`slack`] covers what rounding may add.

use std::cell::RefCell;

use nir_core::{Corpus, Ranking};
use nir_kernels::Top;
use rustc_hash::FxHashMap;

use super::format::{Chunk, LEAST, Postings, THRESHOLD_DEPTHS, Term, Values, WINDOW};
use super::index::ImpactIndex;
use crate::ranking::ranking;

/// Scores that are read in a row in the time of one access by offset; measured, as the others.
const SCAN: usize = 8;
/// The number of postings that can be added in the time of one look-up.
const LOOK_UP: usize = 16;
/// Postings that are added in the time in which the candidates of a window are counted.
const COUNT: usize = WINDOW / SCAN;

thread_local! {
    static SCRATCH: RefCell<Window> = RefCell::new(Window::new());
}

/// The best `depth` documents of consecutive shards.
pub(super) fn search(
    shards: &[ImpactIndex],
    query: &[(u32, f32)],
    depth: usize,
    corpus: &dyn Corpus,
) -> Ranking {
    let documents: usize = shards.iter().map(ImpactIndex::documents).sum();
    assert_eq!(documents, corpus.len(), "an index and its corpus have the same rows");
    let plan = plan(shards, query);
    if depth == 0 || plan.is_empty() {
        return Ranking::default();
    }
    let mut top = Top::reaching(depth, first_threshold(&plan, depth).max(LEAST));
    SCRATCH.with_borrow_mut(|window| {
        let mut first_row = 0;
        for (shard, index) in shards.iter().enumerate() {
            search_shard(index, shard, first_row, &plan, window, &mut top);
            first_row += index.documents() as u32;
        }
    });
    ranking(top, corpus)
}

/// A dimension of the query, as the shards have it.
struct QueryTerm<'i> {
    dimension: u32,
    /// The factor that a stored weight is multiplied by.
    weight: f32,
    /// The bound `U_t` over all documents.
    bound: f32,
    terms: Vec<Option<&'i Term>>,
}

/// The dimensions that any document has, each once, in the order of the sum.
fn plan<'i>(shards: &'i [ImpactIndex], query: &[(u32, f32)]) -> Vec<QueryTerm<'i>> {
    let mut plan: Vec<QueryTerm> = Vec::with_capacity(query.len());
    let mut places: FxHashMap<u32, usize> = FxHashMap::default();
    for &(dimension, weight) in query {
        assert!(weight.is_finite(), "the weight of dimension {dimension} is {weight}");
        let place = *places.entry(dimension).or_insert(plan.len());
        if place == plan.len() {
            let terms = shards.iter().map(|shard| shard.term(dimension)).collect();
            plan.push(QueryTerm { dimension, weight: 0.0, bound: 0.0, terms });
        }
        plan[place].weight += weight;
    }
    for term in &mut plan {
        term.weight *= shards[0].weights().step();
        let max = term.terms.iter().flatten().map(|term| term.max).fold(0.0, f32::max);
        term.bound = term.weight.max(0.0) * max;
    }
    plan.retain(|term| term.weight != 0.0 && term.terms.iter().any(Option::is_some));
    plan.sort_unstable_by(|a, b| b.bound.total_cmp(&a.bound).then(a.dimension.cmp(&b.dimension)));
    plan
}

/// A score that `depth` documents reach for sure: what so many reach with one term. Others only add to it.
fn first_threshold(plan: &[QueryTerm], depth: usize) -> f32 {
    let known = THRESHOLD_DEPTHS.iter().position(|&known| known >= depth);
    let (Some(known), true) = (known, plan.iter().all(|term| term.weight > 0.0)) else {
        return 0.0;
    };
    let reached = |query: &QueryTerm| {
        let weights = query.terms.iter().flatten().map(|term| term.thresholds[known]);
        query.weight * weights.fold(0.0, f32::max)
    };
    plan.iter().map(reached).fold(0.0, f32::max)
}

/// How much larger a sum of so many rounded terms may be than the sum: each addition may add `2^-24` of itself.
fn slack(terms: usize) -> f64 {
    1.0 + (terms + 1) as f64 * 2_f64.powi(-23)
}

/// The position of a search in one list.
struct Cursor<'i> {
    weight: f32,
    chunks: &'i [Chunk],
}

/// A list in the current window.
struct List<'i> {
    weight: f32,
    offsets: &'i [u16],
    values: Values<'i>,
    /// The sum of `U_t` of this list and all after it.
    rest: f64,
}

fn search_shard(
    index: &ImpactIndex,
    shard: usize,
    first_row: u32,
    plan: &[QueryTerm],
    window: &mut Window,
    top: &mut Top,
) {
    let (chunks, postings) = (index.chunks(), index.lists());
    let cursor = |query: &QueryTerm| {
        let chunks = query.terms[shard].map_or(&[][..], |term| term.list(chunks));
        Cursor { weight: query.weight, chunks }
    };
    let mut cursors: Vec<Cursor> = plan.iter().map(cursor).collect();
    let mut lists = Vec::with_capacity(cursors.len());
    for number in 0..index.windows().len() {
        enter(&mut cursors, number as u32, &postings, &mut lists);
        window.search(&lists, first_row + (number * WINDOW) as u32, slack(plan.len()), top);
    }
}

/// The lists that have postings in a window, with their bounds.
fn enter<'i>(
    cursors: &mut [Cursor<'i>],
    window: u32,
    postings: &Postings<'i>,
    lists: &mut Vec<List<'i>>,
) {
    lists.clear();
    for cursor in cursors {
        if let Some((chunk, behind)) = cursor.chunks.split_first()
            && chunk.window == window
        {
            cursor.chunks = behind;
            let (weight, bound) = (cursor.weight, cursor.weight.max(0.0) * chunk.max);
            let (offsets, values) = (postings.offsets(chunk), postings.values(chunk));
            lists.push(List { weight, offsets, values, rest: f64::from(bound) });
        }
    }
    let mut rest = 0.0;
    for list in lists.iter_mut().rev() {
        rest += list.rest;
        list.rest = rest;
    }
}

/// A document that is being scored, with the sum of its parts so far.
#[derive(Clone, Copy)]
struct Candidate {
    offset: u16,
    score: f32,
}

/// The scores of a window's documents; all zero between windows.
struct Window {
    scores: Box<[f32; WINDOW]>,
    candidates: Vec<Candidate>,
}

impl Window {
    fn new() -> Self {
        let scores = vec![0.0; WINDOW].into_boxed_slice();
        Self { scores: scores.try_into().expect("it has this size"), candidates: Vec::new() }
    }

    fn search(&mut self, lists: &[List], first_row: u32, slack: f64, top: &mut Top) {
        let floor = f64::from(top.threshold()) / slack;
        let required = lists.iter().position(|list| list.rest < floor).unwrap_or(lists.len());
        lists[..required].iter().for_each(|list| self.scatter(list));
        let scattered = required + self.scatter_cheap(lists, required, floor);
        let (scattered, optional) = lists.split_at(scattered);
        if optional.is_empty() {
            return self.offer_all(scattered, first_row, top);
        }
        self.take_candidates(scattered, least(floor - optional[0].rest));
        self.look_up(optional, floor);
        for Candidate { offset, score } in self.candidates.drain(..) {
            top.offer(first_row + u32::from(offset), score);
        }
        top.select();
    }

    /// Scatters optional lists too, as long as that is less work than looking up all candidates in them.
    ///
    /// Returns how many. Candidates become fewer with each list that is scattered, so they are counted again, but not
    /// before as many postings were added as the counting costs.
    fn scatter_cheap(&mut self, lists: &[List], required: usize, floor: f64) -> usize {
        if required == 0 {
            return 0; // no document of this window is a result
        }
        let mut candidates = 0;
        let mut since = COUNT;
        for (i, list) in lists[required..].iter().enumerate() {
            if since >= COUNT {
                let added = lists[..required + i].iter().map(|list| list.offsets.len()).sum();
                candidates = self.count(least(floor - list.rest), added);
                since = 0;
            }
            if candidates * LOOK_UP < list.offsets.len() {
                return i;
            }
            self.scatter(list);
            since += list.offsets.len();
        }
        lists.len() - required
    }

    /// How many documents reach `least`, of which no more than `added` are.
    fn count(&self, least: f32, added: usize) -> usize {
        if added * SCAN < WINDOW {
            return added;
        }
        let reach =
            |block: &[f32]| block.iter().map(|&score| u32::from(score >= least)).sum::<u32>();
        self.scores.chunks_exact(1024).map(reach).sum::<u32>() as usize
    }

    /// Adds the parts of a whole list to the scores of the window.
    fn scatter(&mut self, list: &List) {
        let scores = &mut *self.scores;
        match list.values {
            Values::F32(weights) => {
                for (&offset, &weight) in list.offsets.iter().zip(weights) {
                    scores[usize::from(offset) % WINDOW] += list.weight * weight;
                }
            }
            Values::U8(codes) => {
                for (&offset, &code) in list.offsets.iter().zip(codes) {
                    scores[usize::from(offset) % WINDOW] += list.weight * f32::from(code);
                }
            }
        }
    }

    /// Offers all documents of the window to `top`, and empties the window.
    fn offer_all(&mut self, required: &[List], first_row: u32, top: &mut Top) {
        self.drain(required, top.threshold(), |offset, score, least| {
            top.offer(first_row + u32::from(offset), score);
            *least = top.threshold();
        });
    }

    /// Empties the window: what reaches `least` becomes a candidate.
    fn take_candidates(&mut self, required: &[List], least: f32) {
        let mut candidates = std::mem::take(&mut self.candidates);
        self.drain(required, least, |offset, score, _| {
            candidates.push(Candidate { offset, score });
        });
        candidates.sort_unstable_by_key(|candidate| candidate.offset);
        self.candidates = candidates;
    }

    /// Sets all scores to zero, and visits those that reach `least`, which may be raised.
    ///
    /// Where few were added, their lists say which; else the whole array is read.
    fn drain(&mut self, lists: &[List], mut least: f32, mut visit: impl FnMut(u16, f32, &mut f32)) {
        let added: usize = lists.iter().map(|list| list.offsets.len()).sum();
        if added * SCAN < WINDOW {
            for &offset in lists.iter().flat_map(|list| list.offsets) {
                let score = std::mem::take(&mut self.scores[usize::from(offset) % WINDOW]);
                if score >= least {
                    visit(offset, score, &mut least);
                }
            }
            return;
        }
        for (block, scores) in self.scores.chunks_exact_mut(64).enumerate() {
            let mut reached =
                (0..64).fold(0_u64, |bits, i| bits | u64::from(scores[i] >= least) << i);
            while reached != 0 {
                let i = reached.trailing_zeros() as usize;
                reached &= reached - 1;
                visit((64 * block + i) as u16, scores[i], &mut least);
            }
            scores.fill(0.0);
        }
    }

    /// Completes the scores of the candidates, list by list, and drops those that fall behind.
    fn look_up(&mut self, optional: &[List], floor: f64) {
        for (i, list) in optional.iter().enumerate() {
            let least = least(floor - optional.get(i + 1).map_or(0.0, |next| next.rest));
            let mut offsets = list.offsets;
            let mut passed = 0;
            self.candidates.retain_mut(|candidate| {
                let step = gallop(offsets, candidate.offset);
                offsets = &offsets[step..];
                passed += step;
                if offsets.first() == Some(&candidate.offset) {
                    candidate.score += list.part(passed);
                }
                candidate.score >= least
            });
        }
    }
}

impl List<'_> {
    /// The part of the score that a posting adds.
    fn part(&self, posting: usize) -> f32 {
        self.weight * self.values.get(posting)
    }
}

/// The largest `f32` that is not above a bound, and is above zero.
fn least(bound: f64) -> f32 {
    let rounded = bound as f32;
    let down = if f64::from(rounded) > bound { rounded.next_down() } else { rounded };
    down.max(f32::from_bits(1))
}

/// How many of the rising `offsets` are below `offset`: doubling steps, then halving ones.
fn gallop(offsets: &[u16], offset: u16) -> usize {
    let mut high = 1;
    while high < offsets.len() && offsets[high] < offset {
        high *= 2;
    }
    let low = high / 2;
    let high = (high + 1).min(offsets.len());
    low.min(high) + offsets[low.min(high)..high].partition_point(|&other| other < offset)
}
