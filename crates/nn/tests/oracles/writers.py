"""Writes ../fixtures/writers: tiny encoder-decoders with random weights, and what `transformers` computes and writes with them.

    pip install -r requirements.txt
    python writers.py [--only NAME] [--out FOLDER]

Logits and likelihoods are those of each text alone, in 64-bit floats. README.md describes the files.
"""

import argparse
import copy
import hashlib
import json
import os
import shutil
from collections import Counter
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers as hf
from safetensors.torch import save_file
from torch import nn
from transformers.generation import logits_process as warp

import corpus
import tiny_tokenizers as tt
from make import HEADS, HIDDEN, INTERMEDIATE, SEED, draw

S = corpus.SENTENCES
LONG = " ".join(S[3:9])
# (name, what is read, what is scored): targets of over forty tokens, texts of mixed lengths.
CASES = [
    ("word", "bread", "why bread"),
    ("prompt", "Query: how long to bake bread Document: Bread rises faster in warm rooms. Relevant:", "true"),
    ("long", LONG, " ".join(S[20:23])),
    ("empty", "", "What is the capital?"),
    ("two", f"{S[13]} {S[14]}", " ".join(S[30:32])),
]
SIZES = {
    "shared": 3.0, "lm_head": 1.2, "relative_attention_bias": 2.0, "decoder.final": 2.0, "Attention.o": 2.5, "wo.": 3.0,
    "embed_tokens": 3.0, "embed_positions": 2.0, "q_proj": 0.6, "k_proj": 0.6, "encoder_attn.out_proj": 1.5, "self_attn.out_proj": 1.5, "decoder.layers.0.fc2": 3.0, "decoder.layers.1.fc2": 3.0,
}
MOST = 24  # tokens that are written
SAMPLING = {"temperature": 0.7, "top_k": 10, "top_p": 0.8}
COMMON = {"d_model": HIDDEN, "d_kv": 12, "d_ff": INTERMEDIATE, "num_layers": 3, "num_decoder_layers": 2, "num_heads": HEADS}
CLASSES = {"t5": hf.T5ForConditionalGeneration, "bart": hf.BartForConditionalGeneration}
MODELS = {
    # As t5-base is published: `lm_head` and both `embed_tokens` are copies of `shared`, and a table that no code reads.
    "t5": (hf.T5Config(**COMMON, feed_forward_proj="relu", relative_attention_num_buckets=32), True),
    "t5-v1.1": (
        hf.T5Config(
            **COMMON, feed_forward_proj="gated-gelu", tie_word_embeddings=False, relative_attention_num_buckets=8,
            relative_attention_max_distance=20,
        ),
        False,
    ),
}


BART = hf.BartConfig(
    d_model=HIDDEN, encoder_layers=3, decoder_layers=2, encoder_attention_heads=HEADS, decoder_attention_heads=HEADS,
    encoder_ffn_dim=INTERMEDIATE, decoder_ffn_dim=INTERMEDIATE, activation_function="gelu", max_position_embeddings=300,
    pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=None, scale_embedding=False,
)
MODELS["bart"] = (BART, True)


def build(name: str, config, tied: bool, vocab: int):
    config.vocab_size = vocab
    if config.model_type == "t5":
        config.decoder_start_token_id = 0
    config._attn_implementation = "eager"
    model = CLASSES[config.model_type](config)
    if not tied:
        model.lm_head.weight = nn.Parameter(torch.zeros(vocab, HIDDEN))
    g = torch.Generator().manual_seed(SEED + int(hashlib.sha256(name.encode()).hexdigest()[:6], 16))
    with torch.no_grad():
        for key, parameter in sorted(model.named_parameters()):
            value = draw(key, parameter.shape, g)
            # So large that what is written depends on the text, on the place and on the token before.
            size = next((size for part, size in SIZES.items() if part in key), 1.0) if key.endswith("weight") else 1.0
            if config.model_type == "bart" and key.endswith("bias"):
                size = 0.3
            if key.endswith("fc2.weight"):  # what is activated is mostly positive, and its mean would be the same for every token
                value = value - value.mean(1, keepdim=True)
            value = (value * size).half().float()
            parameter.copy_(value)
        if config.model_type == "bart":
            model.final_logits_bias.copy_((0.5 * torch.randn(1, vocab, generator=g)).half().float())
    return model.eval()


def favour_end(model, inputs: list[list[int]]) -> None:
    """Lets `</s>` be likely where another token would often be written, so that some texts end."""
    places, firsts = Counter(), set()
    with torch.no_grad():
        for ids in inputs:
            written = model.generate(input_ids=torch.tensor([ids]), max_new_tokens=MOST, do_sample=False, num_beams=1)[0]
            firsts.update(written.tolist()[:3])
            places.update(set(written.tolist()[3:]))
        token = max(places.keys() - firsts or places.keys(), key=lambda t: (places[t], t))
        head = model.lm_head.weight
        end = model.config.eos_token_id
        head[end] = (1.02 * head[token]).half().float()
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias[0, end] = model.final_logits_bias[0, token]


def shifted(start: int, target: list[int]) -> torch.Tensor:
    return torch.tensor([[start, *target[:-1]]])


def kept(logits: torch.Tensor) -> tuple[list[int], list[float]]:
    """The tokens that are drawn from, most likely first, and their probabilities."""
    none = torch.zeros(1, 1, dtype=torch.long)
    scores = logits[None].float()
    for step in (
        warp.TemperatureLogitsWarper(SAMPLING["temperature"]),
        warp.TopKLogitsWarper(SAMPLING["top_k"]),
        warp.TopPLogitsWarper(SAMPLING["top_p"]),
    ):
        scores = step(none, scores)
    shares = scores.softmax(-1)[0]
    order = [int(i) for i in shares.argsort(descending=True) if shares[i] > 0]
    return order, [float(shares[i]) for i in order]


def make(name: str, out: Path) -> None:
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config, tied = MODELS[name]
    tokenizer, _ = tt.t5() if config.model_type == "t5" else tt.byte_bpe()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    fast = hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>")
    model = build(name, config, tied, tokenizer.get_vocab_size())
    rows = [(fast(text)["input_ids"], fast(target)["input_ids"]) for _, text, target in CASES]
    favour_end(model, [ids for ids, _ in rows])
    tensors = {k: v.contiguous().clone() for k, v in model.state_dict().items()}
    if config.model_type == "bart":
        del tensors["lm_head.weight"]
    elif tied:
        tensors["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = torch.zeros(32, HEADS)
    else:
        tensors = {k: v for k, v in tensors.items() if "embed_tokens" not in k}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    written = json.loads(config.to_json_string(use_diff=False))
    keep = (
        "model_type", "architectures", "vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_decoder_layers", "num_heads",
        "relative_attention_num_buckets", "layer_norm_epsilon", "feed_forward_proj", "decoder_start_token_id", "eos_token_id",
        "pad_token_id",
    )
    written = {k: written[k] for k in keep if k in written} | {"architectures": ["T5ForConditionalGeneration"]}
    if not tied:
        written |= {"tie_word_embeddings": False, "relative_attention_max_distance": 20}
    if config.model_type == "t5":
        (folder / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    if config.model_type == "bart":
        config.save_pretrained(folder)
    again = CLASSES[config.model_type].from_pretrained(folder, dtype=torch.float32).state_dict()
    assert all(torch.equal(v, again[k]) for k, v in model.state_dict().items()), f"{name}: reloads otherwise"

    rounded = copy.deepcopy(model)
    exact = model.double()
    expected, listed, worst = {}, [], 0.0
    with torch.inference_mode():
        for (case, text, target), (ids, wanted) in zip(CASES, rows):
            one = torch.tensor([ids])
            logits = exact(input_ids=one, decoder_input_ids=shifted(config.decoder_start_token_id, wanted)).logits[0]
            expected[f"{case}.logits"] = logits.float()
            logs = logits.log_softmax(-1)[torch.arange(len(wanted)), wanted]
            expected[f"{case}.log_likelihoods"] = logs.float()
            single = rounded(input_ids=one, decoder_input_ids=shifted(config.decoder_start_token_id, wanted)).logits[0]
            worst = max(worst, ((single - logits).norm() / logits.norm()).item())
            write = lambda **how: exact.generate(input_ids=one, max_new_tokens=MOST, do_sample=False, **how)[0].tolist()[1:]  # noqa: E731
            order, shares = kept(logits[0])
            ways = {
                "greedy": write(num_beams=1),
                "beam": write(num_beams=4, length_penalty=1.0),
                "beam_early": write(num_beams=4, length_penalty=1.0, early_stopping=True),
                "beam_long": write(num_beams=3, length_penalty=2.0),
            }
            end = config.eos_token_id
            ways = {way: found[: found.index(end)] if end in found else found for way, found in ways.items()}
            listed.append(
                {"name": case, "text": text, "target": target, "ids": ids, "target_ids": wanted, "kept": order, "shares": shares}
                | ways
                | {"text_of_greedy": fast.decode(ways["greedy"], skip_special_tokens=True)}
            )
    save_file(expected, folder / "expected.safetensors")
    lines = ",\n".join("    " + json.dumps(c, ensure_ascii=False) for c in listed)
    head = json.dumps({"fixture": name, "seed": SEED, "most": MOST, "sampling": SAMPLING})[:-1]
    (folder / "inputs.json").write_text(f'{head}, "cases": [\n{lines}\n]}}\n', encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(0o644)
    assert worst < 5e-6, f"{name}: PyTorch's own f32 is off by {worst}"
    print(f"{name}: PyTorch's f32 is off by {worst:.1e}")
    for c in listed:
        print(name, c["name"], len(c["ids"]), len(c["target_ids"]), len(c["greedy"]), len(c["beam"]), len(c["beam_early"]), len(c["beam_long"]), len(c["kept"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="one fixture's name")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "fixtures/writers")
    args = parser.parse_args()
    torch.set_num_threads(1)
    hf.utils.logging.disable_progress_bar()
    for name in MODELS:
        if args.only in (None, name):
            make(name, args.out)


if __name__ == "__main__":
    main()
