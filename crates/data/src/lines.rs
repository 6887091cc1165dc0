//! The lines of a file, without a copy and without an allocation for each.

use std::io::{self, BufRead};

/// What some editors put at the start of a file in UTF-8.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Calls `each` with the number (from 1) and the bytes of every line, without its line feed.
///
/// A line that lies whole in the reader's buffer is lent from there; only one cut by the end of the buffer is copied.
/// The byte order mark that some editors put before the first line is not part of it.
pub(crate) fn for_each_line<E: From<io::Error>>(
    reader: &mut dyn BufRead,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut each = |number, line: &[u8]| match line.strip_prefix(BYTE_ORDER_MARK) {
        Some(unmarked) if number == 1 => each(number, unmarked),
        _ => each(number, line),
    };
    let mut number = 0;
    let mut cut = Vec::new();
    loop {
        let mut rest = reader.fill_buf()?;
        let size = rest.len();
        if size == 0 {
            break;
        }
        while let Some(end) = memchr::memchr(b'\n', rest) {
            number += 1;
            if cut.is_empty() {
                each(number, &rest[..end])?;
            } else {
                cut.extend_from_slice(&rest[..end]);
                each(number, &cut)?;
                cut.clear();
            }
            rest = &rest[end + 1..];
        }
        cut.extend_from_slice(rest);
        reader.consume(size);
    }
    if cut.is_empty() { Ok(()) } else { each(number + 1, &cut) }
}

/// The columns of a line: what lies between spaces, tabs and carriage returns.
#[derive(Debug, Clone)]
pub(crate) struct Columns<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Columns<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.0.iter().position(|&byte| !is_space(byte))?;
        let rest = &self.0[start..];
        let end = rest.iter().position(|&byte| is_space(byte)).unwrap_or(rest.len());
        self.0 = &rest[end..];
        Some(&rest[..end])
    }
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(text: &str, buffer: usize) -> Vec<(u64, String)> {
        let mut found = Vec::new();
        let mut reader = BufReader::with_capacity(buffer, text.as_bytes());
        for_each_line(&mut reader, |number, line| {
            found.push((number, String::from_utf8(line.to_vec()).unwrap()));
            Ok::<_, io::Error>(())
        })
        .unwrap();
        found
    }

    #[test]
    fn a_line_may_be_longer_than_the_buffer() {
        let text = "one\n\nthree, and longer\nno line feed";
        let whole = lines(text, 1 << 10);
        assert_eq!(whole.len(), 4);
        assert_eq!(whole[3], (4, "no line feed".into()));
        for buffer in 1..20 {
            assert_eq!(lines(text, buffer), whole);
        }
    }

    #[test]
    fn columns_are_cut_at_any_blank() {
        let columns: Vec<_> = Columns(b" 1\tQ0  d \r").collect();
        assert_eq!(columns, [b"1".as_slice(), b"Q0", b"d"]);
    }
}
