//! How good the weights of this moment are: a small pool is ranked and measured.

use std::collections::BTreeSet;

use nir_core::{Progress, Qrels, Task, TrecRun};
use nir_data::trec::{read_qrels, read_run};
use nir_eval::{Measure, Policy, evaluate};
use nir_nn::{Role, Tokens, batches};

use crate::encoded::Encoded;
use crate::recipe::Validation;
use crate::student::Student;
use crate::texts::Texts;
use crate::work::Writer;
use crate::{Error, Folders, Result};

/// The number of tokens that pass through the network at once.
const BATCH_TOKENS: usize = 8_192;

/// The queries, candidates and judgements of a validation.
pub(crate) struct Pool {
    queries: Texts,
    /// For each query: its row, and the rows of its candidates among the documents.
    candidates: Vec<(usize, Vec<usize>)>,
    qrels: Qrels,
    measure: Measure,
}

impl Pool {
    pub(crate) fn new(
        config: &Validation,
        folders: &Folders<'_>,
        documents: &Texts,
    ) -> Result<Self> {
        let queries = Texts::queries(&[folders.data.join(&config.queries)])?;
        let measure = config
            .measure
            .parse()
            .map_err(|error| Error::Unfit(format!("`validation.measure`: {error}")))?;
        let all = read_qrels(&folders.data.join(&config.qrels))?;
        let asked = (0..queries.len()).filter(|&row| all.get(queries.name(row)).is_some());
        let asked: Vec<usize> = asked.take(config.limit).collect();
        let mut qrels = Qrels::default();
        for &row in &asked {
            let query = queries.name(row);
            let judged = all.get(query).expect("queries without judgements were left out");
            for (doc_id, &grade) in judged {
                qrels.insert(query, doc_id, grade);
            }
        }
        let candidates = match &config.candidates {
            Some(run) => given(&read_run(&folders.models.join(run))?, &asked, &queries, documents),
            None => shared(&qrels, &asked, documents),
        };
        match candidates.iter().all(|(_, documents)| documents.is_empty()) {
            true => Err(Error::Unfit(
                "`validation` finds no candidate among `data.documents`".to_owned(),
            )),
            false => Ok(Self { queries, candidates, qrels, measure }),
        }
    }

    /// Ranks the candidates with the current weights, and returns the value of the measure.
    pub(crate) fn measure(
        &self,
        student: &Student,
        writer: &Writer,
        documents: &Texts,
        progress: &dyn Progress,
    ) -> Result<f64> {
        let run = match student.reads_pairs() {
            true => self.by_pairs(student, writer, documents, progress)?,
            false => self.by_texts(student, writer, documents, progress)?,
        };
        let evaluation = evaluate(&self.qrels, &run, &[self.measure], Policy::TREC_EVAL_9)?;
        Ok(evaluation.measured[0].value)
    }

    fn by_pairs(
        &self,
        student: &Student,
        writer: &Writer,
        documents: &Texts,
        progress: &dyn Progress,
    ) -> Result<TrecRun> {
        let pairs = self.candidates.iter().map(|(_, candidates)| candidates.len()).sum::<usize>();
        let task = progress.begin("validation", "pairs", pairs as u64);
        let mut run = TrecRun::default();
        for (query, candidates) in &self.candidates {
            let text = |&row: &usize| (self.queries.text(*query), documents.text(row));
            let pairs = writer.pairs(&candidates.iter().map(text).collect::<Vec<_>>())?;
            let scores = in_batches(&pairs, &*task, |batch| {
                Ok(student.pair_scores(batch)?.to_vec1::<f32>()?)
            })?;
            self.push(&mut run, *query, candidates, &scores, documents);
        }
        Ok(run)
    }

    fn by_texts(
        &self,
        student: &Student,
        writer: &Writer,
        documents: &Texts,
        progress: &dyn Progress,
    ) -> Result<TrecRun> {
        let pool: BTreeSet<usize> =
            self.candidates.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
        let pool: Vec<usize> = pool.into_iter().collect();
        let texts: Vec<&str> = pool.iter().map(|&row| documents.text(row)).collect();
        let asked: Vec<&str> =
            self.candidates.iter().map(|(query, _)| self.queries.text(*query)).collect();
        let task = progress.begin("validation", "texts", (texts.len() + asked.len()) as u64);
        let encode = |tokens: &[Tokens], role| {
            in_batches(tokens, &*task, |batch| student.encode(batch, role)?.split())
        };
        let texts = Encoded::join(encode(&writer.documents(&texts)?, Role::Document)?)?;
        let queries = encode(&writer.queries(&asked)?, Role::Query)?;
        let mut run = TrecRun::default();
        for ((query, candidates), encoded) in self.candidates.iter().zip(queries) {
            let scores = encoded.scores(&texts)?.flatten_all()?.to_vec1::<f32>()?; // [pool]
            let place =
                |row: &usize| pool.binary_search(row).expect("the pool has every candidate");
            let scores: Vec<f32> = candidates.iter().map(|row| scores[place(row)]).collect();
            self.push(&mut run, *query, candidates, &scores, documents);
        }
        Ok(run)
    }

    fn push(
        &self,
        run: &mut TrecRun,
        query: usize,
        candidates: &[usize],
        scores: &[f32],
        documents: &Texts,
    ) {
        let list = run.list_mut(self.queries.name(query));
        for (rank, (&row, &score)) in candidates.iter().zip(scores).enumerate() {
            list.push(documents.name(row), f64::from(score), rank as u32 + 1);
        }
    }
}

/// The candidates of a run; documents without a text are left out.
fn given(
    run: &TrecRun,
    asked: &[usize],
    queries: &Texts,
    documents: &Texts,
) -> Vec<(usize, Vec<usize>)> {
    let of = |&query: &usize| {
        let list = run.get(queries.name(query)).into_iter().flat_map(nir_core::RankedList::iter);
        (query, list.filter_map(|(name, _)| documents.row(name)).collect())
    };
    asked.iter().map(of).collect()
}

/// Every judged document as a candidate of every query.
fn shared(qrels: &Qrels, asked: &[usize], documents: &Texts) -> Vec<(usize, Vec<usize>)> {
    let judged = qrels.iter().flat_map(|(_, judged)| judged.keys());
    let pool: BTreeSet<usize> = judged.filter_map(|name| documents.row(name)).collect();
    let pool: Vec<usize> = pool.into_iter().collect();
    asked.iter().map(|&query| (query, pool.clone())).collect()
}

/// What `each` makes of every text, in their order; texts of like length go through it together.
fn in_batches<T>(
    texts: &[Tokens],
    task: &dyn Task,
    each: impl Fn(&[Tokens]) -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    let lengths: Vec<usize> = texts.iter().map(Tokens::len).collect();
    let mut made: Vec<Option<T>> = texts.iter().map(|_| None).collect();
    for places in batches(&lengths, BATCH_TOKENS) {
        let batch: Vec<Tokens> = places.iter().map(|&place| texts[place].clone()).collect();
        for (one, &place) in each(&batch)?.into_iter().zip(&places) {
            made[place] = Some(one);
        }
        task.advance(places.len() as u64);
    }
    Ok(made.into_iter().flatten().collect())
}
