//! Topics of queries, for batches whose queries are alike.
//! Hofstätter et al., SIGIR 2021, §3.2 (`hofstatter2021tasb`): k-means over the vectors of a retriever that is there already.

use std::io::Write;
use std::path::PathBuf;

use candle_core::Device;
use nir_data::write_whole;
use nir_index::codes::KMeans;
use serde::{Deserialize, Serialize};

use crate::recipe::Task;
use crate::vectors::Stored;
use crate::{Error, Folders, Result};

/// The name of the file in the folder of the recipe.
pub const FILE: &str = "clusters.tsv";

/// A recipe for clusters of queries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Always `clusters`.
    pub task: Task,
    /// One sentence on what it makes.
    pub summary: String,
    /// Decides which queries the centroids begin at.
    pub seed: u64,
    /// What a recipe of the task `vectors` wrote, below the folder of models.
    pub vectors: PathBuf,
    /// How many clusters.
    pub count: usize,
    /// How often Lloyd's two steps are taken.
    pub rounds: usize,
}

impl Recipe {
    /// Writes `clusters.tsv`, lines `query_id TAB cluster`, and returns it.
    pub fn make(&self, folders: &Folders<'_>) -> Result<PathBuf> {
        let stored = Stored::load(&folders.models.join(&self.vectors), &Device::Cpu)?;
        let (names, vectors) = stored.queries;
        if self.count == 0 || names.len() < self.count {
            return Err(Error::Unfit(format!(
                "`count` = {}: expected 1 to {}, the number of queries",
                self.count,
                names.len()
            )));
        }
        let (dim, rows) = (vectors.dim(1)?, vectors.flatten_all()?.to_vec1::<f32>()?);
        let _task = folders.progress.begin("queries to cluster", "queries", names.len() as u64);
        let (centroids, iterations, seed) = (self.count, self.rounds, self.seed);
        let found =
            KMeans { centroids, iterations, seed, unit: true }.train(&rows, dim).assign(&rows);
        let path = folders.output.join(FILE);
        write_whole(&path, |file| {
            names
                .iter()
                .zip(&found)
                .try_for_each(|(name, nearest)| writeln!(file, "{name}\t{}", nearest.centroid))
        })?;
        Ok(path)
    }
}
