//! A stage behind passages: it searches or reads windows of long documents, and documents come out.
//!
//! A stage of any retriever or reranker may say `passages = { words = 150, stride = 75, aggregate = "max" }`, or `sentences = 1`
//! in place of `words`. It then works over the passages as over a collection, and its rankings of passages become rankings
//! of documents.

use std::sync::Arc;

use nir_core::{
    Aggregate, Contribution, Corpus, DocNo, Passages, Queries, Query, Ranking, Reranker, Result,
    Retriever, Run, Scored, Unit, Version, Windows,
};
use nir_methods::Stage;
use serde::{Deserialize, Serialize};

/// The version of the code that cuts documents and joins scores.
pub(crate) const VERSION: Version = Version::new("core::passages", 1);

/// The table `passages` of a config: how documents are cut into passages, and how the scores of passages are joined.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// The number of words of a passage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    words: Option<usize>,
    /// The number of sentences of a passage, in place of `words`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sentences: Option<usize>,
    /// The number of words or sentences from the beginning of a passage to the beginning of the next.
    stride: usize,
    /// The largest number of passages of a document; if absent, there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    most: Option<usize>,
    /// How the scores of a document's passages become its score.
    aggregate: Joined,
}

/// An [`Aggregate`] as a config writes it: `"max"`, `"first"`, `"sum"`, `{ top_mean = 3 }` or `{ top_weighted = [1.0, 0.5] }`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Joined {
    Max,
    First,
    Sum,
    TopMean(usize),
    TopWeighted(Vec<f32>),
}

impl Cut {
    /// Checks the values; the error says what is wrong.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        let windows = self.windows().ok_or(
            "`passages`: expected one of `words` and `sentences`, the length of a passage",
        )?;
        let best = match &self.aggregate {
            Joined::TopMean(k) => *k,
            Joined::TopWeighted(weights) => weights.len(),
            Joined::Max | Joined::First | Joined::Sum => 1,
        };
        let (unit, length) = (unit_name(windows.unit), windows.length);
        let rules = [
            (unit, length),
            ("stride", self.stride),
            ("most", self.most.unwrap_or(1)),
            ("the number of passages in `aggregate`", best),
        ];
        match rules.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(format!("`passages`: {name} = 0: expected at least 1")),
            None if self.stride > length => Err(format!(
                "`passages`: stride = {} is more than {unit} = {length}: {unit} between two passages would be left out",
                self.stride
            )),
            None => Ok(()),
        }
    }

    /// The lengths; `None` where none or two units are given.
    fn windows(&self) -> Option<Windows> {
        let (unit, length) = match (self.words, self.sentences) {
            (Some(words), None) => (Unit::Words, words),
            (None, Some(sentences)) => (Unit::Sentences, sentences),
            _ => return None,
        };
        Some(Windows { unit, length, stride: self.stride, most: self.most })
    }

    /// The passages of a collection.
    pub(crate) fn of(&self, corpus: &Arc<dyn Corpus>) -> Passages {
        let windows = self.windows().expect("checked when the config was read");
        Passages::new(Arc::clone(corpus), windows)
    }

    fn aggregate(&self) -> Aggregate {
        match &self.aggregate {
            Joined::Max => Aggregate::Max,
            Joined::First => Aggregate::First,
            Joined::Sum => Aggregate::Sum,
            Joined::TopMean(k) => Aggregate::TopMean(*k),
            Joined::TopWeighted(weights) => Aggregate::TopWeighted(weights.clone()),
        }
    }

    /// Turns a stage over passages into a stage over documents; `None` for a stage that ranks nothing.
    pub(crate) fn over(&self, stage: Stage, passages: Arc<Passages>) -> Option<Stage> {
        let aggregate = self.aggregate();
        match stage {
            Stage::Retriever(inner) => {
                Some(Stage::Retriever(Arc::new(Behind { inner, passages, aggregate })))
            }
            Stage::Reranker(inner) => {
                Some(Stage::Reranker(Box::new(Behind { inner, passages, aggregate })))
            }
            Stage::Expander(_) | Stage::Writer(_) | Stage::Rewriter(_) | Stage::Fuser(_) => None,
        }
    }
}

/// The key of a config that gives a passage's length in this unit.
fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Words => "words",
        Unit::Sentences => "sentences",
    }
}

struct Behind<S> {
    inner: S,
    passages: Arc<Passages>,
    aggregate: Aggregate,
}

impl<S> Behind<S> {
    fn documents(&self, passages: &Ranking) -> Ranking {
        self.passages.ranking(passages, &self.aggregate, passages.len())
    }
}

impl Retriever for Behind<Arc<dyn Retriever>> {
    fn retrieve(&self, queries: &Queries) -> Result<Run> {
        Ok(self.inner.retrieve(queries)?.iter().map(|ranking| self.documents(ranking)).collect())
    }

    fn is_exact(&self) -> bool {
        self.inner.is_exact()
    }
}

impl Reranker for Behind<Box<dyn Reranker>> {
    fn depth(&self) -> usize {
        self.inner.depth()
    }

    /// Reranks document by document, because the inner reranker's depth counts passages.
    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        let documents = self.passages.documents();
        let mut scored = Vec::new();
        for hit in candidates.iter().take(self.depth()) {
            let passages = self.passages.of(hit.doc).map(|doc| Scored { doc, score: hit.score });
            let passages: Vec<Scored> = passages.take(self.depth()).collect();
            let passages = Ranking::top(passages.len(), passages, &*self.passages);
            let own = self.documents(&self.inner.rerank(query, &passages)?);
            scored.extend(own.iter().copied());
        }
        Ok(Ranking::top(scored.len(), scored, &**documents))
    }

    /// The parts of the score of the document's best passage.
    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        let passages: Vec<Scored> =
            self.passages.of(doc).map(|doc| Scored { doc, score: 0.0 }).collect();
        let passages = Ranking::top(passages.len(), passages, &*self.passages);
        match (&self.aggregate, self.inner.rerank(query, &passages)?.first()) {
            (Aggregate::Max, Some(best)) => self.inner.explain(query, best.doc),
            _ => Ok(Vec::new()), // of several passages: their parts do not add up to it
        }
    }
}

#[cfg(test)]
mod tests {
    use nir_core::{Document, Documents};

    use super::*;

    /// A passage is worth how often it has the query.
    struct Counting(Arc<Passages>);

    impl Reranker for Counting {
        fn depth(&self) -> usize {
            4
        }

        fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
            let count = |doc| self.0.text(doc).matches(&query.text).count() as f32;
            let scored = candidates.iter().take(4);
            let scored = scored.map(|hit| Scored { doc: hit.doc, score: count(hit.doc) }).collect();
            Ok(Ranking::top(4, scored, &*self.0))
        }
    }

    #[test]
    fn a_document_is_worth_its_best_passage() {
        let document = |(doc_id, text): (&str, &str)| Document {
            doc_id: doc_id.to_owned(),
            title: String::new(),
            text: text.to_owned(),
        };
        let texts =
            [("spread", "tea x tea y tea z"), ("dense", "x y z tea tea w"), ("none", "x y")];
        let corpus: Arc<dyn Corpus> = Arc::new(Documents::new(texts.map(document)).unwrap());
        let best = |aggregate: &str| {
            let cut: Cut =
                toml::from_str(&format!("words = 2\nstride = 1\naggregate = {aggregate}")).unwrap();
            let passages = Arc::new(cut.of(&corpus));
            let inner = Stage::Reranker(Box::new(Counting(Arc::clone(&passages))));
            let Some(Stage::Reranker(reranker)) = cut.over(inner, passages) else { panic!() };
            let all = (0..3).map(|row| Scored { doc: DocNo(row), score: 1.0 }).collect();
            let candidates = Ranking::top(3, all, &*corpus);
            let found = reranker.rerank(&Query::new("q", "tea"), &candidates).unwrap();
            found
                .iter()
                .map(|hit| (corpus.doc_id(hit.doc).to_owned(), hit.score))
                .collect::<Vec<_>>()
        };
        // Windows of two words, four at most: `tea x`, `x tea`, `tea y`, `y tea`; and `x y`, `y z`, `z tea`, `tea tea`.
        let named = |found: [(&str, f32); 3]| found.map(|(name, score)| (name.to_owned(), score));
        assert_eq!(best("\"max\""), named([("dense", 2.0), ("spread", 1.0), ("none", 0.0)]));
        assert_eq!(best("\"sum\""), named([("spread", 4.0), ("dense", 3.0), ("none", 0.0)]));
        assert_eq!(best("\"first\""), named([("spread", 1.0), ("none", 0.0), ("dense", 0.0)]));
    }

    #[test]
    fn a_cut_that_leaves_words_out_is_refused() {
        let cut: Cut = toml::from_str("words = 50\nstride = 75\naggregate = \"max\"").unwrap();
        assert!(cut.check().unwrap_err().contains("stride = 75 is more than words = 50"));
        let cut: Cut =
            toml::from_str("words = 0\nstride = 0\naggregate = { top_mean = 3 }").unwrap();
        assert_eq!(cut.check().unwrap_err(), "`passages`: words = 0: expected at least 1");
        let cut: Cut = toml::from_str("stride = 1\naggregate = \"max\"").unwrap();
        assert!(cut.check().unwrap_err().contains("one of `words` and `sentences`"));
        let weights = "sentences = 1\nstride = 1\naggregate = { top_weighted = [] }";
        let cut: Cut = toml::from_str(weights).unwrap();
        assert!(cut.check().unwrap_err().contains("in `aggregate` = 0"));
    }
}
