//! Recipes: every parameter of a training, written down.

use std::path::PathBuf;

use nir_nn::{Input, Pooling, Similarity};
use serde::{Deserialize, Serialize};

use crate::objectives::{Ranking, flops, masked_lm, regression};
use crate::{Error, Result};

/// The kind of thing that a recipe makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// A tokenizer: [`crate::vocabulary`].
    Vocabulary,
    /// A training set of ids: [`crate::negatives`].
    Negatives,
    /// Clusters of queries: [`crate::clusters`].
    Clusters,
    /// The vectors of a teacher: [`crate::vectors`].
    Vectors,
    /// A smaller copy of a model: [`crate::pack`].
    Pack,
    /// Trained weights: [`crate::trainer`].
    Train,
}

/// The task of a recipe, read without its other keys.
#[derive(Debug, Deserialize)]
pub struct Kind {
    /// The task.
    pub task: Task,
}

/// A recipe that trains weights.
///
/// `toml::from_str` reads it, and refuses unknown keys; [`check`](Self::check) finds values that contradict each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The task: always `train`.
    pub task: Task,
    /// One sentence that says what is trained, for the model card.
    pub summary: String,
    /// The seed of fresh weights, of the order of examples and of every other random choice.
    pub seed: u64,
    /// The network.
    pub model: Model,
    /// The head on top of the network.
    pub head: Head,
    /// The texts to learn from.
    pub data: Data,
    /// The loss, and the examples that it is computed over.
    pub objective: Objective,
    /// A term that is added to the loss to make vectors sparse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regulariser: Option<flops::Config>,
    /// The optimiser.
    pub optimiser: Optimiser,
    /// How progress is measured, and the best weights are chosen. Without it the last weights are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
}

/// The sizes of a BERT, and where its weights come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The folder of `tokenizer.json`, as a path below the folder of models.
    pub vocabulary: PathBuf,
    /// The folder of the weights to begin with, as a path below the folder of models; without it all weights are drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<PathBuf>,
    /// Patterns of tensors that are drawn although `init` is given: `["*encoder.layer*"]`.
    pub fresh: Vec<String>,
    /// Patterns of tensors that learn; `["*"]` is all of them.
    pub learn: Vec<String>,
    /// The number of blocks; with 0 the network is a bag of embeddings.
    pub layers: usize,
    /// The width of the hidden states.
    pub hidden: usize,
    /// The number of attention heads.
    pub heads: usize,
    /// The width inside the feed-forward part.
    pub intermediate: usize,
    /// The largest number of tokens of a text.
    pub positions: usize,
    /// The standard deviation of fresh weights: .02 in BERT.
    pub std: f64,
    /// The standard deviation of the two layers of each block whose output is added to its input. With 0, a fresh block
    /// passes its input on unchanged, so that a network grown on trained embeddings begins as good as they are.
    pub residual_std: f64,
    /// The standard deviation of the embeddings that tell a query's tokens from a document's. If it is as large as that
    /// of words, a cross-encoder sees from the first step in which of the two texts a token found a similar one.
    pub segment_std: f64,
    /// Multiples of the identity that fresh layers begin near.
    pub identity: Identity,
}

/// The multiples of the identity that are added to random weights. Over trained embeddings, attention then begins by
/// looking at tokens of similar meaning and by passing on what they are (Trockman and Kolter, ICML 2023, §4). All are 0
/// in BERT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// For the layers of queries and keys, block by block.
    pub look: Vec<f64>,
    /// For the layers of values and the layer after attention, block by block.
    pub carry: Vec<f64>,
    /// For the layer before the vocabulary: the most likely word of a token is then the token itself.
    pub words: f64,
}

/// The head on top of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Head {
    /// One vector for a text.
    Dense(Dense),
    /// One weight for each word of the vocabulary, by SPLADE's max pooling.
    Sparse(Sparse),
    /// One vector for each token of a text, as in ColBERT.
    Late(Late),
    /// One weight for each token of a text, as in uniCOIL.
    TermWeights(TermWeights),
    /// One score for a pair of texts.
    CrossEncoder(CrossEncoder),
    /// The prediction of hidden words.
    MaskedLm(Plain),
}

/// A head that makes one vector of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// How hidden states are pooled to a vector.
    pub pooling: Pooling,
    /// How vectors are compared.
    pub similarity: Similarity,
    /// The width of a linear layer after pooling; 0 for none.
    pub projection: usize,
    /// How a query is turned into tokens.
    pub query: Input,
    /// How a document is turned into tokens.
    pub document: Input,
}

/// A head that makes a sparse vector of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sparse {
    /// The first value of the bias of every fresh word. If it is negative, vectors begin sparse.
    pub bias: f64,
    /// How a query is turned into tokens.
    pub query: Input,
    /// How a document is turned into tokens.
    pub document: Input,
}

/// A head that makes a vector of each token: `normalise(W h_i)` with the layer `linear`, which has no bias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Late {
    /// The width of a token's vector.
    pub dim: usize,
    /// How a query is turned into tokens.
    pub query: Input,
    /// How a document is turned into tokens.
    pub document: Input,
}

/// A head that makes a weight of each token: `ReLU(v · h_i + b)` with the layer `tok_proj`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermWeights {
    /// The first value of `b`. If it is positive, every term counts from the first step.
    pub bias: f64,
    /// How a query is turned into tokens.
    pub query: Input,
    /// How a document is turned into tokens.
    pub document: Input,
}

/// A head that scores a query and a document which are read together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossEncoder {
    /// How the two are turned into tokens: `["{query}", "{text}"]`.
    pub pair: Input,
}

/// A head that reads single texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plain {
    /// How a text is turned into tokens.
    pub text: Input,
}

/// Files of texts, as paths below the folder of data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Files of documents, `doc_id TAB text`, plain or compressed.
    pub documents: Vec<PathBuf>,
    /// Files of queries, `query_id TAB text`, plain or compressed.
    pub queries: Vec<PathBuf>,
}

/// The loss, and the examples that it is computed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Objective {
    /// Hidden words are predicted, in every document and query.
    MaskedLm(masked_lm::Config),
    /// The vectors of a teacher are approached, for every text that it has one for.
    Regression(Regression),
    /// Candidates of queries are ranked.
    Ranking(RankingTask),
}

/// The vectors of a teacher, and the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regression {
    /// The file that a recipe of the task `vectors` wrote, as a path below the folder of models.
    pub teacher: PathBuf,
    /// The distance that is minimised.
    pub loss: regression::Config,
}

/// A training set of queries with candidates, and the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RankingTask {
    /// The training set, lines `query_id TAB positive TAB negative …`, as a path below the folder of models.
    pub examples: PathBuf,
    /// The number of an example's negatives that are drawn each time it is seen.
    pub negatives: usize,
    /// The number of documents of `data` that are drawn as further negatives, others each time. Documents that are easy
    /// to tell apart are learnt first.
    pub random: usize,
    /// A run with the teacher's scores, or `vectors.safetensors` whose inner products are the scores; as a path below
    /// the folder of models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<PathBuf>,
    /// Lines `query_id TAB cluster`, as a path below the folder of models. Each batch is drawn from one cluster of
    /// queries, as in TAS (Hofstätter et al., SIGIR 2021, `hofstatter2021tasb`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<PathBuf>,
    /// The loss.
    pub loss: Ranking,
}

/// The parameters of AdamW, see [`crate::optimiser`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimiser {
    /// The number of steps.
    pub steps: usize,
    /// The number of examples of a step.
    pub batch: usize,
    /// The highest learning rate.
    pub rate: f64,
    /// The number of steps over which the rate rises from 0; after them it falls to 0 at the last step.
    pub warm_up: usize,
    /// The decay of the moving mean of the gradient: β₁.
    pub beta1: f64,
    /// The decay of the moving mean of its square: β₂.
    pub beta2: f64,
    /// The number that is added to the root of the mean square: ε.
    pub eps: f64,
    /// The decoupled weight decay λ; biases and layer norms have none.
    pub weight_decay: f64,
    /// The largest norm of all gradients together; larger ones are scaled down to it.
    pub clip: f64,
    /// The number of steps between two checkpoints. The weights do not depend on it.
    pub checkpoint_every: usize,
}

/// A pool of candidates that is ranked at intervals; the weights that rank it best are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// The number of steps between two validations.
    pub every: usize,
    /// A file of queries, `query_id TAB text`, as a path below the folder of data.
    pub queries: PathBuf,
    /// A file of TREC judgements, as a path below the folder of data.
    pub qrels: PathBuf,
    /// A run with the candidates, as a path below the folder of models. Without it, every judged document of any
    /// query is a candidate of all queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<PathBuf>,
    /// The number of queries at the start of the file that are used.
    pub limit: usize,
    /// The measure by its name in `nir eval`, such as `RR@10`.
    pub measure: String,
}

/// The largest number of weights of a network; a larger number in a recipe is a mistake.
const MOST_NUMBERS: usize = 1 << 32;
/// The largest width of a layer; a larger number in a recipe is a mistake.
const MOST_WIDTH: usize = 1 << 16;

impl Recipe {
    /// Checks that the values of the recipe fit together; the error names the first ones that do not.
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
