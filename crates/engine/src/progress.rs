//! Progress that can be hushed: single queries are timed without a word.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nir_core::{Progress, Task};

/// Announces steps, except during [`Hushable::hushed`].
pub(crate) struct Hushable {
    progress: Arc<dyn Progress>,
    hushed: AtomicBool,
}

impl Hushable {
    pub(crate) fn new(progress: Arc<dyn Progress>) -> Self {
        Self { progress, hushed: AtomicBool::new(false) }
    }

    /// Runs `work` without announcing its steps.
    pub(crate) fn hushed<T>(&self, work: impl FnOnce() -> T) -> T {
        self.hushed.store(true, Ordering::Relaxed);
        let result = work();
        self.hushed.store(false, Ordering::Relaxed);
        result
    }
}

impl Progress for Hushable {
    fn begin(&self, what: &str, unit: &'static str, total: u64) -> Box<dyn Task> {
        match self.hushed.load(Ordering::Relaxed) {
            true => Box::new(nir_core::Silent),
            false => self.progress.begin(what, unit, total),
        }
    }
}
