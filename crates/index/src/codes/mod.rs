//! Vectors as codes of few bytes, and inverted files of them.
//!
//! A [`Code`] says how rows are stored and scored: [`ProductQuantiser`] with eight bits for each piece, [`FastScan`]
//! with four, [`ScalarQuantiser`] a byte for each component, [`SignBits`] a bit. [`Ivf`] sorts codes into lists and searches some of them; it scores its candidates
//! again if asked. Everything is trained on a sample, written row by row, and mapped.

mod binary;
mod code;
mod fast_scan;
mod ivf;
mod kmeans;
mod pq;
mod rotation;
mod scalar;

pub use binary::{SignBits, SignedQuery};
pub use code::{Code, Reader};
pub use fast_scan::{FastScan, FastTables};
pub(crate) use ivf::largest;
pub use ivf::{Ivf, IvfWriter, Layout, Probe, Rescore};
pub use kmeans::{Centroids, KMeans, Nearest};
pub use pq::{OpqTraining, PqTraining, ProductQuantiser, Tables};
pub use rotation::Rotation;
pub use scalar::{ScalarQuantiser, ScaledQuery};
