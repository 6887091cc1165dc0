//! Whether queries, judgements and documents belong together.
//!
//! A judged query that is not asked counts 0, a judged document that is not there cannot be found: figures fall, and
//! nothing else tells. Where nothing at all fits, the files are of two collections.

use std::collections::BTreeSet;

use nir_core::{Answers, Corpus, Qrels, Queries};

/// Judgements of which nothing fits what is asked or searched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{qrels}: none of its {count} judged {what} is in {other} (the first judged is `{judged}`, the first there \
     {there}); are these files of one collection?"
)]
pub struct NoOverlap {
    /// The file of judgements.
    qrels: String,
    /// The number of judged queries or documents.
    count: usize,
    /// What does not overlap: `queries` or `documents`.
    what: &'static str,
    /// The file of the queries or documents.
    other: String,
    /// The first judged id.
    judged: String,
    /// The first of the others, in backticks, or that there is none.
    there: String,
}

/// Judgements beside what they are about, each with the name that its user knows it by.
pub(crate) struct Judged<'a> {
    /// The judgements; the name is that of the answers where there are those in their place.
    pub(crate) qrels: (&'a str, &'a Qrels),
    /// The answers, which judge queries and no documents.
    pub(crate) answers: &'a Answers,
    pub(crate) queries: (&'a str, &'a Queries),
    pub(crate) corpus: (&'a str, &'a dyn Corpus),
}

impl Judged<'_> {
    /// What does not fit, in one sentence each. Fails if nothing fits.
    pub(crate) fn misfits(&self) -> Result<Vec<String>, NoOverlap> {
        if self.is_nothing() {
            return Ok(Vec::new());
        }
        let said = [self.queries()?, self.unjudged(), self.documents()?];
        Ok(said.into_iter().flatten().collect())
    }

    /// The misfits of a dataset whose manifest says which queries count: those that nobody judged are no news.
    pub(crate) fn left_over(&self) -> Result<Vec<String>, NoOverlap> {
        if self.is_nothing() {
            return Ok(Vec::new());
        }
        Ok([self.queries()?, self.documents()?].into_iter().flatten().collect())
    }

    fn is_nothing(&self) -> bool {
        self.qrels.1.is_empty() && self.answers.is_empty()
    }

    /// Queries with judgements or answers, sorted.
    fn judged(&self) -> BTreeSet<&str> {
        let judged = self.qrels.1.iter().map(|(query_id, _)| query_id);
        judged.chain(self.answers.iter().map(|(query_id, _)| query_id)).collect()
    }

    /// Judged queries that are not among the queries.
    fn queries(&self) -> Result<Option<String>, NoOverlap> {
        let asked: BTreeSet<&str> =
            self.queries.1.iter().map(|query| query.query_id.as_str()).collect();
        let judged: Vec<&str> = self.judged().into_iter().collect();
        let first = self.queries.1.iter().next().map(|query| query.query_id.as_str());
        let missing =
            self.missing("queries", &judged, self.queries.0, first, |id| asked.contains(id))?;
        Ok(missing.map(|said| said + ": each counts 0"))
    }

    /// Queries without a judgement.
    fn unjudged(&self) -> Option<String> {
        let (queries, judged) = (self.queries.1, self.judged());
        let mut left = queries.iter().filter(|query| !judged.contains(query.query_id.as_str()));
        let first = &left.next()?.query_id;
        let (name, count, of) = (self.queries.0, 1 + left.count(), queries.len());
        let judged = self.qrels.0;
        let judgement = if self.answers.is_empty() { "judgement" } else { "answer" };
        Some(format!(
            "{name}: {count} of {of} queries (first `{first}`) have no {judgement} in {judged} and are not measured"
        ))
    }

    /// Judged documents that are not in the collection.
    fn documents(&self) -> Result<Option<String>, NoOverlap> {
        let (name, corpus) = self.corpus;
        let docs = self.qrels.1.iter().flat_map(|(_, docs)| docs.keys().map(String::as_str));
        let judged: Vec<&str> = docs.collect::<BTreeSet<_>>().into_iter().collect();
        let first = (!corpus.is_empty()).then(|| corpus.doc_id(nir_core::DocNo(0)));
        let there = |id: &str| corpus.doc_no(id).is_some();
        let missing = self.missing("documents", &judged, name, first, there)?;
        Ok(missing.map(|said| said + ": none of them can be found"))
    }

    fn missing(
        &self,
        what: &'static str,
        judged: &[&str],
        other: &str,
        first_there: Option<&str>,
        is_there: impl Fn(&str) -> bool,
    ) -> Result<Option<String>, NoOverlap> {
        let missing: Vec<&str> = judged.iter().copied().filter(|id| !is_there(id)).collect();
        let Some(first) = missing.first() else { return Ok(None) };
        let (qrels, count, of) = (self.qrels.0, missing.len(), judged.len());
        if count == of {
            return Err(NoOverlap {
                qrels: qrels.to_owned(),
                count,
                what,
                other: other.to_owned(),
                judged: (*first).to_owned(),
                there: first_there.map_or("is none".to_owned(), |id| format!("is `{id}`")),
            });
        }
        Ok(Some(format!(
            "{qrels}: {count} of {of} judged {what} (first `{first}`) are not in {other}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use nir_core::{Document, Documents, Query};

    use super::*;

    /// What does not fit between these and the queries q1, q2 over the documents d1, d2.
    fn misfits(judgements: &[(&str, &str, i32)]) -> Result<Vec<String>, String> {
        let qrels: Qrels = judgements.iter().copied().collect();
        let queries = Queries::new(["q1", "q2"].map(|id| Query::new(id, "tea")).to_vec()).unwrap();
        let document = |id: &str| Document { doc_id: id.into(), ..Document::default() };
        let corpus = Documents::new(["d1", "d2"].map(document)).unwrap();
        let judged = Judged {
            qrels: ("qrels.txt", &qrels),
            answers: &Answers::default(),
            queries: ("queries.tsv", &queries),
            corpus: ("docs.tsv", &corpus),
        };
        judged.misfits().map_err(|error| error.to_string())
    }

    #[test]
    fn what_fits_needs_no_words() {
        assert_eq!(misfits(&[("q1", "d1", 1), ("q2", "d2", 0)]), Ok(vec![]));
        assert_eq!(misfits(&[]), Ok(vec![]), "nothing is measured");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let said = misfits(&[("q1", "d1", 1), ("q1", "d3", 1), ("q3", "d4", 0), ("q4", "d4", 1)]);
        let expected = [
            "qrels.txt: 2 of 3 judged queries (first `q3`) are not in queries.tsv: each counts 0",
            "queries.tsv: 1 of 2 queries (first `q2`) have no judgement in qrels.txt and are not measured",
            "qrels.txt: 2 of 3 judged documents (first `d3`) are not in docs.tsv: none of them can be found",
        ];
        assert_eq!(said.unwrap(), expected);
    }

    #[test]
    fn a_dataset_of_a_manifest_is_refused_no_less() {
        let queries =
            Queries::new(vec![Query::new("q1", "tea"), Query::new("q2", "rice")]).unwrap();
        let corpus =
            Documents::new([Document { doc_id: "d1".into(), ..Document::default() }]).unwrap();
        let left_over = |judgements: &[(&str, &str, i32)]| {
            let qrels: Qrels = judgements.iter().copied().collect();
            let judged = Judged {
                qrels: ("mine", &qrels),
                answers: &Answers::default(),
                queries: ("its queries", &queries),
                corpus: ("its documents", &corpus),
            };
            judged.left_over().map_err(|error| error.to_string())
        };
        assert_eq!(
            left_over(&[("q1", "d1", 1)]),
            Ok(vec![]),
            "q2 is left out by the manifest's choice"
        );
        assert_eq!(
            left_over(&[("q1", "184", 1)]).unwrap_err(),
            "mine: none of its 1 judged documents is in its documents (the first judged is `184`, the first there is \
             `d1`); are these files of one collection?"
        );
    }

    #[test]
    fn files_of_two_collections_are_refused() {
        assert_eq!(
            misfits(&[("x1", "d1", 1)]).unwrap_err(),
            "qrels.txt: none of its 1 judged queries is in queries.tsv (the first judged is `x1`, the first there is \
             `q1`); are these files of one collection?"
        );
        assert_eq!(
            misfits(&[("q1", "D1", 1), ("q1", "D2", 1)]).unwrap_err(),
            "qrels.txt: none of its 2 judged documents is in docs.tsv (the first judged is `D1`, the first there is \
             `d1`); are these files of one collection?"
        );
    }
}
