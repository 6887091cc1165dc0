//! The formats of newer collections: MS MARCO v2, LoTTE, CODEC, CORD-19, MIRACL and BRIGHT, each in a few lines as its files have
//! them.

use std::path::Path;

use nir_core::Document;
use nir_data::{
    DocumentFormat, QrelsFormat, QueryFormat, Source, read_documents, read_qrels, read_queries,
};

use super::{documents, pairs, qrels, queries, said_of_documents};

fn rows(documents: &[Document]) -> Vec<[&str; 3]> {
    documents.iter().map(|doc| [&*doc.doc_id, &*doc.title, &*doc.text]).collect()
}

#[test]
fn ms_marco_v2_has_passages_documents_and_segments() {
    let content = concat!(
        r#"{"pid": "msmarco_passage_00_0", "passage": "Tea is\na drink.", "spans": "(0,9),(10,17)", "docid": "msmarco_doc_00_0"}"#,
        "\n",
        r#"{"url": "http://a.b/", "title": "Tea", "headings": "Tea\nHistory", "body": "It is old.", "docid": "msmarco_doc_00_0"}"#,
        "\n",
        r#"{"docid": "msmarco_v2.1_doc_00_0#0_0", "url": "u", "title": "T \u00e9", "headings": "", "segment": "A part.", "start_char": 0, "end_char": 7}"#,
        "\n",
    );
    let read = documents(DocumentFormat::MsMarcoV2, content).unwrap();
    let expected = [
        ["msmarco_passage_00_0", "", "Tea is\na drink."],
        ["msmarco_doc_00_0", "Tea", "Tea History\nIt is old."],
        ["msmarco_v2.1_doc_00_0#0_0", "T \u{e9}", "A part."],
    ];
    assert_eq!(rows(&read), expected);
    let error = documents(DocumentFormat::MsMarcoV2, "{\"pid\": \"p\", \"body\": \"b\"}\n");
    assert!(error.unwrap_err().starts_with("docs:1: found neither of the two pairs of keys"));
    let error = documents(DocumentFormat::MsMarcoV2, "{\"pid\": \"p\", \"passage\": 3}\n");
    assert!(error.unwrap_err().starts_with("docs:1: found invalid type: integer `3`"));
}

#[test]
fn lotte_names_the_answers_of_a_question() {
    let content = "{\"qid\": 0, \"query\": \"why\", \"url\": \"u\", \"answer_pids\": [1, 2001]}\n\
                   {\"qid\": 7, \"query\": \"how\", \"answer_pids\": []}\n";
    let read = qrels(QrelsFormat::LotteQas, content).unwrap();
    assert_eq!(read.judgements(), 2);
    assert_eq!((read.get("0").unwrap()["1"], read.get("0").unwrap()["2001"]), (1, 1));
    let error = qrels(QrelsFormat::LotteQas, "{\"qid\": 0}\n").unwrap_err();
    assert!(error.contains(":1: found missing field `answer_pids`"), "{error}");
}

#[test]
fn codec_has_topics_in_one_object() {
    let content = r#"{
  "economics-1": {"Query": "How has the bank grown?", "Domain": "economics", "Guidelines": "…"},
  "history-2": {"Query": "Why?", "Domain": "history", "Guidelines": ""}
}"#;
    let read = queries(QueryFormat::CodecTopics, content).unwrap();
    assert_eq!(pairs(&read), [("economics-1", "How has the bank grown?"), ("history-2", "Why?")]);
    let error = queries(QueryFormat::CodecTopics, "{\"a\": {\n\"Domain\": \"x\"}}").unwrap_err();
    assert!(error.starts_with("queries:2: found missing field `Query`"), "{error}");
}

#[test]
fn cord19_has_quoted_records_over_several_lines_and_the_first_of_a_name_counts() {
    let content = "cord_uid,sha,title,doi,abstract,authors\n\
        ug7v899j,d1,\"Clinical, features\",10.1,\"OBJECTIVE: a \"\"b\"\"\n\nmore\",\"A; B\"\n\
        02tnwd4m,,Nitric oxide,10.2,,C\n\
        ug7v899j,d3,Again,10.3,Later,D\n";
    let read = documents(DocumentFormat::Cord19, content).unwrap();
    let expected = [
        ["ug7v899j", "Clinical, features", "OBJECTIVE: a \"b\"\n\nmore"],
        ["02tnwd4m", "Nitric oxide", ""],
    ];
    assert_eq!(rows(&read), expected);
    let said = said_of_documents(DocumentFormat::Cord19, content);
    assert_eq!(
        said,
        [
            "docs: 1 record repeats the name of an earlier one and was passed over, the first is `ug7v899j` at line 6"
        ]
    );
    let error = |content| documents(DocumentFormat::Cord19, content).unwrap_err();
    assert!(error("id,title\n").starts_with("docs:1: found columns without `cord_uid`: id, title"));
    let short = "cord_uid,title,abstract\na,b\n";
    assert_eq!(error(short), "docs:2: found 2 columns, expected 3, as the first line has");
    let open = "cord_uid,title,abstract\na,\"b,c\nd\n";
    assert!(
        error(open).starts_with("docs:2: found a quote that is never closed"),
        "{}",
        error(open)
    );
}

#[test]
fn miracl_calls_a_name_docid() {
    let content = "{\"docid\": \"7#0\", \"title\": \"Chai\", \"text\": \"Ni kinywaji.\"}\n";
    let read = documents(DocumentFormat::BeirJsonl, content).unwrap();
    assert_eq!(rows(&read), [["7#0", "Chai", "Ni kinywaji."]]);
}

fn bright(name: &str) -> Source {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet");
    Source::file(folder.join(format!("bright-{name}.parquet")))
}

#[test]
fn bright_has_judgements_beside_its_questions() {
    let mut found = Vec::new();
    let notes = read_documents(&bright("documents"), DocumentFormat::Parquet, &mut |doc| {
        found.push(format!("{} {}", doc.doc_id, doc.text));
        Ok(())
    });
    assert!(notes.unwrap().is_empty());
    assert_eq!(found, ["bees/Bee_1.txt Bees see light.", "bees/Bee_2.txt Light is bright."]);
    let asked = read_queries(&bright("examples"), QueryFormat::Parquet).unwrap().value;
    assert_eq!(pairs(&asked), [("0", "Why do bees see?"), ("1", "And now?")]);
    let judged = read_qrels(&bright("examples"), QrelsFormat::Bright).unwrap();
    assert_eq!(judged.judgements(), 3);
    assert_eq!(judged.get("0").unwrap()["bees/Bee_2.txt"], 1);
    let error = read_qrels(&bright("excluding"), QrelsFormat::Bright).unwrap_err().to_string();
    assert!(error.contains("found `bees/Bee_1.txt` in column `excluded_ids` of row 1"), "{error}");
}
