//! A user's own files as they come: what is read, what is said of it, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Finished, Nir};

/// `nir run lexical/bm25` over these files, with the ranking on standard output.
fn run(files: &[(&str, &str)], corpus: &str, qrels: Option<&str>) -> Finished {
    let nir = Nir::new();
    files.iter().for_each(|(name, text)| drop(nir.write(name, text)));
    run_in(&nir, corpus, qrels)
}

fn run_in(nir: &Nir, corpus: &str, qrels: Option<&str>) -> Finished {
    let mut arguments =
        vec!["run", "lexical/bm25", "--corpus", corpus, "--queries", "topics.mine.tsv"];
    arguments.extend(["-m", "RR@10", "--run", "-"]);
    arguments.extend(qrels.into_iter().flat_map(|qrels| ["--qrels", qrels]));
    nir.run(&arguments)
}

/// The lines of standard error that warn.
fn warnings(finished: &Finished) -> Vec<String> {
    let lines = finished.stderr();
    lines.lines().filter_map(|line| line.strip_prefix("warning: ")).map(str::to_owned).collect()
}

const QUERIES: (&str, &str) = ("topics.mine.tsv", "-1\tgreen tea\n#2\tcoffee\n");

#[test]
fn files_are_what_they_hold_and_not_what_they_are_called() {
    let trec =
        "<doc id='d1'><text>green tea</text></doc>\n<doc id='d2'><text>coffee</text></doc>\n";
    let json =
        "{\"id\": 1, \"contents\": \"green tea\"}\n\n{\"id\": 2, \"contents\": \"coffee\"}\n";
    for (corpus, qrels, ids) in [
        (trec, "query-id\tcorpus-id\tscore\n-1\td1\t1.0\n#2\td2\t2.0\n", ["d1", "d2"]),
        (json, "-1 0 1 1\n#2 0 2 1\n", ["1", "2"]),
    ] {
        let found =
            run(&[QUERIES, ("docs.txt", corpus), ("q.tsv", qrels)], "docs.txt", Some("q.tsv"));
        let ranking = found.ok();
        for (line, (query_id, doc_id)) in ranking.lines().zip([("-1", ids[0]), ("#2", ids[1])]) {
            assert!(line.starts_with(&format!("{query_id} Q0 {doc_id} 1 ")), "{ranking}");
        }
        assert!(found.stderr().contains("1.0000"), "both are found first: {}", found.stderr());
    }
}

#[test]
fn all_files_of_a_folder_are_documents() {
    let nir = Nir::new();
    nir.write(QUERIES.0, QUERIES.1);
    nir.write("disk/fr/fr1", "<DOC>\n<DOCNO>A</DOCNO>\ngreen tea\n</DOC>\n");
    nir.write("disk/ft/ft2", "<DOC>\n<DOCNO>B</DOCNO>\n<TEXT>coffee</TEXT>\n</DOC>\n");
    nir.write("disk/.hidden", "no document");
    let ranking = run_in(&nir, "disk", None).ok();
    assert!(ranking.starts_with("-1 Q0 A 1 ") && ranking.contains("\n#2 Q0 B 1 "), "{ranking}");
    nir.write("disk/readme", "These files are news.\n");
    let error = run_in(&nir, "disk", None).error();
    assert!(error.contains("disk/readme: neither content nor name tells the format"), "{error}");
}

#[test]
fn what_does_not_fit_is_counted_each_time() {
    let files = [
        QUERIES,
        ("docs.tsv", "id\ttext\nd1\tgreen tea\nd2\t\n"),
        ("qrels.txt", "-1 0 d1 1\n-1 0 d7 1\nq9 0 d8 1\n"),
    ];
    let nir = Nir::new();
    files.iter().for_each(|(name, text)| drop(nir.write(name, text)));
    let expected = [
        "docs.tsv: 1 header line names the columns, the first is `id TAB text`",
        "docs.tsv: 1 document has neither title nor text, the first is `d2`",
        "qrels.txt: 1 of 2 judged queries (first `q9`) are not in topics.mine.tsv: each counts 0",
        "topics.mine.tsv: 1 of 2 queries (first `#2`) have no judgement in qrels.txt and are not measured",
        "qrels.txt: 2 of 3 judged documents (first `d7`) are not in docs.tsv: none of them can be found",
    ];
    for _ in 0..2 {
        let found = run_in(&nir, "docs.tsv", Some("qrels.txt"));
        found.ok();
        assert_eq!(warnings(&found), expected, "imported now or before");
    }
}

#[test]
fn files_of_two_collections_are_refused() {
    let docs = ("docs.tsv", "d1\tgreen tea\n");
    let error = run(&[QUERIES, docs, ("q.txt", "x 0 d1 1\n")], "docs.tsv", Some("q.txt")).error();
    assert!(error.contains("q.txt: none of its 1 judged queries is in topics.mine.tsv"), "{error}");
    let error = run(&[QUERIES, docs, ("q.txt", "-1 0 D1 1\n")], "docs.tsv", Some("q.txt")).error();
    assert!(error.contains("q.txt: none of its 1 judged documents is in docs.tsv"), "{error}");
}

#[test]
fn a_run_and_judgements_that_hardly_fit_are_measured_aloud() {
    let nir = Nir::new();
    nir.write("beir.tsv", "query-id\tcorpus-id\tscore\n#1\td1\t1.0\nq2\td2\t1.0\n");
    nir.write("a.run", "#1 Q0 d0 1 2 t\n#1 Q0 d1 2 1 t\nq3 Q0 d1 1 1 t\n");
    let found = nir.run(&["eval", "-m", "RR@10", "--trec", "beir.tsv", "a.run"]);
    assert!(found.ok().contains("\t0.2500"), "(1/2 + 0) / 2: {}", found.stdout());
    assert_eq!(
        warnings(&found),
        [
            "a.run: 1 of 2 judged queries have no results here and count 0",
            "a.run: 1 of 2 queries have no judgement in beir.tsv and are left out"
        ]
    );
    // Both documents are judged, each for the other query.
    nir.write("b.run", "#1 Q0 d2 1 2 t\nq2 Q0 d1 1 2 t\n");
    let found = nir.run(&["eval", "beir.tsv", "b.run"]);
    found.ok();
    assert!(warnings(&found)[0].starts_with("b.run: not one document is judged in beir.tsv"));
}

#[test]
fn a_run_of_another_collection_or_of_nothing_is_refused() {
    let nir = Nir::new();
    nir.write("qrels.txt", "1 0 184 2\n2 0 12 1\n");
    nir.write("cacm.run", "1 Q0 CACM-0001 1 2 t\n2 Q0 CACM-0002 1 2 t\n");
    let error = nir.run(&["eval", "qrels.txt", "cacm.run"]).error();
    let expected = "cacm.run: no document of the run is judged in qrels.txt (the run's first is `CACM-0001`, the judged \
                    first is `184`); are these files of one collection?";
    assert!(error.contains(expected), "{error}");
    nir.write("empty.run", "");
    let error = nir.run(&["eval", "qrels.txt", "empty.run"]).error();
    assert!(error.contains("empty.run: no results: expected at least one line"), "{error}");
}

#[test]
fn nothing_to_search_and_nothing_to_ask_is_refused() {
    let error = run(&[QUERIES, ("docs.tsv", "")], "docs.tsv", None).error();
    assert!(error.contains("docs.tsv"), "{error}");
    let error =
        run(&[("topics.mine.tsv", ""), ("docs.tsv", "d1\ttea\n")], "docs.tsv", None).error();
    assert!(error.contains("topics.mine.tsv"), "{error}");
}

#[test]
fn a_method_that_finds_nothing_at_all_is_not_measured() {
    let nir = Nir::new();
    nir.write(QUERIES.0, "-1\tzebra\n#2\txylophone\n");
    nir.write("docs.tsv", "d1\tgreen tea\nd2\tcoffee\n");
    nir.write("q.txt", "-1 0 d1 1\n#2 0 d2 1\n");
    let error = run_in(&nir, "docs.tsv", Some("q.txt")).error();
    assert!(error.contains("found no document for any of the 2 judged queries"), "{error}");
    nir.write(QUERIES.0, "-1\tgreen\n#2\txylophone\n");
    let found = run_in(&nir, "docs.tsv", Some("q.txt"));
    found.ok();
    let said = "BM25: no results for 1 of 2 judged queries, which count 0";
    assert!(found.stderr().contains(said), "{}", found.stderr());
}

#[test]
fn answers_stand_in_the_place_of_judgements() {
    let nir = Nir::new();
    nir.write(QUERIES.0, QUERIES.1);
    nir.write("docs.tsv", "d1\tgreen tea of 1911\nd2\tcoffee\nd3\tgreen green tea tea\n");
    let answers = "{\"query_id\": \"-1\", \"answers\": [\"1911\"]}\n{\"query_id\": \"#2\", \"answers\": [\"Coffee\"]}\n";
    nir.write("answers.jsonl", answers);
    let files = ["--corpus", "docs.tsv", "--queries", QUERIES.0, "--gold-answers", "answers.jsonl"];
    let run = |more: &[&str]| nir.run(&[&["run", "lexical/bm25"], &files[..], more].concat());
    let measured = run(&["--run", "ours.run", "-m", "Accuracy@1", "-m", "Accuracy@2"]);
    // d3 stands before d1 for the first query; the second finds its only document.
    assert!(measured.ok().contains("0.5000"), "{}", measured.ok());
    assert!(measured.ok().contains("1.0000"), "{}", measured.ok());
    let eval = ["eval", "--corpus", "docs.tsv", "answers.jsonl", "ours.run"];
    let table = nir.run(&eval).ok();
    let lines: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["run", "Accuracy@20", "Accuracy@100", "Accuracy@5", "Accuracy@1"]);
    assert_eq!(lines[1], ["ours.run", "1.0000", "1.0000", "1.0000", "0.5000"]);
    let error = run(&["-m", "nDCG@10"]).error();
    assert!(error.contains("nDCG@10 needs judgements, and there are answers only"), "{error}");
    nir.write("other.run", "-1 Q0 d9 1 1.0 x\n");
    let error = nir.run(&["eval", "--corpus", "docs.tsv", "answers.jsonl", "other.run"]).error();
    assert!(error.contains("document `d9` is not in the collection"), "{error}");
    nir.write("qrels.txt", "-1 0 d1 1\n");
    let error = nir.run(&["eval", "-m", "Accuracy@5", "qrels.txt", "ours.run"]).error();
    assert!(error.contains("Accuracy@5 needs answers to look for in texts"), "{error}");
}
