//! Every command that README tells a reader to type works in an empty folder, or the table below says what it needs; and so
//! does every `Try it` of an algorithm.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;

use common::Nir;

/// What is not run here, by how it begins, and why; README says the same where it names the command.
const NEEDS: [(&str, &str); 9] = [
    ("fetch ", "the network"),
    ("compare ", "two commits or reports: compare.rs runs it"),
    ("run dense/minilm-l6 --on beir-scifact", "the hub and SciFact"),
    ("sample msmarco-passage-dev ", "MS MARCO"),
    ("run cross_encoder/minilm-l6-top-1000 ", "the hub and MS MARCO"),
    ("train ", "a folder of texts"),
    ("gate configs/ci.toml", "a checkout's baseline: .ci/run holds it"),
    ("run configs/quickstart.toml", "running.rs runs it"),
    ("bench index configs/sweeps/pocket.toml", "bench.rs runs one like it"),
];

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap()
}

/// Commands in backticks and lines of shell blocks, without `nir `.
fn commands(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2).filter(|code| !code.contains('\n'));
    let whole = quoted.filter_map(|code| code.strip_prefix("nir ")).map(|code| {
        let end = code.find(" && ").unwrap_or(code.len());
        code[..end].to_owned()
    });
    whole.collect()
}

/// Whether a command is a pattern that a reader fills in: it has a word in capitals or `…`, or is a bare name.
fn is_pattern(command: &str) -> bool {
    let placeholder = |word: &str| {
        let word = word.trim_start_matches("file:").trim_matches('\'');
        word == "…"
            || word == "hf:org/name"
            || (word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase()))
    };
    let words: Vec<&str> = command.split(' ').collect();
    words.iter().any(|word| placeholder(word))
        || (words.len() == 1
            && !["check", "list", "datasets", "cache", "doctor", "coverage"].contains(&words[0]))
        || command == "bench index"
        || command == "new method"
        || command == "new dataset"
}

/// Words as a shell splits them.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in command.split('"').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// README's blocks of TOML as files, by the name in their first line.
fn write_blocks(nir: &Nir) {
    for block in readme().split("```toml\n# ").skip(1) {
        let (name, text) = block.split_once('\n').unwrap();
        let name = name.split_whitespace().next().unwrap();
        nir.write(name, text.split("```").next().unwrap());
    }
}

/// A folder with all that README's commands name.
fn prepared() -> Nir {
    let nir = Nir::new();
    write_blocks(&nir);
    let files = [
        ("tea/collection.tsv", "d1\tgreen tea\nd2\tblack coffee\nd3\ttea with milk\n"),
        ("tea/queries.tsv", "q1\tgreen tea\nq2\tcoffee\n"),
        ("tea/qrels.txt", "q1 0 d1 1\nq2 0 d2 1\n"),
    ];
    for folder in ["data", "mine/data"] {
        nir.run(&["new", "dataset", "tea", "--out", &format!("{folder}/tea.toml")]).ok();
        files.iter().for_each(|(name, text)| drop(nir.write(&format!("{folder}/{name}"), text)));
    }
    let run = "[card]\nname = \"Ours\"\npaper = \"robertson1994okapi\"\n[[stage]]\nuse = \"run\"\npath = \"runs/ours.trec\"\ndepth = 100\n";
    nir.write("ours.toml", run);
    nir.write("runs/ours.trec", "q1 Q0 d1 1 2.0 ours\nq2 Q0 d3 1 1.0 ours\n");
    nir.run(&["new", "method", "lexical/ours", "--out", "mine/ours.toml"]).ok();
    nir.write("q.tsv", files[1].1);
    nir.write("qrels.txt", files[2].1);
    nir.write("bm25.run", "q1 Q0 d1 1 2.0 a\nq2 Q0 d2 1 1.0 a\n");
    nir.run(&["run", "lexical/bm25", "--on", "pocket", "--run", "bm25.trec"]).ok();
    let packed = |name: &str, text: &str| {
        let file = fs::File::create(nir.path(name)).unwrap();
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap();
    };
    packed("docs.tsv.gz", files[0].1);
    packed("psgs_w100.tsv.gz", "id\ttext\ttitle\n1\t\"Tea is \"\"cha\"\".\"\tTea\n");
    nir.write("nq-test.qa.csv", "what is tea\t['cha', \"a drink\"]\n");
    nir.write("dpr.run", "0 Q0 1 1 2.0 dpr\n");
    packed("splade.run.gz", "q1 Q0 d3 1 2.0 b\nq2 Q0 d2 1 1.0 b\n");
    nir
}

#[test]
fn every_command_of_the_readme_works() {
    let nir = prepared();
    let mut ran: Vec<String> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for command in commands(&readme()) {
        let first = command.split(' ').next().unwrap().to_owned();
        if !names.contains(&first) {
            nir.run(&["help", &first]).ok();
            names.push(first);
        }
        let needs = NEEDS.iter().any(|(begins, _)| command.starts_with(begins));
        if is_pattern(&command) || needs || ran.contains(&command) {
            continue;
        }
        // What a block of README shows, or was prepared, is written anew.
        if let Some((_, out)) = command.split_once("new dataset tea --out ") {
            fs::remove_file(nir.path(out)).unwrap();
        } else if let Some(name) = command.strip_prefix("new method ") {
            let _ = fs::remove_file(nir.path(&format!("configs/{name}.toml")));
        }
        let arguments = words(&command);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let done = nir.run(&arguments);
        assert!(done.0.status.success(), "nir {command}:\n{}\n{}", done.stdout(), done.stderr());
        ran.push(command);
    }
    assert!(ran.len() > 20, "{ran:?}");
    // The comparison and the gate of README's blocks.
    nir.run(&["gate", "gate.toml", "--against", "results", "--no-costs"]).ok();
}

#[test]
fn the_readme_counts_what_has_results() {
    let nir = Nir::new();
    let mut check = nir.command(&["check"]);
    check.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let said = String::from_utf8(check.output().unwrap().stdout).unwrap();
    let sentence = said.lines().last().unwrap();
    let readme = readme().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(readme.contains(sentence), "README must say: {sentence}");
}

/// `nir report configs/quickstart.toml --results results --out results/quickstart.svg` draws it.
#[test]
fn the_readmes_picture_is_the_reports() {
    assert!(readme().contains("(results/quickstart.svg)"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let nir = Nir::new();
    let mut report = nir.command(&["report", "configs/quickstart.toml", "--results", "results"]);
    let drawn = report.args(["--format", "svg"]).current_dir(&root).output().unwrap();
    let kept = fs::read_to_string(root.join("results/quickstart.svg")).unwrap();
    assert_eq!(String::from_utf8(drawn.stdout).unwrap(), kept);
}

#[test]
fn what_needs_the_network_is_told() {
    let readme = readme();
    let told = |command: &str| {
        let line = readme.lines().find(|line| line.contains(command)).unwrap();
        assert!(line.contains("needs") || line.contains("fetches"), "{line}");
    };
    told("`nir run dense/minilm-l6 --on beir-scifact`");
    told("`nir fetch beir-scifact`");
    told("`nir sample msmarco-passage-dev");
    told("`nir run cross_encoder/minilm-l6-top-1000");
    told("`nir train configs/training/dense.toml --data FOLDER`");
}

#[test]
fn every_algorithm_is_tried_or_says_what_it_fetches() {
    let nir = Nir::new();
    let registry = nir_methods::Registry::builtin();
    let mut ran = Vec::new();
    for entry in registry.entries() {
        let text = nir.run(&["explain", entry.name]).ok();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let Some((_, tried)) = text.split_once("Try it: ") else { continue };
        if tried.contains(" from the hub, which is fetched the first time; ") {
            let says = tried
                .contains("--on pocket` does the same with a small model that is in the program")
                || tried.contains("the program has no small model of this kind");
            assert!(says, "{tried}");
        }
        for command in commands(tried) {
            let is_fetched = tried.contains(&format!("{} needs ", words(&command)[1]));
            if is_fetched || is_pattern(&command) || ran.contains(&command) {
                continue;
            }
            let arguments = words(&command);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            nir.run(&arguments).ok();
            ran.push(command);
        }
    }
    assert!(ran.len() > 10, "{ran:?}");
}
