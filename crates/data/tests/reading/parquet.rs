//! The files were written by pyarrow with the columns of NanoBEIR; their few sentences are our own.

use nir_core::Qrels;
use nir_data::{DocumentFormat, QrelsFormat, QueryFormat, read_qrels, read_queries};

use super::{Sample, document, documents, fixture, gather, pairs};

#[test]
fn a_corpus_has_names_and_texts() {
    assert_eq!(
        gather(&fixture("corpus.parquet"), DocumentFormat::Parquet).unwrap(),
        [
            document("d1", "", "A kettle boils water for tea."),
            document("d2", "", "Kaffee wird geröstet, gemahlen und gebrüht."),
            document("d3", "", ""),
        ]
    );
}

#[test]
fn a_corpus_may_have_titles() {
    assert_eq!(
        gather(&fixture("titled.parquet"), DocumentFormat::Parquet).unwrap(),
        [document("d1", "Kettle", "It boils water.")]
    );
}

#[test]
fn queries_and_judgements() {
    let queries = read_queries(&fixture("queries.parquet"), QueryFormat::Parquet).unwrap();
    assert_eq!(pairs(&queries), [("q1", "how to boil water"), ("q2", "coffee beans")]);
    let qrels = read_qrels(&fixture("qrels.parquet"), QrelsFormat::Parquet).unwrap();
    assert_eq!(qrels, [("q1", "d1", 1), ("q2", "d2", 1)].into_iter().collect::<Qrels>());
    let scored = read_qrels(&fixture("scored-qrels.parquet"), QrelsFormat::Parquet).unwrap();
    assert_eq!(scored, [("q1", "d1", 2), ("q1", "d2", 0)].into_iter().collect::<Qrels>());
}

#[test]
fn a_wrong_type_is_named_with_column_and_row() {
    for (name, message) in [
        ("numbered.parquet", ":1: found `1` in column `_id` of row 1, expected a string"),
        ("unnamed.parquet", ":2: found `null` in column `_id` of row 2, expected a string"),
    ] {
        let error = gather(&fixture(name), DocumentFormat::Parquet).unwrap_err().to_string();
        assert!(error.ends_with(message), "{error}");
    }
}

#[test]
fn a_missing_column_is_named_with_those_there_are() {
    let error = gather(&fixture("qrels.parquet"), DocumentFormat::Parquet).unwrap_err();
    assert!(
        error.to_string().ends_with(": no column `_id`: found `query-id`, `corpus-id`"),
        "{error}"
    );
}

#[test]
fn what_is_not_parquet_or_cut_off_is_refused() {
    assert_eq!(
        documents(DocumentFormat::Parquet, "1\ttea\n").unwrap_err(),
        "docs:1: found no parquet magic, expected a file that begins with `PAR1`"
    );
    let whole = std::fs::read(fixture("corpus.parquet").path).unwrap();
    let cut = Sample::new("cut.parquet", &whole[..whole.len() / 2]);
    let error = gather(&cut.source, DocumentFormat::Parquet).unwrap_err();
    assert!(cut.say(&error).starts_with("cut.parquet: "), "{error}");
}
