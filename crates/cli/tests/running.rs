//! `nir run`, as a user meets it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use common::{Nir, files_below};

/// 6,000 documents of words from a small vocabulary, and 300 queries: large enough to be interrupted.
fn collection(nir: &Nir) {
    let word =
        |x: u64| format!("w{}", (x.wrapping_mul(6_364_136_223_846_793_005) >> 33) % (1 + x % 997));
    let text =
        |doc: u64, n: u64| (0..n).map(|i| word(doc * 131 + i * 7)).collect::<Vec<_>>().join(" ");
    let docs: String = (0..6000).map(|doc| format!("d{doc}\t{}\n", text(doc, 40))).collect();
    let queries: String =
        (0..300).map(|query| format!("q{query}\t{}\n", text(query * 17, 5))).collect();
    nir.write("docs.tsv", &docs);
    nir.write("queries.tsv", &queries);
}

const OWN: [&str; 6] =
    ["run", "feedback/bm25-rm3", "--corpus", "docs.tsv", "--queries", "queries.tsv"];

fn own<'a>(more: &[&'a str]) -> Vec<&'a str> {
    OWN.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn a_method_runs_on_the_embedded_collection() {
    let nir = Nir::new();
    let out = nir.run(&["run", "lexical/bm25", "--on", "pocket", "--results", "results"]).ok();
    assert!(out.contains("BM25"), "{out}");
    let cell = fs::read_to_string(nir.path("results/pocket/lexical/bm25.json")).unwrap();
    for key in
        ["\"measures\"", "\"latency\"", "\"commit\"", "\"lucene-english@1\"", "\"total_terms\""]
    {
        assert!(cell.contains(key), "{key} is not in {cell}");
    }
    assert!(nir.path("results/pocket/lexical/bm25.queries.tsv").is_file());
    assert!(fs::read_to_string(nir.path("results/README.md")).unwrap().contains("| [BM25]("));
}

#[test]
fn a_ranking_is_written_with_what_it_says_of_itself() {
    let nir = Nir::new();
    nir.run(&["run", "lexical/bm25", "--on", "pocket", "--runs", "runs"]).ok();
    let run = fs::read_to_string(nir.path("runs/pocket/lexical/bm25.trec")).unwrap();
    assert!(run.lines().all(|line| line.split(' ').count() == 6));
    let text = fs::read_to_string(nir.path("runs/pocket/lexical/bm25.ir_metadata.yaml")).unwrap();
    let mut fields = 0;
    for line in text.lines().filter_map(|line| line.strip_prefix("  ")) {
        let (_, value) = line.split_once(": ").unwrap();
        serde_json::from_str::<serde_json::Value>(value).unwrap();
        fields += 1;
    }
    assert!(fields > 8, "{text}");
    for part in ["platform:", "research goal:", "implementation:", "method:", "data:", "\"rust\""] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_second_run_recomputes_nothing() {
    let nir = Nir::new();
    let arguments = ["run", "hybrid/rrf-bm25-rm3", "--on", "pocket", "--results", "results"];
    nir.run(&arguments).ok();
    let before = files_below(&nir.path("cache"));
    let cell = fs::read(nir.path("results/pocket/hybrid/rrf-bm25-rm3.json")).unwrap();
    let plan = nir.run(&[&arguments[..], &["--plan"]].concat()).ok();
    assert!(plan.contains("cached") && !plan.contains("will run"), "{plan}");
    nir.run(&arguments).ok();
    assert_eq!(files_below(&nir.path("cache")), before);
    assert_eq!(fs::read(nir.path("results/pocket/hybrid/rrf-bm25-rm3.json")).unwrap(), cell);
}

#[test]
fn the_run_is_the_same_at_any_number_of_threads() {
    let runs = ["1", "2", "5"].map(|threads| {
        let nir = Nir::new();
        collection(&nir);
        nir.run(&own(&["--run", "out.trec", "--threads", threads])).ok();
        fs::read(nir.path("out.trec")).unwrap()
    });
    assert!(runs[0].len() > 100_000);
    assert!(runs[0] == runs[1] && runs[0] == runs[2], "the bytes differ");
}

#[test]
fn a_killed_run_resumes_to_the_same_bytes() {
    let clean = Nir::new();
    collection(&clean);
    clean.run(&own(&["--run", "out.trec"])).ok();
    let nir = Nir::new();
    collection(&nir);
    for delay in [3, 15, 40, 80, 130, 190, 260, 350, 500] {
        let arguments = own(&["--run", "out.trec"]);
        let mut child =
            nir.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(delay));
        let _ = child.kill(); // SIGKILL; it may have ended by itself
        child.wait().unwrap();
        if nir.path("out.trec").exists() {
            break;
        }
    }
    nir.run(&own(&["--run", "out.trec"])).ok();
    assert!(
        fs::read(nir.path("out.trec")).unwrap() == fs::read(clean.path("out.trec")).unwrap(),
        "the bytes differ"
    );
    let leftovers = files_below(&nir.path("cache/work"));
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

#[test]
fn own_data_is_measured_where_there_are_judgements() {
    let nir = Nir::new();
    nir.write("docs.tsv", "a\tgreen tea\nb\tblack coffee\nc\tboiling water for tea\n");
    nir.write("queries.tsv", "1\ttea\n2\tcoffee\n");
    nir.write("qrels.txt", "1 0 a 1\n2 0 b 1\n");
    let files = ["--corpus", "docs.tsv", "--queries", "queries.tsv"];
    let run = |more: &[&str]| nir.run(&[&["run", "lexical/bm25"], &files[..], more].concat());
    let out = run(&["--qrels", "qrels.txt", "--measure", "RR@10"]).ok();
    assert!(out.contains("1.0000") && !out.contains("nDCG"), "{out}");
    let out = run(&["--qrels", "qrels.txt"]).ok();
    assert!(out.contains("nDCG@10") && out.contains("R@100"), "{out}");
    assert!(!nir.path("results").exists(), "own data leaves no result behind");
    run(&["--run", "out.trec"]).ok();
    let written = fs::read_to_string(nir.path("out.trec")).unwrap();
    assert!(written.starts_with("1 Q0 a 1 "), "{written}");
    assert!(run(&[]).error().contains("--run"));
}

#[test]
fn a_compressed_beir_folder_needs_no_other_file() {
    let nir = Nir::new();
    let gzip = |name: &str, text: &str| {
        let path = nir.write(name, "");
        let mut file = flate2::write::GzEncoder::new(
            fs::File::create(path).unwrap(),
            flate2::Compression::default(),
        );
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        file.finish().unwrap();
    };
    gzip(
        "mine/corpus.jsonl.gz",
        "{\"_id\": \"a\", \"title\": \"Tea\", \"text\": \"is a drink\"}\n",
    );
    gzip("mine/queries.jsonl.gz", "{\"_id\": \"1\", \"text\": \"tea\"}\n");
    nir.write("mine/qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\ta\t1\n");
    let out = nir.run(&["run", "lexical/bm25", "--corpus", "mine"]).ok();
    assert!(out.contains("1.0000"), "{out}");
}

#[test]
fn a_run_of_another_system_enters_a_comparison() {
    let nir = Nir::new();
    nir.run(&["run", "lexical/bm25", "--on", "toy", "--run", "bm25.trec"]).ok();
    let card = "[card]\nname = \"theirs\"\npaper = \"robertson1994okapi\"\n";
    let stage = "[[stage]]\nuse = \"run\"\npath = \"../bm25.trec\"\ndepth = 2\n";
    nir.write("mine/theirs.toml", &format!("{card}{stage}"));
    nir.run(&["run", "mine/theirs.toml", "--on", "toy", "--run", "again.trec"]).ok();
    let rank = |line: &&str| line.split(' ').nth(3).unwrap().parse::<u32>().unwrap();
    let theirs = fs::read_to_string(nir.path("bm25.trec")).unwrap();
    let best: Vec<&str> = theirs.lines().filter(|line| rank(line) <= 2).collect();
    let again = fs::read_to_string(nir.path("again.trec")).unwrap();
    assert!(best.len() > 5 && best.len() < theirs.lines().count());
    assert_eq!(again.lines().collect::<Vec<_>>(), best);
}
