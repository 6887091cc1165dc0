//! Lines of a source as text: checked UTF-8, numbered, borrowed from one buffer.

use std::io::{self, BufRead};
use std::path::Path;

use memchr::memchr;

use super::input::Input;
use crate::bounds::{DOCUMENT, Exceeded};
use crate::lines::BYTE_ORDER_MARK;
use crate::names::{check_id, id_rule};
use crate::notes::Remark;
use crate::{Malformed, Notes, ReadError, Source};

const FIRST_BUFFER: usize = 256 << 10;

/// Reads a source line by line. A line costs no allocation.
pub(crate) struct Lines<'s> {
    from: &'s Source,
    reader: Box<dyn BufRead + Send>,
    buffer: Vec<u8>,
    /// `buffer[start..end]` has been read and not been returned yet.
    start: usize,
    end: usize,
    /// No line may be longer: a file without line ends must not fill the memory.
    longest: usize,
    /// The number of lines that were returned so far.
    number: u64,
    /// Lines that [`Lines::next_row`] passed over, and the first of them.
    blank: u64,
    first_blank: u64,
}

/// A line without its line break.
#[derive(Clone, Copy)]
pub(crate) struct Line<'l> {
    pub(crate) text: &'l str,
    pub(crate) number: u64,
    from: &'l Source,
}

impl<'s> Lines<'s> {
    pub(crate) fn of(input: Input<'s>) -> Result<Self, ReadError> {
        Self::bounded(input, DOCUMENT)
    }

    /// Reads lines of at most about `longest` bytes: the buffer doubles until it is larger.
    pub(crate) fn bounded(input: Input<'s>, longest: usize) -> Result<Self, ReadError> {
        let (from, buffer) = (input.source, vec![0; FIRST_BUFFER.min(longest)]);
        let reader = input.into_reader();
        let (number, blank, first_blank) = (0, 0, 0);
        let mut lines =
            Self { from, reader, buffer, start: 0, end: 0, longest, number, blank, first_blank };
        lines.skip_byte_order_mark().map_err(|error| lines.io(error))?;
        Ok(lines)
    }

    fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        while self.end < BYTE_ORDER_MARK.len() && self.fill()? {}
        if self.buffer[..self.end].starts_with(BYTE_ORDER_MARK.as_bytes()) {
            self.start = BYTE_ORDER_MARK.len();
        }
        Ok(())
    }

    /// The next line that is not blank; the others are counted.
    pub(crate) fn next_row(&mut self) -> Result<Option<Line<'_>>, ReadError> {
        while let Some((start, end)) = self.next_range().map_err(|error| self.io(error))? {
            self.number += 1;
            if !matches!(&self.buffer[start..end], b"" | b"\r") {
                return self.line(start, end).map(Some);
            }
            self.blank += 1;
            self.first_blank = if self.blank == 1 { self.number } else { self.first_blank };
        }
        Ok(None)
    }

    /// Notes how many blank lines were skipped.
    pub(crate) fn note(&self, notes: &mut Notes) {
        if self.blank > 0 {
            let first = format!("at line {}", self.first_blank);
            notes.add(self.from, Remark::BlankLine, self.blank, first);
        }
    }

    /// The next line, without `\n` or `\r\n`; `None` at the end.
    pub(crate) fn next_line(&mut self) -> Result<Option<Line<'_>>, ReadError> {
        let Some((start, end)) = self.next_range().map_err(|error| self.io(error))? else {
            return Ok(None);
        };
        self.number += 1;
        self.line(start, end).map(Some)
    }

    fn line(&self, start: usize, end: usize) -> Result<Line<'_>, ReadError> {
        let bytes = &self.buffer[start..end];
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| self.not_utf8(bytes, error))?;
        let line = Line { text, number: self.number, from: self.from };
        // A file with carriage returns and not one line feed: what looks like its only line is all of them.
        let all = self.number == 1 && self.start == end;
        if all && text.contains('\r') { Err(line.carriage_return()) } else { Ok(line) }
    }

    /// The place of the next line in the buffer.
    fn next_range(&mut self) -> io::Result<Option<(usize, usize)>> {
        let mut seen = 0;
        loop {
            let rest = &self.buffer[self.start..self.end];
            if let Some(at) = memchr(b'\n', &rest[seen..]) {
                let start = self.start;
                self.start += seen + at + 1;
                return Ok(Some((start, self.start - 1)));
            }
            seen = rest.len();
            if !self.fill()? {
                let last = (self.start, self.end);
                self.start = self.end;
                return Ok((last.0 < last.1).then_some(last));
            }
        }
    }

    /// Reads more behind what is there; false at the end of the source.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            self.grow()?;
        }
        let read = self.reader.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read > 0)
    }

    fn grow(&mut self) -> io::Result<()> {
        if self.end >= self.longest {
            return Err(Exceeded::Line(self.longest).into());
        }
        self.buffer.resize((2 * self.end).clamp(BYTE_ORDER_MARK.len(), self.longest), 0);
        Ok(())
    }

    fn io(&self, error: io::Error) -> ReadError {
        ReadError::Io { from: self.from.clone(), line: self.number + 1, error }
    }

    fn not_utf8(&self, bytes: &[u8], error: std::str::Utf8Error) -> ReadError {
        let line = Line { text: "", number: self.number, from: self.from };
        if self.number == 1 && (bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff")) {
            let expected = "UTF-8 (`iconv -f UTF-16 -t UTF-8` makes it)";
            return line.malformed("the byte order mark of UTF-16", expected);
        }
        let at = error.valid_up_to();
        let found = format!("byte 0x{:02x} at position {} of the line", bytes[at], at + 1);
        line.malformed(found, "UTF-8 (if it is Latin-1, `iconv -f LATIN1 -t UTF-8` makes it)")
    }
}

impl<'l> Line<'l> {
    /// An error about this line.
    pub(crate) fn malformed(
        &self,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> ReadError {
        malformed(self.from, self.number, found, expected)
    }

    /// The columns between tabs; an error unless there are exactly `N`.
    pub(crate) fn columns<const N: usize>(
        &self,
        expected: &str,
    ) -> Result<[&'l str; N], ReadError> {
        let mut columns = [""; N];
        let mut start = 0;
        for column in &mut columns[..N - 1] {
            let Some(length) = memchr(b'\t', &self.text.as_bytes()[start..]) else {
                return Err(self.wrong_columns(expected));
            };
            *column = &self.text[start..start + length];
            start += length + 1;
        }
        columns[N - 1] = &self.text[start..];
        match memchr(b'\t', columns[N - 1].as_bytes()) {
            None => Ok(columns),
            Some(_) => Err(self.wrong_columns(expected)),
        }
    }

    pub(crate) fn wrong_columns(&self, expected: &str) -> ReadError {
        let found = match self.text.split('\t').count() {
            _ if self.text.contains('\r') => return self.carriage_return(),
            1 => "no tab".to_owned(),
            n => format!("{n} columns"),
        };
        self.malformed(found, expected)
    }

    /// A line that may be many, by the line ends of old Macs.
    pub(crate) fn carriage_return(&self) -> ReadError {
        self.malformed(
            "a carriage return inside the line",
            "lines that end with LF or CR LF (`tr '\\r' '\\n'` makes them)",
        )
    }

    /// `id` if it can stand in a run: one word that can be seen.
    pub(crate) fn id(&self, what: &str, id: &'l str) -> Result<&'l str, ReadError> {
        check_id(what, id).map_err(|found| self.malformed(found, id_rule(what)))
    }
}

/// An error about a line, or about a row of a file without lines.
pub(crate) fn malformed(
    from: &Source,
    line: u64,
    found: impl Into<String>,
    expected: impl Into<String>,
) -> ReadError {
    Malformed::new(Path::new(&from.to_string()), line, found, expected).into()
}
