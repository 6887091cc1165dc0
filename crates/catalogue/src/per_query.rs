//! A result query by query: `results/<dataset>/<family>/<method>.queries.tsv`.
//!
//! ```text
//! query_id   nDCG@10   RR@10      tabs between, one line for each query
//! q001       0.8935    1          to the last bit, so that tests may be repeated from the file
//! ```

use std::fmt::{self, Display, Formatter};
use std::path::Path;

/// The measures of a result for every query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PerQuery {
    /// The names of the measures, as in the first line of the file.
    pub measures: Vec<String>,
    /// The ids of the queries, in the order of the file.
    pub queries: Vec<String>,
    /// The values: `values[m][q]` is `measures[m]` of `queries[q]`.
    pub values: Vec<Vec<f64>>,
}

/// Why a file of measures could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PerQueryError {
    /// The file could not be opened.
    #[error("{path}: {source}; `nir run` writes it with the result beside it")]
    Io {
        /// The path of the file.
        path: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A line does not have as many values as the first line has measures.
    #[error(
        "{path}:{line}: expected a query and {expected} numbers, found `{found}`; delete it and run the method again"
    )]
    Line {
        /// The path of the file.
        path: String,
        /// The number of the line, counted from 1.
        line: usize,
        /// The number of measures in the first line.
        expected: usize,
        /// The text of the line.
        found: String,
    },
}

impl PerQuery {
    /// Reads the file of a result.
    pub fn read(path: &Path) -> Result<Self, PerQueryError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| PerQueryError::Io { path: name.clone(), source })?;
        Self::parse(&name, &text)
    }

    /// Reads the text of such a file; `path` names it in errors.
    pub fn parse(path: &str, text: &str) -> Result<Self, PerQueryError> {
        let mut lines = text.lines();
        let head = lines.next().unwrap_or_default().split('\t').skip(1);
        let measures: Vec<String> = head.map(ToOwned::to_owned).collect();
        let mut table =
            Self { values: vec![Vec::new(); measures.len()], measures, ..Self::default() };
        for (number, line) in lines.enumerate() {
            table.add(line).ok_or_else(|| PerQueryError::Line {
                path: path.to_owned(),
                line: number + 2,
                expected: table.measures.len(),
                found: line.to_owned(),
            })?;
        }
        Ok(table)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let (query, rest) = line.split_once('\t')?;
        let row: Vec<f64> = rest.split('\t').map(str::parse).collect::<Result<_, _>>().ok()?;
        if row.len() != self.measures.len() {
            return None;
        }
        self.queries.push(query.to_owned());
        self.values.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        Some(())
    }

    /// The values of one measure, one for each query; `None` if the file does not have it.
    pub fn get(&self, measure: &str) -> Option<&[f64]> {
        let column = self.measures.iter().position(|name| name == measure)?;
        Some(&self.values[column])
    }
}

impl Display for PerQuery {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "query_id")?;
        self.measures.iter().try_for_each(|name| write!(f, "\t{name}"))?;
        writeln!(f)?;
        for (i, query) in self.queries.iter().enumerate() {
            write!(f, "{query}")?;
            self.values.iter().try_for_each(|column| write!(f, "\t{}", column[i]))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "query_id\tnDCG@10\tRR\nq1\t0.8935529207783438\t1\nq2\t0\t0.5\n";

    #[test]
    fn a_table_reads_back_as_it_was_written() {
        let table = PerQuery::parse("t", TABLE).unwrap();
        assert_eq!(table.get("RR"), Some(&[1.0, 0.5][..]));
        assert_eq!(table.get("AP"), None);
        assert_eq!(table.to_string(), TABLE);
    }

    #[test]
    fn a_line_that_does_not_fit_is_named() {
        for (text, found) in
            [("query_id\tAP\nq1\t0.1\t0.2\n", "q1\t0.1\t0.2"), ("query_id\tAP\nq1\tx\n", "q1\tx")]
        {
            let error = PerQuery::parse("t.tsv", text).unwrap_err().to_string();
            assert!(error.starts_with("t.tsv:2: expected a query and 1 numbers"), "{error}");
            assert!(error.contains(found), "{error}");
        }
    }
}
