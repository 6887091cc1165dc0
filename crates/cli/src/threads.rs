//! How many threads work.

use std::num::NonZeroUsize;

use anyhow::Result;

/// The number of threads, as a command takes it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The number of threads; if not given, one for each core. What is made does not depend on it.
    #[arg(long, value_name = "N", value_parser = number)]
    threads: Option<NonZeroUsize>,
}

fn number(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "expected a whole number of at least 1")
}

impl Args {
    /// Starts as many threads, before anything else runs on one.
    pub(crate) fn start(&self) -> Result<()> {
        let Some(threads) = self.threads else { return Ok(()) };
        Ok(rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global()?)
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn there_is_at_least_one_thread() {
        assert_eq!(number("2").map(usize::from), Ok(2));
        assert_eq!(number("0"), number("two"));
        assert!(number("0").is_err());
    }
}
