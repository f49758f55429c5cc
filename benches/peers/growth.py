"""How cost grows with size: three sizes each, and the exponent of the fitted power."""

import math
import os

import make
from cleanse import scan
from data_side import WORK, measure
from measure import run


def exponent(sizes, costs):
    """Slope of the line through log cost over log size, by least squares."""
    x, y = [math.log(s) for s in sizes], [math.log(c) for c in costs]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / sum((a - mean_x) ** 2 for a in x)


def kept(bench, work, sizes, costs, mib, unit):
    bench.rows.append(bench.row("growth", work, threads=1, unit="s", ours=[costs[-1]], sizes=sizes, costs=costs, mib=mib,
                                of=unit, exponent=exponent(sizes, costs)))
    bench.rows.pop()


def data(bench):
    for name, (what, samples, columns, few, *_) in WORK.items():
        top = bench.size(samples, few)
        sizes, costs, mib = [top // 4, top // 2, top], [], []
        for size in sizes:
            ours, _ = measure(bench, name, size, bench.size(2, 1), None)
            costs.append(max(0.01, min(r["cpu"] for r in ours)))
            mib.append(max(r["peak_mib"] for r in ours))
        kept(bench, f"{what}, {columns} columns", sizes, costs, mib, "samples")


def classes(bench):
    sizes, costs, mib = [10, 43, 100], [], []
    for count in sizes if not bench.smoke else sizes[:1]:
        folder = os.path.join(bench.folder, f"classes-{count}")
        os.makedirs(folder, exist_ok=True)
        run([bench.ours("network"), "--write", folder, "--only", "resnet8", "--classes", str(count)])
        make.images(os.path.join(folder, "clean.safetensors"), 200, (3, 32, 32), count)
        with open(os.path.join(folder, "case.toml"), "w", encoding="utf-8") as f:
            f.write('[case]\nid = "G"\ntitle = "growth"\n\n[model]\npath = "resnet8.safetensors"\narchitecture = "resnet8.json"\n\n'
                    '[model.input]\nshape = [3, 32, 32]\nrange = [0.0, 1.0]\n\n[[data]]\nrole = "clean"\npath = "clean.safetensors"\n')
        done = scan(bench, folder, 1, "--only", "neural-cleanse", *(["--effort", "quick"] if bench.smoke else []))
        costs.append(done["cpu"])
        mib.append(done["mib"])
    if len(costs) == len(sizes):
        kept(bench, "Neural Cleanse, ResNet-8 with random weights", sizes, costs, mib, "classes")


PARTS = {"data": data, "classes": classes}
