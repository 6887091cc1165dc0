//! A user's own files, without a manifest.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail like a test")]

use std::fs;

use nir_core::Silent;
use nir_data::{Cache, Dataset, DatasetError, OriginSource, Source};
use tempfile::TempDir;

struct Own {
    folder: TempDir,
    documents: Source,
    queries: Source,
    qrels: Option<Source>,
}

fn own(qrels: bool) -> Own {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        Source::file(folder.path().join(name))
    };
    let documents = write("docs.tsv", "d1\ttea\nd2\tcoffee\n");
    let queries = write("queries.tsv", "q1\ttea\nq2\tmilk\n");
    let qrels = qrels.then(|| write("qrels.txt", "q1 0 d1 1\n"));
    Own { folder, documents, queries, qrels }
}

impl Own {
    fn open(&self) -> Result<Dataset, DatasetError> {
        let cache = Cache::at(self.folder.path().join("cache"));
        let (queries, qrels) = (Some(&self.queries), self.qrels.as_ref());
        Dataset::from_files(&cache, &self.documents, queries, qrels, &Silent)
    }

    fn imports(&self) -> usize {
        fs::read_dir(self.folder.path().join("cache/own")).map_or(0, Iterator::count)
    }
}

#[test]
fn documents_are_imported_once_for_each_content() {
    let own = own(true);
    let first = own.open().unwrap();
    assert_eq!((first.corpus.len(), first.queries.len()), (2, 1), "q2 is not judged");
    assert!(matches!(first.corpus_origin, OriginSource::Own { .. }));
    assert_eq!(own.open().unwrap().digest, first.digest);
    assert_eq!(own.imports(), 1);
    fs::write(own.folder.path().join("docs.tsv"), "d1\tgreen tea\n").unwrap();
    assert_ne!(own.open().unwrap().corpus_digest, first.corpus_digest);
    assert_eq!(own.imports(), 2);
}

#[test]
fn without_judgements_all_queries_are_asked() {
    let dataset = own(false).open().unwrap();
    assert_eq!((dataset.queries.len(), dataset.qrels.len()), (2, 0));
}

#[test]
fn a_beir_folder_is_found_by_its_layout() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("qrels")).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("corpus.jsonl", "{\"_id\": \"d1\", \"title\": \"Tea\", \"text\": \"hot\"}\n");
    write("queries.jsonl", "{\"_id\": \"q1\", \"text\": \"tea\"}\n");
    write("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\n");
    let (source, cache) = (Source::file(folder.path()), Cache::at(folder.path().join("cache")));
    let dataset = Dataset::from_files(&cache, &source, None, None, &Silent).unwrap();
    assert_eq!(dataset.qrels.judgements(), 1);
    assert_eq!(dataset.corpus.contents(dataset.corpus.doc_no("d1").unwrap()), "Tea hot");
}

#[test]
fn a_malformed_line_is_named_and_nothing_is_kept() {
    let own = own(true);
    fs::write(own.folder.path().join("docs.tsv"), "d1\ttea\nno tab here\n").unwrap();
    let Err(error) = own.open() else { panic!("the second line is no document") };
    assert!(error.to_string().contains("docs.tsv:2: found no tab"), "{error}");
    assert_eq!(own.imports(), 0);
}

#[test]
fn documents_without_queries_say_what_is_missing() {
    let own = own(false);
    let cache = Cache::at(own.folder.path().join("cache"));
    let Err(error) = Dataset::from_files(&cache, &own.documents, None, None, &Silent) else {
        panic!("there are no queries")
    };
    assert!(error.to_string().contains("docs.tsv: name the queries too"));
}

#[test]
fn every_file_of_a_folder_that_is_not_beirs_holds_documents() {
    let own = own(false);
    let disk = own.folder.path().join("disk");
    fs::create_dir_all(disk.join("b")).unwrap();
    fs::write(disk.join("b/1"), "<DOC><DOCNO>d3</DOCNO>milk</DOC>").unwrap();
    fs::write(disk.join("a.tsv"), "d1\ttea\n").unwrap();
    fs::write(disk.join(".hidden"), "no document").unwrap();
    let cache = Cache::at(own.folder.path().join("cache"));
    let open = || {
        let (documents, queries) = (Source::file(&disk), Some(&own.queries));
        Dataset::from_files(&cache, &documents, queries, None, &Silent).unwrap()
    };
    let first = open();
    let ids: Vec<&str> = (0..2).map(|row| first.corpus.doc_id(nir_core::DocNo(row))).collect();
    assert_eq!((ids, first.corpus.len()), (vec!["d1", "d3"], 2), "in the order of their paths");
    fs::write(disk.join("b/2"), "<DOC><DOCNO>d4</DOCNO>tea</DOC>").unwrap();
    assert_ne!(open().corpus_digest, first.corpus_digest);
}

#[test]
fn what_is_said_of_an_import_is_said_again_when_it_is_found() {
    let own = own(true);
    fs::write(own.folder.path().join("docs.tsv"), "id\ttext\nd1\ttea\n\nd2\t\n").unwrap();
    let first = own.open().unwrap().notes;
    assert_eq!(first.len(), 4, "{first:?}");
    assert!(first[0].contains("header line") && first[1].contains("1 blank line"), "{first:?}");
    assert!(first[2].contains("neither title nor text") && first[3].contains("left out"));
    assert_eq!(own.open().unwrap().notes, first);
}

#[test]
fn judgements_of_another_collection_are_refused() {
    let own = own(true);
    fs::write(own.folder.path().join("qrels.txt"), "q1 0 D1 1\n").unwrap();
    let Err(error) = own.open() else { panic!("no judged document is there") };
    assert!(matches!(error, DatasetError::NoOverlap(_)), "{error}");
}
