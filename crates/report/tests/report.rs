//! A report over a small world: three methods, one of them in two precisions, over a collection and a sample of another.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use indexmap::IndexMap;
use nir_catalogue::{
    Cell, Claim, Claimed, Comparison, Cost, Latency, Library, Measured, PerQuery, Provenance,
    Scope, Source, StageCost, read_cells,
};
use nir_core::{Document, Documents, Qrels, Queries, Query, TrecRun};
use nir_report::{
    AtHand, CoveragePage, Finding, Format, Means, Part, Parts, Question, Report, Sources,
    coverage_text, report_text,
};

const PAPERS: &str = r#"
[[paper]]
key = "smith2001words"
title = "Words & <b>Weights</b>"
authors = "A. Smith, B. Jones"
venue = "SIGIR 2001"
year = 2001
url = "https://example.org/words?a=1&b=2"
code = ["https://example.org/code"]
section = "Sparse Retrieval > Words"
short_name = ""
family = "lexical"
kind = "method"
edition = "both"
checkpoints = []

[[paper]]
key = "lee2020vectors"
title = "Vectors"
authors = "C. Lee"
venue = ""
year = 2020
url = "javascript:alert(1)"
code = []
section = "Dense Retrieval"
short_name = "VEC"
family = "dense"
kind = "method"
edition = "both"
checkpoints = ["org/vec"]

[[paper]]
key = "lee2021open"
title = "Open Vectors"
authors = "C. Lee"
venue = "SIGIR 2021"
year = 2021
url = "https://example.org/open"
code = []
section = "Dense Retrieval"
short_name = ""
family = "dense"
kind = "training"
edition = "both"
checkpoints = ["org/open"]
"#;

const COMPARISON: &str = r#"
datasets = ["drawn", "small"]
methods = ["lexical/words", "lexical/more", "dense/vec", "dense/absent"]
baseline = "lexical/words"
measures = ["nDCG@10", "AP", "R@100"]
test = "t"
correction = "holm"
seed = 1

[[hypothesis]]
says = "vectors beat words"
paper = "lee2020vectors"
better = "dense/vec"
than = "lexical/words"

[[hypothesis]]
says = "words beat vectors"
paper = "lee2020vectors"
better = "lexical/words"
than = "dense/vec"

[[hypothesis]]
says = "more words help"
paper = "lee2020vectors"
better = "lexical/more"
than = "lexical/words"

[[hypothesis]]
says = "what is absent helps"
paper = "lee2020vectors"
better = "dense/absent"
than = "lexical/words"
"#;

const MEASURES: [&str; 2] = ["nDCG@10", "AP"];

fn library() -> Library {
    let method = |name: &str, paper: &str| {
        format!("[card]\nname = '{name}'\npaper = '{paper}'\n[[stage]]\nuse = 'any'\n")
    };
    let files = [
        ("papers.toml", PAPERS.to_owned()),
        ("test.toml", COMPARISON.to_owned()),
        ("lexical/words.toml", method("Words", "smith2001words")),
        (
            "lexical/more.toml",
            method("100% more_words <script>alert(1)</script>", "smith2001words"),
        ),
        ("dense/vec.toml", method("VEC, tuned", "lee2020vectors")),
    ];
    let source = |(path, text): (&str, String)| {
        (path.to_owned(), Source::new(format!("configs/{path}"), text))
    };
    Library::parse(files.map(source)).unwrap()
}

fn comparison(library: &Library) -> &Comparison {
    &library.comparisons["test"]
}

/// Writes a cell whose `nDCG@10` is `values` and whose `AP` is half of that.
/// What an approximate search that cut some texts says of itself.
fn approximate() -> IndexMap<String, IndexMap<String, String>> {
    let facts = |facts: [(&str, &str); 2]| {
        facts.map(|(fact, value)| (fact.to_owned(), value.to_owned())).into()
    };
    let vectors = facts([("recall@10", "0.9510"), ("recall@100", "0.8793")]);
    // 617 of 12,345 documents are 5.0 %.
    let texts = facts([("documents cut", "617"), ("text not read", "0.0312")]);
    [("vectors".to_owned(), vectors), ("texts".to_owned(), texts)].into()
}

fn write_cell(
    results: &Path,
    library: &Library,
    of: (&str, &str, Option<&str>),
    p50_ms: f64,
    values: &[f64],
) {
    let (dataset, method, precision) = of;
    let config = &library.methods[method];
    let half: Vec<f64> = values.iter().map(|value| value / 2.0).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let measured = |value| Measured { value, tied_queries: 0, worst: value, best: value };
    let claim = Claim {
        dataset: dataset.to_owned(),
        measure: "nDCG@10".to_owned(),
        value: 0.5,
        tolerance: 0.01,
        source: "Table 1, row \"words\"".to_owned(),
    };
    let claims = match method {
        "lexical/words" => vec![Claimed::new(claim, mean(values))],
        _ => Vec::new(),
    };
    let cell = Cell {
        method: method.to_owned(),
        name: config.card.name.clone(),
        paper: config.card.paper.clone(),
        dataset: dataset.to_owned(),
        scope: if dataset == "drawn" { Scope::SampleOf("large".into()) } else { Scope::Full },
        documents: 12_345,
        queries: values.len(),
        policy: "trec_eval-9/v1".to_owned(),
        measures: [("nDCG@10", measured(mean(values))), ("AP", measured(mean(&half)))]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        claims,
        precision: precision.map(ToOwned::to_owned),
        cost: Cost {
            stages: vec![StageCost {
                stage: "any".into(),
                build_seconds: 1.5,
                run_seconds: 0.25,
                bytes: 2048,
                cpu: None,
            }],
            latency: Latency {
                queries: 4,
                p50_ms,
                p50_interval_ms: Some([0.9 * p50_ms, 1.1 * p50_ms]),
                p95_ms: 2.0 * p50_ms,
                p99_ms: 3.0 * p50_ms,
            },
            index_bytes: None,
            peak_bytes: None,
            threads: 2,
        },
        provenance: Provenance {
            contract: None,
            config: config.digest().hex(),
            inputs: IndexMap::new(),
            dataset: format!("digest-of-{dataset}"),
            origin: "embedded".to_owned(),
            weights: IndexMap::new(),
            indexes: if method == "dense/vec" { approximate() } else { IndexMap::new() },
            run: format!("run-of-{method}"),
            commit: "c0ffee".to_owned(),
            // Results from before versions were recorded have none.
            made_with: if method == "lexical/more" { vec![] } else { vec!["bm25 1".to_owned()] },
            rustc: "rustc 1.95.0".to_owned(),
            libraries: [("tantivy".to_owned(), "0.27.0".to_owned())].into(),
            cpu: "A CPU".to_owned(),
            machine: [("cores".to_owned(), "2".to_owned())].into(),
            device: "cpu".to_owned(),
            date: "2026-11-22".to_owned(),
        },
    };
    let path = results.join(cell.path());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, serde_json::to_string(&cell).unwrap()).unwrap();
    let per_query = PerQuery {
        measures: MEASURES.map(ToOwned::to_owned).to_vec(),
        queries: (1..=values.len()).map(|number| format!("q{number}")).collect(),
        values: vec![values.to_vec(), half],
    };
    fs::write(path.with_extension("queries.tsv"), per_query.to_string()).unwrap();
}

fn write_results(results: &Path, library: &Library) {
    let words = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
    let vec = [0.5, 0.5, 0.5, 0.7, 0.7, 0.9];
    let more = [0.2, 0.1, 0.3, 0.4, 0.5, 0.6];
    for dataset in ["small", "drawn"] {
        write_cell(results, library, (dataset, "lexical/words", None), 0.5, &words);
        write_cell(results, library, (dataset, "lexical/more", None), 1.25, &more);
    }
    write_cell(results, library, ("small", "dense/vec", Some("f32")), 20.0, &vec);
    write_cell(results, library, ("small", "dense/vec", Some("int8")), 8.0, &vec);
}

/// Queries, labels, judgements and rankings of `small`; nothing of `drawn`.
struct World {
    digest: &'static str,
}

impl Sources for World {
    fn with_dataset(&self, name: &str, read: &mut dyn FnMut(&AtHand<'_>)) -> Result<(), String> {
        if name != "small" {
            return Err(format!("`{name}` is not here yet; run `nir fetch {name}`"));
        }
        let document = |number: u32| Document {
            doc_id: format!("d{number}"),
            title: String::new(),
            text: format!("a text <i>number</i> {number}"),
        };
        let corpus = Documents::new((1..=9).map(document)).unwrap();
        let query =
            |number: u32| Query::new(format!("q{number}"), format!("what is {number} & why"));
        let queries = Queries::new((1..=6).map(query).collect()).unwrap();
        let mut qrels = Qrels::default();
        qrels.insert("q1", "d2", 2);
        let label = |(query, label): (&str, &str)| (query.to_owned(), vec![label.to_owned()]);
        let labels: BTreeMap<_, _> =
            [("q1", "hard"), ("q2", "hard"), ("q3", "easy")].map(label).into();
        read(&AtHand {
            digest: self.digest.to_owned(),
            corpus: &corpus,
            queries: &queries,
            judged: (&qrels).into(),
            labels: &labels,
        });
        Ok(())
    }

    fn parts(&self, method: &str, _: &str, query_ids: &[&str], _: usize) -> Parts {
        if method != "lexical/words" {
            return Parts::new();
        }
        let part = Part { what: "tea & milk".to_owned(), score: 1.25 };
        let both = |query_id: &&str| ((*query_id).to_owned(), "d1".to_owned());
        query_ids.iter().map(|query_id| (both(query_id), vec![part.clone()])).collect()
    }

    fn run(&self, digest: &str) -> Option<TrecRun> {
        let documents = match digest {
            "run-of-lexical/words" => ["d1", "d3"],
            "run-of-dense/vec" => ["d2", "d1"],
            _ => return None,
        };
        let mut run = TrecRun::default();
        for (rank, doc_id) in documents.into_iter().enumerate() {
            run.list_mut("q1").push(doc_id, 2.0 - rank as f64, rank as u32 + 1);
        }
        Some(run)
    }
}

fn report() -> Report {
    report_with(&World { digest: "digest-of-small" })
}

fn report_with(world: &World) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let library = library();
    write_results(folder.path(), &library);
    let cells = read_cells(folder.path()).unwrap();
    let read = |cell| nir_report::Measured::read(folder.path(), cell).unwrap();
    let measured: Vec<_> = cells.into_iter().map(read).collect();
    let question = Question::of(comparison(&library)).unwrap();
    Report::new(&question, folder.path(), &measured, &library, world).unwrap()
}

/// Compares with a file of `tests/expected`; `NIR_WRITE_EXPECTED=1` writes it, to be read before it is committed.
fn assert_as_expected(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected").join(name);
    if std::env::var_os("NIR_WRITE_EXPECTED").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(text == expected, "{} is not what is written now:\n{text}", path.display());
}

#[test]
fn markdown_latex_and_csv_are_as_expected() {
    let report = report();
    for format in [Format::Markdown, Format::Latex, Format::Csv] {
        let name = format!("report.{}", format.extension());
        assert_as_expected(&name, &report_text(&report, format));
    }
}

#[test]
fn samples_stand_in_tables_of_their_own_after_full_collections() {
    let tables = report().tables;
    let names: Vec<_> =
        tables.iter().map(|table| (&*table.dataset, table.sample_of.as_deref())).collect();
    assert_eq!(names, [("small", None), ("drawn", Some("large"))]);
}

#[test]
fn what_did_not_run_and_what_was_not_recorded_is_said() {
    let report = report();
    let absent: BTreeSet<(&str, &str)> =
        report.absent.iter().map(|(dataset, method)| (&**dataset, &**method)).collect();
    let expected = [("drawn", "dense/vec"), ("drawn", "dense/absent"), ("small", "dense/absent")];
    assert_eq!(absent, expected.into());
    assert_eq!(report.tables[0].not_recorded, ["R@100"]);
    assert_eq!(report.tables[0].measures, MEASURES);
}

#[test]
fn every_comparison_of_a_table_is_one_family() {
    // Three rows under two measures: Holm multiplies the smallest of six by six.
    let table = &report().tables[0];
    let against: Vec<_> = table
        .rows
        .iter()
        .flat_map(|row| &row.values)
        .filter_map(|value| value.against.as_ref())
        .collect();
    assert_eq!(against.len(), 6);
    let smallest = against.iter().min_by(|a, b| a.p.total_cmp(&b.p)).unwrap();
    assert!((smallest.corrected_p / (6.0 * smallest.p) - 1.0).abs() < 1e-5); // both are rounded to six digits
    // Differences of dense/vec: .4, .3, .2, .3, .2, .3
    let vec = table.rows.iter().find(|row| row.method == "dense/vec").unwrap();
    let one = vec.values[0].against.as_ref().unwrap();
    assert!((one.difference - 1.7 / 6.0).abs() < 1e-12);
    assert_eq!(one.tally, [6, 0, 0]);
    assert!(one.is_significant);
}

#[test]
fn the_frontier_is_what_nothing_beats_at_its_speed() {
    let table = &report().tables[0];
    let front: Vec<_> =
        table.rows.iter().filter(|row| row.on_frontier).map(|row| row.name.as_str()).collect();
    // In f32 the same quality takes longer; `more` is slower than `words` and no better.
    assert_eq!(front, ["Words", "VEC, tuned (int8)"]);
}

#[test]
fn what_papers_say_is_held_to_pairs_of_rows() {
    let tables = report().tables;
    let table = tables.iter().find(|table| table.dataset == "small").unwrap();
    let found: Vec<(&str, Finding)> =
        table.hypotheses.iter().map(|one| (one.says.as_str(), one.verdict)).collect();
    let expected = [
        ("vectors beat words", Finding::Held),
        ("words beat vectors", Finding::NotHeld),
        ("more words help", Finding::Undecided),
    ];
    assert_eq!(found, expected);
}

#[test]
fn labels_are_means_over_their_queries() {
    let labels = &report().tables[0].labels;
    let hard = labels.iter().find(|label| label.label == "hard").unwrap();
    assert_eq!(hard.queries, 2);
    assert!((hard.values[0] - 0.15).abs() < 1e-12);
}

#[test]
fn two_rankings_stand_side_by_side_with_grades() {
    let report = report();
    let one = &report.tables[0].disagreements[0];
    assert_eq!((&*one.query_id, &*one.text), ("q1", "what is 1 & why"));
    let shown = |side: &nir_report::Side| {
        let documents = side.documents.iter();
        documents.map(|one| (one.doc_id.clone(), one.grade, one.is_shared)).collect::<Vec<_>>()
    };
    let seen = |document: &nir_report::Shown| document.parts.len();
    assert_eq!(one.left.documents.iter().map(seen).collect::<Vec<_>>(), [1, 0]);
    assert!(one.right.documents.iter().all(|document| document.parts.is_empty()));
    assert_eq!(shown(&one.left), [("d1".into(), None, true), ("d3".into(), None, false)]);
    assert_eq!(shown(&one.right), [("d2".into(), Some(2), false), ("d1".into(), None, true)]);
    assert!(report.tables[1].disagreements.is_empty());
    assert!(report.tables[1].not_at_hand.as_ref().unwrap().contains("nir fetch drawn"));
}

#[test]
fn a_collection_that_changed_lends_no_texts() {
    let table = &report_with(&World { digest: "another" }).tables[0];
    assert!(table.labels.is_empty() && table.disagreements.is_empty());
    assert!(table.not_at_hand.as_ref().unwrap().contains("differs from the data"));
    assert!(table.rows.iter().flat_map(|row| &row.differences).all(|one| one.text.is_none()));
}

#[test]
fn without_a_single_result_the_error_says_what_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let library = library();
    let question = Question::of(comparison(&library)).unwrap();
    let world = World { digest: "" };
    let error =
        Report::new(&question, folder.path(), &[], &library, &world).unwrap_err().to_string();
    assert!(error.ends_with("`nir run configs/test.toml` makes them"), "{error}");
}

#[test]
fn a_title_says_in_words_what_is_compared() {
    assert_eq!(report().title, "Words and 3 other methods on small and drawn");
    assert_eq!(report().what, "configs/test.toml");
}

#[test]
fn the_sentence_under_a_table_names_what_differs() {
    let verdict = &report().tables[0].verdict;
    let found = "Beyond chance on 6 queries: VEC, tuned (nDCG@10, AP) and VEC, tuned (int8) (nDCG@10, AP) are better than Words";
    assert!(verdict.starts_with(found), "{verdict}");
    // `more` wins 0.1 on one query and loses it on another: nothing is found, and the sentence says of how much nothing is known.
    assert!(
        verdict.contains("does not differ from it; the smallest difference in nDCG@10"),
        "{verdict}"
    );
}

#[test]
fn only_what_is_significant_has_a_colour() {
    let page = report_text(&report(), Format::Html);
    let document = roxmltree::Document::parse_with_options(
        &page,
        roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() },
    )
    .unwrap();
    let coloured = document.descendants().filter(|node| {
        let class = node.attribute("class").unwrap_or_default();
        node.has_tag_name("small") && ["up", "down"].contains(&class)
    });
    let texts: Vec<&str> = coloured.filter_map(|node| node.text()).collect();
    assert!(texts.len() == 4 && texts.iter().all(|text| text.ends_with('*')), "{texts:?}");
}

#[test]
fn times_that_overlap_are_a_tie() {
    let folder = tempfile::tempdir().unwrap();
    let library = library();
    let values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
    let better = values.map(|value| value + 0.1);
    // 1.00 ms and 1.05 ms are one time: their intervals are ten per cent either way. So the better row alone is on the frontier.
    write_cell(folder.path(), &library, ("small", "lexical/words", None), 1.0, &values);
    write_cell(folder.path(), &library, ("small", "lexical/more", None), 1.05, &better);
    let front = |path: &Path| -> Vec<bool> {
        let read = |cell| nir_report::Measured::read(path, cell).unwrap();
        let measured: Vec<_> = read_cells(path).unwrap().into_iter().map(read).collect();
        let question = Question::of(comparison(&library)).unwrap();
        let world = World { digest: "" };
        let report = Report::new(&question, path, &measured, &library, &world).unwrap();
        report.tables[0].rows.iter().map(|row| row.on_frontier).collect()
    };
    assert_eq!(front(folder.path()), [false, true]);
    // The same quality at one time: both are.
    write_cell(folder.path(), &library, ("small", "lexical/more", None), 1.05, &values);
    assert_eq!(front(folder.path()), [true, true]);
    // Clearly faster and worse: both are.
    write_cell(folder.path(), &library, ("small", "lexical/more", None), 1.5, &better);
    assert_eq!(front(folder.path()), [true, true]);
}

#[test]
fn latex_tells_a_gain_from_a_loss() {
    let folder = tempfile::tempdir().unwrap();
    let library = library();
    let values = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
    let worse = [0.1, 0.2, 0.31, 0.4, 0.52, 0.6];
    write_cell(folder.path(), &library, ("small", "lexical/words", None), 1.0, &values);
    write_cell(folder.path(), &library, ("small", "lexical/more", None), 1.0, &worse);
    let read = |cell| nir_report::Measured::read(folder.path(), cell).unwrap();
    let measured: Vec<_> = read_cells(folder.path()).unwrap().into_iter().map(read).collect();
    let question = Question::of(comparison(&library)).unwrap();
    let world = World { digest: "" };
    let report = Report::new(&question, folder.path(), &measured, &library, &world).unwrap();
    let text = report_text(&report, Format::Latex);
    assert!(
        text.contains("0.3550$^{\\downarrow}$") && !text.contains("0.3550$^{\\uparrow}$"),
        "{text}"
    );
}

#[test]
fn means_over_datasets_count_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let library = library();
    // Means .35 and .2 of six and two queries: .275; with .1 more everywhere .375.
    for (dataset, values) in
        [("small", &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6][..]), ("other", &[0.1, 0.3])]
    {
        let better: Vec<f64> = values.iter().map(|value| value + 0.1).collect();
        write_cell(folder.path(), &library, (dataset, "lexical/words", None), 1.0, values);
        write_cell(folder.path(), &library, (dataset, "lexical/more", None), 1.0, &better);
    }
    let read = |cell| nir_report::Measured::read(folder.path(), cell).unwrap();
    let measured: Vec<_> = read_cells(folder.path()).unwrap().into_iter().map(read).collect();
    let mut question = Question::of(comparison(&library)).unwrap();
    assert!(
        Means::of(&question, &measured).is_none(),
        "`drawn` has no result, and `small` alone is no mean"
    );
    question.datasets = vec!["small".into(), "other".into()];
    let means = Means::of(&question, &measured).unwrap();
    let found: Vec<f64> = means.rows.iter().map(|row| row.values[0].value).collect();
    assert!((found[0] - 0.275).abs() < 1e-12 && (found[1] - 0.375).abs() < 1e-12, "{found:?}");
    let against = means.rows[1].values[0].against.as_ref().unwrap();
    // All eight differences are .1: of 256 signs two reach it, p = 2/256 = .0078, times two measures .0156.
    assert!((against.difference - 0.1).abs() < 1e-12 && (against.p - 2.0 / 256.0).abs() < 0.002);
    assert!((against.corrected_p - 2.0 * against.p).abs() < 1e-12 && against.is_significant);
    assert_eq!(means.incomplete, ["dense/vec", "dense/absent"]);
    assert!(
        means.verdict.starts_with("Beyond chance on 8 queries: 100% more_words"),
        "{}",
        means.verdict
    );
}

/// Reads a page as XML, as which it is written too, and holds it to the rules of a page that stands alone.
fn assert_stands_alone(page: &str) {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(page, options).unwrap();
    let nodes = || document.descendants().filter(roxmltree::Node::is_element);
    let ids: Vec<&str> = nodes().filter_map(|node| node.attribute("id")).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an id is given twice");
    for node in nodes() {
        for name in ["src", "srcset", "action", "data", "poster"] {
            assert!(node.attribute(name).is_none(), "<{}> loads something", node.tag_name().name());
        }
        assert!(!["link", "iframe", "object", "img", "base"].contains(&node.tag_name().name()));
        if let Some(target) = node.attribute("href") {
            let found = target.strip_prefix('#').is_some_and(|id| unique.contains(id));
            assert!(found || target.starts_with("https://"), "{target} leads nowhere");
        }
    }
    for word in ["url(", "@import", "fetch(", "http://"] {
        assert!(!page.contains(word), "{word} is in the page");
    }
}

#[test]
fn the_page_stands_alone() {
    let page = report_text(&report(), Format::Html);
    assert_stands_alone(&page);
    assert!(page.contains("<title>4 VEC, tuned (int8): nDCG@10 0.6333, 8.00 ms</title>"));
    assert!(page.contains("href=\"https:&#x2f;&#x2f;example.org&#x2f;words?a=1&amp;b=2\""));
}

#[test]
fn no_name_from_a_file_becomes_markup() {
    let page = report_text(&report(), Format::Html);
    for markup in ["<script>alert", "<b>Weights", "javascript:alert", "<i>number"] {
        assert!(!page.contains(markup), "{markup}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn a_picture_stands_alone_and_names_every_row() {
    let picture = report_text(&report(), Format::Svg);
    let picture = roxmltree::Document::parse(&picture).expect("a picture is XML");
    assert_eq!(picture.root_element().tag_name().name(), "svg");
    let texts: String = picture.descendants().filter_map(|node| node.text()).collect();
    for row in &report().tables[0].rows {
        assert!(texts.contains(&row.name), "{}: {texts}", row.name);
    }
}

#[test]
fn the_same_files_give_the_same_bytes() {
    for format in Format::ALL {
        assert_eq!(report_text(&report(), format), report_text(&report(), format), "{format}");
    }
}

#[test]
fn json_has_every_figure_to_the_last_bit() {
    let report = report();
    let json: serde_json::Value =
        serde_json::from_str(&report_text(&report, Format::Json)).unwrap();
    let one = &json["tables"][0]["rows"][1]["values"][0];
    let ours = report.tables[0].rows[1].values[0].against.as_ref().unwrap();
    assert_eq!(one["against"]["corrected_p"].as_f64(), Some(ours.corrected_p));
}

#[test]
fn coverage_says_what_stands_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let library = library();
    write_results(folder.path(), &library);
    let coverage = CoveragePage::new(&library, &read_cells(folder.path()).unwrap());
    // `words` reproduces what is printed of it, or not; `vec` is of published weights.
    let results = (coverage.trained_here, coverage.run, coverage.reproduced);
    assert_eq!((coverage.listed, coverage.configured, results), (3, 2, (0, 2, 0)));
    let page = coverage_text(&coverage, Format::Html).unwrap();
    assert_stands_alone(&page);
    assert!(page.contains("open: public weights, no config"));
    assert!(page.contains("drawn (sample) nDCG@10 0.3500"));
    assert_as_expected("coverage.md", &coverage_text(&coverage, Format::Markdown).unwrap());
    assert!(coverage_text(&coverage, Format::Csv).is_none());
}
