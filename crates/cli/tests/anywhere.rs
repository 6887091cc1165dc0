//! Comparisons, methods, datasets and documents wherever they lie, and results nowhere but where they are asked for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Nir, files_below};

const MINE: &str = "[card]\nname = \"Mine\"\npaper = \"robertson1994okapi\"\n\n[[stage]]\nuse = \"run\"\npath = \"runs/other.trec\"\ndepth = 10\n";
const OTHER: &str = "q1 Q0 d02 1 2.5 other\nq1 Q0 d01 2 1.5 other\n";

const COMPARISON: &str = r#"datasets = ["toy", "data/small.toml"]
methods = ["lexical/bm25", "mine.toml"]
baseline = "lexical/bm25"
measures = ["nDCG@10", "AP"]
test = "randomisation"
correction = "holm"
seed = 1

[[hypothesis]]
says = "mine is better"
paper = "robertson1994okapi"
better = "./mine.toml"
than = "lexical/bm25"
"#;

/// A folder `mine` with a comparison, a method that is a run file, and a dataset; no `nir.toml`.
fn folder() -> Nir {
    let nir = Nir::new();
    nir.run(&["new", "dataset", "small", "--out", "mine/data/small.toml"]).ok();
    nir.write("mine/data/small/collection.tsv", "d01\tgreen tea\nd02\tblack tea\n");
    nir.write("mine/data/small/queries.tsv", "q1\tgreen tea\n");
    nir.write("mine/data/small/qrels.txt", "q1 0 d01 1\n");
    nir.write("mine/mine.toml", MINE);
    nir.write("mine/runs/other.trec", OTHER);
    nir.write("mine/comparison.toml", &COMPARISON.replace("./mine.toml", "mine.toml"));
    nir
}

/// What lies in the folder beside the cache.
fn beside_the_cache(nir: &Nir) -> Vec<PathBuf> {
    files_below(nir.folder.path()).into_iter().filter(|path| !path.starts_with("cache")).collect()
}

#[test]
fn a_comparison_needs_no_more_than_datasets_and_methods() {
    let nir = folder();
    nir.write(
        "two.toml",
        "datasets = [\"toy\"]\nmethods = [\"lexical/bm25\", \"feedback/bm25-rm3\"]\n",
    );
    let (by_file, by_hand) = (
        nir.run(&["run", "two.toml"]).ok(),
        nir.run(&["run", "lexical/bm25", "feedback/bm25-rm3", "--on", "toy"]).ok(),
    );
    let numbers = |page: &str| page.split("report:").next().unwrap().to_owned();
    assert!(by_file.contains("toy: "), "{by_file}");
    assert_eq!(numbers(&by_file), numbers(&by_hand), "the same measures, baseline and test");
}

#[test]
fn a_comparison_runs_wherever_it_lies_and_writes_nothing_beside_it() {
    let nir = folder();
    let before = beside_the_cache(&nir);
    let page = nir.run(&["run", "mine/comparison.toml"]).ok();
    assert!(page.contains("toy: ") && page.contains("small: 1 queries"), "{page}");
    assert!(page.contains("Mine"), "{page}");
    assert_eq!(beside_the_cache(&nir), before, "results are in the cache alone");
    let csv = nir.run(&["report", "./mine/comparison.toml", "--format", "csv"]).ok();
    assert!(csv.contains("mine/mine"), "{csv}");
    // From within the folder, too.
    let mut inside = nir.command(&["run", "comparison.toml"]);
    inside.current_dir(nir.path("mine"));
    let inside = inside.output().unwrap();
    let page = String::from_utf8(inside.stdout).unwrap();
    assert!(page.contains("small: 1 queries") && page.contains("Mine"), "{page}");
    let said = String::from_utf8(inside.stderr).unwrap();
    assert!(
        !said.contains("will run"),
        "a file is what it holds, however its path is typed: {said}"
    );
}

#[test]
fn a_wrong_name_in_a_comparison_is_shown_where_it_stands() {
    let nir = folder();
    let refused = |from: &str, to: &str, expected: &str| {
        nir.write(
            "mine/comparison.toml",
            &COMPARISON.replace("./mine.toml", "mine.toml").replace(from, to),
        );
        let error = nir.run(&["run", "mine/comparison.toml"]).error();
        assert!(error.contains(expected), "{error}");
    };
    refused(
        "[\"lexical/bm25\", \"mine.toml\"]",
        "[\"lexical/bm25\", \"mine.toml\", \"lexical/bm52\"]",
        "mine/comparison.toml:2:41: `lexical/bm52` is neither a method nor a file (mine/lexical/bm52); did you mean lexical/bm25",
    );
    refused("\"toy\"", "\"tyo\"", "mine/comparison.toml:1:13: unknown dataset `tyo`");
    refused("methods =", "methds =", "mine/comparison.toml:2:1: unknown field `methds`");
}

#[test]
fn what_a_file_is_is_told_by_what_it_says() {
    let nir = folder();
    nir.write("elsewhere/quick.toml", "dataset = \"pocket\"\ndepth = 10\nrounds = 1\n[[sweep]]\nmethod = \"dense/dpr-pocket\"\nexact = { use = \"flat\", storage = \"f32\" }\nindex = []\n");
    let error = nir.run(&["run", "elsewhere/quick.toml"]).error();
    assert!(error.contains("is a sweep") && error.contains("nir bench index"), "{error}");
    nir.run(&["bench", "index", "elsewhere/quick.toml"]).ok();
    let table = nir.run(&["report", "elsewhere/quick.toml"]).ok();
    assert!(table.contains("flat"), "{table}");
    nir.write("elsewhere/odd.toml", "colour = \"green\"\n");
    let error = nir.run(&["run", "elsewhere/odd.toml", "--on", "toy"]).error();
    assert!(
        error.contains(
            "elsewhere/odd.toml:1:1: this is no config: found `colour`, expected a method"
        ),
        "{error}"
    );
}

#[test]
fn own_documents_get_a_report_and_results_where_they_are_asked_for() {
    let nir = folder();
    let own = [
        "--corpus",
        "mine/data/small/collection.tsv",
        "--queries",
        "mine/data/small/queries.tsv",
        "--qrels",
        "mine/data/small/qrels.txt",
    ];
    let run =
        ["run", "lexical/bm25", "mine/mine.toml", "--report", "report.html", "--results", "out"];
    let page = nir.run(&[&run[..], &own].concat()).ok();
    assert!(page.contains("against BM25"), "{page}");
    let html = fs::read_to_string(nir.path("report.html")).unwrap();
    assert!(html.contains("Mine") && html.contains("green tea"), "the query's text is there");
    let cells = files_below(&nir.path("out"));
    let own_cells = cells
        .iter()
        .filter(|path| path.starts_with("own-") || path.to_string_lossy().starts_with("own-"));
    assert_eq!(
        own_cells.count(),
        4,
        "two results, each with its figures query by query: {cells:?}"
    );
}

#[test]
fn own_documents_can_be_searched_without_queries() {
    let nir = folder();
    let found = nir
        .run(&["search", "lexical/bm25", "black", "--corpus", "mine/data/small/collection.tsv"])
        .ok();
    assert!(found.contains("1 of 1 found") && found.contains("d02"), "{found}");
    let error = nir
        .run(&["run", "lexical/bm25", "--corpus", "mine/data/small/collection.tsv", "--run", "-"])
        .error();
    assert!(error.contains("there are no queries: name their file with --queries"), "{error}");
}

#[test]
fn a_run_file_is_reranked() {
    let nir = Nir::new();
    nir.run(&["run", "lexical/bm25", "--on", "pocket", "--run", "first.trec"]).ok();
    let rerank = ["run", "cross_encoder/monobert-pocket", "--on", "pocket", "--run"];
    nir.run(&[&rerank[..], &["whole.trec"]].concat()).ok();
    let page = nir.run(&[&rerank[..], &["over.trec", "--rerank", "first.trec"]].concat()).ok();
    assert!(page.contains("over first.trec"), "{page}");
    let read = |name: &str| fs::read_to_string(nir.path(name)).unwrap();
    assert_eq!(read("over.trec"), read("whole.trec"), "BM25's own ranking stood in place of BM25");
    let error =
        nir.run(&["run", "lexical/bm25", "--on", "pocket", "--rerank", "first.trec"]).error();
    assert!(error.contains("has no stage that reranks"), "{error}");
}

#[test]
fn all_that_has_to_be_fetched_is_told_at_once() {
    let error = Nir::new()
        .run(&["run", "lexical/bm25", "--on", "pocket,beir-scifact,beir-nfcorpus"])
        .error();
    assert!(
        error.contains("`beir-scifact`, `beir-nfcorpus` are not here yet; run `nir fetch beir-scifact beir-nfcorpus`"),
        "{error}"
    );
}

/// A dataset whose makers hand out candidates for its two queries, one of which has none.
const TEA: &str = r#"
[card]
name = "Tea"
description = "For this test."
language = "en"
homepage = ""
scope = "full"
split = "test"
measures = ["RR@10"]
exclude_query_id = false

[licence]
name = "Tea licence"
url = "http://127.0.0.1/licence"
note = "None."

[citation]
key = "tea"
text = "Tea"
url = ""

[[file]]
name = "tea.tsv"
urls = []

[[file]]
name = "asked.tsv"
urls = []

[[file]]
name = "judged.txt"
urls = []

[documents]
sources = [{ file = "tea.tsv" }]
format = "tsv"

[queries]
sources = [{ file = "asked.tsv" }]
format = "tsv"
select = "all"

[qrels]
sources = [{ file = "judged.txt" }]
format = "trec"

[counts]

[[candidates]]
name = "top-2"
description = "Two documents of a query."
format = "ms-marco"

[candidates.file]
name = "top.tsv"
urls = []
"#;

const OVER_CANDIDATES: &str = r#"
[card]
name = "monoBERT over two"
paper = "nogueira2019monobert"
licence = "none"

[[stage]]
use = "candidates"
name = "top-2"
depth = 2

[[stage]]
use = "pointwise"
model.weights = "pocket:cross-encoder"
template = ["{query}", "{document}"]
truncation = "longest"
max_length = 128
score = "logit"
depth = 2
"#;

#[test]
fn candidates_of_a_dataset_are_what_a_method_reranks() {
    let nir = Nir::new();
    nir.write("nir.toml", "");
    nir.write("datasets/tea.toml", TEA);
    nir.write("mine/over.toml", OVER_CANDIDATES);
    nir.write("official/tea.tsv", "d1\tgreen tea from China\nd2\tcoffee\nd3\tgreen tea\n");
    nir.write("official/asked.tsv", "q1\tgreen tea\nq2\tcoffee\n");
    nir.write("official/judged.txt", "q1 0 d1 1\nq2 0 d2 1\n");
    nir.write("official/top.tsv", "q1\td2\tgreen tea\tcoffee\nq1\td1\tgreen tea\tgreen tea\n");
    let fetch = ["fetch", "tea", "--from", "official", "--accept-licence"];
    nir.run(&fetch).ok();
    let run = ["run", "mine/over.toml", "--on", "tea", "--run", "-"];
    let error = nir.run(&run).error();
    assert!(error.contains("run `nir fetch tea --candidates`"), "{error}");
    let fetched = nir.run(&[&fetch[..], &["--candidates"]].concat()).ok();
    assert_eq!(fetched, "top-2, candidates of tea, is here now\n");
    let found = nir.run(&run);
    let ranking = found.ok();
    let documents = ranking.lines().map(|line| line.split(' ').nth(2).unwrap());
    // d3 is the better document, and no candidate; q2 has no candidates and finds nothing.
    assert_eq!(documents.collect::<Vec<_>>(), ["d1", "d2"], "{ranking}");
    assert!(found.stderr().contains("0.5000"), "{}", found.stderr());
    // Another list is another ranking, and not one from the cache.
    nir.write("official/top.tsv", "q1\td3\tgreen tea\tgreen tea\nq1\td2\tgreen tea\tcoffee\n");
    nir.run(&[&fetch[..], &["--candidates", "--again"]].concat()).ok();
    assert!(nir.run(&run).ok().starts_with("q1 Q0 d3 1 "));
    let error = nir.run(&["run", "mine/over.toml", "--on", "toy", "--run", "-"]).error();
    assert!(error.contains("`toy` has no candidates `top-2`"), "{error}");
    let error = nir.run(&["fetch", "toy", "--candidates"]).error();
    assert!(error.contains("`toy` is handed out without candidates"), "{error}");
}

#[test]
fn a_dataset_with_answers_and_a_sample_of_it_are_measured_by_them() {
    let nir = Nir::new();
    nir.write("nir.toml", "");
    let judged = "[qrels]\nsources = [{ file = \"judged.txt\" }]\nformat = \"trec\"";
    let answers = "[answers]\nsources = [{ file = \"tea/answers.jsonl\" }]\nformat = \"jsonl\"";
    let (described, _) = TEA.split_once("[[candidates]]").unwrap();
    let (card, parts) = described.split_once("[[file]]").unwrap();
    let (_, parts) = parts.split_once("[documents]").unwrap();
    let tea = format!("embedded = true\n{card}[documents]{parts}")
        .replace(judged, answers)
        .replace("RR@10", "Accuracy@1")
        .replace("tea.tsv", "tea/docs.tsv")
        .replace("asked.tsv", "tea/asked.tsv");
    nir.write("datasets/tea.toml", &tea);
    nir.write(
        "datasets/tea/docs.tsv",
        "d1\tgreen tea of 1911\nd2\tcoffee\nd3\tgreen green tea tea\n",
    );
    nir.write("datasets/tea/asked.tsv", "q1\tgreen tea\nq2\tcoffee\n");
    nir.write(
        "datasets/tea/answers.jsonl",
        "{\"query_id\": \"q1\", \"answers\": [\"1911\"]}\n{\"query_id\": \"q2\", \"answers\": [\"Coffee\"]}\n",
    );
    let table = nir.run(&["run", "lexical/bm25", "--on", "tea"]).ok();
    assert!(table.contains("Accuracy@1") && table.contains("0.5000"), "{table}");
    let found = nir.run(&["search", "lexical/bm25", "green tea", "--on", "tea"]).ok();
    assert!(found.contains("grade 1 has an answer in its text"), "{found}");
    let grades = ["d3", "d1"].map(|doc_id| {
        let line = found.lines().find(|line| line.contains(&format!(" {doc_id} "))).unwrap();
        line.split_whitespace().nth(3).unwrap()
    });
    assert_eq!(grades, ["0", "1"], "{found}");
    let sample = ["sample", "tea", "--queries", "all", "--random", "3", "--seed", "1"];
    nir.run(&[&sample[..], &["--out", "datasets/part.toml"]].concat()).ok();
    nir.run(&["fetch", "part", "--accept-licence"]).ok();
    let table = nir.run(&["run", "lexical/bm25", "--on", "part"]).ok();
    assert!(table.contains("Accuracy@1") && table.contains("0.5000"), "{table}");
    assert!(nir.run(&["check"]).ok().contains("0 problems"), "a sample has its parent's answers");
    nir.write("datasets/tea.toml", &tea.replace("Accuracy@1", "RR@10"));
    let checked = nir.run(&["check"]).stderr();
    assert!(checked.contains("RR@10 needs judgements, and tea has answers"), "{checked}");
}
