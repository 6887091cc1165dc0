//! Weighted bags of terms, as feedback and expansion add and cut them.

use std::collections::BTreeMap;

use nir_core::WeightedTerm;

/// Terms with weights, in alphabetical order, so that sums are taken in one order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TermVector(BTreeMap<String, f64>);

impl TermVector {
    pub(crate) fn add(&mut self, term: &str, weight: f64) {
        *self.0.entry(term.to_owned()).or_default() += weight;
    }

    /// Adds `factor` times another vector.
    pub(crate) fn add_scaled(&mut self, other: &Self, factor: f64) {
        for (term, weight) in &other.0 {
            self.add(term, factor * weight);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(term, &weight)| (term.as_str(), weight))
    }

    /// The sum of weights becomes 1; nothing happens to an empty vector.
    pub(crate) fn sum_to_one(self) -> Self {
        let sum: f64 = self.0.values().sum();
        self.divided_by(sum)
    }

    /// The Euclidean length becomes 1; nothing happens to an empty vector.
    pub(crate) fn unit_length(self) -> Self {
        let length = self.0.values().map(|weight| weight * weight).sum::<f64>().sqrt();
        self.divided_by(length)
    }

    fn divided_by(mut self, divisor: f64) -> Self {
        if divisor > 0.0 {
            self.0.values_mut().for_each(|weight| *weight /= divisor);
        }
        self
    }

    /// The `terms` heaviest terms; of equal ones the first in the alphabet.
    pub(crate) fn heaviest(self, terms: usize) -> Self {
        let mut sorted: Vec<(String, f64)> = self.0.into_iter().collect();
        sorted.sort_by(|a, b| b.1.total_cmp(&a.1)); // stable: ties keep their alphabetical order
        sorted.truncate(terms);
        Self(sorted.into_iter().collect())
    }

    pub(crate) fn into_terms(self) -> Vec<WeightedTerm> {
        let weighted = |(term, weight): (String, f64)| WeightedTerm { term, weight: weight as f32 };
        self.0.into_iter().filter(|(_, weight)| *weight > 0.0).map(weighted).collect()
    }
}

impl<S: AsRef<str>> FromIterator<S> for TermVector {
    /// Counts the occurrences of terms.
    fn from_iter<I: IntoIterator<Item = S>>(terms: I) -> Self {
        let mut vector = Self::default();
        for term in terms {
            vector.add(term.as_ref(), 1.0);
        }
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_terms_the_first_in_the_alphabet_stays() {
        let vector: TermVector = ["tea", "milk", "cup", "tea"].into_iter().collect();
        let kept: Vec<_> =
            vector.heaviest(2).into_terms().into_iter().map(|term| term.term).collect();
        assert_eq!(kept, ["cup", "tea"]);
    }
}
