//! RankT5: T5 with a number for an answer.
//! Zhuang, Qin, Jagerman, Hui, Ma, Lu, Ni, Wang and Bendersky, SIGIR 2023 (`zhuang2022rankt5`).
//!
//! monoT5 learns words and is then used as if it had learned a score. Here the score itself is learned, with a ranking loss over
//! the candidates of a query, and there are two forms. The encoder-decoder has one step, in which the logit of a token that has no
//! other use is the score. The encoder alone has a dense layer over its first state or over the mean of all.
//!
//! ```text
//! encoder-decoder   s(q, d) = z_token                    the logit of `<extra_id_10>` at the first position
//! encoder           s(q, d) = W · pool(h_1 … h_n) + b
//! ```
//!
//! | symbol    | is                                                                                  |
//! |-----------|-------------------------------------------------------------------------------------|
//! | `z_token` | the logit of `score.token`, before any softmax                                       |
//! | `h_i`     | the encoder's last state of token `i`, `[hidden]`                                    |
//! | `W`, `b`  | the layer `score.layer`, `[1, hidden]` and `[1]`                                     |
//!
//! Unclear in the paper: which token; `<extra_id_10>` (32089) is the one of the authors' checkpoints.
//!
//! Try it: `nir run seq2seq/rankt5-base --on beir-scifact`

use std::sync::Arc;

use nir_core::{Corpus, Query, Ranking, Reranker, Result};
use nir_nn::checkpoint::Wanted;
use nir_nn::heads::{Projection, Vector};
use nir_nn::{Hidden, Model, Pooling, Prompt};
use serde::{Deserialize, Serialize};

use crate::model::ModelSource;
use crate::prompted::{self, Fields, Prompted};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// T5: an encoder-decoder, or an encoder with a dense layer.
    pub model: ModelSource,
    /// What it reads: a text with `{query}` and `{document}`, which stands for title and text.
    pub prompt: String,
    /// What of the model's output is the score.
    pub score: Score,
    /// The largest number of tokens of a prompt, including special ones.
    pub max_length: usize,
    /// How many candidates of each query are scored; the others are dropped.
    pub depth: usize,
}

/// What of the model's output is the score.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Score {
    /// The logit of this token at the first position of the decoder.
    Token(String),
    /// A layer with one output over the encoder's pooled states.
    Layer {
        /// The name of the layer in the checkpoint.
        name: String,
        /// How the states are pooled.
        pooling: Pooling,
    },
}

impl Algorithm for Config {
    const NAME: &'static str = "rankt5";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "zhuang2022rankt5";
    const SHAPE: Shape = Shape::Reranker;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let scorer = match &self.score {
            Score::Token(token) => self.decoder(context, token)?,
            Score::Layer { name, pooling } => self.encoder(context, name, *pooling)?,
        };
        let (depth, corpus) = (self.depth, Arc::clone(&context.corpus));
        Ok(Stage::Reranker(Box::new(RankT5 { scorer, depth, corpus })))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        prompted::check(&self.prompt, &["query", "document"], self.max_length)
    }

    fn weights(&self) -> Vec<Wanted> {
        self.model.checkpoints()
    }
}

/// The fields that give way in a long prompt.
const GIVES_WAY: [&str; 2] = ["document", "query"];

impl Config {
    fn decoder(&self, context: &Context<'_>, token: &str) -> Result<Scorer> {
        let prompt = (self.prompt.as_str(), self.max_length);
        let reader = Prompted::load(context, &self.model, prompt, &GIVES_WAY)?;
        let token = reader.model.tokenizer().id(token)?;
        Ok(Scorer::Decoder { reader, token })
    }

    fn encoder(&self, context: &Context<'_>, layer: &str, pooling: Pooling) -> Result<Scorer> {
        let projection = Projection { linear: layer.to_owned(), norm: None };
        let model = self.model.load(context, |architecture, tensors| {
            Vector::load(architecture, tensors, pooling, Some(&projection))
        })?;
        let prompt = model.tokenizer.bind_prompt(&self.prompt, &GIVES_WAY, self.max_length)?;
        Ok(Scorer::Encoder { model, prompt })
    }
}

enum Scorer {
    Decoder { reader: Prompted, token: u32 },
    Encoder { model: Arc<Model<Vector>>, prompt: Prompt },
}

impl Scorer {
    /// The score of every prompt.
    fn scores(&self, prompts: &[Fields<'_>]) -> Result<Vec<f32>> {
        match self {
            Self::Decoder { reader, token } => {
                Ok(reader.first(prompts, [*token])?.into_iter().flatten().collect())
            }
            Self::Encoder { model, prompt } => {
                let tokens = prompted::tokens(prompt, prompts)?;
                let head = |hidden: &Hidden| model.head.forward(hidden);
                let text = |at: usize| prompted::named(&prompts[at]);
                let table = model.encoder.table(&tokens, model.head.rows(), head, text)?;
                match table.width {
                    0 | 1 => Ok(table.rows),
                    width => Err(format!(
                        "the layer has {width} outputs, and a score is one number: name another in `score`"
                    )
                    .into()),
                }
            }
        }
    }
}

struct RankT5 {
    scorer: Scorer,
    depth: usize,
    corpus: Arc<dyn Corpus>,
}

impl Reranker for RankT5 {
    fn depth(&self) -> usize {
        self.depth
    }

    fn rerank(&self, query: &Query, candidates: &Ranking) -> Result<Ranking> {
        candidates.rescored(self.depth, &*self.corpus, |docs| {
            self.scorer.scores(&prompted::pairs(query, docs, &*self.corpus))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::Path;

    use candle_core::{DType, Device, Tensor};

    use nir_core::{DocNo, Scored};

    use super::*;
    use crate::testing::{Lent, assert_ranked, fixture, recorded};

    fn config(folder: &str, prompt: &str, score: &str) -> Config {
        toml::from_str(&format!(
            "model = {{ weights = \"file:{folder}\" }}\nprompt = \"{prompt}\"\nscore = {score}\nmax_length = 100\ndepth = 10"
        ))
        .unwrap()
    }

    fn scored(config: &Config, query: &str, document: &'static str) -> f32 {
        let lent = Lent::new([("d", document)]);
        let all = vec![Scored { doc: DocNo(0), score: 1.0 }];
        let candidates = Ranking::top(1, all, lent.corpus());
        lent.rerank(config, query, &candidates)[0].score
    }

    #[test]
    fn the_score_is_the_reference_s_logit_of_the_token() {
        let (_, logits) = recorded("writers/t5", "prompt");
        let (folder, _) = fixture("writers/t5");
        let prompt = "Query: {query} Document: {document} Relevant:";
        let config = config(&folder, prompt, "{ token = \"<extra_id_10>\" }");
        let found = scored(&config, "how long to bake bread", "Bread rises faster in warm rooms.");
        assert_ranked(&[("d", found)], &[("d", logits("<extra_id_10>"))]);
    }

    /// The encoder of the fixture `t5` with a layer of one output, whose weights are these.
    fn with_layer(weight: &[f32], bias: f32, to: &Path) {
        let from = fixture("t5").0;
        for name in ["config.json", "tokenizer.json"] {
            std::fs::copy(Path::new(&from).join(name), to.join(name)).unwrap();
        }
        let weights = candle_core::safetensors::load(
            Path::new(&from).join("model.safetensors"),
            &Device::Cpu,
        );
        let mut weights: HashMap<String, Tensor> = weights.unwrap();
        let row = Tensor::new(weight, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        weights.insert("dense.weight".to_owned(), row);
        let bias = Tensor::new(&[bias], &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
        weights.insert("dense.bias".to_owned(), bias);
        candle_core::safetensors::save(&weights, to.join("model.safetensors")).unwrap();
    }

    #[test]
    fn the_encoder_s_score_is_a_layer_over_its_pooled_states() {
        let (_, expected) = fixture("t5");
        let states = expected("sentence", "mean"); // PyTorch's mean of the states, [hidden]
        let weight: Vec<f32> = (0..states.len()).map(|i| i as f32 / 10.0 - 1.0).collect();
        let folder = tempfile::tempdir().unwrap();
        with_layer(&weight, 0.5, folder.path());
        let score = "{ layer = { name = \"dense\", pooling = \"mean\" } }";
        // The text of the case, cut in two: the prompt joins the halves.
        let config = config(folder.path().to_str().unwrap(), "{query} {document}", score);
        let found = scored(&config, "Which treatment lowers", "blood pressure, and why?");
        let dot: f32 = weight.iter().zip(&states).map(|(w, h)| w * h).sum();
        assert_ranked(&[("d", found)], &[("d", dot + 0.5)]);
    }
}
