//! Queries written anew from what an earlier stage found.

pub mod rm3;
pub mod rocchio;
pub mod vector_prf;

#[cfg(test)]
mod testing {
    use std::sync::Arc;

    use nir_core::{DocNo, Document, Documents, Query, Ranking, Scored, Silent, WeightedTerm};
    use nir_index::{Analyzer, LexicalIndex, analyzer};

    /// Twenty documents: two about tea, and others that share no word with them or with each other.
    pub(super) fn tea() -> (Arc<Documents>, Arc<LexicalIndex>, Arc<dyn Analyzer>) {
        let texts = ["tea tea milk".to_owned(), "tea sugar".to_owned()];
        let texts = texts.into_iter().chain((2..20).map(|i| format!("filler{i}")));
        let document = |(i, text)| Document { doc_id: format!("d{i}"), title: String::new(), text };
        let corpus = Documents::new(texts.enumerate().map(document)).unwrap();
        let (folder, analyzer) = (tempfile::tempdir().unwrap(), analyzer("whitespace").unwrap());
        let index = LexicalIndex::build(folder.path(), &corpus, &*analyzer, &Silent).unwrap();
        (Arc::new(corpus), Arc::new(index), analyzer)
    }

    /// The query `tea`, and the two documents about it with scores 3 and 1.
    pub(super) fn found(corpus: &Documents) -> (Query, Ranking) {
        let scored = [(0, 3.0), (1, 1.0)].map(|(row, score)| Scored { doc: DocNo(row), score });
        (Query::new("q", "tea"), Ranking::top(2, scored.to_vec(), corpus))
    }

    #[track_caller]
    pub(super) fn assert_terms(terms: &[WeightedTerm], expected: &[(&str, f32)]) {
        assert_eq!(terms.len(), expected.len(), "{terms:?}");
        for (term, (name, weight)) in terms.iter().zip(expected) {
            assert!(term.term == *name && (term.weight - weight).abs() < 1e-5, "{terms:?}");
        }
    }
}
