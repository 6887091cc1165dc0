//! The formats in which test collections are handed out, one file each.

pub(crate) mod answers;
mod beir;
mod candidates;
mod codec;
mod collect;
mod cord19;
mod csv;
mod dpr;
mod guess;
mod header;
mod input;
mod lines;
mod lotte;
mod ms_marco_v2;
mod parquet;
mod sgml;
mod smart;
mod tsv;

use std::path::Path;
use std::str::FromStr;

use nir_core::{Answers, BoxError, Qrels, Queries, StoredText, TrecRun};
use serde::{Deserialize, Serialize};

use crate::notes::Remark;
use crate::{Notes, Read, ReadError, Source, trec};
use input::Input;

/// One document while its file is read: everything is borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentRef<'a> {
    /// The id of the document: not empty and without white space.
    pub doc_id: &'a str,
    /// The title; empty if there is none.
    pub title: &'a str,
    /// The text; may be empty.
    pub text: &'a str,
}

/// A function that is called with each document; its error ends the reading as [`ReadError::Stopped`].
pub type Visit<'v> = dyn FnMut(DocumentRef<'_>) -> Result<(), BoxError> + 'v;

/// The formats of files of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentFormat {
    /// `doc_id TAB text`: MS MARCO passages, ANTIQUE, one's own; or the columns that a first line names (`id`, `title`,
    /// `text` in any order).
    Tsv,
    /// `doc_id TAB url TAB title TAB body`: MS MARCO documents. The url is dropped.
    MsMarcoDocs,
    /// One JSON object a line with `_id`, `title` and `text`: BEIR; or with `id` and `contents`: Anserini.
    BeirJsonl,
    /// `<DOC>` … `<DOCNO>` … `<TEXT>`: the TREC newswire collections and others in their mark-up.
    TrecSgml,
    /// `.I`, `.T`, `.W`: Cranfield, CACM and the other collections of the SMART system.
    Smart,
    /// Columns `_id`, `text` and perhaps `title`: NanoBEIR.
    Parquet,
    /// `id TAB text TAB title` with quotes as Python's `csv` writes them: DPR's passages of Wikipedia.
    DprPassages,
    /// One JSON object a line: the passages, documents and segments of MS MARCO v2 and v2.1.
    MsMarcoV2,
    /// `metadata.csv` of CORD-19: title and abstract of each paper.
    Cord19,
}

/// The formats of files of queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueryFormat {
    /// Lines of `query_id TAB text`.
    Tsv,
    /// One JSON object on each line, with `_id` and `text`, as BEIR writes it.
    BeirJsonl,
    /// `<top>`, `<num>`, `<title>`, or `<topic number=…>`, `<query>`: the text is the title or query; the description, where
    /// a topic has no title (TREC-4).
    TrecTopics,
    /// `.I`, `.W`. The query_id is the position from 1, as the judgements of these collections count.
    Smart,
    /// Parquet with the columns `_id` and `text`, as NanoBEIR writes it.
    Parquet,
    /// `question TAB ['answer', …]`, as DPR writes it. The query_id is the position from 0.
    DprQuestions,
    /// One JSON object of topics, whose keys are their names: CODEC.
    CodecTopics,
}

/// The formats of files of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswersFormat {
    /// One JSON object on each line, with `query_id` and `answers`, a list of strings.
    Jsonl,
    /// `question TAB ['answer', …]`, as DPR writes it. The query_id is the position from 0.
    DprQuestions,
}

/// A field of a TREC topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TopicField {
    /// `<title>` or `<query>`: a few words, as one types them.
    Title,
    /// `<desc>`, `<description>` or `<question>`: one sentence.
    Description,
    /// `<narr>` or `<narrative>`: which documents are relevant and which are not.
    Narrative,
}

impl FromStr for TopicField {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "title" => Ok(Self::Title),
            "description" => Ok(Self::Description),
            "narrative" => Ok(Self::Narrative),
            _ => Err(format!(
                "`{text}` is no field of topics: expected title, description or narrative"
            )),
        }
    }
}

/// The formats of files of judgements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QrelsFormat {
    /// `query_id 0 doc_id grade`: TREC and MS MARCO. A header is read where there is one.
    Trec,
    /// `query-id TAB corpus-id TAB score` under that header: BEIR.
    BeirTsv,
    /// `query doc code` (Cranfield) or `query doc 0 0` (CACM: judged relevant, grade 1). Codes are kept as they stand.
    Smart,
    /// Columns `query-id`, `corpus-id` and perhaps `score`; without one the grade is 1: NanoBEIR.
    Parquet,
    /// One JSON object a line with `qid` and `answer_pids`: LoTTE. Every answer has grade 1.
    LotteQas,
    /// Parquet with `id`, `gold_ids` and `excluded_ids`, lists of names: BRIGHT. Every document of the first has grade 1.
    Bright,
}

/// The content of a file of candidates (`query_id TAB doc_id TAB query TAB passage`, MS MARCO's top-1000 files).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Candidates {
    /// The queries, in the order of their first line.
    pub queries: Queries,
    /// The candidates of each query in the order of the file, with scores that fall by one.
    pub run: TrecRun,
}

/// Reads documents one after the other. Nothing is kept: a collection may be larger than the memory.
///
/// That no doc_id comes twice is checked by [`Store::import`](crate::Store::import), which has seen them all.
pub fn read_documents(
    source: &Source,
    format: DocumentFormat,
    visit: &mut Visit<'_>,
) -> Result<Notes, ReadError> {
    let mut empty = Empty::default();
    let mut notes = documents(Input::open(source)?, format, &mut |doc| {
        empty.count(doc);
        visit(doc)
    })?;
    if let Some(first) = empty.first {
        notes.add(source, Remark::EmptyDocument, empty.count, format_args!("is `{first}`"));
    }
    Ok(notes)
}

fn documents(
    input: Input<'_>,
    format: DocumentFormat,
    visit: &mut Visit<'_>,
) -> Result<Notes, ReadError> {
    match format {
        DocumentFormat::Tsv => tsv::documents(input, visit),
        DocumentFormat::MsMarcoDocs => tsv::ms_marco_docs(input, visit),
        DocumentFormat::BeirJsonl => beir::documents(input, visit),
        DocumentFormat::TrecSgml => sgml::documents(input, visit),
        DocumentFormat::Smart => smart::documents(input, visit),
        DocumentFormat::Parquet => parquet::documents(input, visit),
        DocumentFormat::DprPassages => dpr::documents(input, visit),
        DocumentFormat::MsMarcoV2 => ms_marco_v2::documents(input, visit),
        DocumentFormat::Cord19 => cord19::documents(input, visit),
    }
}

/// Reads the texts that a file has for queries or documents, in its order; it may have several for each.
///
/// Columns (`query_id TAB text`), JSON lines (`query_id` or `doc_id` with `text` or a list `texts`), or any format of documents.
///
/// # Errors
///
/// Where the file cannot be read, or a line has another form.
pub fn read_texts(source: &Source) -> Result<Read<Vec<StoredText>>, ReadError> {
    texts(Input::open(source)?)
}

/// Reads texts as [`read_texts`] does, from `content`, which errors and notes name as `source`.
///
/// # Errors
///
/// As [`read_texts`].
pub fn read_texts_of(source: &Source, content: &[u8]) -> Result<Read<Vec<StoredText>>, ReadError> {
    texts(Input::of_content(source, content))
}

fn texts(input: Input<'_>) -> Result<Read<Vec<StoredText>>, ReadError> {
    let (source, mut value, mut empty) = (input.source, Vec::new(), Empty::default());
    let mut add = |id: &str, text: &str, line: Option<u64>| {
        empty.count(DocumentRef { doc_id: id, title: "", text });
        value.push(StoredText { id: id.to_owned(), text: text.to_owned(), line });
    };
    let mut notes = match DocumentFormat::of(&input)? {
        DocumentFormat::Tsv => tsv::texts(input, &mut add)?,
        DocumentFormat::BeirJsonl => beir::texts(input, &mut add)?,
        other => documents(input, other, &mut |document| {
            add(document.doc_id, document.text, None);
            Ok(())
        })?,
    };
    if let Some(first) = empty.first {
        notes.add(source, Remark::EmptyText, empty.count, format_args!("is for `{first}`"));
    }
    Ok(Read { value, notes })
}

/// A function that is called with each text of a file: its `query_id` or `doc_id`, the text, and its line.
type AddText<'v> = dyn FnMut(&str, &str, Option<u64>) + 'v;

/// The documents without any text so far.
#[derive(Default)]
struct Empty {
    count: u64,
    first: Option<String>,
}

impl Empty {
    fn count(&mut self, doc: DocumentRef<'_>) {
        // Nearly every text begins with a letter: this looks at one byte.
        if doc.text.trim_start().is_empty() && doc.title.trim_start().is_empty() {
            self.count += 1;
            self.first.get_or_insert_with(|| doc.doc_id.to_owned());
        }
    }
}

/// How a file holds documents, by how it begins or else by its name.
pub fn document_format(source: &Source) -> Result<DocumentFormat, ReadError> {
    DocumentFormat::of(&Input::open(source)?)
}

/// Reads queries in the order of the file; a query_id may stand there once.
pub fn read_queries(source: &Source, format: QueryFormat) -> Result<Read<Queries>, ReadError> {
    queries(Input::open(source)?, format)
}

/// Reads queries in the format that the file has, by how it begins or else by its name.
pub fn read_any_queries(source: &Source) -> Result<Read<Queries>, ReadError> {
    let input = Input::open(source)?;
    let format = QueryFormat::of(&input)?;
    queries(input, format)
}

/// Reads TREC topics, with the words of these fields, in their order, as the text of each query; without fields as
/// [`read_queries`] does.
///
/// # Errors
///
/// Where the file holds no topics, or a topic has none of the fields.
pub fn read_topics(source: &Source, fields: &[TopicField]) -> Result<Read<Queries>, ReadError> {
    let input = Input::open(source)?;
    match QueryFormat::of(&input)? {
        QueryFormat::TrecTopics => sgml::topics(input, fields),
        _ => Err(lines::malformed(
            source,
            1,
            "queries without fields",
            "TREC topics (<top>, <num>, <title>), of which fields can be chosen",
        )),
    }
}

fn queries(input: Input<'_>, format: QueryFormat) -> Result<Read<Queries>, ReadError> {
    match format {
        QueryFormat::Tsv => tsv::queries(input),
        QueryFormat::BeirJsonl => beir::queries(input),
        QueryFormat::TrecTopics => sgml::topics(input, &[]),
        QueryFormat::Smart => smart::queries(input),
        QueryFormat::Parquet => parquet::queries(input),
        QueryFormat::DprQuestions => dpr::queries(input),
        QueryFormat::CodecTopics => codec::queries(input),
    }
}

/// Reads judgements; a pair may stand there twice only with the same grade.
pub fn read_qrels(source: &Source, format: QrelsFormat) -> Result<Qrels, ReadError> {
    qrels(Input::open(source)?, format)
}

/// Reads judgements in the format that the file has, by how it begins or else by its name.
pub fn read_any_qrels(source: &Source) -> Result<Qrels, ReadError> {
    let input = Input::open(source)?;
    let format = QrelsFormat::of(&input);
    qrels(input, format)
}

fn qrels(input: Input<'_>, format: QrelsFormat) -> Result<Qrels, ReadError> {
    match format {
        QrelsFormat::Trec | QrelsFormat::BeirTsv => {
            let name = input.source.to_string();
            Ok(trec::qrels_from(&mut input.into_reader(), Path::new(&name))?)
        }
        QrelsFormat::Smart => smart::qrels(input),
        QrelsFormat::Parquet => parquet::qrels(input),
        QrelsFormat::LotteQas => lotte::qrels(input),
        QrelsFormat::Bright => parquet::gold(input),
    }
}

/// Reads answers; a query_id may stand there once.
pub fn read_answers(source: &Source, format: AnswersFormat) -> Result<Read<Answers>, ReadError> {
    answers(Input::open(source)?, format)
}

/// Reads answers in the format that the file has, by how it begins.
pub fn read_any_answers(source: &Source) -> Result<Read<Answers>, ReadError> {
    let input = Input::open(source)?;
    let format = AnswersFormat::of(&input);
    answers(input, format)
}

fn answers(input: Input<'_>, format: AnswersFormat) -> Result<Read<Answers>, ReadError> {
    match format {
        AnswersFormat::Jsonl => answers::answers(input),
        AnswersFormat::DprQuestions => dpr::answers(input),
    }
}

/// Reads a file of candidates. Fails at the first line that has another form.
pub fn read_candidates(source: &Source) -> Result<Read<Candidates>, ReadError> {
    candidates::candidates(source)
}

/// Adds the words of `text` with one space between any two: layout is not content.
fn push_words(to: &mut String, text: &str) {
    for word in text.split_whitespace() {
        if !to.is_empty() {
            to.push(' ');
        }
        to.push_str(word);
    }
}
