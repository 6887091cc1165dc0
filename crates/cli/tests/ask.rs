//! The commands that answer a newcomer: `search`, `encode`, `explain`, `doctor`, `new`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;

use common::Nir;
use serde_json::Value;

/// A folder with a tiny checkpoint and a method over it; `model` is one of `nir-nn`'s fixtures.
fn prepared(model: &str, stage: &str) -> Nir {
    let nir = Nir::new();
    let card = "[card]\nname = \"mine\"\npaper = \"karpukhin2020dpr\"\n\n[[stage]]\n";
    let input = "{ template = [\"{text}\"], special_tokens = true, max_length = 40 }";
    let texts = format!("query = {input}\ndocument = {input}\ndepth = 100\n");
    nir.write(
        "mine/method.toml",
        &format!("{card}{stage}\nmodel.weights = \"file:../model\"\n{texts}"),
    );
    let folder = nir.path("model");
    fs::create_dir_all(&folder).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nn/tests/fixtures").join(model);
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(fixture.join(name), folder.join(name)).unwrap();
    }
    nir
}

const DENSE: &str = "use = \"bi_encoder\"\nmodel.ignore = [\"pooler.*\"]\npooling = \"mean\"\nsimilarity = \"cosine\"\n\
                     index = { use = \"flat\", storage = \"f32\" }";
const SPARSE: &str = "use = \"splade\"\npooling = \"max\"\nquery_weighting = \"model\"\n\
                      index = { use = \"impacts\", storage = \"f32\" }";
const LATE: &str = "use = \"colbert\"\nmodel.ignore = [\"*pooler.*\"]\nprojection = \"linear\"\npunctuation = true\n\
                    marker = { query = \"bread\", document = \"bread\" }\nstorage = \"f16\"";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// What a search says, after a look at whether the parts of each score add up to it.
#[track_caller]
fn search(nir: &Nir, arguments: &[&str], tolerance: f64) -> Value {
    let all = json(&nir.run(&[&["search"], arguments, &["--json"]].concat()).ok());
    assert!(!list(&all["hits"]).is_empty(), "{all}");
    for hit in list(&all["hits"]) {
        let score = hit["score"].as_f64().unwrap();
        let sum: f64 = list(&hit["parts"]).iter().map(|part| part["score"].as_f64().unwrap()).sum();
        assert!((sum - score).abs() <= tolerance * score.abs().max(1.0), "{sum} {hit}");
    }
    all
}

#[test]
fn a_search_shows_terms_that_add_up_to_the_score() {
    let nir = Nir::new();
    let all = search(&nir, &["lexical/bm25", "tea and water", "--on", "toy"], 1e-5);
    assert!(all["query"]["query_id"].is_null());
    assert!(list(&all["hits"]).iter().all(|hit| hit["grade"].is_null()));
    search(&nir, &["lexical/bm25-tantivy", "tea and water", "--on", "toy"], 1e-5);
    let text = nir.run(&["search", "lexical/bm25", "tea and water", "--on", "toy"]).ok();
    assert!(text.starts_with("lexical/bm25 on toy: tea and water\n"), "{text}");
    assert!(text.contains("tea ") && text.contains(" × ") && !text.contains("grade"), "{text}");
    let widths = text.lines().map(|line| line.chars().count());
    assert!(widths.max().unwrap() <= 100, "{text}");
}

#[test]
fn a_query_of_the_dataset_has_grades() {
    let nir = Nir::new();
    nir.run(&["run", "lexical/bm25", "--on", "toy", "--run", "out.trec"]).ok();
    let run = fs::read_to_string(nir.path("out.trec")).unwrap();
    let first: Vec<&str> = run.lines().next().unwrap().split(' ').collect();
    let all = search(&nir, &["lexical/bm25", "--query-id", first[0], "--on", "toy"], 1e-5);
    let best = &all["hits"][0];
    assert_eq!(best["doc_id"], first[2], "{all}");
    assert!((best["score"].as_f64().unwrap() - first[4].parse::<f64>().unwrap()).abs() < 1e-6);
    assert!(list(&all["hits"]).iter().any(|hit| hit["grade"].is_number()), "{all}");
    // The same by its text.
    let text = all["query"]["text"].as_str().unwrap();
    assert_eq!(search(&nir, &["lexical/bm25", text, "--on", "toy"], 1e-5), all);
    let page = nir.run(&["search", "lexical/bm25", text, "--on", "toy", "--top", "2"]).ok();
    assert!(page.contains("grade") && page.contains("judged relevant"), "{page}");
}

#[test]
fn a_pipeline_is_explained_by_its_last_stage() {
    let nir = Nir::new();
    let all = search(&nir, &["feedback/bm25-rm3", "tea and water", "--on", "toy"], 1e-5);
    assert!(list(&all["query"]["terms"]).len() > 2, "{all}");
    let all = search(&nir, &["hybrid/rrf-bm25-rm3", "tea and water", "--on", "toy"], 1e-5);
    assert_eq!(all["hits"][0]["parts"][0]["rank"], 1);
    assert!(all["hits"][0]["parts"][0]["input"].as_str().unwrap().contains("bm25"), "{all}");
}

#[test]
fn a_model_is_explained_by_its_shape() {
    let query = ["mine/method.toml", "bread and water", "--on", "toy", "--top", "3"];
    let all = search(&prepared("bert", DENSE), &query, 1e-5);
    assert_eq!(list(&all["hits"][0]["parts"]).len(), 1);
    let all = search(&prepared("bert-mlm", SPARSE), &query, 1e-5);
    assert!(all["hits"][0]["parts"][0]["document_weight"].as_f64().unwrap() > 0.0);
    // Stored as halves, and read by another kernel.
    let nir = prepared("colbert", LATE);
    let all = search(&nir, &query, 1e-3);
    let parts = list(&all["hits"][0]["parts"]);
    assert!(parts.iter().all(|part| part["document_token"].is_string()), "{all}");
    let text = nir.run(&[&["search"][..], &query, &["--parts", "2"]].concat()).ok();
    assert!(text.contains(" ~ ") && text.contains(" more "), "{text}");
}

#[test]
fn a_text_is_encoded_as_the_method_does() {
    let encode = |nir: &Nir, more: &[&str]| {
        nir.run(&[&["encode", "mine/method.toml", "bread"], more].concat()).ok()
    };
    let nir = prepared("bert", DENSE);
    let all = json(&encode(&nir, &["--json"]));
    assert_eq!(all["tokens"], json("[\"[CLS]\", \"bread\", \"[SEP]\"]"));
    assert!((all["norm"].as_f64().unwrap() - 1.0).abs() < 1e-5, "{all}");
    assert_eq!(list(&all["vector"]).len() as u64, all["shape"][0].as_u64().unwrap());
    assert!(encode(&nir, &["--as", "document"]).contains("norm 1.0000"));

    let nir = prepared("bert-mlm", SPARSE);
    let all = json(&encode(&nir, &["--json"]));
    let weight = |term: &Value| term["weight"].as_f64().unwrap();
    let terms = list(&all["terms"]);
    assert!(
        terms.iter().any(|term| term["expansion"] == true)
            && terms.is_sorted_by(|a, b| weight(a) >= weight(b))
    );
    let threshold = weight(&terms[1]).to_string();
    assert!(encode(&nir, &["--threshold", &threshold]).contains("\n1 term\n"), "{threshold}");
    assert!(encode(&nir, &[]).contains("expansions (+)"));

    let nir = prepared("colbert", LATE);
    let all = json(&encode(&nir, &["--json"]));
    assert_eq!(list(&all["vectors"]).len(), list(&all["tokens"]).len());

    let text = nir.run(&["encode", "lexical/bm25", "The keepers of lighthouses"]).ok();
    assert!(text.contains("keeper 1.0000") && text.contains("lighthous 1.0000"), "{text}");
}

#[test]
fn what_cannot_be_asked_is_one_clear_error() {
    let nir = Nir::new();
    let says = |arguments: &[&str], part: &str| {
        let error = nir.run(arguments).error();
        assert!(error.contains(part), "`{part}` is not in: {error}");
    };
    says(&["search", "lexical/bm52", "tea"], "did you mean lexical/bm25");
    says(&["search", "lexical/bm25", "tea", "--on", "poket"], "pocket");
    says(&["search", "lexical/bm25", "--query-id", "none", "--on", "toy"], "no query of toy");
    says(&["search", "lexical/bm25", " ", "--on", "toy"], "the query is empty");
    says(&["search", "lexical/bm25", "--on", "toy"], "--query-id");
    says(&["encode", "lexical/bm25", ""], "the text is empty");
    says(&["encode", "hybrid/rrf-bm25-rm3", "tea"], "nir search hybrid/rrf-bm25-rm3");
    says(&["encode", "sparse/splade-v2-max", "tea"], "did you mean sparse/splade-max");
    says(&["explain", "lexical/bm52"], "did you mean lexical/bm25");
    says(&["explain", "quickstart"], "name one of its methods, lexical/bm25");
    says(&["show", "formal2021spalde"], "did you mean formal2021splade");
    says(&["new", "method", "lexical/mine", "--like", "bm25"], "did you mean lexical/bm25");
    says(&["new", "method", "mine"], "<family>/<name>");
    says(&["new", "method", "nothing/mine"], "--like");
    says(&["new", "method", "lexical/bm25"], "a method already");
    says(&["new", "dataset", "pocket"], "a dataset already");
    says(&["new", "dataset", "../x"], "is no name of a dataset");
    let text = nir.run(&["search", "lexical/bm25", "xyzzy", "--on", "toy"]).ok();
    assert!(text.contains("nothing found"), "{text}");
}

/// Words as a shell has them, with `"` around those that have spaces.
fn words(line: &str) -> Vec<String> {
    let pieces = line.split('"').enumerate();
    let plain =
        |text: &str| text.split(' ').filter(|it| !it.is_empty()).map(str::to_owned).collect();
    pieces
        .flat_map(|(i, text)| if i % 2 == 1 { vec![text.to_owned()] } else { plain(text) })
        .collect()
}

/// The same words; numbers may differ by what another processor rounds otherwise.
fn alike(line: &str, shown: &str) -> bool {
    let same = |(a, b): (&str, &str)| {
        a == b
            || matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if (a - b).abs() < 2e-4)
    };
    line.split(' ').count() == shown.split(' ').count()
        && line.split(' ').zip(shown.split(' ')).all(same)
}

#[test]
fn the_readme_shows_what_is_said() {
    let nir = Nir::new();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let mut told = 0;
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for command in block.split("$ nir ").skip(1) {
            let (command, shown) = command.split_once('\n').unwrap();
            let command = words(command);
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let text = nir.run(&command).ok();
            let missing = shown.lines().find(|shown| !text.lines().any(|line| alike(line, shown)));
            assert_eq!(missing, None, "{command:?} says {text}");
            told += 1;
        }
    }
    assert!(told >= 3, "{told}");
}

#[test]
fn help_has_examples() {
    let nir = Nir::new();
    for command in ["search", "encode", "explain", "doctor", "new"] {
        let help = nir.run(&[command, "--help"]).ok();
        assert!(help.contains(&format!("Examples:\n  nir {command}")), "{help}");
    }
}

#[test]
fn every_method_of_the_catalogue_is_explained() {
    let nir = Nir::new();
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let folders = fs::read_dir(&configs).unwrap().map(|entry| entry.unwrap().path());
    let is_other = |path: &Path| path.ends_with("training") || path.ends_with("sweeps");
    let folders = folders.filter(|path| path.is_dir() && !is_other(path));
    let mut told = 0;
    for file in folders.flat_map(|folder| {
        common::files_below(&folder).into_iter().map(move |file| folder.join(file))
    }) {
        let name = format!(
            "{}/{}",
            file.parent().unwrap().file_name().unwrap().to_str().unwrap(),
            file.file_stem().unwrap().to_str().unwrap()
        );
        let text = nir.run(&["explain", &name]).ok();
        for part in [
            "Code: crates/methods/src/",
            " = ",
            "Try it: ",
            "[[stage]]",
            "Entry of the list",
            "\nkey ",
        ] {
            assert!(text.contains(part), "{name}: `{part}` is not in: {text}");
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for tried in text.split("`nir run ").skip(1) {
            let tried = tried.split([' ', '`']).next().unwrap();
            assert!(configs.join(format!("{tried}.toml")).is_file(), "{name}: there is no {tried}");
        }
        told += 1;
    }
    assert!(told > 40, "{told}");
}

#[test]
fn a_doctor_names_what_a_result_records() {
    let nir = Nir::new();
    let findings = json(&nir.run(&["doctor", "--offline", "--json"]).ok());
    let found = |what: &str| {
        let finding = list(&findings).iter().find(|finding| finding["what"] == what);
        finding.unwrap_or_else(|| panic!("{what}"))["found"].as_str().unwrap()
    };
    nir.run(&["run", "lexical/bm25", "--on", "toy", "--results", "results"]).ok();
    let cell = json(&fs::read_to_string(nir.path("results/toy/lexical/bm25.json")).unwrap());
    let provenance = &cell["provenance"];
    let recorded = |key: &str| provenance[key].as_str().unwrap();
    assert!(found("nir").contains(recorded("commit")), "{findings}");
    assert_eq!(found("rustc"), recorded("rustc"));
    assert!(found("processor").ends_with(recorded("cpu")));
    let machine = |key: &str| provenance["machine"][key].as_str().unwrap();
    assert!(found("processor").starts_with(&format!("{} cores", machine("cores"))));
    assert_eq!(found("simd"), machine("simd"));
    assert!(found("memory").ends_with(machine("memory")), "{findings}");
    let tantivy = provenance["libraries"]["tantivy"].as_str().unwrap();
    assert!(found("libraries").contains(&format!("tantivy {tantivy}")));
    assert!(found("hub").contains("was not asked"));
    assert!(found("cache").contains(nir.path("cache").to_str().unwrap()));

    // A hub that nobody runs: a warning with what to do, and no failure.
    let output =
        nir.command(&["doctor"]).env("HF_ENDPOINT", "http://127.0.0.1:9").output().unwrap();
    let text = common::Finished(output).ok();
    let hub = text.lines().find(|line| line.contains(" hub  ")).unwrap();
    assert!(hub.starts_with("warning") && hub.contains("HF_ENDPOINT"), "{text}");
}

/// A checkout needs no more than this.
fn checkout() -> Nir {
    let nir = Nir::new();
    let papers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/papers.toml");
    nir.write("configs/papers.toml", &fs::read_to_string(papers).unwrap());
    nir
}

#[test]
fn new_files_pass_the_check_and_run() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/lexical/bm25.toml");
    let nir = checkout();
    nir.write("configs/lexical/bm25.toml", &fs::read_to_string(source).unwrap());
    nir.run(&["new", "method", "lexical/mine"]).ok();
    nir.run(&["new", "dataset", "mine"]).ok();
    let method = fs::read_to_string(nir.path("configs/lexical/mine.toml")).unwrap();
    assert!(
        method.contains("# How soon occurrences saturate") && !method.contains("[[claim]]"),
        "{method}"
    );
    nir.run(&["check"]).ok();
    nir.write("datasets/mine/collection.tsv", "a\tgreen tea\nb\tcoffee\n");
    nir.write("datasets/mine/queries.tsv", "1\ttea\n");
    nir.write("datasets/mine/qrels.txt", "1 0 a 1\n");
    let out = nir.run(&["run", "lexical/mine", "--on", "mine", "--measure", "RR@10"]).ok();
    assert!(out.contains("1.0000"), "{out}");
    // Nothing is ever overwritten.
    for arguments in [["new", "method", "lexical/other"], ["new", "dataset", "other"]] {
        let place = ["--out", "configs/lexical/mine.toml"];
        let error = nir.run(&[&arguments[..], &place].concat()).error();
        assert!(error.contains("is not overwritten"), "{error}");
    }
    assert_eq!(fs::read_to_string(nir.path("configs/lexical/mine.toml")).unwrap(), method);
}

#[test]
fn a_skeleton_can_be_like_any_method() {
    let nir = Nir::new();
    for like in
        ["sparse/splade-max", "late/colbert-v2-rerank", "hybrid/rrf-bm25-rm3", "dense/e5-base-v2"]
    {
        let name = format!("{}/mine", like.split('/').next().unwrap());
        nir.run(&["new", "method", &name, "--like", like]).ok();
        let text = fs::read_to_string(nir.path(&format!("configs/{name}.toml"))).unwrap();
        assert!(text.contains("# The number of documents that are kept"), "{text}");
    }
}
