//! Opening and searching.

use std::cell::RefCell;
use std::path::Path;

use nir_core::{Corpus, DocNo, Ranking, Scored};
use nir_kernels::{Sections, Top};
use rayon::prelude::*;

use super::format::{
    CLUSTERS, Cluster, DIMENSIONS, Dimension, KIND, LISTS, List, MEMBERS, MOST_CLUSTERS,
    MOST_DIMENSIONS, POSTING, QueryTerm, ROWS, Row, Rows, SECTIONS, STARTS, SUMMARY_CLUSTERS,
    SUMMARY_CODES, SUMMARY_COUNTS, SUMMARY_DIMENSIONS, SUMMARY_GROUPS, Summaries,
};
use crate::IndexError;
use crate::impacts::format::LEAST;

/// How many rows a search asks memory for before it needs them; half of its time went into waiting.
const AHEAD: usize = 4;

/// The parameters that decide how much of the lists a search reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// How many of the query's dimensions have their lists searched.
    pub query_cut: usize,
    /// How much a summary is trusted: a cluster is passed over if its product is below `θ / heap_factor`.
    pub heap_factor: f32,
}

/// A forward index with clustered lists over it, on disk and mapped into memory.
pub struct Clustered {
    file: Sections,
}

impl Clustered {
    /// Opens an index that was built before. Everything but rows and summaries is verified.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let file = Sections::open(path, KIND, SECTIONS)?;
        let index = Self { file };
        index.check()?;
        Ok(index)
    }

    fn check(&self) -> Result<(), IndexError> {
        let starts = self.file.check::<u64>(STARTS)?;
        let dimensions = self.file.check::<Dimension>(DIMENSIONS)?;
        let lists = self.file.check::<List>(LISTS)?;
        let clusters = self.file.check::<Cluster>(CLUSTERS)?;
        let listed: usize = lists.iter().map(|list| list.clusters as usize).sum();
        let members: usize = clusters.iter().map(|cluster| cluster.members as usize).sum();
        let fits = starts.last() == Some(&(self.file.section(ROWS).len() as u64))
            && dimensions.len() == lists.len()
            && listed == clusters.len()
            && 4 * members == self.file.section(MEMBERS).len();
        fits.then_some(())
            .ok_or_else(|| self.file.damaged("its parts do not fit each other").into())
    }

    /// Reads the whole file and compares every checksum. Fails if it is damaged.
    pub fn verify(&self) -> Result<(), IndexError> {
        Ok(self.file.verify()?)
    }

    /// The number of documents, including empty ones.
    pub fn documents(&self) -> usize {
        self.file.numbers::<u64>(STARTS).len() - 1
    }

    /// The number of weights of all documents.
    pub fn postings(&self) -> u64 {
        let starts = self.file.numbers::<u64>(STARTS);
        starts.windows(2).map(|row| (row[1] - row[0]) / POSTING).sum()
    }

    /// The size of the index on disk in bytes.
    pub fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// The best `depth` of the documents that `effort` reaches. Their scores are exact: those of [`super::ImpactIndex`].
    ///
    /// # Panics
    /// If a weight is not finite, or the corpus has not as many documents as the index.
    pub fn search(
        &self,
        query: &[(u32, f32)],
        effort: Effort,
        depth: usize,
        corpus: &dyn Corpus,
    ) -> Ranking {
        assert_eq!(self.documents(), corpus.len(), "an index and its corpus have the same rows");
        let plan = self.plan(query);
        if depth == 0 || plan.is_empty() {
            return Ranking::default();
        }
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.enter(&plan, self);
            let mut top = Top::reaching(depth, LEAST);
            for term in heaviest(&plan, effort.query_cut) {
                self.search_list(term, &plan, effort, scratch, &mut top);
            }
            let found =
                top.so_far().map(|hit| scratch.exact(&plan, DocNo(hit.row), self.rows())).collect();
            scratch.leave(&plan);
            Ranking::top(depth, found, corpus)
        })
    }

    /// Searches for many queries, on all threads of the current pool.
    ///
    /// # Panics
    /// As [`Clustered::search`].
    pub fn search_many<Q: AsRef<[(u32, f32)]> + Sync>(
        &self,
        queries: &[Q],
        effort: Effort,
        depth: usize,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        let search = |query: &Q| self.search(query.as_ref(), effort, depth, corpus);
        queries.par_iter().map(search).collect()
    }

    /// The best `depth` of all documents, each compared by its row: what [`Clustered::search`] is measured against.
    ///
    /// # Panics
    /// As [`Clustered::search`].
    pub fn exhaust(&self, query: &[(u32, f32)], depth: usize, corpus: &dyn Corpus) -> Ranking {
        assert_eq!(self.documents(), corpus.len(), "an index and its corpus have the same rows");
        let plan = self.plan(query);
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.enter(&plan, self);
            let all = (0..self.documents() as u32).map(DocNo);
            let scored = all.map(|doc| scratch.exact(&plan, doc, self.rows()));
            let found = scored.filter(|hit| hit.score > 0.0).collect();
            scratch.leave(&plan);
            Ranking::top(depth, found, corpus)
        })
    }

    /// Compares every document with many queries, on all threads of the current pool.
    ///
    /// # Panics
    /// As [`Clustered::search`].
    pub fn exhaust_many<Q: AsRef<[(u32, f32)]> + Sync>(
        &self,
        queries: &[Q],
        depth: usize,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        queries.par_iter().map(|query| self.exhaust(query.as_ref(), depth, corpus)).collect()
    }

    /// The weight that a document has in a dimension; none where it has no posting.
    pub fn weight(&self, dimension: u32, doc: DocNo) -> Option<f32> {
        let dimensions = self.file.numbers::<Dimension>(DIMENSIONS);
        let at = dimensions.binary_search_by_key(&dimension, |known| known.name).ok()?;
        let row = self.rows().row(doc.0);
        let number = |&number: &u16| u32::from(number) == dimensions[at].number;
        row.dimensions.iter().position(number).map(|at| row.weights[at])
    }

    /// The dimensions of a query that documents have, each once, in the order of the sum (see `mod.rs`).
    fn plan(&self, query: &[(u32, f32)]) -> Vec<QueryTerm> {
        let dimensions = self.file.numbers::<Dimension>(DIMENSIONS);
        let mut terms: Vec<(Dimension, f32)> = Vec::with_capacity(query.len());
        for &(name, weight) in query {
            assert!(weight.is_finite(), "the weight of dimension {name} is {weight}");
            let Ok(at) = dimensions.binary_search_by_key(&name, |dimension| dimension.name) else {
                continue;
            };
            match terms.iter_mut().find(|(known, _)| known.name == name) {
                Some((_, known)) => *known += weight,
                None => terms.push((dimensions[at], weight)),
            }
        }
        terms.retain(|&(_, weight)| weight != 0.0);
        let bound = |&(dimension, weight): &(Dimension, f32)| weight.max(0.0) * dimension.max;
        terms.sort_unstable_by(|a, b| bound(b).total_cmp(&bound(a)).then(a.0.name.cmp(&b.0.name)));
        let term = |(dimension, weight): (Dimension, f32)| QueryTerm {
            number: dimension.number as u16,
            weight,
        };
        terms.into_iter().map(term).collect()
    }

    fn search_list(
        &self,
        term: QueryTerm,
        plan: &[QueryTerm],
        effort: Effort,
        scratch: &mut Scratch,
        top: &mut Top,
    ) {
        let list = &self.file.numbers::<List>(LISTS)[usize::from(term.number)];
        let clusters = &self.file.numbers::<Cluster>(CLUSTERS)[list.first_cluster as usize..]
            [..list.clusters as usize];
        let mut promises = [0.0_f32; MOST_CLUSTERS];
        self.summaries(list).multiply(plan, &mut promises);
        let mut order: Vec<(f32, &Cluster)> = clusters
            .iter()
            .zip(promises)
            .map(|(cluster, sum)| (sum * cluster.step, cluster))
            .collect();
        order.sort_unstable_by(|a, b| {
            b.0.total_cmp(&a.0).then(a.1.first_member.cmp(&b.1.first_member))
        });
        let (rows, members) = (self.rows(), self.file.numbers::<u32>(MEMBERS));
        let mut fresh = Vec::new();
        for (promise, cluster) in order {
            if top.is_full() && promise < top.threshold() / effort.heap_factor {
                break; // so are all that follow
            }
            let members = &members[cluster.first_member as usize..][..cluster.members as usize];
            let unseen = members.iter().filter(|&&doc| scratch.visit(doc));
            fresh.extend(unseen.map(|&doc| (doc, rows.row(doc))));
            fresh.iter().take(AHEAD).for_each(|(_, row): &(u32, Row)| row.prefetch());
            for (i, (doc, row)) in fresh.iter().enumerate() {
                if let Some((_, ahead)) = fresh.get(i + AHEAD) {
                    ahead.prefetch();
                }
                top.offer(*doc, row.product(&scratch.query));
            }
            fresh.clear();
            top.select();
        }
    }

    fn rows(&self) -> Rows<'_> {
        Rows { bytes: self.file.section(ROWS), starts: self.file.numbers(STARTS) }
    }

    fn summaries(&self, list: &List) -> Summaries<'_> {
        let first = list.first_dimension as usize;
        let dimensions = first..first + list.dimensions as usize;
        let codes = list.first_code as usize..;
        Summaries {
            dimensions: &self.file.numbers(SUMMARY_DIMENSIONS)[dimensions.clone()],
            counts: &self.file.section(SUMMARY_COUNTS)[dimensions],
            groups: &self.file.numbers(SUMMARY_GROUPS)[list.first_group as usize..],
            clusters: &self.file.section(SUMMARY_CLUSTERS)[codes.clone()],
            codes: &self.file.section(SUMMARY_CODES)[codes],
        }
    }
}

/// The dimensions of a query whose weights are largest, in that order.
fn heaviest(plan: &[QueryTerm], query_cut: usize) -> Vec<QueryTerm> {
    let mut terms = plan.to_vec();
    terms.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    terms.truncate(query_cut);
    terms
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
}

/// A query spread over all dimensions, and the documents seen; all zero between searches.
struct Scratch {
    query: Box<[f32; MOST_DIMENSIONS]>,
    /// The place of a dimension in the order of the sum, from one.
    places: Box<[u16; MOST_DIMENSIONS]>,
    seen: Vec<u64>,
    visited: Vec<u32>,
    parts: Vec<f32>,
}

impl Scratch {
    fn new() -> Self {
        const SIZE: &str = "it has this size";
        Self {
            query: vec![0.0; MOST_DIMENSIONS].into_boxed_slice().try_into().expect(SIZE),
            places: vec![0; MOST_DIMENSIONS].into_boxed_slice().try_into().expect(SIZE),
            seen: Vec::new(),
            visited: Vec::new(),
            parts: Vec::new(),
        }
    }

    fn enter(&mut self, plan: &[QueryTerm], index: &Clustered) {
        for (place, term) in (1..).zip(plan) {
            self.query[usize::from(term.number)] = term.weight;
            self.places[usize::from(term.number)] = place;
        }
        self.seen.resize(self.seen.len().max(index.documents().div_ceil(64)), 0);
    }

    fn leave(&mut self, plan: &[QueryTerm]) {
        for term in plan {
            self.query[usize::from(term.number)] = 0.0;
            self.places[usize::from(term.number)] = 0;
        }
        for doc in self.visited.drain(..) {
            self.seen[doc as usize / 64] = 0;
        }
    }

    /// Marks a document as visited; returns whether this is the first visit.
    fn visit(&mut self, doc: u32) -> bool {
        let (word, bit) = (&mut self.seen[doc as usize / 64], 1 << (doc % 64));
        let first = *word & bit == 0;
        *word |= bit;
        if first {
            self.visited.push(doc);
        }
        first
    }

    /// The score of a document, added in the order that defines it.
    fn exact(&mut self, plan: &[QueryTerm], doc: DocNo, rows: Rows) -> Scored {
        self.parts.clear();
        self.parts.resize(plan.len() + 1, 0.0); // the first is for dimensions that the query has not
        let row = rows.row(doc.0);
        for (&number, &weight) in row.dimensions.iter().zip(row.weights) {
            self.parts[usize::from(self.places[usize::from(number)])] = weight;
        }
        let parts = plan.iter().zip(&self.parts[1..]);
        Scored { doc, score: parts.fold(0.0, |sum, (term, weight)| sum + term.weight * weight) }
    }
}
