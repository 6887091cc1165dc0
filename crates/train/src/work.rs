//! What one step does, for each kind of objective.

use std::path::Path;

use candle_core::{Device, Tensor};
use nir_nn::{Bound, Input, Role, Tokenizer, Tokens, Truncation};
use rand::seq::index;
use rayon::prelude::*;

use crate::examples::{self, Example, Teacher};
use crate::objectives::{Apart, Batch, masked_lm, regression};
use crate::order::{self, Order};
use crate::recipe::{Head, Objective, RankingTask, Recipe};
use crate::student::Student;
use crate::texts::Texts;
use crate::vectors::Stored;
use crate::{Error, Folders, Result};

/// How texts are turned into tokens for a head.
#[allow(clippy::large_enum_variant, reason = "there is one in a run")]
pub(crate) enum Writer {
    /// Queries and documents are read separately.
    Apart { query: Bound, document: Bound },
    /// A query and a document are read together.
    Pairs(Bound),
    /// All texts are read in the same way.
    Plain(Bound),
}

impl Writer {
    pub(crate) fn new(tokenizer: &Tokenizer, head: &Head) -> Result<Self> {
        let bind = |input: &Input, fields: &[&str]| {
            input.check(fields).map_err(Error::Unfit)?;
            Ok::<Bound, Error>(tokenizer.bind(input, Truncation::Longest)?)
        };
        let apart = |query: &Input, document: &Input| {
            Ok(Self::Apart { query: bind(query, &["text"])?, document: bind(document, &["text"])? })
        };
        match head {
            Head::Dense(head) => apart(&head.query, &head.document),
            Head::Sparse(head) => apart(&head.query, &head.document),
            Head::Late(head) => apart(&head.query, &head.document),
            Head::TermWeights(head) => apart(&head.query, &head.document),
            Head::CrossEncoder(head) => Ok(Self::Pairs(bind(&head.pair, &["query", "text"])?)),
            Head::MaskedLm(head) => Ok(Self::Plain(bind(&head.text, &["text"])?)),
        }
    }

    pub(crate) fn queries(&self, texts: &[&str]) -> Result<Vec<Tokens>> {
        match self {
            Self::Apart { query, .. } => all(query, texts),
            Self::Plain(bound) | Self::Pairs(bound) => all(bound, texts),
        }
    }

    pub(crate) fn documents(&self, texts: &[&str]) -> Result<Vec<Tokens>> {
        match self {
            Self::Apart { document, .. } => all(document, texts),
            Self::Plain(bound) | Self::Pairs(bound) => all(bound, texts),
        }
    }

    pub(crate) fn pairs(&self, pairs: &[(&str, &str)]) -> Result<Vec<Tokens>> {
        let Self::Pairs(bound) = self else { unreachable!("only a cross-encoder reads pairs") };
        let one = |(query, text): &(&str, &str)| {
            bound.encode(
                |name| if name == "query" { (*query).to_owned() } else { (*text).to_owned() },
            )
        };
        Ok(pairs.par_iter().map(one).collect::<nir_nn::Result<_>>()?)
    }
}

fn all(bound: &Bound, texts: &[&str]) -> Result<Vec<Tokens>> {
    let one = |text: &&str| bound.encode(|_| (*text).to_owned());
    Ok(texts.par_iter().map(one).collect::<nir_nn::Result<_>>()?)
}

/// The loss of a step, and the number of tokens that were read for it.
pub(crate) struct Loss {
    pub(crate) loss: Tensor,
    pub(crate) tokens: usize,
}

/// Everything that a step reads, except the weights.
pub(crate) struct Work<'a> {
    recipe: &'a Recipe,
    writer: &'a Writer,
    queries: &'a Texts,
    documents: &'a Texts,
    kind: Kind,
    order: Order,
    device: Device,
}

enum Kind {
    Words { mask: u32, words: std::ops::Range<u32> },
    Vectors { queries: Targets, documents: Targets },
    Candidates { examples: Vec<Example>, teacher: Option<Teacher> },
}

/// Texts with the teacher's vector of each.
struct Targets {
    /// Pairs of a text's row and its vector's row.
    rows: Vec<(usize, usize)>,
    vectors: Tensor,
}

impl<'a> Work<'a> {
    pub(crate) fn new(
        recipe: &'a Recipe,
        folders: &Folders<'_>,
        tokenizer: &Tokenizer,
        vocab: usize,
        writer: &'a Writer,
        (queries, documents): (&'a Texts, &'a Texts),
        device: &Device,
    ) -> Result<Self> {
        let kind = match &recipe.objective {
            Objective::MaskedLm(_) => Kind::words(tokenizer, vocab)?,
            Objective::Regression(task) => {
                Kind::vectors(&folders.models.join(&task.teacher), queries, documents, device)?
            }
            Objective::Ranking(task) => Kind::candidates(task, folders.models, queries, documents)?,
        };
        let order = order(recipe, folders.models, queries, documents, &kind)?;
        Ok(Self { recipe, writer, queries, documents, kind, order, device: device.clone() })
    }

    /// The loss of a step, counted from 0.
    pub(crate) fn loss(&mut self, student: &Student, step: usize) -> Result<Loss> {
        let batch = self.order.batch(step);
        match (&self.kind, &self.recipe.objective) {
            (Kind::Words { mask, words }, Objective::MaskedLm(config)) => {
                self.words(student, &batch, step, config, *mask, words)
            }
            (Kind::Vectors { queries, documents }, Objective::Regression(task)) => {
                self.vectors(student, &batch, task.loss, queries, documents)
            }
            (Kind::Candidates { examples, teacher }, Objective::Ranking(task)) => {
                self.candidates(student, &batch, step, task, examples, teacher.as_ref())
            }
            _ => unreachable!("the kind was made of the objective"),
        }
    }

    fn words(
        &self,
        student: &Student,
        batch: &[usize],
        step: usize,
        config: &masked_lm::Config,
        mask: u32,
        words: &std::ops::Range<u32>,
    ) -> Result<Loss> {
        let text = |&row: &usize| match row.checked_sub(self.documents.len()) {
            None => self.documents.text(row),
            Some(row) => self.queries.text(row),
        };
        let texts = self.writer.documents(&batch.iter().map(text).collect::<Vec<_>>())?;
        let tokens = texts.iter().map(Tokens::len).sum();
        let mut rng = order::rng(self.recipe.seed, step);
        let gaps = masked_lm::hide(config, texts, mask, words.clone(), &mut rng);
        if gaps.places.is_empty() {
            let problem = format!("step {step}: no token was hidden; take a larger batch");
            return Err(Error::Unfit(problem));
        }
        let logits = student.logits(&gaps.texts, &gaps.places)?; // [gaps, vocab]
        let truth = Tensor::new(gaps.tokens, &self.device)?;
        Ok(Loss { loss: masked_lm::loss(&logits, &truth)?, tokens })
    }

    fn vectors(
        &self,
        student: &Student,
        batch: &[usize],
        config: regression::Config,
        queries: &Targets,
        documents: &Targets,
    ) -> Result<Loss> {
        let (mut texts, mut targets) = (Vec::new(), Vec::new());
        for &place in batch {
            let (tokens, target) = match place.checked_sub(documents.rows.len()) {
                None => (
                    self.writer.documents(&[self.documents.text(documents.rows[place].0)])?,
                    documents.target(place)?,
                ),
                Some(place) => (
                    self.writer.queries(&[self.queries.text(queries.rows[place].0)])?,
                    queries.target(place)?,
                ),
            };
            texts.extend(tokens);
            targets.push(target);
        }
        let tokens = texts.iter().map(Tokens::len).sum();
        let encoded = student.encode(&texts, Role::Document)?; // a dense head reads both alike
        let loss = regression::loss(&config, encoded.vectors(), &Tensor::stack(&targets, 0)?)?;
        Ok(Loss { loss, tokens })
    }

    fn candidates(
        &self,
        student: &Student,
        batch: &[usize],
        step: usize,
        task: &RankingTask,
        examples: &[Example],
        teacher: Option<&Teacher>,
    ) -> Result<Loss> {
        let mut rng = order::rng(self.recipe.seed, step);
        let groups: Vec<(usize, Vec<usize>)> = batch
            .iter()
            .map(|&number| {
                let example = &examples[number];
                let drawn = index::sample(&mut rng, example.negatives.len(), task.negatives);
                let mut candidates = vec![example.positive];
                candidates.extend(drawn.iter().map(|place| example.negatives[place]));
                candidates.extend(index::sample(&mut rng, self.documents.len(), task.random));
                (example.query, candidates)
            })
            .collect();
        let teacher = teacher.map(|teacher| self.taught(teacher, &groups)).transpose()?;
        match student.reads_pairs() {
            true => self.pairs(student, task, &groups, teacher),
            false => self.apart(student, step, task, &groups, teacher),
        }
    }

    /// The teacher's scores, `[queries, candidates]`.
    fn taught(&self, teacher: &Teacher, groups: &[(usize, Vec<usize>)]) -> Result<Tensor> {
        let mut scores = Vec::new();
        for (query, documents) in groups {
            for &document in documents {
                let (query, document) = (self.queries.name(*query), self.documents.name(document));
                scores.push(teacher.score(query, document)?);
            }
        }
        Ok(Tensor::from_vec(scores, (groups.len(), groups[0].1.len()), &self.device)?)
    }

    fn pairs(
        &self,
        student: &Student,
        task: &RankingTask,
        groups: &[(usize, Vec<usize>)],
        teacher: Option<Tensor>,
    ) -> Result<Loss> {
        let texts: Vec<(&str, &str)> = groups
            .iter()
            .flat_map(|(query, documents)| {
                documents
                    .iter()
                    .map(|&document| (self.queries.text(*query), self.documents.text(document)))
            })
            .collect();
        let pairs = self.writer.pairs(&texts)?;
        let tokens = pairs.iter().map(Tokens::len).sum();
        let own = student.pair_scores(&pairs)?.reshape((groups.len(), ()))?; // [queries, candidates]
        let loss = task.loss.loss(&Batch::of_pairs(own, teacher))?;
        Ok(Loss { loss, tokens })
    }

    fn apart(
        &self,
        student: &Student,
        step: usize,
        task: &RankingTask,
        groups: &[(usize, Vec<usize>)],
        teacher: Option<Tensor>,
    ) -> Result<Loss> {
        let queries: Vec<&str> =
            groups.iter().map(|(query, _)| self.queries.text(*query)).collect();
        let documents = groups.iter().flat_map(|(_, documents)| documents);
        let documents: Vec<&str> = documents.map(|&row| self.documents.text(row)).collect();
        let (queries, documents) =
            (self.writer.queries(&queries)?, self.writer.documents(&documents)?);
        let tokens = queries.iter().chain(&documents).map(Tokens::len).sum();
        let queries = student.encode(&queries, Role::Query)?;
        let documents = student.encode(&documents, Role::Document)?;
        let batch = Batch::of_texts(queries, documents, teacher)?;
        let mut loss = task.loss.loss(&batch)?;
        if let Some(regulariser) = &self.recipe.regulariser {
            let Apart { queries, documents, .. } = batch.apart();
            loss = (loss + regulariser.penalty(step, queries.vectors(), documents.vectors())?)?;
        }
        Ok(Loss { loss, tokens })
    }
}

impl Kind {
    fn words(tokenizer: &Tokenizer, vocab: usize) -> Result<Self> {
        let mask = tokenizer.id("[MASK]")?;
        let words = (0..vocab as u32).find(|&id| !tokenizer.is_special(id)).unwrap_or_default();
        Ok(Self::Words { mask, words: words..vocab as u32 })
    }

    fn vectors(path: &Path, queries: &Texts, documents: &Texts, device: &Device) -> Result<Self> {
        let Stored { queries: of_queries, documents: of_documents } = Stored::load(path, device)?;
        let targets = |(names, vectors): (Vec<String>, Tensor), texts: &Texts| {
            let known = names.iter().enumerate();
            let rows = known.filter_map(|(row, name)| Some((texts.row(name)?, row))).collect();
            Targets { rows, vectors }
        };
        let (queries, documents) = (targets(of_queries, queries), targets(of_documents, documents));
        match queries.rows.is_empty() && documents.rows.is_empty() {
            true => {
                Err(Error::Unfit(format!("{}: has vectors of no text of `data`", path.display())))
            }
            false => Ok(Self::Vectors { queries, documents }),
        }
    }

    fn candidates(
        task: &RankingTask,
        models: &Path,
        queries: &Texts,
        documents: &Texts,
    ) -> Result<Self> {
        let path = models.join(&task.examples);
        let examples = examples::read(&path, queries, documents)?;
        if documents.len() < task.random {
            let problem = format!("`random = {}` of {} documents", task.random, documents.len());
            return Err(Error::Unfit(problem));
        }
        if let Some(poor) = examples.iter().find(|example| example.negatives.len() < task.negatives)
        {
            return Err(Error::Unfit(format!(
                "{}: query `{}` has {} negatives, the recipe draws {}",
                path.display(),
                queries.name(poor.query),
                poor.negatives.len(),
                task.negatives
            )));
        }
        let teacher = task
            .teacher
            .as_ref()
            .map(|teacher| Teacher::open(&models.join(teacher)))
            .transpose()?;
        Ok(Self::Candidates { examples, teacher })
    }

    /// The number of examples.
    fn examples(&self, queries: &Texts, documents: &Texts) -> usize {
        match self {
            Self::Words { .. } => queries.len() + documents.len(),
            Self::Vectors { queries, documents } => queries.rows.len() + documents.rows.len(),
            Self::Candidates { examples, .. } => examples.len(),
        }
    }
}

fn order(
    recipe: &Recipe,
    models: &Path,
    queries: &Texts,
    documents: &Texts,
    kind: &Kind,
) -> Result<Order> {
    let (seed, batch) = (recipe.seed, recipe.optimiser.batch);
    if let (Kind::Candidates { examples, .. }, Objective::Ranking(task)) = (kind, &recipe.objective)
        && let Some(clusters) = &task.clusters
    {
        let groups = examples::clusters(&models.join(clusters), queries, examples)?;
        return Ok(Order::Grouped { seed, groups, batch });
    }
    match kind.examples(queries, documents) {
        0 => Err(Error::Unfit("`data` holds no text".to_owned())),
        examples => Ok(Order::shuffled(seed, examples, batch)),
    }
}

impl Targets {
    fn target(&self, place: usize) -> Result<Tensor> {
        Ok(self.vectors.get(self.rows[place].1)?)
    }
}
