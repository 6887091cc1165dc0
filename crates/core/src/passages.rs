//! Long documents as passages: windows of words or sentences, and scores of passages made into scores of documents.
//!
//! A model reads a few hundred tokens, and a document may have thousands. So the document is cut into windows that may
//! overlap, each window is searched or read as a document of its own, and the document is worth the best of them, the first,
//! the sum, the mean of the best few (BERT-MaxP: Dai and Callan, SIGIR 2019), or a weighted sum of the best few (Birch:
//! Akkalyoncu Yilmaz, Yang, Zhang and Lin, EMNLP 2019, where passages are sentences).
//!
//! ```text
//! window_i = units i · stride … i · stride + length of the document
//! s(q, d)  = max_i s(q, window_i)        or another [`Aggregate`]
//! ```

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use unicode_segmentation::UnicodeSegmentation;

use crate::{Corpus, DocNo, Ranking, Scored};

/// How scores of passages become the score of their document.
#[derive(Debug, Clone, PartialEq)]
pub enum Aggregate {
    /// The score of a document is the best score of its passages (MaxP).
    Max,
    /// The score of a document is that of its first passage (FirstP). The document is left out where that has no score.
    First,
    /// The score of a document is the sum of the scores of its passages (SumP).
    Sum,
    /// The score of a document is the mean of its `k` best passages, or of all its passages where there are fewer.
    TopMean(usize),
    /// The score of a document is `w_1 s_1 + w_2 s_2 + …` of its best passages, the best one first; a passage that is not
    /// there adds nothing.
    TopWeighted(Vec<f32>),
}

impl Aggregate {
    /// Of the passages of one document, each with its place in the document, best score first; at least one.
    fn of(&self, passages: &[(usize, f32)]) -> Option<f32> {
        let scores = || passages.iter().map(|&(_, score)| score);
        match self {
            Self::Max => scores().next(),
            Self::First => passages.iter().find(|(place, _)| *place == 0).map(|&(_, score)| score),
            Self::Sum => Some(scores().sum()),
            Self::TopMean(k) => {
                let kept = (*k).clamp(1, passages.len());
                Some(scores().take(kept).sum::<f32>() / kept as f32)
            }
            Self::TopWeighted(weights) => {
                Some(scores().zip(weights).map(|(score, weight)| weight * score).sum())
            }
        }
    }
}

/// What the length of a passage is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// White space separates words.
    Words,
    /// Sentences end where Unicode's rules say so (UAX #29), which know no abbreviations.
    Sentences,
}

impl Unit {
    /// The bytes of each unit of a text, in order, without white space around it.
    fn spans(self, text: &str) -> Vec<Range<usize>> {
        let span = |part: &str| {
            let start = part.as_ptr() as usize - text.as_ptr() as usize;
            start..start + part.len()
        };
        match self {
            Self::Words => text.split_whitespace().map(span).collect(),
            Self::Sentences => {
                let sentences = text.split_sentence_bounds().map(str::trim);
                sentences.filter(|sentence| !sentence.is_empty()).map(span).collect()
            }
        }
    }
}

/// The lengths by which documents are cut into passages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// What lengths are counted in.
    pub unit: Unit,
    /// The number of units of a passage; the last passage of a document may be shorter.
    pub length: usize,
    /// The number of units from the beginning of one passage to the beginning of the next.
    pub stride: usize,
    /// The largest number of passages that are taken from the beginning of a document; all of them where it is `None`.
    pub most: Option<usize>,
}

impl Windows {
    /// The bytes of each passage of a text, in order; one empty passage of a text without words.
    pub fn cut(self, text: &str) -> Vec<Range<usize>> {
        let units = self.unit.spans(text);
        let mut passages = Vec::new();
        for first in (0..units.len().max(1)).step_by(self.stride.max(1)) {
            let last = (first + self.length).min(units.len());
            passages.push(match units.get(first) {
                Some(unit) => unit.start..units[last - 1].end,
                None => 0..0,
            });
            if last == units.len() || self.most == Some(passages.len()) {
                break;
            }
        }
        passages
    }
}

/// A collection of the passages of another, in the order of its documents.
///
/// A passage is named `doc_id#number`, from 0. Its title is the document's, its text and its contents are its words: a method
/// that wants the title before every passage says so in its template (`{title} {text}`).
///
/// ```
/// use std::sync::Arc;
/// use nir_core::{Corpus, DocNo, Document, Documents, Passages, Unit, Windows};
///
/// let long = Document { doc_id: "d".into(), title: "Tea".into(), text: "one two three four five".into() };
/// let corpus = Arc::new(Documents::new([long])?);
/// let windows = Windows { unit: Unit::Words, length: 3, stride: 2, most: None };
/// let passages = Passages::new(corpus, windows);
/// let texts: Vec<&str> = (0..2).map(|row| passages.text(DocNo(row))).collect();
/// assert_eq!(texts, ["one two three", "three four five"]);
/// assert_eq!((passages.doc_id(DocNo(1)), passages.title(DocNo(1))), ("d#1", "Tea"));
/// # Ok::<(), nir_core::DuplicateDocId>(())
/// ```
pub struct Passages {
    corpus: Arc<dyn Corpus>,
    rows: Vec<Passage>,
    /// Where the passages of each document begin, and where the last ones end: `[documents + 1]`.
    first: Vec<u32>,
    names: HashMap<Box<str>, DocNo>,
}

struct Passage {
    document: DocNo,
    name: Box<str>,
    text: Range<usize>,
}

impl Passages {
    /// Cuts every document of `corpus` into passages of the given lengths.
    ///
    /// # Panics
    ///
    /// Where there are more than 2^32 passages.
    pub fn new(corpus: Arc<dyn Corpus>, windows: Windows) -> Self {
        let (mut rows, mut first) = (Vec::new(), vec![0]);
        for document in (0..corpus.len() as u32).map(DocNo) {
            for (number, text) in windows.cut(corpus.text(document)).into_iter().enumerate() {
                let name = format!("{}#{number}", corpus.doc_id(document)).into_boxed_str();
                rows.push(Passage { document, name, text });
            }
            first.push(u32::try_from(rows.len()).expect("fewer than 2^32 passages"));
        }
        let named = rows.iter().zip(0..);
        let names = named.map(|(passage, row)| (passage.name.clone(), DocNo(row))).collect();
        Self { corpus, rows, first, names }
    }

    /// The collection of whole documents that the passages were cut from.
    pub fn documents(&self) -> &Arc<dyn Corpus> {
        &self.corpus
    }

    /// The rows, in this collection, of the passages of a document. `document` is a row of [`Passages::documents`].
    pub fn of(&self, document: DocNo) -> impl Iterator<Item = DocNo> {
        (self.first[document.row()]..self.first[document.row() + 1]).map(DocNo)
    }

    /// The row of the document that a passage was cut from, and the number of the passage in that document, from 0.
    pub fn place(&self, passage: DocNo) -> (DocNo, usize) {
        let document = self.rows[passage.row()].document;
        (document, passage.row() - self.first[document.row()] as usize)
    }

    /// Turns a ranking of passages into a ranking of the best `depth` documents, whose scores are joined by `aggregate`.
    pub fn ranking(&self, passages: &Ranking, aggregate: &Aggregate, depth: usize) -> Ranking {
        let mut found: Vec<(DocNo, Vec<(usize, f32)>)> = Vec::new();
        let mut places: HashMap<DocNo, usize> = HashMap::new();
        for hit in passages.iter() {
            let (document, number) = self.place(hit.doc);
            let place = *places.entry(document).or_insert_with(|| {
                found.push((document, Vec::new()));
                found.len() - 1
            });
            found[place].1.push((number, hit.score));
        }
        let scored = found
            .into_iter()
            .filter_map(|(doc, passages)| Some(Scored { doc, score: aggregate.of(&passages)? }));
        Ranking::top(depth, scored.collect(), &*self.corpus)
    }
}

impl Corpus for Passages {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn doc_id(&self, doc: DocNo) -> &str {
        &self.rows[doc.row()].name
    }

    fn doc_no(&self, doc_id: &str) -> Option<DocNo> {
        self.names.get(doc_id).copied()
    }

    fn title(&self, doc: DocNo) -> &str {
        self.corpus.title(self.rows[doc.row()].document)
    }

    fn text(&self, doc: DocNo) -> &str {
        let Passage { document, text, .. } = &self.rows[doc.row()];
        &self.corpus.text(*document)[text.clone()]
    }

    fn contents(&self, doc: DocNo) -> &str {
        self.text(doc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, Documents};

    fn passages(texts: &[&str]) -> Passages {
        let document = |(i, text): (usize, &&str)| Document {
            doc_id: format!("d{i}"),
            title: String::new(),
            text: (*text).to_owned(),
        };
        let corpus = Documents::new(texts.iter().enumerate().map(document)).unwrap();
        let windows = Windows { unit: Unit::Words, length: 2, stride: 1, most: Some(3) };
        Passages::new(Arc::new(corpus), windows)
    }

    #[test]
    fn the_last_window_ends_with_the_text() {
        let cut = |length, stride, most, text| {
            let ranges = Windows { unit: Unit::Words, length, stride, most }.cut(text);
            ranges.into_iter().map(|range| text[range].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(cut(2, 1, None, " a b  c "), ["a b", "b  c"]);
        assert_eq!(cut(2, 2, None, "a b c"), ["a b", "c"]);
        assert_eq!(cut(2, 1, Some(1), "a b c"), ["a b"]);
        assert_eq!(cut(5, 2, None, "a b"), ["a b"]);
        assert_eq!(cut(5, 2, None, "  "), [""]); // a document without words is still a document
    }

    #[test]
    fn sentences_are_units_too() {
        let text = " Tea is old.  Is it? Yes, since 2000 B.C. it was drunk.\nSo they say";
        let cut = |length, stride| {
            let windows = Windows { unit: Unit::Sentences, length, stride, most: None };
            windows.cut(text).into_iter().map(|range| text[range].to_owned()).collect::<Vec<_>>()
        };
        let sentences =
            ["Tea is old.", "Is it?", "Yes, since 2000 B.C. it was drunk.", "So they say"];
        assert_eq!(cut(1, 1), sentences);
        assert_eq!(
            cut(3, 3),
            ["Tea is old.  Is it? Yes, since 2000 B.C. it was drunk.", "So they say"]
        );
    }

    #[test]
    fn scores_of_passages_become_the_score_of_their_document() {
        // d0 has the passages 0 to 2, d1 the passages 3 and 4.
        let passages = passages(&["a b c d e", "f g h"]);
        let scores = [(0, 1.0), (1, 4.0), (2, 2.0), (3, 3.0), (4, 2.5)];
        let scored = scores.map(|(row, score)| Scored { doc: DocNo(row), score });
        let ranking = Ranking::top(9, scored.to_vec(), &passages);
        let found = |aggregate| {
            let ranking = passages.ranking(&ranking, &aggregate, 9);
            ranking.iter().map(|hit| (hit.doc.0, hit.score)).collect::<Vec<_>>()
        };
        assert_eq!(found(Aggregate::Max), [(0, 4.0), (1, 3.0)]);
        assert_eq!(found(Aggregate::First), [(1, 3.0), (0, 1.0)]);
        assert_eq!(found(Aggregate::Sum), [(0, 7.0), (1, 5.5)]);
        assert_eq!(found(Aggregate::TopMean(2)), [(0, 3.0), (1, 2.75)]); // (4 + 2) / 2, (3 + 2.5) / 2
        assert_eq!(found(Aggregate::TopMean(9)), [(1, 2.75), (0, 7.0 / 3.0)]);
        // 1 · 4 + 0.5 · 2 + 0.25 · 1, and 1 · 3 + 0.5 · 2.5
        let weights = vec![1.0, 0.5, 0.25];
        assert_eq!(found(Aggregate::TopWeighted(weights)), [(0, 5.25), (1, 4.25)]);
    }

    #[test]
    fn a_passage_that_was_not_found_is_no_part_of_the_sum() {
        let passages = passages(&["a b c", "d"]);
        let ranking = Ranking::top(1, vec![Scored { doc: DocNo(1), score: 2.0 }], &passages);
        assert!(passages.ranking(&ranking, &Aggregate::First, 9).is_empty());
        assert_eq!(passages.ranking(&ranking, &Aggregate::Sum, 9)[0].doc, DocNo(0));
        assert_eq!(passages.of(DocNo(1)).collect::<Vec<_>>(), [DocNo(2)]);
    }
}
