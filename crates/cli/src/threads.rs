//! How many threads work.

use std::num::NonZeroUsize;

use anyhow::Result;

/// The number of threads, as a command takes it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The number of threads; if not given, one for each core. What is made does not depend on it.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl Args {
    /// Starts as many threads, before anything else runs on one.
    pub(crate) fn start(&self) -> Result<()> {
        let Some(threads) = self.threads else { return Ok(()) };
        Ok(rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global()?)
    }
}
