use nir_data::{DocumentFormat, QueryFormat, ReadError, read_documents};

use super::{Sample, document, documents, pairs, queries, said_of_documents, said_of_queries};

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
    let columns = "`doc_id TAB text`; if there are more columns, a first line must name them: `id TAB text TAB title`";
    let utf8 = "UTF-8 (if it is Latin-1, `iconv -f LATIN1 -t UTF-8` makes it)";
    let cases: [(&[u8], String); 13] = [
        (b"1\ta\n2 b\n", format!("docs:2: found no tab, expected {columns}")),
        (b"1\ta\n \n", format!("docs:2: found no tab, expected {columns}")),
        (b"1\ta\tb\n", format!("docs:1: found 3 columns, expected {columns}")),
        (
            b"\ta\n",
            "docs:1: found an empty doc_id, expected a doc_id without white space or control characters (run files are split at them)".into(),
        ),
        (b"1 2\ta\n", named("docs:1: found `1 2`")),
        (b" 1\ta\n", named("docs:1: found ` 1`")),
        (b"1\ta\n2\x01\ta\n", named("docs:2: found `2\\u{1}`")),
        (b"1\ta\n\xef\xbb\xbf2\tb\n", named("docs:2: found `\\u{feff}2`")),
        (b"a\xc2\xa0b\ta\n", named("docs:1: found `a\\u{a0}b`")),
        (
            b"1\ta\n2\tb\n3\tna\xefve\n",
            format!("docs:3: found byte 0xef at position 5 of the line, expected {utf8}"),
        ),
        (
            b"1\ta\n2\tb\xe2\x82",
            format!("docs:2: found byte 0xe2 at position 4 of the line, expected {utf8}"),
        ),
        (
            b"\xff\xfe1\0\t\0a\0",
            "docs:1: found the byte order mark of UTF-16, expected UTF-8 (`iconv -f UTF-16 -t UTF-8` makes it)".into(),
        ),
        (b"1\ttea\r2\tmilk\r", carriage_return()),
    ];
    for (content, message) in cases {
        assert_eq!(documents(DocumentFormat::Tsv, content).unwrap_err(), message);
    }
}

fn named(found: &str) -> String {
    format!(
        "{found}, expected a doc_id without white space or control characters (run files are split at them)"
    )
}

fn carriage_return() -> String {
    "docs:1: found a carriage return inside the line, expected lines that end with LF or CR LF (`tr '\\r' '\\n'` makes them)".into()
}

#[test]
fn a_file_with_carriage_returns_alone_is_not_one_line() {
    assert_eq!(documents(DocumentFormat::Tsv, "1\ttea\r2 milk").unwrap_err(), carriage_return());
    let inside = documents(DocumentFormat::Tsv, "1\tgreen\rtea\n2\tmilk\n").unwrap();
    assert_eq!(inside[0], document("1", "", "green\rtea"), "white space in a file of lines");
}

#[test]
fn a_header_names_the_columns_and_is_no_document() {
    let tea = [document("1", "Tea", "green"), document("2", "", "milk")];
    for content in [
        "id\ttext\ttitle\n1\tgreen\tTea\n2\tmilk\t\n",
        "\u{feff}Title\tDoc-ID\tContents\r\nTea\t1\tgreen\r\n\t2\tmilk\r\n",
        "\n_id\ttitle\tpassage\n1\tTea\tgreen\n2\t\tmilk\n",
    ] {
        assert_eq!(documents(DocumentFormat::Tsv, content).unwrap(), tea, "{content:?}");
    }
    assert_eq!(
        said_of_documents(DocumentFormat::Tsv, "id\ttext\n1\ttea\n"),
        ["docs: 1 header line names the columns, the first is `id TAB text`"]
    );
    let two = documents(DocumentFormat::Tsv, "pid\tpara\n1\ttea\n").unwrap();
    assert_eq!(two, [document("1", "", "tea")], "of two columns the other is the text");
    let asked = queries(QueryFormat::Tsv, "qid\tquery\nq1\ttea\n").unwrap();
    assert_eq!(pairs(&asked), [("q1", "tea")]);
    let whole =
        documents(DocumentFormat::MsMarcoDocs, "docid\turl\ttitle\tbody\nD1\tu\tTea\thot\n");
    assert_eq!(whole.unwrap(), [document("D1", "Tea", "hot")]);
}

#[test]
fn a_row_that_looks_like_no_header_is_a_row() {
    let docs = documents(DocumentFormat::Tsv, "d1\ttext\nid\ttext\n").unwrap();
    assert_eq!(docs, [document("d1", "", "text"), document("id", "", "text")]);
}

#[test]
fn nothing_below_or_in_a_header_is_left_unread() {
    assert_eq!(
        documents(DocumentFormat::Tsv, "id\turl\ttext\n1\tu\ttea\n").unwrap_err(),
        "docs:1: found a header with `url`, expected columns named `id`, `text` and perhaps `title`"
    );
    assert_eq!(
        documents(DocumentFormat::Tsv, "id\ttext\ttitle\n1\ttea\n").unwrap_err(),
        "docs:2: found 2 columns, expected 3 columns, as the header names them"
    );
}

#[test]
fn blank_lines_and_empty_texts_are_counted() {
    assert_eq!(
        said_of_documents(DocumentFormat::Tsv, "1\ttea\n\n2\t\n\r\n3\t \n"),
        [
            "docs: 2 blank lines were passed over, the first at line 2",
            "docs: 2 documents have neither title nor text, the first is `2`"
        ]
    );
    assert_eq!(
        said_of_queries(QueryFormat::Tsv, "q1\ttea\nq2\t\n"),
        ["queries: 1 query has no text, the first is `q2`"]
    );
    assert!(said_of_documents(DocumentFormat::Tsv, "1\ttea\n").is_empty());
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
