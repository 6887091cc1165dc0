//! doc2query: a model writes queries for every document, which are indexed with it.
//! Nogueira, Yang, Lin and Cho, 2019, and Nogueira and Lin, 2019, as docTTTTTquery (`nogueira2019doc2query`).
//!
//! A searcher and an author name the same thing in different words. A model that was trained on pairs of passages and queries
//! writes, for every document, queries that it might answer; they are put behind its text, and an ordinary index finds the
//! document by their words, too. The words that a query repeats weigh more, and new ones are added. All of it is paid for when the
//! collection is indexed.
//!
//! ```text
//! q_1 … q_n ~ P(q | d)                     token by token, from the k most likely
//! d' = d q_1 … q_n
//! Doc2Query--:  d' = d and those q_i with P(true | q_i, d) > threshold             (Gospodinov, MacAvaney and Macdonald, ECIR 2023)
//! ```
//!
//! | symbol      | is                                                                                  |
//! |-------------|-------------------------------------------------------------------------------------|
//! | `q_i`       | a query that was written for `d`; there are `queries` of them                         |
//! | `k`         | `sampling.top_k`                                                                      |
//! | `P(true)`   | the probability of `filter.answers.relevant` against `other`, by the filter's model    |
//!
//! A model also writes queries that the document does not answer. Doc2Query-- has a reranker read each with the document, here one
//! that answers with one of two words as monoT5 does, and drops those below a threshold.
//!
//! What is written for a text depends on the text and on the seed alone: not on the documents beside it, nor on where a run that was
//! stopped goes on.
//!
//! Try it: `nir run expansion/doc2query-t5-base --on beir-scifact`

use std::ops::Range;

use nir_core::{Corpus, DocNo, Document, Expander, Result};
use nir_nn::checkpoint::Wanted;
use nir_nn::{Sampling, never};
use serde::{Deserialize, Serialize};

use crate::model::ModelSource;
use crate::prompted::{self, Answers, Fields, Prompted};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder-decoder that writes.
    pub model: ModelSource,
    /// What it reads: a text with `{document}`, which stands for title and text.
    pub prompt: String,
    /// The largest number of tokens of a prompt, including special ones.
    pub max_length: usize,
    /// The largest number of tokens of a query.
    pub query_length: usize,
    /// How many queries are written for a document.
    pub queries: usize,
    /// How each token is drawn: `top_k`, `top_p`, `temperature` and `seed`.
    pub sampling: Sampling,
    /// Which queries are kept; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
}

/// A model that decides which queries are kept.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The encoder-decoder that reads query and document.
    pub model: ModelSource,
    /// What it reads: a text with `{query}` and `{document}`.
    pub prompt: String,
    /// The two tokens that it may answer with.
    pub answers: Answers,
    /// The largest number of tokens of a prompt, including special ones.
    pub max_length: usize,
    /// The probability, from 0 to 1, above which a query is kept.
    pub threshold: f32,
}

impl Algorithm for Config {
    const NAME: &'static str = "doc2query";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "nogueira2019doc2query";
    const SHAPE: Shape = Shape::Expander;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let prompt = (self.prompt.as_str(), self.max_length);
        let writer = Prompted::load(context, &self.model, prompt, &["document"])?;
        let keeper = self.filter.as_ref().map(|filter| filter.load(context)).transpose()?;
        Ok(Stage::Expander(Box::new(Doc2Query { config: self.clone(), writer, keeper })))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        prompted::check(&self.prompt, &["document"], self.max_length)?;
        self.sampling.check().map_err(|problem| format!("`sampling`: {problem}"))?;
        if self.queries == 0 || self.query_length == 0 {
            return Err(format!(
                "`queries` and `query_length` must be at least 1, found {} and {}",
                self.queries, self.query_length
            ));
        }
        self.filter.as_ref().map_or(Ok(()), Filter::check)
    }

    fn weights(&self) -> Vec<Wanted> {
        let filter = self.filter.iter().flat_map(|filter| filter.model.checkpoints());
        self.model.checkpoints().into_iter().chain(filter).collect()
    }
}

impl Filter {
    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("filter.model")?;
        prompted::check(&self.prompt, &["query", "document"], self.max_length)
            .map_err(|problem| format!("`filter`: {problem}"))?;
        match (0.0..=1.0).contains(&self.threshold) {
            true => Ok(()),
            false => {
                Err(format!("`filter.threshold` must be from 0 to 1, found {}", self.threshold))
            }
        }
    }

    fn load(&self, context: &Context<'_>) -> Result<Keeper> {
        let prompt = (self.prompt.as_str(), self.max_length);
        let reader = Prompted::load(context, &self.model, prompt, &["document", "query"])?;
        let answers = self.answers.ids(reader.model.tokenizer())?;
        Ok(Keeper { reader, answers, threshold: self.threshold })
    }
}

struct Doc2Query {
    config: Config,
    writer: Prompted,
    keeper: Option<Keeper>,
}

/// A model that decides which queries are kept.
struct Keeper {
    reader: Prompted,
    answers: [u32; 2],
    threshold: f32,
}

impl Expander for Doc2Query {
    fn expand(&self, corpus: &dyn Corpus, rows: Range<u32>) -> Result<Vec<Document>> {
        let docs: Vec<DocNo> = rows.map(DocNo).collect();
        let written = self.queries(corpus, &docs)?;
        let expanded = |(&doc, queries): (&DocNo, &Vec<String>)| {
            let queries = match &self.keeper {
                Some(keeper) => keeper.kept(queries, corpus.contents(doc))?,
                None => queries.iter().map(String::as_str).collect(),
            };
            Ok(Document {
                doc_id: corpus.doc_id(doc).to_owned(),
                title: corpus.title(doc).to_owned(),
                text: appended(corpus.text(doc), &queries),
            })
        };
        docs.iter().zip(&written).map(expanded).collect()
    }
}

impl Doc2Query {
    /// The queries that are written for each document.
    fn queries(&self, corpus: &dyn Corpus, docs: &[DocNo]) -> Result<Vec<Vec<String>>> {
        let Config { queries, query_length, ref sampling, .. } = self.config;
        let inputs = self.writer.tokens(&prompted::documents(docs, corpus))?;
        let names: Vec<u64> = docs.iter().map(|&doc| corpus.digest(doc).number()).collect();
        let model = &self.writer.model;
        let written =
            model.sample(&inputs, &[], &names, sampling, (queries, query_length), &never)?;
        let text = |ids: &Vec<u32>| Ok(model.tokenizer().decode(ids)?.trim().to_owned());
        written.iter().map(|queries| queries.iter().map(text).collect()).collect()
    }
}

impl Keeper {
    /// The queries that the model finds relevant to the document.
    fn kept<'q>(&self, queries: &'q [String], document: &str) -> Result<Vec<&'q str>> {
        let prompt = |query: &'q String| vec![("query", query.as_str()), ("document", document)];
        let prompts: Vec<Fields<'_>> = queries.iter().map(prompt).collect();
        let logits = self.reader.first(&prompts, self.answers)?;
        let is_kept = |logits: [f32; 2]| prompted::probability(logits) > self.threshold;
        let both = queries.iter().zip(logits).filter(|(_, logits)| is_kept(*logits));
        Ok(both.map(|(query, _)| query.as_str()).collect())
    }
}

/// `d' = d q_1 … q_n`
fn appended(text: &str, queries: &[&str]) -> String {
    std::iter::once(text).chain(queries.iter().copied()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lent, fixture};

    #[test]
    fn queries_follow_the_text() {
        assert_eq!(appended("tea", &["what is tea", "is tea hot"]), "tea what is tea is tea hot");
        assert_eq!(appended("tea", &[]), "tea");
    }

    fn config(more: &str) -> Config {
        let (folder, _) = fixture("writers/t5");
        toml::from_str(&format!(
            "model = {{ weights = \"file:{folder}\" }}\nprompt = \"{{document}}\"\nmax_length = 40\nquery_length = 8\n\
             queries = 3\nsampling = {{ top_k = 10, temperature = 1.0, seed = 42 }}\n{more}"
        ))
        .unwrap()
    }

    fn filter(threshold: f32) -> String {
        let (folder, _) = fixture("writers/t5-v1.1");
        format!(
            "filter = {{ model = {{ weights = \"file:{folder}\" }}, prompt = \"Query: {{query}} Document: {{document}} Relevant:\", \
             answers = {{ relevant = \"▁true\", other = \"▁false\" }}, max_length = 60, threshold = {threshold} }}"
        )
    }

    const TEXTS: [(&str, &str); 3] =
        [("a", "Bread rises in warm rooms."), ("b", "A ship follows the stars."), ("c", "tea")];

    fn expanded(config: &Config, texts: [(&'static str, &'static str); 3]) -> Vec<Document> {
        let lent = Lent::new(texts);
        let Stage::Expander(expander) = lent.build(config) else { panic!("it is no expander") };
        expander.expand(lent.corpus(), 0..3).unwrap()
    }

    fn texts(documents: &[Document]) -> Vec<&str> {
        documents.iter().map(|document| document.text.as_str()).collect()
    }

    #[test]
    fn every_document_keeps_its_text_and_gains_queries_of_its_own() {
        let found = expanded(&config(""), TEXTS);
        for (document, (doc_id, text)) in found.iter().zip(TEXTS) {
            assert_eq!(document.doc_id, doc_id);
            let queries = document.text.strip_prefix(text).unwrap();
            assert!(queries.starts_with(' ') && queries.trim().len() > 3, "{queries:?}");
        }
        let queries = |at: usize| found[at].text.strip_prefix(TEXTS[at].1).unwrap().to_owned();
        assert_ne!(queries(0), queries(1));
    }

    #[test]
    fn what_is_written_follows_from_text_and_seed() {
        let found = expanded(&config(""), TEXTS);
        assert_eq!(texts(&found), texts(&expanded(&config(""), TEXTS)));
        let mut other = config("");
        other.sampling.seed = 43;
        assert_ne!(texts(&found), texts(&expanded(&other, TEXTS)));
        // In another order, and so in another place of a batch.
        let turned = expanded(&config(""), [TEXTS[2], TEXTS[0], TEXTS[1]]);
        assert_eq!(found[0].text, turned[1].text);
        // A block that begins elsewhere, as where a run goes on.
        let lent = Lent::new(TEXTS);
        let Stage::Expander(expander) = lent.build(&config("")) else { panic!("no expander") };
        assert_eq!(expander.expand(lent.corpus(), 2..3).unwrap()[0].text, found[2].text);
    }

    #[test]
    fn a_filter_keeps_all_or_none() {
        let all = expanded(&config(""), TEXTS);
        assert_eq!(texts(&expanded(&config(&filter(0.0)), TEXTS)), texts(&all));
        assert_eq!(texts(&expanded(&config(&filter(1.0)), TEXTS)), TEXTS.map(|(_, text)| text));
    }

    #[test]
    fn queries_above_the_threshold_are_kept() {
        let config = config(&filter(0.5));
        let lent = Lent::new(TEXTS);
        let mut keeper = config.filter.unwrap().load(&lent.context()).unwrap();
        let queries = ["bread", "a ship", "the stars", "tea"].map(str::to_owned);
        let prompt = |query: &'static str| vec![("query", query), ("document", TEXTS[0].1)];
        let prompts: Vec<Fields<'_>> = ["bread", "a ship", "the stars", "tea"].map(prompt).to_vec();
        let logits = keeper.reader.first(&prompts, keeper.answers).unwrap();
        let of: Vec<f32> = logits.into_iter().map(prompted::probability).collect();
        // Twice as a threshold: the second largest keeps one query, the smallest three.
        let mut sorted = of.clone();
        sorted.sort_by(f32::total_cmp);
        for (threshold, count) in [(sorted[2], 1), (sorted[0], 3)] {
            keeper.threshold = threshold;
            let kept = keeper.kept(&queries, TEXTS[0].1).unwrap();
            let expected = queries.iter().zip(&of).filter(|(_, p)| **p > threshold);
            assert_eq!(kept, expected.map(|(query, _)| query.as_str()).collect::<Vec<_>>());
            assert_eq!(kept.len(), count, "{of:?}");
        }
    }

    #[test]
    fn parameters_that_leave_nothing_to_write_are_refused() {
        let refused = |change: fn(&mut Config)| {
            let mut config = config("");
            change(&mut config);
            config.check().unwrap_err()
        };
        assert!(refused(|config| config.queries = 0).contains("at least 1"));
        assert!(refused(|config| config.sampling.top_k = Some(0)).contains("`sampling`: `top_k`"));
        assert!(refused(|config| config.prompt = "{query}".to_owned()).contains("`{query}`"));
        let error = config(&filter(1.5)).check().unwrap_err();
        assert!(error.contains("`filter.threshold` must be from 0 to 1, found 1.5"), "{error}");
    }
}
