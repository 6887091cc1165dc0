//! Real collections, from the folder that `NIR_DATA` names; passed over, saying so, where it is unset.

use std::path::PathBuf;

use nir_core::{Corpus, Silent};
use nir_data::{
    QrelsFormat, QueryFormat, Source, Store, document_format, read_documents, read_qrels,
    read_queries,
};

fn data(path: &str) -> Option<Source> {
    let Some(folder) = std::env::var_os("NIR_DATA") else {
        println!("skipped: NIR_DATA does not name a folder with `{path}`");
        return None;
    };
    Some(Source::file(PathBuf::from(folder).join(path)))
}

fn imported(path: &str, check: impl FnOnce(&Store)) {
    let Some(source) = data(path) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let format = document_format(&source).expect("it begins as documents do");
    let store = Store::import(&folder.path().join("store"), 0, &Silent, |import| {
        Ok(read_documents(&source, format, &mut |doc| Ok(import.add(doc)?)).map(drop)?)
    });
    check(&store.expect("a published collection is well-formed"));
}

#[test]
fn ms_marco_passages() {
    imported("msmarco-mini/collection.tsv.gz", |store| {
        assert_eq!(store.len(), 48_029);
        assert_eq!(store.empty_texts(), 0);
        store.verify().unwrap();
    });
}

#[test]
fn scifact() {
    imported("scifact/docs.tsv.gz", |store| {
        assert_eq!(store.len(), 5183);
        let doc = store.doc_no("4983").unwrap();
        assert!(store.text(doc).starts_with("Microstructural development of human newborn"));
    });
}

#[test]
fn cranfield_and_cacm() {
    imported("cranfield/docs.tsv.gz", |store| assert_eq!(store.len(), 1400));
    imported("cacm/docs.tsv.gz", |store| assert_eq!(store.len(), 3204));
}

#[test]
fn queries_have_the_published_counts() {
    for (path, count) in [
        ("scifact/queries.test.tsv", 300),
        ("scifact/queries.train.tsv", 809),
        ("cranfield/queries.tsv", 225),
        ("msmarco-mini/queries.dl19.tsv", 43),
        ("msmarco-mini/queries.dev.tsv", 2287),
    ] {
        let Some(source) = data(path) else { return };
        assert_eq!(read_queries(&source, QueryFormat::Tsv).unwrap().value.len(), count, "{path}");
    }
}

#[test]
fn judgements_have_the_published_counts() {
    for (path, count) in [
        ("scifact/qrels.test.txt", 339),
        ("scifact/qrels.train.txt", 919),
        ("cranfield/qrels.txt", 1837),
        ("msmarco-mini/qrels.dl19.txt", 9260),
    ] {
        let Some(source) = data(path) else { return };
        let qrels = read_qrels(&source, QrelsFormat::Trec).unwrap();
        assert_eq!(qrels.judgements(), count, "{path}");
    }
}
