//! Parquet with the columns of NanoBEIR (`zeta-alpha-ai` on the Hugging Face hub) and of what other tools write.
//!
//! Names may be strings or whole numbers, texts and titles null, grades whole numbers in any type. `id` and `contents`
//! (or `content`) stand for `_id` and `text` where those are missing, and `query` for the text of a query.
//!
//! BRIGHT (Su et al., ICLR 2025) has questions and judgements in one table: `id`, `query`, and the lists `gold_ids` and
//! `excluded_ids`. Pages may be packed with snappy, gzip, zstd, brotli or lz4.
//!
//! Parquet is read from its end, so a compressed file or a member of an archive is first copied to an unnamed
//! temporary file. An error names the row where other formats name the line.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, Read as _, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nir_core::{Qrels, Queries};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

use super::collect::{Judgements, QuerySet, named};
use super::input::Input;
use super::lines::malformed;
use super::{DocumentRef, Visit};
use crate::bounds::Expansion;
use crate::malformed::readable;
use crate::names::start;
use crate::{Notes, Read, ReadError, Source, grade};

const MAGIC: [u8; 4] = *b"PAR1";

/// A column by the names that it may have: the first of them that is there.
type Names = &'static [&'static str];
const ID: Names = &["_id", "id"];
const TEXT: Names = &["text", "contents", "content"];
const ASKED: Names = &["text", "contents", "query"];
const GOLD: Names = &["gold_ids"];
const EXCLUDED: Names = &["excluded_ids"];
const TITLE: Names = &["title"];
const QUERY: Names = &["query-id", "query_id"];
const DOC: Names = &["corpus-id", "corpus_id", "doc_id"];
const SCORE: Names = &["score", "grade", "relevance"];

pub(super) fn documents(input: Input<'_>, visit: &mut Visit<'_>) -> Result<Notes, ReadError> {
    let source = input.source;
    let table = Table::open(input, &[ID, TEXT], &[TITLE])?;
    let mut read = 0;
    table.rows(&mut |row| {
        let doc_id = row.name(ID)?;
        named(source, row.number, "doc_id", &doc_id)?;
        let title = if table.has(TITLE) { row.text(TITLE)? } else { "" };
        let text = row.text(TEXT)?;
        // One text may stand for any number of rows, so a small file may hold more than a disk does.
        read += (doc_id.len() + title.len() + text.len()) as u64;
        Expansion::USUAL.check(read, table.bytes).map_err(|error| failed(source, error))?;
        visit(DocumentRef { doc_id: &doc_id, title, text }).map_err(ReadError::Stopped)
    })?;
    Ok(Notes::default())
}

pub(super) fn queries(input: Input<'_>) -> Result<Read<Queries>, ReadError> {
    let mut queries = QuerySet::new(input.source);
    Table::open(input, &[ID, ASKED], &[])?
        .rows(&mut |row| queries.add(row.number, &row.name(ID)?, row.text(ASKED)?))?;
    Ok(queries.finish(Notes::default()))
}

pub(super) fn qrels(input: Input<'_>) -> Result<Qrels, ReadError> {
    let mut judgements = Judgements::new(input.source);
    let table = Table::open(input, &[QUERY, DOC], &[SCORE])?;
    table.rows(&mut |row| {
        let grade = if table.has(SCORE) { row.grade(SCORE)? } else { 1 };
        judgements.add(row.number, &row.name(QUERY)?, &row.name(DOC)?, grade)
    })?;
    Ok(judgements.finish())
}

/// Reads the judgements of BRIGHT: every document of `gold_ids` has grade 1. A question with documents that must be left out of
/// its ranking is refused: nothing here leaves them out.
pub(super) fn gold(input: Input<'_>) -> Result<Qrels, ReadError> {
    let mut judgements = Judgements::new(input.source);
    let table = Table::open(input, &[ID, GOLD], &[EXCLUDED])?;
    table.rows(&mut |row| {
        let query_id = row.name(ID)?;
        let excluded = if table.has(EXCLUDED) { row.names(EXCLUDED)? } else { Vec::new() };
        if let Some(doc_id) = excluded.iter().find(|doc_id| **doc_id != "N/A") {
            let found = format!("`{doc_id}` in column `excluded_ids` of row {}", row.number);
            return Err(malformed(
                row.source,
                row.number,
                found,
                "`N/A`: no document to leave out",
            ));
        }
        row.names(GOLD)?
            .into_iter()
            .try_for_each(|doc_id| judgements.add(row.number, &query_id, doc_id, 1))
    })?;
    Ok(judgements.finish())
}

/// A parquet file and those of its columns that we know.
struct Table<'s> {
    source: &'s Source,
    reader: SerializedFileReader<File>,
    columns: Vec<&'static str>,
    /// The size of the file in bytes.
    bytes: u64,
}

impl<'s> Table<'s> {
    fn open(input: Input<'s>, required: &[Names], optional: &[Names]) -> Result<Self, ReadError> {
        let source = input.source;
        let file = seekable(input)?;
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        let reader = SerializedFileReader::new(file).map_err(|error| failed(source, error))?;
        let schema = reader.metadata().file_metadata().schema();
        let is_there =
            |name: &&&str| schema.get_fields().iter().any(|field| field.name() == **name);
        let column = |names: &Names| names.iter().find(is_there).copied();
        if let Some(missing) = required.iter().find(|names| column(names).is_none()) {
            let error = format!("no column `{}`: found {}", missing.join("` or `"), names(schema));
            return Err(failed(source, error));
        }
        let columns = required.iter().chain(optional).filter_map(column).collect();
        Ok(Self { source, reader, columns, bytes })
    }

    fn has(&self, column: Names) -> bool {
        column.iter().any(|name| self.columns.contains(name))
    }

    fn rows(
        &self,
        visit: &mut dyn FnMut(&NamedRow<'_>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut rows = self.decoded(|| self.reader.get_row_iter(Some(self.projection())))?;
        for number in 1.. {
            let Some(row) = self.decoded(|| rows.next().transpose())? else { break };
            visit(&NamedRow { source: self.source, number, row })?;
        }
        Ok(())
    }

    /// What the library makes of a part of the file. It panics on some files that are damaged, such as one with a page of
    /// references to a dictionary that is not there.
    fn decoded<T>(
        &self,
        part: impl FnOnce() -> parquet::errors::Result<T>,
    ) -> Result<T, ReadError> {
        let made = catch_unwind(AssertUnwindSafe(part));
        let made = made.unwrap_or_else(|_| {
            Err(parquet::errors::ParquetError::General("its pages are damaged".to_owned()))
        });
        made.map_err(|error| failed(self.source, error))
    }

    /// The schema without the columns that are not used.
    fn projection(&self) -> Type {
        let schema = self.reader.metadata().file_metadata().schema();
        let known = |name: &str| self.columns.contains(&name);
        let fields = schema.get_fields().iter().filter(|field| known(field.name()));
        Type::group_type_builder(schema.name())
            .with_fields(fields.cloned().collect())
            .build()
            .expect("a part of a valid schema is valid")
    }
}

/// A row whose columns are found by name.
struct NamedRow<'s> {
    source: &'s Source,
    /// The number of the row, counted from 1.
    number: u64,
    row: Row,
}

impl NamedRow<'_> {
    fn field(&self, column: Names) -> (&str, &Field) {
        let in_row = |name: &&str| {
            let mut columns = self.row.get_column_iter();
            columns.find(|(found, _)| found == name).map(|(name, field)| (name.as_str(), field))
        };
        column.iter().find_map(in_row).expect("asked for in the projection")
    }

    /// An id: a string, or the digits of a whole number.
    fn name(&self, column: Names) -> Result<Cow<'_, str>, ReadError> {
        let (name, field) = self.field(column);
        match field {
            Field::Str(text) => Ok(text.as_str().into()),
            Field::Bytes(bytes) => self.utf8(name, bytes.data()).map(Cow::Borrowed),
            other => match whole(other) {
                Some(number) => Ok(number.to_string().into()),
                None => Err(self.wrong(name, other, "a string or a whole number")),
            },
        }
    }

    /// A list of names.
    fn names(&self, column: Names) -> Result<Vec<&str>, ReadError> {
        let (name, field) = self.field(column);
        let Field::ListInternal(list) = field else {
            return Err(self.wrong(name, field, "a list of strings"));
        };
        let elements = list.elements().iter();
        elements
            .map(|element| match element {
                Field::Str(text) => Ok(text.as_str()),
                other => Err(self.wrong(name, other, "a string")),
            })
            .collect()
    }

    /// A text; empty for null.
    fn text(&self, column: Names) -> Result<&str, ReadError> {
        match self.field(column) {
            (_, Field::Str(text)) => Ok(text),
            (name, Field::Bytes(bytes)) => self.utf8(name, bytes.data()),
            (_, Field::Null) => Ok(""),
            (name, other) => Err(self.wrong(name, other, "a string")),
        }
    }

    /// The text of a column of bytes, which writers without a string type leave.
    fn utf8<'b>(&self, column: &str, bytes: &'b [u8]) -> Result<&'b str, ReadError> {
        std::str::from_utf8(bytes).map_err(|_| {
            let found = format!("other bytes in column `{column}` of row {}", self.number);
            malformed(self.source, self.number, found, "UTF-8")
        })
    }

    fn grade(&self, column: Names) -> Result<i32, ReadError> {
        let (name, field) = self.field(column);
        let grade = match *field {
            Field::Float16(grade) => grade::of_f64(grade.to_f64()),
            Field::Float(grade) => grade::of_f64(grade.into()),
            Field::Double(grade) => grade::of_f64(grade),
            _ => whole(field).and_then(|grade| grade.try_into().ok()),
        };
        grade.ok_or_else(|| self.wrong(name, field, grade::EXPECTED))
    }

    fn wrong(&self, column: &str, found: &Field, expected: &str) -> ReadError {
        let found = format!("`{found}` in column `{column}` of row {}", self.number);
        malformed(self.source, self.number, found, expected)
    }
}

/// A whole number of any width; `None` for another type.
fn whole(field: &Field) -> Option<i128> {
    match *field {
        Field::Byte(number) => Some(number.into()),
        Field::Short(number) => Some(number.into()),
        Field::Int(number) => Some(number.into()),
        Field::Long(number) => Some(number.into()),
        Field::UByte(number) => Some(number.into()),
        Field::UShort(number) => Some(number.into()),
        Field::UInt(number) => Some(number.into()),
        Field::ULong(number) => Some(number.into()),
        _ => None,
    }
}

/// The source as a file that can be read from any place: itself where it is one, or else a copy.
fn seekable(input: Input<'_>) -> Result<File, ReadError> {
    let source = input.source;
    let io = |error| ReadError::Io { from: source.clone(), line: 1, error };
    if !input.head().starts_with(&MAGIC) {
        return Err(malformed(source, 1, "no parquet magic", "a file that begins with `PAR1`"));
    }
    match plain_file(source).map_err(io)? {
        Some(file) => Ok(file),
        None => copy(&mut input.into_reader()).map_err(io),
    }
}

/// The file itself, if it is one, and neither compressed nor a member of an archive.
fn plain_file(source: &Source) -> io::Result<Option<File>> {
    if source.member.is_some() || !source.path.is_file() {
        return Ok(None);
    }
    let mut magic = [0; MAGIC.len()];
    let mut file = File::open(&source.path)?;
    file.read_exact(&mut magic)?;
    Ok((magic == MAGIC).then_some(file))
}

fn copy(reader: &mut dyn BufRead) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(reader, &mut file)?;
    file.rewind()?;
    Ok(file)
}

fn names(schema: &Type) -> String {
    const SHOWN: usize = 12;
    let shown = schema.get_fields().iter().take(SHOWN);
    let names: Vec<String> = shown.map(|field| format!("`{}`", start(field.name()))).collect();
    names.join(", ")
}

fn failed(source: &Source, error: impl Into<nir_core::BoxError>) -> ReadError {
    let error = readable(error.into().to_string()).into();
    ReadError::Parquet { from: source.clone(), error }
}
