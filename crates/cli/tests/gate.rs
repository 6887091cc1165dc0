//! `nir gate` sees each fault that is planted here, and nothing where none is.
//!
//! Faults that a config or a file can hold go through the program. A fault of our code (another order of equal scores) is
//! planted in a real run over pocket, between the run and the comparison.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use common::{Finished, Nir, files_below};
use nir_catalogue::{Comparison, Source};
use nir_core::{RankedList, TrecRun};
use nir_data::trec::{read_run, write_run};
use nir_gate::{Baseline, Check, Row, Verdict, What, compare, rankings};
use nir_index::Simd;

const BM25: &str = r#"[card]
name  = "mine"
paper = "robertson1994okapi"

[[stage]]
use      = "bm25"
analyzer = "lucene-english"
k1       = 0.9
b        = 0.4
lengths  = "lucene-byte"
depth    = 1000
"#;

/// A run file as a method, so that a test may change it as a fault in the code would.
const THEIRS: &str = r#"[card]
name  = "theirs"
paper = "robertson1994okapi"

[[stage]]
use   = "run"
path  = "../bm25.trec"
depth = 1000
"#;

const DENSE: &str = r#"[card]
name  = "mine"
paper = "karpukhin2020dpr"

[[stage]]
use        = "bi_encoder"
model.weights  = "file:../model"
model.ignore   = ["pooler.*"]
pooling    = "mean"
similarity = "cosine"
query      = { template = ["{text}"], special_tokens = true, max_length = 20 }
document   = { template = ["{text}"], special_tokens = true, max_length = 40 }
index      = { use = "flat", storage = "f32" }
depth      = 1000
"#;

const SAME: &str = "rankings = \"same\"\n";
/// As of a method with a model, whose arithmetic differs between processors.
const NEARLY: &str =
    "rankings = \"free\"\ntolerance = { \"nDCG@10\" = 0.002, \"RR(rel=2)@10\" = 0.005 }\n";

/// A comparison of one method on pocket, gated by `rule`.
fn comparison(method: &str, rule: &str) -> String {
    format!(
        r#"datasets   = ["pocket"]
methods    = ["{method}"]
baseline   = "{method}"
measures   = ["nDCG@10", "RR(rel=2)@10"]
test       = "randomisation"
correction = "holm"
seed       = 42

[[gate]]
methods = ["{method}"]
slower  = 1.5
faster  = 2.0
{rule}"#
    )
}

const GATE: [&str; 4] = ["gate", "ci.toml", "--against", "results"];

fn gate(nir: &Nir, more: &[&str]) -> Finished {
    nir.run(&[&GATE, more].concat())
}

/// A folder with a comparison of `method`, whose file says `text` if it is none of the program's own, and with its baseline.
fn with_baseline(method: &str, text: &str, rule: &str, costs: &[&str]) -> Nir {
    let nir = Nir::new();
    if !text.is_empty() {
        nir.write(method, text);
    }
    nir.write("ci.toml", &comparison(method, rule));
    prepare(&nir);
    gate(&nir, &[&["--update", "--reason", "the first"], costs].concat()).ok();
    nir
}

/// What the methods above read.
fn prepare(nir: &Nir) {
    nir.run(&["run", "lexical/bm25", "--on", "pocket", "--run", "bm25.trec"]).ok();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nn/tests/fixtures/bert");
    fs::create_dir_all(nir.path("model")).unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(fixture.join(name), nir.path("model").join(name)).unwrap();
    }
}

const NO_COSTS: [&str; 1] = ["--no-costs"];

fn edit(nir: &Nir, name: &str, part: &str, by: &str) {
    let text = fs::read_to_string(nir.path(name)).unwrap();
    assert!(text.contains(part), "`{part}` is not in {name}");
    fs::write(nir.path(name), text.replace(part, by)).unwrap();
}

/// Asserts that something moved; gives the table's lines that say `MOVED` or `noted`.
#[track_caller]
fn moved(finished: &Finished) -> Vec<String> {
    assert_eq!(finished.0.status.code(), Some(1), "{}{}", finished.stdout(), finished.stderr());
    let out = finished.stdout();
    out.lines()
        .filter(|line| line.ends_with("MOVED") || line.ends_with("noted"))
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn assert_line(lines: &[String], parts: &[&str]) {
    let fits = |line: &&String| parts.iter().all(|part| line.contains(part));
    assert!(lines.iter().any(|line| fits(&line)), "no line with {parts:?} in {lines:#?}");
}

#[test]
fn what_is_unchanged_passes_twice_and_at_any_number_of_threads() {
    let nir = with_baseline("mine/bm25.toml", BM25, SAME, &[]);
    let before = fs::read(nir.path("results/gate/ci.json")).unwrap();
    for threads in ["1", "1", "5"] {
        let out = gate(&nir, &["--threads", threads, "--junit", "gate.xml", "--github"]).ok();
        assert!(out.contains("nothing moved: 5 checks") && !out.contains("::error"), "{out}");
        let xml = fs::read_to_string(nir.path("gate.xml")).unwrap();
        assert!(xml.contains("tests=\"5\"") && xml.contains("failures=\"0\""), "{xml}");
    }
    assert_eq!(fs::read(nir.path("results/gate/ci.json")).unwrap(), before);
    assert_eq!(
        files_below(&nir.path("results")),
        [Path::new("gate/ci.json")],
        "no result is written"
    );
}

#[test]
fn a_ranking_in_the_cache_is_not_believed() {
    let nir = with_baseline("lexical/bm25", "", SAME, &NO_COSTS);
    let runs = nir.path("cache/runs");
    let run = files_below(&runs).into_iter().find(|path| path.ends_with("run.trec")).unwrap();
    fs::write(runs.join(run), "1 Q0 nothing 1 1 nir\n").unwrap();
    gate(&nir, &NO_COSTS).ok();
}

#[test]
fn k1_off_by_a_tenth() {
    let nir = with_baseline("mine/bm25.toml", BM25, SAME, &NO_COSTS);
    edit(&nir, "mine/bm25.toml", "k1       = 0.9", "k1       = 1.0");
    let lines = moved(&gate(&nir, &NO_COSTS));
    assert_line(&lines, &["mine/bm25", "config", "noted"]);
    assert_line(&lines, &["nDCG@10", "± 0", "MOVED"]);
    assert_line(&lines, &["rankings", "query ", "the same", "MOVED"]);
}

#[test]
fn cls_taken_for_mean_pooling() {
    let nir = with_baseline("mine/dense.toml", DENSE, NEARLY, &NO_COSTS);
    gate(&nir, &NO_COSTS).ok();
    edit(&nir, "mine/dense.toml", "\"mean\"", "\"cls\"");
    let lines = moved(&gate(&nir, &NO_COSTS));
    assert_line(&lines, &["config", "noted"]);
    assert_line(&lines, &["nDCG@10", "± 0.002", "MOVED"]);
}

/// The gate with the kernels of another instruction set, and nothing in the cache that the first computed.
fn gate_on(nir: &Nir, simd: &str, more: &[&str]) -> Finished {
    let arguments = [&GATE, &NO_COSTS[..], more].concat();
    let mut command = nir.command(&arguments);
    let cache = format!("cache-{simd}");
    Finished(command.env("NIR_SIMD", simd).env("NIR_CACHE", nir.path(&cache)).output().unwrap())
}

/// The instruction sets of this processor.
fn instruction_sets() -> Vec<&'static str> {
    Simd::all().into_iter().map(Simd::name).collect()
}

#[test]
fn lexical_rankings_are_the_same_on_every_instruction_set() {
    for method in ["lexical/bm25", "lexical/bm25-impacts", "hybrid/rrf-bm25-rm3"] {
        let nir = with_baseline(method, "", SAME, &NO_COSTS);
        for simd in instruction_sets() {
            let out = gate_on(&nir, simd, &[]).ok();
            assert!(out.starts_with("nothing moved: 4 checks"), "{simd}: {out}");
        }
    }
}

#[test]
fn an_encoder_has_a_tolerance_on_another_instruction_set_and_on_no_other_account() {
    let nir = with_baseline("mine/dense.toml", DENSE, SAME, &NO_COSTS);
    let sets = instruction_sets();
    for simd in &sets {
        let out = gate_on(&nir, simd, &[]).ok();
        let is_other = Some(simd) != sets.last();
        assert!(out.contains("nothing moved: "), "{simd}: {out}");
        let note = format!("{simd} this: scores of the best ten may differ by 1e-5 of the largest");
        assert_eq!(out.contains(&note), is_other, "{simd}: {out}");
    }
    edit(&nir, "mine/dense.toml", "\"mean\"", "\"cls\"");
    for simd in sets {
        let lines = moved(&gate_on(&nir, simd, &[]));
        assert_line(&lines, &["rankings", "query ", "MOVED"]);
    }
}

#[test]
fn an_unknown_instruction_set_is_an_error_of_the_users() {
    let error = Finished(Nir::new().command(&["list"]).env("NIR_SIMD", "sse9").output().unwrap());
    assert!(
        error.error().contains("NIR_SIMD is `sse9`: expected one of scalar"),
        "{}",
        error.stderr()
    );
}

/// Without `of` in the list, `of` is a term like any other; so is a word that no list has, in its place.
#[test]
fn a_dropped_stop_word() {
    let nir = with_baseline("mine/theirs.toml", THEIRS, SAME, &NO_COSTS);
    let pocket = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/pocket");
    for name in ["collection.tsv", "queries.tsv"] {
        let text = fs::read_to_string(pocket.join(name)).unwrap();
        assert!(text.contains(" of ") && !text.contains(" ofx "));
        nir.write(name, &text.replace(" of ", " ofx "));
    }
    let files = ["--corpus", "collection.tsv", "--queries", "queries.tsv", "--run", "bm25.trec"];
    nir.run(&[&["run", "lexical/bm25"], &files[..]].concat()).ok();
    let lines = moved(&gate(&nir, &NO_COSTS));
    assert_line(&lines, &["nDCG@10", "MOVED"]);
    assert_line(&lines, &["rankings", "MOVED"]);
}

/// The measures rise, and the rankings are free: only the upper side of the tolerance can catch it.
#[test]
fn judgements_that_leak_into_scores() {
    let nir = with_baseline("mine/theirs.toml", THEIRS, NEARLY, &NO_COSTS);
    let qrels = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/pocket/qrels.txt");
    let judged = fs::read_to_string(qrels).unwrap();
    let grades: HashMap<(&str, &str), f64> = judged
        .lines()
        .map(|line| {
            let columns: Vec<&str> = line.split(' ').collect();
            ((columns[0], columns[2]), columns[3].parse().unwrap())
        })
        .collect();
    let leaking = each_list(&read_run(&nir.path("bm25.trec")).unwrap(), |query_id, lines| {
        let leak = |doc_id: &str| grades.get(&(query_id, doc_id)).copied().unwrap_or_default();
        lines.iter_mut().for_each(|(doc_id, score)| *score += 0.1 * leak(doc_id));
    });
    write_run(&nir.path("bm25.trec"), &leaking, "nir").unwrap();
    let lines = moved(&gate(&nir, &NO_COSTS));
    let measure = lines.iter().find(|line| line.contains("nDCG@10")).unwrap();
    let figures: Vec<f64> =
        measure.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(figures[1] > figures[0], "{measure}");
    assert!(!lines.iter().any(|line| line.contains("rankings")), "{lines:#?}");
}

/// What is twice as slow as its baseline is what its baseline has at half the cost.
#[test]
fn a_search_twice_as_slow_and_one_that_leaves_work_out() {
    let nir = with_baseline("mine/bm25.toml", BM25, SAME, &[]);
    let times = |factor: f64| {
        let mut baseline = read_baseline(&nir);
        for costs in baseline.rows[0].costs.values_mut() {
            costs.stages.iter_mut().for_each(|stage| stage.ratio *= factor);
        }
        fs::write(nir.path("results/gate/ci.json"), baseline.text()).unwrap();
    };
    times(0.5);
    let lines = moved(&gate(&nir, &[]));
    assert_eq!(lines.len(), 1, "only its cost: {lines:#?}");
    assert_line(&lines, &["cost of stage 1, bm25", "MOVED"]);
    times(2.0 * 3.0);
    assert_line(&moved(&gate(&nir, &[])), &["cost of stage 1, bm25", "MOVED"]);
    gate(&nir, &NO_COSTS).ok();
}

#[test]
fn a_changed_tie_rule() {
    // Equal scores to the smaller doc_id, where trec_eval has the larger.
    let moved = planted(|_, lines| lines.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))));
    assert_eq!(moved, [What::Rankings]);
}

#[test]
fn a_sort_that_is_not_stable() {
    // Equal scores in whatever order: by a hash of the names.
    let hash = |doc_id: &str| {
        doc_id.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31) ^ u32::from(byte)) % 101
    };
    let moved = planted(|_, lines| {
        lines.sort_by(|a, b| b.1.total_cmp(&a.1).then(hash(&a.0).cmp(&hash(&b.0))));
    });
    assert_eq!(moved, [What::Rankings]);
}

#[test]
fn a_run_that_nothing_was_planted_in() {
    assert_eq!(planted(|_, _| ()), []);
}

type Lines = Vec<(String, f64)>;

/// The run with every list changed by `change`, in the order it leaves.
fn each_list(run: &TrecRun, change: impl Fn(&str, &mut Lines)) -> TrecRun {
    let mut changed = TrecRun::default();
    for (query_id, list) in run.iter() {
        let mut lines: Lines =
            list.iter().map(|(doc_id, entry)| (doc_id.to_owned(), entry.score)).collect();
        change(query_id, &mut lines);
        let mut list = RankedList::default();
        for (rank, (doc_id, score)) in lines.iter().enumerate() {
            list.push(doc_id, *score, rank as u32 + 1);
        }
        changed.insert(query_id, list);
    }
    changed
}

/// What moves when BM25's run over pocket is changed before it is compared.
fn planted(change: impl Fn(&str, &mut Lines)) -> Vec<What> {
    let nir = with_baseline("lexical/bm25", "", SAME, &NO_COSTS);
    let baseline = read_baseline(&nir);
    let run = each_list(&read_run(&nir.path("bm25.trec")).unwrap(), change);
    let now = Row { rankings: rankings(&run, false), ..baseline.rows[0].clone() };
    let text = comparison("lexical/bm25", SAME);
    let comparison = Comparison::parse(Source::new("ci.toml", text)).unwrap();
    let checks = compare(&baseline, &[(now, &comparison.gates[0])], "debug").unwrap();
    let moved = |check: Check| (check.verdict == Verdict::Moved).then_some(check.what);
    checks.into_iter().filter_map(moved).collect()
}

fn read_baseline(nir: &Nir) -> Baseline {
    let path = nir.path("results/gate/ci.json");
    Baseline::parse(&path, &fs::read_to_string(&path).unwrap()).unwrap()
}

#[test]
fn what_moved_is_told_to_other_programs() {
    let nir = with_baseline("mine/bm25.toml", BM25, SAME, &NO_COSTS);
    edit(&nir, "mine/bm25.toml", "k1       = 0.9", "k1       = 2.0");
    let finished = gate(&nir, &["--no-costs", "--github", "--junit", "out/gate.xml"]);
    moved(&finished);
    let errors: Vec<String> = finished
        .stdout()
        .lines()
        .filter(|line| line.starts_with("::error "))
        .map(str::to_owned)
        .collect();
    assert_eq!(errors.len(), 3, "two measures and the rankings: {errors:#?}");
    assert!(
        errors[0]
            .starts_with("::error file=mine/bm25.toml,title=nDCG@10 moved%3A mine/bm25::pocket, ")
    );
    let xml = fs::read_to_string(nir.path("out/gate.xml")).unwrap();
    assert!(xml.contains("failures=\"3\"") && xml.contains("<testcase name=\"rankings\""), "{xml}");
}

#[test]
fn an_update_writes_down_why_and_the_next_gate_passes() {
    let nir = with_baseline("mine/bm25.toml", BM25, SAME, &[]);
    edit(&nir, "mine/bm25.toml", "k1       = 0.9", "k1       = 1.2");
    moved(&gate(&nir, &NO_COSTS));
    let before = read_baseline(&nir);
    gate(&nir, &["--no-costs", "--update", "--reason", "k1 as in \"the\" paper"]).ok();
    gate(&nir, &[]).ok();
    let after = read_baseline(&nir);
    assert_eq!(after.reason, "k1 as in \"the\" paper");
    assert_eq!(after.rows[0].costs, before.rows[0].costs, "what was not measured is kept");
    assert_ne!(after.rows[0].provenance.run, before.rows[0].provenance.run);
    for known in [&after.rows[0].provenance.commit, &after.rows[0].provenance.date] {
        assert!(!known.is_empty());
    }
}

/// Asserts an error of the user's: exit status 2, and one message with all of `parts`.
#[track_caller]
fn assert_refused(finished: &Finished, parts: &[&str]) {
    assert_eq!(finished.0.status.code(), Some(2), "{}", finished.stdout());
    let error = finished.error();
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[test]
fn what_cannot_be_told_is_neither_held_nor_moved() {
    let nir = Nir::new();
    let text = comparison("lexical/bm25", SAME);
    nir.write("ci.toml", &text);
    assert_refused(&gate(&nir, &[]), &["results/gate/ci.json", "there is no baseline", "--update"]);
    assert_refused(&nir.run(&["gate", "ci.toml"]), &["--against"]);
    assert_refused(
        &nir.run(&["gate", "no.toml", "--against", "results"]),
        &["`no.toml`", "configs/ci.toml"],
    );
    assert_refused(&gate(&nir, &["--update"]), &["--reason"]);
    assert!(!nir.path("results").exists(), "nothing is written");
    gate(&nir, &["--no-costs", "--update", "--reason", "the first"]).ok();
    assert_refused(&gate(&nir, &[]), &["results/gate/ci.json", "holds no costs", "--no-costs"]);
    let refused = |part: &str, by: &str, parts: &[&str]| {
        assert!(text.contains(part));
        nir.write("ci.toml", &text.replace(part, by));
        assert_refused(&gate(&nir, &NO_COSTS), parts);
    };
    refused("slower ", "slowr  ", &["ci.toml:11:1", "unknown field `slowr`", "`slower`"]);
    refused(
        "[[gate]]\nmethods = [\"lexical/bm25\"]",
        "[[gate]]\nmethods = []",
        &["ci.toml:2:15", "is in no [[gate]]"],
    );
    refused("lexical/bm25", "lexical/bm52", &["`lexical/bm52` is neither", "lexical/bm25"]);
    refused("pocket", "poket", &["poket", "pocket"]);
    refused("\"nDCG@10\", ", "\"NDGC@10\", ", &["ci.toml:4", "unknown measure `NDGC`"]);
    refused(
        "\"nDCG@10\", ",
        "\"nDCG@10\", \"AP\", ",
        &["results/gate/ci.json", "holds no AP of `lexical/bm25` on pocket"],
    );
    refused(
        "lexical/bm25",
        "feedback/bm25-rm3",
        &["holds `lexical/bm25` on pocket", "no longer names"],
    );
    nir.write("ci.toml", &text);
    nir.write("results/gate/ci.json", "{}");
    assert_refused(&gate(&nir, &NO_COSTS), &["results/gate/ci.json", "not a baseline", "--update"]);
    gate(&nir, &["--no-costs", "--update", "--reason", "it was damaged"]).ok();
}
