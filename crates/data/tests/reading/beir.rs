use nir_core::Qrels;
use nir_data::{DocumentFormat, QrelsFormat, QueryFormat};

use super::{document, documents, pairs, qrels, queries};

#[test]
fn a_corpus_has_titles_and_metadata_that_is_passed_over() {
    let docs = documents(
        DocumentFormat::BeirJsonl,
        concat!(
            r#"{"_id": "MED-1", "title": "Tea", "text": "Line one.\nLine \"two\".", "metadata": {"url": null}}"#,
            "\n",
            r#"{"text": "K\u00e4se", "_id": "2"}"#,
            "\n",
        ),
    )
    .unwrap();
    assert_eq!(
        docs,
        [document("MED-1", "Tea", "Line one.\nLine \"two\"."), document("2", "", "Käse")]
    );
}

#[test]
fn a_malformed_document_is_named() {
    let expected = "expected a JSON object with the strings `_id`, `text` and perhaps `title`";
    let cases = [
        (r#"{"_id": "1", "text": "a""#, "EOF while parsing an object (column 24)"),
        (r#"{"title": "a", "text": "b"}"#, "missing field `_id` (column 27)"),
        (r#"{"_id": "1", "title": "a"}"#, "missing field `text` (column 26)"),
        (r#"{"_id": 1, "text": "a"}"#, "invalid type: integer `1`, expected a string (column 9)"),
        (r#"{"_id": "1", "text": null}"#, "invalid type: null, expected a string (column 25)"),
        ("", "EOF while parsing a value (column 0)"),
        (r#"["1", "title", "text"]"#, "an array"),
    ];
    let good = r#"{"_id": "0", "text": "good"}"#;
    for (line, found) in cases {
        assert_eq!(
            documents(DocumentFormat::BeirJsonl, format!("{good}\n{line}\n")).unwrap_err(),
            format!("docs:2: found {found}, {expected}")
        );
    }
}

#[test]
fn a_name_with_white_space_is_refused() {
    assert_eq!(
        documents(DocumentFormat::BeirJsonl, r#"{"_id": "a\tb", "text": ""}"#).unwrap_err(),
        "docs:1: found `a\tb`, expected a doc_id without white space (run files are split at it)"
    );
}

#[test]
fn queries_have_no_title() {
    let content = "{\"_id\": \"q1\", \"text\": \"is tea hot?\", \"metadata\": {}}\n";
    assert_eq!(pairs(&queries(QueryFormat::BeirJsonl, content).unwrap()), [("q1", "is tea hot?")]);
    assert_eq!(
        queries(QueryFormat::BeirJsonl, "{\"_id\": \"q1\"}").unwrap_err(),
        "queries:1: found missing field `text` (column 13), expected a JSON object with the strings `_id` and `text`"
    );
}

#[test]
fn judgements_stand_under_a_header() {
    let content = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n";
    let expected: Qrels = [("q1", "d1", 2), ("q1", "d2", 0)].into_iter().collect();
    assert_eq!(qrels(QrelsFormat::BeirTsv, content).unwrap(), expected);
}

#[test]
fn malformed_judgements_are_named() {
    let header = "query-id\tcorpus-id\tscore\n";
    let cases = [
        (
            "q1\td1\t1\n".to_owned(),
            "qrels:1: found `q1\td1\t1`, expected the header `query-id TAB corpus-id TAB score`",
        ),
        (
            format!("{header}q1 d1 1\n"),
            "qrels:2: found no tab, expected `query_id TAB doc_id TAB grade`",
        ),
        (format!("{header}q1\td1\tyes\n"), "qrels:2: found grade `yes`, expected a whole number"),
        (
            format!("{header}q1\td1\t1\nq1\td1\t2\n"),
            "qrels:3: found grade 2 after 1 for `q1` and `d1`, expected one grade for a pair",
        ),
        (
            format!("{header}q1\t\t1\n"),
            "qrels:2: found an empty doc_id, expected a doc_id without white space (run files are split at it)",
        ),
    ];
    for (content, message) in cases {
        assert_eq!(qrels(QrelsFormat::BeirTsv, content).unwrap_err(), message);
    }
}
