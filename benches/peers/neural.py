"""nir's encoders beside what one would use instead: PyTorch, sentence-transformers, ONNX Runtime and OpenVINO.

    pip install torch sentence-transformers onnx onnxruntime openvino
    cargo build --profile bench -p nir-benches --bin encoder_peer
    python benches/peers/neural.py target/release/encoder_peer MODEL TEXTS [--threads 1] [--max-length 128] [--rounds 5]

MODEL is a folder with all-MiniLM-L6-v2; TEXTS has one text a line, sorted by length by everyone. Every program tokenises,
encodes, pools and normalises. Rounds are interleaved; printed are texts per CPU second (median), and ours over theirs.
--clock wall counts seconds on the clock instead, for more threads than one and a machine that does nothing else.
With --fixed N every text is first repeated and cut to N tokens. With --pairs the first
text of each is paired with the next, and a cross-encoder of the same shape with a random head scores them.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("program")
parser.add_argument("model")
parser.add_argument("texts", type=Path)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu")
parser.add_argument("--max-length", type=int, default=128)
parser.add_argument("--fixed", type=int)
parser.add_argument("--pairs", action="store_true")
parser.add_argument("--count", type=int, default=512)
parser.add_argument("--rounds", type=int, default=5)
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np  # noqa: E402
import onnxruntime as ort  # noqa: E402
import openvino as ov  # noqa: E402
import torch  # noqa: E402
from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

torch.set_num_threads(args.threads)
BATCH = 32
length = args.fixed or args.max_length
tokenizer = AutoTokenizer.from_pretrained(args.model)


def exactly(tokens, text):
    """A text of about so many tokens, [CLS] and [SEP] among them."""
    return tokenizer.decode(tokenizer(text, truncation=True, max_length=tokens)["input_ids"][1:-1])


texts = args.texts.read_text().splitlines()[: args.count]
if args.fixed:
    texts = [exactly(args.fixed, " ".join([text] * 8)) for text in texts]
texts.sort(key=len)
if args.pairs:
    texts = [f"{first}\t{second}" for first, second in zip(texts, texts[1:] + texts[:1])]
    torch.manual_seed(1)
    net = AutoModelForSequenceClassification.from_pretrained(args.model, num_labels=1, attn_implementation="eager").eval()
    cross_encoder = tempfile.TemporaryDirectory()
    net.save_pretrained(cross_encoder.name)
    tokenizer.save_pretrained(cross_encoder.name)
    args.model = cross_encoder.name
else:
    net = AutoModel.from_pretrained(args.model, attn_implementation="eager").eval()


class Output(torch.nn.Module):
    """Token ids to normalised mean vectors, or to the scores of pairs."""

    def __init__(self):
        super().__init__()
        self.net = net

    def forward(self, input_ids, attention_mask, token_type_ids):
        states = self.net(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[0]
        if args.pairs:
            return states
        mask = attention_mask.unsqueeze(-1).float()
        return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)


def batches():
    for start in range(0, len(texts), BATCH):
        columns = zip(*(text.split("\t") for text in texts[start : start + BATCH]))
        batch = tokenizer(*map(list, columns), padding=True, truncation=True, max_length=length, return_tensors="np")
        yield {name: batch[name] for name in ["input_ids", "attention_mask", "token_type_ids"]}


def exported(folder):
    """The model as ONNX, and its weights in int8 for each output."""
    names = ["input_ids", "attention_mask", "token_type_ids"]
    one = torch.ones(2, 8, dtype=torch.int64)
    axes = {name: {0: "batch", 1: "seq"} for name in names}
    plain, int8 = f"{folder}/plain.onnx", f"{folder}/int8.onnx"
    torch.onnx.export(Output().eval(), (one, one, one * 0), plain, input_names=names, output_names=["out"],
                      dynamic_axes=axes, opset_version=17, dynamo=False)
    quantize_dynamic(plain, int8, weight_type=QuantType.QInt8, per_channel=True)
    return plain, int8


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = args.threads, 1
    run = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: np.concatenate([run.run(None, dict(batch))[0] for batch in batches()])


def openvino(path):
    settings = {"INFERENCE_NUM_THREADS": args.threads, "NUM_STREAMS": "1", "INFERENCE_PRECISION_HINT": "f32"}
    request = ov.Core().compile_model(path, "CPU", settings).create_infer_request()
    return lambda: np.concatenate([request.infer(dict(batch))[0].copy() for batch in batches()])


def pytorch():
    model = Output().eval()
    with torch.inference_mode():
        return np.concatenate([model(**{k: torch.from_numpy(v) for k, v in batch.items()}).numpy() for batch in batches()])


def ours(precision, file):
    command = [args.program, args.model, file, str(args.threads), precision, str(length)]
    return lambda: json.loads(subprocess.check_output(command))[args.clock]


def now():
    if args.clock == "wall":
        return time.perf_counter()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def timed(run):
    start = now()
    result = run()
    return result if isinstance(result, float) else now() - start


with tempfile.TemporaryDirectory() as folder:
    file = f"{folder}/texts"
    Path(file).write_text("\n".join(texts) + "\n")
    plain, int8 = exported(folder)
    rows = {
        "nir f32": ours("f32", file),
        "nir int8": ours("int8", file),
        "PyTorch": pytorch,
        "ONNX Runtime": session(plain),
        "OpenVINO": openvino(plain),
        "ONNX Runtime int8": session(int8),
    }
    if not args.pairs:
        sentence = SentenceTransformer(args.model, device="cpu")
        sentence.max_seq_length = length
        rows["sentence-transformers"] = lambda: sentence.encode(texts, batch_size=BATCH)
    for name, run in rows.items():
        if not name.startswith("nir"):
            run()
    seconds = {name: [] for name in rows}
    for _ in range(args.rounds):
        for name, run in rows.items():
            seconds[name].append(timed(run))
for name in rows:
    mine = "nir int8" if name.endswith("int8") else "nir f32"
    ratio = statistics.median(theirs / ours for theirs, ours in zip(seconds[name], seconds[mine]))
    print(f"{name:24} {len(texts) / statistics.median(seconds[name]):8.1f} texts per {args.clock} second, {mine} is {ratio:.2f} x")
