//! SIGINT, SIGTERM and SIGHUP: what is being made is removed, then the signal does what it does by default.
//!
//! A shell reports 130, 143 or 129, and knows that it was the signal that ended the program.

#[cfg(unix)]
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// From now on, a signal that ends the program first removes unfinished files. A second signal ends it at once.
#[cfg(unix)]
pub(crate) fn listen() -> std::io::Result<()> {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    let ending = Arc::new(AtomicBool::new(false));
    // What `nohup` or a shell's `&` has told the program to ignore stays ignored.
    let heard: Vec<i32> =
        [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_ignored(signal)).collect();
    for &signal in &heard {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&ending))?;
    }
    let mut signals = signal_hook::iterator::Signals::new(&heard)?;
    let handle = move || {
        for signal in signals.forever() {
            ending.store(true, Ordering::SeqCst);
            end(signal);
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(handle).map(drop)
}

#[cfg(not(unix))]
pub(crate) fn listen() -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn end(signal: i32) {
    nir_data::unfinished::remove_all();
    // Returns only where the system shields the process from it, as it does the first one of a container.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    std::process::exit(128 + signal);
}

#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action `sigaction` changes nothing; where it returns 0 it has filled in `action`, which is
    // read only then.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
