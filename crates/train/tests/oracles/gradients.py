"""Writes ../fixtures: losses and gradients of tiny models, and five steps of AdamW, as PyTorch computes them.

    pip install -r ../../../nn/tests/oracles/requirements.txt
    python gradients.py

One file a head. Everything is computed in 64-bit floats and rounded once to 32 bits. The same versions write the same bytes.

| tensor                        | is                                                                                |
|-------------------------------|-----------------------------------------------------------------------------------|
| `weights/NAME`                | the model                                                                         |
| `ids/KIND`, `types/KIND`      | [texts, seq] padded with 0, of `queries`, `documents`, `pairs` or `texts`         |
| `lengths/KIND`                | [texts]                                                                           |
| `teacher`                     | [queries, candidates] scores, or [documents, dim] vectors as `teacher_vectors`    |
| `places`, `truth`             | [gaps, 2] and [gaps]: which tokens are predicted, and what they are               |
| `loss/CASE`                   | [1]                                                                               |
| `gradient/CASE/NAME`          | of the loss, for every weight that has one                                        |
| `trained/NAME`                | the weights after five steps (dense only)                                         |
"""

from pathlib import Path

import torch
import torch.nn.functional as F
import transformers as hf
from safetensors.torch import save_file

QUERIES, CANDIDATES, VOCAB, HIDDEN = 3, 3, 24, 8
FIXTURES = Path(__file__).parent.parent / "fixtures"
CONFIG = dict(
    vocab_size=VOCAB, hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12,
    max_position_embeddings=12, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, layer_norm_eps=1e-12,
    attn_implementation="eager",
)


def drawn(model, generator):
    """Fills every parameter with random numbers, layer norms about 1."""
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            values = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.3
            parameter.copy_(values + (1.0 if "LayerNorm.weight" in name else 0.0))
    return model


def texts(count, longest, generator, pair=False):
    """Token numbers of `count` texts of different lengths."""
    lengths = torch.randint(3, longest + 1, (count,), generator=generator)
    lengths[0] = longest
    ids = torch.randint(1, VOCAB, (count, longest), generator=generator)
    types = (torch.arange(longest) >= longest // 2).long().repeat(count, 1) * int(pair)
    mask = torch.arange(longest)[None] < lengths[:, None]
    return {"ids": ids * mask, "types": types * mask, "lengths": lengths, "mask": mask}


def states(bert, batch):
    return bert(batch["ids"], batch["mask"].long(), batch["types"]).last_hidden_state


def dense(model, batch):
    mask = batch["mask"][..., None]
    mean = (states(model.bert, batch) * mask).sum(1) / mask.sum(1)
    return F.normalize(model.projection(mean), dim=-1)


def sparse(model, batch):
    logits = model.cls(states(model.bert, batch))
    return torch.log1p(torch.relu(logits.masked_fill(~batch["mask"][..., None], -1e9).amax(1)))


def late(model, queries, documents):
    """The sum over a query's tokens of the largest product with a token of the document."""
    tokens = lambda batch: F.normalize(model.linear(states(model.bert, batch)), dim=-1)
    products = torch.einsum("qid,kjd->qkij", tokens(queries), tokens(documents))
    products = products.masked_fill(~documents["mask"][None, :, None, :], -torch.inf).amax(-1)
    return (products * queries["mask"][:, None, :]).sum(-1)


def in_batch(scores, scale):
    return F.cross_entropy(scores * scale, torch.arange(QUERIES) * CANDIDATES)


def own(scores):
    return torch.stack([scores[i, i * CANDIDATES : (i + 1) * CANDIDATES] for i in range(QUERIES)])


def margin_mse(scores, teacher):
    return F.mse_loss(scores[:, :1] - scores[:, 1:], teacher[:, :1] - teacher[:, 1:])


def kl_divergence(scores, teacher):
    student = F.log_softmax(scores * 10.0, -1)
    return F.kl_div(student, F.log_softmax(teacher * 2.0, -1), reduction="batchmean", log_target=True)


def rank_net(scores):
    return F.binary_cross_entropy_with_logits(scores[:, :1] - scores[:, 1:], torch.ones(QUERIES, CANDIDATES - 1).double())


def pointwise(scores):
    truth = torch.zeros_like(scores)
    truth[:, 0] = 1.0
    return F.binary_cross_entropy_with_logits(scores, truth, pos_weight=torch.tensor(2.0).double())


def flops(vectors):
    return (vectors.mean(0) ** 2).sum()


class Fixture:
    """Collects tensors and saves them in 32 bits."""

    def __init__(self, name, model, **batches):
        self.name, self.model, self.tensors = name, model, {}
        self.weights("weights")
        for kind, batch in batches.items():
            for part in ("ids", "types", "lengths"):
                self.tensors[f"{part}/{kind}"] = batch[part].to(torch.uint32)

    def weights(self, prefix):
        for name, parameter in self.model.named_parameters():
            self.tensors[f"{prefix}/{name}"] = parameter.detach().float().clone()

    def case(self, name, loss):
        self.model.zero_grad(set_to_none=True)
        loss.backward()
        self.tensors[f"loss/{name}"] = loss.detach().float().reshape(1)
        for weight, parameter in self.model.named_parameters():
            if parameter.grad is not None:
                self.tensors[f"gradient/{name}/{weight}"] = parameter.grad.float().clone()

    def save(self):
        FIXTURES.mkdir(exist_ok=True)
        save_file({name: x.contiguous() for name, x in self.tensors.items()}, FIXTURES / f"{self.name}.safetensors")


def make_dense(generator):
    model = hf.BertModel(hf.BertConfig(**CONFIG), add_pooling_layer=False)
    whole = torch.nn.Module()
    whole.bert, whole.projection = model, torch.nn.Linear(HIDDEN, 6)
    drawn(whole.double(), generator)
    queries = texts(QUERIES, 6, generator)
    documents = texts(QUERIES * CANDIDATES, 10, generator)
    teacher = torch.randn(QUERIES, CANDIDATES, generator=generator, dtype=torch.float64)
    vectors = torch.randn(QUERIES * CANDIDATES, 6, generator=generator, dtype=torch.float64)
    fixture = Fixture("dense", whole, queries=queries, documents=documents)
    fixture.tensors |= {"teacher": teacher.float(), "teacher_vectors": vectors.float()}
    teacher, vectors = teacher.float().double(), vectors.float().double()
    scores = lambda: dense(whole, queries) @ dense(whole, documents).T
    fixture.case("in-batch-softmax", in_batch(scores(), 20.0))
    fixture.case("margin-mse", margin_mse(own(scores()), teacher))
    fixture.case("kl-divergence", kl_divergence(own(scores()), teacher))
    fixture.case("rank-net", rank_net(own(scores())))
    fixture.case("regression-cosine", (1 - F.cosine_similarity(dense(whole, documents), vectors)).mean())
    fixture.case("regression-mse", ((dense(whole, documents) - vectors) ** 2).sum(-1).mean())
    adamw(whole, lambda: in_batch(scores(), 20.0))
    fixture.weights("trained")
    fixture.save()


def adamw(model, loss):
    """Five of eight steps, two of them warm-up; matrices decay, vectors do not."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.98), eps=1e-6)
    rate = lambda step: min((step + 1) / 2, (8 - step) / 6, 1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    for _ in range(5):
        optimiser.zero_grad()
        loss().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimiser.step()
        schedule.step()


def make_sparse(generator):
    model = drawn(hf.BertForMaskedLM(hf.BertConfig(**CONFIG)).double(), generator)
    queries = texts(QUERIES, 6, generator)
    documents = texts(QUERIES * CANDIDATES, 10, generator)
    fixture = Fixture("sparse", model, queries=queries, documents=documents)
    q, d = sparse(model, queries), sparse(model, documents)
    # Regularisers at the second of four steps of warm-up: (2/4)².
    penalty = 0.25 * (0.1 * q.sum(1).mean() + 0.2 * flops(d))
    fixture.case("in-batch-softmax", in_batch(q @ d.T, 1.0) + penalty)
    fixture.save()


def make_cross_encoder(generator):
    config = hf.BertConfig(**CONFIG, num_labels=1)
    model = drawn(hf.BertForSequenceClassification(config).double(), generator)
    pairs = texts(QUERIES * CANDIDATES, 12, generator, pair=True)
    teacher = torch.randn(QUERIES, CANDIDATES, generator=generator, dtype=torch.float64).float()
    fixture = Fixture("cross-encoder", model, pairs=pairs)
    fixture.tensors["teacher"] = teacher
    scores = lambda: model(pairs["ids"], pairs["mask"].long(), pairs["types"]).logits.reshape(QUERIES, CANDIDATES)
    fixture.case("pointwise", pointwise(scores()))
    fixture.case("rank-net", rank_net(scores()))
    fixture.case("margin-mse", margin_mse(scores(), teacher.double()))
    fixture.save()


def make_masked_lm(generator):
    model = drawn(hf.BertForMaskedLM(hf.BertConfig(**CONFIG)).double(), generator)
    batch = texts(4, 10, generator)
    places = torch.tensor([[0, 9], [0, 2], [1, 1], [2, 0], [3, 2]])
    truth = torch.randint(1, VOCAB, (5,), generator=generator)
    fixture = Fixture("masked-lm", model, texts=batch)
    fixture.tensors |= {"places": places.to(torch.uint32), "truth": truth.to(torch.uint32)}
    logits = model.cls(states(model.bert, batch))[places[:, 0], places[:, 1]]
    fixture.case("masked-lm", F.cross_entropy(logits, truth))
    fixture.save()


def make_late(generator):
    model = hf.BertModel(hf.BertConfig(**CONFIG), add_pooling_layer=False)
    whole = torch.nn.Module()
    whole.bert, whole.linear = model, torch.nn.Linear(HIDDEN, 4, bias=False)
    drawn(whole.double(), generator)
    queries = texts(QUERIES, 6, generator)
    documents = texts(QUERIES * CANDIDATES, 10, generator)
    teacher = torch.randn(QUERIES, CANDIDATES, generator=generator, dtype=torch.float64).float()
    fixture = Fixture("late", whole, queries=queries, documents=documents)
    fixture.tensors["teacher"] = teacher
    scores = lambda: late(whole, queries, documents)
    fixture.case("in-batch-softmax", in_batch(scores(), 2.0))
    fixture.case("kl-divergence", kl_divergence(own(scores()), teacher.double()))
    fixture.save()


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    for seed, make in enumerate((make_dense, make_sparse, make_cross_encoder, make_masked_lm, make_late)):
        make(torch.Generator().manual_seed(seed))
