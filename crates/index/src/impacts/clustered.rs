//! Clustered, summarised inverted lists: most of the best documents, much sooner.
//! Seismic: Bruch, Nardini, Rulli and Venturini, SIGIR 2024.
//!
//! In learned sparse vectors a few dimensions carry most of a product. So it is enough to look at the lists of the
//! heaviest dimensions of the query, and there at the documents with the heaviest weights. A list's documents are
//! grouped by likeness; each cluster has a summary, a vector that nearly bounds its members, and a cluster whose
//! summary promises too little is passed over whole. What is left is scored in full, from a forward index.
//!
//! ```text
//! list(t)      the `postings` documents with the largest d_t                            (static pruning)
//! clusters     `cluster_fraction` of them, drawn at random, are centroids; each document goes to the one it
//!              has the largest product with, over its 15 heaviest dimensions
//! summary(C)   max_{d in C} d_t for each t; the largest entries that have `summary_energy` of the sum, in 8 bits
//! search       for the `query_cut` heaviest dimensions of q, clusters by falling <q, summary>:
//!              score C's documents   if   fewer than `depth` are known   or   <q, summary(C)> ≥ θ / heap_factor
//! ```
//!
//! Summaries of a list are stored by dimension, so that their products with a query take one walk over the query's
//! dimensions. A document's row is sorted by falling weight: its heaviest dimensions are the first.
//!
//! Differs from the paper: a summary is cut where its 8-bit code falls below a threshold, whole codes at a time, and a
//! list has at most 256 clusters, so that a number of one fits a byte.

use std::cell::RefCell;
use std::path::Path;

use bytemuck::{Pod, Zeroable};
use nir_core::{Corpus, DocNo, Ranking, Scored};
use nir_kernels::{Sections, SectionsWriter, Top};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::{LEAST, MOST_DOCUMENTS};
use crate::IndexError;

const KIND: &str = "nir-clusters 2";
const ROWS: usize = 0;
const STARTS: usize = 1;
const DIMENSIONS: usize = 2;
const LISTS: usize = 3;
const CLUSTERS: usize = 4;
const MEMBERS: usize = 5;
const SUMMARY_DIMENSIONS: usize = 6;
const SUMMARY_COUNTS: usize = 7;
const SUMMARY_GROUPS: usize = 8;
const SUMMARY_CLUSTERS: usize = 9;
const SUMMARY_CODES: usize = 10;
const SECTIONS: usize = 11;

/// How many heaviest dimensions of a document decide its cluster; as in the authors' code.
const DOCUMENT_CUT: usize = 15;
const MOST_CLUSTERS: usize = 256;
/// Dimensions are numbered in 16 bits.
const MOST_DIMENSIONS: usize = 1 << 16;
/// Dimensions of a summary of which only the first says where its entries begin.
const GROUP: usize = 32;
/// How many rows a search asks memory for before it needs them; half of its time went into waiting.
const AHEAD: usize = 4;
/// Bytes of a posting in a row: 4 for the weight, 2 for the dimension.
const POSTING: u64 = 6;
/// Lists that are built before any is written.
const BATCH: usize = 2048;

/// How lists are cut, clustered and summarised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clustering {
    /// How many documents a list keeps: those with the largest weights.
    pub postings: usize,
    /// How many clusters a list has, as a part of its documents.
    pub cluster_fraction: f32,
    /// How much of its sum a summary keeps.
    pub summary_energy: f32,
    /// What centroids are drawn from.
    pub seed: u64,
}

/// How far a search goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// How many of the query's dimensions have their lists searched.
    pub query_cut: usize,
    /// How much a summary is trusted: a cluster is passed over if its product is below `θ / heap_factor`.
    pub heap_factor: f32,
}

/// A clustered index under way: documents come one after another, in the order of their rows.
///
/// Rows go to disk as they come. Memory holds at most `2 · postings` postings of 8 bytes for each dimension, then the
/// clustered lists. Lists are built on all threads of the current pool; the file is the same for any number.
pub struct ClusteredBuilder {
    clustering: Clustering,
    gathered: Gathered,
    file: SectionsWriter,
}

impl ClusteredBuilder {
    /// Begins a new file, in place of whatever is there.
    ///
    /// # Panics
    /// If a parameter of `clustering` has no meaning.
    pub fn create(path: &Path, clustering: Clustering) -> Result<Self, IndexError> {
        clustering.assert_valid();
        let gathered = Gathered::new(clustering.postings);
        Ok(Self { clustering, gathered, file: SectionsWriter::create(path, KIND)? })
    }

    /// Adds a document: dimensions, each once, with finite weights above zero.
    pub fn push(&mut self, document: &[(u32, f32)]) -> Result<(), IndexError> {
        self.gathered.push(document, &mut self.file)
    }

    /// Clusters the lists, and opens what was written.
    pub fn finish(self) -> Result<Clustered, IndexError> {
        let Self { clustering, gathered, mut file } = self;
        file.end_section()?;
        let map = file.read_back()?;
        let rows = Rows { bytes: file.first_section(&map), starts: &gathered.starts };
        let body = Body::build(clustering, &gathered.lists, rows);
        drop(map);
        file.section(&gathered.starts)?;
        file.section(&gathered.dimensions())?;
        body.write(&mut file)?;
        let path = file.path().to_owned();
        file.finish()?;
        Clustered::open(&path)
    }
}

/// A dimension, by its name in the documents.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Dimension {
    name: u32,
    number: u32,
    max: f32,
}

/// The clusters of a dimension, and where its summaries begin.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct List {
    first_cluster: u32,
    clusters: u32,
    first_dimension: u32,
    dimensions: u32,
    first_group: u32,
    reserved: u32,
    first_code: u64,
}

/// Where a cluster's documents end, and what one is worth in its summary.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Cluster {
    first_member: u32,
    members: u32,
    step: f32,
}

/// A forward index with clustered lists over it, on disk and mapped into memory.
pub struct Clustered {
    file: Sections,
}

impl Clustered {
    /// Writes an index of `documents`, in the order of their rows, into the file `path`, and opens it.
    ///
    /// Documents are read one at a time, and memory is bounded as [`ClusteredBuilder`] says.
    ///
    /// # Panics
    /// If a parameter of `clustering` has no meaning.
    pub fn build<D: AsRef<[(u32, f32)]>>(
        path: &Path,
        clustering: Clustering,
        documents: impl IntoIterator<Item = D>,
    ) -> Result<Self, IndexError> {
        let mut builder = ClusteredBuilder::create(path, clustering)?;
        documents.into_iter().try_for_each(|document| builder.push(document.as_ref()))?;
        builder.finish()
    }

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

    /// Reads the whole file and compares every checksum.
    pub fn verify(&self) -> Result<(), IndexError> {
        Ok(self.file.verify()?)
    }

    /// How many documents there are, empty ones included.
    pub fn documents(&self) -> usize {
        self.file.numbers::<u64>(STARTS).len() - 1
    }

    /// How many weights of documents there are.
    pub fn postings(&self) -> u64 {
        let starts = self.file.numbers::<u64>(STARTS);
        starts.windows(2).map(|row| (row[1] - row[0]) / POSTING).sum()
    }

    /// What the index takes on disk.
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

    /// The same for many queries, on all threads of the current pool.
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

    /// The same for many queries, on all threads of the current pool.
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

impl Clustering {
    fn assert_valid(&self) {
        let parts = [self.cluster_fraction, self.summary_energy];
        let valid = self.postings > 0 && parts.iter().all(|part| *part > 0.0 && *part <= 1.0);
        assert!(valid, "{self:?}: at least one posting, and parts above 0 and at most 1");
    }

    fn clusters(&self, members: usize) -> usize {
        let wanted = (self.cluster_fraction * members as f32).ceil() as usize;
        wanted.clamp(1, MOST_CLUSTERS.min(members))
    }
}

/// A dimension of the query, by number.
#[derive(Debug, Clone, Copy)]
struct QueryTerm {
    number: u16,
    weight: f32,
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

    /// Whether this is the first visit.
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

/// The forward index: for each document its weights, falling, and the numbers of their dimensions.
#[derive(Clone, Copy)]
struct Rows<'i> {
    bytes: &'i [u8],
    starts: &'i [u64],
}

/// One document.
#[derive(Clone, Copy)]
struct Row<'i> {
    weights: &'i [f32],
    dimensions: &'i [u16],
}

impl<'i> Rows<'i> {
    fn row(&self, doc: u32) -> Row<'i> {
        let (start, end) = (self.starts[doc as usize], self.starts[doc as usize + 1]);
        let bytes = &self.bytes[start as usize..end as usize];
        let len = bytes.len() / POSTING as usize; // 2 bytes more where that is odd
        let (weights, dimensions) = bytes.split_at(4 * len);
        Row {
            weights: bytemuck::cast_slice(weights),
            dimensions: bytemuck::cast_slice(&dimensions[..2 * len]),
        }
    }
}

impl Row<'_> {
    /// Asks memory for the row.
    #[inline]
    fn prefetch(&self) {
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "a row is a dozen cache lines anywhere in a large file")]
        for line in bytemuck::cast_slice::<_, u8>(self.weights)
            .chunks(64)
            .chain(bytemuck::cast_slice(self.dimensions).chunks(64))
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: every x86-64 has the instruction, and it may name any address; this one is in the row.
            unsafe { _mm_prefetch(line.as_ptr().cast(), _MM_HINT_T0) };
        }
    }

    /// The product with a query, in eight sums at once: no addition waits for the one before.
    fn product(&self, query: &[f32; MOST_DIMENSIONS]) -> f32 {
        let mut sums = [0.0_f32; 8];
        let (weights, last_weights) = self.weights.as_chunks::<8>();
        let (dimensions, last_dimensions) = self.dimensions.as_chunks::<8>();
        for (weights, dimensions) in weights.iter().zip(dimensions) {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum += weights[lane] * query[usize::from(dimensions[lane])];
            }
        }
        for (weight, &dimension) in last_weights.iter().zip(last_dimensions) {
            sums[0] += weight * query[usize::from(dimension)];
        }
        sums.iter().sum()
    }
}

/// The summaries of a list's clusters, by dimension.
struct Summaries<'i> {
    dimensions: &'i [u16],
    /// How many entries each dimension has, less one.
    counts: &'i [u8],
    /// Where the entries of each 32nd dimension begin.
    groups: &'i [u32],
    clusters: &'i [u8],
    codes: &'i [u8],
}

impl Summaries<'_> {
    fn entries(&self, at: usize) -> std::ops::Range<usize> {
        let first = at / GROUP * GROUP;
        let before = self.counts[first..at].iter().map(|&count| u32::from(count) + 1).sum::<u32>();
        let start = (self.groups[at / GROUP] + before) as usize;
        start..start + usize::from(self.counts[at]) + 1
    }

    /// Adds the products of a query with the summaries, in units of each cluster's step.
    fn multiply(&self, plan: &[QueryTerm], promises: &mut [f32; MOST_CLUSTERS]) {
        for term in plan {
            let Ok(at) = self.dimensions.binary_search(&term.number) else { continue };
            let range = self.entries(at);
            for (&cluster, &code) in self.clusters[range.clone()].iter().zip(&self.codes[range]) {
                promises[usize::from(cluster)] += term.weight * f32::from(code);
            }
        }
    }
}

/// What the documents leave in memory.
struct Gathered {
    most: usize,
    numbers: FxHashMap<u32, u32>,
    names: Vec<u32>,
    max: Vec<f32>,
    /// For each dimension the documents with the largest weights, and some others.
    lists: Vec<Vec<(f32, u32)>>,
    starts: Vec<u64>,
    row: Vec<(u32, f32)>,
}

impl Gathered {
    fn new(most: usize) -> Self {
        Self {
            most,
            numbers: FxHashMap::default(),
            names: Vec::new(),
            max: Vec::new(),
            lists: Vec::new(),
            starts: vec![0],
            row: Vec::new(),
        }
    }

    fn push(
        &mut self,
        document: &[(u32, f32)],
        file: &mut SectionsWriter,
    ) -> Result<(), IndexError> {
        let doc = self.starts.len() - 1;
        if doc == MOST_DOCUMENTS {
            return Err(IndexError::TooLarge { documents: doc + 1, most: MOST_DOCUMENTS });
        }
        self.row.clear();
        self.row.extend_from_slice(document);
        check(&mut self.row, doc)?;
        self.row.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut row = std::mem::take(&mut self.row);
        for (dimension, weight) in &mut row {
            *dimension = self.posting(*dimension, *weight, doc)?;
        }
        self.row = row;
        self.write_row(file)
    }

    /// Returns the number of the dimension.
    fn posting(&mut self, dimension: u32, weight: f32, doc: usize) -> Result<u32, IndexError> {
        let next = self.names.len();
        let number = *self.numbers.entry(dimension).or_insert(next as u32);
        if number as usize == next {
            if next == MOST_DIMENSIONS {
                let what = format!("it is the {}th, and 16 bits number no more", next + 1);
                return Err(IndexError::Posting { document: doc, dimension, what });
            }
            self.names.push(dimension);
            self.max.push(0.0);
            self.lists.push(Vec::new());
        }
        let (max, list) = (&mut self.max[number as usize], &mut self.lists[number as usize]);
        *max = max.max(weight);
        list.push((weight, doc as u32));
        if list.len() == 2 * self.most {
            heaviest_documents(list, self.most);
        }
        Ok(number)
    }

    fn write_row(&mut self, file: &mut SectionsWriter) -> Result<(), IndexError> {
        let weights: Vec<f32> = self.row.iter().map(|&(_, weight)| weight).collect();
        let mut numbers: Vec<u16> = self.row.iter().map(|&(number, _)| number as u16).collect();
        if numbers.len() % 2 == 1 {
            numbers.push(0);
        }
        file.write(&weights)?;
        file.write(&numbers)?;
        let start = self.starts.last().expect("it begins with zero");
        self.starts.push(start + (4 * weights.len() + 2 * numbers.len()) as u64);
        Ok(())
    }

    /// Dimensions by name.
    fn dimensions(&self) -> Vec<Dimension> {
        let named = (0..).zip(&self.names).zip(&self.max);
        let mut all: Vec<Dimension> =
            named.map(|((number, &name), &max)| Dimension { name, number, max }).collect();
        all.sort_unstable_by_key(|dimension| dimension.name);
        all
    }
}

/// Refuses what an index cannot hold.
fn check(row: &mut [(u32, f32)], document: usize) -> Result<(), IndexError> {
    row.sort_unstable_by_key(|&(dimension, _)| dimension);
    let wrong = |dimension, what| Err(IndexError::Posting { document, dimension, what });
    for (i, &(dimension, weight)) in row.iter().enumerate() {
        if !(weight > 0.0 && weight.is_finite()) {
            return wrong(dimension, format!("its weight is {weight}"));
        }
        if i > 0 && row[i - 1].0 == dimension {
            return wrong(dimension, "it is there twice".to_owned());
        }
    }
    Ok(())
}

/// Cuts a list to its heaviest documents; of equal ones the first stay.
fn heaviest_documents(list: &mut Vec<(f32, u32)>, most: usize) {
    if list.len() > most {
        list.select_nth_unstable_by(most, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        list.truncate(most);
    }
}

/// All lists, as the sections of the file have them.
#[derive(Default)]
struct Body {
    lists: Vec<List>,
    clusters: Vec<Cluster>,
    members: Vec<u32>,
    summaries: SummaryColumns,
}

/// The columns of [`Summaries`].
#[derive(Default)]
struct SummaryColumns {
    dimensions: Vec<u16>,
    counts: Vec<u8>,
    groups: Vec<u32>,
    clusters: Vec<u8>,
    codes: Vec<u8>,
}

impl Body {
    fn build(clustering: Clustering, lists: &[Vec<(f32, u32)>], rows: Rows) -> Self {
        let mut body = Self::default();
        for (batch, lists) in lists.chunks(BATCH).enumerate() {
            let first = batch * BATCH;
            let built: Vec<Self> = lists
                .par_iter()
                .enumerate()
                .map_init(
                    || ListBuilder::new(clustering, rows),
                    |builder, (i, list)| builder.build(first + i, list),
                )
                .collect();
            built.into_iter().for_each(|list| body.append(list));
        }
        body
    }

    fn append(&mut self, mut other: Self) {
        let (clusters, members) = (self.clusters.len() as u32, self.members.len() as u32);
        for list in &mut other.lists {
            list.first_cluster += clusters;
            list.first_dimension += self.summaries.dimensions.len() as u32;
            list.first_group += self.summaries.groups.len() as u32;
            list.first_code += self.summaries.codes.len() as u64;
        }
        other.clusters.iter_mut().for_each(|cluster| cluster.first_member += members);
        self.lists.append(&mut other.lists);
        self.clusters.append(&mut other.clusters);
        self.members.append(&mut other.members);
        self.summaries.dimensions.append(&mut other.summaries.dimensions);
        self.summaries.counts.append(&mut other.summaries.counts);
        self.summaries.groups.append(&mut other.summaries.groups);
        self.summaries.clusters.append(&mut other.summaries.clusters);
        self.summaries.codes.append(&mut other.summaries.codes);
    }

    fn write(&self, file: &mut SectionsWriter) -> Result<(), IndexError> {
        file.section(&self.lists)?;
        file.section(&self.clusters)?;
        file.section(&self.members)?;
        file.section(&self.summaries.dimensions)?;
        file.section(&self.summaries.counts)?;
        file.section(&self.summaries.groups)?;
        file.section(&self.summaries.clusters)?;
        Ok(file.section(&self.summaries.codes)?)
    }
}

/// Builds one list after another.
struct ListBuilder<'i> {
    clustering: Clustering,
    rows: Rows<'i>,
    /// The summary under way, by dimension.
    max: Vec<f32>,
    touched: Vec<u16>,
}

/// An entry of a summary.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    dimension: u16,
    cluster: u8,
    code: u8,
}

impl<'i> ListBuilder<'i> {
    fn new(clustering: Clustering, rows: Rows<'i>) -> Self {
        Self { clustering, rows, max: vec![0.0; MOST_DIMENSIONS], touched: Vec::new() }
    }

    fn build(&mut self, number: usize, list: &[(f32, u32)]) -> Body {
        let mut list = list.to_vec();
        heaviest_documents(&mut list, self.clustering.postings);
        let mut docs: Vec<u32> = list.into_iter().map(|(_, doc)| doc).collect();
        docs.sort_unstable();
        let mut random = SplitMix64(self.clustering.seed ^ (number as u64) << 32);
        let centroids = sample(&docs, self.clustering.clusters(docs.len()), &mut random);
        let mut body = Body::default();
        let mut entries = Vec::new();
        for members in self.assign(&docs, &centroids) {
            let cluster = body.clusters.len() as u8;
            let step = self.summarise(&members, cluster, &mut entries);
            let (first_member, len) = (body.members.len() as u32, members.len() as u32);
            body.clusters.push(Cluster { first_member, members: len, step });
            body.members.extend(members);
        }
        body.summaries = SummaryColumns::new(&entries);
        body.lists.push(List {
            first_cluster: 0,
            clusters: body.clusters.len() as u32,
            first_dimension: 0,
            dimensions: body.summaries.dimensions.len() as u32,
            first_group: 0,
            reserved: 0,
            first_code: 0,
        });
        body
    }

    /// The documents of each centroid, where there are any.
    fn assign(&self, docs: &[u32], centroids: &[u32]) -> Vec<Vec<u32>> {
        let inverted = Inverted::new(centroids, self.rows);
        let mut clusters = vec![Vec::new(); centroids.len()];
        for &doc in docs {
            clusters[inverted.nearest(self.rows.row(doc))].push(doc);
        }
        clusters.retain(|members| !members.is_empty());
        clusters
    }

    /// Appends the summary of a cluster, and returns what a code of one is worth.
    fn summarise(&mut self, members: &[u32], cluster: u8, entries: &mut Vec<Entry>) -> f32 {
        for &doc in members {
            let row = self.rows.row(doc);
            for (&dimension, &weight) in row.dimensions.iter().zip(row.weights) {
                let max = &mut self.max[usize::from(dimension)];
                if *max == 0.0 {
                    self.touched.push(dimension);
                }
                *max = max.max(weight);
            }
        }
        let max = |dimension: &u16| self.max[usize::from(*dimension)];
        let step = self.touched.iter().map(max).fold(0.0, f32::max) / 255.0;
        let least = least_code(self.touched.iter().map(max), step, self.clustering.summary_energy);
        for dimension in self.touched.drain(..) {
            let code = code(std::mem::take(&mut self.max[usize::from(dimension)]), step);
            if code >= least {
                entries.push(Entry { dimension, cluster, code });
            }
        }
        step
    }
}

fn code(weight: f32, step: f32) -> u8 {
    (weight / step).round() as u8
}

/// The largest code such that the entries from it on have this part of the sum.
fn least_code(weights: impl Iterator<Item = f32>, step: f32, energy: f32) -> u8 {
    let mut sums = [0.0_f32; 256];
    weights.for_each(|weight| sums[usize::from(code(weight, step))] += weight);
    let mut missing = energy * sums.iter().sum::<f32>();
    for code in (1..=255).rev() {
        missing -= sums[usize::from(code)];
        if missing <= 0.0 {
            return code;
        }
    }
    1
}

impl SummaryColumns {
    /// Sorts entries by dimension; within one, clusters stay in order.
    fn new(entries: &[Entry]) -> Self {
        let mut starts = vec![0_u32; MOST_DIMENSIONS + 1];
        entries.iter().for_each(|entry| starts[usize::from(entry.dimension) + 1] += 1);
        let mut columns = Self::default();
        for dimension in 0..MOST_DIMENSIONS {
            let len = starts[dimension + 1];
            starts[dimension + 1] += starts[dimension];
            if len > 0 {
                if columns.dimensions.len().is_multiple_of(GROUP) {
                    columns.groups.push(starts[dimension]);
                }
                columns.dimensions.push(dimension as u16);
                columns.counts.push((len - 1) as u8);
            }
        }
        columns.clusters.resize(entries.len(), 0);
        columns.codes.resize(entries.len(), 0);
        for entry in entries {
            let at = &mut starts[usize::from(entry.dimension)];
            columns.clusters[*at as usize] = entry.cluster;
            columns.codes[*at as usize] = entry.code;
            *at += 1;
        }
        columns
    }
}

/// Centroids by dimension.
struct Inverted {
    starts: Vec<u32>,
    postings: Vec<(u8, f32)>,
}

impl Inverted {
    fn new(centroids: &[u32], rows: Rows) -> Self {
        let mut starts = vec![0_u32; MOST_DIMENSIONS + 1];
        for &doc in centroids {
            for &dimension in rows.row(doc).dimensions {
                starts[usize::from(dimension)] += 1;
            }
        }
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        // Filled from the back, each start comes to stand where it belongs.
        let mut postings = vec![(0, 0.0); end as usize];
        for (cluster, &doc) in centroids.iter().enumerate().rev() {
            let row = rows.row(doc);
            for (&dimension, &weight) in row.dimensions.iter().zip(row.weights) {
                let at = &mut starts[usize::from(dimension)];
                *at -= 1;
                postings[*at as usize] = (cluster as u8, weight);
            }
        }
        Self { starts, postings }
    }

    /// The centroid with the largest product; of equal ones the first.
    fn nearest(&self, row: Row) -> usize {
        let mut products = [0.0_f32; MOST_CLUSTERS];
        let cut = row.weights.len().min(DOCUMENT_CUT);
        for (&dimension, &weight) in row.dimensions[..cut].iter().zip(row.weights) {
            let (start, end) =
                (self.starts[usize::from(dimension)], self.starts[usize::from(dimension) + 1]);
            for &(cluster, centroid) in &self.postings[start as usize..end as usize] {
                products[usize::from(cluster)] += weight * centroid;
            }
        }
        let better = |best: usize, other: usize| {
            if products[other] > products[best] { other } else { best }
        };
        (0..MOST_CLUSTERS).fold(0, better)
    }
}

/// So many different documents, by the first steps of a Fisher-Yates shuffle.
fn sample(docs: &[u32], wanted: usize, random: &mut SplitMix64) -> Vec<u32> {
    let mut docs = docs.to_vec();
    for i in 0..wanted {
        let other = i + random.below(docs.len() - i);
        docs.swap(i, other);
    }
    docs.truncate(wanted);
    docs
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): small, and the same everywhere.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, as good as uniform for an `end` far below 2^64.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use nir_core::{Document, Documents};

    use super::super::{ImpactIndex, Weights};
    use super::*;

    const CLUSTERING: Clustering =
        Clustering { postings: 300, cluster_fraction: 0.1, summary_energy: 0.5, seed: 7 };
    const ROWS: usize = 3000;

    static CORPUS: LazyLock<Documents> = LazyLock::new(|| {
        let document = |row: usize| Document { doc_id: row.to_string(), ..Document::default() };
        Documents::new((0..ROWS).map(document)).unwrap()
    });

    /// Documents of thirty topics: ten dimensions of the topic, ten of any.
    fn vectors(rows: usize, seed: u64) -> Vec<Vec<(u32, f32)>> {
        let mut random = SplitMix64(seed);
        let mut vector = |row: usize| {
            let mut vector = FxHashMap::default();
            for i in 0..20_u32 {
                let dimension =
                    if i < 10 { row % 30 * 20 + random.below(20) } else { random.below(900) };
                let weight = (random.below(100) + 1) as f32 / if i < 10 { 40.0 } else { 160.0 };
                vector.insert(dimension as u32 * 3, weight);
            }
            let mut vector: Vec<(u32, f32)> = vector.into_iter().collect();
            vector.sort_unstable_by_key(|&(dimension, _)| dimension);
            vector
        };
        (0..rows).map(&mut vector).collect()
    }

    fn built(clustering: Clustering) -> (tempfile::TempDir, Clustered) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let index = Clustered::build(&path, clustering, vectors(ROWS, 1)).unwrap();
        (dir, index)
    }

    fn exact() -> (tempfile::TempDir, ImpactIndex) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let index = ImpactIndex::build(&path, Weights::F32, vectors(ROWS, 1)).unwrap();
        (dir, index)
    }

    #[test]
    fn with_all_lists_and_no_trust_in_summaries_the_result_is_exact() {
        let all = Clustering { postings: ROWS, ..CLUSTERING };
        let ((_a, index), (_b, exact)) = (built(all), exact());
        let effort = Effort { query_cut: usize::MAX, heap_factor: f32::INFINITY };
        for query in vectors(30, 2) {
            let found = index.search(&query, effort, 10, &*CORPUS);
            assert_eq!(found, exact.search(&query, 10, &*CORPUS));
            assert_eq!(index.exhaust(&query, 10, &*CORPUS), found);
        }
        assert_eq!(index.postings(), exact.postings());
        for (doc, document) in vectors(ROWS, 1).iter().enumerate().step_by(37) {
            for &(dimension, weight) in document {
                assert_eq!(index.weight(dimension, DocNo(doc as u32)), Some(weight));
            }
        }
        assert_eq!(index.weight(u32::MAX, DocNo(0)), None);
    }

    #[test]
    fn less_effort_finds_most_and_scores_it_exactly() {
        let ((_a, index), (_b, exact)) = (built(CLUSTERING), exact());
        let effort = Effort { query_cut: 5, heap_factor: 0.9 };
        let mut common = 0;
        for query in vectors(30, 2) {
            let best = exact.search(&query, ROWS, &*CORPUS);
            for hit in index.search(&query, effort, 10, &*CORPUS).iter() {
                assert!(best.contains(hit), "the score of {:?} is another", hit.doc);
                common += usize::from(best[..10].contains(hit));
            }
        }
        assert!(common > 240, "{common} of the 300 best");
    }

    #[test]
    fn a_seed_and_any_number_of_threads_give_the_same_file() {
        let bytes = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (dir, _) = pool.install(|| built(Clustering { seed, ..CLUSTERING }));
            std::fs::read(dir.path().join("index")).unwrap()
        };
        assert!(bytes(1, 7) == bytes(3, 7), "threads change the file");
        assert!(bytes(1, 7) != bytes(1, 8), "the seed changes nothing");
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let (dir, index) = built(CLUSTERING);
        index.verify().unwrap();
        let path = dir.path().join("index");
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, &good[..good.len() / 2]).unwrap();
        assert!(matches!(Clustered::open(&path), Err(IndexError::Damaged { .. })));
        std::fs::write(&path, [&b"nir-impacts 1   "[..], &good[16..]].concat()).unwrap();
        assert!(matches!(Clustered::open(&path), Err(IndexError::Format { .. })));
    }

    #[test]
    fn a_summary_keeps_the_largest_codes_that_have_the_energy() {
        // Sum 10, half is 5: 4 alone is not enough, 4 + 3 is. Steps of 4 / 255: codes 255 and 191.
        assert_eq!(least_code([4.0, 3.0, 2.0, 1.0].into_iter(), 4.0 / 255.0, 0.5), 191);
        assert_eq!(least_code([4.0, 3.0, 2.0, 1.0].into_iter(), 4.0 / 255.0, 0.4), 255);
    }
}
