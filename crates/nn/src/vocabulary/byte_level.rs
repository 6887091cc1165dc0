//! Byte pairs of a `vocab.json` and a `merges.txt`: RoBERTa's chain.

use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{AddedToken, Tokenizer};

use super::settings::Settings;
use super::{finish, lacks};
use crate::checkpoint::Checkpoint;
use crate::{Error, Result};

/// The special tokens of the class, for those that no file names.
const TOKENS: [(&str, &str); 6] = [
    ("bos_token", "<s>"),
    ("pad_token", "<pad>"),
    ("eos_token", "</s>"),
    ("unk_token", "<unk>"),
    ("sep_token", "</s>"),
    ("cls_token", "<s>"),
];

pub(super) fn build(checkpoint: &Checkpoint, settings: &Settings) -> Result<Tokenizer> {
    let file =
        |name| checkpoint.file(name).ok_or_else(|| lacks(checkpoint, "vocab.json with merges.txt"));
    let (vocab, merges) = (file("vocab.json")?, file("merges.txt")?);
    let built = built(&vocab.to_string_lossy(), &merges.to_string_lossy(), settings);
    built.map_err(|error| Error::file(vocab, format!("no vocabulary ({error})")))
}

fn built(vocab: &str, merges: &str, settings: &Settings) -> tokenizers::Result<Tokenizer> {
    let (mut vocab, merges) = BPE::read_file(vocab, merges)?;
    for (&id, token) in &settings.added {
        vocab.entry(token.content.clone()).or_insert(id);
    }
    let model = BPE::builder().vocab_and_merges(vocab, merges).build()?;
    let mut tokenizer = Tokenizer::new(model);
    let space = settings.switch("add_prefix_space").unwrap_or(false);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(space)));
    let mut special: Vec<AddedToken> =
        TOKENS.iter().map(|(key, token)| settings.token(key, token)).collect();
    // The mask takes the space before it along.
    special.push(settings.token("mask_token", "<mask>").lstrip(true));
    special.extend(settings.extra.iter().cloned());
    finish(&mut tokenizer, settings, &special)?;
    let id = |token: String| {
        let id = tokenizer.token_to_id(&token).ok_or_else(|| format!("no `{token}`"));
        id.map(|id| (token, id))
    };
    let separator = id(settings.text("sep_token", "</s>"))?;
    let class = id(settings.text("cls_token", "<s>"))?;
    let ends = RobertaProcessing::new(separator, class).add_prefix_space(space);
    tokenizer.with_post_processor(Some(ends));
    Ok(tokenizer)
}
