//! Small pictures for a page of a book, each one SVG in a line of its own: weights as bars, similarities as a matrix, the
//! layers of a graph. They take the colour of the text around them, so that they fit light and dark pages.

use std::fmt::Write as _;

/// The height of a row of bars, and the side of a cell of a matrix, in units of the drawing.
const ROW: f64 = 22.0;
const CELL: f64 = 62.0;
/// Room for names on the left.
const NAMES: f64 = 150.0;
const BAR: f64 = 330.0;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn svg(width: f64, height: f64, title: &str, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         style=\"max-width:100%;height:auto\" fill=\"currentColor\" font-size=\"13\"><title>{}</title>{body}</svg>",
        escaped(title)
    )
}

/// A weight with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// The term or token that has the weight.
    pub name: String,
    /// The weight, 0 or more.
    pub value: f64,
    /// Whether it is drawn hollow: a term that a model added.
    pub is_hollow: bool,
}

/// Weights below one another, the longest bar for the largest.
pub fn bars(title: &str, bars: &[Bar]) -> String {
    let largest = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let mut body = String::new();
    for (row, Bar { name, value, is_hollow }) in bars.iter().enumerate() {
        let (y, length) = (row as f64 * ROW, (value / largest * BAR).max(0.0));
        let opacity = if *is_hollow { 0.15 } else { 0.6 };
        let _ = write!(
            body,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><rect x=\"{NAMES}\" y=\"{:.1}\" width=\"{length:.1}\" \
             height=\"{:.1}\" fill-opacity=\"{opacity}\" stroke=\"currentColor\"/><text x=\"{:.1}\" y=\"{:.1}\">{value:.2}</text>",
            NAMES - 8.0,
            y + 15.0,
            escaped(name),
            y + 3.0,
            ROW - 6.0,
            NAMES + length + 6.0,
            y + 15.0,
        );
    }
    svg(NAMES + BAR + 60.0, bars.len() as f64 * ROW + 4.0, title, &body)
}

/// Similarities of rows and columns, the darker the larger; the largest of each row is framed.
///
/// - `values`: `[rows, columns]`
pub fn matrix(title: &str, rows: &[&str], columns: &[&str], values: &[Vec<f64>]) -> String {
    let mut body = String::new();
    let all = || values.iter().flatten().copied();
    let (low, high) =
        (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let shade = |value: f64| (value - low) / (high - low).max(f64::MIN_POSITIVE) * 0.5;
    for (column, name) in columns.iter().enumerate() {
        let x = NAMES + (column as f64 + 0.5) * CELL;
        let _ = write!(
            body,
            "<text x=\"{x:.1}\" y=\"14\" text-anchor=\"middle\">{}</text>",
            escaped(name)
        );
    }
    for (row, (name, of_row)) in rows.iter().zip(values).enumerate() {
        let y = 22.0 + row as f64 * 30.0;
        let best = of_row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let _ = write!(
            body,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            NAMES - 8.0,
            y + 19.0,
            escaped(name)
        );
        for (column, &value) in of_row.iter().enumerate() {
            let x = NAMES + column as f64 * CELL;
            let frame = if value == best { 2.0 } else { 0.0 };
            let _ = write!(
                body,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"26\" fill-opacity=\"{:.2}\" stroke=\"currentColor\" \
                 stroke-width=\"{frame}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value:.2}</text>",
                x + 2.0,
                y + 1.0,
                CELL - 4.0,
                shade(value),
                x + CELL / 2.0,
                y + 19.0,
            );
        }
    }
    let (width, height) = (columns.len() as f64 * CELL, rows.len() as f64 * 30.0);
    svg(NAMES + width + 10.0, height + 30.0, title, &body)
}

/// A layer of a graph: which nodes it has, and which of them are linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerOf {
    /// The nodes, by number.
    pub nodes: Vec<usize>,
    /// Pairs of nodes that an edge joins, by number.
    pub links: Vec<(usize, usize)>,
}

/// The layers of a graph whose nodes lie on a circle, the lowest at the bottom; `angles[node]` is in radians.
pub fn layers(title: &str, angles: &[f64], layers: &[LayerOf]) -> String {
    const ACROSS: f64 = 190.0;
    const DEEP: f64 = 48.0;
    const APART: f64 = 130.0;
    let mut body = String::new();
    for (level, layer) in layers.iter().enumerate() {
        let middle = 60.0 + (layers.len() - 1 - level) as f64 * APART;
        let place = |node: usize| {
            (NAMES + ACROSS + angles[node].cos() * ACROSS, middle + angles[node].sin() * DEEP)
        };
        let _ = write!(body, "<text x=\"8\" y=\"{:.1}\">layer {level}</text>", middle + 5.0);
        for &(one, two) in &layer.links {
            let ((x1, y1), (x2, y2)) = (place(one), place(two));
            let _ = write!(
                body,
                "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"currentColor\" stroke-opacity=\"0.35\"/>"
            );
        }
        for &node in &layer.nodes {
            let (x, y) = place(node);
            let _ = write!(body, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>");
        }
    }
    svg(NAMES + 2.0 * ACROSS + 20.0, layers.len() as f64 * APART - 10.0, title, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(picture: &str) -> usize {
        roxmltree::Document::parse(picture).expect("a picture is XML").descendants().count()
    }

    #[test]
    fn a_bar_is_as_long_as_its_weight() {
        let bar = |name: &str, value| Bar { name: name.to_owned(), value, is_hollow: false };
        let picture = bars("a < b", &[bar("tea", 2.0), bar("milk & tea", 1.0)]);
        assert!(parsed(&picture) > 6);
        assert!(
            picture.contains("width=\"330.0\"") && picture.contains("width=\"165.0\""),
            "{picture}"
        );
    }

    #[test]
    fn the_largest_of_each_row_is_framed() {
        let values = [vec![0.9, 0.1], vec![0.2, 0.3]];
        let picture = matrix("", &["a", "b"], &["x", "y"], &values);
        assert_eq!(picture.matches("stroke-width=\"2\"").count(), 2);
        assert!(parsed(&picture) > 10);
    }

    #[test]
    fn layers_lie_above_one_another() {
        let low = LayerOf { nodes: vec![0, 1, 2], links: vec![(0, 1), (1, 2)] };
        let high = LayerOf { nodes: vec![0], links: Vec::new() };
        let picture = layers("", &[0.0, 1.0, 2.0], &[low, high]);
        assert_eq!(picture.matches("<circle").count(), 4);
        assert_eq!(picture.matches("<line").count(), 2);
        parsed(&picture);
    }
}
