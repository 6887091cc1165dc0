//! A source that is open and whose first bytes can be looked at before it is read: what a pipe gives, it gives once.

use std::io::{BufRead, Cursor, Read};

use crate::{ReadError, Source};

/// The number of bytes that are kept to recognise the format: enough for the beginning of a first line.
const HEAD: u64 = 64 << 10;

/// An open source whose first bytes are known.
pub(crate) struct Input<'s> {
    pub(crate) source: &'s Source,
    head: Vec<u8>,
    rest: Box<dyn BufRead + Send>,
}

impl<'s> Input<'s> {
    pub(crate) fn open(source: &'s Source) -> Result<Self, ReadError> {
        let mut rest = source.open()?;
        let mut head = Vec::new();
        rest.by_ref().take(HEAD).read_to_end(&mut head).map_err(|error| ReadError::Io {
            from: source.clone(),
            line: 1,
            error,
        })?;
        Ok(Self { source, head, rest })
    }

    /// An input whose whole content is at hand; `source` is the name that messages give it.
    pub(crate) fn of_content(source: &'s Source, content: &[u8]) -> Self {
        Self { source, head: content.to_vec(), rest: Box::new(std::io::empty()) }
    }

    /// The first bytes; the whole content if it is short.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// A reader of the whole content, from the first byte.
    pub(crate) fn into_reader(self) -> Box<dyn BufRead + Send> {
        Box::new(Cursor::new(self.head).chain(self.rest))
    }
}
