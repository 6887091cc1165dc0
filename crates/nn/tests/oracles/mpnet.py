"""Writes ../fixtures/mpnet-published: what sentence-transformers computes with all-mpnet-base-v2 for sentences of corpus.py.

    python mpnet.py --models FOLDER      # FOLDER holds all-mpnet-base-v2/ (.ci/models mpnet)

In 64-bit floats, rounded once. README.md describes the files.
"""

import argparse
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer

import corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    # The last is long: buckets beyond those of one distance, and cut at 384 tokens.
    texts = corpus.SENTENCES[:6] + [" ".join(corpus.SENTENCES)]
    model = SentenceTransformer(str(args.models / "all-mpnet-base-v2"), device="cpu").double()
    vectors = torch.from_numpy(model.encode(texts)).float()
    folder = Path(__file__).resolve().parent.parent / "fixtures" / "mpnet-published"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    save_file({"vectors": vectors.contiguous()}, folder / "expected.safetensors")


if __name__ == "__main__":
    main()
