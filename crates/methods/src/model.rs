//! The published model that a method reads texts with: the table `model` of every config that names weights.
//!
//! ```toml
//! model = { weights = "hf:org/name", revision = "a commit", ignore = ["pooler.*"] }
//! ```

use std::sync::Arc;

use nir_core::Result;
use nir_nn::checkpoint::{Checkpoint, Location, Wanted};
use nir_nn::heads::{Projection, Vector};
use nir_nn::{
    Architecture, Bound, Contract, Input, Model, Poolings, Role, Similarity, Tensors, Truncation,
    Writer, check_prompt,
};
use serde::{Deserialize, Serialize};

use crate::Context;

/// Which checkpoint a config names, and what of it is not used.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSource {
    /// The place of the weights: `hf:org/name` on the hub, `file:FOLDER` on this machine, `pocket:NAME` inside the
    /// program.
    pub weights: Location,
    /// The commit of the weights on the hub, or a branch; no other place has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Names of tensors that the checkpoint has and the method does not use, with `*` for any letters. A tensor that is
    /// neither used nor named here is an error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// The checkpoint whose tokenizer is used, where these weights come without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<Vocabulary>,
}

/// A checkpoint of which only the tokenizer's files are read.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabulary {
    /// The place of the checkpoint, as in [`ModelSource::weights`].
    pub weights: Location,
    /// Its commit on the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

impl Vocabulary {
    fn wanted(&self) -> Wanted {
        wanted(&self.weights, self.revision.as_ref()).expect("the config was checked")
    }
}

fn wanted(location: &Location, revision: Option<&String>) -> std::result::Result<Wanted, String> {
    let wanted = Wanted::new(location.clone(), revision.map(String::as_str));
    wanted.map_err(|error| error.to_string())
}

impl ModelSource {
    /// Checks that a location and its revision fit together; the error says what is wrong. `key` is the name of the
    /// table in the config.
    pub(crate) fn check(&self, key: &str) -> std::result::Result<(), String> {
        wanted(&self.weights, self.revision.as_ref())
            .map_err(|problem| format!("`{key}`: {problem}"))?;
        let Some(Vocabulary { weights, revision }) = &self.vocabulary else { return Ok(()) };
        wanted(weights, revision.as_ref())
            .map(|_| ())
            .map_err(|problem| format!("`{key}.vocabulary`: {problem}"))
    }

    /// The checkpoint of the weights; the config has been checked.
    fn wanted(&self) -> Wanted {
        wanted(&self.weights, self.revision.as_ref()).expect("the config was checked")
    }

    /// Every checkpoint that is read: that of the weights, then that of the vocabulary.
    pub(crate) fn checkpoints(&self) -> Vec<Wanted> {
        let vocabulary = self.vocabulary.as_ref().map(Vocabulary::wanted);
        std::iter::once(self.wanted()).chain(vocabulary).collect()
    }

    /// The digests of the files of [`ModelSource::checkpoints`], in hexadecimal, one space between them.
    pub(crate) fn digest(&self, context: &Context<'_>) -> Result<String> {
        let digest = |wanted: &Wanted| -> Result<String> {
            Ok(context.resources.checkpoint(wanted)?.digest()?.to_hex().to_string())
        };
        let digests: Vec<String> = self.checkpoints().iter().map(digest).collect::<Result<_>>()?;
        Ok(digests.join(" "))
    }

    /// The checkpoint of the weights, which is fetched if necessary.
    pub(crate) fn checkpoint(&self, context: &Context<'_>) -> Result<Checkpoint> {
        context.resources.checkpoint(&self.wanted())
    }

    /// What the files of sentence-transformers in the checkpoint state.
    pub(crate) fn contract(&self, context: &Context<'_>) -> Result<Contract> {
        Ok(Contract::read(&self.checkpoint(context)?)?)
    }

    /// Loads the encoder with the tokenizer, and what `head` takes of the tensors.
    pub(crate) fn load<H>(
        &self,
        context: &Context<'_>,
        head: impl FnOnce(&Architecture, &mut Tensors) -> nir_nn::Result<H>,
    ) -> Result<Arc<Model<H>>> {
        let checkpoint = self.checkpoint(context)?;
        let vocabulary = self.vocabulary.as_ref().map(Vocabulary::wanted);
        let vocabulary = vocabulary.map(|wanted| context.resources.checkpoint(&wanted));
        let (vocabulary, backend) = (vocabulary.transpose()?, &context.backend);
        Ok(Arc::new(Model::load(&checkpoint, vocabulary.as_ref(), backend, &self.ignore, head)?))
    }

    /// Loads a model that writes, with its tokenizer.
    pub(crate) fn load_writer(&self, context: &Context<'_>) -> Result<Arc<dyn Writer>> {
        let checkpoint = self.checkpoint(context)?;
        let vocabulary = self.vocabulary.as_ref().map(Vocabulary::wanted);
        let vocabulary = vocabulary.map(|wanted| context.resources.checkpoint(&wanted));
        let (vocabulary, backend) = (vocabulary.transpose()?, &context.backend);
        Ok(<dyn Writer>::load(&checkpoint, vocabulary.as_ref(), backend, &self.ignore)?.into())
    }

    /// Loads a model with a head of one vector, after holding the config's way against the checkpoint's; what the
    /// checkpoint does beside pooling is applied.
    pub(crate) fn load_vector(
        &self,
        context: &Context<'_>,
        way: &Way<'_>,
    ) -> Result<Arc<Model<Vector>>> {
        let checkpoint = self.checkpoint(context)?;
        let Way { pooling, projection, similarity, dimensions } = *way;
        let contract = Contract::read(&checkpoint)?;
        let chain = contract.hold_vector(pooling, projection, similarity, context.overrides)?;
        self.load(context, |architecture, tensors| {
            let head = Vector::load(architecture, tensors, pooling.clone(), projection)?;
            let head = match chain {
                Some(chain) => head.with_chain(chain, &checkpoint, &context.backend)?,
                None => head,
            };
            head.cut(dimensions)
        })
    }

    /// The tokenizer bound to the way in which one role's texts are written, after holding prefix, length and case against
    /// what the checkpoint says.
    pub(crate) fn bind<H>(
        &self,
        context: &Context<'_>,
        model: &Model<H>,
        input: &Input,
        role: Role,
    ) -> Result<Bound> {
        let checkpoint = self.checkpoint(context)?;
        let (contract, overrides) = (Contract::read(&checkpoint)?, context.overrides);
        check_prompt(&checkpoint, &contract, &self.weights, input, role, overrides)?;
        contract.hold_length(input.max_length, role == Role::Document, overrides)?;
        model.tokenizer.hold_case(input, overrides)?;
        Ok(model.tokenizer.bind(input, Truncation::Longest)?)
    }

    /// How many tokens at the beginning of a text do not count when its vector is made: those of its prompt, where the
    /// checkpoint says so.
    pub(crate) fn uncounted(&self, context: &Context<'_>, bound: &Bound) -> Result<usize> {
        let counts = self.contract(context)?.includes_prompt();
        if counts { Ok(0) } else { Ok(bound.prompt_length()?) }
    }
}

/// Every checkpoint that is read, those of documents first.
pub(crate) fn checkpoints(model: &ModelSource, query_model: Option<&ModelSource>) -> Vec<Wanted> {
    std::iter::once(model).chain(query_model).flat_map(ModelSource::checkpoints).collect()
}

/// The settings by which a config makes a vector of a text.
pub(crate) struct Way<'a> {
    pub(crate) pooling: &'a Poolings,
    pub(crate) projection: Option<&'a Projection>,
    pub(crate) similarity: Similarity,
    /// How many of a vector's first numbers are kept; all of them if absent.
    pub(crate) dimensions: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> std::result::Result<ModelSource, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn a_folder_has_no_revision_and_a_vocabulary_is_checked_too() {
        let sound = "weights = \"file:model\"";
        assert_eq!(source(sound).unwrap().check("model"), Ok(()));
        let check = |more: &str| {
            source(&format!("{sound}\n{more}")).unwrap().check("query_model").unwrap_err()
        };
        let error = check("revision = \"main\"");
        assert!(
            error.starts_with("`query_model`: ") && error.ends_with("leave the revision out"),
            "{error}"
        );
        let error = check("vocabulary = { weights = \"file:words\", revision = \"main\" }");
        assert!(error.starts_with("`query_model.vocabulary`: "), "{error}");
    }

    #[test]
    fn the_vocabulary_is_read_after_the_weights() {
        let text = "weights = \"file:model\"\nvocabulary = { weights = \"file:words\" }";
        let found: Vec<String> =
            source(text).unwrap().checkpoints().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["file:model", "file:words"]);
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_known_ones() {
        let error = source("weights = \"file:model\"\nskip = []").unwrap_err();
        assert_eq!(
            error.message(),
            "unknown field `skip`, expected one of `weights`, `revision`, `ignore`, `vocabulary`"
        );
    }
}
