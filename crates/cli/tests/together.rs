//! Two programs that want the same thing at once: they share the work, and each makes a part of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;

use common::Nir;

/// The names of what a cache holds of a kind.
fn names(nir: &Nir, kind: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(nir.path("cache").join(kind)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn two_programs_encode_a_collection_together() {
    const RUN: [&str; 5] = ["run", "dense/dpr-pocket", "--on", "pocket", "--run"];
    let (alone, both) = (Nir::new(), Nir::new());
    alone.run(&[&RUN[..], &["run.trec"]].concat()).ok();
    let start = |file: &str| {
        let arguments = [&RUN[..], &[file]].concat();
        both.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut programs = [start("one.trec"), start("two.trec")];
    assert!(programs.iter_mut().all(|program| program.wait().unwrap().success()));
    let read = |nir: &Nir, file: &str| fs::read(nir.path(file)).unwrap();
    let expected = read(&alone, "run.trec");
    assert!(read(&both, "one.trec") == expected && read(&both, "two.trec") == expected);
    assert_eq!(names(&both, "vectors"), names(&alone, "vectors"));
    assert_eq!(names(&both, "runs"), names(&alone, "runs"));
}
