//! Dense retrieval with two encoders that never see each other's text: DPR, and everything of its shape.
//! Karpukhin, Oguz, Min, Lewis, Wu, Edunov, Chen and Yih, EMNLP 2020 (`karpukhin2020dpr`).
//!
//! A query and a document each become one vector, and their inner product is the score. Documents can then be encoded
//! once, before any query is known, and search is looking for the largest products. What a vector must hold is learned:
//! the papers of this family differ in how (negatives, distillation, pre-training), and at search time only in the
//! contract that a config writes down: pooling, projection, similarity, prefixes and lengths. Some are trained so that the
//! first `dimensions` of a vector alone are a good vector too (Matryoshka: Kusupati et al., NeurIPS 2022).
//!
//! ```text
//! sim(q, d) = E_Q(q) · E_D(d)                                                                   (eq. 1)
//! E(text)   = P · pool(h_1 … h_n)         divided by its length for cosine similarity
//! ```
//!
//! | symbol       | is                                                                             |
//! |--------------|--------------------------------------------------------------------------------|
//! | `E_Q`, `E_D` | encoders of queries and of documents: one checkpoint, or (`query_model`) two     |
//! | `h_i`        | the last hidden state of token `i`, `[hidden]`                                  |
//! | `pool`       | first token, mean, mean without the first tokens, BERT's pooler, last token, … |
//! | `P`          | a projection where the checkpoint has one (ANCE: linear and layer norm), or the layers of its `modules.json` |
//!
//! What a checkpoint says of itself (`modules.json` and the files beside it) must be what the config says, unless the
//! config's card names the difference.
//!
//! Two things of a contract are easily missed. ANCE was trained on lower-cased text although RoBERTa's tokenizer keeps case:
//! `lower_case` in `query` and `document`. And DPR joins a title by `[SEP]`, but a passage without one is its text alone:
//! `"{title| [SEP] }{text}"`.
//!
//! Try it: `nir run dense/minilm-l6 --on pocket`. Take `pooling = "cls"` instead of `mean` and see how much a wrong
//! contract costs, although every number still looks like a number.

use nir_core::{Encode, Encoding, Query, Result, Version};
use nir_index::Storage;
use nir_index::structure::{DenseStructure, DenseVector, Structure};
use nir_nn::checkpoint::Wanted;
use nir_nn::heads::Projection;
use nir_nn::{Input, Poolings, Similarity};
use serde::{Deserialize, Serialize};

use crate::model::{ModelSource, Way, checkpoints};
use crate::reader::{Texts, check_inputs};
use crate::retriever::{Encoder, Shown, retriever};
use crate::shards::Effort;
use crate::text_vector::TextEncoder;
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
    /// How many hidden states become one vector; several ways give one vector joined of theirs.
    pub pooling: Poolings,
    /// The layers after pooling, where the checkpoint has them among its weights; those of its `modules.json` are applied
    /// without a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<Projection>,
    /// How many of a vector's first numbers are kept, for a checkpoint that was trained to be cut (Matryoshka).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<usize>,
    /// How two vectors are compared.
    pub similarity: Similarity,
    /// How a query is turned into tokens.
    pub query: Input,
    /// How a document is turned into tokens.
    pub document: Input,
    /// The structure in which the documents' vectors are searched.
    pub index: DenseStructure,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "bi_encoder";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "karpukhin2020dpr";
    const SHAPE: Shape = Shape::Retriever;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let encoding = context.encoding(&self.recipe(context)?);
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

    fn head_multiplies(&self) -> bool {
        self.projection.is_some() || self.pooling.has_pooler()
    }

    fn parts(&self) -> Vec<Version> {
        self.index.versions()
    }

    fn weights(&self) -> Vec<Wanted> {
        checkpoints(&self.model, self.query_model.as_ref())
    }
}

impl Config {
    /// Everything that decides the vector of a document, as text.
    fn recipe(&self, context: &Context<'_>) -> Result<String> {
        let Self { pooling, projection, similarity, document, .. } = self;
        let parts = (pooling, projection, similarity, document, context.overrides);
        let parts = serde_json::to_string(&parts).expect("a config is plain data");
        let cut = self.dimensions.map_or_else(String::new, |kept| format!(" {kept} dimensions"));
        Ok(format!("{} {parts}{cut}", self.model.digest(context)?))
    }

    fn load(&self, context: &Context<'_>) -> Result<BiEncoder> {
        let way = Way {
            pooling: &self.pooling,
            projection: self.projection.as_ref(),
            similarity: self.similarity,
            dimensions: self.dimensions,
        };
        let models = (&self.model, self.query_model.as_ref());
        let inputs = (&self.query, &self.document);
        Ok(BiEncoder(TextEncoder::load(context, models, inputs, &way)?))
    }
}

/// The encoders of both roles. The vector that a rewriter gave a query takes the place of the encoder's.
struct BiEncoder(TextEncoder);

impl Encoder for BiEncoder {
    type Vector = DenseVector;

    fn encode(&self, texts: Texts<'_>) -> Result<Vec<DenseVector>> {
        let Texts::Queries(queries) = texts else { return self.0.encode(texts) };
        let is_plain = |query: &&Query| query.vector.is_none();
        let plain: Vec<Query> = queries.iter().filter(is_plain).cloned().collect();
        let mut encoded = self.0.encode(Texts::Queries(&plain))?.into_iter();
        let vector = |query: &Query| match &query.vector {
            Some(vector) => vector.clone(),
            None => encoded.next().expect("a vector was made of each text"),
        };
        Ok(queries.iter().map(vector).collect())
    }

    fn form(&self) -> Storage {
        self.0.form()
    }

    fn effort(&self) -> Effort {
        self.0.effort()
    }

    fn show(&self, text: Texts<'_>, vector: DenseVector) -> Result<Encoding> {
        self.0.show(text, vector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Vocabulary;
    use crate::testing::{Lent, assert_ranked, fixture, sentence_and_word};

    /// A config over a tiny checkpoint, some of whose tensors are ignored.
    fn config(folder: &str, ignore: &str, more: &str) -> Config {
        let input = r#"{ template = ["{text}"], special_tokens = true, max_length = 40 }"#;
        let text = format!(
            "model = {{ weights = \"file:{folder}\", ignore = [\"{ignore}\"] }}\nsimilarity = \"dot\"\nquery = {input}\ndocument = {input}\n\
             index = {{ use = \"flat\", storage = \"f32\" }}\ndepth = 10\n{more}"
        );
        toml::from_str(&text).unwrap()
    }

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// The product of PyTorch's own vectors, for pooling after pooling.
    #[test]
    fn a_score_is_the_product_of_the_references_vectors() {
        for (name, tensor, more) in [
            ("bert", "cls", "pooling = \"cls\""),
            ("bert", "mean", "pooling = \"mean\""),
            ("bert", "pooler", "pooling = \"pooler\""),
            ("distilbert", "cls", "pooling = \"cls\""),
            (
                "ance",
                "projected",
                "pooling = \"cls\"\nprojection = { linear = \"embeddingHead\", norm = \"norm\" }",
            ),
        ] {
            let (folder, expected) = fixture(name);
            let lent = Lent::new(sentence_and_word());
            let ignore = if tensor == "pooler" { "" } else { "*pooler*" };
            let found = lent.retrieve(&config(&folder, ignore, more), "bread");
            let score = |case| dot(&expected("word", tensor), &expected(case, tensor));
            let mut ranked = [("sentence", score("sentence")), ("word", score("word"))];
            ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
            assert_ranked(&lent.named(&found), &ranked);
        }
    }

    #[test]
    fn a_cosine_is_at_most_one_and_a_text_is_nearest_itself() {
        let (folder, _) = fixture("bert");
        let mut config = config(&folder, "pooler.*", "pooling = \"mean\"");
        config.similarity = Similarity::Cosine;
        let lent = Lent::new(sentence_and_word());
        let found = lent.retrieve(&config, "bread");
        assert_eq!(lent.named(&found)[0].0, "word");
        assert!((found[0].score - 1.0).abs() < 1e-5 && found[1].score < 1.0);
    }

    #[test]
    fn another_checkpoints_vocabulary_serves_weights_without_one() {
        let (folder, _) = fixture("bert");
        let bare = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap()) {
            let name = file.file_name();
            if !["tokenizer.json", "vocab.txt"].contains(&name.to_str().unwrap()) {
                std::fs::copy(file.path(), bare.path().join(name)).unwrap();
            }
        }
        let its_own = config(&folder, "pooler.*", "pooling = \"mean\"");
        let mut bare_one = its_own.clone();
        bare_one.model.weights = format!("file:{}", bare.path().display()).parse().unwrap();
        let lent = Lent::new(sentence_and_word());
        let error = lent.try_build(&bare_one).err().unwrap().to_string();
        assert!(error.contains("tokenizer.json"), "{error}");

        let weights = its_own.model.weights.clone();
        bare_one.model.vocabulary = Some(Vocabulary { weights, revision: None });
        assert_eq!(lent.retrieve(&bare_one, "bread"), lent.retrieve(&its_own, "bread"));
    }

    /// Texts of one word each: no two are alike.
    fn many() -> impl Iterator<Item = (&'static str, &'static str)> {
        const WORDS: &str = "bread river bank music paper window garden winter doctor engine \
            market castle silver forest planet ticket bridge cotton danger flower hammer island \
            jacket kitchen ladder mirror needle orange pepper quartz";
        WORDS.split_whitespace().map(|word| (word, word))
    }

    #[test]
    fn an_index_that_looks_everywhere_finds_what_exhaustive_search_finds() {
        let (folder, _) = fixture("bert");
        let mut config = config(&folder, "pooler.*", "pooling = \"mean\"");
        config.similarity = Similarity::Cosine;
        let lent = Lent::new(many());
        let exact = lent.retrieve(&config, "water");
        for index in [
            r#"{ use = "hnsw", storage = "f32", m = 8, ef_construction = 40, seed = 1, ef = 30 }"#,
            r#"{ use = "hnsw_rs", storage = "f32", m = 8, ef_construction = 40, ef = 30 }"#,
            r#"{ use = "ivf", storage = "f32", lists = 4, probe = 4, code = { use = "pq", pieces = 8, rotation = 32 },
                candidates = 30, sample = 30, seed = 1 }"#,
            r#"{ use = "ivf", storage = "f32", lists = 4, probe = 4, code = { use = "int8" }, candidates = 30, sample = 30, seed = 1 }"#,
            r#"{ use = "ivf", storage = "f32", lists = 4, probe = 4, code = { use = "sign" }, candidates = 30, sample = 30, seed = 1 }"#,
        ] {
            let table: toml::Table =
                toml::from_str(&format!("index = {}", index.replace('\n', " "))).unwrap();
            config.index = table["index"].clone().try_into().unwrap();
            assert_eq!(lent.named(&lent.retrieve(&config, "water")), lent.named(&exact), "{index}");
            assert_eq!(lent.recall(&config, "water"), Some(1.0), "{index}");
        }
    }

    /// However an index keeps them, the vectors of documents are encoded once.
    #[test]
    fn two_storages_share_vectors() {
        let (folder, _) = fixture("bert");
        let mut config = config(&folder, "pooler.*", "pooling = \"mean\"");
        let lent = Lent::new(many());
        let exact = lent.retrieve(&config, "water");
        assert_eq!((lent.artifacts("vectors"), lent.artifacts("indexes")), (1, 0));
        for (made, storage) in [(1, Storage::F16), (2, Storage::Bf16), (3, Storage::Int8)] {
            config.index = DenseStructure::Flat { storage };
            let found = lent.retrieve(&config, "water");
            assert_eq!((lent.artifacts("vectors"), lent.artifacts("indexes")), (1, made));
            // Eight bits of a fraction: scores agree to 1 in 100, and are rounded all the same.
            assert!((found[0].score / exact[0].score - 1.0).abs() < 0.01, "{storage:?}");
            assert_ne!(found[0].score, exact[0].score);
        }
    }

    #[test]
    fn an_index_that_looks_at_little_says_so() {
        let (folder, _) = fixture("bert");
        let mut config = config(&folder, "pooler.*", "pooling = \"mean\"");
        let lent = Lent::new(many());
        config.depth = 5;
        assert_eq!(lent.recall(&config, "water"), None);
        config.index = DenseStructure::Ivf {
            storage: Storage::F32,
            lists: 10,
            probe: 1,
            code: nir_index::structure::Codes::Int8 {},
            candidates: 10,
            sample: 30,
            seed: 1,
        };
        assert!(lent.recall(&config, "water").unwrap() < 0.8);
        let DenseStructure::Ivf { lists, .. } = &mut config.index else { unreachable!() };
        *lists = 31;
        let error = lent.try_build(&config).err().unwrap().to_string();
        assert!(error.contains("31 lists cannot be learned from 30 vectors"), "{error}");
    }

    #[test]
    fn a_wrong_template_or_location_is_refused() {
        let mut config = config("somewhere", "", "pooling = \"mean\"");
        config.query.template = vec!["{title}".to_owned()];
        let error = Algorithm::check(&config).unwrap_err();
        assert_eq!(error, "`query`: `template` names `{title}`: expected {text}");
        config.model.revision = Some("main".to_owned());
        assert!(Algorithm::check(&config).unwrap_err().contains("leave the revision out"));
    }
}
