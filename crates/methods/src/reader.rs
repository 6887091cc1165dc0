//! Texts on their way into a model: which texts, how a config writes them, and the word pieces that they become.

use std::sync::Arc;

use nir_core::{Corpus, DocNo, EncodedTerm, Encoding, Form, Query, Result};
use nir_nn::heads::PerToken;
use nir_nn::{Bound, Input, Model, Role, Rows, Tokenizer, Tokens, check_finite, numbers};
use rayon::prelude::*;

use crate::Context;
use crate::model::ModelSource;
use crate::shards::Effort;

/// Texts of one role, to be encoded.
#[derive(Clone, Copy)]
pub enum Texts<'a> {
    /// Queries, in order.
    Queries(&'a [Query]),
    /// Documents of a collection, in order.
    Documents(&'a dyn Corpus, &'a [DocNo]),
}

impl<'a> Texts<'a> {
    /// The role of the texts: a model may read queries and documents in different ways.
    pub fn role(self) -> Role {
        match self {
            Self::Queries(_) => Role::Query,
            Self::Documents(..) => Role::Document,
        }
    }

    /// One text as a person reads it; for a document, title and text.
    pub fn text(self, place: usize) -> &'a str {
        match self {
            Self::Queries(queries) => &queries[place].text,
            Self::Documents(corpus, docs) => corpus.contents(docs[place]),
        }
    }

    /// The word pieces of each text, written as `bound` has it.
    pub fn tokens(self, bound: &Bound) -> Result<Vec<Tokens>> {
        match self {
            Self::Queries(queries) => {
                let tokens = |query: &Query| Ok(bound.encode(|_| query.text.clone())?);
                queries.par_iter().map(tokens).collect()
            }
            Self::Documents(corpus, docs) => {
                let tokens = |&doc: &DocNo| {
                    let field = |name: &str| corpus.field(doc, name).unwrap_or_default().to_owned();
                    Ok(bound.encode(field)?)
                };
                docs.par_iter().map(tokens).collect()
            }
        }
    }
}

/// Checks how a config turns queries and documents into tokens; the error says what is wrong.
pub(crate) fn check_inputs(query: &Input, document: &Input) -> std::result::Result<(), String> {
    query.check(&["text"]).map_err(|problem| format!("`query`: {problem}"))?;
    document.check(&["title", "text"]).map_err(|problem| format!("`document`: {problem}"))
}

/// A model with the tokenizer of one role.
pub(crate) struct Side<H> {
    pub(crate) model: Arc<Model<H>>,
    pub(crate) bound: Bound,
}

impl<H> Side<H> {
    /// Binds the tokenizer of a model that was loaded from `source`.
    pub(crate) fn new(
        context: &Context<'_>,
        source: &ModelSource,
        model: Arc<Model<H>>,
        input: &Input,
        role: Role,
    ) -> Result<Self> {
        model.tokenizer.hold_special_tokens(input, context.overrides)?;
        Self::counted(context, source, model, input, role)
    }

    /// The same for texts whose tokens are only counted: no model reads them, and special tokens among them are no terms.
    fn counted(
        context: &Context<'_>,
        source: &ModelSource,
        model: Arc<Model<H>>,
        input: &Input,
        role: Role,
    ) -> Result<Self> {
        Ok(Self { bound: source.bind(context, &model, input, role)?, model })
    }

    /// The effort of encoding a text.
    pub(crate) fn effort(&self) -> Effort {
        Effort::new(&self.model.encoder, &self.bound)
    }

    /// The tokens of each text.
    pub(crate) fn tokens(&self, texts: Texts<'_>) -> Result<Vec<Tokens>> {
        texts.tokens(&self.bound)
    }

    /// The word pieces of a single text, as people read them.
    pub(crate) fn pieces(&self, text: Texts<'_>) -> Result<Vec<String>> {
        let tokens = self.tokens(text)?;
        Ok(tokens.iter().flat_map(|tokens| pieces(&self.model.tokenizer, tokens)).collect())
    }

    /// A single text as weighted word pieces, those that it has itself told from the others.
    pub(crate) fn weighted_pieces(
        &self,
        text: Texts<'_>,
        vector: impl IntoIterator<Item = (u32, f32)>,
    ) -> Result<Encoding> {
        let tokens = self.tokens(text)?;
        Ok(weighted_pieces(&self.model.tokenizer, &tokens[0], vector))
    }
}

/// The models and tokenizers of both roles, which may share a model.
pub(crate) struct Reader<H> {
    pub(crate) query: Side<H>,
    pub(crate) document: Side<H>,
}

impl<H> Reader<H> {
    /// Loads the model of documents and, where a config names another, that of queries, and binds the tokenizers.
    pub(crate) fn load(
        context: &Context<'_>,
        sources: (&ModelSource, Option<&ModelSource>),
        inputs: (&Input, &Input),
        load: impl Fn(&ModelSource) -> Result<Arc<Model<H>>>,
    ) -> Result<Self> {
        Self::bound(context, sources, inputs, load, true)
    }

    /// The same for a method that counts the tokens of queries, so that no model reads them.
    pub(crate) fn counting_queries(
        context: &Context<'_>,
        sources: (&ModelSource, Option<&ModelSource>),
        inputs: (&Input, &Input),
        load: impl Fn(&ModelSource) -> Result<Arc<Model<H>>>,
    ) -> Result<Self> {
        Self::bound(context, sources, inputs, load, false)
    }

    fn bound(
        context: &Context<'_>,
        (document_source, query_source): (&ModelSource, Option<&ModelSource>),
        (query, document): (&Input, &Input),
        load: impl Fn(&ModelSource) -> Result<Arc<Model<H>>>,
        are_queries_read: bool,
    ) -> Result<Self> {
        let documents = load(document_source)?;
        let queries = query_source.map_or_else(|| Ok(Arc::clone(&documents)), &load)?;
        let query_source = query_source.unwrap_or(document_source);
        let side = if are_queries_read { Side::new } else { Side::counted };
        Ok(Self {
            query: side(context, query_source, queries, query, Role::Query)?,
            document: Side::new(context, document_source, documents, document, Role::Document)?,
        })
    }

    /// The model and tokenizer of one role.
    pub(crate) fn of(&self, role: Role) -> &Side<H> {
        match role {
            Role::Query => &self.query,
            Role::Document => &self.document,
        }
    }

    /// The model of documents.
    pub(crate) fn model(&self) -> &Model<H> {
        &self.document.model
    }

    /// The effort of encoding a document.
    pub(crate) fn effort(&self) -> Effort {
        self.document.effort()
    }
}

/// How often each token of a text occurs, in the order of first occurrence; special tokens do not count.
pub(crate) fn count_tokens(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<(u32, f32)> {
    let mut counts: Vec<(u32, f32)> = Vec::new();
    for &id in ids.iter().filter(|&&id| !tokenizer.is_special(id)) {
        match counts.iter_mut().find(|(known, _)| *known == id) {
            Some((_, count)) => *count += 1.0,
            None => counts.push((id, 1.0)),
        }
    }
    counts
}

/// The word pieces of a text, as the model reads it.
pub(crate) fn pieces(tokenizer: &Tokenizer, tokens: &Tokens) -> Vec<String> {
    tokens.ids.iter().map(|&id| piece(tokenizer, id)).collect()
}

/// The word piece with this number.
pub(crate) fn piece(tokenizer: &Tokenizer, id: u32) -> String {
    tokenizer.token(id).expect("the tokenizer has the token that it gave")
}

/// A text as weighted word pieces, those that it has itself told from the others.
pub(crate) fn weighted_pieces(
    tokenizer: &Tokenizer,
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
    texts: Texts<'_>,
) -> Result<Vec<Vec<f32>>> {
    let mut all = vec![Vec::new(); tokens.len()];
    model.encoder.in_batches(tokens, Rows::All, |places, hidden| {
        let numbers = numbers(&model.head.forward(hidden)?)?; // [rows]
        check_finite(&numbers, || places.iter().map(|&place| texts.text(place)).collect())?;
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
