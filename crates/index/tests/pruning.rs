//! Pruning changes nothing: the same documents with the same scores as scoring everything, bit for bit.

#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::sync::Arc;

use nir_core::{Corpus, Document, Documents, Silent, WeightedTerm};
use nir_index::{Bm25, Lengths, LexicalIndex, Searcher, analyzer};
use proptest::prelude::*;

/// `documents` texts over a vocabulary where word `n` has probability about `1 / n`.
fn corpus(documents: usize, seed: u64) -> Documents {
    let mut random = Random(seed);
    let docs = (0..documents).map(|row| {
        let length = random.below(60) * random.below(3);
        let words: Vec<String> = (0..length).map(|_| random.word()).collect();
        // Names that do not sort as rows do.
        let doc_id = format!("{:x}", (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Document { doc_id, text: words.join(" "), ..Document::default() }
    });
    Documents::new(docs).unwrap()
}

/// xorshift64 (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }

    fn word(&mut self) -> String {
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        format!("w{:.0}", 2000_f64.powf(uniform))
    }
}

fn searcher(documents: usize, seed: u64, bm25: Bm25) -> Searcher {
    let corpus: Arc<dyn Corpus> = Arc::new(corpus(documents, seed));
    let dir = tempfile::tempdir().unwrap();
    let analyzer = analyzer("whitespace").unwrap();
    let index = LexicalIndex::build(dir.path(), &*corpus, &*analyzer, &Silent).unwrap();
    Searcher::new(Arc::new(index), corpus, bm25).unwrap()
}

fn query() -> impl Strategy<Value = Vec<WeightedTerm>> {
    let weight = prop_oneof![4 => Just(1.0_f32), 2 => 0.0_f32..3.0, 1 => -1.0_f32..0.0];
    let word = prop_oneof![1_u32..20, 1_u32..2100];
    let term =
        (word, weight).prop_map(|(n, weight)| WeightedTerm { term: format!("w{n}"), weight });
    prop::collection::vec(term, 0..9)
}

fn bm25() -> impl Strategy<Value = Bm25> {
    let lengths = prop_oneof![Just(Lengths::LuceneByte), Just(Lengths::Exact)];
    let k1 = prop_oneof![Just(0.0_f32), Just(0.9), 0.0_f32..5.0];
    (k1, 0.0_f32..=1.0, lengths).prop_map(|(k1, b, lengths)| Bm25 { k1, b, lengths })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pruned_is_exhaustive(
        documents in prop_oneof![1_usize..300, 3000_usize..40_000],
        seed in 1_u64..u64::MAX,
        bm25 in bm25(),
        queries in prop::collection::vec((query(), prop_oneof![0_usize..12, 0_usize..2000]), 20),
    ) {
        let searcher = searcher(documents, seed, bm25);
        for (query, depth) in queries {
            prop_assert_eq!(searcher.search(&query, depth), searcher.search_exhaustive(&query, depth));
        }
    }
}
