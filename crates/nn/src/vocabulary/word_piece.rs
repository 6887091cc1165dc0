//! Word pieces of a `vocab.txt`, one a line.

use std::path::Path;

use tokenizers::models::bpe::Vocab;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{AddedToken, Tokenizer};

use super::settings::{SPECIAL, Settings};
use super::{finish, lacks, template};
use crate::checkpoint::Checkpoint;
use crate::{Error, Result};

/// The conventions of a class: its special tokens, for those that no file names.
pub(super) struct Class {
    tokens: [(&'static str, &'static str); 5],
    /// The number of separators between the texts of a pair, and the type of the second text.
    pair: (usize, u32),
    /// Whether the mask token also takes the space before it.
    mask_strips: bool,
}

/// The class of BERT and all that share its tokenizer.
pub(super) const BERT: Class = Class {
    tokens: [
        ("unk_token", "[UNK]"),
        ("sep_token", "[SEP]"),
        ("pad_token", "[PAD]"),
        ("cls_token", "[CLS]"),
        ("mask_token", "[MASK]"),
    ],
    pair: (1, 1),
    mask_strips: false,
};

/// The class of MPNet.
pub(super) const MPNET: Class = Class {
    tokens: [
        ("unk_token", "[UNK]"),
        ("sep_token", "</s>"),
        ("pad_token", "<pad>"),
        ("cls_token", "<s>"),
        ("mask_token", "<mask>"),
    ],
    pair: (2, 0),
    mask_strips: true,
};

impl Class {
    fn token(&self, settings: &Settings, key: &str) -> AddedToken {
        let of_class = self.tokens.iter().find(|(name, _)| *name == key).map(|(_, token)| *token);
        let token = settings.token(key, of_class.expect("a class has every token"));
        token.lstrip(key == "mask_token" && self.mask_strips)
    }
}

pub(super) fn build(
    checkpoint: &Checkpoint,
    settings: &Settings,
    class: &Class,
) -> Result<Tokenizer> {
    let path = checkpoint.file("vocab.txt").ok_or_else(|| lacks(checkpoint, "vocab.txt"))?;
    let text = std::fs::read_to_string(&path)
        .map_err(|source| Error::Io { path: path.clone(), source })?;
    built(&text, settings, class).map_err(|error| broken(&path, &error))
}

fn broken(path: &Path, error: &tokenizers::Error) -> Error {
    Error::file(path, format!("no vocabulary ({error})"))
}

fn built(text: &str, settings: &Settings, class: &Class) -> tokenizers::Result<Tokenizer> {
    let mut vocab: Vec<(String, u32)> = Vec::new();
    let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    vocab.extend((0..).zip(lines).map(|(id, line)| (line.trim_end_matches('\r').to_owned(), id)));
    let known: std::collections::HashSet<String> =
        vocab.iter().map(|(token, _)| token.clone()).collect();
    // An added token has the row that its file gives it, wherever the vocabulary ends.
    let added = settings.added.iter().filter(|(_, token)| !known.contains(&token.content));
    vocab.extend(added.map(|(&id, token)| (token.content.clone(), id)));
    let token = |key: &str| class.token(settings, key);
    let (cls, sep) = (token("cls_token").content, token("sep_token").content);
    let vocab: Vocab = vocab.into_iter().collect();
    let model = WordPiece::builder().vocab(vocab).unk_token(token("unk_token").content).build()?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(Some(settings.bert_normalizer()))?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    let mut special: Vec<AddedToken> = class.tokens.iter().map(|(key, _)| token(key)).collect();
    special.extend(SPECIAL[..2].iter().filter_map(|&key| settings.special.get(key).cloned()));
    special.extend(settings.extra.iter().cloned());
    finish(&mut tokenizer, settings, &special)?;
    let (times, kind) = class.pair;
    let parts = format!("{sep}:0 ").repeat(times);
    let single = format!("{cls}:0 $A:0 {sep}:0");
    let pair = format!("{cls}:0 $A:0 {parts}$B:{kind} {sep}:{kind}");
    let template = template(&tokenizer, &single, &pair, &[&cls, &sep])?;
    tokenizer.with_post_processor(Some(template));
    Ok(tokenizer)
}
