//! Folders that cost time to make: each made once, whole or not at all, verified when it is read, and shared between
//! threads, processes, containers and machines.
//!
//! ```text
//! <root>/<kind>/<folder>/              files and manifest.json: finished
//! <root>/work/<random>/, <random>.lock being made; the lock is held by the process that makes it
//! <root>/claims/<kind>-<folder>.lock   held while one process makes that folder, and the others wait
//! <root>/verified/<kind>-<folder>      which large files were read through since the machine started
//! <root>/damaged/<kind>-<folder>-<random>/  what was found changed, set aside
//! ```
//!
//! Four rules make this safe:
//!
//! - **A finished folder has a manifest**, which is written last and holds the length and the BLAKE3 digest of every
//!   file. Files, folder and parent are on disk (`fsync`) before and after the rename that gives the folder its name,
//!   so a power cut leaves it whole or not there.
//! - **Nothing is believed unread.** Small files are compared with the manifest at every use. Large ones are read
//!   through at their first use after the machine started, and again when inode, length or a time of the file changed.
//! - **What is being made has a random name and a held lock.** A process removes what another left only if it can take
//!   that lock, which ends with its owner. Locks of another machine may not be visible here, as on some network file
//!   systems: there an owner shows that it lives by touching its lock, and is left alone for a day of silence.
//! - **A folder that is changed is set aside** and made anew; it is never read and never silently deleted.
//!
//! This crate knows nothing of retrieval. Its example:
//!
//! ```
//! use nir_cache::{Cache, CacheError, Name};
//!
//! let root = tempfile::tempdir().unwrap();
//! let cache = Cache::at(root.path());
//! let name = Name::new("sums", "1 + 1");
//! let made = cache.make::<CacheError>(&name, "one and one", |folder| {
//!     std::fs::write(folder.join("sum.txt"), "2").map_err(CacheError::at(folder))
//! })?;
//! assert_eq!(std::fs::read_to_string(made.file("sum.txt")).unwrap(), "2");
//! assert!(cache.get(&name)?.is_some(), "and the next process finds it");
//! # Ok::<(), CacheError>(())
//! ```

mod cache;
mod claim;
mod error;
mod lock;
mod manifest;
mod stamp;
pub mod unfinished;
mod work;

pub use cache::{Cache, Found, Item, Name, Tell, size};
pub use error::CacheError;
pub use lock::Owner;
pub use manifest::{FileRecord, MANIFEST, Manifest};
