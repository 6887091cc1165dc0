"""Writes ../fixtures/pickled: tensors as PyTorch saved them before 1.6, and the same as safetensors.

    pip install -r requirements.txt
    python pickled.py [--out FOLDER]

Views, shared storages, parameters and every type of number that weights come in.
"""

import argparse
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "fixtures/pickled")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    numbers = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 8 - 1
    state = OrderedDict(
        whole=numbers,
        shared=numbers,
        transposed=numbers.t(),
        row=numbers[2],
        corner=numbers[1:3, 2:5],
        column=numbers[:, 4],
        number=numbers[3, 5],
        empty=torch.zeros(0, 3),
        parameter=torch.nn.Parameter(torch.full((2, 1), 0.5)),
        half=numbers.half(),
        bfloat16=numbers[:2].bfloat16(),
        double=numbers[:1].double(),
        long=torch.tensor([1, -2, 3]),
        bytes=torch.tensor([0, 255], dtype=torch.uint8),
    )
    state._metadata = OrderedDict([("", {"version": 1})])
    with_others = OrderedDict(state, steps=7, name="not a tensor")
    torch.save(with_others, out / "weights.bin", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Linear(1, 1), out / "whole-object.bin", _use_new_zipfile_serialization=False)
    save_file({k: v.detach().clone().contiguous() for k, v in state.items()}, out / "weights.safetensors")
    for path in out.iterdir():
        path.chmod(0o644)


if __name__ == "__main__":
    main()
