"""A decoder of Qwen2 0.5B's shape with random weights beside PyTorch: reading a prompt, and writing behind it. One thread, CPU seconds.

    cargo build --release -p nir-benches --bin decoder_peer
    pip install torch transformers
    python benches/peers/decoders.py [--prompt 1500] [--new 20] [--rounds 3]

Rounds alternate between the programs; medians are printed. 47 of the 380 ordered pairs of 20 passages show what it saves to read
once what prompts share.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
import transformers as hf

ROOT = Path(__file__).resolve().parents[2]
SHAPE = {
    "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2,
    "vocab_size": 151936, "max_position_embeddings": 4096, "tie_word_embeddings": True, "rms_norm_eps": 1e-6, "eos_token_id": 151645,
}


def checkpoint(folder: Path) -> None:
    torch.manual_seed(1)
    hf.Qwen2ForCausalLM(hf.Qwen2Config(**SHAPE)).float().save_pretrained(folder)
    shutil.copy(ROOT / "crates/nn/tests/fixtures/decoders/qwen2/tokenizer.json", folder)


def pytorch(folder: Path, prompt: int, new: int) -> dict:
    model = hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    ids = torch.tensor([[(at * 104_729) % 290 + 10 for at in range(prompt)]])
    with torch.inference_mode():
        model(ids[:, :4])
        start = time.process_time()
        out = model(ids, logits_to_keep=1, use_cache=True)
        read = time.process_time() - start
        start = time.process_time()
        for _ in range(new):
            out = model(out.logits[:, -1:].argmax(-1), past_key_values=out.past_key_values, use_cache=True)
        return {"read": read, "write": time.process_time() - start}


def ours(folder: Path, precision: str, prompt: int, new: int) -> dict:
    command = [ROOT / "target/release/decoder_peer", folder, precision, str(prompt), str(new)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompt", type=int, default=1500)
    parser.add_argument("--new", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        checkpoint(folder)
        programs = {
            "PyTorch f32": lambda: pytorch(folder, args.prompt, args.new),
            "nir f32": lambda: ours(folder, "f32", args.prompt, args.new),
            "nir int8": lambda: ours(folder, "int8", args.prompt, args.new),
        }
        rounds = [{name: run() for name, run in programs.items()} for _ in range(args.rounds)]
    for name in programs:
        for what in rounds[0][name]:
            print(f"{name:12} {what:8} {statistics.median(one[name][what] for one in rounds):8.3f}")


if __name__ == "__main__":
    main()
