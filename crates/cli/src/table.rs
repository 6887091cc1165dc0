//! Tables of text: words to the left, numbers to the right, no rules.

use std::fmt;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table as Grid};

/// A table as text: rows of cells below a heading.
pub(crate) struct Table {
    grid: Grid,
    /// For each column, whether every cell below the heading is a number or empty.
    numeric: Vec<bool>,
}

impl Table {
    pub(crate) fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        let head: Vec<String> = head.into_iter().map(Into::into).collect();
        let numeric = vec![true; head.len()];
        let mut grid = Grid::new();
        grid.load_style(NOTHING).set_header(head);
        Self { grid, numeric }
    }

    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| cell.as_ref().to_owned()).collect();
        for (numeric, cell) in self.numeric.iter_mut().zip(&cells) {
            *numeric &= is_number(cell);
        }
        self.grid.add_row(cells);
    }
}

fn is_number(cell: &str) -> bool {
    cell.is_empty()
        || cell.starts_with(|first: char| first.is_ascii_digit() || "+-.<".contains(first))
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut grid = self.grid.clone();
        for (column, &numeric) in grid.column_iter_mut().zip(&self.numeric) {
            column.set_padding((0, 2));
            if numeric {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        grid.lines().try_for_each(|line| writeln!(f, "{}", line.trim_end()))
    }
}

/// A number with separators between thousands: `8,841,823`.
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
        let mut table = Table::new(["method", "nDCG@10"]);
        table.row(["bm25", "0.5"]);
        table.row(["rrf", "-0.25"]);
        assert_eq!(table.to_string(), "method  nDCG@10\nbm25        0.5\nrrf       -0.25\n");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([7, 300, 5_183, 8_841_823].map(grouped), ["7", "300", "5,183", "8,841,823"]);
    }
}
