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

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nir_core::{
    Contribution, Corpus, DocNo, Encode, Encoding, Form, Match, Progress, Queries, Query, Ranking,
    Result, Retriever, Run, Scored, Version,
};
use nir_index::{Matrix, MatrixWriter, Simd, Storage};
use nir_nn::checkpoint::{Checkpoint, Wanted};
use nir_nn::heads::PerToken;
use nir_nn::{
    Architecture, Bound, Hidden, Input, Model, Pooling, Role, Rows, Tensors, Tokens, check_finite,
    numbers,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::model::ModelSource;
use crate::neural::{Effort, document_token, document_tokens, piece, pieces, query_tokens, shards};
use crate::{Algorithm, Context, Shape, Stage};

/// The parameters.
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
    /// How a query is written.
    pub query: Input,
    /// How a document is written.
    pub document: Input,
    /// How each number of a vector is kept.
    pub storage: Storage,
    /// How many documents are kept for each query.
    pub depth: usize,
}

impl Algorithm for Config {
    const NAME: &'static str = "coil";
    const VERSION: u32 = 1;
    const PAPER: &'static str = "gao2020coil";
    const SHAPE: Shape = Shape::Retriever;

    fn build(&self, context: &Context<'_>) -> Result<Stage> {
        let reader = Reader::load(self, context)?;
        let lists = self.encode(context, &reader)?;
        let tokens: usize = lists.iter().map(|lists| lists.docs.len()).sum();
        context.resources.note("lists", "tokens", &tokens.to_string());
        Ok(Stage::Retriever(Arc::new(Coil {
            reader,
            lists,
            depth: self.depth,
            corpus: Arc::clone(&context.corpus),
            progress: Arc::clone(&context.progress),
        })))
    }

    fn encoder(&self, context: &Context<'_>) -> Result<Option<Box<dyn Encode>>> {
        Ok(Some(Box::new(Reader::load(self, context)?)))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.model.check("model")?;
        self.query.check(&["text"]).map_err(|problem| format!("`query`: {problem}"))?;
        self.document
            .check(&["title", "text"])
            .map_err(|problem| format!("`document`: {problem}"))?;
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

impl Config {
    /// The inverted lists of all documents, one set for each shard.
    fn encode(&self, context: &Context<'_>, reader: &Reader) -> Result<Vec<Lists>> {
        let checkpoint = self.model.digest(context)?;
        let model = &reader.model;
        let parts = (&self.token, &self.cls, &self.document, &self.storage);
        let parts = serde_json::to_string(&parts).expect("a config is plain data");
        let corpus = &*context.corpus;
        let task = context.progress.begin("encoding documents", "documents", corpus.len() as u64);
        let encoding = context.encoding(&format!("{checkpoint} {parts}"));
        let effort = Effort::new(&model.encoder, &reader.document_tokens);
        let folders = shards(context, &encoding, FORMAT, effort, &mut |folder, rows| {
            let tokens = document_tokens(&reader.document_tokens, corpus, rows.clone())?;
            let text = |i: usize| corpus.contents(DocNo(rows.start + i as u32)).to_owned();
            write(folder, &vectors(model, &tokens, text)?, model.head.widths(), self.storage)?;
            task.advance(u64::from(rows.end - rows.start));
            Ok(())
        })?;
        folders.iter().map(|folder| Lists::open(folder)).collect()
    }
}

/// The two layers.
struct Heads {
    token: PerToken,
    cls: Option<PerToken>,
}

impl Heads {
    fn load(
        architecture: &Architecture,
        tensors: &mut Tensors,
        token: &String,
        cls: Option<&String>,
    ) -> nir_nn::Result<Self> {
        let cls = cls.map(|name| PerToken::load(architecture, tensors, &[name])).transpose()?;
        Ok(Self { token: PerToken::load(architecture, tensors, &[token])?, cls })
    }

    /// Of a token's vector and of a text's.
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

/// What COIL makes of a text.
#[derive(Debug, Clone, PartialEq, Default)]
struct Vectors {
    /// The tokens that may match, in order.
    ids: Vec<u32>,
    /// `[ids, dim]`
    tokens: Vec<f32>,
    /// `[dim]`, or empty
    cls: Vec<f32>,
}

/// The vectors of texts, in order.
fn vectors(
    model: &Model<Heads>,
    tokens: &[Tokens],
    text: impl Fn(usize) -> String,
) -> Result<Vec<Vectors>> {
    let (width, cls_width) = model.head.widths();
    let mut all = vec![Vectors::default(); tokens.len()];
    model.encoder.in_batches(tokens, Rows::All, |places, hidden| {
        let rows = numbers(&model.head.token.forward(hidden)?)?; // [rows, dim]
        let cls = model.head.cls(hidden)?; // [batch, dim]
        let mut rest = &rows[..];
        for (i, (&place, &length)) in places.iter().zip(&hidden.lengths).enumerate() {
            let (own, others) = rest.split_at(length * width);
            rest = others;
            let cls = &cls[i * cls_width..][..cls_width];
            check_finite(own, || text(place))?;
            check_finite(cls, || text(place))?;
            let matched = 1..length - 1; // between [CLS] and [SEP]
            all[place] = Vectors {
                ids: tokens[place].ids[matched.clone()].to_vec(),
                tokens: own[matched.start * width..matched.end * width].to_vec(),
                cls: cls.to_vec(),
            };
        }
        Ok(())
    })?;
    Ok(all)
}

/// Of the three files below.
pub(crate) const FORMAT: Version = Version::new("methods::coil lists", 1);
const TOKENS: &str = "tokens.matrix";
const CLS: &str = "cls.matrix";
const PLACES: &str = "tokens.places";

/// Writes the vectors of a shard's tokens, sorted by token and then by document; how many documents there are, and the
/// token and the document of each vector, in 32-bit little-endian words; and the vectors of the documents.
fn write(
    folder: &Path,
    documents: &[Vectors],
    (width, cls_width): (usize, usize),
    storage: Storage,
) -> Result<()> {
    let places = places(documents);
    let mut matrix = MatrixWriter::create(&folder.join(TOKENS), width, storage)?;
    let vector = |&(_, doc, i): &Place| &documents[doc].tokens[i * width..][..width];
    places.iter().try_for_each(|place| matrix.push(vector(place)))?;
    matrix.finish()?;
    let pairs = places.iter().flat_map(|&(id, doc, _)| [id, doc as u32]);
    let words = std::iter::once(documents.len() as u32).chain(pairs);
    fs::write(folder.join(PLACES), words.flat_map(u32::to_le_bytes).collect::<Vec<u8>>())?;
    if cls_width > 0 {
        let mut matrix = MatrixWriter::create(&folder.join(CLS), cls_width, storage)?;
        documents.iter().try_for_each(|document| matrix.push(&document.cls))?;
        matrix.finish()?;
    }
    Ok(())
}

/// A token, its document and its place there.
type Place = (u32, usize, usize);

/// All tokens of some documents, sorted.
fn places(documents: &[Vectors]) -> Vec<Place> {
    let mut places = Vec::new();
    for (doc, document) in documents.iter().enumerate() {
        places.extend((0..).zip(&document.ids).map(|(i, &id)| (id, doc, i)));
    }
    places.sort_unstable();
    places
}

/// Inverted lists of vectors over a range of documents.
struct Lists {
    /// Each token with the rows of its list, by rising token.
    tokens: Vec<(u32, Range<usize>)>,
    /// The document of each row, counted from the shard's first; it rises within a list.
    docs: Vec<u32>,
    /// The vector of each row.
    vectors: Matrix,
    /// How many documents there are.
    documents: usize,
    /// `v_cls` of each document; none for COIL-tok.
    cls: Option<Matrix>,
}

impl Lists {
    fn open(folder: &Path) -> Result<Self> {
        let (documents, pairs) = read(&folder.join(PLACES))?;
        let cls = folder.join(CLS);
        Ok(Self {
            tokens: lists(&pairs),
            docs: pairs.iter().map(|&[_, doc]| doc).collect(),
            vectors: Matrix::open(&folder.join(TOKENS))?,
            documents,
            cls: cls.is_file().then(|| Matrix::open(&cls)).transpose()?,
        })
    }

    /// The scores of all documents here.
    fn scores(&self, query: &Vectors) -> Vec<f32> {
        let mut scores = self.cls_scores(&query.cls);
        let mut vector = vec![0.0; self.vectors.dim()];
        for (id, query) in query.ids.iter().zip(query.tokens.chunks_exact(self.vectors.dim())) {
            let Ok(place) = self.tokens.binary_search_by_key(id, |&(id, _)| id) else { continue };
            let product = |row: usize| {
                self.vectors.read(row, &mut vector);
                Simd::get().dot(query, &vector)
            };
            let rows = self.tokens[place].1.clone();
            add_best(&self.docs[rows.clone()], rows.map(product), &mut scores);
        }
        scores
    }

    /// The tokens of a query that match in a document, with what each adds.
    fn matches(&self, query: &Vectors, doc: usize) -> Vec<(u32, f32)> {
        let rows = query.tokens.chunks_exact(self.vectors.dim());
        let one = |(&id, query): (&u32, &[f32])| {
            let place = self.tokens.binary_search_by_key(&id, |&(id, _)| id).ok()?;
            let rows = self.tokens[place].1.clone().filter(|&row| self.docs[row] as usize == doc);
            let best =
                rows.map(|row| Simd::get().dot(query, &self.vectors.row(row))).fold(0.0, f32::max);
            (best > 0.0).then_some((id, best))
        };
        query.ids.iter().zip(rows).filter_map(one).collect()
    }

    fn cls_scores(&self, query: &[f32]) -> Vec<f32> {
        let Some(cls) = &self.cls else { return vec![0.0; self.documents] };
        let mut vector = vec![0.0; cls.dim()];
        let product = |doc: usize| {
            cls.read(doc, &mut vector);
            Simd::get().dot(query, &vector)
        };
        (0..self.documents).map(product).collect()
    }
}

/// Each token with the rows that have it, which stand together.
fn lists(pairs: &[[u32; 2]]) -> Vec<(u32, Range<usize>)> {
    let mut start = 0;
    let list = |same: &[[u32; 2]]| {
        start += same.len();
        (same[0][0], start - same.len()..start)
    };
    pairs.chunk_by(|[a, _], [b, _]| a == b).map(list).collect()
}

/// How many documents a shard has, and the token and the document of each vector.
fn read(path: &Path) -> Result<(usize, Vec<[u32; 2]>)> {
    let bytes = fs::read(path)?;
    let mut words = bytes.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word));
    let documents = words.next().ok_or_else(|| format!("{}: is empty", path.display()))?;
    let words: Vec<u32> = words.collect();
    Ok((documents as usize, words.as_chunks::<2>().0.to_vec()))
}

/// Adds, for each document of a list, the largest of its products to its score, if that is above zero.
fn add_best(docs: &[u32], mut products: impl Iterator<Item = f32>, scores: &mut [f32]) {
    for same in docs.chunk_by(|a, b| a == b) {
        let best = products.by_ref().take(same.len()).fold(0.0, f32::max);
        scores[same[0] as usize] += best;
    }
}

/// The path of a checkpoint's file that must be there.
fn file(checkpoint: &Checkpoint, name: &str) -> Result<PathBuf> {
    checkpoint.file(name).ok_or_else(|| {
        let (place, found) = (checkpoint.name(), checkpoint.files().collect::<Vec<_>>().join(", "));
        format!("{place}: has no file `{name}`, which `heads` names; it has {found}").into()
    })
}

/// The model with the ways of writing texts.
struct Reader {
    model: Arc<Model<Heads>>,
    query_tokens: Bound,
    document_tokens: Bound,
}

impl Reader {
    fn load(config: &Config, context: &Context<'_>) -> Result<Self> {
        let source = &config.model;
        let checkpoint = source.checkpoint(context)?;
        let heads = config.heads.as_ref().map(|name| file(&checkpoint, name)).transpose()?;
        let model = source.load(context, |architecture, tensors| {
            heads.iter().try_for_each(|heads| tensors.also(heads))?;
            Heads::load(architecture, tensors, &config.token, config.cls.as_ref())
        })?;
        Ok(Self {
            query_tokens: source.bind(context, &model, &config.query, Role::Query)?,
            document_tokens: source.bind(context, &model, &config.document, Role::Document)?,
            model,
        })
    }

    fn vectors(&self, tokens: &Tokens, text: &str) -> Result<Vectors> {
        Ok(vectors(&self.model, std::slice::from_ref(tokens), |_| text.to_owned())?.swap_remove(0))
    }

    fn encoding(&self, tokens: &Tokens, text: &str) -> Result<Encoding> {
        let Vectors { ids, tokens: rows, cls } = self.vectors(tokens, text)?;
        let names = ids.iter().map(|&id| piece(&self.model.tokenizer, id));
        let mut vectors: Vec<_> = Vec::new();
        if !cls.is_empty() {
            vectors.push((piece(&self.model.tokenizer, tokens.ids[0]), cls));
        }
        let rows = rows.chunks_exact(self.model.head.widths().0).map(<[f32]>::to_vec);
        vectors.extend(names.zip(rows));
        let tokens = pieces(&self.model.tokenizer, tokens);
        Ok(Encoding { tokens, form: Form::Vectors(vectors) })
    }
}

impl Encode for Reader {
    fn query(&self, query: &Query) -> Result<Encoding> {
        self.encoding(&self.query_tokens.encode(|_| query.text.clone())?, &query.text)
    }

    fn document(&self, corpus: &dyn Corpus, doc: DocNo) -> Result<Encoding> {
        self.encoding(&document_token(&self.document_tokens, corpus, doc)?, corpus.contents(doc))
    }
}

struct Coil {
    reader: Reader,
    lists: Vec<Lists>,
    depth: usize,
    corpus: Arc<dyn Corpus>,
    progress: Arc<dyn Progress>,
}

impl Retriever for Coil {
    fn retrieve(&self, queries: &Queries) -> Result<Run> {
        let task = self.progress.begin("searching lists", "queries", queries.len() as u64);
        let tokens = query_tokens(&self.reader.query_tokens, queries)?;
        let vectors = vectors(&self.reader.model, &tokens, |i| queries[i].text.clone())?;
        let one = |query: &Vectors| {
            let ranking = self.search(query);
            task.advance(1);
            ranking
        };
        Ok(Run(vectors.par_iter().map(one).collect()))
    }

    fn explain(&self, query: &Query, doc: DocNo) -> Result<Vec<Contribution>> {
        let tokens = self.reader.query_tokens.encode(|_| query.text.clone())?;
        let query = self.reader.vectors(&tokens, &query.text)?;
        let (lists, row) = self.shard(doc);
        let cls = lists.cls.as_ref().map(|cls| Contribution {
            of: Match::Texts,
            score: Simd::get().dot(&query.cls, &cls.row(row)),
        });
        let matched = lists.matches(&query, row).into_iter().map(|(id, score)| {
            let token = piece(&self.reader.model.tokenizer, id);
            Contribution { of: Match::Tokens { query: token.clone(), document: token }, score }
        });
        Ok(cls.into_iter().chain(matched).collect())
    }
}

impl Coil {
    /// The lists that have a document, and its row there.
    fn shard(&self, doc: DocNo) -> (&Lists, usize) {
        let mut row = doc.row();
        let has = |lists: &&Lists| {
            let here = row < lists.documents;
            row -= if here { 0 } else { lists.documents };
            here
        };
        (self.lists.iter().find(has).expect("the shards have all documents"), row)
    }

    fn search(&self, query: &Vectors) -> Ranking {
        let (mut first, mut best) = (0, Vec::new());
        for lists in &self.lists {
            let scores = lists.scores(query);
            let scored =
                (first..).zip(&scores).map(|(row, &score)| Scored { doc: DocNo(row), score });
            // What is not among the best of its shard is not among the best of all.
            best.extend_from_slice(&Ranking::top(self.depth, scored.collect(), &*self.corpus));
            first += scores.len() as u32;
        }
        Ranking::top(self.depth, best, &*self.corpus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lent, assert_ranked, fixture, sentence_and_word};

    #[test]
    fn a_document_counts_once_by_its_best_match() {
        let mut scores = vec![0.5; 4];
        // Document 1 has the token twice, document 2 only in another sense.
        add_best(&[1, 1, 2, 3], [2.0, 3.0, -1.0, 0.25].into_iter(), &mut scores);
        assert_eq!(scores, [0.5, 3.5, 0.5, 0.75]);
    }

    fn text(ids: &[u32], tokens: &[[f32; 2]], cls: &[f32]) -> Vectors {
        Vectors { ids: ids.to_vec(), tokens: tokens.concat(), cls: cls.to_vec() }
    }

    fn written(documents: &[Vectors], widths: (usize, usize)) -> Lists {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), documents, widths, Storage::F32).unwrap();
        Lists::open(folder.path()).unwrap()
    }

    #[test]
    fn tokens_meet_only_their_like() {
        let documents = [
            text(&[7, 5, 7], &[[1.0, 0.0], [0.0, 9.0], [0.0, 2.0]], &[1.0, 1.0, 0.0]),
            text(&[], &[], &[0.0, 0.0, 1.0]),
            text(&[5], &[[-1.0, -1.0]], &[0.0, 1.0, 0.0]),
        ];
        let lists = written(&documents, (2, 3));
        assert_eq!(lists.tokens, [(5, 0..2), (7, 2..4)]);
        assert_eq!(lists.docs, [0, 2, 0, 0]);
        // 7 meets (1, 0) and (0, 2): 1 and 4; 5 meets (0, 9), and in the last document (-1, -1), which is no match;
        // 7 again: 3 and 0; nobody has 6.
        let query = text(
            &[7, 5, 7, 6],
            &[[1.0, 2.0], [1.0, 1.0], [3.0, 0.0], [8.0, 8.0]],
            &[2.0, 0.5, -1.0],
        );
        assert_eq!(lists.scores(&query), [4.0 + 9.0 + 3.0 + 2.5, -1.0, 0.5]);
    }

    #[test]
    fn coil_tok_has_no_vector_of_the_text() {
        let lists = written(&[text(&[5], &[[1.0, 1.0]], &[]), text(&[], &[], &[])], (2, 0));
        assert_eq!(lists.scores(&text(&[5], &[[1.0, 2.0]], &[])), [3.0, 0.0]);
    }

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
        let best = |i: usize| {
            let same = (0..ids.len()).filter(|&j| ids[j] == ids[i]);
            same.map(|j| dot(row(i), row(j))).fold(0.0, f32::max)
        };
        let matches: f32 = (0..ids.len()).map(best).sum();
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
