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

/// The name of the file that the recipe writes, in the recipe's folder.
pub const FILE: &str = "clusters.tsv";

/// A recipe that groups queries into clusters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The task: always `clusters`.
    pub task: Task,
    /// One sentence that says what the recipe makes.
    pub summary: String,
    /// The seed of the choice of the first centroids.
    pub seed: u64,
    /// The file of vectors that a recipe of the task `vectors` wrote, as a path below the folder of models.
    pub vectors: PathBuf,
    /// The number of clusters.
    pub count: usize,
    /// The number of iterations of Lloyd's algorithm.
    pub rounds: usize,
}

impl Recipe {
    /// Clusters the queries, writes `clusters.tsv` with lines `query_id TAB cluster`, and returns its path.
    ///
    /// # Errors
    ///
    /// If the vectors cannot be read, there are fewer of them than clusters, or the file cannot be written.
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
