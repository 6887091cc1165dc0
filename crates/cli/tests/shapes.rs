//! Stages of every shape in a pipeline, as a user writes and runs them: expanders, stages behind passages, rerankers that are
//! stopped and go on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use common::Nir;

const BM25: &str = "use = \"bm25\"\nanalyzer = \"lucene-english\"\nk1 = 0.9\nb = 0.4\nlengths = \"exact\"\ndepth = 10\n";

/// Runs [`method`] over [`with_documents`].
const RUN_MINE: [&str; 8] =
    ["run", "mine/method.toml", "--corpus", "docs.tsv", "--queries", "queries.tsv", "--run", "-"];

fn method(stages: &[&str]) -> String {
    let stages: String = stages.iter().map(|stage| format!("\n[[stage]]\n{stage}")).collect();
    format!("[card]\nname = \"Mine\"\npaper = \"robertson1994okapi\"\n{stages}")
}

/// The names that a method finds for a query of its own over three documents.
fn found(nir: &Nir, stages: &[&str]) -> Vec<String> {
    nir.write("mine/method.toml", &method(stages));
    let run = nir.run(&RUN_MINE).ok();
    run.lines().map(|line| line.split(' ').nth(2).unwrap().to_owned()).collect()
}

fn with_documents(texts: [&str; 3], query: &str) -> Nir {
    let nir = Nir::new();
    let lines: String =
        ["a", "b", "c"].iter().zip(texts).map(|(id, text)| format!("{id}\t{text}\n")).collect();
    nir.write("docs.tsv", &lines);
    nir.write("queries.tsv", &format!("q\t{query}\n"));
    nir
}

#[test]
fn stored_expansions_are_searched_and_kept() {
    let nir = with_documents(["green leaves", "black beans", "white milk"], "tea");
    assert!(found(&nir, &[BM25]).is_empty());
    nir.write(
        "mine/written.tsv",
        "a\twhat is tea\nb\twhat is coffee\na\thow hot is tea\nz\tforeign\n",
    );
    let expand = "use = \"stored-expansions\"\npath = \"written.tsv\"\nmost = 9\n";
    assert_eq!(found(&nir, &[expand, BM25]), ["a"]);
    let shown = nir.run(&["cache"]).ok();
    assert!(shown.lines().any(|line| line.starts_with("expanded ")), "{shown}");
    // Another text under the same path is another collection.
    nir.write("mine/written.tsv", "b\ttea\n");
    assert_eq!(found(&nir, &[expand, BM25]), ["b"]);
    nir.write("mine/written.tsv", "x\ttea\ny\ttea\n");
    nir.write("mine/method.toml", &method(&[expand, BM25]));
    let error = nir.run(&RUN_MINE).error();
    assert!(
        error.contains("written.tsv: none of its 2 documents is of this collection"),
        "{error}"
    );
}

#[test]
fn stored_texts_widen_a_query_before_it_is_searched() {
    let nir = with_documents(["green leaves", "black beans", "white milk"], "tea");
    nir.write("mine/passages.tsv", "q\tdried green leaves in hot water\n");
    let write = "use = \"stored-texts\"\npath = \"passages.tsv\"\nrepeat = 5\nmost = 1\n";
    assert!(found(&nir, &[BM25]).is_empty());
    assert_eq!(found(&nir, &[write, BM25]), ["a"]);
    nir.write("mine/method.toml", &method(&[BM25, write, BM25]));
    let error = nir.run(&["run", "mine/method.toml", "--on", "toy"]).error();
    assert!(
        error.contains(
            "would throw away what was found before it; put it before the first retriever"
        ),
        "{error}"
    );
}

/// Stages that put what was written for a query into it, before BM25 or between two searches by the small encoder.
const WRITTEN: [&str; 2] = [
    "use = \"query2doc\"\npath = \"passages.tsv\"\nmost = 1\nform = { sparse = { repeat = 5 } }\n",
    "use = \"grf\"\npath = \"passages.tsv\"\nmost = 1\nanalyzer = \"lucene-english\"\nterms = 5\noriginal_weight = 0.5\n",
];

#[test]
fn what_was_written_for_a_query_is_searched_with_it() {
    let nir = with_documents(["green leaves", "black beans", "white milk"], "tea");
    for stage in WRITTEN {
        nir.write("mine/passages.tsv", "q\tdried green leaves in hot water\n");
        assert_eq!(found(&nir, &[stage, BM25]), ["a"]);
        // Other texts under the same path are another run; as JSON lines, one text or a list of which the first is taken.
        nir.write(
            "mine/passages.tsv",
            "{\"query_id\": \"q\", \"pseudo_doc\": \"roasted beans\"}\n",
        );
        assert_eq!(found(&nir, &[stage, BM25]), ["b"]);
        nir.write("mine/passages.tsv", "{\"query_id\": \"q\", \"texts\": [\"milk\", \"beans\"]}\n");
        assert_eq!(found(&nir, &[stage, BM25]), ["c"]);
    }
}

#[test]
fn a_text_that_is_missing_or_empty_is_named() {
    let nir = with_documents(["green leaves", "black beans", "white milk"], "tea");
    let error = |passages: &str, stage: &str| {
        nir.write("mine/passages.tsv", passages);
        nir.write("mine/method.toml", &method(&[stage, BM25]));
        nir.run(&RUN_MINE).error()
    };
    for stage in WRITTEN {
        let found = error("x\tgreen leaves\n", stage);
        assert!(
            found.contains("passages.tsv: no text for query `q` (`tea`) among those of 1 queries: expected a line `q TAB text`"),
            "{found}"
        );
        let found = error("x\tgreen leaves\nq\t \n", stage);
        assert!(found.contains("passages.tsv:2: the text for query `q` is empty"), "{found}");
        let found = error("{\"query_id\": \"q\", \"texts\": []}\n", stage);
        assert!(
            found.contains(
                "passages.tsv:1: found `texts`: an empty list, expected at least one text"
            ),
            "{found}"
        );
        let found = error("{\"query\": \"tea\", \"text\": \"leaves\"}\n", stage);
        assert!(
            found.contains("passages.tsv:1: found no `query_id` among `query`, `text`"),
            "{found}"
        );
    }
    let unknown = WRITTEN[0].replace("passages.tsv", "pocket:other.tsv");
    let found = error("q\tgreen leaves\n", &unknown);
    assert!(found.contains("`pocket:other.tsv` is none of the texts that come with nir: expected `pocket:passages.tsv`"), "{found}");
    let found = error(
        "q\tgreen leaves\n",
        "use = \"query2doc\"\npath = \"passages.tsv\"\nmost = 1\nform = { sparse = { repeat = 0 } }\n",
    );
    assert!(found.contains("`form.sparse.repeat` must be at least 1, found 0"), "{found}");
    nir.write(
        "mine/method.toml",
        &method(&[BM25, "use = \"hyde\"\npath = \"passages.tsv\"\nmost = 1\n", BM25]),
    );
    let found = nir.run(&RUN_MINE).error();
    assert!(found.contains("has no vectors of texts: put a `bi_encoder` there"), "{found}");
}

#[test]
fn a_retriever_behind_passages_finds_documents_by_their_best_passage() {
    // `a` has both words, far from each other; `b` has them side by side; `c` has one.
    let nir = with_documents(
        ["hot x x x x x x x x x tea", "x x x x x x x x x hot tea", "x x x x x x x x x x tea"],
        "hot tea",
    );
    assert_eq!(found(&nir, &[BM25]).last().unwrap(), "c");
    let cut =
        |rule: &str| format!("{BM25}passages = {{ words = 3, stride = 1, aggregate = {rule} }}\n");
    assert_eq!(found(&nir, &[&cut("\"max\"")])[0], "b");
    assert_eq!(found(&nir, &[&cut("\"first\"")]), ["a"]);
    nir.write("mine/method.toml", &method(&[&cut("\"best\"")]));
    let error = nir.run(&["run", "mine/method.toml", "--on", "toy"]).error();
    assert!(
        error.contains("unknown variant `best`, expected one of `max`, `first`, `sum`, `top_mean`"),
        "{error}"
    );
    let rrf = "use = \"rrf\"\ninputs = [\"lexical/bm25\", \"lexical/bm25-impacts\"]\nk = 60\ndepth = 10\npassages = { words = 3, stride = 1, aggregate = \"max\" }\n";
    nir.write("mine/method.toml", &method(&[rrf]));
    let error = nir.run(&["run", "mine/method.toml", "--on", "toy"]).error();
    assert!(error.contains("`passages` stands with a retriever or a reranker"), "{error}");
}

/// The digest of the ranking in the only result of a folder.
fn ranking(nir: &Nir) -> String {
    let path = nir.path("results/pocket/cross_encoder/monobert-pocket.json");
    let cell: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    cell["provenance"]["run"].as_str().unwrap().to_owned()
}

#[test]
fn a_reranker_that_was_killed_goes_on_where_it_was() {
    const RUN: [&str; 6] =
        ["run", "cross_encoder/monobert-pocket", "--on", "pocket", "--results", "results"];
    let (whole, stopped) = (Nir::new(), Nir::new());
    whole.run(&RUN).ok();
    let mut child =
        stopped.command(&RUN).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let lines = || {
        let journals = fs::read_dir(stopped.path("cache/journals")).into_iter().flatten();
        let texts =
            journals.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap_or_default());
        texts.map(|text| text.lines().filter(|line| !line.is_empty()).count()).sum::<usize>()
    };
    let begun = Instant::now();
    while lines() == 0 {
        assert!(begun.elapsed() < Duration::from_mins(5), "nothing was written down");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let done = lines();
    stopped.run(&RUN).ok();
    assert_eq!(ranking(&stopped), ranking(&whole));
    assert!(done > 0 && lines() == 0, "{done} queries were written down, and {} are left", lines());
}
