//! The allocator, and what training asks of it.

use mimalloc::MiMalloc;

/// Training allocates and frees megabytes in every operator. The system's allocator returns each to the system and gets
/// it back cleared, so this program uses mimalloc, which keeps them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The number of `mi_option_purge_delay` in mimalloc.h, for which the Rust bindings have no name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Prepares the process for training. Must be called before a second thread starts.
///
/// Freed pages are kept, because the next step allocates as many; clearing new ones took a tenth of the time. Candle's
/// own threads, which wait for work by spinning and so take time from the threads that work, are not started.
pub(crate) fn prepare_for_training() {
    // SAFETY: the option is a number that the allocator reads later; -1 is for no purging.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
    if std::env::var_os("CANDLE_NUM_THREADS").is_none() {
        // SAFETY: the one other thread there is now waits for signals and reads no environment.
        unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    }
}
