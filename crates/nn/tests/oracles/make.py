"""Writes the fixtures of ../fixtures: tiny checkpoints with random weights, and what PyTorch computes with them.

    pip install -r requirements.txt
    python make.py [--only NAME] [--out FOLDER]

Each text is encoded alone, without padding, in 64-bit floats, so the expected values are exact to the last bit of f32.
README.md describes the files. The same versions write the same bytes.
"""

import argparse
import hashlib
import json
import math
import os
import shutil
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers as hf
from safetensors.torch import save_file
from torch import Tensor, nn

import corpus
import tiny_tokenizers as tt

HIDDEN, INTERMEDIATE, HEADS, POSITIONS = 32, 48, 4, 40
SEED = 20260


# ---- models that transformers has no class for: published tensor names over its encoders


class Ance(hf.RobertaPreTrainedModel):
    """castorini/ance-msmarco-passage (Xiong et al., ICLR 2021): first token -> Linear -> LayerNorm."""

    def __init__(self, config):
        super().__init__(config)
        self.roberta = hf.RobertaModel(config)  # its pooler is published and unused
        self.embeddingHead = nn.Linear(config.hidden_size, 24)
        self.norm = nn.LayerNorm(24)

    def heads(self, states):
        return {"projected": self.norm(self.embeddingHead(states[:, 0]))}


class ColBert(hf.BertPreTrainedModel):
    """colbert-ir/colbertv2.0 (Khattab and Zaharia, SIGIR 2020): Linear without bias, each token normalised."""

    def __init__(self, config):
        super().__init__(config)
        self.bert = hf.BertModel(config)
        self.linear = nn.Linear(config.hidden_size, 8, bias=False)

    def heads(self, states):
        tokens = self.linear(states)
        return {"tokens": tokens, "tokens_normalized": nn.functional.normalize(tokens, dim=-1)}


class UniCoil(hf.BertPreTrainedModel):
    """castorini/unicoil-* (Lin and Ma, 2021) and ielab's TILDEv2: relu(Linear(1)) of every token."""

    def __init__(self, config):
        super().__init__(config)
        self.bert = hf.BertModel(config)
        self.tok_proj = nn.Linear(config.hidden_size, 1)

    def heads(self, states):
        return {"impacts": torch.relu(self.tok_proj(states))[..., 0]}


class Coil(nn.Module):
    """luyug/COIL (Gao, Dai and Callan, NAACL 2021): a vector for every token, and one for the text."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.model = hf.BertModel(config)
        self.tok_proj = nn.Linear(config.hidden_size, 4)
        self.cls_proj = nn.Linear(config.hidden_size, 16)

    def heads(self, states):
        return {"tokens": self.tok_proj(states), "cls_projected": self.cls_proj(states[:, 0])}


class DeepImpact(hf.BertPreTrainedModel):
    """DeepImpact (Mallia et al., SIGIR 2021): two linear layers with ReLU after each, for every token."""

    def __init__(self, config):
        super().__init__(config)
        self.bert = hf.BertModel(config)
        h = config.hidden_size
        self.impact_score_encoder = nn.Sequential(
            nn.Linear(h, h), nn.ReLU(), nn.Dropout(0.1), nn.Linear(h, 1), nn.ReLU()
        )

    def heads(self, states):
        return {"impacts": self.impact_score_encoder(states)[..., 0]}


def encoder_of(model) -> nn.Module:
    """The encoder inside a model of ours or of transformers."""
    return next(getattr(model, n) for n in ("bert", "roberta", "distilbert", "electra", "model") if hasattr(model, n))


# ---- what is recorded: functions from a batch to named tensors, each [batch, ...]


def pools(states: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """One vector for a text from `states` [batch, seq, dim] and `mask` [batch, seq]."""

    def mean(first: int) -> Tensor:
        weights = mask[:, first:, None].to(states)
        return (states[:, first:] * weights).sum(1) / weights.sum(1).clamp(min=1e-9)

    last = mask.sum(1) - 1
    found = {
        "cls": states[:, 0],
        "mean": mean(0),
        "mean_from_4": mean(4),  # zero where there are four tokens or fewer
        "last": states[torch.arange(len(states)), last],
    }
    return found | {f"{k}_normalized": nn.functional.normalize(v, dim=-1) for k, v in found.items()}


def base(model, batch) -> dict[str, Tensor]:
    out = model(**batch)
    found = {"last_hidden_state": out.last_hidden_state} | pools(out.last_hidden_state, batch["attention_mask"])
    if getattr(out, "pooler_output", None) is not None:
        found["pooler"] = out.pooler_output
    return found


def logits(model, batch) -> dict[str, Tensor]:
    return {"logits": model(**batch).logits}


def token_logits(model, batch) -> dict[str, Tensor]:
    return {"impacts": model(**batch).logits[..., 0]}


def masked_lm(model, batch) -> dict[str, Tensor]:
    scores = model(**batch).logits  # [batch, seq, vocab]
    weights = torch.log1p(torch.relu(scores)) * batch["attention_mask"][..., None]
    return {"mlm_logits": scores, "max_log1p_relu": weights.amax(1), "sum_log1p_relu": weights.sum(1)}


def custom(model, batch) -> dict[str, Tensor]:
    return model.heads(encoder_of(model)(**batch).last_hidden_state)


# ---- fixtures


@dataclass
class Fixture:
    name: str
    model: Callable  # class of the model
    record: Callable
    tokenizer: Callable
    config: type
    options: dict = field(default_factory=dict)
    cases: tuple = ()  # all where empty
    layers: int = 2
    rename: Callable = None  # the tensors as the published file names them
    last_unseen: bool = False  # whether nobody looks at the last third of a text


def bert_config(f: Fixture, vocab: int, special: dict):
    common = {
        "vocab_size": vocab,
        "hidden_size": HIDDEN,
        "num_hidden_layers": f.layers,
        "num_attention_heads": HEADS,
        "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": POSITIONS,
        "position_embedding_type": "absolute",
    }
    if f.config is hf.DistilBertConfig:
        common = {
            "vocab_size": vocab,
            "dim": HIDDEN,
            "n_layers": f.layers,
            "n_heads": HEADS,
            "hidden_dim": INTERMEDIATE,
            "max_position_embeddings": POSITIONS,
        }
    if f.config in (hf.RobertaConfig, hf.XLMRobertaConfig):
        # The first position is pad_token_id + 1, so two rows of the table are never used.
        common |= {"max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
    return f.config(**common | special | f.options)


def old_bert_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As google-bert/bert-base-uncased is published: gamma and beta, the tied decoder, and heads nobody asked for."""
    g = torch.Generator().manual_seed(SEED)
    named = {
        k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
        for k, v in tensors.items()
        if k != "cls.predictions.decoder.bias"
    }
    named["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"].clone()
    named["cls.seq_relationship.weight"] = torch.randn(2, HIDDEN, generator=g)
    named["cls.seq_relationship.bias"] = torch.randn(2, generator=g)
    named["bert.pooler.dense.weight"] = torch.randn(HIDDEN, HIDDEN, generator=g)
    named["bert.pooler.dense.bias"] = torch.randn(HIDDEN, generator=g)
    named["bert.embeddings.position_ids"] = torch.arange(POSITIONS)[None]
    return named


def castorini_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"coil_encoder.{k}": v for k, v in tensors.items()}


def coil_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The encoder as a bare BertModel, the projections of model.pt beside it."""
    return {k.removeprefix("model."): v for k, v in tensors.items()}


WORDS, BYTES, PIECES = tt.wordpiece, tt.byte_bpe, tt.unigram
B, D, R, X, E = hf.BertConfig, hf.DistilBertConfig, hf.RobertaConfig, hf.XLMRobertaConfig, hf.ElectraConfig
ONE, TWO, FEW = {"num_labels": 1}, {"num_labels": 2}, corpus.FEW
# ELECTRA's embeddings may be narrower than its layers: then there is an embeddings_project.
NARROW, SAME = {"embedding_size": 24}, {"embedding_size": HIDDEN}

FIXTURES = [
    Fixture("bert", hf.BertModel, base, WORDS, B),
    Fixture("bert-gelu-new", hf.BertModel, base, WORDS, B, {"hidden_act": "gelu_new"}, FEW, 1),
    Fixture("bert-relu", hf.BertModel, base, WORDS, B, {"hidden_act": "relu"}, FEW, 1),
    Fixture("bert-relevance-1", hf.BertForSequenceClassification, logits, WORDS, B, ONE),
    Fixture("bert-relevance-2", hf.BertForSequenceClassification, logits, WORDS, B, TWO, FEW, 1),
    Fixture("bert-mlm", hf.BertForMaskedLM, masked_lm, WORDS, B, {"hidden_act": "gelu_pytorch_tanh"}),
    Fixture("bert-mlm-old-names", hf.BertForMaskedLM, masked_lm, WORDS, B, {}, FEW, 1, old_bert_names),
    Fixture("distilbert", hf.DistilBertModel, base, tt.wordpiece_that_pads, D),
    Fixture("distilbert-relevance-1", hf.DistilBertForSequenceClassification, logits, WORDS, D, ONE, FEW, 1),
    Fixture("distilbert-relevance-2", hf.DistilBertForSequenceClassification, logits, WORDS, D, TWO, FEW, 1),
    Fixture("distilbert-mlm", hf.DistilBertForMaskedLM, masked_lm, WORDS, D, {"activation": "relu"}, FEW, 1),
    Fixture("roberta", hf.RobertaModel, base, BYTES, R),
    Fixture("roberta-relevance-2", hf.RobertaForSequenceClassification, logits, BYTES, R, TWO, FEW, 1),
    Fixture("roberta-mlm", hf.RobertaForMaskedLM, masked_lm, BYTES, R, {}, FEW, 1),
    Fixture("ance", Ance, custom, BYTES, R, {}, FEW, 1),
    Fixture("xlm-roberta", hf.XLMRobertaModel, base, PIECES, X),
    Fixture("xlm-roberta-relevance-1", hf.XLMRobertaForSequenceClassification, logits, PIECES, X, ONE, FEW, 1),
    Fixture("electra", hf.ElectraModel, base, WORDS, E, NARROW),
    Fixture("electra-equal", hf.ElectraModel, base, WORDS, E, SAME, FEW, 1),
    Fixture("electra-relevance-1", hf.ElectraForSequenceClassification, logits, WORDS, E, ONE | SAME, FEW, 1),
    Fixture("electra-relevance-2", hf.ElectraForSequenceClassification, logits, WORDS, E, TWO | NARROW, FEW, 1),
    Fixture("electra-mlm", hf.ElectraForMaskedLM, masked_lm, WORDS, E, NARROW, FEW, 1),
    Fixture("colbert", ColBert, custom, WORDS, B, {}, FEW, 1),
    # Two layers: in one alone what is not looked at would change nothing for the others.
    Fixture("colbert-query", ColBert, custom, WORDS, B, {}, FEW, 2, last_unseen=True),
    Fixture("unicoil", UniCoil, custom, WORDS, B, {}, FEW, 1, castorini_names),
    Fixture("tildev2", UniCoil, custom, WORDS, B, {}, FEW, 1),
    Fixture("coil", Coil, custom, WORDS, B, {}, FEW, 1, coil_names),
    Fixture("deepimpact", DeepImpact, custom, WORDS, B, {}, FEW, 1),
    Fixture("deepct", hf.BertForTokenClassification, token_logits, WORDS, B, ONE, FEW, 1),
]


def draw(name: str, shape: torch.Size, g: torch.Generator) -> Tensor:
    """A tensor that is missed when it is forgotten, transposed or swapped with its neighbour.

    Rounded to half floats, which halves what git keeps; bfloat16 would still lose something.
    """
    noise = torch.randn(shape, generator=g)
    if "norm" in name.lower() and name.endswith("weight"):
        value = 1.0 + 0.4 * noise
    elif name.endswith("bias"):
        # Positive where it is a single one: a ReLU after it would hide the rest.
        value = 0.5 + noise.abs() if shape == (1,) else 0.4 * noise
    elif "embeddings." in name:
        value = 0.7 * noise
    else:
        # Queries and keys are larger, so that attention looks somewhere instead of everywhere.
        size = 2.5 if any(part in name for part in ("query", "key", "q_lin", "k_lin")) else 1.3
        value = size * noise / math.sqrt(shape[-1])
    return value.half().float()


def fill(model: nn.Module, seed: int) -> None:
    """Draws every parameter, in the order of the names so that a new version of the class draws alike."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            parameter.copy_(draw(name, parameter.shape, g))


def build(f: Fixture, vocab: int, special: dict) -> nn.Module:
    config = bert_config(f, vocab, special)
    config._attn_implementation = "eager"
    model = f.model(config)
    fill(model, SEED + int(hashlib.sha256(f.name.encode()).hexdigest()[:6], 16))
    if hasattr(model, "tie_weights"):
        model.tie_weights()
    return model.eval()


def plain(text) -> str:
    return text if isinstance(text, str) else text[0] * text[1]


def described(text):
    return text if text is None or isinstance(text, str) else {"repeat": text[0], "times": text[1]}


def encoded(f: Fixture, tokenizer, case) -> dict[str, list[int]]:
    _, text, pair, max_length, truncation = case
    out = tokenizer(
        plain(text), pair, truncation=truncation, max_length=max_length,
        return_token_type_ids=True, return_attention_mask=True,
    )
    found = {k: out[k] for k in ("input_ids", "token_type_ids", "attention_mask")}
    if f.last_unseen:  # the last third looks and is not looked at, as [MASK] in ColBERT's queries
        length = len(out["input_ids"])
        found["attention_mask"] = [1] * (length - length // 3) + [0] * (length // 3)
    return found


def batch_of(rows: list[dict], pad: int, f: Fixture) -> dict[str, Tensor]:
    """Rows padded on the right to the longest; DistilBERT and RoBERTa have no use for token types."""
    width = max(len(r["input_ids"]) for r in rows)
    filler = {"input_ids": pad, "token_type_ids": 0, "attention_mask": 0}
    unused = {"token_type_ids"} if f.config in (D, R, X) else set()
    return {
        k: torch.tensor([r[k] + [filler[k]] * (width - len(r[k])) for r in rows])
        for k in filler
        if k not in unused
    }


PER_TOKEN = {"last_hidden_state", "tokens", "tokens_normalized", "impacts", "mlm_logits"}
MLM_LOGITS_FOR = {"word"}  # [seq, vocab] is large
LAST_STATES_FOR = {"word", "sentence", "shorter", "emoji", "pair", "pair-only-second"}


def kept(case: str, tensor: str) -> bool:
    chosen = {"mlm_logits": MLM_LOGITS_FOR, "last_hidden_state": LAST_STATES_FOR}
    return case in chosen.get(tensor, {case})


def check_batch(alone: list[dict], together: dict[str, Tensor], rows: list[dict], name: str) -> float:
    """The largest difference that padding makes."""
    worst = 0.0
    for i, row in enumerate(rows):
        for tensor, value in together.items():
            seen = value[i, : len(row["input_ids"])] if tensor in PER_TOKEN else value[i]
            worst = max(worst, (seen - alone[i][tensor]).abs().max().item())
    assert worst < 1e-6, f"{name}: padding changes a result by {worst}"
    return worst


def check_spread(alone: list[dict], name: str) -> None:
    """Texts must differ in what is recorded, or a test against it proves little."""
    for tensor in alone[0]:
        values = [a[tensor] for a in alone]
        assert all(v.isfinite().all() for v in values), f"{name}: {tensor} is not finite"
        means = {round(v.mean().item(), 4) for v in values}
        assert len(means) > len(values) / 2, f"{name}: {tensor} is nearly the same for every text"


def save_model(f: Fixture, model: nn.Module, folder: Path) -> None:
    if f.rename is None and f.model.__module__.startswith("transformers"):
        model.save_pretrained(folder)
        return
    model.config.architectures = [f.model.__name__]
    model.config.save_pretrained(folder)
    tensors = {k: v.contiguous().clone() for k, v in model.state_dict().items()}
    tied = {"cls.predictions.decoder.weight"} & tensors.keys()
    tensors = {k: v for k, v in tensors.items() if k not in tied}
    save_file((f.rename or dict)(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    if f.model is Coil:
        # As COIL's save_pretrained has it: a state_dict without the encoder's tensors.
        torch.save(OrderedDict((k, v) for k, v in tensors.items() if "_proj." in k), folder / "model.pt")


def check_reloads(f: Fixture, model: nn.Module, folder: Path) -> None:
    """What transformers reads back from the folder is the model that was run."""
    if f.rename is None and f.model.__module__.startswith("transformers"):
        again = f.model.from_pretrained(folder, dtype=torch.float64).state_dict()
        assert all(torch.equal(v, again[k]) for k, v in model.state_dict().items()), f"{f.name}: reloads otherwise"


def make(f: Fixture, out: Path) -> None:
    folder = out / f.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer, special = f.tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    fast = hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=special.pop("pad_token"))
    model = build(f, tokenizer.get_vocab_size(), special)
    save_model(f, model, folder)
    exact = model.double()
    cases = [c for c in corpus.CASES if not f.cases or c[0] in f.cases]
    rows = [encoded(f, fast, c) for c in cases]
    with torch.inference_mode():
        alone = [{k: v[0] for k, v in f.record(exact, batch_of([r], fast.pad_token_id, f)).items()} for r in rows]
        together = f.record(exact, batch_of(rows, fast.pad_token_id, f))
    worst = check_batch(alone, together, rows, f.name)
    check_spread(alone, f.name)
    write_expected(f, cases, rows, alone, folder)
    check_reloads(f, exact, folder)
    for p in folder.iterdir():
        p.chmod(0o644)
    size = sum(p.stat().st_size for p in folder.iterdir())
    print(f"{f.name:<26}{len(cases):>3} cases  {size / 1024:>6.0f} KiB  padding changes {worst:.1e}")


def write_expected(f: Fixture, cases, rows, alone, folder: Path) -> None:
    tensors = {
        f"{case[0]}.{name}": value.float().contiguous().clone()
        for case, found in zip(cases, alone)
        for name, value in found.items()
        if kept(case[0], name)
    }
    save_file(tensors, folder / "expected.safetensors")
    listed = [
        {
            "name": case[0],
            "text": described(case[1]),
            "pair": case[2],
            "max_length": case[3],
            "truncation": case[4],
            "ids": row["input_ids"],
            "types": row["token_type_ids"],
            "mask": row["attention_mask"],
            "tensors": [n for n in found if kept(case[0], n)],
        }
        for case, row, found in zip(cases, rows, alone)
    ]
    lines = ",\n".join("    " + json.dumps(c, ensure_ascii=False) for c in listed)
    head = json.dumps({"fixture": f.name, "architecture": f.model.__name__, "seed": SEED})[:-1]
    (folder / "inputs.json").write_text(f'{head}, "cases": [\n{lines}\n]}}\n', encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="one fixture's name")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "fixtures")
    args = parser.parse_args()
    torch.set_num_threads(1)
    hf.utils.logging.disable_progress_bar()
    for f in FIXTURES:
        if args.only in (None, f.name):
            make(f, args.out)


if __name__ == "__main__":
    main()
