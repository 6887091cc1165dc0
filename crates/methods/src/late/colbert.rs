//! ColBERT: every token of a query looks for the token of the passage that is most like it.
//! Khattab and Zaharia, SIGIR 2020 (`khattab2020colbert`); the released checkpoint is that of ColBERTv2 (Santhanam et al., NAACL 2022).
//!
//! One vector for a text must be a compromise; reading query and passage together is slow. ColBERT keeps a small vector
//! for each token, made without a look at the other side, and compares them late: a sum of maxima, which needs no model
//! once the passages are encoded.
//!
//! ```text
//! E_q     = normalise(W BERT([CLS] [Q] q_1 … q_l [SEP] [MASK] … [MASK]))      [q_seq, dim]      (§3.2)
//! E_d     = filter(normalise(W BERT([CLS] [D] d_1 … d_m [SEP])))              [d_seq, dim]
//! s(q, d) = Σ_{i ∈ E_q} max_{j ∈ E_d} E_q,i · E_d,j                                             (§3.3, eq. 3)
//! ```
//!
//! | symbol         | is                                                                                        |
//! |----------------|-------------------------------------------------------------------------------------------|
//! | `W`            | the layer `projection`, without bias: 128 outputs in the released checkpoint              |
//! | `[Q]`, `[D]`   | `marker`: the second token of a text, `[unused0]` and `[unused1]` of BERT's vocabulary, if any |
//! | `[MASK]`       | fills queries up to `max_length`: looks at the words and is looked at by none, but counts |
//! | `filter`       | drops the tokens of passages that are punctuation, where `punctuation = false`            |
//!
//! The authors tokenize `". text"` and put the marker in the place of the full stop; a template does the same here.
//!
//! Without candidates it is a retriever and every passage is scored: exact. With `plaid` vectors are a centroid and a few
//! bits for each number, and most passages are ruled out by their centroids alone (Santhanam et al., CIKM 2022): `recall@10`
//! in the result says what that misses; with `centroids = "auto"` there are as many centroids as the authors' code takes,
//! `2^⌊log2(16 · √tokens)⌋`, which serves collections of any size. After another stage, `use = "max_sim"` scores
//! that stage's candidates with the same vectors. They are mapped from the cache: 2 bytes for each number in `f16`, so
//! 8.8 million passages of 70 tokens take 160 GB, and half of that in `int8`.
//!
//! Try it: `nir run late/colbert-pocket --on pocket`; and with the published weights `late/colbert-v2`, where you may set `fill` aside: expanding queries with masks is worth a point or
//! two of RR@10.

use nir_core::{Encode, Encoding, Form, Key, Result, Version};
use nir_index::structure::{Pruning, TokenForm, TokenPrecision, TokenStructure, TokenVectors};
use nir_index::versions;
use nir_nn::checkpoint::Wanted;
use nir_nn::heads::PerToken;
use nir_nn::{Artifact, Input, Late, Model, Role, Rows, Tokens, check_finite, normalise, numbers};
use serde::{Deserialize, Serialize};

use crate::model::ModelSource;
use crate::reader::{Reader, Texts, check_inputs, piece, pieces};
use crate::retriever::{Encoder, Shown, encoding, retriever};
use crate::shards::Effort;
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters of the method.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The encoder of queries and documents.
    pub model: ModelSource,
    /// The name of the linear layer that makes a token's vector.
    pub projection: String,
    /// The tokens that are put at the second position of queries and documents, in place of what the template leaves there;
    /// without them texts are read as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<Marker>,
    /// Whether tokens of passages that are punctuation are kept.
    pub punctuation: bool,
    /// How a query is turned into tokens.
    pub query: Input,
    /// How a document is turned into tokens.
    pub document: Input,
    /// The number format of a document's vectors.
    pub storage: TokenPrecision,
    /// How they are compressed and pruned; without it every document is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaid: Option<Pruning>,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

/// The tokens that tell the model whether a text is a query or a document.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    /// The token of queries, such as `[Q]`.
    pub query: String,
    /// The token of documents, such as `[D]`.
    pub document: String,
}

impl Algorithm for Config {
    const NAME: &'static str = "colbert";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "khattab2020colbert";
    const SHAPE: Shape = Shape::Retriever;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let encoding = self.encoding(context)?;
        retriever(context, &encoding, self.load(context)?, &self.structure(), self.depth)
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(Some(Box::new(Shown(self.load(context)?))))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        check_inputs(&self.query, &self.document)?;
        for (name, input) in [("query", &self.query), ("document", &self.document)] {
            if !input.special_tokens || input.max_length < 3 {
                return Err(format!(
                    "`{name}`: expected `special_tokens` and room for three: [CLS], the marker and [SEP]"
                ));
            }
        }
        self.plaid.as_ref().map_or(Ok(()), Pruning::check)
    }

    fn parts(&self) -> Vec<Version> {
        vec![versions::TOKENS, versions::PLAID]
    }

    fn weights(&self) -> Vec<Wanted> {
        self.model.checkpoints()
    }
}

impl Config {
    /// Compares the checkpoint's `artifact.metadata` with this config. Fails at the first setting that differs.
    fn hold(&self, context: &Context<'_>, dim: usize) -> Result<()> {
        let checkpoint = self.model.checkpoint(context)?;
        let Some(artifact) = Artifact::read(&checkpoint)? else { return Ok(()) };
        let asked = Late {
            query: (self.marker.as_ref().map(|marker| &*marker.query), &self.query),
            document: (self.marker.as_ref().map(|marker| &*marker.document), &self.document),
            punctuation: self.punctuation,
            dim,
        };
        Ok(artifact.hold(&asked, context.overrides)?)
    }
}

/// `s(q, d)`, eq. 3: the sum over the tokens of a query of the product with the document's token that is most like it.
///
/// - `query`: `E_q`, `[q_seq, dim]`
/// - `document`: `E_d`, `[d_seq, dim]`
///
/// Minus infinity for a document without tokens. An index computes the same for many documents
/// (`nir_index::late::TokenMatrix`).
pub fn max_sim(query: &[f32], document: &[f32], dim: usize) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let best = |e_q: &[f32]| {
        let products = document.chunks_exact(dim).map(|e_d| dot(e_q, e_d));
        products.fold(f32::NEG_INFINITY, f32::max)
    };
    query.chunks_exact(dim).map(best).sum()
}

impl Config {
    pub(super) fn structure(&self) -> TokenStructure {
        TokenStructure { plaid: self.plaid.clone() }
    }

    /// The key of the vectors of documents.
    pub(super) fn encoding(&self, context: &Context<'_>) -> Result<Key> {
        let Self { projection, marker, punctuation, document, storage, .. } = self;
        let marker = marker.as_ref().map(|marker| &marker.document);
        let parts = (projection, marker, punctuation, document, storage);
        encoding(context, &self.model, &parts)
    }

    pub(super) fn load(&self, context: &Context<'_>) -> Result<ColBert> {
        let load = |source: &ModelSource| {
            source.load(context, |architecture, tensors| {
                PerToken::load(architecture, tensors, &[&self.projection])
            })
        };
        let inputs = (&self.query, &self.document);
        let reader = Reader::load(context, (&self.model, None), inputs, load)?;
        self.hold(context, reader.model().head.dim())?;
        let id = |token: &String| reader.model().tokenizer.id(token);
        let markers =
            |marker: &Marker| Ok::<_, nir_nn::Error>([id(&marker.query)?, id(&marker.document)?]);
        Ok(ColBert {
            markers: self.marker.as_ref().map(markers).transpose()?,
            reader,
            punctuation: self.punctuation,
            storage: self.storage,
        })
    }
}

/// The model with the tokenizers of queries and documents.
pub(super) struct ColBert {
    reader: Reader<PerToken>,
    /// The tokens that mark queries and documents.
    markers: Option<[u32; 2]>,
    punctuation: bool,
    storage: TokenPrecision,
}

impl ColBert {
    /// The tokens of texts, the second of which is the marker of their role if there are markers.
    pub(super) fn tokens(&self, texts: Texts<'_>) -> Result<Vec<Tokens>> {
        let mut tokens = self.reader.of(texts.role()).tokens(texts)?;
        if let Some([query, document]) = self.markers {
            let marker = if texts.role() == Role::Query { query } else { document };
            tokens.iter_mut().for_each(|tokens| tokens.ids[1] = marker);
        }
        Ok(tokens)
    }

    /// Whether the vector of a token is kept: `filter` in the equation.
    pub(super) fn keeps(&self, id: u32, role: Role) -> bool {
        role == Role::Query || self.punctuation || !is_punctuation(self.reader.model(), id)
    }
}

impl Encoder for ColBert {
    type Vector = TokenVectors;

    /// The vectors of each text: `E_q` or `E_d`.
    fn encode(&self, texts: Texts<'_>) -> Result<Vec<TokenVectors>> {
        let (tokens, model) = (self.tokens(texts)?, self.reader.model());
        let (dim, role) = (model.head.dim(), texts.role());
        let mut all = vec![TokenVectors::default(); tokens.len()];
        model.encoder.in_batches(&tokens, Rows::All, |places, hidden| {
            let rows = numbers(&normalise(&model.head.forward(hidden)?)?)?; // [Σ lengths, dim]
            let mut rest = &rows[..];
            for (&place, &length) in places.iter().zip(&hidden.lengths) {
                let (own, others) = rest.split_at(length * dim);
                rest = others;
                check_finite(own, || texts.text(place).to_owned())?;
                let named = tokens[place].ids.iter().zip(own.chunks_exact(dim));
                for (&id, row) in named.filter(|&(&id, _)| self.keeps(id, role)) {
                    all[place].ids.push(id);
                    all[place].rows.extend_from_slice(row);
                }
            }
            Ok(())
        })?;
        Ok(all)
    }

    fn form(&self) -> TokenForm {
        TokenForm { dim: self.reader.model().head.dim(), precision: self.storage }
    }

    fn effort(&self) -> Effort {
        self.reader.effort()
    }

    fn show(&self, text: Texts<'_>, vectors: TokenVectors) -> Result<Encoding> {
        let tokens = self.tokens(text)?.swap_remove(0);
        let rows = vectors.rows.chunks_exact(self.reader.model().head.dim()).map(<[f32]>::to_vec);
        let named = vectors.ids.iter().map(|&id| self.piece(id)).zip(rows);
        let pieces = pieces(&self.reader.model().tokenizer, &tokens);
        Ok(Encoding { tokens: pieces, form: Form::Vectors(named.collect()) })
    }

    fn piece(&self, number: u32) -> String {
        piece(&self.reader.model().tokenizer, number)
    }

    fn rows(&self, text: Texts<'_>) -> Result<Vec<String>> {
        let tokens = self.tokens(text)?.swap_remove(0);
        let kept = tokens.ids.iter().filter(|&&id| self.keeps(id, text.role()));
        Ok(kept.map(|&id| self.piece(id)).collect())
    }
}

/// One of ASCII's marks, which the authors leave out (Python's `string.punctuation`).
fn is_punctuation(model: &Model<PerToken>, id: u32) -> bool {
    let piece = model.tokenizer.token(id);
    piece.is_some_and(|piece| piece.len() == 1 && piece.bytes().all(|c| c.is_ascii_punctuation()))
}

#[cfg(test)]
mod tests {
    use nir_core::{Form, Ranking};
    use nir_index::structure::{CentroidCount, CentroidRule};

    use super::super::max_sim;
    use super::*;
    use crate::testing::{Lent, assert_ranked, fixture, sentence_and_word};

    /// As the fixture was recorded: no marker of its own, punctuation kept, and no masks.
    fn config(folder: &str, query: &str) -> Config {
        let text = format!(
            "model = {{ weights = \"file:{folder}\", ignore = [\"*pooler.*\"] }}\nprojection = \"linear\"\n\
             marker = {{ query = \"bread\", document = \"bread\" }}\npunctuation = true\n\
             query = {query}\n\
             document = {{ template = [\"{{text}}\"], special_tokens = true, max_length = 40 }}\n\
             storage = \"f16\"\ndepth = 10"
        );
        toml::from_str(&text).unwrap()
    }

    const PLAIN: &str = r#"{ template = ["{text}"], special_tokens = true, max_length = 40 }"#;

    #[test]
    fn a_score_is_the_sum_of_maxima_of_the_references_vectors() {
        let (folder, expected) = fixture("colbert");
        // "word" is the text "bread", so that its own marker changes nothing.
        let lent = Lent::new([sentence_and_word()[1]]);
        let own = expected("word", "tokens_normalized");
        let found = lent.retrieve(&config(&folder, PLAIN), "bread");
        // Halves keep 11 bits.
        let named = lent.named(&found);
        assert_eq!(named[0].0, "word");
        assert!((named[0].1 - max_sim(&own, &own, 8)).abs() < 5e-3, "{named:?}");
    }

    #[test]
    fn a_reranker_gives_its_candidates_the_same_scores() {
        let (folder, _) = fixture("colbert");
        let lent = Lent::new(sentence_and_word());
        let config = config(&folder, PLAIN);
        let all = lent.retrieve(&config, "bread and water");
        let parts = lent.explain(&config, "bread and water");
        let [query, document] = lent.encode(&config, "bread and water", 1);
        assert_eq!(parts[0].len(), query.tokens.len());
        assert!(
            matches!(document.form, Form::Vectors(rows) if rows.len() == document.tokens.len())
        );
        let again = lent.rerank(&max_sim::Config(config.clone()), "bread and water", &all);
        assert_ranked(&lent.named(&again), &lent.named(&all));
        let one = Ranking::top(1, all.iter().skip(1).copied().collect(), lent.corpus());
        let again = lent.rerank(&max_sim::Config(config), "bread and water", &one);
        assert_ranked(&lent.named(&again), &lent.named(&all)[1..]);
    }

    #[test]
    fn without_markers_a_text_is_read_as_it_is() {
        let (folder, expected) = fixture("colbert");
        let lent = Lent::new([("none", "bread")]);
        let plain = Config { marker: None, ..config(&folder, PLAIN) };
        let own = expected("word", "tokens_normalized"); // the recorded text is "bread"
        let named = lent.named(&lent.retrieve(&plain, "bread"));
        assert!((named[0].1 - max_sim(&own, &own, 8)).abs() < 5e-3, "{named:?}");
        // A marker takes the place of the only word.
        let marker = Marker { query: "[MASK]".to_owned(), document: "[MASK]".to_owned() };
        let marked = Config { marker: Some(marker), ..config(&folder, PLAIN) };
        let other = lent.named(&lent.retrieve(&marked, "bread"));
        assert_ne!(named[0].1, other[0].1);
    }

    #[test]
    fn masks_count_and_punctuation_does_not() {
        let (folder, _) = fixture("colbert");
        let lent = Lent::new([("mark", "bread"), ("none", "bread ?")]);
        let mut config = config(&folder, PLAIN);
        config.punctuation = false;
        let plain = lent.retrieve(&config, "bread");
        config.query.fill = Some(nir_nn::Fill { token: "[MASK]".to_owned(), seen: false });
        config.query.max_length = 12;
        let filled = lent.retrieve(&config, "bread");
        // Three tokens have a cosine of at most one each; the nine masks add theirs.
        assert!(plain[0].score <= 3.001 && filled[0].score > plain[0].score);
    }

    #[test]
    fn pruning_that_looks_everywhere_loses_only_to_rounding() {
        let (folder, _) = fixture("colbert");
        let texts = ["bread", "water and wine", "pressure", "which treatment", "blood", "why?"];
        let lent = Lent::new(texts.map(|text| (text, text)));
        let mut config = config(&folder, PLAIN);
        let exact = lent.retrieve(&config, "bread and water");
        let everywhere = Pruning {
            centroids: CentroidCount::Fixed(8),
            bits: 4,
            sample: 1000,
            seed: 1,
            nprobe: 8,
            threshold: f32::NEG_INFINITY,
            documents: 24,
        };
        config.plaid = Some(everywhere.clone());
        let found = lent.retrieve(&config, "bread and water");
        assert_eq!((found.len(), found[0].doc), (exact.len(), exact[0].doc));
        assert!((found[0].score - exact[0].score).abs() < 0.2);
        assert_eq!(lent.recall(&config, "bread"), Some(1.0));

        config.plaid = Some(Pruning { documents: 4, nprobe: 1, ..everywhere.clone() });
        assert!(lent.recall(&config, "bread").unwrap() < 1.0);

        let auto = CentroidCount::Rule(CentroidRule::Auto);
        config.plaid = Some(Pruning { centroids: auto, nprobe: 1000, ..everywhere.clone() });
        let found = lent.retrieve(&config, "bread and water");
        assert_eq!((found.len(), found[0].doc), (exact.len(), exact[0].doc));

        config.plaid = Some(Pruning { centroids: CentroidCount::Fixed(1000), ..everywhere });
        let error = lent.try_build(&config).err().unwrap().to_string();
        assert!(error.contains("1000 centroids cannot be learned"), "{error}");
        assert!(Algorithm::check(&max_sim::Config(config)).unwrap_err().contains("leave it out"));
    }

    #[test]
    fn a_text_without_room_for_a_marker_is_refused() {
        let mut config = config("somewhere", PLAIN);
        config.document.max_length = 2;
        let error = Algorithm::check(&config).unwrap_err();
        assert!(error.starts_with("`document`: expected `special_tokens`"), "{error}");
    }
}
