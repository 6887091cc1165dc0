//! SPLADE: sparse vectors over the vocabulary, words of the text and words it could have used.
//! Formal, Piwowarski and Clinchant, SIGIR 2021 (`formal2021splade`).
//!
//! BERT was pre-trained to say which word could stand in a place. SPLADE asks it that for every place of a text, and takes
//! the answers as weights of words: so a text about "cars" also has some weight on "vehicle", and an inverted index finds
//! it. The logarithm keeps a word from dominating, and a penalty in training keeps most weights at zero.
//!
//! ```text
//! w_j = Σ_i log(1 + ReLU(w_ij))           pooling = "sum"   (eq. 2)
//! w_j = max_i log(1 + ReLU(w_ij))         pooling = "max"   (SPLADE v2, eq. 6; `formal2021spladev2`)
//! s(q, d) = Σ_j w_j(q) · w_j(d)                             (§3.2)
//! ```
//!
//! | symbol | is                                                                                      |
//! |--------|-----------------------------------------------------------------------------------------|
//! | `w_ij` | the masked-language-model logit of word `j` at token `i`, `[tokens, vocab]`             |
//! | `w_j`  | the weight of word `j` in the text, `[vocab]`, mostly zero                               |
//!
//! SPLADE-doc is `query_weighting = "binary"`: a query is the set of its own words, each of weight 1 however often it
//! occurs, and no model runs when a query comes (naver/splade, `splade/models/transformer_rep.py`, `SpladeDoc`); with
//! `"tokens"` a word counts as often as it occurs. Special tokens are no words here; the authors leave `[UNK]` in.
//! `quantisation` makes integers of the weights as Anserini does.
//!
//! Try it: `nir run sparse/splade-max --on pocket`, and look at `terms_per_document` in the result.

use nir_core::{Encode, Encoding, Result, Version};
use nir_index::structure::{SparseStructure, SparseVector, Structure};
use nir_nn::checkpoint::Wanted;
use nir_nn::heads::{LogitPooling, MaskedLm};
use nir_nn::{Input, Model, Rows, Tokens, check_finite, numbers};
use serde::{Deserialize, Serialize};

use crate::model::{ModelSource, checkpoints};
use crate::reader::{Reader, Texts, check_inputs, piece};
use crate::retriever::{Encoder, Shown, encoding, retriever};
use crate::shards::Effort;
use crate::term_weights::{Quantisation, QueryWeighting, quantised};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder of documents, and of queries where `query_model` names no other.
    pub model: ModelSource,
    /// The encoder of queries, where it is another than that of documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_model: Option<ModelSource>,
    /// How the logits of all tokens become one weight for each word.
    pub pooling: LogitPooling,
    /// Whether queries are expanded like documents.
    pub query_weighting: QueryWeighting,
    /// How a query is turned into tokens.
    pub query: Input,
    /// How a document is turned into tokens.
    pub document: Input,
    /// How weights become integers; if absent, they are not changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantisation: Option<Quantisation>,
    /// The structure in which the documents' vectors are searched.
    pub index: SparseStructure,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "splade";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "formal2021splade";
    const SHAPE: Shape = Shape::Retriever;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let parts = (&self.pooling, &self.document, &self.quantisation);
        let encoding = encoding(context, &self.model, &parts)?;
        retriever(context, &encoding, self.load(context)?, &self.index, self.depth)
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(Some(Box::new(Shown(self.load(context)?))))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        self.query_model.as_ref().map_or(Ok(()), |model| model.check("query_model"))?;
        self.index.check()?;
        check_inputs(&self.query, &self.document)
    }

    fn parts(&self) -> Vec<Version> {
        self.index.versions()
    }

    fn weights(&self) -> Vec<Wanted> {
        checkpoints(&self.model, self.query_model.as_ref())
    }
}

/// The weight of a word for one token that says so (in both equations): `log(1 + ReLU(w_ij))`.
pub fn weight(logit: f32) -> f32 {
    (1.0 + logit.max(0.0)).ln()
}

/// The weights of all words of the vocabulary in a text.
///
/// - `logits`: `w_ij`, `[tokens, vocab]`
///
/// Returns `w_j`, `[vocab]`. The encoder below computes the same for many texts at once (`nir_nn::heads::MaskedLm`).
pub fn weights(logits: &[Vec<f32>], pooling: LogitPooling) -> Vec<f32> {
    let words = logits.first().map_or(0, Vec::len);
    let of_word = |j: usize| {
        let weights = logits.iter().map(|of_token| weight(of_token[j]));
        match pooling {
            LogitPooling::Sum => weights.sum(),               // eq. 2
            LogitPooling::Max => weights.fold(0.0, f32::max), // SPLADE v2, eq. 6
        }
    };
    (0..words).map(of_word).collect()
}

impl Config {
    fn load(&self, context: &Context<'_>) -> Result<Splade> {
        for model in std::iter::once(&self.model).chain(&self.query_model) {
            model.contract(context)?.hold_splade(self.pooling, context.overrides)?;
        }
        let models = (&self.model, self.query_model.as_ref());
        let inputs = (&self.query, &self.document);
        let load = |source: &ModelSource| source.load(context, MaskedLm::load);
        Ok(Splade {
            reader: self.query_weighting.reader(context, models, inputs, load)?,
            pooling: self.pooling,
            query_weighting: self.query_weighting,
            quantisation: self.quantisation,
        })
    }
}

struct Splade {
    reader: Reader<MaskedLm>,
    pooling: LogitPooling,
    query_weighting: QueryWeighting,
    quantisation: Option<Quantisation>,
}

impl Encoder for Splade {
    type Vector = SparseVector;

    fn encode(&self, texts: Texts<'_>) -> Result<Vec<SparseVector>> {
        let side = self.reader.of(texts.role());
        let tokens = side.tokens(texts)?;
        match self.query_weighting.bags(texts.role(), &side.model.tokenizer, &tokens) {
            Some(bags) => Ok(bags),
            None => self.expand(&side.model, &tokens, texts),
        }
    }

    fn form(&self) {}

    fn effort(&self) -> Effort {
        self.reader.effort()
    }

    fn show(&self, text: Texts<'_>, vector: SparseVector) -> Result<Encoding> {
        self.reader.of(text.role()).weighted_pieces(text, vector)
    }

    fn piece(&self, number: u32) -> String {
        piece(&self.reader.query.model.tokenizer, number)
    }
}

impl Splade {
    fn expand(
        &self,
        model: &Model<MaskedLm>,
        tokens: &[Tokens],
        texts: Texts<'_>,
    ) -> Result<Vec<SparseVector>> {
        let mut vectors = vec![SparseVector::new(); tokens.len()];
        model.encoder.in_batches(tokens, Rows::All, |places, hidden| {
            let weights = numbers(&model.head.pool(hidden, self.pooling)?)?; // [batch, vocab]
            let rows = weights.chunks_exact(weights.len() / places.len());
            for (&place, row) in places.iter().zip(rows) {
                check_finite(row, || texts.text(place).to_owned())?;
                let words = (0..).zip(row.iter().copied());
                vectors[place] = quantised(words, self.quantisation);
            }
            Ok(())
        })?;
        Ok(vectors)
    }
}

#[cfg(test)]
mod tests {
    use nir_core::DocNo;
    use nir_nn::Hidden;

    use super::*;
    use crate::testing::{Lent, assert_ranked, fixture, sentence_and_word};

    fn config(folder: &str, pooling: &str, index: &str) -> Config {
        let input = r#"{ template = ["{text}"], special_tokens = true, max_length = 40 }"#;
        let text = format!(
            "model = {{ weights = \"file:{folder}\" }}\npooling = \"{pooling}\"\nquery_weighting = \"model\"\n\
             query = {input}\ndocument = {input}\nindex = {index}\ndepth = 10"
        );
        toml::from_str(&text).unwrap()
    }

    /// The product of PyTorch's own vectors, for both poolings and with the queries' tokens alone.
    #[test]
    fn a_score_is_the_product_of_the_references_vectors() {
        for (pooling, tensor) in [("max", "max_log1p_relu"), ("sum", "sum_log1p_relu")] {
            let (folder, expected) = fixture("bert-mlm");
            let config = config(&folder, pooling, r#"{ use = "impacts", storage = "f32" }"#);
            let lent = Lent::new(sentence_and_word());
            let found = lent.retrieve(&config, "bread");
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let score = |case| dot(&expected("word", tensor), &expected(case, tensor));
            let mut ranked = [("sentence", score("sentence")), ("word", score("word"))];
            ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
            assert_ranked(&lent.named(&found), &ranked);

            lent.explain(&config, "bread");
            let [query, document] = lent.encode(&config, "bread", 1);
            assert_eq!((query.tokens.len(), &query), (3, &document));
            let nir_core::Form::Terms(terms) = query.form else { panic!("{query:?}") };
            let own = terms.iter().filter(|term| !term.is_expansion).count();
            assert!(own <= 3 && terms.len() > 3, "{terms:?}");

            // Without a model for queries: the weight of `bread` in each text, if it has any.
            let config = Config { query_weighting: QueryWeighting::Tokens, ..config };
            let found = lent.retrieve(&config, "bread");
            let bread = 162; // its only token, by the fixture's `inputs.json`
            for (name, score) in lent.named(&found) {
                assert!((score - expected(name, tensor)[bread]).abs() < 1e-4, "{name}: {score}");
            }

            // Twice the word is twice its weight as a count, and the same as a set.
            let twice = lent.named(&lent.retrieve(&config, "bread bread"));
            let config = Config { query_weighting: QueryWeighting::Binary, ..config };
            let as_set = lent.named(&lent.retrieve(&config, "bread bread"));
            for (name, score) in lent.named(&found) {
                assert!(twice.contains(&(name, 2.0 * score)) && as_set.contains(&(name, score)));
            }
        }
    }

    #[test]
    fn the_encoder_computes_the_equations() {
        let (folder, _) = fixture("bert-mlm");
        let lent = Lent::new(sentence_and_word());
        for pooling in ["max", "sum"] {
            let config = config(&folder, pooling, r#"{ use = "impacts", storage = "f32" }"#);
            let splade = config.load(&lent.context()).unwrap();
            let text = Texts::Documents(lent.corpus(), &[DocNo(0)]);
            let (tokens, model) =
                (splade.reader.document.tokens(text).unwrap(), splade.reader.model());
            let mut logits = Vec::new();
            let each = |_: &[usize], hidden: &Hidden| {
                let rows = numbers(&model.head.logits(&hidden.states)?)?; // [tokens, vocab]
                let vocab = rows.len() / tokens[0].len();
                logits = rows.chunks_exact(vocab).map(<[f32]>::to_vec).collect();
                Ok(())
            };
            model.encoder.in_batches(&tokens, Rows::All, each).unwrap();
            let expected = quantised((0..).zip(weights(&logits, config.pooling)), None);
            let found = splade.encode(text).unwrap().swap_remove(0);
            assert_eq!(found.len(), expected.len());
            for ((word, w), (other, by_equation)) in found.iter().zip(&expected) {
                assert!(word == other && (w - by_equation).abs() < 1e-5, "{word}: {w}");
            }
        }
    }

    /// Twenty texts of two words each.
    fn many() -> impl Iterator<Item = (&'static str, &'static str)> {
        const TEXTS: &str = "river bank,bank money,music paper,paper window,window garden,winter coat,doctor house,\
            engine oil,market price,castle wall,silver coin,forest path,planet earth,ticket price,bridge river,\
            cotton coat,danger ahead,flower garden,hammer nail,island sea";
        TEXTS.split(',').map(|text| (text.trim(), text.trim()))
    }

    fn clustered(folder: &str, postings: usize, query_cut: usize, heap_factor: f32) -> Config {
        let index = format!(
            "{{ use = \"clustered\", postings = {postings}, cluster_fraction = 0.2, summary_energy = 0.5, seed = 1, \
             query_cut = {query_cut}, heap_factor = {heap_factor:?} }}"
        );
        config(folder, "max", &index)
    }

    #[test]
    fn clustered_lists_find_what_the_inverted_index_finds_where_they_pass_over_nothing() {
        let (folder, _) = fixture("bert-mlm");
        let lent = Lent::new(many());
        let exact = config(&folder, "max", r#"{ use = "impacts", storage = "f32" }"#);
        assert_eq!(lent.recall(&exact, "river"), None);
        let all = clustered(&folder, 20, 30_000, f32::INFINITY);
        assert_eq!(lent.retrieve(&all, "river"), lent.retrieve(&exact, "river"));
        assert_eq!(lent.recall(&all, "river"), Some(1.0));
    }

    #[test]
    fn clustered_lists_that_are_cut_say_what_they_miss() {
        let (folder, _) = fixture("bert-mlm");
        let lent = Lent::new(many());
        let recall = lent.recall(&clustered(&folder, 3, 1, 0.8), "river").unwrap();
        assert!(
            recall <= 0.3,
            "a list of three documents has at most three of the ten best: {recall}"
        );
    }

    /// A text that the model reads has the special tokens of its tokenizer; those of a query that is counted are no terms.
    #[test]
    fn special_tokens_are_held_against_the_checkpoints() {
        let (folder, _) = fixture("bert-mlm");
        let lent = Lent::new(sentence_and_word());
        let all = config(&folder, "max", r#"{ use = "impacts", storage = "f32" }"#);
        let bare = Input { special_tokens: false, ..all.query.clone() };
        let document = Config { document: bare.clone(), ..all.clone() };
        let query = Config { query: bare, ..all };
        for config in [&document, &query] {
            let error = lent.try_build(config).err().unwrap().to_string();
            assert!(error.contains("says special_tokens = true"), "{error}");
        }
        let counted = Config { query_weighting: QueryWeighting::Tokens, ..query };
        assert!(lent.try_build(&counted).is_ok());
        let mut free = lent;
        free.overrides.push("special_tokens".to_owned());
        assert!(free.try_build(&document).is_ok());
    }

    /// An index of words gives inner products, so a checkpoint that was trained for the cosine is another method.
    #[test]
    fn a_checkpoint_that_compares_otherwise_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(fixture("bert-mlm").0).unwrap().map(|file| file.unwrap()) {
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        let index = r#"{ use = "impacts", storage = "f32" }"#;
        let config = config(folder.path().to_str().unwrap(), "max", index);
        let mut lent = Lent::new(sentence_and_word());
        for (said, taken) in [("dot", true), ("cosine", false)] {
            let card = format!(r#"{{"similarity_fn_name": "{said}"}}"#);
            std::fs::write(folder.path().join("config_sentence_transformers.json"), card).unwrap();
            assert_eq!(lent.try_build(&config).is_ok(), taken, "{said}");
        }
        let error = lent.try_build(&config).err().unwrap().to_string();
        assert!(error.contains("says similarity = \"cosine\""), "{error}");
        lent.overrides.push("similarity".to_owned());
        assert!(lent.try_build(&config).is_ok());
    }
}
