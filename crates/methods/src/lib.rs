//! The algorithms: one file each, one folder for each family.
//!
//! A config's `[[stage]]` names an algorithm in `use`; [`ALGORITHMS`] says which there are. Its file holds everything
//! about it: the paper, the equations, the `Config` a user writes, the code, the tests.

pub mod candidates;
pub mod cross_encoder;
pub mod dense;
pub mod efficient;
pub mod expansion;
pub mod feedback;
pub mod hybrid;
pub mod language_model;
pub mod late;
pub mod lexical;
pub mod likelihood;
pub mod prompting;
pub mod run;
pub mod seq2seq;
pub mod sparse;
pub mod stored_expansions;
pub mod stored_texts;
pub mod weighting;

mod explanation;
mod model;
mod pipeline;
mod prompted;
mod reader;
mod recipe;
mod registry;
mod retriever;
mod shards;
mod term_vector;
mod term_weights;
#[cfg(test)]
mod testing;
mod text_vector;
mod texts_read;
#[cfg(test)]
mod tiny;

pub use explanation::Explanation;
pub use model::{ModelSource, Vocabulary};
pub use pipeline::{ShapeError, check_shapes};
pub use reader::Texts;
pub use recipe::{Algorithm, Context, Recipe, Resources, Shape, Stage};
pub use registry::{ALGORITHMS, Entry, Registry, UnknownAlgorithm};
pub use retriever::{Encoder, retriever};
pub use shards::Effort;
