//! The allocator, and what training asks of it.

use mimalloc::MiMalloc;

/// Training makes and drops megabytes at every operator: the system's allocator gives each back, and gets it cleared anew.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h, for which its bindings have no name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Prepares the process for training; to be called before there is a second thread.
///
/// Freed pages are kept, as the next step asks for as many: clearing new ones was a tenth of the time. And candle's own
/// threads, which wait for work by spinning beside the threads that have some, are left out.
pub(crate) fn prepare_for_training() {
    // SAFETY: the option is a number that the allocator reads later; -1 is for no purging.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
    if std::env::var_os("CANDLE_NUM_THREADS").is_none() {
        // SAFETY: the one other thread there is now waits for signals and reads no environment.
        unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    }
}
