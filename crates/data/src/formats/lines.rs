//! Lines of a source as text: checked UTF-8, numbered, borrowed from one buffer.

use std::io::{self, BufRead};
use std::path::Path;

use memchr::memchr;

use crate::lines::BYTE_ORDER_MARK;
use crate::{Malformed, ReadError, Source};

/// No document is longer; a file without line ends must not fill the memory.
const LONGEST: usize = 64 << 20;
const FIRST_BUFFER: usize = 256 << 10;

/// Reads a source line by line. A line costs no allocation.
pub(crate) struct Lines<'s> {
    from: &'s Source,
    reader: Box<dyn BufRead + Send>,
    buffer: Vec<u8>,
    /// `buffer[start..end]` is read and not yet given out.
    start: usize,
    end: usize,
    /// Lines given out so far.
    number: u64,
}

/// One line without its end.
#[derive(Clone, Copy)]
pub(crate) struct Line<'l> {
    pub(crate) text: &'l str,
    pub(crate) number: u64,
    from: &'l Source,
}

impl<'s> Lines<'s> {
    pub(crate) fn open(from: &'s Source) -> Result<Self, ReadError> {
        let reader = from.open()?;
        let buffer = vec![0; FIRST_BUFFER];
        let mut lines = Self { from, reader, buffer, start: 0, end: 0, number: 0 };
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

    /// The next line, less `\n` or `\r\n`.
    pub(crate) fn next_line(&mut self) -> Result<Option<Line<'_>>, ReadError> {
        let Some((start, end)) = self.next_range().map_err(|error| self.io(error))? else {
            return Ok(None);
        };
        self.number += 1;
        let bytes = &self.buffer[start..end];
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| self.not_utf8(bytes, error))?;
        Ok(Some(Line { text, number: self.number, from: self.from }))
    }

    /// Where the next line is in the buffer.
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
        if self.end >= LONGEST {
            let message = format!("a line of more than {} MiB", LONGEST >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        self.buffer.resize(2 * self.end, 0);
        Ok(())
    }

    fn io(&self, error: io::Error) -> ReadError {
        ReadError::Io { from: self.from.clone(), line: self.number + 1, error }
    }

    fn not_utf8(&self, bytes: &[u8], error: std::str::Utf8Error) -> ReadError {
        let at = error.valid_up_to();
        let found = format!("byte 0x{:02x} at position {} of the line", bytes[at], at + 1);
        Line { text: "", number: self.number, from: self.from }.malformed(found, "UTF-8")
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

    /// The columns between tabs, exactly `N` of them.
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

    fn wrong_columns(&self, expected: &str) -> ReadError {
        let found = match self.text.split('\t').count() {
            _ if self.text.is_empty() => "an empty line".to_owned(),
            1 => "no tab".to_owned(),
            n => format!("{n} columns"),
        };
        self.malformed(found, expected)
    }

    /// `id` if it can stand in a run: not empty and without white space.
    pub(crate) fn id(&self, what: &str, id: &'l str) -> Result<&'l str, ReadError> {
        check_id(what, id).map_err(|found| self.malformed(found, id_rule(what)))
    }
}

/// What is wrong with a name, if anything.
pub(crate) fn check_id<'i>(what: &str, id: &'i str) -> Result<&'i str, String> {
    if id.is_empty() {
        return Err(format!("an empty {what}"));
    }
    if id.contains(char::is_whitespace) {
        return Err(format!("`{id}`"));
    }
    Ok(id)
}

/// The rule that [`check_id`] holds to.
pub(crate) fn id_rule(what: &str) -> String {
    format!("a {what} without white space (run files are split at it)")
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
