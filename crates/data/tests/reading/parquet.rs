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
    let queries = read_queries(&fixture("queries.parquet"), QueryFormat::Parquet).unwrap().value;
    assert_eq!(pairs(&queries), [("q1", "how to boil water"), ("q2", "coffee beans")]);
    let qrels = read_qrels(&fixture("qrels.parquet"), QrelsFormat::Parquet).unwrap();
    assert_eq!(qrels, [("q1", "d1", 1), ("q2", "d2", 1)].into_iter().collect::<Qrels>());
    let scored = read_qrels(&fixture("scored-qrels.parquet"), QrelsFormat::Parquet).unwrap();
    assert_eq!(scored, [("q1", "d1", 2), ("q1", "d2", 0)].into_iter().collect::<Qrels>());
}

#[test]
fn a_wrong_type_is_named_with_column_and_row() {
    let error = gather(&fixture("unnamed.parquet"), DocumentFormat::Parquet).unwrap_err();
    let found = ":2: found `null` in column `_id` of row 2, expected a string or a whole number";
    assert!(error.to_string().ends_with(found), "{error}");
    let error = read_qrels(&fixture("half-qrels.parquet"), QrelsFormat::Parquet).unwrap_err();
    let found = ":1: found `0.5` in column `score` of row 1, expected a whole number as grade, such as `1` or `1.0`";
    assert!(error.to_string().contains(found), "{error}");
}

#[test]
fn texts_are_the_same_however_they_are_stored() {
    let expected = [
        document("k1", "", "A kettle sings before it boils."),
        document("k2", "", "Oolong lies between green and black."),
        document("k3", "", ""),
    ];
    for name in
        ["packed-gzip", "packed-brotli", "packed-lz4", "packed-zstd", "large", "view", "binary"]
    {
        let found = gather(&fixture(&format!("{name}.parquet")), DocumentFormat::Parquet);
        assert_eq!(found.unwrap(), expected, "{name}");
    }
}

#[test]
fn whole_numbers_are_names_and_null_is_no_text() {
    assert_eq!(
        gather(&fixture("nulls.parquet"), DocumentFormat::Parquet).unwrap(),
        [
            document("1", "", "A kettle sings before it boils."),
            document("-2", "Oolong", ""),
            document("3", "", "")
        ]
    );
    let large = gather(&fixture("unsigned.parquet"), DocumentFormat::Parquet).unwrap();
    assert_eq!(large, [document("9223372036854775813", "", "tea")]); // 2^63 + 5
    let qrels = read_qrels(&fixture("float-qrels.parquet"), QrelsFormat::Parquet).unwrap();
    assert_eq!(qrels, [("7", "k1", 1), ("7", "k2", 2)].into_iter().collect::<Qrels>());
}

#[test]
fn a_missing_column_is_named_with_those_there_are() {
    let error = gather(&fixture("qrels.parquet"), DocumentFormat::Parquet).unwrap_err();
    assert!(
        error.to_string().ends_with(": no column `_id` or `id`: found `query-id`, `corpus-id`"),
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
