//! BM25, in Lucene's arithmetic.
//! Robertson and Zaragoza, Foundations and Trends in IR 3(4), 2009 (`robertson2009bm25`).
//!
//! A term counts more the rarer it is, and less with each further occurrence; a long document needs more occurrences
//! for the same score.
//!
//! ```text
//! BM25(q, d) = Σ_t w_t · idf(t) · tf / (tf + k1 · (1 - b + b · |d| / avgdl))
//! idf(t)     = ln(1 + (N - df + 0.5) / (df + 0.5))
//! ```
//!
//! | symbol     | is                                                                    |
//! |------------|-----------------------------------------------------------------------|
//! | `w_t`      | the weight of the term in the query; 1, or how often it is there       |
//! | `tf`, `df` | occurrences in the document; documents that have the term              |
//! | `N`, `avgdl` | documents that have any term, and their mean length                  |
//! | `\|d\|`      | the length of the document, exact or as Lucene's one byte has it      |
//!
//! Differs from the paper as Lucene does: the idf is never negative, the constant factor `k1 + 1` is left out, and
//! lengths above 40 are rounded down to four significant bits. Each term's part is computed in `f32`, in Lucene's
//! order of operations, and the parts are added in `f64`.

use serde::{Deserialize, Serialize};
use tantivy::fieldnorm::FieldNormReader;

use super::index::LexicalIndex;

/// The parameters of BM25.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bm25 {
    /// How soon further occurrences stop counting: 0 at once, at least 0.
    pub k1: f32,
    /// How much a document's length counts: from 0, not at all, to 1, fully.
    pub b: f32,
    /// The lengths that are used.
    pub lengths: Lengths,
}

/// The precision of document lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lengths {
    /// Lengths as Lucene stores them, in one byte: exact up to 40, then rounded down.
    LuceneByte,
    /// Exact lengths.
    Exact,
}

/// The error for values of `k1` or `b` without a meaning.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("k1 = {k1}, b = {b}: BM25 needs a finite k1 of at least 0, and b from 0 to 1")]
pub struct InvalidBm25 {
    /// The `k1` that was given.
    pub k1: f32,
    /// The `b` that was given.
    pub b: f32,
}

impl Bm25 {
    pub(crate) fn check(&self) -> Result<(), InvalidBm25> {
        let valid = self.k1.is_finite() && self.k1 >= 0.0 && (0.0..=1.0).contains(&self.b);
        valid.then_some(()).ok_or(InvalidBm25 { k1: self.k1, b: self.b })
    }
}

/// The inverse document frequency, `ln(1 + (N - df + 0.5) / (df + 0.5))`.
pub(crate) fn idf(documents: usize, doc_freq: u32) -> f32 {
    let (n, df) = (documents as f64, f64::from(doc_freq));
    (1.0 + (n - df + 0.5) / (df + 0.5)).ln() as f32
}

/// What a term adds to a document's score; `weight` is `w_t · idf`, `saturation` is `tf / (k1 · (1 - b + b · |d| / avgdl))`.
///
/// `weight · tf / (tf + norm)` as Lucene writes it: each operation is monotone, in floating point too, so that a
/// larger saturation never scores less. Bounds rest on that.
#[inline]
pub(crate) fn part(weight: f32, saturation: f32) -> f32 {
    weight - weight / (1.0 + saturation)
}

/// `1 / (k1 · (1 - b + b · |d| / avgdl))` for every document.
pub(crate) struct Saturation {
    /// Indexed by the code of a length: the byte, or the length itself.
    inverse: Vec<f32>,
    codes: Codes,
}

enum Codes {
    Byte(Vec<u8>),
    Exact(Vec<u32>),
}

impl Saturation {
    pub(crate) fn new(bm25: Bm25, index: &LexicalIndex) -> Self {
        let average = index.average_length();
        let codes = match bm25.lengths {
            Lengths::LuceneByte => Codes::Byte(index.norms().to_vec()),
            Lengths::Exact => Codes::Exact(index.lengths().collect()),
        };
        let lengths: Vec<u32> = match &codes {
            Codes::Byte(_) => (0..=255).map(FieldNormReader::id_to_fieldnorm).collect(),
            Codes::Exact(lengths) => (0..=lengths.iter().copied().max().unwrap_or(0)).collect(),
        };
        let inverse = lengths.iter().map(|&length| inverse(bm25, length, average)).collect();
        Self { inverse, codes }
    }

    /// `tf / (k1 · (1 - b + b · |d| / avgdl))` for a document of any length the index has.
    pub(crate) fn of_length(&self, tf: u32, length: u32) -> f32 {
        let code = match self.codes {
            Codes::Byte(_) => usize::from(FieldNormReader::fieldnorm_to_id(length)),
            Codes::Exact(_) => length as usize,
        };
        tf as f32 * self.inverse[code]
    }

    /// The saturation of a term frequency in a document.
    pub(crate) fn of(&self, tf: u32, doc: u32) -> f32 {
        tf as f32 * self.inverse(doc)
    }

    fn inverse(&self, doc: u32) -> f32 {
        match &self.codes {
            Codes::Byte(codes) => self.inverse[usize::from(codes[doc as usize])],
            Codes::Exact(codes) => self.inverse[codes[doc as usize] as usize],
        }
    }

    /// What a term of this weight adds to the scores of `docs`.
    pub(crate) fn parts(&self, weight: f32, docs: &[u32], freqs: &[u32], out: &mut [f32]) {
        match &self.codes {
            Codes::Byte(codes) => parts(weight, docs, freqs, out, |doc| {
                self.inverse[usize::from(codes[doc as usize])]
            }),
            Codes::Exact(codes) => {
                parts(weight, docs, freqs, out, |doc| self.inverse[codes[doc as usize] as usize]);
            }
        }
    }
}

#[inline]
fn parts(weight: f32, docs: &[u32], freqs: &[u32], out: &mut [f32], inverse: impl Fn(u32) -> f32) {
    for ((part, &doc), &tf) in out.iter_mut().zip(docs).zip(freqs) {
        *part = tf as f32 * inverse(doc);
    }
    for saturation in &mut out[..docs.len()] {
        *saturation = self::part(weight, *saturation);
    }
}

/// The inverse of the length norm, computed in `f32` and in Lucene's order of operations, as everything here.
fn inverse(bm25: Bm25, length: u32, average: f32) -> f32 {
    let Bm25 { k1, b, .. } = bm25;
    1.0 / (k1 * ((1.0 - b) + b * length as f32 / average))
}
