//! What a process does when it is told to end. A program of its own: nothing can be begun after it.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail like a test")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;

use nir_data::unfinished::{self, Guard};
use nir_data::write_whole;

fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into());
    let mut names: Vec<PathBuf> = entries.collect();
    names.sort();
    names
}

#[test]
fn what_is_half_written_is_removed_and_what_was_there_stays() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("run.trec");
    write_whole(&path, |file| file.write_all(b"old")).unwrap();
    let folder = Guard::new(root.path().join("work"));
    fs::create_dir(folder.path()).unwrap();
    fs::write(folder.path().join("half"), "").unwrap();

    let (begun, is_begun) = channel();
    let (written, is_written) = channel();
    let (go_on, is_to_go_on) = channel::<()>();
    thread::spawn({
        let path = path.clone();
        move || {
            let half = write_whole(&path, |file| {
                file.write_all(b"half")?;
                begun.send(()).unwrap();
                is_to_go_on.recv().unwrap();
                file.write_all(b"whole")
            });
            written.send(half).unwrap();
        }
    });
    is_begun.recv().unwrap();
    assert_eq!(names(root.path()).len(), 3, "the file, its neighbour and the folder");
    unfinished::remove_all();
    assert_eq!(names(root.path()), [Path::new("run.trec")]);
    // The thread cannot finish any more, and says nothing: the process ends.
    go_on.send(()).unwrap();
    assert!(is_written.recv_timeout(std::time::Duration::from_millis(300)).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"old");
    std::mem::forget(folder);
}
