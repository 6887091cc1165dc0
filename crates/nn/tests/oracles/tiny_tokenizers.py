"""Tiny tokenisers of the three kinds published encoders have, made from corpus.SENTENCES.

Each function returns a `tokenizers.Tokenizer` and the special ids that the model's configuration names.
The vocabularies of WordPiece and Unigram are counted here: the trainers of `tokenizers` iterate over hash maps and
give another vocabulary on every run. Its BPE trainer repeats.
"""

import math
from collections import Counter

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from corpus import SENTENCES

LONGEST = 7  # characters in a piece


def words_of(tokenizer: Tokenizer) -> list[str]:
    """The corpus as the tokeniser's own normaliser and pre-tokeniser cut it."""
    normal = (tokenizer.normalizer.normalize_str(s) for s in SENTENCES)
    return [word for s in normal for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(s)]


def count_pieces(words: list[str], inner: str) -> Counter:
    """Every substring of every word, `inner` before those that do not begin it."""
    return Counter(
        (inner if i else "") + word[i:j]
        for word in words
        for i in range(len(word))
        for j in range(i + 1, min(len(word), i + LONGEST) + 1)
    )


def choose(pieces: Counter, inner: str, size: int) -> list[str]:
    """All single characters, then the pieces that cover most of the text."""

    def length(piece: str) -> int:
        return len(piece.removeprefix(inner))

    letters = sorted(p for p in pieces if length(p) == 1)
    longer = [p for p in pieces if length(p) > 1]
    longer.sort(key=lambda p: (-pieces[p] * (length(p) - 1), p))
    return letters + longer[: size - len(letters)]


def wordpiece() -> tuple[Tokenizer, dict]:
    """BERT, DistilBERT and ELECTRA, uncased: lower case, no accents, one token for each Chinese character."""
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    chosen = choose(count_pieces(words_of(tokenizer), "##"), "##", 205)
    vocabulary = {piece: i for i, piece in enumerate(special + chosen)}
    tokenizer.model = models.WordPiece(vocabulary, unk_token="[UNK]")
    tokenizer.add_special_tokens(special)
    cls, sep = vocabulary["[CLS]"], vocabulary["[SEP]"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", cls), ("[SEP]", sep)],
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer, {"pad_token": "[PAD]", "pad_token_id": 0}


def wordpiece_that_pads() -> tuple[Tokenizer, dict]:
    """With truncation and padding left in tokenizer.json, as some published files have: both must be overridden."""
    tokenizer, special = wordpiece()
    tokenizer.enable_truncation(max_length=16)
    tokenizer.enable_padding(length=16)
    return tokenizer, special


def byte_bpe() -> tuple[Tokenizer, dict]:
    """RoBERTa: byte-level BPE, cased; pairs are joined by two `</s>` and have one token type."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=310,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, {"pad_token": "<pad>", "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}


def plain_byte_bpe() -> tuple[Tokenizer, dict]:
    """GPT-2, LLaMA 3 and Qwen: byte-level BPE with nothing around a text."""
    tokenizer, special = byte_bpe()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer, special


def unigram() -> tuple[Tokenizer, dict]:
    """XLM-R: a unigram language model over pieces, `▁` for the space."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    counts = count_pieces(words_of(tokenizer), "")
    chosen = choose(counts, "", 205)
    total = sum(counts[p] for p in chosen)
    scored = [(p, round(math.log(counts[p] / total), 4)) for p in chosen]
    vocabulary = [(t, 0.0) for t in special[:4]] + scored + [("<mask>", 0.0)]
    tokenizer.model = models.Unigram(vocabulary, unk_id=3)
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer, {"pad_token": "<pad>", "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}


# T5's tokens behind its pieces, the last first, and what monoT5 answers.
SENTINELS = [f"<extra_id_{i}>" for i in reversed(range(12))]
ANSWERS = ["▁true", "▁false"]


def t5() -> tuple[Tokenizer, dict]:
    """T5: the pieces of a unigram model behind <pad>, </s> and <unk>, sentinels behind them; nothing before a text."""
    tokenizer, _ = unigram()
    special = ["<pad>", "</s>", "<unk>"]
    counts = count_pieces(words_of(tokenizer), "")
    chosen = choose(counts, "", 205)
    total = sum(counts[p] for p in chosen)
    scored = [(p, round(math.log(counts[p] / total), 4)) for p in chosen]
    answers = [(p, -9.0) for p in ANSWERS if p not in chosen]
    vocabulary = [(t, 0.0) for t in special] + scored + answers + [(t, 0.0) for t in SENTINELS]
    tokenizer.model = models.Unigram(vocabulary, unk_id=2)
    fresh = Tokenizer(tokenizer.model)
    fresh.normalizer, fresh.pre_tokenizer, fresh.decoder = tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder
    fresh.add_special_tokens(special + SENTINELS)
    fresh.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return fresh, {"pad_token": "<pad>", "pad_token_id": 0, "eos_token_id": 1}
