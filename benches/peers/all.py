#!/usr/bin/env python3
"""Every search structure of nir beside the best of its kind: one command, one table in Markdown.

    python3 benches/peers/all.py                       # installs the peers, builds nir, measures: about two hours
    python3 benches/peers/all.py --small               # the same on small data: does it run?
    python3 benches/peers/all.py --venv DIR            # with peers that are installed (or NIR_PEERS_VENV)
    python3 benches/peers/all.py --only sparse,codes --programs target/release

Each script beside this one makes its data from a fixed seed and has nir and its rivals take turns in one run, one thread
each; figures are CPU seconds. A ratio above one means that nir is faster. Absolute figures are those of this machine.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEERS = ("numpy==2.4.6", "scipy==1.17.1", "faiss-cpu==1.15.1", "hnswlib==0.8.0", "pyseismic-lsr==0.5.4", "pyterrier_pisa==0.4.9")
THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "RAYON")}


def python(folder):
    return Path(folder) / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def peers(folder):
    """A virtual environment with the peers, made if it is not there."""
    if not python(folder).exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python(folder), "-m", "pip", "install", "--quiet", *PEERS], check=True)
    return python(folder)


def programs(profile):
    """Our side, built."""
    subprocess.run(["cargo", "build", "--profile", profile, "-p", "nir-benches", "--bins"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / {"dev": "debug", "bench": "release"}.get(profile, profile)


def figures(output):
    """The median of each figure of each peer, from lines of JSON."""
    values = {}
    for line in filter(lambda line: line.startswith("{"), output.splitlines()):
        line = json.loads(line)
        values.setdefault((line["peer"], line["figure"]), []).append(line["value"])
    return {key: statistics.median(each) for key, each in values.items()}


def sparse(output):
    found = figures(output)
    for depth in (10, 1000):
        figure = f"top{depth}_qps_cpu"
        for ours in ("nir-f32", "nir-u8"):
            for peer, name in (("scipy", "SciPy's scatter"), ("pisa", "PISA's MaxScore")):
                label = f"impacts {ours[4:]}, exact top {depth:,}, queries/s"
                yield label, found.get((ours, figure)), name, found.get((peer, figure))
    for recall in ("0.95", "0.99"):
        ours = found.get((f"nir-clustered-recall{recall}", "top10_qps_cpu"))
        theirs = found.get(("seismic", f"recall{recall}_top10_qps_cpu"))
        yield f"clustered impacts, recall {recall}, queries/s", ours, "Seismic", theirs
        yield "impacts f32, exact top 10, queries/s", found.get(("nir-f32", "top10_qps_cpu")), f"Seismic, recall {recall}", theirs
    for figure, label in (("index_size", "size, MiB"), ("build_cpu", "build, CPU s")):
        yield f"clustered impacts, {label}", found.get(("nir-clustered", figure)), "Seismic", found.get(("seismic", figure))


def dense(output):
    pattern = r"(.+?) +nir +([\d.]+)/s +peer +([\d.]+)/s +ratio ([\d.]+)"
    for line in output.splitlines():
        if match := re.match(pattern, line):
            label, ours, theirs, ratio = match.groups()
            ours_label, peer = label.rsplit(", ", 1)
            yield f"{ours_label}, queries/s", float(ours), peer, float(theirs), float(ratio)
    seconds = dict(re.findall(r"^build (\w+) ([\d.]+) s", output, re.M))
    for builder in ("hnsw", "hnsw_rs"):
        if builder in seconds and "hnswlib" in seconds:
            yield f"{builder}, build, CPU s", float(seconds[builder]), "hnswlib", float(seconds["hnswlib"])


def codes(output):
    found = figures(output)
    for (peer, figure), value in found.items():
        if peer.startswith("nir") and "qps" in figure:
            ratio = found.get((peer, "speed over rival"))
            yield "IVF-PQ, recall@10 0.95 after scoring again, queries/s", value, "Faiss", found.get(("rival", figure)), ratio


def late(output):
    found = figures(output)
    for (peer, figure), value in found.items():
        if figure == "maxsim_cpu":
            yield f"MaxSim {peer[4:]}, 32 x 180 x 128, 1,000 candidates, ms", value, "bare GEMM, f32", found[("gemm", "product_cpu")], 1 / found[(peer, "time over gemm")]


def row(label, ours, peer, theirs, ratio=None):
    """A line of the table. The ratio is the median within rounds where a script gives it; smaller seconds are better."""
    if ours is None or theirs is None:
        return f"| {label} | {'' if ours is None else f'{ours:,.1f}'} | {peer} | not measured | |"
    ratio = ratio or (ours / theirs if label.endswith("/s") else theirs / ours)
    return f"| {label} | {ours:,.1f} | {peer} | {theirs:,.1f} | {ratio:.2f} x |"


def benches(run, built, small):
    """What is run, and how its output is read."""
    docs = ["--docs", "2000" if small else "100000"]
    rounds = ["--rounds", "1" if small else "5"]
    return {
        "sparse": ([run, HERE / "sparse.py", *docs, *(["--queries", "100"] if small else []), *rounds, "--programs", built], sparse),
        "dense": ([run, HERE / "dense.py", built / "dense_peer", *docs, *rounds], dense),
        "codes": ([run, HERE / "codes.py", *(["--docs", "20000"] if small else docs), *rounds, "--program", built / "codes_peer"], codes),
        "late": ([built / "late_peer", rounds[1]], late),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", default=os.environ.get("NIR_PEERS_VENV", ROOT / "target" / "peers-venv"))
    parser.add_argument("--programs", type=Path, help="a folder with our programs, in place of building them")
    parser.add_argument("--profile", default="bench", help="how they are built")
    parser.add_argument("--only", help="some of sparse, dense, codes, late")
    parser.add_argument("--small", action="store_true", help="small data: figures mean nothing")
    parser.add_argument("--logs", type=Path, help="a folder for what the scripts print")
    a = parser.parse_args()
    all_benches = benches(peers(a.venv), a.programs or programs(a.profile), a.small)
    chosen = a.only.split(",") if a.only else list(all_benches)
    if unknown := set(chosen) - set(all_benches):
        sys.exit(f"no bench is called {', '.join(sorted(unknown))}: expected some of {', '.join(all_benches)}")
    print("| what | nir | the other | it | ratio |\n|---|---:|---|---:|---:|", flush=True)
    for name in chosen:
        command, read = all_benches[name]
        print(f"{name}: {' '.join(map(str, command))}", file=sys.stderr)
        output = subprocess.run(command, env=os.environ | THREADS, stdout=subprocess.PIPE, text=True, check=True).stdout
        if a.logs:
            a.logs.mkdir(parents=True, exist_ok=True)
            (a.logs / f"{name}.txt").write_text(output)
        for each in read(output):
            print(row(*each), flush=True)


if __name__ == "__main__":
    main()
