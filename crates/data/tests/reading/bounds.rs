//! What a file may cost: time that grows with its size, memory that does not grow beyond a limit.

use std::io::Write;
use std::time::{Duration, Instant};

use nir_data::{DocumentFormat, QueryFormat};

use super::{Sample, documents, gather, queries};

/// How long it takes to read `content`, whether it can be read or not.
fn seconds(read: &dyn Fn(&str) -> bool, content: &str) -> Duration {
    let begun = Instant::now();
    read(content);
    begun.elapsed()
}

/// Sixteen times the text may not take more than sixteen times the time and a margin for the machine; were it the
/// square, it would be 256 times.
#[track_caller]
fn assert_linear(what: &str, read: &dyn Fn(&str) -> bool, content: impl Fn(usize) -> String) {
    const SHORT: usize = 4_000;
    let short = content(SHORT);
    let least = (0..3).map(|_| seconds(read, &short)).min().unwrap_or_default();
    let long = seconds(read, &content(16 * SHORT));
    let most = least * 16 * 4 + Duration::from_millis(400);
    assert!(long < most, "{what}: {least:?} and then {long:?} for 16 times as much");
}

#[test]
fn marks_of_markup_are_looked_at_once_however_many_there_are() {
    let record =
        |inside: &str| format!("<DOC>\n<DOCNO>1</DOCNO>\n<TEXT>\n{inside}\n</TEXT>\n</DOC>\n");
    let read = |content: &str| documents(DocumentFormat::TrecSgml, content).is_ok();
    let pieces = [
        "<a",
        "<",
        "</",
        "<!--",
        "<!",
        "<?",
        "&",
        "&amp",
        "<a>",
        "</a>",
        "<a><b>",
        "<title>",
        "<a x='",
        "</DOC",
        "</DOC ",
        "<DOC>",
        "<doc a",
        "<TEXT>",
        "</TEXT><TEXT>",
        "<a\n",
        "-->",
    ];
    for piece in pieces {
        assert_linear(piece, &read, |times| record(&piece.repeat(times)));
        assert_linear(piece, &read, |times| piece.repeat(times));
    }
    assert_linear("nested", &read, |times| {
        record(&format!("{}tea{}", "<p>tea".repeat(times), "</p>".repeat(times)))
    });
    assert_linear("crossed", &read, |times| {
        record(&format!(
            "{}{}{}{}",
            "<p>".repeat(times),
            "<title>x".repeat(times),
            "</p>x".repeat(times),
            "</title>".repeat(times)
        ))
    });
    let topics = |content: &str| queries(QueryFormat::TrecTopics, content).is_ok();
    for piece in ["<title>", "<num>x", "<a", "</title>"] {
        assert_linear(piece, &topics, |times| {
            format!("<top>\n<num>1\n{}\n</top>\n", piece.repeat(times))
        });
    }
}

#[test]
fn lines_of_json_and_tables_are_looked_at_once() {
    let json = |content: &str| documents(DocumentFormat::BeirJsonl, content).is_ok();
    let object = |inside: &str| format!("{{\"_id\": 1, \"text\": \"{inside}\"}}");
    for piece in ["\\ud800", "\\\\", "\\ud83c\\udf75", "é"] {
        assert_linear(piece, &json, |times| object(&piece.repeat(times)));
    }
    for piece in ["[", "{\"a\":", "\"_id\":1,"] {
        assert_linear(piece, &json, |times| format!("{{\"x\": {}", piece.repeat(times)));
    }
    let table = |content: &str| documents(DocumentFormat::Tsv, content).is_ok();
    for piece in ["\t", "id\t", "\n", "\r", "\r\n", "1\n"] {
        assert_linear(piece, &table, |times| piece.repeat(times));
    }
}

#[test]
fn a_document_of_many_megabytes_is_a_document() {
    let text = "green tea ".repeat(2 << 20); // 20 MB
    let sample = Sample::new("docs.tsv", format!("1\t{text}\n2\tmilk\n"));
    let docs = gather(&sample.source, DocumentFormat::Tsv).unwrap();
    assert_eq!((docs.len(), docs[0].text.len()), (2, text.len()));
}

#[test]
fn a_packed_file_without_an_end_of_line_stops_at_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zeros.gz");
    let file = std::fs::File::create(&path).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    let zeros = vec![b'0'; 1 << 20];
    (0..40).for_each(|_| gzip.write_all(&zeros).unwrap());
    gzip.finish().unwrap();
    for error in [
        nir_data::trec::read_run(&path).unwrap_err(),
        nir_data::trec::read_qrels(&path).unwrap_err(),
    ] {
        let found =
            "zeros.gz:1: found a line of more than 16 MiB; is this a text file with line ends?";
        assert!(error.to_string().contains(found), "{error}");
    }
}
