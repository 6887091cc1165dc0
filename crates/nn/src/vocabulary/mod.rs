//! The tokenizer of a checkpoint: `tokenizer.json`, or the files of older ones put together as `transformers` does.
//!
//! | files                                    | class                                      | built in         |
//! |------------------------------------------|--------------------------------------------|------------------|
//! | `vocab.txt`                              | BERT's and those that share it, MPNet's    | `word_piece.rs`  |
//! | `vocab.json` and `merges.txt`            | RoBERTa's                                  | `byte_level.rs`  |
//! | `sentencepiece.bpe.model`, `spiece.model`, `spm.model`, `tokenizer.model` | XLM-R's, CamemBERT's, ALBERT's, DeBERTa-v2's, T5's, Llama's | `sentence_piece.rs` |
//!
//! `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` are read with either. What they say and
//! what we cannot do as `transformers` does is an error: other tokens would be another model, and nobody would see it.

mod byte_level;
mod proto;
mod sentence_piece;
mod settings;
mod word_piece;

use std::path::{Path, PathBuf};

use tokenizers::normalizers::{
    BertNormalizer, Lowercase, NormalizerWrapper, Precompiled, Sequence,
};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, NormalizedString, Normalizer as _, Tokenizer};

use crate::checkpoint::Checkpoint;
use crate::{Error, Result};
use sentence_piece::Pieces;
use settings::{Case, Settings};

/// How the tokenizers of a class are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Word pieces, between `[CLS]` and `[SEP]`.
    WordPiece,
    /// Word pieces, between `<s>` and `</s>`.
    Mpnet,
    /// Byte pairs.
    ByteLevel,
    /// SentencePiece, with the conventions of one class.
    SentencePiece(Pieces),
    /// From `tokenizer.json` only.
    File,
}

/// The supported classes of `transformers`, without the suffix `Fast`.
const CLASSES: [(&str, Family); 23] = [
    ("BertTokenizer", Family::WordPiece),
    ("DistilBertTokenizer", Family::WordPiece),
    ("ElectraTokenizer", Family::WordPiece),
    ("MobileBertTokenizer", Family::WordPiece),
    ("ConvBertTokenizer", Family::WordPiece),
    ("RetriBertTokenizer", Family::WordPiece),
    ("SqueezeBertTokenizer", Family::WordPiece),
    ("DPRQuestionEncoderTokenizer", Family::WordPiece),
    ("DPRContextEncoderTokenizer", Family::WordPiece),
    ("DPRReaderTokenizer", Family::WordPiece),
    ("MPNetTokenizer", Family::Mpnet),
    ("RobertaTokenizer", Family::ByteLevel),
    ("LongformerTokenizer", Family::ByteLevel),
    ("XLMRobertaTokenizer", Family::SentencePiece(Pieces::XlmRoberta)),
    ("CamembertTokenizer", Family::SentencePiece(Pieces::Camembert)),
    ("AlbertTokenizer", Family::SentencePiece(Pieces::Albert)),
    ("DebertaV2Tokenizer", Family::SentencePiece(Pieces::Deberta)),
    ("T5Tokenizer", Family::SentencePiece(Pieces::T5)),
    ("LlamaTokenizer", Family::SentencePiece(Pieces::Llama)),
    ("PreTrainedTokenizer", Family::File),
    ("TokenizersBackend", Family::File),
    ("GPT2Tokenizer", Family::File),
    ("Qwen2Tokenizer", Family::File),
];

/// The class of a checkpoint that names none, by its `model_type`.
const OF_MODELS: [(&str, &str); 13] = [
    ("bert", "BertTokenizer"),
    ("dpr", "DPRQuestionEncoderTokenizer"),
    ("distilbert", "DistilBertTokenizer"),
    ("electra", "ElectraTokenizer"),
    ("nomic_bert", "BertTokenizer"),
    ("mpnet", "MPNetTokenizer"),
    ("roberta", "RobertaTokenizer"),
    ("longformer", "LongformerTokenizer"),
    ("xlm-roberta", "XLMRobertaTokenizer"),
    ("camembert", "CamembertTokenizer"),
    ("albert", "AlbertTokenizer"),
    ("deberta-v2", "DebertaV2Tokenizer"),
    ("t5", "T5Tokenizer"),
];

/// Classes that find words by rules or dictionaries that no `tokenizer.json` contains, with the reason why they are
/// refused.
const BY_RULES: [(&str, &str); 5] = [
    ("BertJapaneseTokenizer", "it finds words with MeCab, Sudachi or Juman++"),
    ("BertweetTokenizer", "it rewrites tweets by rules of its own"),
    ("PhobertTokenizer", "it expects words that another program has found"),
    ("FlaubertTokenizer", "it finds words with Moses"),
    ("XLMTokenizer", "it finds words with Moses"),
];

/// A tokenizer as its files say.
pub(crate) struct Read {
    /// What cuts texts into tokens.
    pub(crate) tokenizer: Tokenizer,
    /// The file that says that letters keep their case, where one does and they keep it.
    pub(crate) cased_by: Option<PathBuf>,
}

/// Reads the tokenizer of a checkpoint. Fails if the files are missing, damaged, or ask for something that is not
/// supported.
pub(crate) fn read(checkpoint: &Checkpoint) -> Result<Read> {
    let settings = Settings::read(checkpoint)?;
    let mut tokenizer = build(checkpoint, &settings)?;
    let before = Case::read(checkpoint)?;
    if before.as_ref().is_some_and(|case| case.is_lowered) {
        lower_case(&mut tokenizer)
            .map_err(|error| Error::file(checkpoint.folder(), error.to_string()))?;
    }
    let cased = [settings.case(checkpoint), before].into_iter().flatten();
    let mut cased = cased.filter(|case| !case.is_lowered && keeps_case(&tokenizer));
    let cased_by = cased.next().map(|case| case.file);
    Ok(Read { tokenizer, cased_by })
}

/// Whether a large letter is another one than the small letter to it.
fn keeps_case(tokenizer: &Tokenizer) -> bool {
    let Some(normalizer) = tokenizer.get_normalizer() else { return true };
    let mut large = NormalizedString::from("A");
    normalizer.normalize(&mut large).is_ok() && large.get() != "a" && large.get() != "▁a"
}

fn build(checkpoint: &Checkpoint, settings: &Settings) -> Result<Tokenizer> {
    let family = family(checkpoint, settings)?;
    let tokenizer = match (checkpoint.file("tokenizer.json"), family) {
        (Some(path), family) => of_file(checkpoint, &path, family, settings)?,
        (None, Family::WordPiece) => word_piece::build(checkpoint, settings, &word_piece::BERT)?,
        (None, Family::Mpnet) => word_piece::build(checkpoint, settings, &word_piece::MPNET)?,
        (None, Family::ByteLevel) => byte_level::build(checkpoint, settings)?,
        (None, Family::SentencePiece(pieces)) => {
            sentence_piece::build(checkpoint, settings, pieces)?
        }
        (None, Family::File) => return Err(lacks(checkpoint, "tokenizer.json")),
    };
    check_added(checkpoint, settings, &tokenizer)?;
    Ok(tokenizer)
}

/// How the tokenizer of a checkpoint is built. A class that is not known does not matter if `tokenizer.json` states
/// everything.
fn family(checkpoint: &Checkpoint, settings: &Settings) -> Result<Family> {
    let of_model = |kind: &String| OF_MODELS.iter().find(|(model, _)| model == kind);
    let class = settings.class.as_deref().map(|class| class.trim_end_matches("Fast"));
    let class =
        class.or_else(|| settings.model_type.as_ref().and_then(of_model).map(|(_, class)| *class));
    if let Some((class, why)) = BY_RULES.iter().find(|(name, _)| Some(*name) == class) {
        let problem = format!(
            "`tokenizer_class` is `{class}`, which cannot be followed here: {why}; only a checkpoint with another tokenizer runs"
        );
        return Err(Error::file(Settings::of_class(checkpoint), problem));
    }
    let known = class.and_then(|class| CLASSES.iter().find(|(name, _)| *name == class));
    match (known, class) {
        (Some((_, family)), _) => Ok(*family),
        (None, _) if checkpoint.file("tokenizer.json").is_some() => Ok(Family::File),
        (None, None) => Ok(by_files(checkpoint)),
        (None, Some(class)) => {
            let known: Vec<&str> = CLASSES.iter().map(|(name, _)| *name).collect();
            let problem = format!(
                "`tokenizer_class` is `{class}`, and there is no tokenizer.json: expected one of {}; write the file \
                 with `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)`",
                known.join(", ")
            );
            Err(Error::file(Settings::of_class(checkpoint), problem))
        }
    }
}

/// How the tokenizer is built judging by the files, for a checkpoint that names no class.
fn by_files(checkpoint: &Checkpoint) -> Family {
    let has = |name: &str| checkpoint.file(name).is_some();
    if has("vocab.txt") {
        Family::WordPiece
    } else if has("vocab.json") {
        Family::ByteLevel
    } else if has("sentencepiece.bpe.model") {
        Family::SentencePiece(Pieces::XlmRoberta)
    } else {
        Family::File
    }
}

fn lacks(checkpoint: &Checkpoint, file: &str) -> Error {
    let found: Vec<&str> = checkpoint.files().collect();
    let problem =
        format!("has no tokenizer: expected tokenizer.json or {file}; it has {}", found.join(", "));
    Error::file(
        checkpoint.folder(),
        problem.replace("tokenizer.json or tokenizer.json", "tokenizer.json"),
    )
}

/// Reads `tokenizer.json`, and applies what `tokenizer_config.json` states differently: BERT's class takes case,
/// accents and Chinese characters from there.
fn of_file(
    checkpoint: &Checkpoint,
    path: &Path,
    family: Family,
    settings: &Settings,
) -> Result<Tokenizer> {
    let broken = |error: tokenizers::Error| Error::file(path, format!("no tokenizer ({error})"));
    let mut tokenizer = tokenizer_json(path)?;
    // How texts are cut and filled up is the config's to say.
    tokenizer.with_padding(None).with_truncation(None).map_err(broken)?;
    let normalizer = tokenizer.get_normalizer().cloned();
    if let (Family::WordPiece | Family::Mpnet, Some(NormalizerWrapper::BertNormalizer(own))) =
        (family, normalizer)
    {
        let said = settings.bert_normalizer();
        if settings.config.is_some() {
            tokenizer.with_normalizer(Some(said)).map_err(broken)?;
        } else if !alike(own, said) {
            return Err(Error::file(
                path,
                format!(
                    "keeps case or accents ({}), and without a tokenizer_config.json `transformers` does not ({}): write \
                     that file with the `do_lower_case` and `strip_accents` that are meant",
                    told(own),
                    told(said)
                ),
            ));
        }
    }
    check_ends(checkpoint, settings, family, &tokenizer)?;
    tokenizer.add_tokens(settings.added_tokens()).map_err(broken)?;
    Ok(tokenizer)
}

/// Reads a `tokenizer.json`. The library's reader panics if a decoder is no JSON or a compiled normalizer is damaged
/// (tokenizers 0.23.2), so both are checked before.
pub(crate) fn tokenizer_json(path: &Path) -> Result<tokenizers::Tokenizer> {
    let no_tokenizer =
        |error: &dyn std::fmt::Display| Error::file(path, format!("no tokenizer ({error})"));
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| no_tokenizer(&error))?;
    check_compiled(&json["normalizer"]).map_err(|error| no_tokenizer(&error))?;
    text.parse().map_err(|error: tokenizers::Error| no_tokenizer(&error))
}

/// Checks every compiled normalizer, in a sequence or by itself.
fn check_compiled(normalizer: &serde_json::Value) -> serde_json::Result<()> {
    if let Some(normalizers) = normalizer["normalizers"].as_array() {
        normalizers.iter().try_for_each(check_compiled)?;
    }
    match normalizer["type"].as_str() {
        Some("Precompiled") => {
            // From text, as it borrows.
            serde_json::from_str::<Precompiled>(&normalizer.to_string()).map(drop)
        }
        _ => Ok(()),
    }
}

fn alike(a: BertNormalizer, b: BertNormalizer) -> bool {
    let of = |x: BertNormalizer| {
        (x.lowercase, x.strip_accents.unwrap_or(x.lowercase), x.handle_chinese_chars, x.clean_text)
    };
    of(a) == of(b)
}

fn told(normalizer: BertNormalizer) -> String {
    let BertNormalizer { lowercase, strip_accents, .. } = normalizer;
    format!("lowercase {lowercase}, strip_accents {}", strip_accents.unwrap_or(lowercase))
}

/// Checks that the first and the last token of every text are those that the settings name.
fn check_ends(
    checkpoint: &Checkpoint,
    settings: &Settings,
    family: Family,
    tokenizer: &Tokenizer,
) -> Result<()> {
    if family == Family::File || family == Family::SentencePiece(Pieces::Llama) {
        return Ok(());
    }
    let empty = tokenizer
        .encode("", true)
        .map_err(|error| Error::file(checkpoint.folder(), error.to_string()))?;
    let tokens = empty.get_tokens();
    let ends = [("cls_token", tokens.first()), ("sep_token", tokens.last())];
    for (key, found) in ends {
        if let (Some(said), Some(found)) = (settings.special.get(key), found)
            && said.content != *found
            && tokens.len() > 1
        {
            let problem = format!(
                "`{key}` is `{}`, and tokenizer.json puts `{found}` there: one of the two is wrong; write both with \
                 `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)`",
                said.content
            );
            return Err(Error::file(Settings::of_class(checkpoint), problem));
        }
    }
    Ok(())
}

/// Checks that every added token has the id that its file states, because the model has learned it in that row.
fn check_added(checkpoint: &Checkpoint, settings: &Settings, tokenizer: &Tokenizer) -> Result<()> {
    for (id, token) in &settings.added {
        let found = tokenizer.token_to_id(&token.content);
        if found != Some(*id) {
            let found = found.map_or("none".to_owned(), |found| found.to_string());
            let problem = format!(
                "gives `{}` the number {id}, and the vocabulary gives it {found}: they do not belong together",
                token.content
            );
            return Err(Error::file(Settings::of_added(checkpoint), problem));
        }
    }
    Ok(())
}

/// Adds the conversion to lower case that sentence-transformers calls `do_lower_case`, before all other normalisation.
fn lower_case(tokenizer: &mut Tokenizer) -> tokenizers::Result<()> {
    let before: Vec<NormalizerWrapper> = match tokenizer.get_normalizer().cloned() {
        None => Vec::new(),
        Some(NormalizerWrapper::Sequence(sequence)) => sequence.as_ref().to_vec(),
        Some(one) => vec![one],
    };
    if !before.iter().any(|one| matches!(one, NormalizerWrapper::Lowercase(_))) {
        let all = std::iter::once(Lowercase.into()).chain(before).collect();
        tokenizer.with_normalizer(Some(Sequence::new(all)))?;
    }
    Ok(())
}

/// Adds the tokens of the files, and then the special tokens that the vocabulary lacks.
fn finish(
    tokenizer: &mut Tokenizer,
    settings: &Settings,
    special: &[AddedToken],
) -> tokenizers::Result<()> {
    let known =
        |token: &&AddedToken| !settings.added.values().any(|added| added.content == token.content);
    let special: Vec<AddedToken> = special.iter().filter(known).cloned().collect();
    tokenizer.add_tokens(settings.added_tokens())?;
    tokenizer.add_special_tokens(special)?;
    Ok(())
}

/// The special tokens around one text and around a pair, such as `[CLS]:0 $A:0 [SEP]:0`.
fn template(
    tokenizer: &Tokenizer,
    single: &str,
    pair: &str,
    tokens: &[&str],
) -> tokenizers::Result<TemplateProcessing> {
    let id = |token: &str| tokenizer.token_to_id(token).ok_or_else(|| format!("no `{token}`"));
    let tokens: Vec<(String, u32)> = tokens
        .iter()
        .map(|&token| Ok((token.to_owned(), id(token)?)))
        .collect::<std::result::Result<_, String>>()?;
    let template = TemplateProcessing::builder()
        .try_single(single)?
        .try_pair(pair)?
        .special_tokens(tokens)
        .build()?;
    Ok(template)
}
