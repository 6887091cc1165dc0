//! `nir search`: one query through a method, and why each document has its score.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use nir_core::{Contribution, Judgements, Match, Queries, Query};
use nir_data::Dataset;
use serde_json::{Value, json};

use crate::app::App;
use crate::models;
use crate::named::method_of;
use crate::output::print;
use crate::own;
use crate::terminal::{cut, width, wrapped};
use nir_engine::{Answer, Column, Engine, Hit, Pipeline, judged};

/// Search for one query, and show what each score is made of.
///
/// METHOD is a name of `nir list --methods` or the file of your own method. Below each document stand the parts of its
/// score, which add up to it: terms with their weights, tokens with the most similar tokens, or the ranks in fused
/// runs. The score of a cross-encoder has no parts. Grades are shown if the query belongs to the dataset.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir search lexical/bm25 \"why do clocks run slower in the mountains\"
  nir search feedback/bm25-rm3 --query-id q07 --on pocket --top 3
  nir search mine/method.toml \"green tea\" --on toy --json
  nir search lexical/bm25 \"green tea\" --corpus documents.tsv")]
pub(crate) struct Args {
    /// The name of a method (see `nir list --methods`), or the file of your own method.
    method: String,
    /// The text of the query; required unless --query-id is given.
    #[arg(conflicts_with = "query_id")]
    query: Option<String>,
    /// Take the query with this query_id from the dataset, instead of a text.
    #[arg(long, value_name = "QUERY_ID")]
    query_id: Option<String>,
    /// The dataset to search in, by name or by the path of a manifest.
    #[arg(long, value_name = "DATASET", default_value = "pocket")]
    on: String,
    #[command(flatten)]
    own: own::Args,
    /// The number of documents to show.
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// The number of parts to show of each score, the largest first; the others are shown as one sum.
    #[arg(long, value_name = "N", default_value_t = 8)]
    parts: usize,
    /// Print JSON, with every part of each score and the whole text of each document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    models: models::Args,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let library = app.library()?;
    let engine = app.engine(&args.models)?;
    let pipeline = library.read(&method_of(&args.method, &library, engine.models())?)?;
    let column = column(args, app, &engine)?;
    let queries = Queries::new(vec![query(args, &column.data)?])?;
    let answers = engine.ask(&pipeline, &column.target, &queries, args.top)?;
    let page = Page { args, dataset: &column.data, pipeline: &pipeline, answer: &answers[0] };
    let text = match args.json {
        true => serde_json::to_string_pretty(&page.json())? + "\n",
        false => page.text(),
    };
    print(text)?;
    Ok(ExitCode::SUCCESS)
}

/// The user's own files, or the dataset that is named.
fn column(args: &Args, app: &App, engine: &Engine) -> Result<Column> {
    if let Some(own) = args.own.column(engine)? {
        return Ok(own);
    }
    let mut manifests = app.home.datasets()?;
    let name = manifests.resolve(&args.on, Path::new(""))?;
    engine.dataset(manifests.get(&name)?)
}

/// The query of the dataset with that id or text, else a new query without an id.
fn query(args: &Args, dataset: &Dataset) -> Result<Query> {
    let text = args.query.as_deref().unwrap_or_default().trim();
    let wanted = |query: &&Query| match &args.query_id {
        Some(query_id) => &query.query_id == query_id,
        None => query.text == text,
    };
    match (dataset.queries.iter().find(wanted), &args.query_id) {
        (Some(query), _) => Ok(query.clone()),
        (None, None) if text.is_empty() => bail!(
            "the query is empty: write some words, or name a query of {} with --query-id",
            dataset.name
        ),
        (None, None) => Ok(Query::new("", text)),
        (None, Some(query_id)) => {
            let some: Vec<&str> =
                dataset.queries.iter().take(5).map(|query| query.query_id.as_str()).collect();
            bail!(
                "`{query_id}` is no query of {}: its {} queries begin with {}",
                dataset.name,
                dataset.queries.len(),
                some.join(", ")
            )
        }
    }
}

/// Everything that the command prints.
struct Page<'a> {
    args: &'a Args,
    dataset: &'a Dataset,
    pipeline: &'a Pipeline,
    answer: &'a Answer,
}

impl Page<'_> {
    fn judgements(&self) -> Option<&Judgements> {
        self.dataset.qrels.get(&self.answer.query.query_id)
    }

    fn is_judged(&self) -> bool {
        judged(self.dataset).has(&self.answer.query.query_id)
    }

    fn grade(&self, hit: &Hit) -> Option<i32> {
        let doc_id = self.dataset.corpus.doc_id(hit.doc);
        judged(self.dataset).grade(&self.answer.query.query_id, doc_id)
    }

    fn text(&self) -> String {
        let (answer, name) = (self.answer, &self.dataset.name);
        let mut text = format!("{} on {name}: {}", self.pipeline.method.name, answer.query.text);
        if !answer.query.query_id.is_empty() {
            let _ = write!(text, " ({})", answer.query.query_id);
        }
        let _ = writeln!(text, "\n{}\n", self.found());
        if !answer.hits.is_empty() {
            let _ = writeln!(text, "{}", self.line("rank", "score", "doc_id", "grade", "text"));
        }
        for (hit, rank) in answer.hits.iter().zip(1..) {
            text.push_str(&self.hit(hit, rank));
        }
        text
    }

    fn found(&self) -> String {
        let (shown, found) = (self.answer.hits.len(), self.answer.found);
        let relevant = self.judgements().map(|judgements| {
            let relevant = judgements.values().filter(|&&grade| grade > 0).count();
            format!("; {relevant} are judged relevant, `-` is not judged")
        });
        let answered = self.dataset.answers.get(&self.answer.query.query_id);
        let relevant =
            relevant.or(answered.map(|_| "; grade 1 has an answer in its text".to_owned()));
        match found {
            0 => "nothing found".to_owned(),
            _ => format!("{shown} of {found} found{}", relevant.unwrap_or_default()),
        }
    }

    fn hit(&self, hit: &Hit, rank: usize) -> String {
        let corpus = &self.dataset.corpus;
        let grade = self.grade(hit).map_or_else(|| "-".to_owned(), |grade| grade.to_string());
        let (rank, score) = (rank.to_string(), format!("{:.4}", hit.score));
        let line =
            self.line(&rank, &score, corpus.doc_id(hit.doc), &grade, corpus.contents(hit.doc));
        let parts = self.parts(hit);
        if parts.is_empty() {
            line + "\n"
        } else {
            format!("{line}\n{}\n", wrapped(&parts, 6, width()))
        }
    }

    fn line(&self, rank: &str, score: &str, doc_id: &str, grade: &str, text: &str) -> String {
        let ids = self.answer.hits.iter().map(|hit| self.dataset.corpus.doc_id(hit.doc).len());
        let ids = ids.max().unwrap_or(0).max("doc_id".len());
        let mut line = format!("{rank:>4}  {score:>10}  {doc_id:ids$}  ");
        if self.is_judged() {
            let _ = write!(line, "{grade:>5}  ");
        }
        let left = width().saturating_sub(line.len()).max(10);
        line + &cut(text, left)
    }

    /// The largest parts of a score as text, and the sum of the others.
    fn parts(&self, hit: &Hit) -> Vec<String> {
        let (shown, rest) = hit.parts.split_at(self.args.parts.min(hit.parts.len()));
        let mut parts: Vec<String> = shown.iter().map(|part| self.part(part)).collect();
        if !rest.is_empty() {
            let sum: f32 = rest.iter().map(|part| part.score).sum();
            parts.push(format!("{} more {sum:.4}", rest.len()));
        }
        parts
    }

    fn part(&self, part: &Contribution) -> String {
        let score = part.score;
        match &part.of {
            Match::Term { term, query, document } => {
                format!("{term} {score:.4} = {query:.3} × {document:.3}")
            }
            Match::Tokens { query, document } => format!("{query} ~ {document} {score:.4}"),
            Match::Texts => format!("vectors of both texts {score:.4}"),
            Match::Input { number, rank } => {
                format!("{} rank {rank} {score:.6}", self.input(*number))
            }
        }
    }

    fn input(&self, number: usize) -> &str {
        &self.pipeline.inputs[number].method.name
    }

    fn json(&self) -> Value {
        let (answer, corpus) = (self.answer, &self.dataset.corpus);
        let hit = |(hit, rank): (&Hit, usize)| {
            json!({
                "rank": rank,
                "score": hit.score,
                "doc_id": corpus.doc_id(hit.doc),
                "grade": self.grade(hit),
                "title": corpus.title(hit.doc),
                "text": corpus.text(hit.doc),
                "parts": hit.parts.iter().map(|part| self.json_part(part)).collect::<Vec<_>>(),
            })
        };
        let query_id = Some(&answer.query.query_id).filter(|query_id| !query_id.is_empty());
        let terms = answer.query.terms.as_ref().map(|terms| {
            let term =
                |term: &nir_core::WeightedTerm| json!({ "term": term.term, "weight": term.weight });
            terms.iter().map(term).collect::<Vec<_>>()
        });
        json!({
            "method": self.pipeline.method.name,
            "dataset": self.dataset.name,
            "query": { "query_id": query_id, "text": answer.query.text, "terms": terms },
            "found": answer.found,
            "hits": answer.hits.iter().zip(1..).map(hit).collect::<Vec<_>>(),
        })
    }

    fn json_part(&self, part: &Contribution) -> Value {
        let score = part.score;
        match &part.of {
            Match::Term { term, query, document } => {
                json!({ "term": term, "query_weight": query, "document_weight": document, "score": score })
            }
            Match::Tokens { query, document } => {
                json!({ "query_token": query, "document_token": document, "score": score })
            }
            Match::Texts => json!({ "vectors": "of both texts", "score": score }),
            Match::Input { number, rank } => {
                json!({ "input": self.input(*number), "rank": rank, "score": score })
            }
        }
    }
}
