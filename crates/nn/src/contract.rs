//! What a checkpoint says of itself, as sentence-transformers writes it down, held against what a config says.
//!
//! | file                                   | says                                                                |
//! |----------------------------------------|---------------------------------------------------------------------|
//! | `modules.json`                         | which modules follow the encoder, in order                           |
//! | `1_Pooling/config.json`                | how hidden states become one vector, and whether a prompt counts      |
//! | `2_Dense`, `2_LayerNorm`, `2_Normalize` | layers after pooling, any number of them                            |
//! | `1_WordWeights`                        | how much each word of the vocabulary counts                          |
//! | `sentence_bert_config.json`            | how many tokens are read, and whether in lower case                  |
//! | `config_sentence_transformers.json`    | prompts, and how two vectors are compared                            |
//!
//! Layers, weights of words and lower case are applied. What a config says too must be the same; where it means to depart,
//! it names what in its card (`overrides`), with a sentence that says why (`differs`).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::checkpoint::{Checkpoint, Weights};
use crate::heads::LogitPooling;
use crate::heads::layer::{Layer, NORM_EPS, Projection, Residual};
use crate::json::read_json;
use crate::layers::{LayerNorm, Linear};
use crate::{Activation, Backend, Error, Pooling, Poolings, Result, Similarity, Tensors};

/// The names that a card's `overrides` may list: each is a setting in which a config may contradict its checkpoint.
pub const OVERRIDES: [&str; 10] = [
    "pooling",
    "projection",
    "similarity",
    "max_length",
    "prompt",
    "lower_case",
    "special_tokens",
    "marker",
    "punctuation",
    "fill",
];

/// The `overrides` of a card: the settings in which the config contradicts its checkpoint on purpose.
pub type Overrides = [String];

/// Everything that the files of sentence-transformers in a checkpoint state.
#[derive(Debug)]
pub struct Contract {
    /// The modules after the encoder; `None` if no file lists them.
    pub chain: Option<Chain>,
    /// The number of tokens that are read of a text, special tokens included.
    pub max_length: Option<Said<usize>>,
    /// The prompts, and how two vectors are compared.
    pub card: Card,
    /// The path of the file with the prompts, for messages; there may be no such file.
    card_file: PathBuf,
}

/// A value, and the file that states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<T> {
    /// The value.
    pub value: T,
    /// The path of the file.
    pub file: PathBuf,
}

/// The modules that follow the encoder, in order.
#[derive(Debug)]
pub struct Chain {
    /// The file that lists them: `modules.json`, or `1_Pooling/config.json` where there is no such file.
    file: PathBuf,
    /// The module directly after the encoder.
    pub head: Head,
    word_weights: Option<String>,
    steps: Vec<Step>,
}

/// What the module directly after the encoder makes of the hidden states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// One vector for each text.
    Pooling {
        /// How hidden states are pooled; several results are joined to one vector.
        pooling: Poolings,
        /// Whether the tokens of a prompt take part in pooling.
        include_prompt: bool,
        /// The path of the file that states it.
        file: PathBuf,
    },
    /// One weight for each word of the vocabulary.
    Splade {
        /// How the logits of all tokens are pooled.
        pooling: LogitPooling,
        /// The path of the file that states it.
        file: PathBuf,
    },
}

/// A module after pooling, with the name of its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Dense(String),
    LayerNorm(String),
    Normalize,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dense(folder) | Self::LayerNorm(folder) => write!(f, "`{folder}`"),
            Self::Normalize => f.write_str("Normalize"),
        }
    }
}

/// The keys of `config_sentence_transformers.json` that have an effect.
#[derive(Debug, Default, Deserialize)]
pub struct Card {
    /// The prompts by their names; a prompt is a text that is put before others.
    #[serde(default)]
    pub prompts: BTreeMap<String, String>,
    /// The name of the prompt that is used where no other is asked for.
    #[serde(default)]
    pub default_prompt_name: Option<String>,
    /// How vectors are compared: `cosine`, `dot`, `euclidean` or `manhattan`.
    #[serde(default)]
    pub similarity_fn_name: Option<String>,
    /// The class of the model: `SentenceTransformer`, `SparseEncoder` or `CrossEncoder`.
    #[serde(default)]
    pub model_type: Option<String>,
}

/// An entry of `modules.json`.
#[derive(Debug, Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// The keys of `sentence_bert_config.json` that have an effect; the others tell the library how to load the encoder.
#[derive(Deserialize)]
struct Limits {
    #[serde(default)]
    max_seq_length: Option<usize>,
}

/// The content of `2_Dense/config.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dense {
    in_features: usize,
    out_features: usize,
    #[serde(default = "yes")]
    bias: bool,
    activation_function: Option<String>,
    #[serde(default)]
    use_residual: bool,
    #[serde(default)]
    module_input_name: Option<String>,
    #[serde(default)]
    module_output_name: Option<String>,
}

fn yes() -> bool {
    true
}

/// The content of `2_LayerNorm/config.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Norm {
    dimension: usize,
}

/// The content of `1_WordWeights/config.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WordWeights {
    vocab: Vec<String>,
    #[serde(rename = "word_weights")]
    weights: BTreeMap<String, f32>,
    #[serde(default = "one")]
    unknown_word_weight: f32,
}

fn one() -> f32 {
    1.0
}

/// The keys of `1_SpladePooling/config.json` that have an effect.
#[derive(Deserialize)]
struct SpladePooling {
    #[serde(default = "max")]
    pooling_strategy: LogitPooling,
    #[serde(default)]
    activation_function: Option<String>,
}

fn max() -> LogitPooling {
    LogitPooling::Max
}

const CARD: &str = "config_sentence_transformers.json";

impl Contract {
    /// Reads all files of sentence-transformers in a checkpoint.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or asks for something that is not supported.
    pub fn read(checkpoint: &Checkpoint) -> Result<Self> {
        let limits = |file: PathBuf| -> Result<Option<Said<usize>>> {
            let value = read_json::<Limits>(&file)?.max_seq_length;
            Ok(value.map(|value| Said { value, file }))
        };
        let card = checkpoint.beside(CARD).map(|path| read_json(&path)).transpose()?;
        Ok(Self {
            chain: Chain::read(checkpoint)?,
            max_length: checkpoint.limits().map(limits).transpose()?.flatten(),
            card: card.unwrap_or_default(),
            card_file: checkpoint.folder().join(CARD),
        })
    }

    /// Compares how a config makes a vector with the checkpoint. Returns the chain of modules if its layers are to be
    /// applied; `None` if there is none or the config overrides it.
    ///
    /// # Errors
    ///
    /// At the first setting that differs and is not in `overrides`.
    pub fn hold_vector(
        &self,
        pooling: &Poolings,
        projection: Option<&Projection>,
        similarity: Similarity,
        overrides: &Overrides,
    ) -> Result<Option<&Chain>> {
        let is_free = |key: &str| overrides.iter().any(|one| one == key);
        if !is_free("similarity") {
            self.hold_similarity(similarity)?;
        }
        let Some(chain) = &self.chain else { return Ok(None) };
        let Head::Pooling { pooling: said, file, .. } = &chain.head else {
            return Err(Error::file(
                &chain.file,
                "is of a sparse encoder: expected a module `Pooling`",
            ));
        };
        if said != pooling && !is_free("pooling") {
            return Err(contradiction(file, "pooling", said, pooling));
        }
        match projection {
            _ if is_free("projection") => Ok(None),
            None => Ok(Some(chain)),
            Some(projection) => {
                let steps: Vec<String> = chain.steps.iter().map(ToString::to_string).collect();
                let said = match steps.is_empty() {
                    true => "no layer after pooling".to_owned(),
                    false => steps.join(", "),
                };
                let asked = format!("{{ linear = \"{}\" }}", projection.linear);
                let mut error = contradiction(&chain.file, "projection", &said, &asked);
                if let (Error::File { problem, .. }, false) = (&mut error, steps.is_empty()) {
                    problem.push_str("; without `projection` its own layers are applied");
                }
                Err(error)
            }
        }
    }

    fn hold_similarity(&self, asked: Similarity) -> Result<()> {
        let said = self.card.similarity_fn_name.as_deref();
        // sentence-transformers takes either word for the inner product.
        let Some(said) = said.map(|said| if said == "dot_product" { "dot" } else { said }) else {
            return Ok(());
        };
        let normalised = self.chain.as_ref().is_some_and(Chain::is_normalised);
        // Of vectors of length 1 both are the same number.
        let alike = said == asked.to_string() || (normalised && matches!(said, "dot" | "cosine"));
        match alike {
            true => Ok(()),
            false => Err(contradiction(&self.card_file, "similarity", quoted(said), quoted(asked))),
        }
    }

    /// Compares the maximal length of texts in tokens. With `exactly`, which is meant for documents, the two must be
    /// equal; else, for queries, the config may ask for less.
    ///
    /// # Errors
    ///
    /// If the lengths do not fit and `max_length` is not in `overrides`.
    pub fn hold_length(&self, asked: usize, exactly: bool, overrides: &Overrides) -> Result<()> {
        let Some(Said { value, file }) = &self.max_length else { return Ok(()) };
        let fits = if exactly { asked == *value } else { asked <= *value };
        match fits || overrides.iter().any(|one| one == "max_length") {
            true => Ok(()),
            false => Err(contradiction(file, "max_length", value, asked)),
        }
    }

    /// Compares how a config pools a sparse encoder's logits, and holds that its vectors are compared by their inner product,
    /// as an index of words compares them.
    ///
    /// # Errors
    ///
    /// If the checkpoint states another pooling or another way to compare, and `pooling` or `similarity` is not in `overrides`.
    pub fn hold_splade(&self, asked: LogitPooling, overrides: &Overrides) -> Result<()> {
        if !overrides.iter().any(|one| one == "similarity") {
            self.hold_similarity(Similarity::Dot)?;
        }
        match self.chain.as_ref().map(|chain| &chain.head) {
            None => Ok(()),
            Some(Head::Pooling { file, .. }) => Err(Error::file(
                file,
                "is of an encoder of one vector: expected a module `SpladePooling`",
            )),
            Some(Head::Splade { pooling, file }) => {
                match *pooling == asked || overrides.iter().any(|one| one == "pooling") {
                    true => Ok(()),
                    false => Err(contradiction(file, "pooling", quoted(pooling), quoted(asked))),
                }
            }
        }
    }

    /// Compares a config of a cross-encoder with the modules: a cross-encoder gives a pair one score and has no module after its
    /// encoder.
    ///
    /// # Errors
    ///
    /// If the modules make vectors or weights of words.
    pub fn hold_pair(&self) -> Result<()> {
        match &self.chain {
            None => Ok(()),
            Some(chain) => Err(Error::file(
                &chain.file,
                "is of an encoder of single texts: expected a cross-encoder, which has no module after the Transformer",
            )),
        }
    }

    /// The path of the file with the prompts, for messages.
    pub(crate) fn card_file(&self) -> &Path {
        &self.card_file
    }

    /// Whether the tokens of a prompt take part in pooling.
    pub fn includes_prompt(&self) -> bool {
        let head = self.chain.as_ref().map(|chain| &chain.head);
        !matches!(head, Some(Head::Pooling { include_prompt: false, .. }))
    }
}

fn quoted(word: impl fmt::Display) -> String {
    format!("\"{word}\"")
}

/// The error for a setting that the config and a file of the checkpoint state differently, with advice.
pub(crate) fn contradiction(
    file: impl Into<PathBuf>,
    key: &str,
    said: impl fmt::Display,
    asked: impl fmt::Display,
) -> Error {
    Error::file(
        file,
        format!(
            "says {key} = {said}, and the config says {key} = {asked}: take the checkpoint's, or write `overrides = \
             [\"{key}\"]` into the card beside a sentence in `differs` that says why"
        ),
    )
}

impl Chain {
    fn read(checkpoint: &Checkpoint) -> Result<Option<Self>> {
        match checkpoint.beside("modules.json") {
            Some(file) => Self::of_modules(checkpoint, file),
            None => match checkpoint.beside("1_Pooling/config.json") {
                Some(file) => {
                    let head = pooling(&file)?;
                    Ok(Some(Self { file, head, word_weights: None, steps: Vec::new() }))
                }
                None => Ok(None),
            },
        }
    }

    fn of_modules(checkpoint: &Checkpoint, file: PathBuf) -> Result<Option<Self>> {
        let modules: Vec<Module> = read_json(&file)?;
        let Some((first, others)) = modules.split_first() else {
            return Err(Error::file(file, "names no module: expected a Transformer first"));
        };
        check_first(checkpoint, &file, first)?;
        let (mut head, mut word_weights, mut steps) = (None, None, Vec::new());
        if first.class() == Some(STATIC) {
            // Its own mean: no module of pooling follows.
            let file = file.clone();
            head =
                Some(Head::Pooling { pooling: Pooling::Mean.into(), include_prompt: true, file });
        }
        for module in others {
            let folder = module.path.trim_end_matches('/').to_owned();
            let config = || {
                let name = format!("{folder}/config.json");
                let found = checkpoint.beside(&name);
                found.ok_or_else(|| {
                    Error::file(&file, format!("names `{folder}`, and there is no {name}"))
                })
            };
            let misplaced =
                |what: &str| Error::file(&file, format!("has `{}` {what}", module.kind));
            match (module.class(), head.is_some()) {
                (Some("Pooling"), false) => head = Some(pooling(&config()?)?),
                (Some("SpladePooling"), false) => head = Some(splade(&config()?)?),
                (Some("Pooling" | "SpladePooling"), true) => return Err(misplaced("twice")),
                (Some("WordWeights"), false) => word_weights = Some(folder),
                (Some("Dense"), true) => steps.push(Step::Dense(folder)),
                (Some("LayerNorm"), true) => steps.push(Step::LayerNorm(folder)),
                (Some("Normalize"), true) => steps.push(Step::Normalize),
                // It drops nothing but in training.
                (Some("Dropout"), _) => {}
                (Some("Dense" | "LayerNorm" | "Normalize"), false) => {
                    return Err(misplaced("before pooling, on every token: that is not done here"));
                }
                (Some("WordWeights"), true) => return Err(misplaced("after pooling")),
                _ => {
                    return Err(Error::file(
                        &file,
                        format!(
                            "has the module `{}` in `{folder}`, which is not known here: expected Pooling, Dense, LayerNorm, \
                             Normalize, WordWeights or SpladePooling of sentence-transformers",
                            module.kind
                        ),
                    ));
                }
            }
        }
        Ok(head.map(|head| Self { file, head, word_weights, steps }))
    }

    /// The layers after pooling as a comment line of a config; empty if there are none.
    pub fn told(&self) -> String {
        let weights = self.word_weights.iter().map(|folder| format!("`{folder}` before pooling"));
        let steps = self.steps.iter().map(ToString::to_string);
        let all: Vec<String> = weights.chain(steps).collect();
        match all.is_empty() {
            true => String::new(),
            false => {
                format!("# Its modules.json adds, and they are applied: {}.\n", all.join(", "))
            }
        }
    }

    /// Whether the last module makes vectors of length 1.
    pub fn is_normalised(&self) -> bool {
        self.steps.last() == Some(&Step::Normalize)
    }

    /// Loads the layers after pooling, whose input has `width` values; returns them with the width of their output.
    pub(crate) fn layers(
        &self,
        checkpoint: &Checkpoint,
        backend: &Backend,
        mut width: usize,
    ) -> Result<(Vec<Layer>, usize)> {
        let mut layers = Vec::new();
        for step in &self.steps {
            layers.push(match step {
                Step::Normalize => Layer::Normalise,
                Step::LayerNorm(folder) => layer_norm(checkpoint, backend, folder, width)?,
                Step::Dense(folder) => {
                    let (layer, out) = dense(checkpoint, backend, folder, width)?;
                    width = out;
                    layer
                }
            });
        }
        Ok((layers, width))
    }

    /// The weight of each token of the vocabulary, by its id; `None` if all weigh the same.
    pub(crate) fn word_weights(&self, checkpoint: &Checkpoint) -> Result<Option<Vec<f32>>> {
        let Some(folder) = &self.word_weights else { return Ok(None) };
        let WordWeights { vocab, weights, unknown_word_weight } =
            read_json(&settings(checkpoint, folder)?)?;
        let weight = |word: &String| {
            let found = weights.get(word).or_else(|| weights.get(&word.to_lowercase()));
            found.copied().unwrap_or(unknown_word_weight)
        };
        Ok(Some(vocab.iter().map(weight).collect()))
    }
}

impl Module {
    /// The name of the class without its package; `None` if the class is not one of sentence-transformers.
    fn class(&self) -> Option<&str> {
        let inside = self.kind.strip_prefix("sentence_transformers.")?;
        inside.rsplit('.').next()
    }
}

/// The module of static embeddings, which model2vec writes into every folder.
const STATIC: &str = "StaticEmbedding";

fn check_first(checkpoint: &Checkpoint, file: &Path, first: &Module) -> Result<()> {
    if !matches!(first.class(), Some("Transformer" | "MLMTransformer" | STATIC)) {
        let problem = format!(
            "begins with the module `{}`, which is not known here: expected Transformer or StaticEmbedding of \
             sentence-transformers",
            first.kind
        );
        return Err(Error::file(file, problem));
    }
    // model2vec writes `.` for the folder itself.
    let said = first.path.trim_end_matches('/').trim_start_matches('.');
    let found = checkpoint.base();
    match said == found {
        true => Ok(()),
        false => Err(Error::file(
            file,
            format!("says that the encoder lies in `{said}`, and it lies in `{found}`"),
        )),
    }
}

fn settings(checkpoint: &Checkpoint, folder: &str) -> Result<PathBuf> {
    let name = format!("{folder}/config.json");
    checkpoint.beside(&name).ok_or_else(|| {
        Error::file(checkpoint.folder().join(&name), "is not there, and modules.json names it")
    })
}

/// The ways of pooling in sentence-transformers: the name, the switch that versions before 5.5 wrote, and ours, in the
/// order in which their vectors are joined.
const POOLINGS: [(&str, &str, Pooling); 6] = [
    ("cls", "pooling_mode_cls_token", Pooling::Cls),
    ("max", "pooling_mode_max_tokens", Pooling::Max),
    ("mean", "pooling_mode_mean_tokens", Pooling::Mean),
    ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", Pooling::MeanSqrtLen),
    ("weightedmean", "pooling_mode_weightedmean_tokens", Pooling::WeightedMean),
    ("lasttoken", "pooling_mode_lasttoken", Pooling::Last),
];

/// Reads `1_Pooling/config.json`, which has one name, several names, or a switch for each way of pooling.
fn pooling(file: &Path) -> Result<Head> {
    let config: BTreeMap<String, Value> = read_json(file)?;
    let wrong = |problem: String| Error::file(file, problem);
    let mut include_prompt = true;
    let mut switched = Vec::new();
    for (key, value) in &config {
        match (key.as_str(), value) {
            ("word_embedding_dimension" | "embedding_dimension" | "pooling_mode", _) => {}
            ("include_prompt", Value::Bool(include)) => include_prompt = *include,
            (key, Value::Bool(on)) if POOLINGS.iter().any(|(_, switch, _)| *switch == key) => {
                switched.extend(on.then_some(key));
            }
            _ => return Err(wrong(format!("has `{key}` = {value}, which is not known here"))),
        }
    }
    let named = |name: &Value| {
        let found = POOLINGS.iter().find(|(known, ..)| name.as_str() == Some(known));
        let known = || POOLINGS.map(|(known, ..)| known).join(", ");
        found
            .map(|(.., pooling)| *pooling)
            .ok_or_else(|| wrong(format!("`pooling_mode` is {name}: expected one of {}", known())))
    };
    let poolings = match config.get("pooling_mode") {
        Some(Value::Array(names)) => names.iter().map(named).collect::<Result<_>>()?,
        Some(name) => vec![named(name)?],
        // Without any switch it is the mean, as the library has it.
        None if switched.is_empty() => vec![Pooling::Mean],
        None => {
            let on = POOLINGS.iter().filter(|(_, switch, _)| switched.contains(switch));
            on.map(|(.., pooling)| *pooling).collect()
        }
    };
    let pooling =
        Poolings::several(poolings).ok_or_else(|| wrong("names no way to pool".to_owned()))?;
    Ok(Head::Pooling { pooling, include_prompt, file: file.to_owned() })
}

fn splade(file: &Path) -> Result<Head> {
    let config: SpladePooling = read_json(file)?;
    match config.activation_function.as_deref() {
        None | Some("relu") => {
            Ok(Head::Splade { pooling: config.pooling_strategy, file: file.to_owned() })
        }
        Some(other) => Err(Error::file(
            file,
            format!(
                "`activation_function` is `{other}`: expected `relu`, whose logarithm is taken once"
            ),
        )),
    }
}

/// The values of `activation_function` that are supported: class names of PyTorch.
const ACTIVATIONS: [(&str, Activation); 4] = [
    ("torch.nn.modules.activation.Tanh", Activation::Tanh),
    ("torch.nn.modules.linear.Identity", Activation::Identity),
    ("torch.nn.modules.activation.ReLU", Activation::Relu),
    ("torch.nn.modules.activation.GELU", Activation::Gelu),
];

/// Loads a layer from the files of its folder; a tensor that the layer does not use is an error.
fn load<M>(
    checkpoint: &Checkpoint,
    backend: &Backend,
    folder: &str,
    build: impl FnOnce(&mut Tensors) -> Result<M>,
) -> Result<M> {
    let file = |name: &str| checkpoint.beside(&format!("{folder}/{name}"));
    let weights = match (file("model.safetensors"), file("pytorch_model.bin")) {
        (Some(path), _) => Weights::Safetensors(vec![path]),
        (None, Some(path)) => Weights::PyTorch(vec![path]),
        (None, None) => {
            let problem = "has no weights: expected model.safetensors or pytorch_model.bin";
            return Err(Error::file(checkpoint.folder().join(folder), problem));
        }
    };
    Tensors::load(&weights, &format!("{}/{folder}", checkpoint.name()), backend, &[], build)
}

fn layer_norm(
    checkpoint: &Checkpoint,
    backend: &Backend,
    folder: &str,
    width: usize,
) -> Result<Layer> {
    let file = settings(checkpoint, folder)?;
    let Norm { dimension } = read_json(&file)?;
    check_width(&file, "dimension", dimension, width)?;
    load(checkpoint, backend, folder, |tensors| {
        Ok(Layer::Norm(LayerNorm::load(tensors, "norm", width, NORM_EPS)?))
    })
}

fn dense(
    checkpoint: &Checkpoint,
    backend: &Backend,
    folder: &str,
    width: usize,
) -> Result<(Layer, usize)> {
    let file = settings(checkpoint, folder)?;
    let dense: Dense = read_json(&file)?;
    check_width(&file, "in_features", dense.in_features, width)?;
    for (key, name) in [
        ("module_input_name", &dense.module_input_name),
        ("module_output_name", &dense.module_output_name),
    ] {
        if let Some(name) = name.as_deref().filter(|name| *name != "sentence_embedding") {
            return Err(Error::file(
                file,
                format!("`{key}` is `{name}`: expected `sentence_embedding`"),
            ));
        }
    }
    let named = dense.activation_function.as_deref().unwrap_or(ACTIVATIONS[0].0);
    let Some(&(_, activation)) = ACTIVATIONS.iter().find(|(name, _)| *name == named) else {
        let known = ACTIVATIONS.map(|(name, _)| name).join(", ");
        let problem = format!("`activation_function` is `{named}`: expected one of {known}");
        return Err(Error::file(file, problem));
    };
    let out = dense.out_features;
    let layer = load(checkpoint, backend, folder, |tensors| {
        let weight = tensors.take("linear.weight", &[out, width])?;
        let bias = dense.bias.then(|| tensors.take("linear.bias", &[out])).transpose()?;
        let residual = match dense.use_residual {
            false => None,
            true if out == width => Some(Residual::Same),
            true => {
                let weight = tensors.take("residual.weight", &[out, width])?;
                Some(Residual::Projected(Linear::new(weight, None)))
            }
        };
        Ok(Layer::Dense { linear: Linear::new(weight, bias), activation, residual })
    })?;
    Ok((layer, out))
}

fn check_width(file: &Path, key: &str, said: usize, found: usize) -> Result<()> {
    match said == found {
        true => Ok(()),
        false => Err(Error::file(
            file,
            format!("`{key}` is {said}, and what comes before it gives {found} numbers"),
        )),
    }
}
