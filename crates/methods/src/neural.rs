//! What methods with a model share: loading it, and keeping what it made of the documents.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use nir_core::{Corpus, DocNo, EncodedTerm, Encoding, Form, Hasher, Query, Result};
use nir_nn::checkpoint::{Location, Wanted};
use nir_nn::heads::PerToken;
use nir_nn::{
    Architecture, Bound, Input, Model, Role, Rows, Tensors, Tokens, Truncation, check_finite,
    check_prompt, numbers,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Context;

/// Documents whose vectors are kept in one file. A killed run loses what it has of one: less than a minute's work of a
/// small encoder on a CPU.
const SHARD: u32 = 4096;

/// A location with its revision, as a config's `check` has found it to be sound.
pub(crate) fn wanted(location: &Location, revision: Option<&String>) -> Wanted {
    Wanted::new(location.clone(), revision.map(String::as_str)).expect("the config was checked")
}

/// What is wrong with a location and its revision together, if anything.
pub(crate) fn check_weights(
    location: &Location,
    revision: Option<&String>,
) -> std::result::Result<(), String> {
    let wanted = Wanted::new(location.clone(), revision.map(String::as_str));
    wanted.map(|_| ()).map_err(|error| error.to_string())
}

/// Another checkpoint whose vocabulary is used, where the weights come without one.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabulary {
    /// Where it is: `hf:org/name` or `file:folder`.
    pub weights: Location,
    /// Its commit on the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

impl Vocabulary {
    pub(crate) fn wanted(&self) -> Wanted {
        wanted(&self.weights, self.revision.as_ref())
    }

    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        check_weights(&self.weights, self.revision.as_ref())
            .map_err(|problem| format!("`vocabulary`: {problem}"))
    }
}

/// The digest of a checkpoint's files.
pub(crate) fn digest(context: &Context<'_>, wanted: &Wanted) -> Result<String> {
    Ok(context.resources.checkpoint(wanted)?.digest()?.to_hex().to_string())
}

/// The digests of several, in order.
pub(crate) fn digests(context: &Context<'_>, wanted: &[Wanted]) -> Result<String> {
    let digests: Vec<String> =
        wanted.iter().map(|wanted| digest(context, wanted)).collect::<Result<_>>()?;
    Ok(digests.join(" "))
}

/// Loads a model with one head.
pub(crate) fn load<H>(
    context: &Context<'_>,
    wanted: &Wanted,
    ignore: &[String],
    head: impl FnOnce(&Architecture, &mut Tensors) -> nir_nn::Result<H>,
) -> Result<Arc<Model<H>>> {
    load_with(context, wanted, None, ignore, head)
}

/// As [`load`], with the vocabulary of another checkpoint if one is named.
pub(crate) fn load_with<H>(
    context: &Context<'_>,
    wanted: &Wanted,
    vocabulary: Option<&Vocabulary>,
    ignore: &[String],
    head: impl FnOnce(&Architecture, &mut Tensors) -> nir_nn::Result<H>,
) -> Result<Arc<Model<H>>> {
    let checkpoint = context.resources.checkpoint(wanted)?;
    let vocabulary = vocabulary.map(|other| context.resources.checkpoint(&other.wanted()));
    let vocabulary = vocabulary.transpose()?;
    let model = Model::load(&checkpoint, vocabulary.as_ref(), &context.backend, ignore, head)?;
    Ok(Arc::new(model))
}

/// A tokenizer bound to the way in which one role's texts are written, after a look at whether the checkpoint demands a
/// prefix.
pub(crate) fn bind<H>(
    context: &Context<'_>,
    wanted: &Wanted,
    model: &Model<H>,
    input: &Input,
    role: Role,
) -> Result<Bound> {
    let checkpoint = context.resources.checkpoint(wanted)?;
    check_prompt(&checkpoint, &wanted.location(), input, role)?;
    Ok(model.tokenizer.bind(input, Truncation::Longest)?)
}

/// The tokens of queries, in order.
pub(crate) fn query_tokens(bound: &Bound, queries: &[Query]) -> Result<Vec<Tokens>> {
    queries.par_iter().map(|query| Ok(bound.encode(|_| query.text.clone())?)).collect()
}

/// The tokens of a document.
pub(crate) fn document_token(bound: &Bound, corpus: &dyn Corpus, doc: DocNo) -> Result<Tokens> {
    let field = |name: &str| match name {
        "title" => corpus.title(doc).to_owned(),
        _ => corpus.text(doc).to_owned(),
    };
    Ok(bound.encode(field)?)
}

/// The tokens of documents, in order.
pub(crate) fn document_tokens(
    bound: &Bound,
    corpus: &dyn Corpus,
    rows: Range<u32>,
) -> Result<Vec<Tokens>> {
    rows.into_par_iter().map(|row| document_token(bound, corpus, DocNo(row))).collect()
}

/// Has `make` turn every shard of the collection into a folder of files, unless that shard's texts have been through the
/// same encoder before; `encoder` names everything that decides what it makes of a text. Returns the folders in order.
pub(crate) fn shards(
    context: &Context<'_>,
    encoder: &str,
    make: &mut dyn FnMut(&std::path::Path, Range<u32>) -> Result<()>,
) -> Result<Vec<PathBuf>> {
    let documents = context.corpus.len() as u32;
    let starts = (0..documents).step_by(SHARD as usize);
    let shard = |start: u32| {
        let rows = start..documents.min(start + SHARD);
        let mut key = Hasher::new("encoded");
        key.part(encoder).part(context.backend.to_string());
        for row in rows.clone() {
            let doc = DocNo(row);
            key.part(context.corpus.title(doc)).part(context.corpus.text(doc));
        }
        context
            .resources
            .artifact("vectors", key.digest(), &mut |folder| make(folder, rows.clone()))
    };
    starts.map(shard).collect()
}

/// How often each token of a query occurs; special tokens do not count.
pub(crate) fn count_tokens(tokenizer: &nir_nn::Tokenizer, tokens: &Tokens) -> Vec<(u32, f32)> {
    let mut counts: Vec<(u32, f32)> = Vec::new();
    for &id in tokens.ids.iter().filter(|&&id| !tokenizer.is_special(id)) {
        match counts.iter_mut().find(|(known, _)| *known == id) {
            Some((_, count)) => *count += 1.0,
            None => counts.push((id, 1.0)),
        }
    }
    counts
}

/// The pieces of a text, as the model reads it.
pub(crate) fn pieces(tokenizer: &nir_nn::Tokenizer, tokens: &Tokens) -> Vec<String> {
    tokens.ids.iter().map(|&id| piece(tokenizer, id)).collect()
}

/// The word piece of this number.
pub(crate) fn piece(tokenizer: &nir_nn::Tokenizer, id: u32) -> String {
    tokenizer.token(id).expect("the tokenizer has the token that it gave")
}

/// A text as weighted word pieces, those that it has itself told from the others.
pub(crate) fn weighted_pieces(
    tokenizer: &nir_nn::Tokenizer,
    tokens: &Tokens,
    vector: impl IntoIterator<Item = (u32, f32)>,
) -> Encoding {
    let term = |(id, weight): (u32, f32)| {
        // A head may have more outputs than the vocabulary has words.
        let term = tokenizer.token(id).unwrap_or_else(|| format!("#{id}"));
        EncodedTerm { term, weight, is_expansion: !tokens.ids.contains(&id) }
    };
    let form = Form::Terms(vector.into_iter().map(term).collect());
    Encoding { tokens: pieces(tokenizer, tokens), form }
}

/// The numbers of a head with one output, for each token of each text.
pub(crate) fn per_token(
    model: &Model<PerToken>,
    tokens: &[Tokens],
    text: impl Fn(usize) -> String,
) -> Result<Vec<Vec<f32>>> {
    let mut all = vec![Vec::new(); tokens.len()];
    model.encoder.in_batches(tokens, Rows::All, |places, hidden| {
        let numbers = numbers(&model.head.forward(hidden)?)?; // [rows]
        check_finite(&numbers, || places.iter().map(|&place| text(place)).collect())?;
        let mut rest = &numbers[..];
        for (&place, &length) in places.iter().zip(&hidden.lengths) {
            let (own, others) = rest.split_at(length);
            all[place] = own.to_vec();
            rest = others;
        }
        Ok(())
    })?;
    Ok(all)
}
