"""Writes ../fixtures/splade-tiny-published: the weights that transformers computes with splade-tiny for sentences of corpus.py.

    python splade_tiny.py --models FOLDER      # FOLDER holds splade-tiny/ (.ci/models splade)

log(1 + ReLU(logits)), the strongest of each word over all tokens, in 64-bit floats, rounded once. README.md describes the files.
"""

import argparse
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from safetensors.torch import save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

import corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    # The last is cut at 512 tokens.
    texts = corpus.SENTENCES[:6] + [" ".join(corpus.SENTENCES)]
    folder = args.models / "splade-tiny"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).double().eval()
    words, weights, counts = [], [], []
    with torch.no_grad():
        for text in texts:
            tokens = tokenizer(text, truncation=True, max_length=512, return_tensors="pt")
            vector = torch.log1p(torch.relu(model(**tokens).logits[0])).amax(0).float()
            found = vector.nonzero().squeeze(1)
            words.append(found.to(torch.uint32))
            weights.append(vector[found])
            counts.append(len(found))
    folder = Path(__file__).resolve().parent.parent / "fixtures" / "splade-tiny-published"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    expected = {"words": torch.cat(words), "weights": torch.cat(weights), "counts": torch.tensor(counts, dtype=torch.uint32)}
    save_file(expected, folder / "expected.safetensors")
    print(counts)


if __name__ == "__main__":
    main()
