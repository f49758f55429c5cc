#!/usr/bin/env python3
"""Every speed and memory claim, measured beside what one would otherwise run. See benches/README.md.

    python3 benches/peers/run.py --smoke
    python3 benches/peers/run.py --install VENV            # pip installs the pinned peers there
    python3 benches/peers/run.py --venv VENV [--only networks,data.labels,…] [--torch PYTHON]
"""

import argparse
import fcntl
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cleanse  # noqa: E402
import data_side  # noqa: E402
import files  # noqa: E402
import growth  # noqa: E402
import networks  # noqa: E402
import report  # noqa: E402
import workbench  # noqa: E402
from measure import Bench, machine, now  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PARTS = {"files": files, "data": data_side, "networks": networks, "workbench": workbench, "cleanse": cleanse, "growth": growth}
BENCHES = ("data", "intake", "journal", "network", "screen")
REQUIREMENTS = ("requirements.txt", "requirements-network.txt")
# The smoke run leaves out the larger networks: nothing of their code is its own.
SMOKE_SKIPS = {"networks.resnet18", "networks.vgg11", "networks.mobilenet", "cleanse.resnet18", "workbench.screen"}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--smoke", action="store_true", help="tiny sizes, no peers needed, nothing written")
    p.add_argument("--install", metavar="VENV", help="make a virtual environment of the peers, then end")
    p.add_argument("--venv", action="append", default=[], help="the peers' environment; repeatable")
    p.add_argument("--torch", help="a Python with PyTorch, where it is not in the peers' environment")
    p.add_argument("--only", default="", help="parts by name, with commas: files or files.pickles")
    p.add_argument("--threads", default=f"1,{os.cpu_count()}", help="numbers of threads to measure with, with commas")
    p.add_argument("--rounds", type=int, default=5, help="rounds of a network measurement")
    p.add_argument("--binaries", help="a folder of the program and the benches, already built")
    p.add_argument("--folder", help="where inputs are made and kept (some GB)")
    p.add_argument("--out", default=os.path.join(ROOT, "BENCHMARKS.md"))
    p.add_argument("--json", default=os.path.join(ROOT, "benches", "results.json"))
    p.add_argument("--render", action="store_true", help="only write BENCHMARKS.md again from the numbers kept")
    return p.parse_args()


def install(folder):
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    for name in REQUIREMENTS:
        subprocess.run([os.path.join(folder, "bin", "pip"), "install", "-r", os.path.join(HERE, name)], check=True)


def build(smoke):
    """Builds the program and the benches; gives where each is."""
    command = ["cargo", "build", "--locked", "--bin", "laocoon", "--message-format=json-render-diagnostics"]
    command += [] if smoke else ["--release"]
    for name in BENCHES:
        command += ["--bench", name] if not (smoke and name == "screen") else []
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    made = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {m["target"]["name"]: m["executable"] for m in made if m.get("executable")}


def wanted(only, part, name):
    return not only or part in only or f"{part}.{name}" in only


def keep(path, rows, binaries):
    """Puts rows among those kept, in place of older ones of the same work."""
    lock = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return merge(path, rows, binaries)
    finally:
        os.close(lock)


def merge(path, rows, binaries):
    results = {"rows": []}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            results = json.load(f)

    def key(row):
        return row["part"], row["work"], row.get("threads"), (row.get("peer") or "").split(" ")[0]

    fresh = {key(r): r for r in rows}
    merged = [fresh.pop(key(r), r) for r in results["rows"]] + list(fresh.values())
    version = subprocess.run([binaries["laocoon"], "--version"], capture_output=True, text=True, check=True).stdout.strip()
    results = {"machine": machine(), "laocoon": version, "date": now(), "rows": merged}
    with open(path, "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1, ensure_ascii=False)
        f.write("\n")
    return results


def main():
    args = arguments()
    if args.install:
        install(args.install)
        return 0
    if args.render:
        with open(args.json, encoding="utf-8") as f:
            report.write(args.out, json.load(f))
        return 0
    if args.binaries:
        binaries = {name: os.path.join(args.binaries, name) for name in ("laocoon", *BENCHES)}
    else:
        binaries = build(args.smoke)
    pythons = [os.path.join(os.path.abspath(venv), "bin", "python") for venv in args.venv]
    only = [name for name in args.only.split(",") if name]
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or scratch
        os.makedirs(folder, exist_ok=True)
        bench = Bench(binaries, pythons, args.torch or (pythons[0] if pythons else None), folder, args.smoke, args.rounds,
                      list(dict.fromkeys(int(n) for n in args.threads.split(","))))
        if args.smoke:
            args.out, args.json = os.path.join(scratch, "BENCHMARKS.md"), os.path.join(scratch, "results.json")
        # After each row, so that nothing is lost when a long run is ended.
        bench.keep = lambda: keep(args.json, bench.rows, binaries)
        failed = []
        for part, module in PARTS.items():
            for name, work in module.PARTS.items():
                if not wanted(only, part, name) or (args.smoke and f"{part}.{name}" in SMOKE_SKIPS):
                    continue
                try:
                    work(bench)
                except (RuntimeError, OSError, ValueError, KeyError, IndexError, subprocess.CalledProcessError) as why:
                    failed.append(f"{part}.{name}")
                    print(f"{part}.{name}: failed: {type(why).__name__}: {why}", file=sys.stderr, flush=True)
                report.write(args.out, keep(args.json, bench.rows, binaries))
        if args.smoke:
            with open(args.out, encoding="utf-8") as f:
                print(f"smoke: {len(bench.rows)} rows, a report of {len(f.read())} characters")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
