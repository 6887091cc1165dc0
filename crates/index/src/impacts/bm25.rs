//! Impacts of BM25: what a term adds to a score, computed when the index is built.
//! Anh and Moffat, SIGIR 2006, keep impacts in place of frequencies; in 8 bits as Anserini and PISA do.
//!
//! A dimension is the number of a term, [`LexicalIndex::term_number`]; a query has one for each of its terms, with the
//! weight that the term has in it. With [`Precision::U8`] the step is one 255th of the largest impact of all terms.

use std::path::Path;

use super::builder::Builder;
use super::format::{WINDOW, Weights};
use super::index::ImpactIndex;
use crate::lexical::bm25::{self, Bm25, Saturation};
use crate::lexical::{Block, PostingList};
use crate::{IndexError, LexicalIndex};

/// The number format of an impact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats, exactly as computed.
    F32,
    /// 8 bits: a number of equal steps, rounded.
    U8,
}

/// The position of a build in the postings of one term.
struct Reader<'i> {
    list: PostingList<'i>,
    idf: f32,
    block: usize,
    /// The document of the next posting; all postings before it have been read.
    next_doc: u32,
}

impl ImpactIndex {
    /// Writes the impacts of all postings into the file `path`, and opens it. Memory is bounded as [`Builder`] says.
    ///
    /// # Panics
    /// If `k1` or `b` has no meaning.
    pub fn from_bm25(
        path: &Path,
        index: &LexicalIndex,
        bm25: Bm25,
        precision: Precision,
    ) -> Result<Self, IndexError> {
        bm25.check().unwrap_or_else(|error| panic!("{error}"));
        let saturation = Saturation::new(bm25, index);
        let mut readers = readers(index);
        let weights = weights(index, &saturation, &readers, precision);
        let mut builder = Builder::create(path, weights)?;
        let mut block = Block::empty();
        for start in (0..index.documents()).step_by(WINDOW) {
            let end = (start + WINDOW).min(index.documents());
            for (number, reader) in (0..).zip(&mut readers) {
                let idf = reader.idf;
                reader.read(end as u32, &mut block, |doc, tf| {
                    let impact = bm25::part(idf, saturation.of(tf, doc));
                    // What is too small for f32 is left out, as what rounds to zero in 8 bits.
                    if impact > 0.0 { builder.posting(doc, number, impact) } else { Ok(()) }
                })?;
            }
            builder.end_documents(end)?;
        }
        builder.finish()
    }
}

/// One reader for each term, in the order of the terms' numbers.
fn readers(index: &LexicalIndex) -> Vec<Reader<'_>> {
    let documents = index.documents_with_terms();
    let lists = index.lists().into_iter().map(|list| {
        let idf = bm25::idf(documents, list.doc_freq);
        Reader { list, idf, block: 0, next_doc: 0 }
    });
    lists.collect()
}

/// How impacts are stored: with the largest of all for the last of 255 steps.
fn weights(
    index: &LexicalIndex,
    saturation: &Saturation,
    readers: &[Reader],
    precision: Precision,
) -> Weights {
    if precision == Precision::F32 {
        return Weights::F32;
    }
    let mut maxima = index.block_maxima(|tf, length| saturation.of_length(tf, length)).into_iter();
    let largest = readers.iter().map(|reader| {
        let saturation = maxima.by_ref().take(reader.list.blocks()).fold(0.0, f32::max);
        bm25::part(reader.idf, saturation)
    });
    let largest = largest.fold(0.0, f32::max);
    Weights::U8 { step: if largest > 0.0 { largest / 255.0 } else { 1.0 } }
}

impl Reader<'_> {
    /// Visits the postings before `end` that no earlier call visited.
    fn read(
        &mut self,
        end: u32,
        block: &mut Block,
        mut visit: impl FnMut(u32, u32) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        while self.next_doc < end && self.block < self.list.blocks() {
            self.list.read(self.block, block);
            self.list.read_freqs(block);
            for (&doc, &tf) in block.docs().iter().zip(block.freqs()) {
                if doc >= end {
                    self.next_doc = doc;
                    return Ok(());
                }
                if doc >= self.next_doc {
                    visit(doc, tf)?;
                }
            }
            self.block += 1;
        }
        self.next_doc = self.next_doc.max(end);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nir_core::{Corpus, Document, Documents, Silent, WeightedTerm};

    use super::*;
    use crate::{Lengths, Searcher, analyzer};

    const BM25: Bm25 = Bm25 { k1: 0.9, b: 0.4, lengths: Lengths::LuceneByte };

    /// Over two windows, with terms of all frequencies.
    fn corpus() -> Arc<dyn Corpus> {
        let text = |row: usize| {
            let terms = (1..40).filter(|n| row.is_multiple_of(n * n)).map(|n| format!("t{n} "));
            terms.collect::<String>() + &"x ".repeat(row % 7)
        };
        let document = |row: usize| Document {
            doc_id: row.to_string(),
            text: text(row),
            ..Document::default()
        };
        Arc::new(Documents::new((0..WINDOW + 5000).map(document)).unwrap())
    }

    #[test]
    fn impacts_rank_as_bm25_does() {
        let (dir, corpus) = (tempfile::tempdir().unwrap(), corpus());
        let whitespace = analyzer("whitespace").unwrap();
        let lexical = LexicalIndex::build(&dir.path().join("l"), &*corpus, &*whitespace, &Silent);
        let lexical = Arc::new(lexical.unwrap());
        let build = |name: &str, precision| {
            ImpactIndex::from_bm25(&dir.path().join(name), &lexical, BM25, precision).unwrap()
        };
        let (exact, quantised) = (build("f32", Precision::F32), build("u8", Precision::U8));
        let searcher = Searcher::new(Arc::clone(&lexical), Arc::clone(&corpus), BM25).unwrap();
        for terms in [&["t1", "t7"][..], &["t3", "t5", "t30", "x"], &["t39"]] {
            let weighted = |term: &&str| WeightedTerm { term: (*term).to_owned(), weight: 1.0 };
            let wanted = searcher.search(&terms.iter().map(weighted).collect::<Vec<_>>(), 20);
            let number = |term: &&str| (lexical.term_number(term).unwrap(), 1.0);
            let query: Vec<(u32, f32)> = terms.iter().map(number).collect();
            let found = exact.search(&query, 20, &*corpus);
            assert_eq!(found.len(), wanted.len());
            for (found, wanted) in found.iter().zip(wanted.iter()) {
                assert!((found.score - wanted.score).abs() <= 1e-6 * wanted.score, "{terms:?}");
            }
            // 8 bits: half a step for each term, at most.
            let Weights::U8 { step } = quantised.weights() else { panic!("it has 8 bits") };
            let near = quantised.search(&query, 20, &*corpus);
            let off = near[0].score - wanted[0].score;
            assert!(off.abs() <= 0.51 * step * terms.len() as f32, "{terms:?}: {off}");
        }
        let terms = (1..40).map(|n| format!("t{n}")).chain(["x".to_owned()]);
        let postings: u64 = terms.map(|term| u64::from(lexical.doc_freq(&term))).sum();
        assert_eq!(exact.postings(), postings);
        assert!(
            quantised.postings() < postings,
            "a term in every document is worth less than half a step"
        );
        assert_eq!(lexical.term_number("t999"), None);
    }
}
