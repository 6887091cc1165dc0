use nir_data::{DocumentFormat, QueryFormat, ReadError, read_documents};

use super::{Sample, document, documents, pairs, queries};

#[test]
fn a_line_is_a_document() {
    let docs = documents(DocumentFormat::Tsv, "1\tTea is hot. \n2\t\nzwölf\tÜber Tee\n").unwrap();
    assert_eq!(
        docs,
        [
            document("1", "", "Tea is hot. "),
            document("2", "", ""),
            document("zwölf", "", "Über Tee")
        ]
    );
}

#[test]
fn windows_line_ends_a_byte_order_mark_and_a_missing_last_line_end_are_not_text() {
    let docs = documents(DocumentFormat::Tsv, "\u{feff}1\tone\r\n2\ttwo").unwrap();
    assert_eq!(docs, [document("1", "", "one"), document("2", "", "two")]);
}

#[test]
fn a_line_may_be_longer_than_any_buffer() {
    let long = "tea ".repeat(1 << 20);
    let docs = documents(DocumentFormat::Tsv, format!("1\t{long}\n2\tshort\n")).unwrap();
    assert_eq!(docs, [document("1", "", &long), document("2", "", "short")]);
}

#[test]
fn an_empty_file_holds_nothing() {
    assert_eq!(documents(DocumentFormat::Tsv, "").unwrap(), []);
}

#[test]
fn a_malformed_line_is_named() {
    let cases: [(&[u8], &str); 7] = [
        (b"1\ta\n2 b\n", "docs:2: found no tab, expected `doc_id TAB text`"),
        (b"1\ta\n\n", "docs:2: found an empty line, expected `doc_id TAB text`"),
        (b"1\ta\tb\n", "docs:1: found 3 columns, expected `doc_id TAB text`"),
        (
            b"\ta\n",
            "docs:1: found an empty doc_id, expected a doc_id without white space (run files are split at it)",
        ),
        (
            b"1 2\ta\n",
            "docs:1: found `1 2`, expected a doc_id without white space (run files are split at it)",
        ),
        (
            b"1\ta\n2\tb\n3\tna\xefve\n",
            "docs:3: found byte 0xef at position 5 of the line, expected UTF-8",
        ),
        (
            b"1\ta\n2\tb\xe2\x82",
            "docs:2: found byte 0xe2 at position 4 of the line, expected UTF-8",
        ),
    ];
    for (content, message) in cases {
        assert_eq!(documents(DocumentFormat::Tsv, content).unwrap_err(), message);
    }
}

#[test]
fn ms_marco_documents_have_four_columns() {
    let docs = documents(
        DocumentFormat::MsMarcoDocs,
        "D1\thttps://example.org/tea\tTea\tA hot drink.\nD2\t\t\t\n",
    )
    .unwrap();
    assert_eq!(docs, [document("D1", "Tea", "A hot drink."), document("D2", "", "")]);
    assert_eq!(
        documents(DocumentFormat::MsMarcoDocs, "D1\thttps://example.org\tTea\n").unwrap_err(),
        "docs:1: found 3 columns, expected `doc_id TAB url TAB title TAB body`"
    );
}

#[test]
fn queries_keep_their_order() {
    let queries = queries(QueryFormat::Tsv, "9\twhat is tea\n10\twhat is coffee\n").unwrap();
    assert_eq!(pairs(&queries), [("9", "what is tea"), ("10", "what is coffee")]);
}

#[test]
fn a_repeated_query_id_is_named_with_both_lines() {
    assert_eq!(
        queries(QueryFormat::Tsv, "1\ta\n2\tb\n1\tc\n").unwrap_err(),
        "queries:3: found `1` again, first at 1, expected each query_id once"
    );
}

#[test]
fn whoever_reads_may_stop() {
    let sample = Sample::new("docs", "1\ta\n2\tb\n");
    let mut seen = 0;
    let stopped = read_documents(&sample.source, DocumentFormat::Tsv, &mut |_| {
        seen += 1;
        Err("enough".into())
    });
    assert!(matches!(stopped, Err(ReadError::Stopped(reason)) if reason.to_string() == "enough"));
    assert_eq!(seen, 1);
}

#[test]
fn a_missing_file_is_named() {
    let sample = Sample::new("docs", "");
    let missing = nir_data::Source::file(sample.dir.path().join("nothing.tsv"));
    let error = super::gather(&missing, DocumentFormat::Tsv).unwrap_err();
    assert_eq!(sample.say(&error), "nothing.tsv: No such file or directory (os error 2)");
}
