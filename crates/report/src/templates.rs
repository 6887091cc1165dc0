//! The templates, and the words they use for numbers.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value};
use serde::Serialize;

const TEMPLATES: [(&str, &str); 11] = [
    ("report.html", include_str!("../templates/report.html")),
    ("picture.html", include_str!("../templates/picture.html")),
    ("report.md", include_str!("../templates/report.md")),
    ("report.tex", include_str!("../templates/report.tex")),
    ("coverage.html", include_str!("../templates/coverage.html")),
    ("coverage.md", include_str!("../templates/coverage.md")),
    ("page.html", include_str!("../templates/page.html")),
    ("losses.txt", include_str!("../templates/losses.txt")),
    ("plots.html", include_str!("../templates/plots.html")),
    ("page.css", include_str!("../templates/page.css")),
    ("page.js", include_str!("../templates/page.js")),
];

/// Fills one of our templates. They are part of the program, so a mistake in one is a mistake in the program.
pub(crate) fn fill(name: &str, values: impl Serialize) -> String {
    let environment = environment();
    let template = environment.get_template(name).expect("it is one of ours");
    template.render(Serde(values)).unwrap_or_else(|error| panic!("{name}: {error:#}"))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .expect("the usual delimiters differ");
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| match name.rsplit('.').next() {
        Some("html") => AutoEscape::Html,
        _ => AutoEscape::None,
    });
    for (name, text) in TEMPLATES {
        environment.add_template(name, text).unwrap_or_else(|error| panic!("{error:#}"));
    }
    environment.add_filter("fixed", |value: f64, places: usize| format!("{value:.places$}"));
    environment.add_filter("signed", |value: f64, places: usize| {
        format!("{value:+.places$}").replace('-', "\u{2212}")
    });
    environment.add_filter("p", p_value);
    environment.add_filter("grouped", grouped);
    environment.add_filter("bytes", bytes);
    environment.add_filter("milliseconds", significant);
    environment.add_filter("seconds", significant);
    environment.add_filter("tex", tex);
    environment.add_filter("cell", cell);
    environment.add_filter("anchor", anchor);
    environment.add_filter("web", web);
    environment
}

/// A p-value with four decimals; `< 0.0001` below that, as no test can say that a chance is nought.
pub fn p_value(p: f64) -> String {
    if p < 1e-4 { "< 0.0001".to_owned() } else { format!("{p:.4}") }
}

/// A number as people read it: `8,841,823`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let unit = (count.ilog2() / 10).min(4);
    let value = count as f64 / f64::from(1024u32).powf(f64::from(unit));
    format!("{value:.1} {}", UNITS[unit as usize - 1])
}

/// Three significant figures for what is measured with a clock, at least: `0.00532`, `1.40`, `231`.
fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let places = (2.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{value:.places$}")
}

/// A text for a cell of a Markdown table, in which nothing is markup.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// A text for LaTeX.
fn tex(text: &str) -> String {
    let character = |character| match character {
        '\\' => "\\textbackslash{}".to_owned(),
        '~' => "\\textasciitilde{}".to_owned(),
        '^' => "\\textasciicircum{}".to_owned(),
        '&' | '%' | '$' | '#' | '_' | '{' | '}' => format!("\\{character}"),
        '\u{2212}' => "$-$".to_owned(),
        '<' | '>' => format!("${character}$"),
        other => other.to_string(),
    };
    text.chars().map(character).collect()
}

/// A name for the place of something in a page.
fn anchor(text: &str) -> String {
    let part = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
    text.to_lowercase().chars().map(part).collect()
}

/// Links lead to the web by https, or nowhere: what else a file may say is shown as text.
fn web(url: &str) -> Value {
    if url.starts_with("https://") { Value::from(url) } else { Value::from(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([0.005_321, 1.4, 230.96, 0.0].map(significant), ["0.00532", "1.40", "231", "0"]);
        assert_eq!(
            [7, 1024, 184_868, 13_836_288].map(bytes),
            ["7 B", "1.0 KiB", "180.5 KiB", "13.2 MiB"]
        );
        assert_eq!([7, 300, 5_183, 8_841_823].map(grouped), ["7", "300", "5,183", "8,841,823"]);
        assert_eq!([0.0, 0.00004, 0.05].map(p_value), ["< 0.0001", "< 0.0001", "0.0500"]);
    }

    #[test]
    fn latex_gets_no_command_from_a_name() {
        assert_eq!(tex("100% of a_b & \\c"), "100\\% of a\\_b \\& \\textbackslash{}c");
    }

    #[test]
    fn a_link_that_is_not_https_is_none() {
        assert_eq!(web("https://arxiv.org/abs/1").to_string(), "https://arxiv.org/abs/1");
        assert!(web("javascript:alert(1)").is_none());
    }
}
