//! One vector for a text: searched one by one, along a graph, or as codes in lists.
//!
//! | `use`     | structure                                                                     | result      |
//! |-----------|-------------------------------------------------------------------------------|-------------|
//! | `flat`    | every vector, by inner product                                                | exact       |
//! | `hnsw`    | our own graph of near neighbours (Malkov and Yashunin, TPAMI 42(4), 2020)     | approximate |
//! | `hnsw_rs` | the same, built by the crate of that name and then laid out flat              | approximate |
//! | `ivf`     | codes in the lists of a coarse quantiser, the best of them scored again       | approximate |
//!
//! Shards keep vectors in `f32` whatever a structure makes of them, so that another `storage` encodes nothing anew. The
//! score of a document is the inner product of the stored vectors in every structure. An approximate search may miss
//! documents: how many of the exact ten best it finds is measured over the queries of a run, apart from the clock, and
//! stands in the result as `recall@10`.

use std::path::Path;

use nir_core::{Corpus, DocNo, Ranking, Result, Version};
use serde::{Deserialize, Serialize};

use super::codes::{Codes, Learner, Lists};
use super::{Index, Part, Stored, Structure};
use crate::codes::{Probe, Rescore};
use crate::{
    Flat, Graph, HnswParams, HnswRsParams, Matrix, MatrixWriter, Storage, build_hnsw,
    build_hnsw_rs, versions,
};

/// The vector of a text, `[dim]`.
pub type DenseVector = Vec<f32>;

/// The structure by which single vectors are searched.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "use", rename_all = "snake_case", deny_unknown_fields)]
pub enum DenseStructure {
    /// Exact search: the query is compared with every document.
    Flat {
        /// The number format of the vectors.
        storage: Storage,
    },
    /// Approximate search in nir's own HNSW graph.
    Hnsw {
        /// The number format of the vectors.
        storage: Storage,
        /// The number of links that a document gets in each layer: `M`.
        m: usize,
        /// `efConstruction`: candidates that they are chosen from.
        ef_construction: usize,
        /// The seed of the random layers.
        seed: u64,
        /// The number of candidates that a search keeps.
        ef: usize,
    },
    /// A graph that the crate hnsw_rs builds; for vectors no longer than one.
    HnswRs {
        /// The number format of the vectors.
        storage: Storage,
        /// The number of links, `M`, at most 255.
        m: usize,
        /// The number of candidates that an insertion keeps, `efConstruction`.
        ef_construction: usize,
        /// The number of candidates that a search keeps.
        ef: usize,
    },
    /// Lists of codes; the best candidates are scored with the vectors themselves.
    Ivf {
        /// The number format of the vectors that candidates are scored with.
        storage: Storage,
        /// The number of lists.
        lists: usize,
        /// The number of lists that a query reads.
        probe: usize,
        /// How a vector is encoded in a list.
        code: Codes,
        /// The number of candidates that are scored again with their full vectors.
        candidates: usize,
        /// The number of vectors that lists and codes are learned from.
        sample: usize,
        /// The seed of the choice of these vectors and of the start of learning.
        seed: u64,
    },
}

const VECTORS: &str = "vectors.matrix";
const INDEX: &str = "index";

impl Stored for DenseVector {
    /// The number format of the vectors.
    type Form = Storage;
    type Shard = Matrix;
    const FORMAT: Version = versions::MATRIX;

    fn write(folder: &Path, vectors: &[Self], storage: &Storage) -> Result<()> {
        let dim = vectors.first().map_or(0, Vec::len);
        let mut file = MatrixWriter::create(&folder.join(VECTORS), dim, *storage)?;
        vectors.iter().try_for_each(|vector| file.push(vector))?;
        file.finish()?;
        Ok(())
    }

    fn open(folder: &Path) -> Result<Matrix> {
        Ok(Matrix::open(&folder.join(VECTORS))?)
    }

    fn into_row(self) -> Option<Vec<f32>> {
        Some(self)
    }
}

impl DenseStructure {
    fn storage(&self) -> Storage {
        match self {
            Self::Flat { storage }
            | Self::Hnsw { storage, .. }
            | Self::HnswRs { storage, .. }
            | Self::Ivf { storage, .. } => *storage,
        }
    }

    /// Checks the parameters; the error says what is wrong.
    pub fn check(&self) -> std::result::Result<(), String> {
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
                code.check()
            }
        }
    }
}

impl Structure for DenseStructure {
    type Vector = DenseVector;
    type Index = DenseIndex;
    const NAME: &'static str = "vectors";

    fn versions(&self) -> Vec<Version> {
        let structure = match self {
            Self::Flat { .. } => versions::FLAT,
            Self::Hnsw { .. } => versions::HNSW,
            Self::HnswRs { .. } => versions::HNSW_RS,
            Self::Ivf { code, .. } => return vec![versions::MATRIX, versions::IVF, code.version()],
        };
        vec![versions::MATRIX, structure]
    }

    /// The parameters without those that may change from search to search. Shards are a flat index of `f32` already.
    fn built(&self) -> Option<String> {
        let mut index = self.clone();
        match &mut index {
            Self::Flat { storage: Storage::F32 } => return None,
            Self::Flat { .. } => {}
            Self::Hnsw { ef, .. } | Self::HnswRs { ef, .. } => *ef = 0,
            Self::Ivf { probe, candidates, .. } => (*probe, *candidates) = (0, 0),
        }
        Some(serde_json::to_string(&index).expect("a config is plain data"))
    }

    fn build(&self, folder: &Path, documents: &[Matrix]) -> Result<()> {
        let matrix = joined(documents, &folder.join(VECTORS), self.storage())?;
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
                Learner::new(&matrix, lists, sample, seed)?.write(&path, code)?;
            }
        }
        Ok(())
    }

    fn open(&self, folder: Option<&Path>, documents: Vec<Matrix>) -> Result<DenseIndex> {
        let Some(folder) = folder else {
            return Ok(DenseIndex { exact: Flat::new(documents)?, approximate: None });
        };
        let matrix = || Matrix::open(&folder.join(VECTORS));
        let path = folder.join(INDEX);
        let approximate = match *self {
            Self::Flat { .. } => None,
            Self::Hnsw { ef, .. } | Self::HnswRs { ef, .. } => {
                Some(Approximate::Graph(Graph::open(&path, matrix()?)?, ef))
            }
            Self::Ivf { probe, candidates, ref code, .. } => {
                let (lists, matrix) = (Lists::open(&path, code)?, matrix()?);
                Some(Approximate::Lists { lists, probe, candidates, matrix })
            }
        };
        Ok(DenseIndex { exact: Flat::new(vec![matrix()?])?, approximate })
    }
}

/// Joins the rows of several files in one file.
fn joined(shards: &[Matrix], path: &Path, storage: Storage) -> Result<Matrix> {
    let dim = shards.first().map_or(0, Matrix::dim);
    let mut writer = MatrixWriter::create(path, dim, storage)?;
    for shard in shards {
        (0..shard.len()).try_for_each(|row| writer.push(&shard.row(row)))?;
    }
    Ok(writer.finish()?)
}

/// Vectors, open, with what leads a search to some of them.
pub struct DenseIndex {
    exact: Flat,
    approximate: Option<Approximate>,
}

enum Approximate {
    /// A graph, and the number of candidates that a search keeps.
    Graph(Graph, usize),
    Lists {
        lists: Lists,
        probe: usize,
        candidates: usize,
        matrix: Matrix,
    },
}

impl Index for DenseIndex {
    type Vector = DenseVector;

    fn search(&self, queries: &[DenseVector], depth: usize, corpus: &dyn Corpus) -> Vec<Ranking> {
        let queries = &queries.concat(); // [queries, dim]
        match &self.approximate {
            None => self.exact.search_many(queries, depth, corpus),
            Some(Approximate::Graph(graph, ef)) => graph.search_many(queries, depth, *ef, corpus),
            Some(Approximate::Lists { lists, probe, candidates, matrix }) => {
                let rescore = Rescore::Rows((*candidates).max(depth), matrix);
                lists.search(queries, depth, Probe { nprobe: *probe, rescore }, corpus)
            }
        }
    }

    fn is_exact(&self) -> bool {
        self.approximate.is_none()
    }

    fn exhaust(&self, queries: &[DenseVector], depth: usize, corpus: &dyn Corpus) -> Vec<Ranking> {
        self.exact.search_many(&queries.concat(), depth, corpus)
    }

    fn bytes(&self) -> u64 {
        match &self.approximate {
            None => self.exact.bytes(),
            Some(Approximate::Graph(graph, _)) => graph.bytes() + graph.matrix().bytes(),
            Some(Approximate::Lists { lists, matrix, .. }) => lists.bytes() + matrix.bytes(),
        }
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts =
            vec![("dim", self.exact.dim().to_string()), ("bytes", self.bytes().to_string())];
        if let Some(Approximate::Graph(graph, _)) = &self.approximate {
            facts.push(("linked afterwards", graph.repaired().to_string()));
        }
        facts
    }

    fn row(&self, doc: DocNo) -> Option<Vec<f32>> {
        Some(self.exact.vector(doc))
    }

    fn parts(&self, query: &DenseVector, doc: DocNo) -> Vec<Part> {
        vec![Part::Texts(self.exact.product(query, doc))]
    }
}
