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


class JinaBert(nn.Module):
    """jina-embeddings-v2 (Günther et al., 2023, §2): BERT with ALiBi (Press et al., 2022) and GLU feed-forward parts.

    transformers has no class for it. This is our reading of the paper and of the published tensors' names, in formulas of
    the papers; only the parts that are BERT's own come from transformers.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(config.vocab_size, HIDDEN),
                "token_type_embeddings": nn.Embedding(config.type_vocab_size, HIDDEN),
                "LayerNorm": nn.LayerNorm(HIDDEN, eps=config.layer_norm_eps),
            }
        )
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(JinaLayer(config) for _ in range(config.num_hidden_layers))})

    def forward(self, input_ids, token_type_ids, attention_mask):
        tables = self.embeddings
        x = tables["LayerNorm"](tables["word_embeddings"](input_ids) + tables["token_type_embeddings"](token_type_ids))
        for layer in self.encoder["layer"]:
            x = layer(x, attention_mask)
        return hf.modeling_outputs.BaseModelOutput(last_hidden_state=x)


class JinaLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, eps = config.num_attention_heads, config.layer_norm_eps
        names = ("query", "key", "value")
        self.attention = nn.ModuleDict(
            {
                "self": nn.ModuleDict({n: nn.Linear(HIDDEN, HIDDEN) for n in names}),
                "output": nn.ModuleDict({"dense": nn.Linear(HIDDEN, HIDDEN), "LayerNorm": nn.LayerNorm(HIDDEN, eps=eps)}),
            }
        )
        self.mlp = nn.ModuleDict(
            {
                "gated_layers": nn.Linear(HIDDEN, 2 * INTERMEDIATE, bias=False),
                "wo": nn.Linear(INTERMEDIATE, HIDDEN),
                "layernorm": nn.LayerNorm(HIDDEN, eps=eps),
            }
        )

    def forward(self, x, mask):
        out = self.attention["output"]
        x = out["LayerNorm"](x + out["dense"](self.attend(x, mask)))
        gate, up = self.mlp["gated_layers"](x).split(INTERMEDIATE, dim=-1)
        return self.mlp["layernorm"](x + self.mlp["wo"](nn.functional.gelu(gate) * up))

    def attend(self, x, mask):
        width, length = HIDDEN // self.heads, x.shape[1]
        q, k, v = (self.attention["self"][n](x).unflatten(-1, (-1, width)) for n in ("query", "key", "value"))
        scores = torch.einsum("bihd,bjhd->bhij", q, k) / math.sqrt(width)
        place = torch.arange(length)
        far = (place[:, None] - place[None]).abs()
        # Heads are a power of two here: the slopes are 2^(-8/n), 2^(-16/n), ... (Press et al., §3).
        slopes = torch.tensor([2 ** (-8 * (h + 1) / self.heads) for h in range(self.heads)], dtype=x.dtype)
        scores = scores - slopes[:, None, None] * far
        scores = scores.masked_fill(mask[:, None, None] == 0, -math.inf)
        return torch.einsum("bhij,bjhd->bihd", scores.softmax(-1), v).flatten(2)


class GteStretched(hf.GteModel):
    """Alibaba-NLP/gte-base-en-v1.5 stretches rotary angles (`ntk`), which transformers' class cannot: the angles are ours."""

    def __init__(self, config):
        super().__init__(config)
        width, factor, base = HIDDEN // HEADS, 2.0, config.rope_parameters["rope_theta"]
        share = torch.arange(0, width, 2) / width
        self.rotary_emb.inv_freq = nn.Buffer(1.0 / ((base * factor) ** share * factor ** (2 / width)), persistent=False)


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


def matryoshka(model, batch) -> dict[str, Tensor]:
    mean = pools(model(**batch).last_hidden_state, batch["attention_mask"])["mean"][:, :8]
    return {"mean_first_8": mean, "mean_first_8_normalized": nn.functional.normalize(mean, dim=-1)}


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
    published: Callable = None  # the config as the published file has it
    rounding: float = 1e-6  # how far padding may move a result: the class's own rounding
    every_state: bool = False  # whether the last hidden states of every case are kept


# What an architecture's config has beside, or instead of, BERT's.
OWN_CONFIG = {
    hf.MPNetConfig: {"max_position_embeddings": POSITIONS + 2, "layer_norm_eps": 1e-5},
    # Four blocks are global, local, local, global; a local one sees eight tokens to each side.
    hf.ModernBertConfig: {
        "local_attention": 16, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3,
    },
    hf.NomicBertConfig: {"rope_parameters": {"rope_type": "default", "rope_theta": 1000.0}},
    # Buckets of one distance up to 4, then wider ones.
    hf.DebertaV2Config: {
        "relative_attention": True, "position_buckets": 8, "max_relative_positions": -1, "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"], "norm_rel_ebd": "layer_norm", "position_biased_input": False,
    },
    hf.GteConfig: {"rope_parameters": {"rope_type": "default", "rope_theta": 20000.0}},
}


def modern_bert_published(config: dict) -> dict:
    """As answerdotai/ModernBERT-base: how often a block is global, and two bases."""
    ropes = config.pop("rope_parameters")
    config.pop("layer_types")
    return config | {
        "global_attn_every_n_layers": 3,
        "global_rope_theta": ropes["full_attention"]["rope_theta"],
        "local_rope_theta": ropes["sliding_attention"]["rope_theta"],
    }


def nomic_published(config: dict) -> dict:
    """As nomic-ai/nomic-embed-text-v1.5: GPT-2's words."""
    return {
        "activation_function": "swiglu", "architectures": ["NomicBertModel"], "layer_norm_epsilon": config["layer_norm_eps"],
        "max_trained_positions": config["max_position_embeddings"], "mlp_fc1_bias": False, "mlp_fc2_bias": False,
        "model_type": "nomic_bert", "n_embd": HIDDEN, "n_head": HEADS, "n_inner": INTERMEDIATE,
        "n_layer": config["num_hidden_layers"], "n_positions": config["max_position_embeddings"], "prenorm": False,
        "qkv_proj_bias": False, "rotary_emb_base": 1000, "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False,
        "rotary_emb_scale_base": None, "rotary_scaling_factor": None, "type_vocab_size": config["type_vocab_size"],
        "use_rms_norm": False, "vocab_size": config["vocab_size"],
    }


def gte_published(config: dict) -> dict:
    """As Alibaba-NLP/gte-multilingual-base."""
    rope = config.pop("rope_parameters")
    return config | {
        "model_type": "new", "rope_theta": rope["rope_theta"], "rope_scaling": None, "position_embedding_type": "rope",
        "layer_norm_type": "layer_norm", "pack_qkv": True, "logn_attention_scale": False,
    }


def gte_stretched_published(config: dict) -> dict:
    """As Alibaba-NLP/gte-base-en-v1.5."""
    return gte_published(config) | {"rope_scaling": {"factor": 2.0, "type": "ntk"}}


def jina_published(config: dict) -> dict:
    """As jinaai/jina-embeddings-v2-base-en."""
    return config | {"feed_forward_type": "geglu", "position_embedding_type": "alibi"}


def deberta_published(config: dict) -> dict:
    """As microsoft/deberta-v3-base."""
    return config | {"pos_att_type": "p2c|c2p"}


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
    if f.config is hf.T5Config:
        # The heads together are wider than the states, as in T5's largest sizes.
        common = {
            "vocab_size": vocab, "d_model": HIDDEN, "d_kv": 12, "d_ff": INTERMEDIATE, "num_layers": f.layers, "num_heads": HEADS,
        }
    if f.config in (hf.RobertaConfig, hf.XLMRobertaConfig):
        # The first position is pad_token_id + 1, so two rows of the table are never used.
        common |= {"max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
    if f.config in OWN_CONFIG:
        del common["position_embedding_type"]
        common |= OWN_CONFIG[f.config]
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


def gte_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As Alibaba-NLP publishes them, which transformers does by itself for a class of its own."""
    stacked = {
        "attention.qkv_proj": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "mlp.up_gate_proj": ("mlp.up_proj", "mlp.gate_proj"),
    }
    renamed = {
        "layers.": "encoder.layer.", "self_attn.o_proj": "attention.o_proj", "post_attention_layernorm": "attn_ln",
        "post_mlp_layernorm": "mlp_ln",
    }
    tensors = dict(tensors)
    for name, parts in stacked.items():
        for first in [k for k in tensors if parts[0] in k]:
            rows = [tensors.pop(first.replace(parts[0], part)) for part in parts]
            tensors[first.replace(parts[0], name)] = torch.cat(rows)
    for old, new in renamed.items():
        tensors = {k.replace(old, new): v for k, v in tensors.items()}
    return tensors


WORDS, BYTES, PIECES = tt.wordpiece, tt.byte_bpe, tt.unigram
B, D, R, X, E = hf.BertConfig, hf.DistilBertConfig, hf.RobertaConfig, hf.XLMRobertaConfig, hf.ElectraConfig
M, MO, N, V, G = hf.MPNetConfig, hf.ModernBertConfig, hf.NomicBertConfig, hf.DebertaV2Config, hf.GteConfig
MEAN = {"classifier_pooling": "mean"}
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
    Fixture("mpnet", hf.MPNetModel, base, BYTES, M, every_state=True),
    Fixture("mpnet-relevance-1", hf.MPNetForSequenceClassification, logits, BYTES, M, ONE, FEW, 1),
    Fixture("mpnet-mlm", hf.MPNetForMaskedLM, masked_lm, BYTES, M, {}, FEW, 1),
    Fixture("modernbert", hf.ModernBertModel, base, WORDS, MO, {}, (), 4, published=modern_bert_published, every_state=True),
    Fixture("modernbert-relevance-1", hf.ModernBertForSequenceClassification, logits, WORDS, MO, ONE, FEW, 2),
    Fixture("modernbert-mean-relevance-1", hf.ModernBertForSequenceClassification, logits, WORDS, MO, ONE | MEAN, FEW, 1),
    Fixture("modernbert-mlm", hf.ModernBertForMaskedLM, masked_lm, WORDS, MO, {}, FEW, 1, rounding=1e-5),
    Fixture("nomic-bert", hf.NomicBertModel, base, WORDS, N, published=nomic_published, every_state=True),
    Fixture("nomic-bert-newer", hf.NomicBertModel, base, WORDS, N, {}, FEW, 1),
    Fixture("matryoshka", hf.NomicBertModel, matryoshka, WORDS, N, {}, FEW, 1, published=nomic_published),
    Fixture("deberta-v2", hf.DebertaV2Model, base, WORDS, V, published=deberta_published, every_state=True),
    Fixture("deberta-v2-all-distances", hf.DebertaV2Model, base, WORDS, V, {"position_buckets": -1, "norm_rel_ebd": "none"}, FEW, 1),
    Fixture("deberta-v2-relevance-1", hf.DebertaV2ForSequenceClassification, logits, WORDS, V, ONE, FEW, 1),
    Fixture("gte", hf.GteModel, base, PIECES, G, published=gte_published, every_state=True),
    Fixture("gte-newer", hf.GteModel, base, PIECES, G, {}, FEW, 1),
    Fixture("gte-stretched", GteStretched, base, WORDS, G, {"type_vocab_size": 0}, FEW, 2, gte_names, published=gte_stretched_published),
    Fixture("gte-relevance-1", hf.GteForSequenceClassification, logits, PIECES, G, ONE, FEW, 1, published=gte_published),
    Fixture("gte-mlm", hf.GteForMaskedLM, masked_lm, PIECES, G, {}, FEW, 1, published=gte_published),
    Fixture("t5", hf.T5EncoderModel, base, tt.t5, hf.T5Config, every_state=True),
    Fixture(
        "t5-v1.1", hf.T5EncoderModel, base, tt.t5, hf.T5Config,
        {"feed_forward_proj": "gated-gelu", "relative_attention_num_buckets": 8, "relative_attention_max_distance": 20}, FEW,
    ),
    Fixture("jina-bert", JinaBert, base, WORDS, B, published=jina_published, every_state=True),
]


QUERIES_AND_KEYS = ("query", "key", "q_lin", "k_lin", "attn.q.", "attn.k.", "q_proj", "k_proj")


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
        size = 2.5 if any(part in name for part in QUERIES_AND_KEYS) else 1.3
        if "Attention.q." in name:  # T5, whose scores are not divided by the square root of a head's width
            size = 1.3 / math.sqrt(12)
        if "Wqkv" in name:  # queries, keys and values in one
            third = shape[0] // 3
            size = torch.tensor([2.5] * 2 * third + [1.3] * third)[:, None]
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
    unused = {"token_type_ids"} if f.config in (D, R, X, M, MO, hf.T5Config) else set()
    return {
        k: torch.tensor([r[k] + [filler[k]] * (width - len(r[k])) for r in rows])
        for k in filler
        if k not in unused
    }


PER_TOKEN = {"last_hidden_state", "tokens", "tokens_normalized", "impacts", "mlm_logits"}
MLM_LOGITS_FOR = {"word"}  # [seq, vocab] is large
LAST_STATES_FOR = {"word", "sentence", "shorter", "emoji", "pair", "pair-only-second"}


def kept(f: Fixture, case: str, tensor: str) -> bool:
    if f.every_state and tensor == "last_hidden_state":
        return True
    chosen = {"mlm_logits": MLM_LOGITS_FOR, "last_hidden_state": LAST_STATES_FOR}
    return case in chosen.get(tensor, {case})


def check_batch(alone: list[dict], together: dict[str, Tensor], rows: list[dict], f: Fixture) -> float:
    """The largest difference that padding makes."""
    worst = 0.0
    for i, row in enumerate(rows):
        for tensor, value in together.items():
            seen = value[i, : len(row["input_ids"])] if tensor in PER_TOKEN else value[i]
            worst = max(worst, (seen - alone[i][tensor]).abs().max().item())
    assert worst < f.rounding, f"{f.name}: padding changes a result by {worst}"
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
    worst = check_batch(alone, together, rows, f)
    check_spread(alone, f.name)
    write_expected(f, cases, rows, alone, folder)
    check_reloads(f, exact, folder)
    if f.published:
        config = folder / "config.json"
        written = json.dumps(f.published(json.loads(config.read_text())), indent=2, sort_keys=True)
        config.write_text(written + "\n")
    for p in folder.iterdir():
        p.chmod(0o644)
    size = sum(p.stat().st_size for p in folder.iterdir())
    print(f"{f.name:<26}{len(cases):>3} cases  {size / 1024:>6.0f} KiB  padding changes {worst:.1e}")


def write_expected(f: Fixture, cases, rows, alone, folder: Path) -> None:
    tensors = {
        f"{case[0]}.{name}": value.float().contiguous().clone()
        for case, found in zip(cases, alone)
        for name, value in found.items()
        if kept(f, case[0], name)
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
            "tensors": [n for n in found if kept(f, case[0], n)],
        }
        for case, row, found in zip(cases, rows, alone)
    ]
    lines = ",\n".join("    " + json.dumps(c, ensure_ascii=False) for c in listed)
    head = json.dumps({"fixture": f.name, "architecture": f.model.__name__, "seed": SEED})[:-1]
    (folder / "inputs.json").write_text(f'{head}, "cases": [\n{lines}\n]}}\n', encoding="utf-8")


def static(name: str, out: Path) -> None:
    """Static embeddings, by model2vec itself: a row for each token, or (`shared`) fewer rows, which tokens share, and weights."""
    from model2vec import StaticModel

    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer, _ = WORDS()
    vocab, shared = tokenizer.get_vocab_size(), name == "static-shared"
    g = torch.Generator().manual_seed(SEED + shared)
    rows = torch.randn(60 if shared else vocab, HIDDEN, generator=g).half().float().numpy()
    extra = {}
    if shared:
        extra["weights"] = torch.rand(vocab, generator=g).half().float().numpy()
        extra["token_mapping"] = torch.randint(60, (vocab,), generator=g).numpy()
    settings = {
        "model_type": "model2vec", "architectures": ["StaticModel"], "hidden_dim": HIDDEN, "seq_length": 1000000,
        "normalize": True,
    }
    StaticModel(rows, tokenizer, settings, **extra).save_pretrained(folder)
    for p in folder.iterdir():
        if p.name not in ("config.json", "model.safetensors", "tokenizer.json"):
            shutil.rmtree(p) if p.is_dir() else p.unlink()
    exact = StaticModel(rows.astype("float64"), tokenizer, settings, normalize=False, **extra)
    cases = [c for c in corpus.CASES if c[2] is None]
    lines, tensors = [], {}
    for case, text, pair, max_length, truncation in cases:
        mean = torch.from_numpy(exact.encode(plain(text), max_length=max_length))
        exact.tokenizer.enable_truncation(max_length)
        ids = exact.tokenize([plain(text)[: max_length * exact.median_token_length]])[0]
        tensors |= {f"{case}.mean": mean, f"{case}.mean_normalized": nn.functional.normalize(mean, dim=-1)}
        lines.append(
            {
                "name": case, "text": described(text), "pair": pair, "max_length": max_length, "truncation": truncation,
                "special_tokens": False, "ids": ids, "types": [0] * len(ids), "mask": [1] * len(ids),
                "tensors": ["mean", "mean_normalized"],
            }
        )
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, folder / "expected.safetensors")
    cases = ",\n".join("    " + json.dumps(c, ensure_ascii=False) for c in lines)
    head = json.dumps({"fixture": name, "architecture": "StaticModel", "seed": SEED})[:-1]
    (folder / "inputs.json").write_text(f'{head}, "cases": [\n{cases}\n]}}\n', encoding="utf-8")
    print(f"{name:<26}{len(lines):>3} cases")


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
    for name in ("static", "static-shared"):
        if args.only in (None, name):
            static(name, args.out)


if __name__ == "__main__":
    main()
