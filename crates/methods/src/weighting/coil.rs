//! COIL: exact matches of words, weighed by how alike they are meant.
//! Gao, Dai and Callan, NAACL 2021 (`gao2020coil`).
//!
//! A word of the query that occurs in a passage is a match to BM25 whatever it means there. COIL keeps a short vector
//! for each token, which knows its context, and lets a token of the query meet only those of the passage that are the
//! same: a bank of a river scores low for a bank of money. Inverted lists find them, with vectors where BM25's have
//! counts. What no shared word says, the vectors of `[CLS]` may.
//!
//! ```text
//! v_i         = W_tok h_i + b_tok                              v_cls = W_cls h_[CLS] + b_cls       (§3.2)
//! s_tok(q, d) = Σ_{i in q} max(0, max_{j in d, d_j = q_i} v_i · v_j)                            COIL-tok
//! s(q, d)     = s_tok(q, d) + v_cls(q) · v_cls(d)                                               COIL-full
//! ```
//!
//! | symbol     | is                                                                                  |
//! |------------|-------------------------------------------------------------------------------------|
//! | `h_i`      | the last hidden state of token `i`, `[hidden]`                                      |
//! | `W_tok`, … | the layers `token` (32 outputs in the released checkpoints) and `cls` (768)          |
//! | `i`, `j`   | places of tokens between `[CLS]` and `[SEP]`, which are not matched                  |
//!
//! The `0` is the authors' code's (luyug/COIL, `modeling.py` and the retrievers), not the paper's: a match that is worse
//! than orthogonal counts as none. They leave `[SEP]` out by `--no_sep`, as all released checkpoints were trained. A
//! token that the query repeats is matched each time. Without `cls` in the config the method is COIL-tok. The authors' code
//! saves both layers in a `model.pt` of their own beside the encoder's weights; `heads` names it, and nothing in it is run.
//!
//! Search is exact: every document is scored. Each shard of the cache is an inverted index of its own. Vectors are mapped
//! from there, 32 numbers for each token and 768 for each document, in `storage`; 4 bytes for each token stay in memory,
//! which says of which document it is, and 24 for each list. For 8.8 million passages of 70 tokens, as MS MARCO has, that
//! is 40 GB of token vectors and 14 GB of the others in `f16`, twice that in `f32`, and 3 GB of memory.
//!
//! Try it: `nir run weighting/coil-hn --on pocket`; take `cls` out, and queries in other words than the passage fail.

use std::path::PathBuf;

use nir_core::{Encode, Encoding, Form, Result};
use nir_index::Storage;
use nir_index::structure::{CoilForm, CoilStructure, CoilVectors};
use nir_nn::checkpoint::{Checkpoint, Wanted};
use nir_nn::heads::PerToken;
use nir_nn::{Architecture, Hidden, Input, Pooling, Rows, Tensors, check_finite, numbers};
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
    /// The file of the layers below, where the authors' code saved them apart from the encoder: `model.pt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<String>,
    /// The name of the linear layer that makes a token's vector.
    pub token: String,
    /// The name of the one that makes a text's vector; none for COIL-tok.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cls: Option<String>,
    /// How a query is turned into tokens.
    pub query: Input,
    /// How a document is turned into tokens.
    pub document: Input,
    /// The number format of the vectors.
    pub storage: Storage,
    /// The number of documents that are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "coil";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "gao2020coil";
    const SHAPE: Shape = Shape::Retriever;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let parts = (&self.token, &self.cls, &self.document, &self.storage);
        let encoding = encoding(context, &self.model, &parts)?;
        retriever(context, &encoding, self.load(context)?, &CoilStructure, self.depth)
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(Some(Box::new(Shown(self.load(context)?))))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        check_inputs(&self.query, &self.document)?;
        match self.query.special_tokens && self.document.special_tokens {
            true => Ok(()),
            false => {
                Err("`special_tokens` must be true: the first and the last token are left out"
                    .to_owned())
            }
        }
    }

    fn weights(&self) -> Vec<Wanted> {
        self.model.checkpoints()
    }
}

/// `s_tok(q, d)`: the sum over the tokens of a query of the best match that each has in a document.
///
/// - `query`, `document`: each token with its vector, `[dim]`
///
/// An index finds the same through inverted lists (`nir_index::structure::CoilIndex`).
pub fn s_tok(query: &[(u32, Vec<f32>)], document: &[(u32, Vec<f32>)]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let best = |(q_i, v_i): &(u32, Vec<f32>)| {
        let alike = document.iter().filter(|(d_j, _)| d_j == q_i);
        alike.map(|(_, v_j)| dot(v_i, v_j)).fold(0.0, f32::max)
    };
    query.iter().map(best).sum()
}

impl Config {
    fn load(&self, context: &Context<'_>) -> Result<Coil> {
        let checkpoint = self.model.checkpoint(context)?;
        let heads = self.heads.as_ref().map(|name| file(&checkpoint, name)).transpose()?;
        let load = |source: &ModelSource| {
            source.load(context, |architecture, tensors| {
                heads.iter().try_for_each(|heads| tensors.also(heads))?;
                Heads::load(architecture, tensors, &self.token, self.cls.as_ref())
            })
        };
        let inputs = (&self.query, &self.document);
        let reader = Reader::load(context, (&self.model, None), inputs, load)?;
        Ok(Coil { reader, storage: self.storage })
    }
}

/// The path of a file that the checkpoint must have.
fn file(checkpoint: &Checkpoint, name: &str) -> Result<PathBuf> {
    checkpoint.file(name).ok_or_else(|| {
        let (place, found) = (checkpoint.name(), checkpoint.files().collect::<Vec<_>>().join(", "));
        format!("{place}: has no file `{name}`, which `heads` names; it has {found}").into()
    })
}

/// The layers for tokens and for the whole text.
struct Heads {
    token: PerToken,
    cls: Option<PerToken>,
}

impl Heads {
    fn load(
        architecture: &Architecture,
        tensors: &mut Tensors,
        token: &str,
        cls: Option<&String>,
    ) -> nir_nn::Result<Self> {
        let cls = cls.map(|name| PerToken::load(architecture, tensors, &[name])).transpose()?;
        Ok(Self { token: PerToken::load(architecture, tensors, &[token])?, cls })
    }

    /// The number of values of a token's vector and of a text's vector.
    fn widths(&self) -> (usize, usize) {
        (self.token.dim(), self.cls.as_ref().map_or(0, PerToken::dim))
    }

    /// `v_cls` of each text of a batch, `[batch, dim]`; nothing for COIL-tok.
    fn cls(&self, hidden: &Hidden) -> nir_nn::Result<Vec<f32>> {
        let Some(cls) = &self.cls else { return Ok(Vec::new()) };
        let states = Pooling::Cls.pool(hidden)?; // [batch, hidden]
        let lengths = vec![1; hidden.lengths.len()];
        numbers(&cls.forward(&Hidden { states, lengths })?)
    }
}

struct Coil {
    reader: Reader<Heads>,
    storage: Storage,
}

impl Encoder for Coil {
    type Vector = CoilVectors;

    fn encode(&self, texts: Texts<'_>) -> Result<Vec<CoilVectors>> {
        let (tokens, model) = (self.reader.of(texts.role()).tokens(texts)?, self.reader.model());
        let (width, cls_width) = model.head.widths();
        let mut all = vec![CoilVectors::default(); tokens.len()];
        model.encoder.in_batches(&tokens, Rows::All, |places, hidden| {
            let rows = numbers(&model.head.token.forward(hidden)?)?; // [rows, width]
            let cls = model.head.cls(hidden)?; // [batch, cls_width]
            let mut rest = &rows[..];
            for (i, (&place, &length)) in places.iter().zip(&hidden.lengths).enumerate() {
                let (own, others) = rest.split_at(length * width);
                rest = others;
                let cls = &cls[i * cls_width..][..cls_width];
                check_finite(own, || texts.text(place).to_owned())?;
                check_finite(cls, || texts.text(place).to_owned())?;
                let matched = 1..length - 1; // between [CLS] and [SEP]
                all[place] = CoilVectors {
                    ids: tokens[place].ids[matched.clone()].to_vec(),
                    tokens: own[matched.start * width..matched.end * width].to_vec(),
                    cls: cls.to_vec(),
                };
            }
            Ok(())
        })?;
        Ok(all)
    }

    fn form(&self) -> CoilForm {
        let (width, cls_width) = self.reader.model().head.widths();
        CoilForm { width, cls_width, storage: self.storage }
    }

    fn effort(&self) -> Effort {
        self.reader.effort()
    }

    fn show(&self, text: Texts<'_>, vectors: CoilVectors) -> Result<Encoding> {
        let CoilVectors { ids, tokens: rows, cls } = vectors;
        let tokens = self.reader.of(text.role()).tokens(text)?.swap_remove(0);
        let cls = (!cls.is_empty()).then(|| (self.piece(tokens.ids[0]), cls));
        let rows = rows.chunks_exact(self.reader.model().head.widths().0).map(<[f32]>::to_vec);
        let named = ids.iter().map(|&id| self.piece(id)).zip(rows);
        let form = Form::Vectors(cls.into_iter().chain(named).collect());
        Ok(Encoding { tokens: pieces(&self.reader.model().tokenizer, &tokens), form })
    }

    fn piece(&self, number: u32) -> String {
        piece(&self.reader.model().tokenizer, number)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use nir_core::DocNo;

    use super::*;
    use crate::testing::{Lent, assert_ranked, fixture, sentence_and_word};

    /// The fixture, with the encoder in `model.safetensors` and PyTorch's own `model.pt` of the heads beside it.
    fn as_the_authors_save_it(folder: &str) -> tempfile::TempDir {
        let apart = tempfile::tempdir().unwrap();
        for name in ["config.json", "tokenizer.json", "model.pt"] {
            fs::copy(Path::new(folder).join(name), apart.path().join(name)).unwrap();
        }
        let weights = Path::new(folder).join("model.safetensors");
        let mut tensors =
            candle_core::safetensors::load(weights, &candle_core::Device::Cpu).unwrap();
        tensors.retain(|name, _| !name.contains("_proj."));
        candle_core::safetensors::save(&tensors, apart.path().join("model.safetensors")).unwrap();
        apart
    }

    #[test]
    fn heads_are_read_from_a_file_of_their_own() {
        let (folder, _) = fixture("coil");
        let apart = as_the_authors_save_it(&folder);
        let apart = apart.path().to_str().unwrap();
        let lent = Lent::new(sentence_and_word());
        let query = lent.corpus().text(DocNo(0));
        let found = lent.retrieve(&config(apart, "heads = \"model.pt\""), query);
        assert_eq!(found, lent.retrieve(&config(&folder, ""), query));

        let without = lent.try_build(&config(apart, "")).err().unwrap().to_string();
        assert!(without.contains("`cls_proj.weight`"), "{without}");
        let error =
            lent.try_build(&config(apart, "heads = \"heads.pt\"")).err().unwrap().to_string();
        assert!(
            error.contains("has no file `heads.pt`, which `heads` names; it has config.json"),
            "{error}"
        );
        let twice =
            lent.try_build(&config(&folder, "heads = \"model.pt\"")).err().unwrap().to_string();
        assert!(twice.contains("among the other weights: expected it once"), "{twice}");
    }

    fn config(folder: &str, more: &str) -> Config {
        toml::from_str(&format!(
            r#"
            model    = {{ weights = "file:{folder}", ignore = ["pooler.*"] }}
            token    = "tok_proj"
            cls      = "cls_proj"
            query    = {{ template = ["{{text}}"], special_tokens = true, max_length = 40 }}
            document = {{ template = ["{{text}}"], special_tokens = true, max_length = 40 }}
            storage  = "f32"
            depth    = 10
            {more}
            "#
        ))
        .unwrap()
    }

    #[test]
    fn a_tiny_checkpoint_ranks_as_all_pairs_of_tokens_do() {
        let (folder, expected) = fixture("coil");
        let config = config(&folder, "");
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let cls = |case: &str| {
            dot(&expected("sentence", "cls_projected"), &expected(case, "cls_projected"))
        };
        // The sentence shares no token with `bread`, and has its own ones more than once: `##h` three times.
        let ids = [
            64, 17, 18, 12, 17, 61, 97, 109, 117, 53, 23, 30, 138, 43, 20, 23, 23, 13, 177, 14, 35,
            160, 64, 17, 32, 41,
        ];
        let rows = expected("sentence", "tokens");
        let row = |i: usize| &rows[4 * (i + 1)..][..4];
        let tokens: Vec<_> = (0..).zip(ids).map(|(i, id)| (id, row(i).to_vec())).collect();
        let matches = s_tok(&tokens, &tokens);
        let lent = Lent::new(sentence_and_word());
        let parts = lent.explain(&config, lent.corpus().text(DocNo(0)));
        assert_eq!((parts[0].len() > 1, parts[1].len()), (true, 1));
        let [query, _] = lent.encode(&config, "bread", 0);
        let Form::Vectors(rows) = query.form else { panic!("{query:?}") };
        let widths: Vec<_> = rows.iter().map(|(token, row)| (token.as_str(), row.len())).collect();
        assert_eq!(widths[1..], [("bread", 4)]);
        let run = lent.retrieve(&config, lent.corpus().text(DocNo(0)));
        assert_ranked(
            &lent.named(&run),
            &[("sentence", matches + cls("sentence")), ("word", cls("word"))],
        );
    }
}
