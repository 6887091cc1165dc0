//! Worked examples and pictures of the book, computed while it is written.

use std::f64::consts::TAU;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use nir_catalogue::Method;
use nir_core::{Contribution, DocNo, Form, Match, Queries, Query};
use nir_engine::{Column, Engine, Library, Pipeline};
use nir_index::{HnswParams, Matrix, MatrixWriter, Storage, build_hnsw};
use nir_report::pictures::{Bar, LayerOf, bars, layers, matrix};

/// What examples are worked over: the smallest collection of the program.
pub(super) struct Example<'a> {
    engine: &'a Engine,
    library: &'a Library,
    toy: Column,
}

/// How many parts of a score are shown.
const PARTS: usize = 6;

impl<'a> Example<'a> {
    pub(super) fn new(engine: &'a Engine, library: &'a Library, toy: Column) -> Self {
        Self { engine, library, toy }
    }

    /// The best document of a query, and how its score comes about; nothing for a method whose weights are not in the program.
    pub(super) fn of(&self, method: &Method) -> Result<String> {
        let pipeline = self.library.read(method)?;
        if needs_others(&pipeline) {
            return Ok(String::new());
        }
        let first = self.toy.data.queries.iter().next().context("toy has queries")?;
        let queries = Queries::new(vec![first.clone()])?;
        let answers =
            self.engine.hushed(|| self.engine.ask(&pipeline, &self.toy.target, &queries, 1))?;
        let Some(hit) = answers.first().and_then(|answer| answer.hits.first()) else {
            return Ok(String::new());
        };
        let corpus = &self.toy.data.corpus;
        let (doc_id, text) = (corpus.doc_id(hit.doc), corpus.contents(hit.doc));
        let mut page = format!(
            "\n## Worked example\n\nThe best document of the collection `toy` for the query *{}* is `{doc_id}`: *{text}* Its score is \
             {:.4}",
            first.text, hit.score
        );
        page.push_str(&self.parts(&pipeline, &hit.parts, first, hit.doc)?);
        Ok(page)
    }

    fn parts(
        &self,
        pipeline: &Pipeline,
        parts: &[Contribution],
        query: &Query,
        doc: DocNo,
    ) -> Result<String> {
        match parts {
            [] => Ok(", which the model gives to the pair of texts as a whole.\n".to_owned()),
            [Contribution { of: Match::Texts, .. }] => self.product(pipeline, query, doc),
            parts => Ok(sum(pipeline, parts)),
        }
    }

    /// The first products of the sum that an inner product is.
    fn product(&self, pipeline: &Pipeline, query: &Query, doc: DocNo) -> Result<String> {
        let corpus = &self.toy.data.corpus;
        let encoder = self.engine.encoder(pipeline, corpus)?.context("it made vectors")?;
        let query = encoder.query(query).map_err(anyhow::Error::from_boxed)?.form;
        let document = encoder.document(&**corpus, doc).map_err(anyhow::Error::from_boxed)?.form;
        let (Form::Vector(query), Form::Vector(document)) = (query, document) else {
            return Ok(".\n".to_owned());
        };
        let first = query.iter().zip(&document).take(3);
        let first: Vec<String> = first.map(|(q, d)| format!("({q:.4}) · ({d:.4})")).collect();
        Ok(format!(
            ", the inner product of two vectors of {} numbers:\n\n```text\n{} + … \n```\n",
            query.len(),
            first.join(" + ")
        ))
    }
}

/// Whether a method, or one that it fuses, needs files that are not in the program.
fn needs_others(pipeline: &Pipeline) -> bool {
    let weights = pipeline.steps.iter().flat_map(|step| step.recipe.weights());
    let is_own = |name: String| name.starts_with("pocket:");
    let files = pipeline.steps.iter().any(|step| !step.recipe.files().is_empty());
    files
        || pipeline.asks()
        || !weights.map(|wanted| wanted.to_string()).all(is_own)
        || pipeline.inputs.iter().any(needs_others)
}

/// The parts that add up to a score, as a table.
fn sum(pipeline: &Pipeline, parts: &[Contribution]) -> String {
    let mut text = ", the sum of:\n\n| part | | |\n|---|---:|---:|\n".to_owned();
    for part in parts.iter().take(PARTS) {
        let (name, how) = match &part.of {
            Match::Term { term, query, document } => {
                (term.clone(), format!("{query:.4} × {document:.4}"))
            }
            Match::Tokens { query, document } => (format!("{query} ~ {document}"), String::new()),
            Match::Input { number, rank } => {
                (pipeline.inputs[*number].method.name.clone(), format!("rank {rank}"))
            }
            Match::Texts => ("both texts".to_owned(), String::new()),
        };
        let _ = writeln!(text, "| {} | {how} | {:.4} |", name.replace('|', "\\|"), part.score);
    }
    if parts.len() > PARTS {
        let rest: f32 = parts[PARTS..].iter().map(|part| part.score).sum();
        let _ = writeln!(text, "| {} more | | {rest:.4} |", parts.len() - PARTS);
    }
    text
}

/// The picture that belongs to an algorithm or to a search structure, by the name of its file; nothing where none does.
pub(super) fn picture(file: &str, engine: &Engine, library: &Library) -> Result<String> {
    match file {
        "sparse/splade.rs" => expansion(engine, library),
        "late/colbert.rs" | "late/max_sim.rs" => Ok(max_sim()),
        "dense/hnsw.rs" => hnsw(),
        _ => Ok(String::new()),
    }
}

const BREAD: &str = "why does bread rise";

/// What SPLADE makes of a query: the words of the text, and hollow those that the network adds.
fn expansion(engine: &Engine, library: &Library) -> Result<String> {
    let pipeline = library.pipeline("sparse/splade-pocket")?;
    let corpus: std::sync::Arc<dyn nir_core::Corpus> =
        std::sync::Arc::new(nir_core::Documents::new([nir_core::Document::default()])?);
    let encoder = engine.encoder(&pipeline, &corpus)?.context("SPLADE makes terms of a text")?;
    let encoding = encoder.query(&Query::new("", BREAD)).map_err(anyhow::Error::from_boxed)?;
    let Form::Terms(mut terms) = encoding.form else { return Ok(String::new()) };
    terms.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let bar = |term: &nir_core::EncodedTerm| Bar {
        name: term.term.clone(),
        value: f64::from(term.weight),
        is_hollow: term.is_expansion,
    };
    let shown: Vec<Bar> = terms.iter().take(12).map(bar).collect();
    let title = format!("The terms of: {BREAD}");
    Ok(format!(
        "\n{}\n\n*{BREAD}* as the small model of the program weights it. Every piece of the vocabulary gets the largest \
         `log(1 + ReLU(logit))` of all tokens; most are 0. Hollow bars are words that the text does not have.\n",
        bars(&title, &shown)
    ))
}

/// The sum of the largest similarity in each row, over made-up vectors of two numbers.
fn max_sim() -> String {
    // Directions in degrees: words that mean alike point alike.
    const QUERY: [(&str, f64); 3] = [("left", 10.0), ("river", 60.0), ("bank", 75.0)];
    const DOCUMENT: [(&str, f64); 5] =
        [("the", 150.0), ("shore", 70.0), ("on", 140.0), ("your", 120.0), ("left", 20.0)];
    let row = |&(_, q): &(&str, f64)| {
        DOCUMENT.iter().map(|(_, d)| (q - d).to_radians().cos()).collect::<Vec<f64>>()
    };
    let values: Vec<Vec<f64>> = QUERY.iter().map(row).collect();
    let largest = |row: &Vec<f64>| row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let best: Vec<f64> = values.iter().map(largest).collect();
    let sum: Vec<String> = best.iter().map(|value| format!("{value:.2}")).collect();
    format!(
        "\n{}\n\nMaxSim by hand, over made-up vectors of two numbers: every token of the query (rows) takes its most similar token of \
         the document (framed), and the score is the sum {} = {:.2}.\n",
        matrix(
            "MaxSim",
            &QUERY.map(|(token, _)| token),
            &DOCUMENT.map(|(token, _)| token),
            &values
        ),
        sum.join(" + "),
        best.iter().sum::<f64>()
    )
}

/// How many vectors the graph of the picture has, and how many layers: which chance gives it soon.
const NODES: usize = 28;
const LAYERS: usize = 3;

/// A graph built over vectors around a circle, layer by layer.
fn hnsw() -> Result<String> {
    let angles: Vec<f64> = (0..NODES).map(|node| node as f64 * TAU / NODES as f64).collect();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("vectors");
    let mut writer = MatrixWriter::create(&path, 2, Storage::F32)?;
    for angle in &angles {
        writer.push(&[angle.cos() as f32, angle.sin() as f32])?;
    }
    writer.finish()?;
    let built = |seed| {
        let params = HnswParams { m: 3, ef_construction: 16, seed };
        build_hnsw(&folder.path().join("graph"), Matrix::open(&path)?, params)
    };
    let mut graph = built(0)?;
    for seed in 1.. {
        if graph.layer_count() == LAYERS {
            break;
        }
        graph = built(seed)?;
    }
    let layer = |level| {
        let (nodes, links) = graph.layer_rows(level);
        let number = |row: u32| row as usize;
        LayerOf {
            nodes: nodes.into_iter().map(number).collect(),
            links: links.into_iter().map(|(one, two)| (number(one), number(two))).collect(),
        }
    };
    let drawn: Vec<LayerOf> = (0..graph.layer_count()).map(layer).collect();
    Ok(format!(
        "\n{}\n\nThe layers of a graph that this program built over {NODES} vectors around a circle (M = 3). A search enters at the top, \
         walks to the nearest node there, and goes on from it one layer below.\n",
        layers("The layers of a graph", &angles, &drawn)
    ))
}
