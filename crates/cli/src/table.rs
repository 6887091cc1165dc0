//! Tables of text: left-aligned words, right-aligned numbers, no rules.

use std::fmt;

/// Rows of cells under a head.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(|cell| cell.as_ref().to_owned()).collect());
    }

    fn width(&self, column: usize) -> usize {
        self.rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    }

    /// A column of numbers, the head aside, is aligned to the right.
    fn is_numeric(&self, column: usize) -> bool {
        let mut cells =
            self.rows[1..].iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty());
        let number =
            |cell: &String| cell.starts_with(|c: char| c.is_ascii_digit() || "+-.<".contains(c));
        cells.clone().next().is_some() && cells.all(number)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<_> =
            (0..self.rows[0].len()).map(|i| (self.width(i), self.is_numeric(i))).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&columns).map(|(cell, &(width, numeric))| {
                if numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// A number as people read it: `8,841,823`.
pub(crate) fn grouped(number: usize) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_left_and_numbers_right() {
        let mut table = Table::new(&["method", "nDCG@10"]);
        table.row(["bm25", "0.5"]);
        table.row(["rrf", "-0.25"]);
        assert_eq!(table.to_string(), "method  nDCG@10\nbm25        0.5\nrrf       -0.25\n");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([7, 300, 5_183, 8_841_823].map(grouped), ["7", "300", "5,183", "8,841,823"]);
    }
}
