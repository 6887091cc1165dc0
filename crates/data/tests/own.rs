//! A user's own files, without a manifest.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail like a test")]

use std::fs;

use nir_core::Silent;
use nir_data::{Cache, Dataset, DatasetError, OriginSource, Own, Select, Source, TopicField};
use tempfile::TempDir;

struct Files {
    folder: TempDir,
    documents: Source,
    queries: Source,
    qrels: Option<Source>,
    answers: Option<Source>,
}

fn own(qrels: bool) -> Files {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        Source::file(folder.path().join(name))
    };
    let documents = write("docs.tsv", "d1\ttea\nd2\tcoffee\n");
    let queries = write("queries.tsv", "q1\ttea\nq2\tmilk\n");
    let qrels = qrels.then(|| write("qrels.txt", "q1 0 d1 1\n"));
    Files { folder, documents, queries, qrels, answers: None }
}

impl Files {
    fn open(&self) -> Result<Dataset, DatasetError> {
        let cache = Cache::at(self.folder.path().join("cache"));
        Dataset::from_files(&cache, &self.own(Select::Judged), &Silent)
    }

    fn own(&self, select: Select) -> Own {
        let (queries, qrels) = (Some(self.queries.clone()), self.qrels.clone());
        let (answers, fields) = (self.answers.clone(), Vec::new());
        Own { documents: self.documents.clone(), queries, qrels, answers, select, fields }
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
    let dataset = Dataset::from_files(&cache, &documents(source), &Silent).unwrap();
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

/// Documents without queries and judgements.
fn documents(documents: Source) -> Own {
    let (queries, qrels, answers) = (None, None, None);
    Own { documents, queries, qrels, answers, select: Select::All, fields: Vec::new() }
}

#[test]
fn documents_without_queries_are_a_collection_to_search() {
    let own = own(false);
    let cache = Cache::at(own.folder.path().join("cache"));
    let dataset = Dataset::from_files(&cache, &documents(own.documents.clone()), &Silent).unwrap();
    assert_eq!((dataset.corpus.len(), dataset.queries.len()), (2, 0));
    assert!(dataset.name.ends_with("docs.tsv"));
}

#[test]
fn every_query_is_kept_unless_the_judged_ones_are_asked_for() {
    let own = own(true); // q1 is judged, q2 is not
    let cache = Cache::at(own.folder.path().join("cache"));
    let queries =
        |select| Dataset::from_files(&cache, &own.own(select), &Silent).unwrap().queries.len();
    assert_eq!((queries(Select::All), queries(Select::Judged)), (2, 1));
}

#[test]
fn fields_of_topics_are_chosen_and_other_files_have_none() {
    use TopicField::{Description, Narrative, Title};
    let mut own = own(false);
    own.queries = Source::file(own.folder.path().join("topics.txt"));
    let topic = "<top>\n<num> Number: 1\n<title> tea\n<desc> Description:\nHow is tea made?\n<narr> Narrative:\nNo coffee.\n</top>\n";
    fs::write(&own.queries.path, topic).unwrap();
    let cache = Cache::at(own.folder.path().join("cache"));
    let text = |own: &Files, fields: &[TopicField]| {
        let own = Own { fields: fields.to_vec(), ..own.own(Select::All) };
        let dataset = Dataset::from_files(&cache, &own, &Silent);
        dataset.map(|dataset| dataset.queries.iter().next().unwrap().text.clone())
    };
    assert_eq!(text(&own, &[]).unwrap(), "tea");
    assert_eq!(text(&own, &[Title, Description]).unwrap(), "tea How is tea made?");
    assert_eq!(text(&own, &[Narrative]).unwrap(), "No coffee.");
    // TREC-4 has descriptions only.
    fs::write(&own.queries.path, topic.replace("<title> tea\n", "")).unwrap();
    assert_eq!(text(&own, &[]).unwrap(), "How is tea made?");
    fs::write(&own.queries.path, "q1\ttea\n").unwrap();
    let error = text(&own, &[Description]).unwrap_err().to_string();
    assert!(error.contains("topics.txt:1: found queries without fields"), "{error}");
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
    let open = || Dataset::from_files(&cache, &documents(Source::file(&disk)), &Silent).unwrap();
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
    assert!(first[2].contains("neither title nor text") && first[3].contains("not measured"));
    assert_eq!(own.open().unwrap().notes, first);
}

#[test]
fn judgements_of_another_collection_are_refused() {
    let own = own(true);
    fs::write(own.folder.path().join("qrels.txt"), "q1 0 D1 1\n").unwrap();
    let Err(error) = own.open() else { panic!("no judged document is there") };
    assert!(matches!(error, DatasetError::NoOverlap(_)), "{error}");
}
