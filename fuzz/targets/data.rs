//! What reads collections: whatever a file holds, it is read or refused by an error that names it.

use std::fs;
use std::path::PathBuf;

use nir_core::Qrels;
use nir_data::trec::{read_qrels as trec_qrels, read_run};
use nir_data::{
    AnswersFormat, DocumentFormat, Manifests, QrelsFormat, QueryFormat, ReadError, Source,
    document_format, read_answers, read_any_qrels, read_any_queries, read_candidates,
    read_documents, read_qrels, read_queries, read_texts, unpack,
};

/// A file of that name that holds `input`.
struct Input {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Input {
    fn new(name: &str, input: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(name);
        fs::write(&path, input).expect("the folder is new and writable");
        Self { folder, path }
    }

    fn source(&self) -> Source {
        Source::file(&self.path)
    }

    /// An error has to say which file.
    fn named<T, E: std::fmt::Display>(&self, read: Result<T, E>) -> Option<T> {
        let name = self.path.display().to_string();
        read.map_err(|error| {
            let said = error.to_string();
            assert!(said.contains(&name), "the error does not name the file: {said}");
            assert!(said.len() < 2000 + 2 * name.len(), "the error is too long to read: {said}");
        })
        .ok()
    }
}

fn documents(input: &[u8], format: DocumentFormat) {
    let file = Input::new("docs", input);
    read_all(&file, &file.source(), Some(format));
}

/// Reads documents and looks at their names; the format is found where none is given.
fn read_all(file: &Input, source: &Source, format: Option<DocumentFormat>) {
    let read = |format| {
        read_documents(source, format, &mut |doc| {
            assert_is_name(doc.doc_id);
            Ok(())
        })
    };
    let read = match format {
        Some(format) => read(format),
        None => document_format(source).and_then(read),
    };
    file.named(read);
}

/// A name can stand in a run.
fn assert_is_name(name: &str) {
    let odd = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '\u{feff}';
    assert!(!name.is_empty() && !name.contains(odd), "{name:?} is no name");
}

fn queries(input: &[u8], format: QueryFormat) {
    let file = Input::new("queries", input);
    for read in [read_queries(&file.source(), format), read_any_queries(&file.source())] {
        let read = file.named(read).unwrap_or_default();
        read.value.iter().for_each(|query| assert_is_name(&query.query_id));
    }
}

fn answers(input: &[u8], format: AnswersFormat) {
    let file = Input::new("answers", input);
    let read = file.named(read_answers(&file.source(), format)).unwrap_or_default();
    read.value.iter().for_each(|(query_id, _)| assert_is_name(query_id));
}

fn texts(input: &[u8]) {
    let file = Input::new("texts", input);
    let read = file.named(read_texts(&file.source())).unwrap_or_default();
    read.value.iter().for_each(|text| assert_is_name(&text.id));
}

fn judgements(file: &Input, read: Result<Qrels, ReadError>) {
    for (query_id, docs) in file.named(read).unwrap_or_default().iter() {
        assert_is_name(query_id);
        docs.keys().for_each(|doc_id| assert_is_name(doc_id));
    }
}

/// Judgements of TREC, BEIR and the SMART system.
pub(crate) fn qrels(input: &[u8]) {
    let file = Input::new("qrels", input);
    file.named(trec_qrels(&file.path));
    judgements(&file, read_any_qrels(&file.source()));
    judgements(&file, read_qrels(&file.source(), QrelsFormat::Smart));
}

/// Runs.
pub(crate) fn run(input: &[u8]) {
    let file = Input::new("run", input);
    for (query_id, list) in file.named(read_run(&file.path)).unwrap_or_default().iter() {
        assert_is_name(query_id);
        list.iter().for_each(|(doc_id, entry)| {
            assert_is_name(doc_id);
            assert!(!entry.score.is_nan());
        });
    }
}

/// Tables of documents, queries and candidates.
pub(crate) fn tsv(input: &[u8]) {
    documents(input, DocumentFormat::Tsv);
    documents(input, DocumentFormat::MsMarcoDocs);
    documents(input, DocumentFormat::DprPassages);
    documents(input, DocumentFormat::Cord19);
    queries(input, QueryFormat::Tsv);
    queries(input, QueryFormat::DprQuestions);
    answers(input, AnswersFormat::DprQuestions);
    texts(input);
    let file = Input::new("candidates", input);
    file.named(read_candidates(&file.source()));
}

/// Documents and queries in JSON.
pub(crate) fn jsonl(input: &[u8]) {
    documents(input, DocumentFormat::BeirJsonl);
    queries(input, QueryFormat::BeirJsonl);
    answers(input, AnswersFormat::Jsonl);
    documents(input, DocumentFormat::MsMarcoV2);
    queries(input, QueryFormat::CodecTopics);
    let file = Input::new("qas", input);
    judgements(&file, read_qrels(&file.source(), QrelsFormat::LotteQas));
    texts(input);
}

/// Documents in the mark-up of TREC and of the SMART system.
pub(crate) fn sgml(input: &[u8]) {
    documents(input, DocumentFormat::TrecSgml);
    documents(input, DocumentFormat::Smart);
}

/// Topics.
pub(crate) fn topics(input: &[u8]) {
    queries(input, QueryFormat::TrecTopics);
    queries(input, QueryFormat::Smart);
}

/// Parquet with documents, queries or judgements.
pub(crate) fn parquet(input: &[u8]) {
    documents(input, DocumentFormat::Parquet);
    queries(input, QueryFormat::Parquet);
    let file = Input::new("qrels", input);
    judgements(&file, read_qrels(&file.source(), QrelsFormat::Parquet));
    judgements(&file, read_qrels(&file.source(), QrelsFormat::Bright));
}

/// Manifests of datasets, among those of the program.
pub(crate) fn manifest(input: &[u8]) {
    let file = Input::new("unused", b"");
    let datasets = file.folder.path().join("datasets");
    fs::create_dir(&datasets).expect("the folder is new and writable");
    fs::write(datasets.join("fuzzed.toml"), input).expect("the folder is new and writable");
    match Manifests::load(Some(file.folder.path())) {
        Err(problem) => {
            assert!(problem.to_string().contains("fuzzed"), "{problem}");
        }
        Ok(manifests) => {
            let manifest = manifests.get("fuzzed").expect("it was read");
            manifests.official_files(manifest);
        }
    }
}

/// Packed files and archives: read through and unpacked.
pub(crate) fn archive(input: &[u8]) {
    let file = Input::new("docs.zip", input);
    read_all(&file, &file.source(), None);
    read_all(&file, &Source::member(&file.path, "docs.tsv"), None);
    let target = file.folder.path().join("target");
    file.named(unpack(&file.path, &target, 1 << 20));
    let outside = fs::read_dir(file.folder.path()).expect("a folder").count();
    assert!(outside <= 3, "the file, what it unpacks to, and a lock");
}
