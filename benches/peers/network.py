"""PyTorch's side of `benches/network.rs`, which starts it and asks for measurements line by line.

Networks are read from the same descriptions and weights. For each measurement the fastest of PyTorch's modes is
found once, and then timed: as written; batch normalisation folded and channels last; the same compiled (--compile).
"""

import json
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def pair(value, default):
    value = default if value is None else value
    return tuple(value) if isinstance(value, list) else (value, value)


def module(node, weights, channels):
    """The module of a node, with its weights; None where a function is called."""
    tensors = {role: weights[name] for role, name in node.get("params", {}).items()}
    op = node["op"]
    if op == "conv2d":
        made = nn.Conv2d(channels, node["out_channels"], pair(node["kernel"], 1), pair(node.get("stride"), 1),
                         pair(node.get("padding"), 0), groups=node.get("groups", 1), bias="bias" in tensors)
    elif op == "batchnorm2d":
        made = nn.BatchNorm2d(channels)
        tensors["num_batches_tracked"] = torch.tensor(0)
    elif op == "linear":
        made = nn.Linear(tensors["weight"].shape[1], node["out_features"])
    elif op == "maxpool2d":
        return nn.MaxPool2d(pair(node["kernel"], 1), pair(node.get("stride", node["kernel"]), 1))
    else:
        return {"relu": nn.ReLU, "relu6": nn.ReLU6, "flatten": nn.Flatten,
                "globalavgpool": lambda: nn.AdaptiveAvgPool2d(1), "add": lambda: None}[op]()
    made.load_state_dict(tensors)
    return made


class Network(nn.Module):
    """A described network."""

    def __init__(self, description, weights):
        super().__init__()
        self.steps, channels = [], {description["input"]["name"]: description["input"]["shape"][0]}
        for node in description["nodes"]:
            name, inputs = node["name"], node["inputs"]
            made = module(node, weights, channels[inputs[0]])
            channels[name] = node.get("out_channels", channels[inputs[0]])
            if made is not None:
                self.add_module(name, made)
            self.steps.append((name, inputs, made))
        self.input, self.output = description["input"]["name"], description["output"]

    def forward(self, x):
        values = {self.input: x}
        for name, inputs, made in self.steps:
            if made is None:
                values[name] = values[inputs[0]] + values[inputs[1]]
            else:
                values[name] = made(values[inputs[0]])
        return values[self.output]

    def folded(self):
        """Batch normalisation merged into the convolution before it."""
        steps, made = [], {name: m for name, _, m in self.steps}
        readers = {}
        for name, inputs, _ in self.steps:
            for i in inputs:
                readers.setdefault(i, []).append(name)
        renamed = {}
        for name, inputs, m in self.steps:
            inputs = [renamed.get(i, i) for i in inputs]
            before = made.get(inputs[0])
            if isinstance(m, nn.BatchNorm2d) and isinstance(before, nn.Conv2d) and readers[inputs[0]] == [name]:
                at = next(k for k, step in enumerate(steps) if step[0] == inputs[0])
                fused = fuse_conv_bn_eval(before, m)
                steps[at] = (inputs[0], steps[at][1], fused)
                setattr(self, inputs[0], fused)
                renamed[name] = inputs[0]
            else:
                steps.append((name, inputs, m))
        self.steps, self.output = steps, renamed.get(self.output, self.output)
        return self


class Peer:
    """Networks by name, each as fast as PyTorch can be made to run it."""

    def __init__(self, folder, compiled):
        self.folder, self.compiled, self.best = folder, compiled, {}

    def fresh(self, name):
        with open(f"{self.folder}/{name}.json") as f:
            description = json.load(f)
        return Network(description, load_file(f"{self.folder}/{name}.safetensors"))

    def images(self, name, count):
        return load_file(f"{self.folder}/{name}-images.safetensors")["images"][:count].clone()

    def resting(self, name, mode):
        net = self.fresh(name).eval()
        if mode != "plain":
            net = net.folded().to(memory_format=torch.channels_last)
        for p in net.parameters():
            p.requires_grad_(False)
        return torch.compile(net) if mode == "compiled" else net

    def step(self, name, count, what, mode):
        """One call of what is measured."""
        x, y = self.images(name, count), torch.arange(count) % 10
        if what == "train":
            net = self.fresh(name).train()
            if mode != "plain":
                net = net.to(memory_format=torch.channels_last)
                x = x.contiguous(memory_format=torch.channels_last)
            optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)

            def run():
                optimizer.zero_grad(set_to_none=True)
                F.cross_entropy(net(x), y).backward()
                optimizer.step()
            return run
        net = self.resting(name, mode)
        if mode != "plain":
            x = x.contiguous(memory_format=torch.channels_last)
        if what == "forward":
            def run():
                with torch.inference_mode():
                    net(x)
            return run
        x = x.requires_grad_(True)

        def run():
            torch.autograd.grad(F.cross_entropy(net(x), y, reduction="sum"), x)
        return run

    def rate(self, name, count, what, seconds):
        key = (name, count, what)
        if key not in self.best:
            modes = ["plain", "folded"] + (["compiled"] if self.compiled and what != "train" else [])
            steps = {mode: self.step(name, count, what, mode) for mode in modes}
            mode = max(modes, key=lambda m: images_per_second(steps[m], count, seconds))
            self.best[key] = (mode, steps[mode])
        mode, step = self.best[key]
        return {"rate": images_per_second(step, count, seconds), "mode": mode}

    def logits(self, name, count):
        with torch.inference_mode():
            return {"logits": self.resting(name, "folded")(self.images(name, count)).flatten().tolist()}


def images_per_second(step, count, seconds):
    step()
    # With one thread, CPU time: other work on the machine cannot take it away.
    clock, times = time.process_time if torch.get_num_threads() == 1 else time.perf_counter, []
    while len(times) < 3 or sum(times) < seconds:
        begin = clock()
        step()
        times.append(clock() - begin)
    return count / statistics.median(times)


def main():
    folder, threads, compiled = sys.argv[1], int(sys.argv[2]), "--compile" in sys.argv
    torch.set_num_threads(threads)
    peer = Peer(folder, compiled)
    for line in sys.stdin:
        what, *rest = line.split()
        if what == "logits":
            answer = peer.logits(rest[0], int(rest[1]))
        elif what == "about":
            capability = torch.backends.cpu.get_cpu_capability()
            answer = {"about": f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, {capability}"}
        elif what == "memory":
            answer = {"mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
        else:
            answer = peer.rate(rest[0], int(rest[1]), what, float(rest[2]))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
