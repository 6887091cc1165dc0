"""Writes ../fixtures/modules: a tiny encoder, the files of several sentence-transformers models around it, and their vectors.

    pip install -r requirements.txt
    python modules.py [--only NAME] [--out FOLDER]

`base` holds the encoder and its tokeniser; another folder holds what is written over it (`move.txt` names the folder that
the encoder moves into) and `expected.json`: the vectors of each text as a query and as a
document, by `SentenceTransformer.encode_query` and `encode_document` in 32-bit floats (`encode` where there is a default
prompt: a role without a prompt of its own takes it).
"""

import argparse
import json
import math
import os
import shutil
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
import transformers as hf
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

import make
import tiny_tokenizers as tt

HIDDEN = 16
TEXTS = [
    "The River rises in spring, and its water is cold. It rises again in autumn.",
    "bread",
    "Why do clocks run SLOWER?",
    "",
]
MODES = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]
OLD = "sentence_transformers.models."
NEW = "sentence_transformers.sentence_transformer.modules."


def module(kind: str, number: int, path: str = None) -> dict:
    path = f"{number}_{kind.rsplit('.', 1)[-1]}" if path is None else path
    return {"idx": number, "name": str(number), "path": path, "type": kind if "." in kind else OLD + kind}


def modules(*kinds: str, first: str = "") -> list[dict]:
    return [module("Transformer", 0, first), *(module(kind, i) for i, kind in enumerate(kinds, 1))]


def pooling(*on: str, **more) -> dict:
    """With a switch for each way, as before 5.5."""
    switches = {f"pooling_mode_{mode}": mode in on for mode in MODES}
    return {"word_embedding_dimension": HIDDEN, **switches, **more}


def tensors(seed: str, **shapes) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(sum(map(ord, seed)))
    return {name.replace("_w", ".weight").replace("_b", ".bias"): make.draw(name.replace("_w", ".weight").replace("_b", ".bias"), torch.Size(shape), g) for name, shape in shapes.items()}


def dense(inner: int, outer: int, bias: bool, activation: str, **more) -> dict:
    return {"in_features": inner, "out_features": outer, "bias": bias, "activation_function": f"torch.nn.modules.{activation}", **more}


PROMPTS = {"prompts": {"query": "query: the ", "document": "passage: "}, "default_prompt_name": None, "similarity_fn_name": "cosine"}


def variants(vocabulary: list[str]) -> dict[str, dict]:
    """The files of each by name; JSON, tensors, or None for a file that is not there."""
    mean = {"1_Pooling/config.json": pooling("mean_tokens")}
    words = {w: 0.25 * (1 + i % 9) for i, w in enumerate(vocabulary) if i % 3}
    return {
        "dense-normalize": mean | {
            "modules.json": modules("Pooling", "Dense", "Dense", "Normalize"),
            "2_Dense/config.json": dense(HIDDEN, 12, True, "activation.Tanh"),
            "2_Dense/model.safetensors": tensors("a", linear_w=(12, HIDDEN), linear_b=(12,)),
            "3_Dense/config.json": dense(12, 8, False, "linear.Identity", use_residual=True),
            "3_Dense/pytorch_model.bin": tensors("b", linear_w=(8, 12), residual_w=(8, 12)),
        },
        "cls-layer-norm": {
            "modules.json": modules("Pooling", "Dropout", "LayerNorm"),
            "1_Pooling/config.json": pooling("cls_token"),
            "2_Dropout/config.json": {"dropout": 0.1},
            "3_LayerNorm/config.json": {"dimension": HIDDEN},
            "3_LayerNorm/model.safetensors": tensors("c", norm_w=(HIDDEN,), norm_b=(HIDDEN,)),
            "config_sentence_transformers.json": {"similarity_fn_name": "dot"},
        },
        "max-relu": {
            "modules.json": modules("Pooling", "Dense"),
            "1_Pooling/config.json": {"embedding_dimension": HIDDEN, "pooling_mode": "max", "include_prompt": True},
            "2_Dense/config.json": dense(HIDDEN, HIDDEN, True, "activation.ReLU", use_residual=True),
            "2_Dense/model.safetensors": tensors("d", linear_w=(HIDDEN, HIDDEN), linear_b=(HIDDEN,)),
        },
        "mean-sqrt-len": {"modules.json": modules("Pooling"), "1_Pooling/config.json": pooling("mean_sqrt_len_tokens")},
        "weighted-mean": {"modules.json": modules("Pooling"), "1_Pooling/config.json": pooling("weightedmean_tokens")},
        "last": {"modules.json": modules(NEW + "Pooling"), "1_Pooling/config.json": pooling("lasttoken")},
        "cls-and-mean": {
            "modules.json": modules("Pooling", "Dense"),
            "1_Pooling/config.json": pooling("mean_tokens", "cls_token"),
            "2_Dense/config.json": dense(2 * HIDDEN, 10, True, "activation.GELU"),
            "2_Dense/model.safetensors": tensors("e", linear_w=(10, 2 * HIDDEN), linear_b=(10,)),
        },
        "prompts": mean | {"modules.json": modules("Pooling"), "config_sentence_transformers.json": PROMPTS},
        "prompts-not-counted": {
            "modules.json": modules("Pooling"),
            "1_Pooling/config.json": pooling("weightedmean_tokens", include_prompt=False),
            "config_sentence_transformers.json": PROMPTS,
        },
        "default-prompt": mean | {
            "modules.json": modules("Pooling"),
            "config_sentence_transformers.json": {"prompts": {"retrieval": "find: ", "other": "x"}, "default_prompt_name": "retrieval"},
        },
        "lower-case-short": mean | {
            "modules.json": modules("Pooling", "Normalize"),
            "sentence_bert_config.json": {"max_seq_length": 9, "do_lower_case": True},
            "tokenizer_config.json": {"do_lower_case": False, "tokenizer_class": "BertTokenizer"},
        },
        "word-weights": {
            "modules.json": modules("WordWeights", "Pooling"),
            "1_WordWeights/config.json": {"vocab": vocabulary, "word_weights": words, "unknown_word_weight": 0.5},
            "1_WordWeights/model.safetensors": {"emb_layer.weight": torch.tensor([[words.get(w, 0.5)] for w in vocabulary])},
            "2_Pooling/config.json": pooling("mean_tokens", "max_tokens"),
        },
        "old-layout": mean | {"modules.json": modules("Pooling", "Normalize", first="0_Transformer")},
    }


def base(folder: Path) -> list[str]:
    tokenizer, special = tt.wordpiece()
    config = hf.BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=HIDDEN, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=40, pad_token_id=special["pad_token_id"],
    )
    model = hf.BertModel(config)
    make.fill(model, make.SEED)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return vocabulary


def save(path: Path, content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file(content, path, metadata={"format": "pt"})
    elif path.suffix == ".bin":
        torch.save(content, path)
    else:
        path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")


def whole(bottom: Path, over: Path, folder: Path) -> None:
    """The model as it is published; ../modules.rs puts it together in the same way."""
    inside = folder / (over / "move.txt").read_text().strip() if (over / "move.txt").exists() else folder
    shutil.copytree(bottom, inside, dirs_exist_ok=True)
    if inside != folder:  # what PyTorch wrote before 1.6, in the layout of those days
        weights = load_file(inside / "model.safetensors")
        (inside / "model.safetensors").unlink()
        shutil.copy(over / "pytorch_model.bin", inside)
        again = torch.load(inside / "pytorch_model.bin", weights_only=True)
        assert all(torch.equal(v, again[k]) for k, v in weights.items())
    for path in over.rglob("*"):
        if path.is_file() and path.name not in ("expected.json", "move.txt") and path.parent != over or path.name in TOP:
            target = folder / path.relative_to(over)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


TOP = {"modules.json", "config_sentence_transformers.json", "sentence_bert_config.json", "tokenizer_config.json"}


def vectors(folder: Path) -> dict:
    model = SentenceTransformer(str(folder), device="cpu")
    options = {"convert_to_numpy": True, "batch_size": 1}
    queries, documents = model.encode_query(TEXTS, **options), model.encode_document(TEXTS, **options)
    if model.default_prompt_name is not None:  # since 5.0 the two above leave it out where a role has no prompt
        queries = documents = model.encode(TEXTS, **options)
    assert all(math.isfinite(x) for row in (*queries, *documents) for x in row)
    rows = lambda found: [[float(x) for x in row] for row in found]  # noqa: E731
    return {"texts": TEXTS, "queries": rows(queries), "documents": rows(documents)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="one folder's name")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "fixtures/modules")
    args = parser.parse_args()
    torch.set_num_threads(1)
    hf.utils.logging.disable_progress_bar()
    bottom = args.out / "base"
    vocabulary = base(bottom)
    for name, files in variants(vocabulary).items():
        if args.only not in (None, name):
            continue
        over = args.out / name
        shutil.rmtree(over, ignore_errors=True)
        for file, content in files.items():
            save(over / file, content)
        if name == "old-layout":
            (over / "move.txt").write_text("0_Transformer\n")
            state = load_file(bottom / "model.safetensors")
            torch.save(state, over / "pytorch_model.bin", _use_new_zipfile_serialization=False)
        with tempfile.TemporaryDirectory() as folder:
            whole(bottom, over, Path(folder))
            found = vectors(Path(folder))
        (over / "expected.json").write_text(json.dumps(found, ensure_ascii=False) + "\n", encoding="utf-8")
        size = sum(path.stat().st_size for path in over.rglob("*") if path.is_file())
        print(f"{name:<24}{len(found['queries'][0]):>4} numbers  {size / 1024:>5.0f} KiB")
    for path in args.out.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


if __name__ == "__main__":
    main()
