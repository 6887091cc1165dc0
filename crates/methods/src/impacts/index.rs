//! How the weighted terms of documents are searched: exactly, or through clustered lists.
//!
//! | `use`       | structure                                                                        | result      |
//! |-------------|----------------------------------------------------------------------------------|-------------|
//! | `impacts`   | an inverted index, by MaxScore                                                   | exact       |
//! | `clustered` | clusters of each heavy list with summaries: Seismic (Bruch et al., SIGIR 2024)    | approximate |
//!
//! The score of a document is the same in both. What the second misses of the ten best is measured over the very queries
//! of a run, apart from the clock, and stands in the result as `recall@10`.

use std::path::Path;

use nir_core::{Corpus, DocNo, Ranking, Result, Version};
use nir_index::impacts::{
    Builder, Clustered, ClusteredBuilder, Clustering, Effort, ImpactIndex, Weights,
};
use nir_index::versions;
use serde::{Deserialize, Serialize};

/// How the vectors of documents are searched.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "use", rename_all = "lowercase", deny_unknown_fields)]
pub enum Index {
    /// An inverted index of weights: exact.
    Impacts {
        /// How a weight is kept.
        storage: Storage,
    },
    /// Clustered lists over a forward index of `f32`: approximate.
    Clustered {
        /// How many documents the list of a term keeps: those with the largest weights.
        postings: usize,
        /// How many clusters a list has, as a part of its documents.
        cluster_fraction: f32,
        /// How much of its sum a cluster's summary keeps.
        summary_energy: f32,
        /// What centroids are drawn from.
        seed: u64,
        /// How many of a query's heaviest terms have their lists searched.
        query_cut: usize,
        /// How much a summary is trusted: a cluster that promises less than `θ / heap_factor` is passed over.
        heap_factor: f32,
    },
}

/// How a weight is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// As it is.
    F32,
    /// In a byte: quantised weights of at most 255.
    U8,
}

impl Storage {
    /// The same in the words of the index.
    fn weights(self) -> Weights {
        match self {
            Self::F32 => Weights::F32,
            Self::U8 => Weights::U8 { step: 1.0 },
        }
    }
}

const FILE: &str = "index.impacts";

impl Index {
    /// What is wrong with the parameters, if anything.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        let Self::Clustered { postings, cluster_fraction, summary_energy, .. } = *self else {
            return Ok(());
        };
        let Self::Clustered { query_cut, heap_factor, .. } = *self else { return Ok(()) };
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

    /// The code that builds and searches it.
    pub(crate) fn versions(&self) -> Vec<Version> {
        match self {
            Self::Impacts { .. } => vec![versions::IMPACTS],
            Self::Clustered { .. } => vec![versions::CLUSTERED],
        }
    }

    /// Names what is built; parameters that may change from search to search are no part of it.
    pub(crate) fn built(&self) -> String {
        let mut index = self.clone();
        if let Self::Clustered { query_cut, heap_factor, .. } = &mut index {
            (*query_cut, *heap_factor) = (0, 0.0);
        }
        serde_json::to_string(&index).expect("a config is plain data")
    }

    /// Begins an index in a folder.
    pub(crate) fn create(&self, folder: &Path) -> Result<Writer> {
        let path = folder.join(FILE);
        Ok(match *self {
            Self::Impacts { storage } => {
                Writer::Impacts(Builder::create(&path, storage.weights())?)
            }
            Self::Clustered { postings, cluster_fraction, summary_energy, seed, .. } => {
                let clustering = Clustering { postings, cluster_fraction, summary_energy, seed };
                Writer::Clustered(ClusteredBuilder::create(&path, clustering)?)
            }
        })
    }

    /// Opens the index of a folder.
    pub(crate) fn open(&self, folder: &Path) -> Result<Searcher> {
        let path = folder.join(FILE);
        Ok(match *self {
            Self::Impacts { .. } => Searcher::Impacts(ImpactIndex::open(&path)?),
            Self::Clustered { query_cut, heap_factor, .. } => {
                let effort = Effort { query_cut, heap_factor };
                Searcher::Clustered(Clustered::open(&path)?, effort)
            }
        })
    }
}

/// An index under way.
pub(crate) enum Writer {
    Impacts(Builder),
    Clustered(ClusteredBuilder),
}

impl Writer {
    /// Adds the next document.
    pub(crate) fn push(&mut self, document: &[(u32, f32)]) -> Result<()> {
        match self {
            Self::Impacts(builder) => builder.push(document)?,
            Self::Clustered(builder) => builder.push(document)?,
        }
        Ok(())
    }

    /// Completes the file.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Impacts(builder) => drop(builder.finish()?),
            Self::Clustered(builder) => drop(builder.finish()?),
        }
        Ok(())
    }
}

/// An index, ready to be searched.
pub(crate) enum Searcher {
    Impacts(ImpactIndex),
    Clustered(Clustered, Effort),
}

impl Searcher {
    /// The best `depth` documents of each query.
    pub(crate) fn search<Q: AsRef<[(u32, f32)]> + Sync>(
        &self,
        queries: &[Q],
        depth: usize,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        match self {
            Self::Impacts(index) => index.search_many(queries, depth, corpus),
            Self::Clustered(index, effort) => index.search_many(queries, *effort, depth, corpus),
        }
    }

    /// Whether a search misses nothing.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self, Self::Impacts(_))
    }

    /// The same, missing nothing.
    pub(crate) fn exhaust<Q: AsRef<[(u32, f32)]> + Sync>(
        &self,
        queries: &[Q],
        depth: usize,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        match self {
            Self::Impacts(index) => index.search_many(queries, depth, corpus),
            Self::Clustered(index, _) => index.exhaust_many(queries, depth, corpus),
        }
    }

    /// The weight that a document has in a dimension, as it is kept; none where it has no posting.
    pub(crate) fn weight(&self, dimension: u32, doc: DocNo) -> Option<f32> {
        match self {
            Self::Impacts(index) => index.weight(dimension, doc),
            Self::Clustered(index, _) => index.weight(dimension, doc),
        }
    }

    /// What it takes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Impacts(index) => index.bytes(),
            Self::Clustered(index, _) => index.bytes(),
        }
    }

    /// What there is to say of it, by name.
    pub(crate) fn facts(&self) -> [(&'static str, String); 3] {
        let (postings, documents) = match self {
            Self::Impacts(index) => (index.postings(), index.documents()),
            Self::Clustered(index, _) => (index.postings(), index.documents()),
        };
        let mean = postings as f64 / documents.max(1) as f64;
        [
            ("postings", postings.to_string()),
            ("terms_per_document", format!("{mean:.1}")),
            ("bytes", self.bytes().to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clustered() -> Index {
        toml::from_str(
            "use = \"clustered\"\npostings = 4000\ncluster_fraction = 0.1\nsummary_energy = 0.4\nseed = 42\n\
             query_cut = 8\nheap_factor = 0.8",
        )
        .unwrap()
    }

    #[test]
    fn effort_is_no_part_of_what_is_built() {
        let (mut more, mut other) = (clustered(), clustered());
        let Index::Clustered { query_cut, heap_factor, .. } = &mut more else { unreachable!() };
        (*query_cut, *heap_factor) = (20, 0.9);
        let Index::Clustered { seed, .. } = &mut other else { unreachable!() };
        *seed = 43;
        assert_eq!(clustered().built(), more.built());
        assert_ne!(clustered().built(), other.built());
    }

    #[test]
    fn a_parameter_without_a_meaning_is_refused() {
        assert_eq!(clustered().check(), Ok(()));
        let mut index = clustered();
        let Index::Clustered { summary_energy, .. } = &mut index else { unreachable!() };
        *summary_energy = 1.5;
        let error = index.check().unwrap_err();
        assert_eq!(error, "`index`: summary_energy = 1.5: expected above 0, at most 1");
    }
}
