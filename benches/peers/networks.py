"""Networks: forward, input gradient and training step, beside PyTorch. `benches/network.rs` lets the two take turns."""

import json
import os
import subprocess

from measure import Skipped, urgent, version_in

NETWORKS = ("resnet18", "smallcnn", "mobilenet", "vgg11", "resnet8")
NAMES = {"resnet18": "CIFAR ResNet-18", "smallcnn": "small 28×28 CNN", "mobilenet": "MobileNet-style", "vgg11": "VGG-11-style",
         "resnet8": "ResNet-8"}
PASSES = {"forward": "forward", "gradient": "forward + input gradient", "train": "training step"}
TARGETS = {("resnet18", "forward"): 1.5, ("resnet18", "gradient"): 1.5, ("smallcnn", "forward"): 1.0,
           ("smallcnn", "gradient"): 1.2, ("mobilenet", "forward"): 1.2, ("mobilenet", "gradient"): 1.2,
           ("vgg11", "forward"): 1.2, ("vgg11", "gradient"): 1.2, ("smallcnn", "train"): 0.8, ("resnet8", "train"): 0.8}
# Both sides without AVX-512.
NARROW = {"LAOCOON_SIMD": "avx2", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


def rows(bench, name, threads, narrow, rounds, peer):
    """One network's rows, as they come."""
    env = dict(os.environ)
    if narrow:
        env |= NARROW
    if peer:
        env["LAOCOON_TORCH"] = bench.torch
    command = [bench.ours("network"), "--threads", str(threads), "--rounds", str(rounds), "--only", name, "--json",
               "--seconds", "0.3" if not bench.smoke else "0.02"]
    if bench.smoke:
        command += ["--batch", "4"]
    kept, memory, differ = [], {}, None
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, preexec_fn=urgent) as child:
        for line in child.stdout:
            facts = json.loads(line)
            if "ours_mib" in facts:
                memory = facts
            elif "logits_differ" in facts:
                differ = facts["logits_differ"]
            elif "pass" in facts:
                what = facts["pass"]
                target = (1.0 if what != "train" else None) if narrow else TARGETS.get((name, what))
                work = f"{NAMES[name]}, {PASSES[what]}, batch {facts['batch']}" + (", without AVX-512" if narrow else "")
                kept.append(bench.row(
                    "networks", work, threads=threads, unit="images/s", ours=facts["ours"], theirs=facts["peer"],
                    peer=peer, said_theirs=facts["mode"], **({"target": {"ratio": target}} if target else {})))
    if child.returncode:
        raise RuntimeError(f"the network bench ended with {child.returncode}")
    for row in kept:
        row |= {"process_mib": memory.get("ours_mib"), "peer_process_mib": memory.get("peer_mib"), "logits_differ": differ}


def part(name):
    def run(bench):
        try:
            peer = f"PyTorch {version_in(bench.torch, 'torch')}"
        except Skipped as why:
            print(f"networks: {name}: PyTorch skipped: {why}")
            peer = None
        rounds = bench.size(bench.rounds, 1)
        for threads in bench.threads:
            rows(bench, name, threads, False, rounds, peer)
        rows(bench, name, 1, True, bench.size(2, 1), peer)
    return run


PARTS = {name: part(name) for name in NETWORKS}
