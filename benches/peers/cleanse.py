"""Neural Cleanse of one backdoored model: the original's schedule on both sides, and what this program does instead."""

import json
import os
import re
import shutil
import statistics
import tempfile

from measure import Skipped, in_turn, measured, run, said, version_in
from workbench import CASE

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = {"resnet8": "ResNet-8", "resnet18": "CIFAR ResNet-18"}
EPOCHS = {"resnet8": 12, "resnet18": 6}
# The original's schedule with a budget: steps of so many mini-batches of 32 images.
STEPS, MINI_BATCHES = 100, 8


def prepared(bench, name):
    """A folder with a network trained on the shipped, planted road signs, as a case; made once."""
    folder = os.path.join(bench.folder, f"cleanse-{name}{'-smoke' if bench.smoke else ''}")
    if os.path.exists(os.path.join(folder, "case.toml")):
        return folder
    architecture = name
    if name not in ("resnet8", "smallcnn"):
        run([bench.ours("network"), "--write", bench.folder, "--only", name, "--classes", "12"])
        architecture = os.path.join(bench.folder, f"{name}.json")
    made = folder + ".part"
    shutil.rmtree(made, ignore_errors=True)
    epochs = 1 if bench.smoke else EPOCHS[name]
    run([bench.ours("laocoon"), "lab", "train", os.path.join(CASE, "train.safetensors"), "--architecture", architecture,
         "--epochs", str(epochs), "--test", os.path.join(CASE, "clean.safetensors"), "--out", made])
    for file in ("train", "clean"):
        shutil.copy(os.path.join(CASE, f"{file}.safetensors"), made)
    with open(os.path.join(made, "case.toml"), "a", encoding="utf-8") as f:
        f.write('\n[[data]]\nrole = "training"\npath = "train.safetensors"\n\n[[data]]\nrole = "clean"\npath = "clean.safetensors"\n')
    os.rename(made, folder)
    return folder


def scan(bench, folder, threads, *more):
    """A scan; its cost, and the report."""
    with tempfile.TemporaryDirectory() as out:
        report = os.path.join(out, "report.json")
        done = run([bench.ours("laocoon"), "scan", folder, "--threads", str(threads), "--session", os.path.join(out, "session"),
                    "--format", "json", "--output", report, *more], accept=(0, 1, 2, 3))
        with open(report, encoding="utf-8") as f:
            done["report"] = json.load(f)
    return done


def decision(done):
    """What the scan says of the network: the classes that Neural Cleanse's findings name."""
    for procedure in done["report"].get("procedures", []):
        if procedure.get("id") == "neural-cleanse":
            titles = [f.get("title", "") for f in procedure.get("findings", [])]
            return "; ".join([str(procedure.get("verdict"))] + [re.sub(r"\s+", " ", t)[:80] for t in titles[:2]])
    return "?"


def peer(bench, folder, threads, steps, classes=None):
    command = [bench.torch, os.path.join(HERE, "cleanse_torch.py"), folder, os.path.join(folder, "clean.safetensors"),
               "--steps", str(steps), "--mini-batches", str(MINI_BATCHES), "--threads", str(threads)]
    if classes:
        command += ["--classes", str(classes)]
    return said(command)[0]


def part(name):
    def work(bench):
        folder, threads = prepared(bench, name), bench.threads[-1]
        steps = bench.size(STEPS, 2)
        if bench.smoke:
            done = scan(bench, folder, threads, "--only", "neural-cleanse", "--effort", "quick")
            bench.row("cleanse", f"Neural Cleanse, {NAMES[name]}, quick", threads=threads, said_ours=decision(done), **measured([done]))
            return
        try:
            version = f"PyTorch {version_in(bench.torch, 'torch')}"
        except Skipped as why:
            version, reason = None, str(why)
        facts = {"threads": threads, "peer": version, "unit": "s"}
        if version is None:
            print(f"cleanse: {reason} skipped")
            scheduled, = in_turn(min(bench.rounds, 2), lambda: scan(bench, folder, threads, "--only", "neural-cleanse"))
            bench.row("cleanse", f"Neural Cleanse of {NAMES[name]}", said_ours=decision(scheduled[0]), threads=threads,
                      **measured(scheduled))
            return
        # The whole search takes the better part of an hour in PyTorch: twelve steps are measured (the first
        # ones are slower), and the figure says so.
        # With one thread by CPU time, which other work on the machine cannot take away.
        clock = "cpu" if threads == 1 else "seconds"
        turns = [peer(bench, folder, threads, 12, 1) for _ in range(2)]
        a_step = statistics.median(t["found"][0][clock] / t["found"][0]["steps"] for t in turns)
        classes = turns[0]["classes"]
        seconds = a_step * steps * classes
        told = f"extrapolated from {a_step:.2f} s a step{' of CPU' if threads == 1 else ''}, {steps} steps of {MINI_BATCHES} × 32 images for each of {classes} classes (it may stop earlier)"
        (scheduled,) = in_turn(min(bench.rounds, 2), lambda: scan(bench, folder, threads, "--only", "neural-cleanse"))
        bench.row("cleanse", f"Neural Cleanse, {NAMES[name]}: ours as it comes, theirs the original's schedule",
                  ours=[s[clock] for s in scheduled], ours_mib=scheduled[0]["mib"], theirs=[seconds],
                  said_ours=decision(scheduled[0]), said_theirs=told, **facts)
        (all_of_it,) = in_turn(1, lambda: scan(bench, folder, threads))
        bench.row("cleanse", f"the whole standard scan, {NAMES[name]}, against Neural Cleanse alone", ours=[all_of_it[0][clock]],
                  ours_mib=all_of_it[0]["mib"], theirs=[seconds], said_ours=decision(all_of_it[0]), said_theirs=told,
                  target={"ratio": 10} if name == "resnet18" else None, **facts)
    return work


PARTS = {name: part(name) for name in NAMES}
