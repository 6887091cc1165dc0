//! DPR: `psgs_w100.tsv` and the files of questions with their answers (`nq-test.qa.csv`).
//! Karpukhin et al., EMNLP 2020 (`karpukhin2020dpr`).
//!
//! Both have columns between tabs, and a column may stand in double quotes, as Python's `csv` writes it: inside them a tab is
//! content and a doubled quote is one. Passages are `id TAB text TAB title` under that header. Questions are
//! `question TAB answers`, the answers as Python writes a list of strings; they have no names, so a question is named by its
//! position from 0, as Anserini's and Pyserini's runs over these files name it.

use std::borrow::Cow;

use nir_core::{Answers, Queries};

use super::collect::QuerySet;
use super::csv;
use super::input::Input;
use super::lines::{Line, Lines};
use super::{DocumentRef, Visit};
use crate::notes::Remark;
use crate::{Notes, Read, ReadError};

const PASSAGE: &str = "`id TAB text TAB title`";
const QUESTION: &str = "`question TAB ['answer', \"answer\"]`";

/// Reads passages. A quote at either end of a text is dropped, as DPR does.
pub(super) fn documents(input: Input<'_>, visit: &mut Visit<'_>) -> Result<Notes, ReadError> {
    let source = input.source;
    let (mut lines, mut notes) = (Lines::of(input)?, Notes::default());
    while let Some(line) = lines.next_row()? {
        let [id, text, title] = columns(&line, PASSAGE)?;
        if id == "id" {
            notes.add(source, Remark::Header, 1, "is `id TAB text TAB title`");
            continue;
        }
        let doc_id = line.id("doc_id", &id)?;
        let text = text.trim_matches('"');
        visit(DocumentRef { doc_id, title: &title, text }).map_err(ReadError::Stopped)?;
    }
    lines.note(&mut notes);
    Ok(notes)
}

/// Reads the questions. A typographic apostrophe becomes a straight one, as DPR does before it encodes a question.
pub(super) fn queries(input: Input<'_>) -> Result<Read<Queries>, ReadError> {
    let mut queries = QuerySet::new(input.source);
    let notes = questions(input, &mut |question| {
        let text = question.text.replace('\u{2019}', "'");
        queries.add(question.line.number, &question.position.to_string(), &text)
    })?;
    Ok(queries.finish(notes))
}

/// Reads the answers.
pub(super) fn answers(input: Input<'_>) -> Result<Read<Answers>, ReadError> {
    let mut value = Answers::default();
    let notes = questions(input, &mut |question| {
        let wrong = |found: String| question.line.malformed(found, QUESTION);
        value
            .insert(&question.position.to_string(), python_list(&question.answers).map_err(wrong)?);
        Ok(())
    })?;
    Ok(Read { value, notes })
}

/// A line of a file of questions.
struct Question<'l> {
    line: Line<'l>,
    /// How many questions stand before it.
    position: usize,
    text: Cow<'l, str>,
    /// The answers, still as Python writes them.
    answers: Cow<'l, str>,
}

fn questions(
    input: Input<'_>,
    each: &mut dyn FnMut(Question<'_>) -> Result<(), ReadError>,
) -> Result<Notes, ReadError> {
    let (mut lines, mut notes) = (Lines::of(input)?, Notes::default());
    let mut position = 0;
    while let Some(line) = lines.next_row()? {
        let [text, answers] = columns(&line, QUESTION)?;
        each(Question { line, position, text, answers })?;
        position += 1;
    }
    lines.note(&mut notes);
    Ok(notes)
}

/// The columns of a line, without their quotes; an error unless there are exactly `N`.
fn columns<'l, const N: usize>(
    line: &Line<'l>,
    expected: &str,
) -> Result<[Cow<'l, str>; N], ReadError> {
    let columns = csv::columns(line.text, '\t')
        .ok_or_else(|| line.malformed("a quote that does not close on its line", expected))?;
    columns.try_into().map_err(|_| line.wrong_columns(expected))
}

/// The strings of a list as Python prints it: `['one', "o'two"]`. The error says what was found instead.
fn python_list(text: &str) -> Result<Vec<String>, String> {
    let list = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let mut rest = list.ok_or_else(|| format!("`{text}`"))?.trim_start();
    let mut strings = Vec::new();
    while !rest.is_empty() {
        let (string, after) = python_string(rest)?;
        strings.push(string);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => {}
            None => return Err(format!("`{rest}` after an answer")),
        }
    }
    Ok(strings)
}

/// The string that a text of Python begins with, and what follows it.
fn python_string(text: &str) -> Result<(String, &str), String> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'));
    let quote = quote.ok_or_else(|| format!("`{text}` in the place of an answer"))?;
    let mut string = String::new();
    let mut rest = &text[1..];
    loop {
        let at = rest.find([quote, '\\']).ok_or("an answer whose quote does not close")?;
        string.push_str(&rest[..at]);
        if rest[at..].starts_with(quote) {
            return Ok((string, &rest[at + 1..]));
        }
        rest = escape(&rest[at + 1..], &mut string)?;
    }
}

/// Adds what stands behind a backslash to `string`; returns what follows it.
fn escape<'t>(text: &'t str, string: &mut String) -> Result<&'t str, String> {
    let kind = text.chars().next().ok_or("a backslash at the end")?;
    let rest = &text[kind.len_utf8()..];
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => {
            match kind {
                'n' => string.push('\n'),
                't' => string.push('\t'),
                'r' => string.push('\r'),
                '\\' | '\'' | '"' => string.push(kind),
                // As Python does with an escape that it does not know.
                _ => string.extend(['\\', kind]),
            }
            return Ok(rest);
        }
    };
    let code = rest.get(..digits).and_then(|code| u32::from_str_radix(code, 16).ok());
    let found = code.and_then(char::from_u32);
    string.push(found.ok_or_else(|| format!("`\\{text}`, which is no character"))?);
    Ok(&rest[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_python_prints_it() {
        let list = |text| python_list(text).map(|strings| strings.join("|"));
        assert_eq!(
            list("['14 December 1972 UTC', 'December 1972']"),
            Ok("14 December 1972 UTC|December 1972".into())
        );
        assert_eq!(
            list(r#"["Bobby Scott", 'Robert "Bobby" S.']"#),
            Ok("Bobby Scott|Robert \"Bobby\" S.".into())
        );
        assert_eq!(
            list(r"['it\'s', 'a\\b', '\xe9\u0301', 'Fu\xdfball', '\d']"),
            Ok("it's|a\\b|\u{e9}\u{301}|Fu\u{df}ball|\\d".into())
        );
        assert_eq!(list("[]"), Ok(String::new()));
        assert_eq!(list("['a',]"), Ok("a".into()));
        assert_eq!(list("a, b"), Err("`a, b`".into()));
        assert_eq!(list("['a' 'b']"), Err("`'b'` after an answer".into()));
        assert_eq!(list("['a]"), Err("an answer whose quote does not close".into()));
        assert_eq!(list(r"['\ud800']"), Err(r"`\ud800'`, which is no character".into()));
        assert_eq!(list("[1]"), Err("`1` in the place of an answer".into()));
    }
}
