//! How long steps report their progress.

/// Where long steps are announced. The command line draws bars; tests and libraries use [`Silent`].
pub trait Progress: Send + Sync {
    /// Announces a step of `total` units (`documents`, `bytes`, `queries`); it ends when the task is dropped.
    fn begin(&self, what: &str, unit: &'static str, total: u64) -> Box<dyn Task>;
}

/// A step under way.
pub trait Task: Send + Sync {
    /// Reports that `units` more units of the step are done.
    fn advance(&self, units: u64);
}

/// A [`Progress`] that reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _what: &str, _unit: &'static str, _total: u64) -> Box<dyn Task> {
        Box::new(Silent)
    }
}

impl Task for Silent {
    fn advance(&self, _units: u64) {}
}
