//! Recipes: every parameter of a training, written down.

use std::path::PathBuf;

use nir_nn::{Input, Pooling, Similarity};
use serde::{Deserialize, Serialize};

use crate::objectives::{Ranking, flops, masked_lm, regression};
use crate::{Error, Result};

/// What a recipe makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// A tokenizer: [`crate::vocabulary`].
    Vocabulary,
    /// A training set of ids: [`crate::negatives`].
    Negatives,
    /// Topics of queries: [`crate::clusters`].
    Clusters,
    /// A teacher's vectors: [`crate::vectors`].
    Vectors,
    /// A smaller copy of a model: [`crate::pack`].
    Pack,
    /// Weights: [`crate::trainer`].
    Train,
}

/// Reads the task of a recipe and nothing else.
#[derive(Debug, Deserialize)]
pub struct Kind {
    /// What it makes.
    pub task: Task,
}

/// A training of weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Always `train`.
    pub task: Task,
    /// One sentence on what it trains, for the model card.
    pub summary: String,
    /// Decides fresh weights, the order of examples and every random choice.
    pub seed: u64,
    /// The network.
    pub model: Model,
    /// What stands on top of it.
    pub head: Head,
    /// What it learns from.
    pub data: Data,
    /// What is minimised.
    pub objective: Objective,
    /// What is added for sparse vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regulariser: Option<flops::Config>,
    /// How it is minimised.
    pub optimiser: Optimiser,
    /// How progress is measured. Without it the last weights are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
}

/// A BERT, and where its weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The folder with `tokenizer.json`, below the folder of models.
    pub vocabulary: PathBuf,
    /// The folder of the weights to begin with, below the folder of models; without it all are drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<PathBuf>,
    /// Tensors that are drawn although `init` is given, as patterns: `["*encoder.layer*"]`.
    pub fresh: Vec<String>,
    /// Tensors that learn, as patterns; `["*"]` is all.
    pub learn: Vec<String>,
    /// How many blocks; with none the network is a bag of embeddings.
    pub layers: usize,
    /// Width of the hidden states.
    pub hidden: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Width inside the feed-forward part.
    pub intermediate: usize,
    /// The most tokens of a text.
    pub positions: usize,
    /// Standard deviation of fresh weights: .02 in BERT.
    pub std: f64,
    /// The same of the two layers of each block whose output is added to its input. With 0 a fresh block passes on what it
    /// is given, so that a network grown on trained embeddings begins as good as they are.
    pub residual_std: f64,
    /// The same of the embeddings that tell a query's tokens from a document's. As large as those of words, a cross-encoder
    /// sees from the first step in which of the two a token found its like.
    pub segment_std: f64,
    /// What fresh layers begin near, where not near zero.
    pub identity: Identity,
}

/// How much of the identity is added to what is drawn. Over trained embeddings attention then begins by looking at tokens
/// of like meaning and by passing on what they are (Trockman and Kolter, ICML 2023, §4). All 0 in BERT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// To queries and keys, block by block.
    pub look: Vec<f64>,
    /// To values and to the layer after attention, block by block.
    pub carry: Vec<f64>,
    /// To the layer before the vocabulary: a token's own word begins as its likeliest.
    pub words: f64,
}

/// What stands on top of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Head {
    /// One vector.
    Dense(Dense),
    /// A weight for each word of the vocabulary: SPLADE's max pooling.
    Sparse(Sparse),
    /// A score for a pair.
    CrossEncoder(CrossEncoder),
    /// The words that are hidden.
    MaskedLm(Plain),
}

/// One vector for a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Which hidden states become the vector.
    pub pooling: Pooling,
    /// How vectors are compared.
    pub similarity: Similarity,
    /// The width of a linear layer after pooling; 0 for none.
    pub projection: usize,
    /// How a query is written.
    pub query: Input,
    /// How a document is written.
    pub document: Input,
}

/// A sparse vector for a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sparse {
    /// What the bias of every fresh word begins with: below 0 a vector begins sparse.
    pub bias: f64,
    /// How a query is written.
    pub query: Input,
    /// How a document is written.
    pub document: Input,
}

/// A query and a document read together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossEncoder {
    /// How they are written: `["{query}", "{text}"]`.
    pub pair: Input,
}

/// Texts by themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plain {
    /// How a text is written.
    pub text: Input,
}

/// Files below the folder of data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// `doc_id TAB text`, plain or compressed.
    pub documents: Vec<PathBuf>,
    /// `query_id TAB text`.
    pub queries: Vec<PathBuf>,
}

/// What is minimised, and on which examples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Objective {
    /// Hidden words are predicted, in every document and query.
    MaskedLm(masked_lm::Config),
    /// A teacher's vectors are approached, of every text that it has one for.
    Regression(Regression),
    /// Candidates of queries are ranked.
    Ranking(RankingTask),
}

/// Texts with a teacher's vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regression {
    /// The file that a recipe of the task `vectors` wrote, below the folder of models.
    pub teacher: PathBuf,
    /// What is minimised.
    pub loss: regression::Config,
}

/// Queries with candidates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RankingTask {
    /// The training set: `query_id TAB positive TAB negative …`, below the folder of models.
    pub examples: PathBuf,
    /// How many of an example's negatives are drawn each time it is seen.
    pub negatives: usize,
    /// How many documents of `data` are drawn beside them, each time others: what is easily told apart is learnt first.
    pub random: usize,
    /// A run whose scores are the teacher's, or `vectors.safetensors` whose inner products are; below the folder of models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<PathBuf>,
    /// `query_id TAB cluster`, below the folder of models: each batch is drawn from one cluster of queries, as TAS does
    /// (Hofstätter et al., SIGIR 2021, `hofstatter2021tasb`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<PathBuf>,
    /// What is minimised.
    pub loss: Ranking,
}

/// AdamW: see [`crate::optimiser`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimiser {
    /// How many steps are taken.
    pub steps: usize,
    /// Examples in a step.
    pub batch: usize,
    /// The highest learning rate.
    pub rate: f64,
    /// Steps over which the rate rises from 0; it then falls to 0 at the last step.
    pub warm_up: usize,
    /// Mean of the gradient: decay of the old value.
    pub beta1: f64,
    /// Mean of its square: decay of the old value.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub eps: f64,
    /// Decoupled decay; biases and layer norms have none.
    pub weight_decay: f64,
    /// The largest norm of all gradients together; larger ones are scaled down to it.
    pub clip: f64,
    /// Steps between two checkpoints. It changes no weight.
    pub checkpoint_every: usize,
}

/// A pool of candidates that is ranked now and then; the weights that rank it best are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// Steps between two.
    pub every: usize,
    /// `query_id TAB text`, below the folder of data.
    pub queries: PathBuf,
    /// TREC judgements, below the folder of data.
    pub qrels: PathBuf,
    /// A run with the candidates, below the folder of models; without it every relevant document of every query is a
    /// candidate of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<PathBuf>,
    /// The first queries of the file, this many.
    pub limit: usize,
    /// By its name in `nir eval`, such as `RR@10`.
    pub measure: String,
}

/// Numbers of a network; more is a slip of the pen.
const MOST_NUMBERS: usize = 1 << 32;
/// The same of its width.
const MOST_WIDTH: usize = 1 << 16;

impl Recipe {
    /// What cannot be meant, though each value by itself could be.
    pub fn check(&self) -> Result<()> {
        let blocks = |amounts: &[f64]| amounts.len() == self.model.layers;
        let numbers = self
            .model
            .layers
            .checked_mul(4 * self.model.hidden.saturating_add(self.model.intermediate));
        let largest = numbers.and_then(|rows| rows.checked_mul(self.model.hidden));
        let rules: [(bool, &str); 9] = [
            (
                largest.is_some_and(|numbers| numbers < MOST_NUMBERS)
                    && self.model.hidden < MOST_WIDTH,
                "`model.layers`, `model.hidden` and `model.intermediate` make a network of more than 4 billion numbers",
            ),
            (
                blocks(&self.model.identity.look) && blocks(&self.model.identity.carry),
                "`model.identity` needs one `look` and one `carry` for each of `model.layers`",
            ),
            (
                matches!(self.head, Head::MaskedLm(_))
                    == matches!(self.objective, Objective::MaskedLm(_)),
                "`head.masked-lm` and `objective.masked-lm` need each other",
            ),
            (
                matches!(self.head, Head::Dense(_))
                    || !matches!(self.objective, Objective::Regression(_)),
                "`objective.regression` needs `head.dense`",
            ),
            (
                !matches!((&self.head, &self.objective), (Head::CrossEncoder(_), Objective::Ranking(task)) if task.loss.needs().apart),
                "a cross-encoder has no vectors to compare across a batch: take another `loss` than `in-batch-softmax`",
            ),
            (
                self.regulariser.is_none() || matches!(self.head, Head::Sparse(_)),
                "`regulariser` is for `head.sparse`",
            ),
            (
                self.validation.is_none() || !matches!(self.objective, Objective::MaskedLm(_)),
                "a masked language model ranks nothing: leave `validation` out",
            ),
            (
                self.optimiser.batch > 0 && self.optimiser.checkpoint_every > 0,
                "`batch` and `checkpoint_every` must be at least 1",
            ),
            (
                self.validation.as_ref().is_none_or(|validation| validation.every > 0),
                "`validation.every` must be at least 1",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, problem)) => Err(Error::Unfit((*problem).to_owned())),
            None => self.check_objective(),
        }
    }

    fn check_objective(&self) -> Result<()> {
        let Objective::Ranking(task) = &self.objective else { return Ok(()) };
        let fewest = task.loss.needs().candidates;
        if 1 + task.negatives + task.random < fewest {
            let problem = format!(
                "this `loss` compares at least {fewest} candidates of a query, found `negatives = {}` and `random = {}`",
                task.negatives, task.random
            );
            return Err(Error::Unfit(problem));
        }
        match task.loss.needs().teacher && task.teacher.is_none() {
            true => {
                Err(Error::Unfit("this `loss` needs a `teacher`: a run with scores".to_owned()))
            }
            false => Ok(()),
        }
    }
}
