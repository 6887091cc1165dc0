//! Columns that may stand in double quotes, as Python's `csv` reads them, and records that go over several lines.

use std::borrow::Cow;
use std::mem::take;

use super::input::Input;
use super::lines::{Lines, malformed};
use crate::bounds::DOCUMENT;
use crate::{ReadError, Source};

/// The columns of a record, without their quotes; `None` where a quote does not close.
///
/// Inside quotes the separator is content and a doubled quote is one. A quote in the middle of a column without quotes is
/// content, and so is what stands between a closing quote and the separator.
pub(super) fn columns(record: &str, separator: char) -> Option<Vec<Cow<'_, str>>> {
    let mut rest = Some(record);
    let mut columns = Vec::new();
    while let Some(text) = rest {
        let (column, after) = column(text, separator)?;
        columns.push(column);
        rest = after;
    }
    Some(columns)
}

/// The first column of a text, and what follows its separator.
fn column(text: &str, separator: char) -> Option<(Cow<'_, str>, Option<&str>)> {
    let until = |text| split(text, separator);
    let Some(quoted) = text.strip_prefix('"') else {
        let (column, after) = until(text);
        return Some((Cow::Borrowed(column), after));
    };
    let mut content = String::new();
    let mut rest = quoted;
    loop {
        let (before, after) = rest.split_once('"')?;
        content.push_str(before);
        let Some(doubled) = after.strip_prefix('"') else {
            let (tail, after) = until(after);
            content.push_str(tail);
            return Some((Cow::Owned(content), after));
        };
        content.push('"');
        rest = doubled;
    }
}

fn split(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator).map_or((text, None), |(column, after)| (column, Some(after)))
}

/// Records, each with the number of its first line.
pub(super) struct Records<'s> {
    source: &'s Source,
    lines: Lines<'s>,
}

impl<'s> Records<'s> {
    pub(super) fn of(input: Input<'s>) -> Result<Self, ReadError> {
        Ok(Self { source: input.source, lines: Lines::of(input)? })
    }

    /// The next record: its lines up to the one in which the last quote is closed.
    pub(super) fn next(&mut self) -> Result<Option<(u64, String)>, ReadError> {
        let (mut first, mut record, mut open) = (0, String::new(), false);
        while let Some(line) = self.lines.next_line()? {
            if !record.is_empty() {
                record.push('\n');
            } else if line.text.is_empty() {
                continue;
            } else {
                first = line.number;
            }
            record.push_str(line.text);
            open ^= line.text.matches('"').count() % 2 == 1;
            if !open {
                return Ok(Some((first, take(&mut record))));
            }
            if record.len() > DOCUMENT {
                break;
            }
        }
        match record.is_empty() {
            true => Ok(None),
            false => Err(malformed(
                self.source,
                first,
                "a quote that is never closed",
                "a record of columns between commas, quoted where they hold quotes or line ends",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_unquoted_as_python_reads_it() {
        let all = |text| columns(text, '\t').map(|columns| columns.join("|"));
        assert_eq!(all("1\ta text\tA"), Some("1|a text|A".into()));
        assert_eq!(all("1\t\"a \"\"b\"\"\tc\"\tA"), Some("1|a \"b\"\tc|A".into()));
        assert_eq!(all("1\ta \"b\" c\t"), Some("1|a \"b\" c|".into()));
        assert_eq!(all("\"a\"b\tc"), Some("ab|c".into()));
        assert_eq!(all("1\t\"a"), None);
        assert_eq!(columns("a,\"b,c\"", ',').unwrap(), ["a", "b,c"]);
    }
}
