"""Learned-sparse search of nir beside SciPy, PISA and Seismic: one machine, one thread, CPU seconds, one run.

    python3 -m venv venv && venv/bin/pip install numpy scipy pyseismic-lsr pyterrier_pisa
    cargo build --release -p nir-benches --bin impacts_peer
    venv/bin/python benches/peers/sparse.py [--docs 100000] [--rounds 3] [--peers nir,scipy,pisa,seismic]

Makes a collection in the shape of SPLADE's vectors (about 120 of 30,522 dimensions a document, 25 a query; topics
that share dimensions; the same numbers for the same arguments), and runs the programs in turn, `--rounds` times, so
that whatever else the machine does falls on all of them. Prints a JSON line for each figure and a median at the end.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

DIMENSIONS = 30522
ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
DEPTHS = (10, 1000)
TARGETS = (0.95, 0.99)


def vectors(docs, queries, seed):
    """Documents and queries as CSR matrices of float32."""
    import numpy as np
    import scipy.sparse as sp
    rng = np.random.default_rng(seed)
    law = np.cumsum((np.arange(DIMENSIONS) + 30.0) ** -0.9)
    law /= law[-1]
    names = rng.permutation(DIMENSIONS)
    draw = lambda n: names[np.minimum(np.searchsorted(law, rng.random(n)), DIMENSIONS - 1)]
    topics = draw(2000 * 160).reshape(2000, 160)

    def document():
        n = int(np.clip(rng.normal(150, 45), 10, 600))
        own = topics[rng.integers(len(topics))][(160 * rng.random(n // 2) ** 2).astype(int)]
        dims = np.unique(np.concatenate([own, draw(n - n // 2)]))
        likes = np.where(np.isin(dims, own), 1.2, 0.7)
        return dims, np.clip(likes * rng.lognormal(-0.9, 0.75, len(dims)), 0.02, 3.5)

    def query(dims, weights):
        n = int(np.clip(rng.poisson(25), 6, 60))
        best = np.argsort(-weights * rng.lognormal(0, 0.9, len(weights)))[: int(0.6 * n)]
        dims = np.concatenate([dims[best], draw(n - len(best))])
        weights = np.concatenate([weights[best] * rng.lognormal(0, 0.5, len(best)), rng.lognormal(-0.9, 0.75, n - len(best))])
        dims, first = np.unique(dims, return_index=True)
        return dims, np.minimum(weights[first], 3.5)

    def matrix(rows):
        starts = np.cumsum([0] + [len(dims) for dims, _ in rows])
        dims, weights = (np.concatenate(column) for column in zip(*rows))
        return sp.csr_matrix((weights.astype(np.float32), dims, starts), shape=(len(rows), DIMENSIONS))

    rows = [document() for _ in range(docs)]
    return matrix(rows), matrix([query(*rows[row]) for row in rng.choice(docs, queries, replace=False)])


def save(folder, name, matrix):
    """The three columns that `impacts_peer` reads."""
    matrix.indptr.astype("<u8").tofile(folder / f"{name}.starts")
    matrix.indices.astype("<u4").tofile(folder / f"{name}.dims")
    matrix.data.astype("<f4").tofile(folder / f"{name}.weights")


def load(folder, name):
    import numpy as np
    import scipy.sparse as sp
    starts = np.fromfile(folder / f"{name}.starts", "<u8").astype(np.int64)
    dims = np.fromfile(folder / f"{name}.dims", "<u4").astype(np.int32)
    weights = np.fromfile(folder / f"{name}.weights", "<f4")
    return sp.csr_matrix((weights, dims, starts), shape=(len(starts) - 1, DIMENSIONS))


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def timed(work):
    """CPU seconds of the second of two runs, and what it gave."""
    work()
    started = cpu()
    result = work()
    return cpu() - started, result


def figure(peer, name, value, unit):
    print(json.dumps({"peer": peer, "figure": name, "value": value, "unit": unit, "threads": 1}), flush=True)


def row(matrix, i):
    lo, hi = matrix.indptr[i], matrix.indptr[i + 1]
    return matrix.indices[lo:hi], matrix.data[lo:hi]


def scatter(lists, queries, i, depth):
    """SciPy's lists, one numpy addition for each dimension of the query; the best rows."""
    import numpy as np
    scores = np.zeros(lists.shape[1], np.float32)
    for dimension, weight in zip(*row(queries, i)):
        lo, hi = lists.indptr[dimension], lists.indptr[dimension + 1]
        scores[lists.indices[lo:hi]] += weight * lists.data[lo:hi]
    best = np.argpartition(-scores, depth)[:depth]
    return best[np.argsort(-scores[best], kind="stable")]


def run_scipy(folder, docs, queries):
    lists = docs.T.tocsr()
    some = range(min(100, queries.shape[0]))
    for depth in DEPTHS:
        seconds, _ = timed(lambda: [scatter(lists, queries, i, depth) for i in some])
        figure("scipy", f"top{depth}_qps_cpu", len(some) / seconds, "queries/s")


def run_pisa(folder, docs, queries):
    """MaxScore over impacts quantised to hundredths."""
    import numpy as np
    from pyterrier_pisa import PisaIndex, PisaRetrieve, PisaScorer, _pisathon
    named = lambda matrix, i, scale: {str(d): float(w) * scale for d, w in zip(*row(matrix, i))}
    index = PisaIndex(str(folder / "pisa"), stemmer="none", stops="none", threads=1)
    if not index.built():
        index.toks_indexer(scale=100.0).index({"docno": str(i), "toks": named(docs, i, 1.0)} for i in range(docs.shape[0]))
    texts = [(i, named(queries, i, 100.0)) for i in range(queries.shape[0])]
    for depth in DEPTHS:
        search = PisaRetrieve(index, PisaScorer.quantized, num_results=depth, stops="none", query_algorithm="maxscore")
        room = len(texts) * depth
        out = dict(result_qidxs=np.empty(room, np.int32), result_docnos=np.empty(room, object),
                   result_ranks=np.empty(room, np.int32), result_scores=np.empty(room, np.float32))
        seconds, _ = timed(lambda: _pisathon.retrieve(search._ctxt, "maxscore", texts, k=depth, threads=1, query_weighted=1,
                                                      pretokenised=True, **out))
        figure("pisa", f"top{depth}_qps_cpu", len(texts) / seconds, "queries/s")


def run_seismic(folder, docs, queries):
    """The fastest setting of a grid that reaches each recall of the exact ten best."""
    import numpy as np
    from seismic import SeismicDataset, SeismicIndex, get_seismic_string
    text = get_seismic_string()
    names = lambda matrix, i: np.array([str(d) for d in row(matrix, i)[0]], dtype=text)
    file = folder / "seismic.index.seismic"
    if not file.exists():
        started = cpu()
        data = SeismicDataset()
        for i in range(docs.shape[0]):
            data.add_document(str(i), names(docs, i), row(docs, i)[1])
        index = SeismicIndex.build_from_dataset(data, n_postings=2000, centroid_fraction=0.1, min_cluster_size=2,
                                                summary_energy=0.4, num_threads=1)
        figure("seismic", "build_cpu", cpu() - started, "s")
        index.save(str(folder / "seismic"))
        figure("seismic", "index_size", file.stat().st_size / 2**20, "MiB")
    index = SeismicIndex.load(str(file))
    lists = docs.T.tocsr()
    best = [set(map(int, scatter(lists, queries, i, 10))) for i in range(queries.shape[0])]
    asked = dict(queries_ids=np.array([str(i) for i in range(queries.shape[0])], dtype=text),
                 query_components=[names(queries, i) for i in range(queries.shape[0])],
                 query_values=[row(queries, i)[1] for i in range(queries.shape[0])])
    reached = []
    for cut in (2, 3, 4, 5, 6, 8, 12, 20):
        for factor in (0.6, 0.7, 0.8, 0.9, 1.0):
            seconds, found = timed(lambda: index.batch_search(**asked, k=10, query_cut=cut, heap_factor=factor, sorted=True,
                                                              num_threads=1))
            common = sum(len({int(hit[2]) for hit in hits} & wanted) for hits, wanted in zip(found, best))
            reached.append((seconds, common / (10 * len(best))))
    for target in TARGETS:
        seconds = min((seconds for seconds, recall in reached if recall >= target), default=None)
        if seconds:
            figure("seismic", f"recall{target}_top10_qps_cpu", len(best) / seconds, "queries/s")


def command(peer, folder, programs):
    if peer == "nir":
        (folder / "nir").mkdir(exist_ok=True)
        return [str(programs / "impacts_peer"), str(folder), str(folder / "nir")]
    return [sys.executable, __file__, "--one", peer, "--folder", str(folder)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="nir,scipy,pisa,seismic")
    parser.add_argument("--folder", type=Path, help="where data and indexes are kept; default: a new one")
    parser.add_argument("--programs", type=Path, default=TARGET / "release", help="where impacts_peer is")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    a = parser.parse_args()
    folder = a.folder or Path(tempfile.mkdtemp(prefix="nir-sparse-"))
    if a.one:
        return globals()[f"run_{a.one}"](folder, load(folder, "docs"), load(folder, "queries"))
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "queries.weights").exists():
        docs, queries = vectors(a.docs, a.queries, a.seed)
        save(folder, "docs", docs)
        save(folder, "queries", queries)
    os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "RAYON")})
    figures = {}
    for _ in range(a.rounds):
        for peer in a.peers.split(","):
            done = subprocess.run(command(peer, folder, a.programs), stdout=subprocess.PIPE, text=True, check=True)
            for line in filter(lambda line: line.startswith("{"), done.stdout.splitlines()):
                print(line, flush=True)
                line = json.loads(line)
                figures.setdefault((line["peer"], line["figure"], line["unit"]), []).append(line["value"])
    for (peer, name, unit), values in figures.items():
        print(f"{peer:24} {name:28} {statistics.median(values):12.4f} {unit:10} of {len(values)}")


if __name__ == "__main__":
    main()
