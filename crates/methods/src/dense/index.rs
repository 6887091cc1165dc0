//! How the vectors of documents are searched: one by one, along a graph, or as codes in lists.
//!
//! | `use`     | structure                                                                     | result      |
//! |-----------|-------------------------------------------------------------------------------|-------------|
//! | `flat`    | every vector, by inner product                                                | exact       |
//! | `hnsw`    | our own graph of near neighbours (Malkov and Yashunin, TPAMI 42(4), 2020)     | approximate |
//! | `hnsw_rs` | the same, built by the crate of that name and then laid out flat              | approximate |
//! | `ivf`     | codes in the lists of a coarse quantiser, the best of them scored again       | approximate |
//!
//! Vectors come from the cache in `f32`, whatever an index makes of them, so that changing `storage` encodes nothing anew.
//! Whatever the structure, the score of a document is the inner product of the stored vectors. An approximate search may
//! miss documents: how many of the exact ten best it finds is measured over the very queries of a run, apart from the
//! clock, and stands in the result as `recall@10`.

use std::path::Path;

use nir_core::{Corpus, DocNo, Key, Ranking, Result, Version};
use nir_index::codes::{
    Code, FastScan, Ivf, IvfWriter, KMeans, Layout, OpqTraining, PqTraining, Probe,
    ProductQuantiser, Rescore, ScalarQuantiser, SignBits,
};
use nir_index::versions;
use nir_index::{
    Flat, Graph, HnswParams, HnswRsParams, Matrix, MatrixWriter, Storage, build_hnsw, build_hnsw_rs,
};
use serde::{Deserialize, Serialize};

use crate::Context;

/// How vectors are searched.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "use", rename_all = "snake_case", deny_unknown_fields)]
pub enum Index {
    /// Every document is compared: exact.
    Flat {
        /// How each number is kept.
        storage: Storage,
    },
    /// A graph of our own.
    Hnsw {
        /// How each number is kept.
        storage: Storage,
        /// `M`: links that a document gets in each layer.
        m: usize,
        /// `efConstruction`: candidates that they are chosen from.
        ef_construction: usize,
        /// Decides the layers.
        seed: u64,
        /// Candidates that a search ends with.
        ef: usize,
    },
    /// A graph that the crate hnsw_rs builds; for vectors no longer than one.
    HnswRs {
        /// How each number is kept.
        storage: Storage,
        /// `M`, at most 255.
        m: usize,
        /// `efConstruction`.
        ef_construction: usize,
        /// Candidates that a search ends with.
        ef: usize,
    },
    /// Lists of codes; the best candidates are scored with the vectors themselves.
    Ivf {
        /// How each number of those vectors is kept.
        storage: Storage,
        /// How many lists there are.
        lists: usize,
        /// How many of them a query reads.
        probe: usize,
        /// What a vector is in a list.
        code: Codes,
        /// How many candidates are scored again.
        candidates: usize,
        /// Vectors that lists and codes are learned from.
        sample: usize,
        /// Decides where learning starts.
        seed: u64,
    },
}

/// What a vector is in a list.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "use", rename_all = "snake_case", deny_unknown_fields)]
pub enum Codes {
    /// Four bits for each piece, after a learned rotation.
    Pq {
        /// Into how many pieces a vector is cut.
        pieces: usize,
        /// Components after the rotation: a multiple of the pieces.
        rotation: usize,
    },
    /// A byte for each component.
    Int8 {},
    /// A bit for each component: its sign.
    Sign {},
}

impl Codes {
    fn version(&self) -> Version {
        match self {
            Self::Pq { .. } => versions::PQ,
            Self::Int8 {} => versions::MATRIX, // the bytes of a file of vectors
            Self::Sign {} => versions::BINARY,
        }
    }
}

/// Lloyd's iterations, for lists and for codes.
const ITERATIONS: usize = 10;
/// As many as four bits can name.
const CODES: usize = 16;
const VECTORS: &str = "vectors.matrix";
const INDEX: &str = "index";

impl Index {
    fn storage(&self) -> Storage {
        match self {
            Self::Flat { storage }
            | Self::Hnsw { storage, .. }
            | Self::HnswRs { storage, .. }
            | Self::Ivf { storage, .. } => *storage,
        }
    }

    /// What is wrong with the parameters, if anything.
    pub(super) fn check(&self) -> std::result::Result<(), String> {
        let fits = |name: &str, value: usize, least: usize, most: usize| match value {
            _ if (least..=most).contains(&value) => Ok(()),
            _ => Err(format!("`index`: {name} = {value}: expected {least} to {most}")),
        };
        match *self {
            Self::Flat { .. } => Ok(()),
            Self::Hnsw { m, .. } | Self::HnswRs { m, .. } => fits("m", m, 2, 255),
            Self::Ivf { lists, probe, ref code, .. } => {
                fits("lists", lists, 1, 1 << 20)?;
                fits("probe", probe, 1, lists)?;
                match *code {
                    Codes::Pq { pieces, rotation } if pieces == 0 || rotation % pieces != 0 => {
                        Err(format!(
                            "`index`: a rotation to {rotation} does not cut into {pieces} pieces"
                        ))
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    /// Makes vectors searchable, which are in `f32`; `encoding` names what they are. However numbers
    /// are kept in the index, the encoder's are kept once.
    pub(super) fn bind(
        &self,
        shards: Vec<Matrix>,
        encoding: &Key,
        context: &Context<'_>,
    ) -> Result<Searcher> {
        if let Self::Flat { storage: Storage::F32 } = self {
            return Ok(Searcher { exact: Flat::new(shards)?, approximate: None });
        }
        let written = serde_json::to_string(&self.built()).expect("a config is plain data");
        let key = Key::of(&self.versions()).made_from(encoding);
        let key = key.param(written).input(context.corpus_digest);
        let build = &mut |folder: &Path| self.build(&shards, folder);
        let folder = context.resources.artifact("indexes", &key, build)?;
        self.open(&folder)
    }

    /// The code that builds and searches it.
    pub(super) fn versions(&self) -> Vec<Version> {
        let structure = match self {
            Self::Flat { .. } => versions::FLAT,
            Self::Hnsw { .. } => versions::HNSW,
            Self::HnswRs { .. } => versions::HNSW_RS,
            Self::Ivf { code, .. } => return vec![versions::MATRIX, versions::IVF, code.version()],
        };
        vec![versions::MATRIX, structure]
    }

    /// The parameters that decide what is built; the others may change from search to search.
    fn built(&self) -> Self {
        let mut index = self.clone();
        match &mut index {
            Self::Flat { .. } => {}
            Self::Hnsw { ef, .. } | Self::HnswRs { ef, .. } => *ef = 0,
            Self::Ivf { probe, candidates, .. } => (*probe, *candidates) = (0, 0),
        }
        index
    }

    /// Writes all that a search needs into a folder, once.
    fn build(&self, shards: &[Matrix], folder: &Path) -> Result<()> {
        let matrix = joined(shards, &folder.join(VECTORS), self.storage())?;
        let path = folder.join(INDEX);
        match *self {
            Self::Flat { .. } => {}
            Self::Hnsw { m, ef_construction, seed, .. } => {
                build_hnsw(&path, matrix, HnswParams { m, ef_construction, seed })?;
            }
            Self::HnswRs { m, ef_construction, .. } => {
                build_hnsw_rs(&path, matrix, HnswRsParams { m, ef_construction })?;
            }
            Self::Ivf { lists, ref code, sample, seed, .. } => {
                let learner = Learner::new(&matrix, lists, sample, seed)?;
                match *code {
                    Codes::Pq { pieces, rotation } => {
                        learner.write(&path, FastScan::new(learner.product(pieces, rotation)?))?;
                    }
                    Codes::Int8 {} => {
                        let code = ScalarQuantiser::train(&learner.rows, matrix.dim());
                        learner.write(&path, code)?;
                    }
                    Codes::Sign {} => learner.write(&path, SignBits::new(matrix.dim()))?,
                }
            }
        }
        Ok(())
    }

    /// Opens what [`Index::build`] wrote.
    fn open(&self, folder: &Path) -> Result<Searcher> {
        let (vectors, path) = (folder.join(VECTORS), folder.join(INDEX));
        let exact = Flat::new(vec![Matrix::open(&vectors)?])?;
        let structure = match *self {
            Self::Flat { .. } => return Ok(Searcher { exact, approximate: None }),
            Self::Hnsw { ef, .. } | Self::HnswRs { ef, .. } => {
                Structure::Graph(Graph::open(&path, Matrix::open(&vectors)?)?, ef)
            }
            Self::Ivf { probe, candidates, ref code, .. } => {
                let lists = match code {
                    Codes::Pq { .. } => Lists::Pq(Ivf::open(&path)?),
                    Codes::Int8 {} => Lists::Int8(Ivf::open(&path)?),
                    Codes::Sign {} => Lists::Sign(Ivf::open(&path)?),
                };
                Structure::Lists { lists, probe, candidates, matrix: Matrix::open(&vectors)? }
            }
        };
        Ok(Searcher { exact, approximate: Some(structure) })
    }
}

/// All rows of several files in one.
fn joined(shards: &[Matrix], path: &Path, storage: Storage) -> Result<Matrix> {
    let dim = shards.first().map_or(0, Matrix::dim);
    let mut writer = MatrixWriter::create(path, dim, storage)?;
    for shard in shards {
        (0..shard.len()).try_for_each(|row| writer.push(&shard.row(row)))?;
    }
    Ok(writer.finish()?)
}

/// What lists and codes are learned from.
struct Learner<'a> {
    matrix: &'a Matrix,
    lists: usize,
    seed: u64,
    /// Rows spread evenly over the collection.
    rows: Vec<f32>,
}

impl<'a> Learner<'a> {
    fn new(matrix: &'a Matrix, lists: usize, sample: usize, seed: u64) -> Result<Self> {
        let count = sample.min(matrix.len());
        if count < lists {
            let documents = matrix.len();
            return Err(format!(
                "{lists} lists cannot be learned from {count} vectors (of {documents} documents): write fewer `lists`"
            )
            .into());
        }
        let spread = |at: usize| at * matrix.len() / count;
        let rows = (0..count).flat_map(|at| matrix.row(spread(at))).collect();
        Ok(Self { matrix, lists, seed, rows })
    }

    fn product(&self, pieces: usize, rotation: usize) -> Result<ProductQuantiser> {
        let (dim, count) = (self.matrix.dim(), self.rows.len() / self.matrix.dim());
        if count < CODES {
            return Err(format!(
                "{CODES} codes for each piece cannot be learned from {count} vectors (of {} documents): take the code \
                 `int8` or `sign`, or the index `flat`",
                self.matrix.len()
            )
            .into());
        }
        if rotation > dim {
            return Err(
                format!("`rotation` is {rotation}, and a vector has {dim} components").into()
            );
        }
        let rotation = Some(OpqTraining { dim: rotation, iterations: ITERATIONS });
        let (centroids, seed) = (CODES, self.seed);
        let training = PqTraining { pieces, centroids, iterations: ITERATIONS, rotation, seed };
        Ok(training.train(&self.rows, dim))
    }

    fn write<C: Code>(&self, path: &Path, code: C) -> Result<()> {
        let (centroids, seed) = (self.lists, self.seed);
        let kmeans = KMeans { centroids, iterations: ITERATIONS, seed, unit: true };
        let coarse = kmeans.train(&self.rows, self.matrix.dim());
        let mut writer = IvfWriter::create(path, Layout { coarse, code, residual: false })?;
        (0..self.matrix.len()).try_for_each(|row| writer.push(&self.matrix.row(row)))?;
        writer.finish()?;
        Ok(())
    }
}

/// An index, ready to be searched.
pub(super) struct Searcher {
    exact: Flat,
    approximate: Option<Structure>,
}

enum Structure {
    /// With `ef`.
    Graph(Graph, usize),
    Lists {
        lists: Lists,
        probe: usize,
        candidates: usize,
        matrix: Matrix,
    },
}

enum Lists {
    Pq(Ivf<FastScan>),
    Int8(Ivf<ScalarQuantiser>),
    Sign(Ivf<SignBits>),
}

impl Searcher {
    /// The best `depth` documents of each query, `[n, dim]`.
    pub(super) fn search(
        &self,
        queries: &[f32],
        depth: usize,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        match &self.approximate {
            None => self.exact.search_many(queries, depth, corpus),
            Some(Structure::Graph(graph, ef)) => graph.search_many(queries, depth, *ef, corpus),
            Some(Structure::Lists { lists, probe, candidates, matrix }) => {
                let rescore = Rescore::Rows((*candidates).max(depth), matrix);
                lists.search(queries, depth, Probe { nprobe: *probe, rescore }, corpus)
            }
        }
    }

    /// Whether a search compares every document.
    pub(super) fn is_exact(&self) -> bool {
        self.approximate.is_none()
    }

    /// The same by comparing every document.
    pub(super) fn exhaust(
        &self,
        queries: &[f32],
        depth: usize,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        self.exact.search_many(queries, depth, corpus)
    }

    /// What it takes on disk, the vectors included.
    pub(super) fn bytes(&self) -> u64 {
        match &self.approximate {
            None => self.exact.bytes(),
            Some(Structure::Graph(graph, _)) => graph.bytes() + graph.matrix().bytes(),
            Some(Structure::Lists { lists, matrix, .. }) => lists.bytes() + matrix.bytes(),
        }
    }

    /// The inner product of a query, `[dim]`, with the stored vector of a document.
    pub(super) fn product(&self, query: &[f32], doc: DocNo) -> f32 {
        self.exact.product(query, doc)
    }

    /// The stored vector of a document, `[dim]`.
    pub(super) fn vector(&self, doc: DocNo) -> Vec<f32> {
        self.exact.vector(doc)
    }

    /// What there is to say of it, by name.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("bytes", self.bytes().to_string())];
        if let Some(Structure::Graph(graph, _)) = &self.approximate {
            facts.push(("linked afterwards", graph.repaired().to_string()));
        }
        facts
    }
}

impl Lists {
    fn search(
        &self,
        queries: &[f32],
        depth: usize,
        probe: Probe<'_>,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        match self {
            Self::Pq(lists) => lists.search_many(queries, depth, probe, corpus),
            Self::Int8(lists) => lists.search_many(queries, depth, probe, corpus),
            Self::Sign(lists) => lists.search_many(queries, depth, probe, corpus),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Pq(lists) => lists.bytes(),
            Self::Int8(lists) => lists.bytes(),
            Self::Sign(lists) => lists.bytes(),
        }
    }
}
