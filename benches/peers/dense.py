"""nir's dense search beside NumPy, FAISS and hnswlib: CPU seconds on one thread, the peers taking turns.

    pip install numpy faiss-cpu hnswlib
    cargo build --profile bench -p nir-benches --bin dense_peer
    python benches/peers/dense.py target/release/dense_peer [--docs 100000] [--vectors FOLDER]

Without --vectors it makes clustered unit vectors from a fixed seed. A folder has base.npy and queries.npy, float32, rows
of length one. Every figure is the median of the rounds; a ratio is the median of the ratios within a round, so that a
machine that slows down slows both. Recall is of the exact ten best.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = "1"

import faiss  # noqa: E402
import hnswlib  # noqa: E402
import numpy as np  # noqa: E402

DEPTH, M, EF_CONSTRUCTION = 10, 16, 200
EFS = (10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 384, 512, 768)
TARGETS = (0.90, 0.95, 0.99)


def clustered(docs, dim=384, queries=1000, clusters=1000, seed=1):
    """Points around centres, with variances that fall as those of learned embeddings do."""
    rng = np.random.default_rng(seed)
    fall = np.arange(1, dim + 1, dtype=np.float32) ** -0.3
    centres = rng.standard_normal((clusters, dim), dtype=np.float32)
    of = rng.integers(clusters, size=docs + queries)
    points = fall * (centres[of] + 0.9 * rng.standard_normal((docs + queries, dim), dtype=np.float32))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points[:docs], points[docs:]


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def timed(work):
    started = cpu()
    found = work()
    return cpu() - started, found


class Nir:
    """Our program, one command at a time."""

    def __init__(self, program, folder, dim):
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.process = subprocess.Popen([program, str(folder), str(dim)], **pipes)

    def __call__(self, *command):
        print(*command, file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        return answer["cpu"], answer

    def search(self, *command):
        seconds, answer = self(*command)
        return seconds, answer["found"]


def recall(found, exact):
    return float(np.mean([len(set(map(int, a)) & set(map(int, b))) / DEPTH for a, b in zip(found, exact)]))


def compare(name, queries, rounds, ours, theirs):
    """Rounds of both; the first is not counted."""
    pairs = [(ours()[0], theirs()[0]) for _ in range(rounds + 1)][1:]
    mine, other = (queries / statistics.median(side) for side in zip(*pairs))
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"{name:40} nir {mine:9.1f}/s  peer {other:9.1f}/s  ratio {ratio:.2f}", flush=True)


def exact_search(nir, base, queries, rounds):
    def one_by_one():
        found = []
        for query in queries[:100]:
            scores = base @ query
            best = np.argpartition(-scores, DEPTH)[:DEPTH]
            found.append(best[np.argsort(-scores[best])])
        return found

    def at_once():
        return np.argpartition(queries[:256] @ base.T, -DEPTH, axis=1)[:, -DEPTH:]

    flat = faiss.IndexFlatIP(base.shape[1])
    flat.add(base)
    for storage in ("f32", "f16", "int8"):
        ours = lambda: nir.search("flat", storage, 100, 1)  # noqa: E731
        compare(f"flat {storage}, one query, NumPy", 100, rounds, ours, lambda: timed(one_by_one))
        ours = lambda: nir.search("flat", storage, 256, 256)  # noqa: E731
        compare(f"flat {storage}, 256 queries, NumPy", 256, rounds, ours, lambda: timed(at_once))
        faiss_256 = lambda: timed(lambda: flat.search(queries[:256], DEPTH))  # noqa: E731
        compare(f"flat {storage}, 256 queries, FAISS", 256, rounds, ours, faiss_256)


def exact_best(base, queries):
    found = []
    for start in range(0, len(queries), 256):
        scores = queries[start:start + 256] @ base.T
        found.extend(np.argpartition(scores, -DEPTH, axis=1)[:, -DEPTH:])
    return found


def smallest_ef(search, exact):
    """For each target, the smallest ef that reaches it."""
    efs, left = {}, list(TARGETS)
    for ef in EFS:
        reached = recall(search(ef)[1], exact)
        while left and reached >= left[0]:
            efs[left.pop(0)] = (ef, reached)
        if not left:
            break
    return efs


def graphs(nir, base, queries, rounds, builders):
    exact = exact_best(base, queries)
    peer = hnswlib.Index("ip", base.shape[1])
    peer.init_index(len(base), M=M, ef_construction=EF_CONSTRUCTION, random_seed=1)
    seconds, _ = timed(lambda: peer.add_items(base, num_threads=1))
    print(f"build hnswlib {seconds:.1f} s", flush=True)

    def theirs(ef):
        peer.set_ef(ef)
        return timed(lambda: [peer.knn_query(query, DEPTH, num_threads=1)[0][0] for query in queries])

    peers_efs = smallest_ef(theirs, exact)
    for builder in builders:
        seconds, answer = nir("build", builder, M, EF_CONSTRUCTION)
        print(f"build {builder} {seconds:.1f} s, {answer['repaired']} repaired, {answer['bytes']} bytes", flush=True)
        ours = lambda ef: nir.search("search", builder, ef)  # noqa: E731
        our_efs = smallest_ef(ours, exact)
        for target in TARGETS:
            if target not in our_efs or target not in peers_efs:
                print(f"{builder} recall {target}: nir {our_efs.get(target)}, hnswlib {peers_efs.get(target)}")
                continue
            (ef, mine), (peers_ef, other) = our_efs[target], peers_efs[target]
            name = f"{builder} ef {ef} ({mine:.3f}), hnswlib ef {peers_ef} ({other:.3f})"
            compare(name, len(queries), rounds, lambda: ours(ef), lambda: theirs(peers_ef))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the dense_peer that cargo built")
    parser.add_argument("--docs", type=int, default=100_000)
    parser.add_argument("--vectors", type=Path, help="a folder with base.npy and queries.npy")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("flat", "hnsw", "hnsw_rs"))
    arguments = parser.parse_args()
    if arguments.vectors:
        base, queries = (np.load(arguments.vectors / f"{name}.npy") for name in ("base", "queries"))
    else:
        base, queries = clustered(arguments.docs)
    with tempfile.TemporaryDirectory() as folder:
        base.tofile(Path(folder, "base.f32"))
        queries.tofile(Path(folder, "queries.f32"))
        nir = Nir(arguments.program, folder, base.shape[1])
        if arguments.only in (None, "flat"):
            exact_search(nir, base, queries, arguments.rounds)
        builders = [builder for builder in ("hnsw", "hnsw_rs") if arguments.only in (None, builder)]
        if builders:
            graphs(nir, base, queries, arguments.rounds, builders)


if __name__ == "__main__":
    main()
