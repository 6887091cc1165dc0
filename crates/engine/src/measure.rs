//! From a ranking to a result: its measures, its claims, its cost and where it comes from.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use indexmap::IndexMap;
use nir_catalogue::{Cell, Claimed, Measured, PerQuery, Scope as CellScope};
use nir_core::TrecRun;
use nir_data::{Dataset, Manifest, Scope};
use nir_eval::{Evaluation, Judged, Measure, Policy, evaluate};

use crate::engine::{Engine, Target, official_measures};
use crate::pipeline::Pipeline;
use crate::provenance::provenance;
use crate::rank::Finished;
use crate::tuned::check_not_tuned_on;

/// A dataset that is ready to be run over, which is a column in a table of results.
pub struct Column {
    /// The documents, queries and judgements.
    pub data: Dataset,
    /// The part of the dataset that methods may see.
    pub target: Target,
    /// Whether it is a whole collection or a sample.
    pub scope: CellScope,
    /// Whether it has a manifest, and so a name under which results can be kept.
    pub is_named: bool,
}

/// The outcome of running one method over one dataset.
pub struct Outcome {
    /// The result.
    pub cell: Cell,
    /// The measures of every query.
    pub per_query: PerQuery,
    /// The values of the measures that were asked for: the dataset's official ones, or others.
    pub evaluation: Evaluation,
    /// The path of the run file, in TREC's six columns.
    pub run_file: PathBuf,
}

impl Outcome {
    /// The result with all that was asked for, beside the dataset's official measures: what a report of this run shows.
    pub fn with_shown(&self) -> (Cell, PerQuery) {
        let (mut cell, mut per_query) = (self.cell.clone(), self.per_query.clone());
        let shown = measured(&self.evaluation).into_iter().zip(&self.evaluation.measured);
        for ((name, value), measured) in shown {
            if per_query.get(&name).is_none() {
                per_query.measures.push(name.clone());
                per_query.values.push(measured.per_query.clone());
            }
            cell.measures.insert(name, value);
        }
        (cell, per_query)
    }

    /// Reads the ranking. Fails if the file was removed or changed.
    pub fn run(&self) -> Result<TrecRun> {
        Ok(nir_data::trec::read_run(&self.run_file)?)
    }
}

impl Column {
    /// A dataset of a manifest, whose documents are in the cache. Fails if an official measure of the manifest is not
    /// known.
    pub fn of(data: Dataset, manifest: &Manifest) -> Result<Self> {
        let scope = match (manifest.card.scope, manifest.sample_of()) {
            (Scope::Sample, Some(whole)) => CellScope::SampleOf(whole.to_owned()),
            _ => CellScope::Full,
        };
        Ok(Self { target: Target::of(&data)?, data, is_named: true, scope })
    }

    /// A dataset of the user's own files, which has no name.
    pub fn own(data: Dataset) -> Result<Self> {
        Ok(Self { target: Target::of(&data)?, data, is_named: false, scope: CellScope::Full })
    }
}

impl Engine {
    /// Opens the dataset of a manifest for runs.
    ///
    /// # Errors
    ///
    /// If its files have not been fetched, or are damaged.
    pub fn dataset(&self, manifest: &Manifest) -> Result<Column> {
        Column::of(Dataset::open(self.cache.data(), manifest)?, manifest)
    }

    /// Runs a method over a dataset and measures the ranking, which comes from the cache if it is there.
    ///
    /// # Errors
    ///
    /// If a model, an index or a run file cannot be opened, a stage fails, or the ranking does not fit the judgements.
    pub fn run(&self, pipeline: &Pipeline, column: &Column) -> Result<Outcome> {
        self.measure(pipeline, column, self.rank(pipeline, &column.target)?, &[])
    }

    /// Measures a ranking. `shown` are measures to evaluate beside the dataset's official ones; it may be empty.
    pub fn measure(
        &self,
        pipeline: &Pipeline,
        column: &Column,
        finished: Finished,
        shown: &[Measure],
    ) -> Result<Outcome> {
        check_not_tuned_on(pipeline, &column.data)?;
        let official = official_measures(&column.data)?;
        let shown = if shown.is_empty() { &official } else { shown };
        outcome(column, pipeline, finished, (&official, shown))
    }
}

/// What the documents of a ranking over a dataset are judged by: its answers if it has any, else its judgements.
pub fn judged(dataset: &Dataset) -> Judged<'_> {
    match dataset.answers.is_empty() {
        true => Judged::Qrels(&dataset.qrels),
        false => Judged::Answers(&dataset.answers, &*dataset.corpus),
    }
}

fn outcome(
    column: &Column,
    pipeline: &Pipeline,
    finished: Finished,
    (official, shown): (&[Measure], &[Measure]),
) -> Result<Outcome> {
    let dataset = &column.data;
    let run = nir_data::trec::read_run(&finished.run_file)?;
    let method = &pipeline.method;
    let of_dataset = || method.claims.iter().filter(|claim| claim.dataset == dataset.name);
    let claimed = of_dataset().map(|claim| claim.measure.parse()).collect::<Result<Vec<_>, _>>()?;
    // All at once: answers are looked for in texts, which costs more than all measures together.
    let every = [official, shown, &claimed].concat();
    let all = evaluate(judged(dataset), &run, &every, Policy::default())?;
    let recorded = all.only(official);
    let (missing, judged) = (recorded.missing, recorded.queries.len());
    ensure!(
        missing < judged,
        "{} found no document for any of the {judged} judged queries of {}: there is nothing to measure",
        pipeline.method.name,
        dataset.name
    );
    let evaluation = all.only(shown);
    let ours = all.only(&claimed).measured.into_iter().map(|measured| measured.value);
    let claims =
        of_dataset().zip(ours).map(|(claim, ours)| Claimed::new(claim.clone(), ours)).collect();
    let origin = dataset.origin.kind().to_owned();
    let cell = Cell {
        method: method.name.clone(),
        name: method.card.name.clone(),
        paper: method.card.paper.clone(),
        dataset: dataset.name.clone(),
        scope: column.scope.clone(),
        documents: dataset.corpus.len(),
        queries: recorded.queries.len(),
        policy: recorded.policy.to_string(),
        measures: measured(&recorded),
        claims,
        provenance: provenance(pipeline, dataset.digest.hex(), origin, &finished.origins),
        precision: finished.origins.precision.clone(),
        cost: finished.cost,
    };
    let (per_query, run_file) = (per_query(&recorded), finished.run_file);
    Ok(Outcome { cell, per_query, evaluation, run_file })
}

fn measured(evaluation: &Evaluation) -> IndexMap<String, Measured> {
    let one = |measured: &nir_eval::Measured| Measured {
        value: measured.value,
        tied_queries: measured.ties.open,
        worst: measured.ties.worst,
        best: measured.ties.best,
    };
    evaluation
        .measured
        .iter()
        .map(|measured| (measured.measure.to_string(), one(measured)))
        .collect()
}

fn per_query(evaluation: &Evaluation) -> PerQuery {
    let measured = &evaluation.measured;
    PerQuery {
        measures: measured.iter().map(|measured| measured.measure.to_string()).collect(),
        queries: evaluation.queries.iter().map(|query| query.query_id.clone()).collect(),
        values: measured.iter().map(|measured| measured.per_query.clone()).collect(),
    }
}
