//! `nir encode`: what a method makes of one text.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use nir_core::{Corpus, DocNo, Document, Documents, EncodedTerm, Encoding, Form, Query};
use serde_json::{Value, json};

use crate::app::App;
use crate::models;
use crate::named::method_of;
use crate::output::print;
use crate::terminal::{cut, width, wrapped};
use nir_engine::{Engine, Pipeline};

/// Show how a method encodes a text: as one vector, as one vector for each token, or as terms with weights.
///
/// METHOD is a name or a file, as in `nir run`. Terms that do not occur in the text are marked with `+`: the model has
/// added them. If the method has several stages that encode texts, the last of them is used.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir encode lexical/bm25 \"the keepers of lighthouses\"
  nir encode dense/minilm-l6 \"green tea\" --as document --json
  nir encode sparse/splade-v3 \"green tea\" --threshold 0.5")]
pub(crate) struct Args {
    /// The name of a method (see `nir list --methods`), or the file of your own method.
    method: String,
    /// The text to encode.
    text: String,
    /// Encode the text as a query or as a document; methods may encode the two differently.
    #[arg(long = "as", value_enum, default_value = "query", value_name = "ROLE")]
    role: Role,
    /// Show only the terms whose weight is larger than this number.
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0)]
    threshold: f32,
    /// Print JSON with all terms and weights, or with all numbers of all vectors.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    models: models::Args,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    Query,
    Document,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    if args.text.trim().is_empty() {
        bail!("the text is empty: write some words");
    }
    let library = app.library()?;
    let engine = app.engine(&args.models)?;
    let pipeline = library.read(&method_of(&args.method, &library, engine.models())?)?;
    let encoding = encode(args, &engine, &pipeline)?;
    let text = match args.json {
        true => serde_json::to_string(&as_json(&encoding))? + "\n",
        false => as_text(&encoding),
    };
    print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn encode(args: &Args, engine: &Engine, pipeline: &Pipeline) -> Result<Encoding> {
    let document = Document { text: args.text.clone(), ..Document::default() };
    let corpus: Arc<dyn Corpus> = Arc::new(Documents::new([document])?);
    let encoder = engine.encoder(pipeline, &corpus)?.with_context(|| {
        let name = pipeline.method.argument();
        format!("`{name}` does not encode single texts; `nir search {name}` shows how it scores documents for a query")
    })?;
    let encoding = match args.role {
        Role::Query => encoder.query(&Query::new("", args.text.trim())),
        Role::Document => encoder.document(&*corpus, DocNo(0)),
    };
    let mut encoding = encoding.map_err(anyhow::Error::from_boxed)?;
    if let Form::Terms(terms) = &mut encoding.form {
        terms.retain(|term| term.weight > args.threshold);
        terms.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.term.cmp(&b.term)));
    }
    Ok(encoding)
}

fn as_text(encoding: &Encoding) -> String {
    let mut text = String::new();
    if !encoding.tokens.is_empty() {
        let tokens = wrapped(&encoding.tokens, 2, width());
        let _ = writeln!(text, "{} tokens\n{tokens}\n", encoding.tokens.len());
    }
    text + &match &encoding.form {
        Form::Vector(vector) => format!("one vector\n  {}\n", vector_line(vector)),
        Form::Vectors(rows) => vectors(rows),
        Form::Terms(terms) => weights(terms),
    }
}

fn norm(vector: &[f32]) -> f32 {
    vector.iter().map(|x| x * x).sum::<f32>().sqrt()
}

/// One vector as a line: its length, its norm, its first numbers: `[384]  norm 1.0000  0.0123 -0.0456 …`.
fn vector_line(vector: &[f32]) -> String {
    let first: Vec<String> = vector.iter().take(8).map(|x| format!("{x:.4}")).collect();
    let more = if vector.len() > first.len() { " …" } else { "" };
    format!("[{}]  norm {:.4}  {}{more}", vector.len(), norm(vector), first.join(" "))
}

fn vectors(rows: &[(String, Vec<f32>)]) -> String {
    let names = rows.iter().map(|(token, _)| token.chars().count()).max().unwrap_or(0);
    let line = |(token, vector): &(String, Vec<f32>)| {
        cut(&format!("{token:names$}  {}", vector_line(vector)), width() - 2)
    };
    let lines: String = rows.iter().map(|row| format!("  {}\n", line(row))).collect();
    format!("{} vectors\n{lines}", rows.len())
}

fn weights(terms: &[EncodedTerm]) -> String {
    let expansions = terms.iter().filter(|term| term.is_expansion).count();
    let mark = |term: &EncodedTerm| if term.is_expansion { "+" } else { "" };
    let term = |term: &EncodedTerm| format!("{}{} {:.4}", mark(term), term.term, term.weight);
    let pieces: Vec<String> = terms.iter().map(term).collect();
    let head = match (terms.len(), expansions) {
        (1, _) => "1 term".to_owned(),
        (terms, 0) => format!("{terms} terms"),
        (terms, _) => format!("{terms} terms, {expansions} of them expansions (+)"),
    };
    format!("{head}\n{}\n", wrapped(&pieces, 2, width()))
}

fn as_json(encoding: &Encoding) -> Value {
    let form = match &encoding.form {
        Form::Vector(vector) => {
            json!({ "shape": [vector.len()], "norm": norm(vector), "vector": vector })
        }
        Form::Vectors(rows) => {
            let row = |(token, vector): &(String, Vec<f32>)| json!({ "token": token, "norm": norm(vector), "vector": vector });
            json!({ "vectors": rows.iter().map(row).collect::<Vec<_>>() })
        }
        Form::Terms(terms) => {
            let term = |term: &EncodedTerm| json!({ "term": term.term, "weight": term.weight, "expansion": term.is_expansion });
            json!({ "terms": terms.iter().map(term).collect::<Vec<_>>() })
        }
    };
    let mut all = json!({ "tokens": encoding.tokens });
    if let (Value::Object(all), Value::Object(form)) = (&mut all, form) {
        all.extend(form);
    }
    all
}
