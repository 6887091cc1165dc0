//! What search structures and networks share: inner loops on vector instructions, the best of a stream of scores, and
//! files that are mapped into memory.
//!
//! ```text
//! Simd         the instruction set, detected once; `NIR_SIMD` narrows it
//! Lanes, Job   a register of floats, and work that is compiled once for each instruction set
//! dot          inner products of rows as they are stored: `f32`, `f16`, `bf16`, bytes
//! tiles        products of rows with packed weights, and `Panels`, a packed set of vectors
//! codes        sums over codes of bits and of four bits
//! Top          the best of a stream of scores
//! Frame        a file with a kind, a version and checksums; Sections, one of several parts
//! ```
//!
//! All instructions that not every processor has are in this crate, and so is the code that must say `unsafe` for them.
//!
//! ```
//! use nir_kernels::{Simd, Top};
//!
//! let rows: [[f32; 3]; 4] = [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 3.0]];
//! let query = [1.0, 1.0, 0.0];
//! let mut top = Top::new(2);
//! for (row, vector) in (0..).zip(&rows) {
//!     top.offer(row, Simd::get().dot(&query, vector));
//! }
//! assert_eq!(top.rows(), [0, 1]); // scores 1, 2, 1, 0: of the two that are tied, the smaller row
//! ```

// A kernel that is not inlined into a function with wide instructions is compiled without them.
#![allow(clippy::inline_always, reason = "it is compiled anew for each instruction set")]

pub mod codes;
mod dot;
mod frame;
mod halves;
mod lanes;
mod panels;
mod sections;
mod simd;
pub mod tiles;
mod top;

pub use frame::{Fields, Frame, FrameError, FrameWriter};
pub use lanes::{Element, Job, Lanes, Register, total};
pub use panels::Panels;
pub use sections::{Sections, SectionsWriter};
pub use simd::Simd;
pub use top::{Hit, Top};
