use nir_core::Qrels;
use nir_data::{DocumentFormat, QrelsFormat, QueryFormat};

use super::{document, documents, pairs, qrels, queries, said_of_documents};

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
    let expected = "a JSON object with `_id` (or `id`), `text` (or `contents`) and perhaps `title`";
    let name = "a string or a whole number";
    let cases = [
        (r#"{"_id": "1", "text": "a""#, "EOF while parsing an object (column 24)", expected),
        (r#"{"title": "a", "text": "b"}"#, "no `_id` among `title`, `text`", expected),
        (r#"{"qid": "1", "query": "a"}"#, "no `_id` among `qid`, `query`", expected),
        (r#"{"_id": "1", "title": "a"}"#, "no `text` among `_id`, `title`", expected),
        ("{}", "no `_id` among no key", expected),
        (r#"{"_id": 1.5, "text": "a"}"#, "`_id`: a number that is not whole, or too large", name),
        (r#"{"id": true, "text": "a"}"#, "`id`: true or false", name),
        (r#"{"_id": null, "id": "1", "text": "a"}"#, "`_id`: null", name),
        (r#"{"_id": "1", "text": ["a", "b"]}"#, "`text`: an array", "a string or null"),
        (
            r#"{"_id": "1", "text": "a", "title": {"en": "b"}}"#,
            "`title`: an object",
            "a string or null",
        ),
        (r#"{"_id": "1", "text": 1984}"#, "`text`: a number", "a string or null"),
        (
            r#"{"_id": "1", "text": "a", "text": "b"}"#,
            "duplicate field `text` (column 32)",
            expected,
        ),
        (
            r#"["1", "title", "text"]"#,
            "an array",
            "one JSON object a line (`jq -c '.[]'` makes that of an array)",
        ),
        (
            r#"[{"_id": "1", "text": "a"}]"#,
            "an array",
            "one JSON object a line (`jq -c '.[]'` makes that of an array)",
        ),
        ("tea", "expected ident (column 2)", expected),
    ];
    let good = r#"{"_id": "0", "text": "good"}"#;
    for (line, found, expected) in cases {
        assert_eq!(
            documents(DocumentFormat::BeirJsonl, format!("{good}\n{line}\n")).unwrap_err(),
            format!("docs:2: found {found}, expected {expected}")
        );
    }
}

#[test]
fn what_other_tools_write_is_read() {
    let cases = [
        (r#"{"_id": 17, "text": "tea"}"#, document("17", "", "tea")),
        (r#"{"_id": -3, "text": "tea", "title": null}"#, document("-3", "", "tea")),
        (r#"{"_id": "1", "title": "Tea", "text": null}"#, document("1", "Tea", "")),
        (r#"{"id": "A-1", "contents": "tea"}"#, document("A-1", "", "tea")),
        (r#"{"_id": "1", "id": [2], "text": "tea", "contents": {}}"#, document("1", "", "tea")),
        (r#"{"_id": "1", "text": "\ud83c\udf75"}"#, document("1", "", "🍵")),
        (r#"{"_id": "1", "text": "te\u0000a"}"#, document("1", "", "te\0a")),
    ];
    for (line, expected) in cases {
        let content = format!("\u{feff}{line}\r\n\r\n");
        assert_eq!(documents(DocumentFormat::BeirJsonl, content).unwrap(), [expected], "{line}");
    }
}

#[test]
fn half_of_a_character_is_one_replacement_and_counted() {
    let content = concat!(
        r#"{"_id": "1", "text": "green \ud83c tea"}"#,
        "\n",
        r#"{"_id": "2", "title": "\\ud83c \udf75", "text": "\ud83c\ud83c\udf75"}"#,
        "\n",
    );
    assert_eq!(
        documents(DocumentFormat::BeirJsonl, content).unwrap(),
        [document("1", "", "green \u{fffd} tea"), document("2", "\\ud83c \u{fffd}", "\u{fffd}🍵")]
    );
    assert_eq!(
        said_of_documents(DocumentFormat::BeirJsonl, content),
        ["docs: 3 lone surrogates (halves of characters) were read as U+FFFD, the first at line 1"]
    );
}

#[test]
fn blank_lines_and_empty_documents_are_counted() {
    let content =
        "{\"_id\": 1, \"text\": null}\n\n{\"_id\": 2, \"title\": \" \", \"text\": \"\"}\n\n";
    assert_eq!(
        said_of_documents(DocumentFormat::BeirJsonl, content),
        [
            "docs: 2 blank lines were passed over, the first at line 2",
            "docs: 2 documents have neither title nor text, the first is `1`"
        ]
    );
}

#[test]
fn line_ends_of_old_macs_are_named() {
    let content = "{\"_id\": 1, \"text\": \"a\"}\r{\"_id\": 2, \"text\": \"b\"}\r";
    let error = documents(DocumentFormat::BeirJsonl, content).unwrap_err();
    assert!(error.starts_with("docs:1: found a carriage return inside the line"), "{error}");
}

#[test]
fn a_name_with_white_space_is_refused() {
    assert_eq!(
        documents(DocumentFormat::BeirJsonl, r#"{"_id": "a\tb", "text": ""}"#).unwrap_err(),
        "docs:1: found `a\\tb`, expected a doc_id without white space or control characters (run files are split at them)"
    );
}

#[test]
fn queries_have_no_title() {
    let content = "{\"_id\": \"q1\", \"text\": \"is tea hot?\", \"metadata\": {}}\n";
    assert_eq!(pairs(&queries(QueryFormat::BeirJsonl, content).unwrap()), [("q1", "is tea hot?")]);
    assert_eq!(
        queries(QueryFormat::BeirJsonl, "{\"_id\": \"q1\"}").unwrap_err(),
        "queries:1: found no `text` among `_id`, expected a JSON object with `_id` (or `id`) and `text` (or `contents`)"
    );
}

#[test]
fn judgements_stand_under_a_header() {
    let content = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n";
    let expected: Qrels = [("q1", "d1", 2), ("q1", "d2", 0)].into_iter().collect();
    assert_eq!(qrels(QrelsFormat::BeirTsv, content).unwrap(), expected);
}

#[test]
fn a_header_may_have_other_names_and_another_order() {
    let expected: Qrels = [("q1", "d1", 2), ("q1", "d2", 0)].into_iter().collect();
    for content in [
        "qid\tcid\tscore\nq1\td1\t2.0\nq1\td2\t0\n",
        "\u{feff}corpus-id\tquery-id\tscore\r\nd1\tq1\t2\r\nd2\tq1\t0\r\n",
        "query_id iteration doc_id relevance\nq1 0 d1 2\nq1 0 d2 0\n",
    ] {
        assert_eq!(qrels(QrelsFormat::BeirTsv, content).unwrap(), expected, "{content:?}");
        assert_eq!(qrels(QrelsFormat::Trec, content).unwrap(), expected, "{content:?}");
    }
}

#[test]
fn malformed_judgements_are_named() {
    let header = "query-id\tcorpus-id\tscore\n";
    let cases = [
        (
            "q1\td1\t1\n".to_owned(),
            "qrels:1: found 3 columns, expected four columns (`query_id 0 doc_id grade`), or on the first line a header such as `query-id corpus-id score`",
        ),
        (
            format!("{header}q1 d1 1 1\n"),
            "qrels:2: found 4 columns, expected 3 columns, as the header names them",
        ),
        (
            format!("{header}q1\td1\tyes\n"),
            "qrels:2: found `yes`, expected a whole number as grade, such as `1` or `1.0` (grades in between have to be scaled and rounded first)",
        ),
        (
            format!("{header}q1\td1\t0.7\n"),
            "qrels:2: found `0.7`, expected a whole number as grade, such as `1` or `1.0` (grades in between have to be scaled and rounded first)",
        ),
        (
            format!("{header}q1\td1\t1\nq1\td1\t2\n"),
            "qrels:3: found grade 2 for query `q1` and document `d1`, expected grade 1 as on an earlier line: keep one of the two",
        ),
        (
            format!("{header}q1\t\t1\n"),
            "qrels:2: found 2 columns, expected 3 columns, as the header names them",
        ),
    ];
    for (content, message) in cases {
        assert_eq!(qrels(QrelsFormat::BeirTsv, content).unwrap_err(), message);
    }
}
