//! Texts that were stored for queries or documents.

use nir_data::{Source, read_texts, read_texts_of};

use super::Sample;

/// The texts of a file (id, text, line), or what is wrong with it.
fn texts(content: &str) -> Result<Vec<(String, String, Option<u64>)>, String> {
    let sample = Sample::new("texts", content);
    let read = read_texts(&sample.source).map_err(|error| sample.say(&error))?;
    Ok(read.value.into_iter().map(|text| (text.id, text.text, text.line)).collect())
}

fn text(id: &str, text: &str, line: u64) -> (String, String, Option<u64>) {
    (id.to_owned(), text.to_owned(), Some(line))
}

#[test]
fn columns_are_read_with_their_lines_and_an_id_may_come_twice() {
    let expected = vec![text("q1", "a warm drink", 1), text("q2", "milk", 3), text("q1", "", 4)];
    assert_eq!(texts("q1\ta warm drink\n\nq2\tmilk\nq1\t\n").unwrap(), expected);
    for header in ["query_id\ttext", "doc_id\ttext", "qid\tpseudo_doc"] {
        let found = texts(&format!("{header}\nq1\ttea\n")).unwrap();
        assert_eq!(found, [text("q1", "tea", 2)], "{header}");
    }
}

#[test]
fn objects_have_one_text_or_a_list_under_the_keys_in_use() {
    let lines = [
        r#"{"query_id": "q1", "text": "tea"}"#,
        r#"{"query_id": 7, "query": "milk", "pseudo_doc": "it is white"}"#,
        r#"{"query_id": "q1", "texts": ["one", "two \ud83c three"]}"#,
        r#"{"doc_id": "d1", "text": "tea"}"#,
        r#"{"_id": "d2", "contents": "milk"}"#,
        r#"{"id": "d3", "text": null}"#,
    ];
    let expected = [
        text("q1", "tea", 1),
        text("7", "it is white", 2),
        text("q1", "one", 3),
        text("q1", "two \u{fffd} three", 3),
        text("d1", "tea", 4),
        text("d2", "milk", 5),
        text("d3", "", 6),
    ];
    assert_eq!(texts(&lines.join("\n")).unwrap(), expected);
}

#[test]
fn a_malformed_text_is_named() {
    for (line, said) in [
        (
            r#"{"text": "tea"}"#,
            "texts:1: found no `query_id` among `text`, expected a JSON object with `query_id`",
        ),
        (
            r#"{"query_id": "q1", "query": "tea"}"#,
            "texts:1: found no `text` among `query_id`, `query`, expected",
        ),
        (
            r#"{"query_id": "q1", "texts": []}"#,
            "texts:1: found `texts`: an empty list, expected at least one text",
        ),
        (
            r#"{"query_id": "q1", "texts": ["a", 1]}"#,
            "texts:1: found `texts`: an array, expected a list of strings",
        ),
        (
            r#"{"query_id": "q1", "texts": "a"}"#,
            "texts:1: found `texts`: a string, expected a list of strings",
        ),
        (
            r#"{"query_id": "q1", "text": ["a"]}"#,
            "texts:1: found `text`: an array, expected a string or null",
        ),
        (
            "q1\ttea\tcup",
            "texts:1: found 3 columns, expected `query_id TAB text` or `doc_id TAB text`",
        ),
        ("q 1\ttea", "texts:1: found `q 1`, expected a query_id or doc_id without white space"),
    ] {
        let found = texts(line).unwrap_err();
        assert!(found.starts_with(said), "{line}: {found}");
    }
}

#[test]
fn other_formats_of_documents_have_no_lines() {
    let found = texts("<DOC>\n<DOCNO>d1</DOCNO>\n<TEXT>tea</TEXT>\n</DOC>\n").unwrap();
    assert_eq!(found, [("d1".to_owned(), "tea".to_owned(), None)]);
}

#[test]
fn content_at_hand_is_read_as_a_file_is_and_empty_texts_are_noted() {
    let read = read_texts_of(&Source::file("pocket:texts.tsv"), b"q1\ttea\nq2\t\n").unwrap();
    assert_eq!(read.value.len(), 2);
    let said: Vec<String> = read.notes.sentences().collect();
    assert_eq!(said, ["pocket:texts.tsv: 1 text is empty, the first is for `q2`"]);
    let error = read_texts_of(&Source::file("pocket:texts.tsv"), b"tea\tq\tx\n").unwrap_err();
    assert!(error.to_string().starts_with("pocket:texts.tsv:1: found 3 columns"), "{error}");
}
