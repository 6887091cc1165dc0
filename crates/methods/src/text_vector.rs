//! One vector for a text: the hidden states of its tokens, pooled; what `bi_encoder` and `representation` share.

use nir_core::{Encoding, Form, Result};
use nir_index::Storage;
use nir_index::structure::DenseVector;
use nir_nn::heads::Vector;
use nir_nn::{Input, Model, Role, Similarity};

use crate::Context;
use crate::model::{ModelSource, Way};
use crate::reader::{Reader, Texts};
use crate::retriever::Encoder;
use crate::shards::Effort;

/// Encoders of queries and of documents; they may be one.
pub(crate) struct TextEncoder {
    reader: Reader<Vector>,
    /// Tokens at the beginning of a query that do not count.
    query_prompt: usize,
    /// Tokens at the beginning of a document that do not count.
    document_prompt: usize,
    similarity: Similarity,
}

impl TextEncoder {
    pub(crate) fn load(
        context: &Context<'_>,
        (model, query_model): (&ModelSource, Option<&ModelSource>),
        inputs: (&Input, &Input),
        way: &Way<'_>,
    ) -> Result<Self> {
        let load = |source: &ModelSource| source.load_vector(context, way);
        let reader = Reader::load(context, (model, query_model), inputs, load)?;
        let query_model = query_model.unwrap_or(model);
        Ok(Self {
            query_prompt: query_model.uncounted(context, &reader.query.bound)?,
            document_prompt: model.uncounted(context, &reader.document.bound)?,
            similarity: way.similarity,
            reader,
        })
    }

    fn prompt(&self, role: Role) -> usize {
        match role {
            Role::Query => self.query_prompt,
            Role::Document => self.document_prompt,
        }
    }
}

impl Encoder for TextEncoder {
    type Vector = DenseVector;

    fn encode(&self, texts: Texts<'_>) -> Result<Vec<DenseVector>> {
        let (side, prompt) = (self.reader.of(texts.role()), self.prompt(texts.role()));
        let Model { encoder, head, .. } = &*side.model;
        let text = |place: usize| texts.text(place).to_owned();
        let tokens = side.tokens(texts)?;
        let table = head.table(encoder, &tokens, prompt, self.similarity, text)?;
        Ok(table.rows.chunks_exact(table.width.max(1)).map(<[f32]>::to_vec).collect())
    }

    /// Numbers as the model gives them: an index that keeps them otherwise is made from these.
    fn form(&self) -> Storage {
        Storage::F32
    }

    fn effort(&self) -> Effort {
        self.reader.effort()
    }

    fn show(&self, text: Texts<'_>, vector: DenseVector) -> Result<Encoding> {
        let tokens = self.reader.of(text.role()).pieces(text)?;
        Ok(Encoding { tokens, form: Form::Vector(vector) })
    }
}
