//! Parquet with the columns of NanoBEIR (`zeta-alpha-ai` on the Hugging Face hub).
//!
//! Parquet is read from its end, so a compressed file or a member of an archive is first copied to an unnamed
//! temporary file. An error names the row where other formats name the line.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek};

use nir_core::{Qrels, Queries};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

use super::collect::{Judgements, QuerySet, named};
use super::lines::malformed;
use super::{DocumentRef, Visit};
use crate::{ReadError, Source};

const MAGIC: [u8; 4] = *b"PAR1";

pub(super) fn documents(source: &Source, visit: &mut Visit<'_>) -> Result<(), ReadError> {
    let table = Table::open(source, &["_id", "text"], &["title"])?;
    table.rows(&mut |row| {
        let doc_id = row.text("_id")?;
        named(source, row.number, "doc_id", doc_id)?;
        let title = if table.has("title") { row.text("title")? } else { "" };
        visit(DocumentRef { doc_id, title, text: row.text("text")? }).map_err(ReadError::Stopped)
    })
}

pub(super) fn queries(source: &Source) -> Result<Queries, ReadError> {
    let mut queries = QuerySet::new(source);
    Table::open(source, &["_id", "text"], &[])?
        .rows(&mut |row| queries.add(row.number, row.text("_id")?, row.text("text")?))?;
    Ok(queries.finish())
}

pub(super) fn qrels(source: &Source) -> Result<Qrels, ReadError> {
    let mut judgements = Judgements::new(source);
    let table = Table::open(source, &["query-id", "corpus-id"], &["score"])?;
    table.rows(&mut |row| {
        let grade = if table.has("score") { row.grade("score")? } else { 1 };
        judgements.add(row.number, row.text("query-id")?, row.text("corpus-id")?, grade)
    })?;
    Ok(judgements.finish())
}

/// A parquet file and those of its columns that we know.
struct Table<'s> {
    source: &'s Source,
    reader: SerializedFileReader<File>,
    columns: Vec<&'static str>,
}

impl<'s> Table<'s> {
    fn open(
        source: &'s Source,
        required: &[&'static str],
        optional: &[&'static str],
    ) -> Result<Self, ReadError> {
        let reader =
            SerializedFileReader::new(seekable(source)?).map_err(|error| failed(source, error))?;
        let schema = reader.metadata().file_metadata().schema();
        let present = |name: &&&str| schema.get_fields().iter().any(|field| field.name() == **name);
        if let Some(missing) = required.iter().find(|name| !present(name)) {
            return Err(failed(source, format!("no column `{missing}`: found {}", names(schema))));
        }
        let columns = required.iter().chain(optional.iter().filter(present)).copied().collect();
        Ok(Self { source, reader, columns })
    }

    fn has(&self, column: &str) -> bool {
        self.columns.contains(&column)
    }

    fn rows(
        &self,
        visit: &mut dyn FnMut(&NamedRow<'_>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let rows = self
            .reader
            .get_row_iter(Some(self.projection()))
            .map_err(|error| failed(self.source, error))?;
        for (number, row) in (1..).zip(rows) {
            let row = row.map_err(|error| failed(self.source, error))?;
            visit(&NamedRow { source: self.source, number, row })?;
        }
        Ok(())
    }

    /// The schema less the columns that nobody reads.
    fn projection(&self) -> Type {
        let schema = self.reader.metadata().file_metadata().schema();
        let fields = schema.get_fields().iter().filter(|field| self.has(field.name()));
        Type::group_type_builder(schema.name())
            .with_fields(fields.cloned().collect())
            .build()
            .expect("a part of a valid schema is valid")
    }
}

/// A row whose columns are asked for by name.
struct NamedRow<'s> {
    source: &'s Source,
    /// From 1.
    number: u64,
    row: Row,
}

impl NamedRow<'_> {
    fn field(&self, column: &str) -> &Field {
        let mut columns = self.row.get_column_iter();
        columns.find(|(name, _)| *name == column).expect("asked for in the projection").1
    }

    fn text(&self, column: &str) -> Result<&str, ReadError> {
        match self.field(column) {
            Field::Str(text) => Ok(text),
            other => Err(self.wrong(column, other, "a string")),
        }
    }

    fn grade(&self, column: &str) -> Result<i32, ReadError> {
        let field = self.field(column);
        let grade = match *field {
            Field::Byte(grade) => Some(grade.into()),
            Field::Short(grade) => Some(grade.into()),
            Field::Int(grade) => Some(grade),
            Field::Long(grade) => i32::try_from(grade).ok(),
            _ => None,
        };
        grade.ok_or_else(|| self.wrong(column, field, "a whole number"))
    }

    fn wrong(&self, column: &str, found: &Field, expected: &str) -> ReadError {
        let found = format!("`{found}` in column `{column}` of row {}", self.number);
        malformed(self.source, self.number, found, expected)
    }
}

/// The source as a file that can be read from any place: itself where it is one, or else a copy.
fn seekable(source: &Source) -> Result<File, ReadError> {
    let mut reader = source.open()?;
    let io = |error| ReadError::Io { from: source.clone(), line: 1, error };
    if !reader.fill_buf().map_err(io)?.starts_with(&MAGIC) {
        return Err(malformed(source, 1, "no parquet magic", "a file that begins with `PAR1`"));
    }
    match plain_file(source).map_err(io)? {
        Some(file) => Ok(file),
        None => copy(&mut reader).map_err(io),
    }
}

/// The file itself, if it is neither compressed nor a member of an archive.
fn plain_file(source: &Source) -> io::Result<Option<File>> {
    if source.member.is_some() || source.path.as_os_str() == "-" {
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
    let names: Vec<String> =
        schema.get_fields().iter().map(|field| format!("`{}`", field.name())).collect();
    names.join(", ")
}

fn failed(source: &Source, error: impl Into<nir_core::BoxError>) -> ReadError {
    ReadError::Parquet { from: source.clone(), error: error.into() }
}
