//! Runs methods over collections: a config becomes a pipeline, a pipeline over a dataset becomes a ranking, its measures
//! and its cost.
//!
//! What the command `nir run` does is this much of a program:
//!
//! ```
//! use std::sync::Arc;
//! use nir_core::Silent;
//! use nir_engine::{Engine, Home, Options};
//! use nir_methods::Registry;
//!
//! # fn main() -> anyhow::Result<()> {
//! # let folder = tempfile::tempdir()?;
//! let home = Home::carried(); // or Home::find(None)?, which adds the folder of one's own
//! let (library, datasets) = (home.library(Registry::builtin())?, home.datasets()?);
//! let options = Options { cache: Some(folder.path().to_owned()), ..Options::default() };
//! let engine = Engine::new(&home, options, Arc::new(Silent))?;
//! let bm25 = library.pipeline("lexical/bm25")?;
//! let toy = engine.dataset(datasets.get("toy")?)?;
//! let outcome = engine.run(&bm25, &toy)?;
//! let ndcg = outcome.cell.measures["nDCG@10"].value;
//! assert!(ndcg > 0.5 && outcome.run()?.len() == toy.data.queries.len());
//! # Ok(())
//! # }
//! ```
//!
//! | file            | holds                                                                                     |
//! |-----------------|-------------------------------------------------------------------------------------------|
//! | `home.rs`       | where things are: what the program carries, and a folder of one's own                      |
//! | `library.rs`    | what can be run: configs, and the algorithms that they name                                |
//! | `pipeline.rs`   | a method's config, read and checked                                                        |
//! | `rerank_run.rs` | a method over a run file in place of its first stages                                         |
//! | `engine.rs`     | what an engine has, and what it is given: documents and queries                            |
//! | `bind.rs`, `workshop.rs` | stages bound to a collection, and what they borrow while they are built           |
//! | `rank.rs`, `kept.rs` | rankings: found in the cache, or made and kept with what they cost                     |
//! | `stages.rs`, `journal.rs` | the stages of a pipeline over all queries; what a stopped run had reranked         |
//! | `expansion.rs`   | an expanded collection, made block by block                                                |
//! | `windows.rs`     | a stage behind passages of long documents                                                  |
//! | `keys.rs`       | the names of rankings in the cache                                                         |
//! | `cache.rs`      | the kinds of things that are kept                                                          |
//! | `models.rs`     | where weights come from                                                                    |
//! | `checkpoint.rs` | a checkpoint as a method                                                                   |
//! | `measure.rs`    | from a ranking to a result                                                                 |
//! | `cost.rs`, `provenance.rs` | what a run took, and where it comes from                                       |
//! | `tune.rs`, `tuned.rs` | parameters chosen on training queries, and never measured on them               |
//! | `ask.rs`, `sweep.rs`, `anew.rs` | single queries; a structure measured alone; runs that nothing is kept of  |

mod anew;
mod ask;
mod bind;
mod cache;
mod carried;
pub mod checkpoint;
mod cost;
mod engine;
mod expansion;
mod home;
mod journal;
mod kept;
mod keys;
mod library;
mod measure;
mod models;
mod pipeline;
mod progress;
mod provenance;
mod rank;
mod rerank_run;
mod servers;
mod stages;
mod sweep;
mod tune;
mod tuned;
mod windows;
mod workshop;

pub use anew::{Fresh, Work};
pub use ask::{Answer, Hit};
pub use cache::{Cache, KINDS, Kind, RUN, Tell};
pub use engine::{Engine, Options, Target, official_measures};
pub use home::Home;
pub use kept::MADE_WITH;
pub use keys::versions;
pub use library::Library;
pub use measure::{Column, Outcome, judged};
pub use models::{Models, Sought};
pub use pipeline::{Pipeline, Step};
pub use provenance::{
    COMMIT, Facts, Made, Memory, Origins, RUSTC, build, cores, cpu, device, libraries, memory,
    provenance,
};
pub use rank::Finished;
pub use sweep::Searched;
pub use tune::{Choice, Grid, Point, TUNED, Validated, best, cross_validate, folds};
pub use tuned::{check_not_tuned_on, fingerprint};
pub use windows::Cut;
