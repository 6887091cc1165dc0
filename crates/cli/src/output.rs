//! What is printed, and how the program ends where it cannot be.
//!
//! A reader of standard output that goes away (`nir list | head -1`) ends the program without a word, with the status
//! that a shell gives to programs that end so, 141. Any other failure to print is an error. What is told on standard
//! error is no result: where it cannot be written, the work goes on.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use nir_data::{OpenError, unfinished};

/// The exit status after a closed pipe: 128 and the number of SIGPIPE, as a shell gives it.
const CLOSED_PIPE: u8 = 141;

/// Prints all bytes to standard output, or returns the error.
pub(crate) fn print(bytes: impl AsRef<[u8]>) -> Result<()> {
    let mut out = io::stdout().lock();
    flushed(out.write_all(bytes.as_ref()).and_then(|()| out.flush()))
}

fn flushed(written: io::Result<()>) -> Result<()> {
    written.map_err(|source| OpenError { path: "standard output".into(), source }.into())
}

/// Writes a file so that it is complete or does not exist.
pub(crate) fn write_whole(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    Ok(nir_data::write_whole(path, |file| file.write_all(content.as_ref()))?)
}

/// Like `print!`, but returns an error where that panics.
macro_rules! out {
    ($($arguments:tt)*) => { $crate::output::print(format!($($arguments)*)) };
}

/// Like `println!`, but returns an error where that panics.
macro_rules! outln {
    ($($arguments:tt)*) => { $crate::output::print(format!($($arguments)*) + "\n") };
}

/// Like `eprint!`, but ignores an error.
macro_rules! err {
    ($($arguments:tt)*) => { $crate::output::tell(format_args!($($arguments)*), "") };
}

/// Like `eprintln!`, but ignores an error.
macro_rules! errln {
    ($($arguments:tt)*) => { $crate::output::tell(format_args!($($arguments)*), "\n") };
}

pub(crate) use {err, errln, out, outln};

/// Writes to standard error in one piece.
pub(crate) fn tell(text: Arguments<'_>, end: &str) {
    let _ = io::stderr().lock().write_all(format!("{text}{end}").as_bytes());
}

/// The exit status of the program. An error is printed, unless it is that nobody reads the output any more.
pub(crate) fn end(ended: Result<ExitCode>, failure: u8) -> ExitCode {
    // One that was caused by a signal is none: the signal ends the program.
    unfinished::wait_if_ending();
    ended.unwrap_or_else(|error| {
        if is_closed_pipe(&error) {
            return ExitCode::from(CLOSED_PIPE);
        }
        errln!("error: {}", message(&error));
        ExitCode::from(failure)
    })
}

/// The text of an error with its causes. A cause that the error's own text already tells is left out.
fn message(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Prints help, the version, or what is wrong with a command line, and returns the exit status.
pub(crate) fn usage(message: &clap::Error) -> ExitCode {
    let printed = message.print().and_then(|()| io::stdout().flush());
    let status = u8::try_from(message.exit_code()).unwrap_or(1);
    match message.use_stderr() {
        true => ExitCode::from(status),
        false => end(flushed(printed).map(|()| ExitCode::from(status)), 1),
    }
}

/// Whether an error is a closed pipe. Only standard output and files that the user names can be pipes.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let is = |error: &OpenError| error.source.kind() == ErrorKind::BrokenPipe;
    error.chain().filter_map(|cause| cause.downcast_ref()).any(is)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    fn refused(kind: ErrorKind) -> anyhow::Error {
        OpenError { path: "a.run".into(), source: io::Error::new(kind, "why") }.into()
    }

    #[test]
    fn a_cause_is_told_once() {
        let error = Err::<(), _>(refused(ErrorKind::Other)).context("first").unwrap_err();
        assert_eq!(message(&error), "first: a.run: why");
    }

    #[test]
    fn only_what_is_written_to_can_be_a_closed_pipe() {
        let of_a_server = anyhow::Error::from(io::Error::from(ErrorKind::BrokenPipe));
        assert!(!is_closed_pipe(&of_a_server.context("fetching")));
        assert!(is_closed_pipe(&refused(ErrorKind::BrokenPipe).context("somewhere")));
        assert!(!is_closed_pipe(&refused(ErrorKind::StorageFull)));
    }
}
