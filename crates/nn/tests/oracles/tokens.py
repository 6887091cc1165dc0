"""Writes ../fixtures/tokens: folders without a tokenizer.json, and the tokens that `transformers` gives for each.

    pip install -r requirements.txt sentencepiece==0.2.3 protobuf==7.36.2
    python tokens.py [--only NAME] [--out FOLDER]

The vocabularies are tiny_tokenizers.py's, and models that SentencePiece learns from corpus.py, with a map of characters
of its own: the maps that it brings are a quarter of a megabyte. Every folder also has what a checkpoint needs to be one.
"""

import argparse
import io
import json
import os
import shutil
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import sentencepiece
import transformers as hf

import corpus
import tiny_tokenizers as tt

TEXTS = [
    "The river rises in spring, and its water is cold.",
    "Café München naïve résumé ÉCOLE",
    "東京 tokyo 北京",
    "[Q] what is [D] tea?  two  spaces\tand a tab",
    "",
    "ﬁne Ⅳ Ａ 😀 unknown☃",
    "it costs 1,234 coins; don't",
]
PAIRS = [("why does bread rise", "yeast makes gas"), ("tea", "")]
EMPTY_WEIGHTS = b"\x02\0\0\0\0\0\0\0{}"  # safetensors without a tensor
SPECIAL = {"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"}


def words() -> list[str]:
    tokenizer, _ = tt.wordpiece()
    vocabulary = tokenizer.get_vocab()
    more = ["É", "café", "cafe", "naïve", "東", "京", "東京", "[", "]", "q", "Q", "Café"]
    return list(dict.fromkeys([*sorted(vocabulary, key=vocabulary.get), *more]))


def learned(kind: str, **options) -> bytes:
    """A model of SentencePiece; the same bytes every time."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus.SENTENCES), model_writer=model, model_type=kind, num_threads=1,
        character_coverage=1.0, hard_vocab_limit=False, minloglevel=2, **options,
    )
    return model.getvalue()


def fairseq(kind: str, folder: Path) -> bytes:
    """Pieces in the order of XLM-R's: <unk>, <s>, </s>. Ligatures, wide letters and Roman numbers are written out."""
    rules = folder / "rules.tsv"
    rules.write_text("".join(f"{ord(a):X}\t{' '.join(f'{ord(c):X}' for c in b)}\n" for a, b in [("ﬁ", "fi"), ("Ⅳ", "IV"), ("Ａ", "A"), ("\t", " ")]))
    model = learned(kind, vocab_size=180, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, normalization_rule_tsv=str(rules))
    rules.unlink()
    return model


# Files of each folder beside config.json and the weights; bytes, text or JSON.
def bert(**config) -> dict:
    return {"vocab.txt": "\n".join(words()) + "\n", "tokenizer_config.json": config, "model_type": "bert"}


def folders(scratch: Path) -> dict[str, dict]:
    count = len(words())
    byte_level, _ = tt.byte_bpe()
    byte_level.model.save(str(scratch))
    bytes_of = {name: (scratch / name).read_text() for name in ("vocab.json", "merges.txt")}
    bpe = len(json.loads(bytes_of["vocab.json"]))
    added = {"content": "[Q]", "lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": False}
    special = {"unk_id": 1, "bos_id": -1, "eos_id": -1, "pad_id": 0, "unk_piece": "[UNK]", "pad_piece": "[PAD]"}
    identity = {"normalization_rule_name": "identity"}
    return {
        "vocab-alone": {"vocab.txt": "\r\n".join(words()), "model_type": "bert"},
        "keeps-accents": bert(do_lower_case=True, strip_accents=False),
        "strips-accents-of-cased": bert(do_lower_case=False, strip_accents=True),
        "keeps-chinese": bert(tokenize_chinese_chars=False),
        "cased": bert(do_lower_case=False, tokenizer_class="BertTokenizer"),
        "added": bert(do_lower_case=False) | {"added_tokens.json": {"[Q]": count, "[D]": count + 1}},
        "added-special": bert() | {
            "added_tokens.json": {"[Q]": count},
            "special_tokens_map.json": SPECIAL | {"additional_special_tokens": ["[Q]"]},
        },
        "added-decoder": bert(added_tokens_decoder={str(count): added}, tokenizer_class="DistilBertTokenizer"),
        "other-ends": bert() | {"special_tokens_map.json": SPECIAL | {"cls_token": "cafe", "sep_token": "["}},
        "file-and-config": bert(do_lower_case=False, tokenizer_class="BertTokenizerFast") | {"tokenizer.json": None},
        "mpnet": {"vocab.txt": "\n".join(["<s>", "<pad>", "</s>", "<mask>", *words()]), "model_type": "mpnet"},
        "roberta": bytes_of | {"model_type": "roberta"},
        "roberta-space": bytes_of | {
            "model_type": "roberta",
            "tokenizer_config.json": {"add_prefix_space": True, "tokenizer_class": "RobertaTokenizer"},
            "added_tokens.json": {"[Q]": bpe},
        },
        "xlm-roberta": {"sentencepiece.bpe.model": fairseq("unigram", scratch), "model_type": "xlm-roberta"},
        # `transformers` 5 reads every model of this class as a unigram one; SentencePiece itself says what the pieces are.
        "xlm-roberta-byte-pairs": {"sentencepiece.bpe.model": fairseq("bpe", scratch), "model_type": "xlm-roberta"},
        "camembert": {"sentencepiece.bpe.model": fairseq("unigram", scratch), "model_type": "camembert"},
        "albert": {
            "spiece.model": learned("unigram", vocab_size=180, unk_id=1, bos_id=-1, eos_id=-1, pad_id=0,
                                    control_symbols=["[CLS]", "[SEP]", "[MASK]"], **identity),
            "model_type": "albert",
        },
        "deberta-v2": {
            "spm.model": learned("unigram", vocab_size=180, control_symbols=["[CLS]", "[SEP]"], **special, **identity),
            "added_tokens.json": {"[MASK]": None},
            "model_type": "deberta-v2",
            "tokenizer_config.json": {"do_lower_case": True, "split_by_punct": True, "tokenizer_class": "DebertaV2Tokenizer"},
        },
        "t5": {"spiece.model": learned("unigram", vocab_size=180, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, **identity), "model_type": "bert",
               "tokenizer_config.json": {"tokenizer_class": "T5Tokenizer", "extra_ids": 0, "additional_special_tokens": ["<extra_id_0>"]}},
        "llama": {
            "tokenizer.model": learned("bpe", vocab_size=420, byte_fallback=True, **identity), "model_type": "bert",
            "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False},
        },
    }


class Fairseq:
    """SentencePiece's own pieces in the numbers of XLM-R: one more, with <s>, <pad>, </s> and <unk> first."""

    def __init__(self, model: bytes):
        self.model = sentencepiece.SentencePieceProcessor(model_proto=model)

    def __len__(self):
        return self.model.get_piece_size() + 2

    def __call__(self, text, pair=None, **_):
        one = lambda text: [3 if piece == 0 else piece + 1 for piece in self.model.encode(text)]  # noqa: E731
        ids = [0, *one(text), 2] + ([] if pair is None else [2, *one(pair), 2])
        return {"input_ids": ids, "token_type_ids": [0] * len(ids)}


def write(name: str, files: dict, out: Path) -> None:
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files = dict(files)
    (folder / "config.json").write_text(json.dumps({"model_type": files.pop("model_type")}) + "\n")
    (folder / "model.safetensors").write_bytes(EMPTY_WEIGHTS)
    if "tokenizer.json" in files:
        files.pop("tokenizer.json")
        tt.wordpiece()[0].save(str(folder / "tokenizer.json"), pretty=False)
        files.pop("vocab.txt")
    if (added := files.get("added_tokens.json")) and None in added.values():
        # Behind the last piece, as DeBERTa has its mask.
        size = sentencepiece.SentencePieceProcessor(model_proto=files["spm.model"]).get_piece_size()
        files["added_tokens.json"] = {token: size for token in added}
    for file, content in files.items():
        if isinstance(content, bytes):
            (folder / file).write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False) + "\n"
            (folder / file).write_text(text, encoding="utf-8", newline="")
    if name == "xlm-roberta-byte-pairs":
        tokenizer = Fairseq(files["sentencepiece.bpe.model"])
    else:
        tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    texts = [{"text": text, "ids": tokenizer(text)["input_ids"]} for text in TEXTS]
    for first, second in PAIRS:
        found = tokenizer(first, second, return_token_type_ids=True)
        texts.append({"text": first, "pair": second, "ids": found["input_ids"], "types": found["token_type_ids"]})
    (folder / "expected.json").write_text(json.dumps(texts, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(0o644)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{name:<26}{type(tokenizer).__name__:<22}{len(tokenizer):>5} tokens  {size / 1024:>5.0f} KiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="one folder's name")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "fixtures/tokens")
    args = parser.parse_args()
    hf.utils.logging.set_verbosity_error()
    args.out.mkdir(parents=True, exist_ok=True)
    scratch = args.out / "scratch"
    scratch.mkdir(exist_ok=True)
    for name, files in folders(scratch).items():
        if args.only in (None, name):
            write(name, files, args.out)
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
