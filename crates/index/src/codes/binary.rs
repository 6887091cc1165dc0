//! One bit for each component.
//! Yamada, Asai and Hajishirzi, ACL 2021 (`yamada2021bpr`).
//!
//! The sign of each component is kept, of documents and of queries. Candidates are the documents that differ from the
//! query in the fewest bits, which a processor counts 64 at a time or more. They are scored again with the query as it
//! was before rounding:
//!
//! ```text
//! h(x) = sign(x), each component 1 or -1                                                    (eq. 2)
//! candidates:  ‖h(q) - h(d)‖_H, the Hamming distance
//! reranked:    q · h(d)                                                                     (section 3.3)
//! ```
//!
//! A scan scores `dim - 2 distance`, which is `h(q) · h(d)`; [`Rescore::Codes`](super::Rescore::Codes) is the paper's second stage. Zero counts as
//! negative, as in the authors' code, `hashed_embeddings > 0`.

use nir_kernels::Simd;

use super::code::{Code, Reader};

/// The code that keeps the sign of each of `dim` components, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignBits {
    dim: usize,
}

/// A query and the signs of its components.
pub struct SignedQuery {
    words: Vec<u64>,
    query: Vec<f32>,
}

impl SignBits {
    /// A code for vectors of `dim` components.
    ///
    /// # Panics
    /// If there is none.
    pub fn new(dim: usize) -> Self {
        assert!(dim > 0, "a vector has components");
        Self { dim }
    }

    fn words(self) -> usize {
        self.dim.div_ceil(64)
    }
}

/// The signs of a row as bits: component `i` is bit `i mod 64` of word `i / 64`.
fn signs(row: &[f32]) -> impl Iterator<Item = u64> {
    let word = |row: &[f32]| (0..).zip(row).map(|(bit, &x)| u64::from(x > 0.0) << bit).sum();
    row.chunks(64).map(word)
}

impl Code for SignBits {
    const KIND: &'static str = "nir-ivf-bits 1";
    type Query = SignedQuery;

    fn dim(&self) -> usize {
        self.dim
    }

    fn code_bytes(&self) -> usize {
        8 * self.words()
    }

    fn encode(&self, rows: &[f32]) -> Vec<u8> {
        rows.chunks_exact(self.dim).flat_map(signs).flat_map(u64::to_le_bytes).collect()
    }

    fn queries(&self, queries: &[f32]) -> Vec<SignedQuery> {
        let prepare =
            |query: &[f32]| SignedQuery { words: signs(query).collect(), query: query.to_vec() };
        queries.chunks_exact(self.dim).map(prepare).collect()
    }

    fn scan(&self, query: &SignedQuery, list: &[u8], scores: &mut [f32]) {
        Simd::get().sign_products(&query.words, list, self.dim, scores);
    }

    fn score(&self, query: &SignedQuery, list: &[u8], row: usize) -> f32 {
        let code = &list[row * self.code_bytes()..][..self.code_bytes()];
        let sign = |at: usize| if code[at / 8] >> (at % 8) & 1 == 1 { 1.0 } else { -1.0 };
        query.query.iter().enumerate().map(|(at, q)| q * sign(at)).sum()
    }

    fn write(&self) -> Vec<u8> {
        (self.dim as u32).to_le_bytes().to_vec()
    }

    fn read(from: &mut Reader) -> Option<Self> {
        let [dim] = from.numbers()?;
        (dim > 0).then_some(Self { dim })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn scores_are_products_of_signs(dim in 1..200_usize, values in vec(-1.0..1.0_f32, 1000)) {
            let code = SignBits::new(dim);
            let rows = &values[..values.len() / dim * dim];
            let (list, query) = (code.encode(rows), &code.queries(&rows[..dim])[0]);
            let sign = |x: f32| if x > 0.0 { 1.0_f32 } else { -1.0 };
            for simd in Simd::all() {
                let mut scores = vec![0.0; rows.len() / dim];
                simd.sign_products(&query.words, &list, dim, &mut scores);
                for (number, (row, score)) in rows.chunks(dim).zip(scores).enumerate() {
                    let signs: f32 = row.iter().zip(rows).map(|(&x, &q)| sign(x) * sign(q)).sum();
                    prop_assert_eq!(score, signs, "{}", simd.name());
                    let reranked: f32 = row.iter().zip(rows).map(|(&x, &q)| q * sign(x)).sum();
                    prop_assert_eq!(code.score(query, &list, number), reranked);
                }
            }
        }
    }

    #[test]
    fn zero_is_negative() {
        assert_eq!(SignBits::new(3).encode(&[0.0, 1.0, -1.0])[0], 0b010);
    }
}
