//! Entities: what `&amp;`, `&eacute;` and `&#233;` stand for.

use std::borrow::Cow;

/// The entities of HTML for U+00A0 to U+00FF, in order.
const LATIN: [&str; 96] = [
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf",
    "laquo", "not", "shy", "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro",
    "para", "middot", "cedil", "sup1", "ordm", "raquo", "frac14", "frac12", "frac34", "iquest",
    "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute",
    "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute",
    "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute",
    "THORN", "szlig", "agrave", "aacute", "acirc", "atilde", "auml", "aring", "aelig", "ccedil",
    "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc", "iuml", "eth", "ntilde",
    "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave", "uacute", "ucirc",
    "uuml", "yacute", "thorn", "yuml",
];

/// Other entities in common use.
const OTHERS: [(&str, char); 48] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("OElig", '\u{152}'),
    ("oelig", '\u{153}'),
    ("Scaron", '\u{160}'),
    ("scaron", '\u{161}'),
    ("Yuml", '\u{178}'),
    ("circ", '\u{2c6}'),
    ("tilde", '\u{2dc}'),
    ("ensp", '\u{2002}'),
    ("emsp", '\u{2003}'),
    ("thinsp", '\u{2009}'),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("lrm", '\u{200e}'),
    ("rlm", '\u{200f}'),
    ("ndash", '\u{2013}'),
    ("mdash", '\u{2014}'),
    ("lsquo", '\u{2018}'),
    ("rsquo", '\u{2019}'),
    ("sbquo", '\u{201a}'),
    ("ldquo", '\u{201c}'),
    ("rdquo", '\u{201d}'),
    ("bdquo", '\u{201e}'),
    ("dagger", '\u{2020}'),
    ("Dagger", '\u{2021}'),
    ("bull", '\u{2022}'),
    ("hellip", '\u{2026}'),
    ("permil", '\u{2030}'),
    ("prime", '\u{2032}'),
    ("Prime", '\u{2033}'),
    ("lsaquo", '\u{2039}'),
    ("rsaquo", '\u{203a}'),
    ("euro", '\u{20ac}'),
    ("trade", '\u{2122}'),
    ("larr", '\u{2190}'),
    ("uarr", '\u{2191}'),
    ("rarr", '\u{2192}'),
    ("darr", '\u{2193}'),
    ("harr", '\u{2194}'),
    ("minus", '\u{2212}'),
    ("infin", '\u{221e}'),
    ("ne", '\u{2260}'),
    ("le", '\u{2264}'),
    ("ge", '\u{2265}'),
];

/// The longest of them, and of any number that stands for a character.
const LONGEST: usize = 10;

/// A text in which known entities are what they stand for; others stay, as do ampersands.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
        let (before, entity) = rest.split_at(at);
        plain.push_str(before);
        let (letter, length) = character(&entity[1..]).unwrap_or(('&', 0));
        plain.push(letter);
        rest = &entity[1 + length..];
    }
    if plain.is_empty() {
        return Cow::Borrowed(rest);
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// The character whose name (or number) and semicolon `text` begins with, and their length.
fn character(text: &str) -> Option<(char, usize)> {
    let near = &text.as_bytes()[..text.len().min(LONGEST + 1)];
    let end = memchr::memchr(b';', near)?;
    let name = text.get(..end)?;
    let letter = match name.strip_prefix('#') {
        Some(number) => numbered(number),
        None => named(name),
    };
    letter.map(|letter| (letter, end + 1))
}

/// The character of a numbered entity, decimal or hexadecimal after `x`; control characters are left as they are
/// written.
fn numbered(number: &str) -> Option<char> {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code).filter(|letter| !letter.is_control())
}

fn named(name: &str) -> Option<char> {
    let latin = LATIN.iter().position(|known| *known == name);
    if let Some(place) = latin {
        return char::from_u32(0xa0 + place as u32);
    }
    let exact = OTHERS.iter().find(|(known, _)| *known == name);
    // TREC's collections write these in capitals too.
    let any_case = || OTHERS[..4].iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    exact.or_else(any_case).map(|(_, letter)| *letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_entities_are_characters_and_others_stay() {
        let cases = [
            ("caf&eacute; AT&amp;T", "café AT&T"),
            ("green&nbsp;tea", "green\u{a0}tea"),
            ("&#233;&#xE9;&#XE9;&yuml;&Agrave;", "éééÿÀ"),
            ("&AMP;&lt;p&gt;", "&<p>"),
            ("&amp;lt;", "&lt;"),
            ("&hyph; & &; &#0; &#xd800; &amp", "&hyph; & &; &#0; &#xd800; &amp"),
            ("a & b; c", "a & b; c"),
            ("&ü;", "&ü;"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(decoded(text), expected, "{text}");
        }
    }
}
