//! Prompts as a config writes them: messages with names in braces, and a budget that shortens passages.
//!
//! ```toml
//! prompt = [
//!     { role = "system", content = "You judge how well passages answer a question." },
//!     { role = "user", content = "Question: {query}\n\n{passages}\n\nOrder the {num} passages, best first." },
//! ]
//! passage = "[{rank}] {text}"
//! budget  = { words = 300 }
//! ```
//!
//! `{{` and `}}` are braces. A message with `each = true` is said once for every passage, with its `{rank}` and `{text}`.

use std::borrow::Cow;

use nir_core::{Corpus, DocNo};
use nir_nn::Message;
use serde::{Deserialize, Serialize};

/// Who says a message of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The instruction that stands above the conversation.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

impl Speaker {
    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// A message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Who says it: `system`, `user` or `assistant`.
    pub role: Speaker,
    /// The text, with names in braces.
    pub content: String,
    /// Whether it is said once for each passage.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub each: bool,
}

/// How much of a passage is shown; what is longer is cut at its end. The instruction is never shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Budget {
    /// So many words, with one space between two.
    Words(usize),
    /// So many characters.
    Characters(usize),
}

impl Budget {
    /// The beginning of a text that fits.
    pub(crate) fn cut(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Words(most) => {
                text.split_whitespace().take(most).collect::<Vec<_>>().join(" ").into()
            }
            Self::Characters(most) => match text.char_indices().nth(most) {
                Some((end, _)) => text[..end].into(),
                None => text.into(),
            },
        }
    }

    /// Checks the value; the error says what is wrong.
    pub(crate) fn check(self) -> Result<(), String> {
        match self {
            Self::Words(0) | Self::Characters(0) => {
                Err("`budget`: nothing would be shown of a passage: expected at least 1".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// A passage as a prompt shows it: the label by which the model names it, and the values of its template.
pub(crate) struct Passage<'a> {
    pub(crate) label: String,
    pub(crate) title: &'a str,
    pub(crate) text: Cow<'a, str>,
}

impl<'a> Passage<'a> {
    /// The passage of a row, cut to the budget.
    pub(crate) fn of(corpus: &'a dyn Corpus, doc: DocNo, budget: Budget, label: String) -> Self {
        let cut = match corpus.title(doc) {
            "" => budget.cut(corpus.text(doc)),
            _ => budget.cut(corpus.contents(doc)),
        };
        Self { label, title: corpus.title(doc), text: cut }
    }

    fn value(&self, name: &str) -> Option<&str> {
        match name {
            "rank" | "label" => Some(&self.label),
            "title" => Some(self.title),
            "text" => Some(&self.text),
            _ => None,
        }
    }
}

/// The messages of a prompt over some passages.
///
/// - `values`: what stands for each other name, such as `query`
/// - `passage`, `between`: the template of a passage within `{passages}`, and what stands between two of them
pub(crate) fn messages(
    turns: &[Turn],
    (passage, between): (&str, &str),
    values: &[(&str, &str)],
    passages: &[Passage<'_>],
) -> Vec<Message> {
    let of = |name: &str| values.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
    let shown: Vec<String> =
        passages.iter().map(|own| fill(passage, &|name| own.value(name).or(of(name)))).collect();
    let (shown, num) = (shown.join(between), passages.len().to_string());
    let common = |name: &str| match name {
        "passages" => Some(shown.as_str()),
        "num" => Some(num.as_str()),
        _ => of(name),
    };
    let mut messages = Vec::new();
    for Turn { role, content, each } in turns {
        let message = |content| Message { role: role.name().to_owned(), content };
        match each {
            false => messages.push(message(fill(content, &common))),
            true => messages.extend(passages.iter().map(|own| {
                message(fill(content, &|name| own.value(name).or_else(|| common(name))))
            })),
        }
    }
    messages
}

/// A piece of a template.
enum Piece<'t> {
    Text(&'t str),
    Name(&'t str),
}

/// Takes a template apart; the error says what is wrong with its braces.
fn pieces(template: &str) -> Result<Vec<Piece<'_>>, String> {
    let (mut pieces, mut rest) = (Vec::new(), template);
    while let Some(at) = rest.find(['{', '}']) {
        pieces.push(Piece::Text(&rest[..at]));
        let (brace, after) = (&rest[at..=at], &rest[at + 1..]);
        if let Some(after) = after.strip_prefix(brace) {
            pieces.push(Piece::Text(brace));
            rest = after;
            continue;
        }
        let close = after.find('}').filter(|_| brace == "{");
        let Some(close) = close else {
            return Err(format!(
                "`{}`: a `{brace}` without its other: write `{brace}{brace}` for the character",
                &rest[at..]
            ));
        };
        pieces.push(Piece::Name(&after[..close]));
        rest = &after[close + 1..];
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// The text of a template that was checked.
fn fill<'v>(template: &str, value: &dyn Fn(&str) -> Option<&'v str>) -> String {
    let text = |piece: &Piece<'_>| match piece {
        Piece::Text(text) => (*text).to_owned(),
        Piece::Name(name) => value(name).expect("the prompt was checked").to_owned(),
    };
    pieces(template).expect("the prompt was checked").iter().map(text).collect()
}

/// Checks that a template has only known names, and returns those that it has.
///
/// - `key`: the name of the template in the config
pub(crate) fn names<'t>(
    key: &str,
    template: &'t str,
    known: &[&str],
) -> Result<Vec<&'t str>, String> {
    let pieces = pieces(template).map_err(|problem| format!("`{key}`: {problem}"))?;
    let names = pieces.iter().filter_map(|piece| match piece {
        Piece::Name(name) => Some(*name),
        Piece::Text(_) => None,
    });
    let names: Vec<&str> = names.collect();
    match names.iter().find(|name| !known.contains(name)) {
        Some(name) => Err(format!(
            "`{key}`: unknown name `{{{name}}}`: expected one of {{{}}}",
            known.join("}, {")
        )),
        None => Ok(names),
    }
}

/// Checks a prompt over passages: its names, and that it shows the query and the passages.
pub(crate) fn check_over_passages(turns: &[Turn], passage: &str) -> Result<(), String> {
    names("passage", passage, &["rank", "label", "title", "text", "query"])?;
    let mut shown = Vec::new();
    for Turn { content, each, .. } in turns {
        let known: &[&str] = match each {
            true => &["query", "num", "rank", "label", "title", "text"],
            false => &["query", "num", "passages"],
        };
        let own = names("prompt", content, known)?;
        shown.extend(
            own.iter().map(|name| if *each && *name == "text" { "passages" } else { name }),
        );
    }
    ["query", "passages"].iter().try_for_each(|name| match shown.contains(name) {
        true => Ok(()),
        false => Err(format!("`prompt`: no message has `{{{name}}}`: the model would not see it")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(content: &str, each: bool) -> Turn {
        Turn { role: Speaker::User, content: content.to_owned(), each }
    }

    fn passage(label: &str, text: &'static str) -> Passage<'static> {
        Passage { label: label.to_owned(), title: "", text: text.into() }
    }

    #[test]
    fn names_are_replaced_and_double_braces_are_braces() {
        let turns =
            [turn("{query} {{of}} {num}:\n{passages}", false), turn("{rank} of {num}", true)];
        let passages = [passage("1", "tea {query}"), passage("2", "milk")];
        let found = messages(&turns, ("[{rank}] {text}", "\n"), &[("query", "warm?")], &passages);
        let found: Vec<_> = found.iter().map(|message| message.content.as_str()).collect();
        // What stands in a passage is not read as a template.
        assert_eq!(found, ["warm? {of} 2:\n[1] tea {query}\n[2] milk", "1 of 2", "2 of 2"]);
    }

    #[test]
    fn a_budget_cuts_passages_at_their_end() {
        assert_eq!(Budget::Words(2).cut("  green\ttea is  hot"), "green tea");
        assert_eq!(Budget::Words(9).cut("green  tea"), "green tea");
        assert_eq!(Budget::Characters(3).cut("grün tea"), "grü");
        assert_eq!(Budget::Characters(30).cut("grün  tea"), "grün  tea");
        assert!(Budget::Words(0).check().is_err() && Budget::Characters(1).check().is_ok());
    }

    #[test]
    fn a_template_that_does_not_parse_is_refused() {
        let check =
            |content: &str| check_over_passages(&[turn(content, false)], "{text}").unwrap_err();
        assert!(check("{query} {passages").contains("a `{` without its other"));
        assert!(check("} {query}").contains("a `}` without its other"));
        assert_eq!(
            check("{query} {passage}"),
            "`prompt`: unknown name `{passage}`: expected one of {query}, {num}, {passages}"
        );
        assert!(check("{passages}").contains("no message has `{query}`"));
        assert!(check("{query}").contains("no message has `{passages}`"));
        let each = [turn("{query}", false), turn("{text}", true)];
        assert_eq!(check_over_passages(&each, "{text}"), Ok(()));
    }
}
