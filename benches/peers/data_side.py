"""The data side, beside ART and cleanlab, over the same numbers."""

import os

from measure import Skipped, said

HERE = os.path.dirname(os.path.abspath(__file__))
# name: what it is, samples, columns, samples of the smoke run, package, ratio asked for
WORK = {
    "clustering": ("activation clustering", 50_000, 512, 1_000, "adversarial-robustness-toolbox", 2.5),
    "spectral": ("spectral signatures", 50_000, 2048, 500, "adversarial-robustness-toolbox", 30),
    "labels": ("label issues", 1_000_000, 100, 2_000, "cleanlab", 5),
    "neighbours": ("outliers and near-duplicates", 50_000, 512, 1_000, "cleanlab", 8),
}
ONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def measure(bench, name, samples, rounds, python, threads=1):
    """Both sides in turn; the lines of ours and of theirs."""
    own = [bench.ours("data"), name, "--samples", str(samples), "--folder", bench.folder, "--threads", str(threads), "--json"]
    peer = [python, os.path.join(HERE, "data.py"), name, str(samples), bench.folder]
    ours, theirs = [], []
    for _ in range(rounds):
        ours += said(own)
        if python:
            theirs += said(peer, ONE if threads == 1 else {})
    return ours, theirs


def step_memory(lines):
    return max(r["peak_mib"] for r in lines)


def part(name):
    def run(bench):
        what, samples, columns, few, package, ratio = WORK[name]
        samples = bench.size(samples, few)
        python, peer, why = None, None, None
        try:
            python, version = bench.having(package)
            peer = f"{package} {version}".replace("adversarial-robustness-toolbox", "ART")
        except Skipped as missing:
            why = str(missing)
        for threads in bench.threads:
            rounds = bench.size(min(bench.rounds, 3) if threads == 1 else 2, 1)
            ours, theirs = measure(bench, name, samples, rounds, python, threads)
            facts = {"unit": "s", "ours": [r["seconds"] for r in ours], "ours_cpu": [r["cpu"] for r in ours],
                     "ours_mib": step_memory(ours), "input_mib": ours[0]["input_mib"], "said_ours": ours[0]["said"]}
            if theirs:
                facts |= {"theirs": [r["seconds"] for r in theirs], "theirs_cpu": [r["cpu"] for r in theirs],
                          "theirs_mib": step_memory(theirs), "said_theirs": theirs[0]["said"]}
            target = {"ratio": ratio, "memory_share": 0.5} if threads == 1 else None
            bench.row("data", f"{what}, {samples:,} × {columns}", threads=threads, peer=peer, peer_skipped=why,
                      **({"target": target} if target else {}), **facts)
    return run


PARTS = {name: part(name) for name in WORK}
