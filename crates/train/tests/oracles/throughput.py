"""The same training as ../../examples/throughput.rs in PyTorch: python throughput.py 32 20 [threads]"""

import statistics
import sys
import time

import torch
import transformers as hf

VOCAB, LENGTH, GAPS = 8192, 64, 10
batch, steps = (int(argument) for argument in sys.argv[1:3])
if len(sys.argv) > 3:
    torch.set_num_threads(int(sys.argv[3]))
torch.manual_seed(1)
config = hf.BertConfig(
    vocab_size=VOCAB, hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024,
    max_position_embeddings=64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)
model = hf.BertForMaskedLM(config)
optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
seconds = []
for step in range(steps):
    texts = torch.arange(step * batch, (step + 1) * batch)[:, None] * 7919 + torch.arange(LENGTH) * 104_729
    texts = texts % VOCAB
    begun = time.perf_counter()
    states = model.bert(texts, torch.ones_like(texts)).last_hidden_state
    places = torch.arange(GAPS) * 6
    logits = model.cls(states[:, places].flatten(0, 1))  # only where words are predicted, as in the example
    loss = torch.nn.functional.cross_entropy(logits, texts[:, places].flatten())
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    seconds.append(time.perf_counter() - begun)
print(f"{batch * LENGTH / statistics.median(seconds):.0f} tokens/s")
