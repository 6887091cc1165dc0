//! SentencePiece's models under the classes that use them: each numbers the pieces in its own way.
//! Kudo and Richardson, EMNLP 2018.
//!
//! fairseq put four tokens before the pieces, so XLM-R and CamemBERT count from there; the others count as the model does.

use tokenizers::decoders::DecoderWrapper;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{
    Lowercase, NFC, NFKD, NormalizerWrapper, Precompiled, Replace, Sequence, Strip, StripAccents,
};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer};

use super::proto::{Model, Piece};
use super::settings::Settings;
use super::{finish, lacks, template};
use crate::checkpoint::Checkpoint;
use crate::{Error, Result};

/// The class whose conventions are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pieces {
    XlmRoberta,
    Camembert,
    Albert,
    Deberta,
    T5,
    Llama,
}

/// The names that the file of a model has had, the most common first.
const FILES: [&str; 4] =
    ["sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model"];

/// The special tokens of a class: their key in the settings, and their text.
type Parts = [(&'static str, &'static str); 7];

const FAIRSEQ: Parts = [
    ("bos_token", "<s>"),
    ("eos_token", "</s>"),
    ("unk_token", "<unk>"),
    ("sep_token", "</s>"),
    ("pad_token", "<pad>"),
    ("cls_token", "<s>"),
    ("mask_token", "<mask>"),
];
const ALBERT: Parts = [
    ("bos_token", "[CLS]"),
    ("eos_token", "[SEP]"),
    ("unk_token", "<unk>"),
    ("sep_token", "[SEP]"),
    ("pad_token", "<pad>"),
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
];
const DEBERTA: Parts = [
    ("bos_token", "[CLS]"),
    ("eos_token", "[SEP]"),
    ("unk_token", "[UNK]"),
    ("sep_token", "[SEP]"),
    ("pad_token", "[PAD]"),
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
];

pub(super) fn build(
    checkpoint: &Checkpoint,
    settings: &Settings,
    pieces: Pieces,
) -> Result<Tokenizer> {
    let path = FILES.iter().find_map(|name| checkpoint.file(name));
    let path = path.ok_or_else(|| lacks(checkpoint, &FILES.join(", ")))?;
    let bytes = std::fs::read(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
    let broken =
        |problem: String| Error::file(&path, format!("no model of SentencePiece ({problem})"));
    let model = Model::parse(&bytes).map_err(broken)?;
    pieces.built(&model, settings).map_err(|error| broken(error.to_string()))
}

impl Pieces {
    fn parts(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::XlmRoberta | Self::Camembert => FAIRSEQ.to_vec(),
            Self::Albert => ALBERT.to_vec(),
            Self::Deberta => DEBERTA.to_vec(),
            Self::T5 => vec![("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")],
            Self::Llama => {
                vec![("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")]
            }
        }
    }

    fn text(self, settings: &Settings, key: &str) -> String {
        let parts = self.parts();
        let of_class = parts.iter().find(|(name, _)| *name == key).map_or("", |(_, token)| *token);
        settings.text(key, of_class)
    }

    fn built(self, model: &Model, settings: &Settings) -> tokenizers::Result<Tokenizer> {
        let pieces = self.numbered(model, settings);
        let unk_id = match self {
            Self::XlmRoberta | Self::Camembert => 3,
            _ => model.unk_id as usize,
        };
        let mut tokenizer = match model.kind {
            1 if self == Self::Llama => {
                return Err("a unigram model, and the class is one of byte pairs".into());
            }
            1 => {
                let pieces =
                    pieces.iter().map(|piece| (piece.text.clone(), f64::from(piece.score)));
                Tokenizer::new(Unigram::from(pieces.collect(), Some(unk_id), false)?)
            }
            2 => Tokenizer::new(self.byte_pairs(&pieces, unk_id, model)?),
            kind => {
                return Err(format!(
                    "a model of the kind {kind}; a unigram one (1) and byte pairs (2) are read"
                )
                .into());
            }
        };
        tokenizer.with_normalizer(self.normalizer(model, settings)?)?;
        tokenizer.with_pre_tokenizer(Some(self.pre_tokenizer(settings)));
        // Llama's pieces of bytes would have to be put together too; nothing that is written comes from it.
        if self != Self::Llama {
            tokenizer.with_decoder(Some(DecoderWrapper::from(self.spaces(settings))));
        }
        let mut special: Vec<AddedToken> =
            self.parts().into_iter().map(|(key, token)| settings.token(key, token)).collect();
        // CamemBERT's mask takes the space before it along.
        if let (Self::Camembert, Some(mask)) = (self, special.last_mut()) {
            mask.lstrip = true;
        }
        special.extend(settings.extra.iter().cloned());
        finish(&mut tokenizer, settings, &special)?;
        let own = model.pieces.iter().filter(|piece| piece.is_control() || piece.is_user_defined());
        let own = own.map(|piece| {
            AddedToken::from(piece.text.clone(), piece.is_control()).normalized(false)
        });
        tokenizer.add_tokens(own.collect::<Vec<_>>())?;
        self.add_ends(&mut tokenizer, settings)?;
        Ok(tokenizer)
    }

    /// The pieces in the order of their ids.
    fn numbered(self, model: &Model, settings: &Settings) -> Vec<Piece> {
        let piece = |text: &str, score: f32| Piece { text: text.to_owned(), score, kind: 1 };
        let part = |key: &str| piece(&self.text(settings, key), 0.0);
        let (before, from) = match self {
            Self::XlmRoberta => {
                (["bos_token", "pad_token", "eos_token", "unk_token"].map(part).to_vec(), 3)
            }
            Self::Camembert => (
                vec![
                    piece("<s>NOTUSED", 0.0),
                    part("pad_token"),
                    piece("</s>NOTUSED", 0.0),
                    part("unk_token"),
                    piece("<unk>NOTUSED", -100.0),
                ],
                1,
            ),
            _ => return model.pieces.clone(),
        };
        let own = model.pieces.iter().skip(from).cloned();
        before.into_iter().chain(own).chain([part("mask_token")]).collect()
    }

    /// The byte-pair model. Pairs are merged in the order of the ids of their results; each way to split a piece into
    /// two others is a merge.
    fn byte_pairs(self, pieces: &[Piece], unk_id: usize, model: &Model) -> tokenizers::Result<BPE> {
        let vocab: Vocab = (0..).zip(pieces).map(|(id, piece)| (piece.text.clone(), id)).collect();
        let mut merges: Vec<(u32, usize, usize, (String, String))> = Vec::new();
        for (id, piece) in (0..).zip(pieces) {
            let cuts = piece.text.char_indices().skip(1).map(|(at, _)| piece.text.split_at(at));
            let both = |(left, right): &(&str, &str)| {
                vocab.contains_key(*left) && vocab.contains_key(*right)
            };
            merges.extend(cuts.filter(both).map(|(left, right)| {
                let lengths = (left.chars().count(), right.chars().count());
                (id, lengths.0, lengths.1, (left.to_owned(), right.to_owned()))
            }));
        }
        merges.sort_by_key(|(id, left, right, _)| (*id, *left, *right));
        let merges = merges.into_iter().map(|(.., merge)| merge).collect();
        let unk = pieces.get(unk_id).map(|piece| piece.text.clone()).ok_or("no unknown piece")?;
        let fallback = self == Self::Llama || model.byte_fallback;
        let builder =
            BPE::builder().vocab_and_merges(vocab, merges).fuse_unk(true).byte_fallback(fallback);
        // With a piece for every byte nothing is unknown.
        let builder = if self == Self::Llama { builder } else { builder.unk_token(unk) };
        builder.build()
    }

    fn normalizer(
        self,
        model: &Model,
        settings: &Settings,
    ) -> tokenizers::Result<Option<NormalizerWrapper>> {
        let compiled = match model.charsmap.is_empty() {
            true => None,
            false => Some(NormalizerWrapper::from(Precompiled::from(&model.charsmap)?)),
        };
        let replace =
            |from: ReplacePattern, to: &str| Replace::new(from, to).map(NormalizerWrapper::from);
        let text = |text: &str| ReplacePattern::String(text.to_owned());
        let mut steps: Vec<NormalizerWrapper> = Vec::new();
        match self {
            Self::XlmRoberta | Self::Camembert | Self::T5 => return Ok(compiled),
            Self::Llama => return Ok(None),
            Self::Albert => {
                steps.extend([replace(text("``"), "\"")?, replace(text("''"), "\"")?]);
                if settings.switch("keep_accents") != Some(true) {
                    steps.extend([NFKD.into(), StripAccents.into()]);
                }
                if settings.switch("do_lower_case") != Some(false) {
                    steps.push(Lowercase.into());
                }
                steps.extend(compiled);
            }
            Self::Deberta => {
                if settings.switch("do_lower_case") == Some(true) {
                    steps.push(Lowercase.into());
                }
                let spaces = ReplacePattern::Regex(r"\s{2,}|[\n\r\t]".to_owned());
                steps.extend([replace(spaces, " ")?, NFC.into(), Strip::new(false, true).into()]);
            }
        }
        Ok(Some(Sequence::new(steps).into()))
    }

    /// The step that turns spaces into `▁`, and back.
    fn spaces(self, settings: &Settings) -> Metaspace {
        let space = settings.switch("add_prefix_space").unwrap_or(true) || self == Self::T5;
        let without =
            if self == Self::Deberta { PrependScheme::First } else { PrependScheme::Never };
        let scheme = match self {
            Self::Llama if space => PrependScheme::First,
            _ if space => PrependScheme::Always,
            _ => without,
        };
        Metaspace::new('▁', scheme, self != Self::Llama)
    }

    fn pre_tokenizer(self, settings: &Settings) -> PreTokenizerWrapper {
        let spaces = self.spaces(settings);
        let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
        match self {
            Self::Llama => return spaces.into(),
            Self::Deberta if settings.switch("split_by_punct") == Some(true) => {
                steps.push(Punctuation::new(SplitDelimiterBehavior::Isolated).into());
            }
            Self::Deberta => {}
            _ => steps.push(WhitespaceSplit.into()),
        }
        steps.push(spaces.into());
        tokenizers::pre_tokenizers::sequence::Sequence::new(steps).into()
    }

    fn add_ends(self, tokenizer: &mut Tokenizer, settings: &Settings) -> tokenizers::Result<()> {
        let part = |key: &str| self.text(settings, key);
        let (first, last) = match self {
            Self::XlmRoberta | Self::Camembert => (part("bos_token"), part("eos_token")),
            Self::Albert | Self::Deberta => (part("cls_token"), part("sep_token")),
            Self::T5 => (String::new(), part("eos_token")),
            Self::Llama => return self.add_beginning(tokenizer, settings),
        };
        let (single, pair) = match self {
            Self::T5 => (format!("$A {last}"), format!("$A {last} $B {last}")),
            Self::XlmRoberta | Self::Camembert => {
                (format!("{first} $A {last}"), format!("{first} $A {last} {last} $B {last}"))
            }
            _ => (
                format!("{first}:0 $A:0 {last}:0"),
                format!("{first}:0 $A:0 {last}:0 $B:1 {last}:1"),
            ),
        };
        let tokens: Vec<&str> =
            [first.as_str(), last.as_str()].into_iter().filter(|token| !token.is_empty()).collect();
        let ends = template(tokenizer, &single, &pair, &tokens)?;
        tokenizer.with_post_processor(Some(ends));
        Ok(())
    }

    /// Adds `<s>` before a text and `</s>` after it, as two switches of the settings say.
    fn add_beginning(
        self,
        tokenizer: &mut Tokenizer,
        settings: &Settings,
    ) -> tokenizers::Result<()> {
        let (bos, eos) = (self.text(settings, "bos_token"), self.text(settings, "eos_token"));
        let is = |key: &str| settings.switch(key).unwrap_or(false);
        let one = |text: &str, kind: u32| {
            let first = if is("add_bos_token") { format!("{bos}:{kind} ") } else { String::new() };
            let last = if is("add_eos_token") { format!(" {eos}:{kind}") } else { String::new() };
            format!("{first}{text}:{kind}{last}")
        };
        let (single, pair) = (one("$A", 0), format!("{} {}", one("$A", 0), one("$B", 1)));
        let ends = template(tokenizer, &single, &pair, &[&bos, &eos])?;
        tokenizer.with_post_processor(Some(ends));
        Ok(())
    }
}
