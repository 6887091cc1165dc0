//! Lists of codes over vectors: learned from a sample, written, opened.

use std::path::Path;

use nir_core::{Corpus, Ranking, Result, Version};
use serde::{Deserialize, Serialize};

use crate::codes::{
    Code, FastScan, Ivf, IvfWriter, KMeans, Layout, OpqTraining, PqTraining, Probe,
    ProductQuantiser, ScalarQuantiser, SignBits,
};
use crate::{Matrix, versions};

/// How a vector is encoded in a list.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "use", rename_all = "snake_case", deny_unknown_fields)]
pub enum Codes {
    /// Product quantisation after a learned rotation: four bits for each piece.
    Pq {
        /// The number of pieces that a vector is cut into.
        pieces: usize,
        /// Components after the rotation: a multiple of the pieces.
        rotation: usize,
    },
    /// Scalar quantisation: one byte for each component.
    Int8 {},
    /// One bit for each component, its sign.
    Sign {},
}

impl Codes {
    pub(super) fn version(&self) -> Version {
        match self {
            Self::Pq { .. } => versions::PQ,
            Self::Int8 {} => versions::MATRIX, // the bytes of a file of vectors
            Self::Sign {} => versions::BINARY,
        }
    }

    /// Checks the parameters; the error says what is wrong.
    pub(super) fn check(&self) -> std::result::Result<(), String> {
        match *self {
            Self::Pq { pieces, rotation } if pieces == 0 || rotation % pieces != 0 => {
                Err(format!("`index`: a rotation to {rotation} does not cut into {pieces} pieces"))
            }
            _ => Ok(()),
        }
    }
}

/// The number of iterations of Lloyd's algorithm, for lists and for codes.
const ITERATIONS: usize = 10;
/// The number of centroids of a piece: as many as four bits can number.
const CENTROIDS: usize = 16;

/// The vectors and the parameters that lists and codes are learned from.
pub(super) struct Learner<'a> {
    matrix: &'a Matrix,
    lists: usize,
    seed: u64,
    /// Vectors that are spread evenly over the collection.
    rows: Vec<f32>,
}

impl<'a> Learner<'a> {
    pub(super) fn new(matrix: &'a Matrix, lists: usize, sample: usize, seed: u64) -> Result<Self> {
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

    /// Learns lists and code, and writes every vector of the matrix into its list.
    pub(super) fn write(&self, path: &Path, code: &Codes) -> Result<()> {
        let dim = self.matrix.dim();
        match *code {
            Codes::Pq { pieces, rotation } => {
                self.write_as(path, FastScan::new(self.product(pieces, rotation)?))
            }
            Codes::Int8 {} => self.write_as(path, ScalarQuantiser::train(&self.rows, dim)),
            Codes::Sign {} => self.write_as(path, SignBits::new(dim)),
        }
    }

    fn product(&self, pieces: usize, rotation: usize) -> Result<ProductQuantiser> {
        let (dim, count) = (self.matrix.dim(), self.rows.len() / self.matrix.dim());
        if count < CENTROIDS {
            return Err(format!(
                "{CENTROIDS} codes for each piece cannot be learned from {count} vectors (of {} documents): take the code \
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
        let (centroids, seed) = (CENTROIDS, self.seed);
        let training = PqTraining { pieces, centroids, iterations: ITERATIONS, rotation, seed };
        Ok(training.train(&self.rows, dim))
    }

    fn write_as<C: Code>(&self, path: &Path, code: C) -> Result<()> {
        let (centroids, seed) = (self.lists, self.seed);
        let kmeans = KMeans { centroids, iterations: ITERATIONS, seed, unit: true };
        let coarse = kmeans.train(&self.rows, self.matrix.dim());
        let mut writer = IvfWriter::create(path, Layout { coarse, code, residual: false })?;
        (0..self.matrix.len()).try_for_each(|row| writer.push(&self.matrix.row(row)))?;
        writer.finish()?;
        Ok(())
    }
}

/// An open inverted file with any code.
pub(super) enum Lists {
    Pq(Ivf<FastScan>),
    Int8(Ivf<ScalarQuantiser>),
    Sign(Ivf<SignBits>),
}

/// Runs the same expression for an inverted file with any code.
macro_rules! of_any_code {
    ($lists:expr, $found:ident => $does:expr) => {
        match $lists {
            Lists::Pq($found) => $does,
            Lists::Int8($found) => $does,
            Lists::Sign($found) => $does,
        }
    };
}

impl Lists {
    pub(super) fn open(path: &Path, code: &Codes) -> Result<Self> {
        Ok(match code {
            Codes::Pq { .. } => Self::Pq(Ivf::open(path)?),
            Codes::Int8 {} => Self::Int8(Ivf::open(path)?),
            Codes::Sign {} => Self::Sign(Ivf::open(path)?),
        })
    }

    /// The best `depth` documents of each query, `[n, dim]`.
    pub(super) fn search(
        &self,
        queries: &[f32],
        depth: usize,
        probe: Probe<'_>,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        of_any_code!(self, lists => lists.search_many(queries, depth, probe, corpus))
    }

    pub(super) fn bytes(&self) -> u64 {
        of_any_code!(self, lists => lists.bytes())
    }
}
