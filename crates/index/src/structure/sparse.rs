//! Weights of dimensions: searched through an inverted index, or through clustered lists.
//!
//! | `use`       | structure                                                                        | result      |
//! |-------------|----------------------------------------------------------------------------------|-------------|
//! | `impacts`   | an inverted index, by MaxScore                                                   | exact       |
//! | `clustered` | clusters of each heavy list with summaries: Seismic (Bruch et al., SIGIR 2024)    | approximate |
//!
//! The score of a document, `Σ_t q_t · d_t`, is the same in both. What the second misses of the ten best is measured over
//! the queries of a run, apart from the clock, and stands in the result as `recall@10`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use nir_core::{Corpus, DocNo, Ranking, Result, Version};
use serde::{Deserialize, Serialize};

use super::{Index, Part, Stored, Structure};
use crate::impacts::{
    Builder, Clustered, ClusteredBuilder, Clustering, Effort, ImpactIndex, Weights,
};
use crate::versions;

/// Dimensions with weights above zero, each dimension once.
pub type SparseVector = Vec<(u32, f32)>;

/// The structure by which sparse vectors are searched.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "use", rename_all = "lowercase", deny_unknown_fields)]
pub enum SparseStructure {
    /// Exact search in an inverted index of weights.
    Impacts {
        /// The number format of a weight.
        storage: WeightStorage,
    },
    /// Clustered lists over a forward index of `f32`: approximate.
    Clustered {
        /// How many documents the list of a term keeps: those with the largest weights.
        postings: usize,
        /// How many clusters a list has, as a part of its documents.
        cluster_fraction: f32,
        /// The share of the sum of its weights that a cluster's summary keeps, from 0 to 1.
        summary_energy: f32,
        /// The seed of the random choice of centroids.
        seed: u64,
        /// How many of a query's heaviest terms have their lists searched.
        query_cut: usize,
        /// How much a summary is trusted: a cluster that promises less than `θ / heap_factor` is passed over.
        heap_factor: f32,
    },
}

/// The number format of a weight in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightStorage {
    /// Four bytes, unchanged.
    F32,
    /// One byte, for whole numbers up to 255.
    U8,
}

const INDEX: &str = "index.impacts";

impl SparseStructure {
    /// Checks the parameters; the error says what is wrong.
    pub fn check(&self) -> std::result::Result<(), String> {
        let Self::Clustered {
            postings,
            cluster_fraction,
            summary_energy,
            query_cut,
            heap_factor,
            seed: _,
        } = *self
        else {
            return Ok(());
        };
        let is_part = |part: f32| part > 0.0 && part <= 1.0;
        let rules = [
            (postings > 0, "postings", postings as f32, "at least 1"),
            (is_part(cluster_fraction), "cluster_fraction", cluster_fraction, "above 0, at most 1"),
            (is_part(summary_energy), "summary_energy", summary_energy, "above 0, at most 1"),
            (query_cut > 0, "query_cut", query_cut as f32, "at least 1"),
            (heap_factor > 0.0, "heap_factor", heap_factor, "above 0"),
        ];
        let broken = rules.into_iter().find(|(holds, ..)| !holds);
        broken.map_or(Ok(()), |(_, name, value, expected)| {
            Err(format!("`index`: {name} = {value}: expected {expected}"))
        })
    }

    /// The parameters without those that may change from search to search, in one spelling.
    pub fn written(&self) -> String {
        let mut index = self.clone();
        if let Self::Clustered { query_cut, heap_factor, .. } = &mut index {
            (*query_cut, *heap_factor) = (0, 0.0);
        }
        serde_json::to_string(&index).expect("a config is plain data")
    }

    /// Begins an index in a folder.
    pub fn create(&self, folder: &Path) -> Result<SparseWriter> {
        let path = folder.join(INDEX);
        Ok(SparseWriter(match *self {
            Self::Impacts { storage: WeightStorage::F32 } => {
                Writer::Impacts(Builder::create(&path, Weights::F32)?)
            }
            Self::Impacts { storage: WeightStorage::U8 } => {
                Writer::Impacts(Builder::create(&path, Weights::U8 { step: 1.0 })?)
            }
            Self::Clustered { postings, cluster_fraction, summary_energy, seed, .. } => {
                let clustering = Clustering { postings, cluster_fraction, summary_energy, seed };
                Writer::Clustered(ClusteredBuilder::create(&path, clustering)?)
            }
        }))
    }

    /// Opens the index in a folder.
    pub fn open_in(&self, folder: &Path) -> Result<SparseIndex> {
        let path = folder.join(INDEX);
        Ok(match *self {
            Self::Impacts { .. } => SparseIndex::Impacts(ImpactIndex::open(&path)?),
            Self::Clustered { query_cut, heap_factor, .. } => {
                let effort = Effort { query_cut, heap_factor };
                SparseIndex::Clustered(Clustered::open(&path)?, effort)
            }
        })
    }
}

impl Structure for SparseStructure {
    type Vector = SparseVector;
    type Index = SparseIndex;
    const NAME: &'static str = "impacts";

    fn versions(&self) -> Vec<Version> {
        match self {
            Self::Impacts { .. } => vec![versions::IMPACTS],
            Self::Clustered { .. } => vec![versions::CLUSTERED],
        }
    }

    fn built(&self) -> Option<String> {
        Some(self.written())
    }

    fn build(&self, folder: &Path, documents: &[SparseShard]) -> Result<()> {
        let mut writer = self.create(folder)?;
        documents.iter().try_for_each(|shard| shard.each(|vector| writer.push(vector)))?;
        writer.finish()
    }

    fn open(&self, folder: Option<&Path>, _documents: Vec<SparseShard>) -> Result<SparseIndex> {
        self.open_in(folder.expect("an inverted index is always built"))
    }
}

/// An index that is being written.
pub struct SparseWriter(Writer);

enum Writer {
    Impacts(Builder),
    Clustered(ClusteredBuilder),
}

impl SparseWriter {
    /// Adds the next document as pairs of dimension and weight.
    pub fn push(&mut self, document: &[(u32, f32)]) -> Result<()> {
        match &mut self.0 {
            Writer::Impacts(builder) => builder.push(document)?,
            Writer::Clustered(builder) => builder.push(document)?,
        }
        Ok(())
    }

    /// Completes the file.
    pub fn finish(self) -> Result<()> {
        match self.0 {
            Writer::Impacts(builder) => drop(builder.finish()?),
            Writer::Clustered(builder) => drop(builder.finish()?),
        }
        Ok(())
    }
}

/// An open index of sparse vectors.
pub enum SparseIndex {
    /// Inverted lists, which are searched exactly.
    Impacts(ImpactIndex),
    /// Clustered lists, and how much of them a search reads.
    Clustered(Clustered, Effort),
}

impl SparseIndex {
    fn weight(&self, dimension: u32, doc: DocNo) -> Option<f32> {
        match self {
            Self::Impacts(index) => index.weight(dimension, doc),
            Self::Clustered(index, _) => index.weight(dimension, doc),
        }
    }
}

impl Index for SparseIndex {
    type Vector = SparseVector;

    fn search(&self, queries: &[SparseVector], depth: usize, corpus: &dyn Corpus) -> Vec<Ranking> {
        match self {
            Self::Impacts(index) => index.search_many(queries, depth, corpus),
            Self::Clustered(index, effort) => index.search_many(queries, *effort, depth, corpus),
        }
    }

    fn is_exact(&self) -> bool {
        matches!(self, Self::Impacts(_))
    }

    fn exhaust(&self, queries: &[SparseVector], depth: usize, corpus: &dyn Corpus) -> Vec<Ranking> {
        match self {
            Self::Impacts(index) => index.search_many(queries, depth, corpus),
            Self::Clustered(index, _) => index.exhaust_many(queries, depth, corpus),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Impacts(index) => index.bytes(),
            Self::Clustered(index, _) => index.bytes(),
        }
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let (postings, documents) = match self {
            Self::Impacts(index) => (index.postings(), index.documents()),
            Self::Clustered(index, _) => (index.postings(), index.documents()),
        };
        let mean = postings as f64 / documents.max(1) as f64;
        vec![
            ("postings", postings.to_string()),
            ("terms_per_document", format!("{mean:.1}")),
            ("bytes", self.bytes().to_string()),
        ]
    }

    /// The dimensions that both query and document have.
    fn parts(&self, query: &SparseVector, doc: DocNo) -> Vec<Part> {
        let shared = |&(number, query): &(u32, f32)| {
            let document = self.weight(number, doc)?;
            Some(Part::Dimension { number, query, document })
        };
        query.iter().filter_map(shared).collect()
    }
}

const VECTORS: &str = "vectors.sparse";

/// The weighted dimensions of consecutive documents, in a file: for each document how many there are, then each dimension
/// and its weight, in 32-bit little-endian words.
pub struct SparseShard(PathBuf);

impl Stored for SparseVector {
    type Form = ();
    type Shard = SparseShard;
    const FORMAT: Version = versions::SPARSE_VECTORS;

    fn write(folder: &Path, vectors: &[Self], _form: &()) -> Result<()> {
        let mut file = BufWriter::new(File::create_new(folder.join(VECTORS))?);
        for vector in vectors {
            file.write_all(&(vector.len() as u32).to_le_bytes())?;
            for &(term, weight) in vector {
                file.write_all(&term.to_le_bytes())?;
                file.write_all(&weight.to_le_bytes())?;
            }
        }
        Ok(file.flush()?)
    }

    fn open(folder: &Path) -> Result<SparseShard> {
        Ok(SparseShard(folder.join(VECTORS)))
    }
}

impl SparseShard {
    /// Calls `take` with the vector of each document, in order.
    pub fn each(&self, mut take: impl FnMut(&[(u32, f32)]) -> Result<()>) -> Result<()> {
        let file = File::open(&self.0)?;
        let mut left = file.metadata()?.len();
        let mut file = BufReader::new(file);
        let mut word = || -> io::Result<[u8; 4]> {
            let mut bytes = [0; 4];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        while left > 0 {
            let terms = u32::from_le_bytes(word()?);
            let pair = |_| Ok((u32::from_le_bytes(word()?), f32::from_le_bytes(word()?)));
            let vector: SparseVector = (0..terms).map(pair).collect::<io::Result<_>>()?;
            left -= 4 + 8 * u64::from(terms);
            take(&vector)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clustered() -> SparseStructure {
        SparseStructure::Clustered {
            postings: 4000,
            cluster_fraction: 0.1,
            summary_energy: 0.4,
            seed: 42,
            query_cut: 8,
            heap_factor: 0.8,
        }
    }

    #[test]
    fn effort_is_no_part_of_what_is_built() {
        let (mut more, mut other) = (clustered(), clustered());
        let SparseStructure::Clustered { query_cut, heap_factor, .. } = &mut more else {
            unreachable!()
        };
        (*query_cut, *heap_factor) = (20, 0.9);
        let SparseStructure::Clustered { seed, .. } = &mut other else { unreachable!() };
        *seed = 43;
        assert_eq!(clustered().built(), more.built());
        assert_ne!(clustered().built(), other.built());
    }

    #[test]
    fn a_parameter_without_a_meaning_is_refused() {
        assert_eq!(clustered().check(), Ok(()));
        let mut index = clustered();
        let SparseStructure::Clustered { summary_energy, .. } = &mut index else { unreachable!() };
        *summary_energy = 1.5;
        let error = index.check().unwrap_err();
        assert_eq!(error, "`index`: summary_energy = 1.5: expected above 0, at most 1");
    }

    #[test]
    fn vectors_come_back_from_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let vectors = vec![vec![(3, 0.5), (7, 1.5)], vec![], vec![(0, 2.0)]];
        SparseVector::write(folder.path(), &vectors, &()).unwrap();
        let mut found = Vec::new();
        let shard = SparseVector::open(folder.path()).unwrap();
        shard
            .each(|vector| {
                found.push(vector.to_vec());
                Ok(())
            })
            .unwrap();
        assert_eq!(found, vectors);
    }
}
