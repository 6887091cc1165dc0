//! MaxScore over windows of documents, with block maxima.
//! Turtle and Flood, IPM 31(6), 1995 (`turtle1995maxscore`); windows as in Chakrabarti, Chaudhuri and Ganti, ICDE 2011
//! (`chakrabarti2011interval`).
//!
//! A document that has only weak terms cannot be among the best. Let `U_t` be the most that term `t` can add, and sort
//! the terms by it. As long as the sum of the smallest `U_t` stays below the score of the `depth`-th best document so
//! far, `θ`, their lists alone produce no result: they are *optional*. Only the lists of the other, *required* terms
//! are read; a document found there is looked up in an optional list only while it can still reach `θ`.
//!
//! ```text
//! optional = the longest prefix, by rising U_t, with  Σ U_t < θ
//! drop d   if   score so far + Σ U_t of the lists not yet looked up  <  θ
//! ```
//!
//! Documents are taken a window at a time. In a window the required lists are read one after another into an array of
//! scores (no list waits for another, unlike in the paper), and `U_t` is the maximum over the blocks that touch the
//! window. Below that, each block of 128 postings is read only if its own maximum leaves a chance.
//!
//! The result is that of scoring everything, bit for bit. Bounds are computed by the very operations that compute
//! scores, each of them monotone. Sums do not depend on their order: all parts of a term are multiples of `2^-25` of
//! its weight at the least, so that `f64` adds them without rounding while no weight is `2^28` times another.
//!
//! Where impacts are kept instead of frequencies, only [`Cursor::read_parts`] changes.

use std::cell::RefCell;

use nir_kernels::Top;

use super::bm25;
use super::postings::{Block, PostingList};
use super::scoring::{QueryTerm, Scoring};
use super::segment::BLOCK;

/// Documents in a window: their scores fit the second-level cache.
const WINDOW: usize = 1 << 15;

thread_local! {
    static SCRATCH: RefCell<Window> = RefCell::new(Window::new());
}

/// The best `depth` documents, with those that are tied with the last of them.
pub(super) fn search(scoring: &Scoring, terms: &[QueryTerm], depth: usize) -> Top {
    let mut cursors: Vec<Cursor> = terms.iter().map(|term| Cursor::new(scoring, term)).collect();
    let mut best = Best::new(depth, first_threshold(&mut cursors, depth));
    SCRATCH.with_borrow_mut(|window| {
        let documents = scoring.index.documents();
        for start in (0..documents).step_by(WINDOW) {
            let end = (start + WINDOW).min(documents);
            search_window(&mut cursors, window, start as u32..end as u32, &mut best);
        }
    });
    best.top
}

fn search_window(
    cursors: &mut [Cursor],
    window: &mut Window,
    docs: std::ops::Range<u32>,
    best: &mut Best,
) {
    for cursor in cursors.iter_mut() {
        cursor.enter(&docs);
    }
    cursors.sort_unstable_by(|a, b| a.window_bound.total_cmp(&b.window_bound));
    let (optional, optional_bound) = count_optional(cursors, best.floor);
    let (optional, required) = cursors.split_at_mut(optional);
    if required.is_empty() {
        return;
    }
    let all: f64 = optional_bound + required.iter().map(|cursor| cursor.window_bound).sum::<f64>();
    window.start = docs.start;
    for cursor in required {
        let others = all - cursor.window_bound;
        cursor.add_to(window, &docs, others, best.floor);
    }
    window.take_candidates(optional_bound, best.floor);
    look_up(optional, optional_bound, &mut window.candidates, best);
    best.offer_all(window.candidates.drain(..));
}

/// How many of the weakest terms cannot make a result together, and what they can add at most.
fn count_optional(cursors: &[Cursor], floor: f64) -> (usize, f64) {
    let mut bound = 0.0;
    for (optional, cursor) in cursors.iter().enumerate() {
        if bound + cursor.window_bound >= floor {
            return (optional, bound);
        }
        bound += cursor.window_bound;
    }
    (cursors.len(), bound)
}

/// Completes the scores of the candidates, the strongest list first, and drops those that fall behind.
fn look_up(optional: &mut [Cursor], mut bound: f64, candidates: &mut Vec<Candidate>, best: &Best) {
    for cursor in optional.iter_mut().rev() {
        bound -= cursor.window_bound;
        candidates.retain_mut(|candidate| {
            cursor.complete(candidate, bound, best.floor);
            candidate.score + bound >= best.floor
        });
    }
}

/// A score that `depth` documents reach for sure: the `depth`-th best part of a single term.
fn first_threshold(cursors: &mut [Cursor], depth: usize) -> f32 {
    const MOST: usize = 4096;
    let negative = cursors.iter().any(|cursor| cursor.weight < 0.0);
    let suitable = |cursor: &&mut Cursor| {
        (depth..MOST.max(2 * depth)).contains(&(cursor.list.doc_freq as usize))
    };
    if negative || depth == 0 {
        return f32::NEG_INFINITY;
    }
    let thresholds = cursors.iter_mut().filter(suitable).map(|cursor| cursor.nth_best_part(depth));
    thresholds.fold(f32::NEG_INFINITY, f32::max)
}

/// A document that is being scored, with its parts so far.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    doc: u32,
    score: f64,
}

/// The position of a search in the list of one term.
struct Cursor<'i> {
    scoring: &'i Scoring,
    list: PostingList<'i>,
    /// The weight of the term, `w_t · idf`.
    weight: f32,
    /// The largest saturation of each block.
    maxima: &'i [f32],
    /// The bound `U_t` in this window.
    window_bound: f64,
    /// The first block that is not finished.
    at: usize,
    block: Block,
    /// The number of the block that is unpacked.
    unpacked: usize,
    parts: [f32; BLOCK],
    /// The number of the block whose parts are computed.
    computed: usize,
}

const NONE: usize = usize::MAX;

impl<'i> Cursor<'i> {
    fn new(scoring: &'i Scoring, QueryTerm { term, weight }: &QueryTerm) -> Self {
        let list = scoring.index.postings(term);
        let first = scoring.index.first_block(term);
        Self {
            scoring,
            list,
            weight: *weight,
            maxima: &scoring.block_maxima[first..first + list.blocks()],
            window_bound: 0.0,
            at: 0,
            block: Block::empty(),
            unpacked: NONE,
            parts: [0.0; BLOCK],
            computed: NONE,
        }
    }

    /// The most a posting of this saturation adds; a negative weight adds nothing at best.
    fn bound(&self, saturation: f32) -> f64 {
        f64::from(bm25::part(self.weight, saturation).max(0.0))
    }

    /// Moves to a window, and bounds what the term can add there.
    fn enter(&mut self, docs: &std::ops::Range<u32>) {
        self.at = self.block_of(docs.start);
        let mut saturation = 0.0_f32;
        for block in self.at..self.list.blocks() {
            if self.list.base(block) >= docs.end {
                break;
            }
            saturation = saturation.max(self.maxima[block]);
        }
        self.window_bound = self.bound(saturation);
    }

    /// The first block, from the current one on, that may have `doc` or a later document.
    fn block_of(&self, doc: u32) -> usize {
        let mut step = 1;
        let mut low = self.at;
        while low + step < self.list.blocks() && self.list.last_doc(low + step) < doc {
            low += step;
            step *= 2;
        }
        let high = (low + step).min(self.list.blocks());
        first_in(low..high, |block| self.list.last_doc(block) >= doc)
    }

    fn unpack(&mut self, block: usize) {
        if self.unpacked != block {
            self.list.read(block, &mut self.block);
            self.unpacked = block;
        }
    }

    /// Computes what the term adds to the score of each document of a block.
    fn read_parts(&mut self, block: usize) {
        self.unpack(block);
        if self.computed != block {
            self.list.read_freqs(&mut self.block);
            let (docs, freqs) = (self.block.docs(), self.block.freqs());
            self.scoring.saturation.parts(self.weight, docs, freqs, &mut self.parts);
            self.computed = block;
        }
    }

    /// Adds all its postings in the window whose block, with the most of all `others`, may reach `floor`.
    fn add_to(
        &mut self,
        window: &mut Window,
        docs: &std::ops::Range<u32>,
        others: f64,
        floor: f64,
    ) {
        for block in self.at..self.list.blocks() {
            if self.list.base(block) >= docs.end {
                break;
            }
            if self.bound(self.maxima[block]) + others < floor {
                continue;
            }
            self.read_parts(block);
            let all = self.block.docs();
            let from = all.partition_point(|&doc| doc < docs.start);
            let to = from + all[from..].partition_point(|&doc| doc < docs.end);
            window.add(&all[from..to], &self.parts[from..to]);
        }
    }

    /// Adds this term's part to a candidate, unless its block cannot bring it to `floor`.
    fn complete(&mut self, candidate: &mut Candidate, others: f64, floor: f64) {
        self.at = self.block_of(candidate.doc);
        if self.at == self.list.blocks() {
            return;
        }
        if candidate.score + self.bound(self.maxima[self.at]) + others < floor {
            return;
        }
        self.unpack(self.at);
        if let Ok(i) = self.block.docs().binary_search(&candidate.doc) {
            self.list.read_freqs(&mut self.block);
            let saturation = self.scoring.saturation.of(self.block.freqs()[i], candidate.doc);
            candidate.score += f64::from(bm25::part(self.weight, saturation));
        }
    }

    /// The `n`-th largest part of the term in any document.
    fn nth_best_part(&mut self, n: usize) -> f32 {
        let mut all = Vec::with_capacity(self.list.doc_freq as usize);
        for block in 0..self.list.blocks() {
            self.read_parts(block);
            all.extend_from_slice(&self.parts[..self.block.docs().len()]);
        }
        *all.select_nth_unstable_by(n - 1, |a, b| b.total_cmp(a)).1
    }
}

/// The first number of a range for which `found` holds, which holds for all that follow; its end if there is none.
fn first_in(range: std::ops::Range<usize>, found: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = usize::midpoint(low, high);
        if found(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// The scores of a window's documents, and which of them have one.
struct Window {
    start: u32,
    scores: Box<[f64]>,
    found: Box<[u64]>,
    candidates: Vec<Candidate>,
}

impl Window {
    fn new() -> Self {
        Self {
            start: 0,
            scores: vec![0.0; WINDOW].into(),
            found: vec![0; WINDOW / 64].into(),
            candidates: Vec::new(),
        }
    }

    fn add(&mut self, docs: &[u32], parts: &[f32]) {
        for (&doc, &part) in docs.iter().zip(parts) {
            let i = (doc - self.start) as usize % WINDOW;
            self.scores[i] += f64::from(part);
            self.found[i / 64] |= 1 << (i % 64);
        }
    }

    /// Empties the window; what may reach `floor` with `others` becomes a candidate.
    fn take_candidates(&mut self, others: f64, floor: f64) {
        for (word, found) in self.found.iter_mut().enumerate() {
            let mut bits = std::mem::take(found);
            while bits != 0 {
                let i = 64 * word + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let score = std::mem::take(&mut self.scores[i]);
                if score + others >= floor {
                    self.candidates.push(Candidate { doc: self.start + i as u32, score });
                }
            }
        }
    }
}

/// The best documents so far, and what a sum must reach to become one of them.
struct Best {
    top: Top,
    /// The sum below which a score rounds to less than `θ`.
    floor: f64,
}

impl Best {
    /// `threshold` is a score that `depth` documents reach, wherever they are.
    fn new(depth: usize, threshold: f32) -> Self {
        Self { top: Top::reaching(depth, threshold), floor: floor(threshold) }
    }

    fn offer_all(&mut self, candidates: impl Iterator<Item = Candidate>) {
        for Candidate { doc, score } in candidates {
            self.top.offer(doc, score as f32);
        }
        self.top.select();
        self.floor = floor(self.top.threshold());
    }
}

/// The least sum that rounds to `threshold`, or less by half a step of `f32`.
fn floor(threshold: f32) -> f64 {
    f64::midpoint(f64::from(threshold.next_down()), f64::from(threshold))
}
