//! Names of documents and queries: what may be one.

/// Checks an id; the error describes what was found, in the words of an error's `found`.
///
/// A name is not empty and holds no white space, no control character and no byte order mark, wherever it stands: run
/// files are split at white space, and two names that look the same must be the same.
pub(crate) fn check_id<'i>(what: &str, id: &'i str) -> Result<&'i str, String> {
    if id.is_empty() {
        return Err(format!("an empty {what}"));
    }
    if id.contains(is_odd) {
        return Err(format!("`{}`", visible(id)));
    }
    Ok(id)
}

/// The rule that [`check_id`] enforces, in words.
pub(crate) fn id_rule(what: &str) -> String {
    format!("a {what} without white space or control characters (run files are split at them)")
}

/// Whether a character may not occur in an id.
fn is_odd(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || letter == '\u{feff}'
}

/// A text in which characters that nobody would see are written as escapes: `d1\u{feff}`.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::new();
    for letter in text.chars() {
        match letter {
            ' ' => shown.push(' '),
            letter if is_odd(letter) => shown.extend(letter.escape_debug()),
            letter => shown.push(letter),
        }
    }
    shown
}

/// The beginning of a text, long enough to recognise it in its file.
pub(crate) fn start(text: &str) -> String {
    const SHOWN: usize = 80;
    let start: String = text.chars().take(SHOWN).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    visible(&start) + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_that_can_be_seen() {
        for good in ["d1", "#tea", "-12", "zwölf", "a.b/c?d=1", "<d>", "👩‍🌾"] {
            assert_eq!(check_id("doc_id", good), Ok(good));
        }
        for (bad, shown) in [
            ("a b", "`a b`"),
            ("a\tb", "`a\\tb`"),
            ("d1\0", "`d1\\0`"),
            ("d\u{1}", "`d\\u{1}`"),
            ("\u{feff}d", "`\\u{feff}d`"),
            ("a\u{a0}b", "`a\\u{a0}b`"),
            ("a\u{85}b", "`a\\u{85}b`"),
            ("", "an empty doc_id"),
        ] {
            assert_eq!(check_id("doc_id", bad).unwrap_err(), shown);
        }
    }
}
