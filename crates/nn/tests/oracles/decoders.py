"""Writes ../fixtures/decoders: tiny language models with random weights, and what `transformers` computes and writes with them.

    pip install -r requirements.txt
    python decoders.py [--only NAME] [--out FOLDER]

Logits and likelihoods are those of each text alone, in 64-bit floats. README.md describes the files.
"""

import argparse
import copy
import hashlib
import json
import os
import shutil
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers as hf
from safetensors.torch import save_file

import corpus
import tiny_tokenizers as tt
from make import HEADS, HIDDEN, INTERMEDIATE, SEED, draw

S = corpus.SENTENCES
RANK = "Rank the passages by how well they answer the question: how long does bread bake? "
# (name, what is read, what is scored): texts of mixed lengths, of which some begin alike; targets of over forty tokens.
CASES = [
    ("word", "bread", " rises"),
    ("first", f"{RANK}[1] {S[3]} [2] {S[4]} Answer:", " [2] > [1]"),
    ("second", f"{RANK}[1] {S[3]} [2] {S[5]} Answer:", " [1] > [2]"),
    ("third", f"{RANK}[1] {S[6]} [2] {S[5]} Answer:", " " + " ".join(S[20:23])),
    ("long", " ".join(S[3:9]), " ".join(S[30:32])),
]
MOST = 24  # tokens that are written
SIZES = {
    "wte": 1.5, "embed_tokens": 1.5, "wpe": 1.0, "lm_head": 1.2, "q_proj": 0.8, "k_proj": 0.8, "o_proj": 3.0, "down_proj": 4.0,
    "c_attn": 1.5, "attn.c_proj": 4.0, "mlp.c_proj": 8.0, "ln_f": 2.0, "model.norm": 2.0,
}
COMMON = {
    "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE, "num_hidden_layers": 3, "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS // 2, "max_position_embeddings": 400, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2,
}
MODELS = {
    "gpt2": hf.GPT2Config(
        n_embd=HIDDEN, n_layer=3, n_head=HEADS, n_positions=400, n_inner=INTERMEDIATE, bos_token_id=0, pad_token_id=1, eos_token_id=2,
    ),
    # As LLaMA 3.2: grouped queries, an output layer that is the table of word embeddings, slow pairs slower behind 64 positions.
    "llama": hf.LlamaConfig(
        **COMMON, tie_word_embeddings=True,
        rope_scaling={
            "rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
    ),
    "mistral": hf.MistralConfig(**COMMON, tie_word_embeddings=False, sliding_window=20, head_dim=HIDDEN // HEADS),
    "qwen2": hf.Qwen2Config(
        **COMMON, tie_word_embeddings=True, use_sliding_window=True, sliding_window=24, max_window_layers=1, rms_norm_eps=1e-6,
    ),
    # Heads that are together wider than the states.
    "qwen3": hf.Qwen3Config(**COMMON, tie_word_embeddings=False, head_dim=20, rms_norm_eps=1e-6),
}
CLASSES = {
    "gpt2": hf.GPT2LMHeadModel, "llama": hf.LlamaForCausalLM, "mistral": hf.MistralForCausalLM, "qwen2": hf.Qwen2ForCausalLM,
    "qwen3": hf.Qwen3ForCausalLM,
}
# The keys that published files have; the other ones are left to their defaults.
KEEP = (
    "model_type", "architectures", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "hidden_act", "max_position_embeddings", "rms_norm_eps", "rope_theta", "rope_scaling",
    "rope_parameters", "tie_word_embeddings", "sliding_window", "use_sliding_window", "max_window_layers", "n_embd", "n_layer", "n_head",
    "n_positions", "n_inner", "activation_function", "layer_norm_epsilon", "bos_token_id", "eos_token_id", "pad_token_id",
)


def build(name: str, config, vocab: int):
    config.vocab_size = vocab
    config._attn_implementation = "eager"
    model = CLASSES[name](config)
    g = torch.Generator().manual_seed(SEED + int(hashlib.sha256(name.encode()).hexdigest()[:6], 16))
    with torch.no_grad():
        for key, parameter in sorted(model.named_parameters()):
            value = draw(key, parameter.shape, g)
            # So large that what is written depends on the text, on the place and on the token before.
            size = next((size for part, size in SIZES.items() if part in key), 1.0)
            if key.endswith("bias"):
                size = 0.1
            if key.endswith("mlp.c_proj.weight"):  # what is activated is mostly positive, and its mean the same for every token
                value = value - value.mean(0, keepdim=True)
            parameter.copy_((value * size).half().float())
    return model.eval()


def make(name: str, out: Path) -> None:
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = MODELS[name]
    tokenizer, _ = tt.plain_byte_bpe()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    fast = hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>")
    model = build(name, config, tokenizer.get_vocab_size())
    rows = [(fast(text)["input_ids"], fast(target)["input_ids"]) for _, text, target in CASES]
    tensors = {k: v.contiguous().clone() for k, v in model.state_dict().items()}
    if config.tie_word_embeddings:
        del tensors["lm_head.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    written = json.loads(config.to_json_string(use_diff=False))
    written = {k: written[k] for k in KEEP if k in written} | {"architectures": [CLASSES[name].__name__]}
    (folder / "config.json").write_text(json.dumps(written, indent=2, sort_keys=True) + "\n")
    again = CLASSES[name].from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    for k, v in model.state_dict().items():
        assert torch.equal(v, again.state_dict()[k]), f"{name}: {k} reloads otherwise"

    rounded = copy.deepcopy(model)
    exact = again.double()
    expected, listed, worst = {}, [], 0.0
    with torch.inference_mode():
        for (case, text, target), (ids, wanted) in zip(CASES, rows):
            whole = torch.tensor([ids + wanted])
            logits = exact(input_ids=whole).logits[0]
            expected[f"{case}.logits"] = logits.float()
            first = len(ids) - 1
            hidden = exact(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states[-1]
            expected[f"{case}.last"] = hidden[0, -1].float()
            logs = logits[first:-1].log_softmax(-1)[torch.arange(len(wanted)), wanted]
            expected[f"{case}.log_likelihoods"] = logs.float()
            single = rounded(input_ids=whole).logits[0]
            worst = max(worst, ((single - logits).norm() / logits.norm()).item())
            one = torch.tensor([ids])
            mask = torch.ones_like(one)

            def write(**how):
                found = exact.generate(input_ids=one, attention_mask=mask, max_new_tokens=MOST, do_sample=False, **how)
                found = found[0].tolist()[len(ids) :]
                return found[: found.index(2)] if 2 in found else found

            ways = {"greedy": write(num_beams=1), "beam": write(num_beams=4, length_penalty=1.0)}
            listed.append(
                {"name": case, "text": text, "target": target, "ids": ids, "target_ids": wanted}
                | ways
                | {"text_of_greedy": fast.decode(ways["greedy"], skip_special_tokens=True)}
            )
    save_file(expected, folder / "expected.safetensors")
    lines = ",\n".join("    " + json.dumps(c, ensure_ascii=False) for c in listed)
    head = json.dumps({"fixture": name, "seed": SEED, "most": MOST})[:-1]
    (folder / "inputs.json").write_text(f'{head}, "cases": [\n{lines}\n]}}\n', encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(0o644)
    assert worst < 5e-6, f"{name}: PyTorch's own f32 is off by {worst}"
    print(f"{name}: PyTorch's f32 is off by {worst:.1e}")
    for c in listed:
        print(name, c["name"], len(c["ids"]), len(c["target_ids"]), len(c["greedy"]), len(c["beam"]), len(set(c["greedy"])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="one fixture's name")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "fixtures/decoders")
    args = parser.parse_args()
    torch.set_num_threads(1)
    hf.utils.logging.disable_progress_bar()
    for name in MODELS:
        if args.only in (None, name):
            make(name, args.out)


if __name__ == "__main__":
    main()
