//! The forms that a report and the coverage page are written in.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::Serialize;

use crate::drawing::{Strip, strips};
use crate::forest::{Forest, forest};
use crate::pareto::{Pareto, pareto};
use crate::report::Report;
use crate::row::{Row, Value};
use crate::table::Table;
use crate::templates::fill;
use crate::{CoveragePage, Mean, MeanRow, Means, Pairs, disagreement};

/// A form that a report can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One file with everything, for a browser without a network.
    Html,
    /// Tables for a repository or an issue.
    Markdown,
    /// Tables for a paper, with `booktabs`.
    Latex,
    /// One line for each row and measure.
    Csv,
    /// Everything that the page shows, for programs.
    Json,
    /// A picture for a README or a slide: effectiveness against time, of the first dataset.
    Svg,
}

const NAMES: [(Format, &str, &str); 6] = [
    (Format::Html, "html", "html"),
    (Format::Markdown, "markdown", "md"),
    (Format::Latex, "latex", "tex"),
    (Format::Csv, "csv", "csv"),
    (Format::Json, "json", "json"),
    (Format::Svg, "svg", "svg"),
];

/// A text that names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown format `{name}`: expected one of html, markdown, latex, csv, json, svg")]
pub struct UnknownFormat {
    /// The name that was found.
    pub name: String,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 6] =
        [Self::Html, Self::Markdown, Self::Latex, Self::Csv, Self::Json, Self::Svg];

    /// The extension of a file in it.
    pub fn extension(self) -> &'static str {
        NAMES.iter().find(|(format, ..)| *format == self).map_or("", |&(.., extension)| extension)
    }

    /// The format that an extension means, if it means one.
    pub fn of_extension(extension: &str) -> Option<Self> {
        NAMES.iter().find(|(.., known)| *known == extension).map(|&(format, ..)| format)
    }
}

impl Display for Format {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(
            NAMES.iter().find(|(format, ..)| format == self).map_or("", |&(_, name, _)| name),
        )
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        NAMES
            .iter()
            .find(|(_, known, _)| *known == name)
            .map(|&(format, ..)| format)
            .ok_or_else(|| UnknownFormat { name: name.to_owned() })
    }
}

/// What the page draws of one table.
#[derive(Serialize)]
struct Drawn<'a> {
    #[serde(flatten)]
    table: &'a Table,
    pareto: Option<Pareto>,
    /// The differences of the rows under the first measure, with their intervals.
    forest: Option<Forest>,
    /// The matrix of all pairs: `matrix[row][column]` is the row less the column.
    matrix: Vec<Vec<Option<(f64, bool)>>>,
    /// What any two rows answered, as data for the page's script.
    answers: Option<String>,
    strips: Vec<Strip>,
    /// The queries that gained or lost most against the baseline, row by row as in `strips`.
    moved: Vec<Vec<&'a crate::QueryDifference>>,
    /// The largest value of each measure.
    best: Vec<f64>,
    has_claims: bool,
    /// Whether a row has missed documents or cut their texts.
    has_losses: bool,
    has_precision: bool,
}

#[derive(Serialize)]
struct Page<'a> {
    report: &'a Report,
    tables: Vec<Drawn<'a>>,
    /// The papers that have an entry on the page.
    listed: Vec<&'a str>,
}

/// The number of queries that are listed below each strip, in each direction.
const MOVED: usize = 5;

fn drawn<'a>(table: &'a Table) -> Drawn<'a> {
    let rows = table.rows.iter().filter(|row| !row.differences.is_empty());
    let moved = |row: &'a Row| disagreement::extremes(&row.differences, MOVED);
    let best = |measure: usize| {
        let values = table.rows.iter().map(|row| row.values[measure].value);
        values.fold(f64::NEG_INFINITY, f64::max)
    };
    Drawn {
        table,
        pareto: pareto(table),
        forest: forest(table),
        matrix: table.pairs.as_ref().map_or_else(Vec::new, matrix),
        answers: table.answers.as_ref().map(script_data),
        strips: strips(table),
        moved: rows.map(moved).collect(),
        best: (0..table.measures.len()).map(best).collect(),
        has_claims: table.rows.iter().any(|row| !row.claims.is_empty()),
        has_losses: table.rows.iter().any(|row| !row.recalls.is_empty() || row.cut.is_some()),
        has_precision: table.rows.iter().any(|row| row.precision.is_some()),
    }
}

fn matrix(pairs: &Pairs) -> Vec<Vec<Option<(f64, bool)>>> {
    let places = 0..pairs.names.len();
    let row = |row| places.clone().map(|column| pairs.at(row, column)).collect();
    places.clone().map(row).collect()
}

/// JSON that can stand in a script of a page: no text of it ends the script, and it is well-formed XML.
fn script_data(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("numbers, texts and lists are plain data");
    text.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

/// A report in one of its forms.
pub fn report_text(report: &Report, format: Format) -> String {
    let page = || Page {
        report,
        tables: report.tables.iter().map(drawn).collect(),
        listed: report.entries.iter().map(|entry| entry.paper.key.as_str()).collect(),
    };
    match format {
        Format::Html => fill("report.html", page()),
        Format::Svg => fill("picture.html", page()),
        Format::Markdown => fill("report.md", page()),
        Format::Latex => fill("report.tex", page()),
        Format::Csv => csv(report),
        Format::Json => json(report),
    }
}

/// The coverage page in one of its forms; nothing for those that it does not have.
pub fn coverage_text(coverage: &CoveragePage, format: Format) -> Option<String> {
    match format {
        Format::Html => Some(fill("coverage.html", coverage)),
        Format::Markdown => Some(fill("coverage.md", coverage)),
        Format::Json => Some(json(coverage)),
        Format::Latex | Format::Csv | Format::Svg => None,
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("numbers, texts and lists are plain data") + "\n"
}

const COLUMNS: &str = "dataset,sample_of,method,name,paper,precision,device,measure,value,difference,low,high,p,corrected_p,\
effect_size,won,tied,lost,p50_ms,p95_ms,p99_ms,run_digest,detectable,index_bytes";

/// One line for each row and measure (RFC 4180), as data frames want it. Means over datasets come last, with `mean` in place
/// of a dataset.
fn csv(report: &Report) -> String {
    let lines = report.tables.iter().flat_map(table_lines);
    let lines = lines.chain(report.means.iter().flat_map(mean_lines));
    lines.fold(format!("{COLUMNS}\n"), |text, line| text + &line.join(",") + "\n")
}

/// The lines of one dataset.
fn table_lines(table: &Table) -> Vec<Vec<String>> {
    let values = table.rows.iter().flat_map(|row| row.values.iter().map(move |value| (row, value)));
    values.map(|(row, value)| csv_line(table, row, value)).collect()
}

/// The lines of means over datasets.
fn mean_lines(means: &Means) -> Vec<Vec<String>> {
    let of_row = |row: &MeanRow| {
        let values = means.measures.iter().zip(&row.values);
        values.map(|(measure, mean)| mean_line(row, measure, mean)).collect::<Vec<_>>()
    };
    means.rows.iter().flat_map(of_row).collect()
}

/// One line of a mean: columns that are of one ranking alone, such as its time, stay empty.
fn mean_line(row: &MeanRow, measure: &str, mean: &Mean) -> Vec<String> {
    let mut known = vec![
        ("dataset", "mean".to_owned()),
        ("method", quoted(&row.method)),
        ("name", quoted(&row.name)),
        ("measure", quoted(measure)),
        ("value", mean.value.to_string()),
    ];
    if let Some(one) = &mean.against {
        let numbers = [one.difference, one.low, one.high, one.p, one.corrected_p];
        let columns = ["difference", "low", "high", "p", "corrected_p"];
        known.extend(columns.into_iter().zip(numbers.map(|number| number.to_string())));
        known.extend(one.detectable.map(|number| ("detectable", number.to_string())));
    }
    let text =
        |column| known.iter().find(|(name, _)| *name == column).map(|(_, text)| text.clone());
    COLUMNS.split(',').map(|column| text(column).unwrap_or_default()).collect()
}

fn csv_line(table: &Table, row: &Row, value: &Value) -> Vec<String> {
    let words = [
        &table.dataset,
        table.sample_of.as_ref().unwrap_or(&String::new()),
        &row.method,
        &row.name,
        &row.paper,
        row.precision.as_ref().unwrap_or(&String::new()),
        &row.provenance.device,
        &value.measure,
    ]
    .map(|word| quoted(word));
    let latency = &row.latency;
    let times = [latency.p50_ms, latency.p95_ms, latency.p99_ms].map(|time| time.to_string());
    let mut line = words.to_vec();
    line.push(value.value.to_string());
    line.extend(against(value));
    line.extend(times);
    line.push(row.provenance.run.clone());
    let detectable = value.against.as_ref().and_then(|one| one.detectable);
    line.push(detectable.map_or_else(String::new, |limit| limit.to_string()));
    line.push(row.index_bytes.map_or_else(String::new, |bytes| bytes.to_string()));
    line
}

/// Difference, interval, both p, effect size and tally; empty for the baseline.
fn against(value: &Value) -> [String; 9] {
    let Some(one) = &value.against else { return Default::default() };
    let [low, high, p, corrected] =
        [one.low, one.high, one.p, one.corrected_p].map(|x| x.to_string());
    let [won, tied, lost] = one.tally.map(|count| count.to_string());
    let (difference, effect) = (one.difference.to_string(), one.effect_size.to_string());
    [difference, low, high, p, corrected, effect, won, tied, lost]
}

fn quoted(word: &str) -> String {
    if word.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", word.replace('"', "\"\""));
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_the_script_it_stands_in() {
        let data = script_data(&["</script><b>&amp;"]);
        assert_eq!(data, r#"["\u003c/script\u003e\u003cb\u003e\u0026amp;"]"#);
        assert_eq!(serde_json::from_str::<[String; 1]>(&data).unwrap(), ["</script><b>&amp;"]);
    }

    #[test]
    fn a_word_with_a_comma_or_a_quote_is_quoted() {
        assert_eq!(quoted("BM25"), "BM25");
        assert_eq!(quoted("BM25, b = 0"), "\"BM25, b = 0\"");
        assert_eq!(quoted("a \"b\""), "\"a \"\"b\"\"\"");
    }

    #[test]
    fn a_format_reads_back_as_itself() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
            assert_eq!(Format::of_extension(format.extension()), Some(format));
        }
        assert!("pdf".parse::<Format>().is_err());
    }
}
