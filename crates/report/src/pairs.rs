//! All pairs of rows under one measure: Tukey's honestly significant difference, queries taken out.

use nir_eval::Measure;
use nir_eval::significance::{LEVEL, Pair, tukey_hsd_by_query};
use serde::Serialize;

use crate::measured::Measured;

/// Every pair of rows of a table under its first measure.
#[derive(Debug, Clone, Serialize)]
pub struct Pairs {
    /// The name of the measure.
    pub measure: String,
    /// The names of the rows, in their order; `first` and `second` of a pair are places in it, from 0.
    pub names: Vec<String>,
    /// Each pair once, the earlier row first.
    pub pairs: Vec<PairOfRows>,
    /// What the test says of all pairs, in one sentence.
    pub verdict: String,
}

/// The comparison of two rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairOfRows {
    /// The place of the first row in `names`, counted from 0.
    pub first: usize,
    /// The place of the second row, which is later.
    pub second: usize,
    /// The mean of the first less that of the second.
    pub difference: f64,
    /// The p-value of Tukey's test, which holds for all pairs together.
    pub p: f64,
    /// Whether `p` is below [`LEVEL`].
    pub is_significant: bool,
}

/// A matrix of more rows than this is read by nobody, and takes seconds to compute.
const MOST: usize = 20;

impl Pairs {
    /// The comparison of all pairs of 3 to 20 rows that are measured over the same queries; `None` otherwise. With two
    /// rows the comparison with the baseline tells the same.
    pub fn of(measure: &Measure, rows: &[(String, &[f64])]) -> Option<Self> {
        let queries = rows.first()?.1.len();
        let is_even = rows.iter().all(|(_, values)| values.len() == queries);
        if !measure.is_effectiveness()
            || !(3..=MOST).contains(&rows.len())
            || queries < 2
            || !is_even
        {
            return None;
        }
        let values: Vec<&[f64]> = rows.iter().map(|&(_, values)| values).collect();
        let tested = tukey_hsd_by_query(&values);
        let verdict = pairs_verdict(measure, queries, &tested);
        let pairs = tested.into_iter().map(|pair| PairOfRows {
            first: pair.first,
            second: pair.second,
            difference: pair.difference,
            p: pair.p,
            is_significant: pair.p < LEVEL,
        });
        let names = rows.iter().map(|(name, _)| name.clone()).collect();
        Some(Self { measure: measure.to_string(), names, pairs: pairs.collect(), verdict })
    }

    /// The difference of row `row` less row `column`, and whether it is significant; none of a row and itself.
    pub fn at(&self, row: usize, column: usize) -> Option<(f64, bool)> {
        let (first, second) = (row.min(column), row.max(column));
        let is_it = |pair: &&PairOfRows| (pair.first, pair.second) == (first, second);
        let pair = self.pairs.iter().find(is_it)?;
        // Nought has no sign on either side.
        let difference = if row < column { pair.difference } else { 0.0 - pair.difference };
        Some((difference, pair.is_significant))
    }
}

/// What Tukey's test says of all pairs under one measure, in one sentence.
pub fn pairs_verdict(measure: &Measure, queries: usize, pairs: &[Pair]) -> String {
    let found = pairs.iter().filter(|pair| pair.p < LEVEL).count();
    match (found, pairs.len()) {
        (0, _) => format!("No pair differs in {measure} beyond chance on {queries} queries."),
        (_, 1) => format!("The two differ in {measure} beyond chance on {queries} queries."),
        (_, all) => {
            format!(
                "{found} of {all} pairs differ in {measure} beyond chance on {queries} queries."
            )
        }
    }
}

/// The pairs of a table's rows, if they were all measured on the same data.
pub(crate) fn pairs(measures: &[String], rows: &[&Measured]) -> Option<Pairs> {
    let (name, first) = (measures.first()?, rows.first()?);
    if !rows.iter().all(|row| row.is_paired(first)) {
        return None;
    }
    let values: Vec<(String, &[f64])> =
        rows.iter().map(|row| (row.cell.label(), row.values(name))).collect();
    Pairs::of(&name.parse().ok()?, &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_reads_the_same_from_both_sides() {
        let (a, b, c) = ([0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.6], [0.9, 0.8, 0.9, 0.7]);
        let rows = [("a".to_owned(), &a[..]), ("b".to_owned(), &b[..]), ("c".to_owned(), &c[..])];
        let pairs = Pairs::of(&"nDCG@10".parse().unwrap(), &rows).unwrap();
        // Means .25, .375, .825.
        let (difference, _) = pairs.at(0, 1).unwrap();
        assert!((difference + 0.125).abs() < 1e-12);
        assert_eq!(pairs.at(1, 0).map(|pair| pair.0), Some(-difference));
        assert_eq!(pairs.at(2, 2), None);
        // scipy: studentized_range.sf(q, 3, 6) of q = 1.8605, 8.5584, 6.6979 is .4378, .0022, .0076.
        assert_eq!(pairs.verdict, "2 of 3 pairs differ in nDCG@10 beyond chance on 4 queries.");
        assert!(Pairs::of(&"nDCG@10".parse().unwrap(), &rows[..2]).is_none());
        assert!(Pairs::of(&"NumRet".parse().unwrap(), &rows).is_none());
    }
}
