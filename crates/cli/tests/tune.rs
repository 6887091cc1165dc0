//! Parameters chosen on training queries, and never measured on them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use common::Nir;

const TUNE: [&str; 8] = [
    "tune",
    "lexical/bm25",
    "--try",
    "k1=0.6,0.9,1.2",
    "--try",
    "b=0.4..0.8:0.4",
    "--on",
    "pocket",
];

fn tuned(nir: &Nir, more: &[&str]) -> String {
    nir.run(&[&TUNE[..], &["--out", "mine/tuned.toml"], more].concat()).ok()
}

#[test]
fn the_best_combination_is_written_with_its_curve_and_where_it_comes_from() {
    let nir = Nir::new();
    let text = tuned(&nir, &[]);
    assert!(text.contains("pocket: ") && text.contains("6 combinations"), "{text}");
    assert!(text.contains("5-fold cross-validation: nDCG@10 "), "{text}");
    let curve = fs::read_to_string(nir.path("mine/tuned.curve.tsv")).unwrap();
    let means: Vec<f64> = curve
        .lines()
        .skip(1)
        .map(|line| line.rsplit('\t').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!((means.len(), curve.lines().next()), (6, Some("k1\tb\tnDCG@10")));
    let best = means.iter().copied().fold(f64::MIN, f64::max);
    assert!(text.contains(&format!("nDCG@10 = {best:.4} on the training queries")), "{text}");
    let config = fs::read_to_string(nir.path("mine/tuned.toml")).unwrap();
    for part in
        ["[tuned]", "on = \"pocket\"", "combinations = 6", "queries = \"tuned.queries.tsv\""]
    {
        assert!(config.contains(part), "{part}: {config}");
    }
    assert!(!config.contains("[[claim]]"), "{config}");
    // The mean of the curve is that of a run with these values.
    let at = means.iter().position(|&mean| mean == best).unwrap();
    let line = curve.lines().nth(at + 1).unwrap();
    let values: Vec<&str> = line.split('\t').collect();
    assert!(
        config.contains(&format!("k1 = {}", values[0]))
            && config.contains(&format!("b = {}", values[1]))
    );
    // The same arguments give the same files.
    fs::remove_file(nir.path("mine/tuned.toml")).unwrap();
    tuned(&nir, &[]);
    assert_eq!(fs::read_to_string(nir.path("mine/tuned.toml")).unwrap(), config);
}

#[test]
fn a_tuned_method_is_not_measured_on_its_training_queries() {
    let nir = Nir::new();
    tuned(&nir, &["--random", "2", "--seed", "3"]);
    let error = nir.run(&["run", "mine/tuned.toml", "--on", "pocket"]).error();
    assert!(error.contains("are those that its parameters were chosen on (pocket)"), "{error}");
    nir.run(&["run", "mine/tuned.toml", "--on", "toy"]).ok();
    // One training query in other words of case and space is enough.
    let queries = fs::read_to_string(nir.path("mine/tuned.queries.tsv")).unwrap();
    assert!(
        queries.starts_with("query_id\ttext\tfold\tbefore\tbest\theld_out\nq001\t"),
        "{queries}"
    );
    let found =
        nir.run(&["search", "lexical/bm25", "--query-id", "q001", "--on", "pocket", "--json"]).ok();
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let text = found["query"]["text"].as_str().unwrap().to_uppercase();
    nir.write("docs.tsv", "d1\tgreen tea\n");
    nir.write("q.tsv", &format!("1\t{text}\n2\tgreen tea\n"));
    nir.write("qrels.txt", "1 0 d1 1\n2 0 d1 1\n");
    let own = [
        "run",
        "mine/tuned.toml",
        "--corpus",
        "docs.tsv",
        "--queries",
        "q.tsv",
        "--qrels",
        "qrels.txt",
    ];
    let error = nir.run(&own).error();
    assert!(error.contains("1 of 2 queries of "), "{error}");
    fs::remove_file(nir.path("mine/tuned.queries.tsv")).unwrap();
    let error = nir.run(&["run", "mine/tuned.toml", "--on", "toy"]).error();
    assert!(error.contains("which cannot be read: put the file back, or tune anew"), "{error}");
}

#[test]
fn lists_in_a_file_are_what_is_tried() {
    let nir = Nir::new();
    nir.run(&[
        "new",
        "method",
        "feedback/mine",
        "--like",
        "feedback/bm25-rm3",
        "--out",
        "mine.toml",
    ])
    .ok();
    let text = fs::read_to_string(nir.path("mine.toml")).unwrap();
    let lists = text.replace("original_weight = 0.5", "original_weight = [0.5, 0.7]");
    assert_ne!(lists, text);
    nir.write("mine.toml", &lists);
    let error = nir.run(&["run", "mine.toml", "--on", "pocket"]).error();
    assert!(error.contains("mine.toml:") && error.contains("invalid type: sequence"), "{error}");
    let tuned = nir
        .run(&[
            "tune",
            "mine.toml",
            "--on",
            "pocket",
            "-m",
            "AP",
            "--folds",
            "3",
            "--out",
            "out.toml",
        ])
        .ok();
    assert!(
        tuned.contains("original_weight = 0.5") && tuned.contains("3-fold cross-validation: AP"),
        "{tuned}"
    );
}

#[test]
fn what_cannot_be_tuned_is_refused_before_anything_runs() {
    let nir = Nir::new();
    let refused = |arguments: &[&str], expected: &str| {
        let error = nir.run(&[&["tune", "lexical/bm25"][..], arguments].concat()).error();
        assert!(error.contains(expected), "{error}");
    };
    refused(&["--on", "pocket", "--out", "t.toml"], "has no list to choose from");
    refused(
        &["--on", "pocket", "--out", "t.json", "--try", "k1=1"],
        "expected the name of a config",
    );
    refused(
        &["--on", "pocket", "--out", "t.toml", "--try", "k2=1"],
        "`k2` is no parameter of `lexical/bm25`, did you mean k1?",
    );
    refused(
        &["--on", "toy", "--out", "t.toml", "--try", "k1=1,2", "--folds", "4"],
        "too few for 4 folds",
    );
    nir.write("t.toml", "");
    refused(&["--on", "pocket", "--out", "t.toml", "--try", "k1=1"], "is there already");
}
