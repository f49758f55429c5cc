"""Neural Cleanse (Wang et al. 2019) in PyTorch, as straightforward as it gets: one class after the other, the objective
and the schedule of the original, with the network in PyTorch's fastest CPU mode (folded, channels last).

    python benches/peers/cleanse_torch.py FOLDER CLEAN --steps 100 --mini-batches 8 [--classes N] [--threads N]
FOLDER has network.json and model.safetensors as `laocoon lab train` leaves them; CLEAN is a safetensors file of images.
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F
from network import Network
from safetensors.torch import load_file

EPSILON = 1e-7


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("clean")
    p.add_argument("--steps", type=int, default=100)
    p.add_argument("--mini-batches", type=int, default=8)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--images", type=int, default=1000)
    p.add_argument("--classes", type=int)
    p.add_argument("--threads", type=int, default=1)
    return p.parse_args()


def unit(raw):
    return raw.tanh() / (2 - EPSILON) + 0.5


def invert(net, scale, images, target, args):
    """The smallest mask's L1 that sends the images to the class at 99 %, and the steps taken."""
    _, channels, height, width = images.shape
    mask_raw = ((torch.rand(1, 1, height, width) - 0.5) * (2 - EPSILON)).atanh().requires_grad_(True)
    pattern_raw = ((torch.rand(1, channels, height, width) - 0.5) * (2 - EPSILON)).atanh().requires_grad_(True)
    adam = torch.optim.Adam([mask_raw, pattern_raw], lr=0.1, betas=(0.5, 0.9), eps=EPSILON)
    cost, cost_set, up, down, went_up, went_down, idle, idle_best = 0.0, 0, 0, 0, False, False, 0, float("inf")
    best, last = None, None
    order, at, steps = torch.randperm(len(images)), 0, 0
    for _ in range(args.steps):
        hits, l1s, seen = 0, [], 0
        for _ in range(args.mini_batches):
            if at + args.batch > len(images):
                order, at = torch.randperm(len(images)), 0
            x = images[order[at:at + args.batch]]
            at += args.batch
            mask, pattern = unit(mask_raw), unit(pattern_raw)
            logits = net(scale((1 - mask) * x + mask * pattern).contiguous(memory_format=torch.channels_last))
            labels = torch.full((len(x),), target)
            l1 = mask.abs().sum()
            loss = F.cross_entropy(logits, labels) + cost * l1
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
            hits, seen = hits + int((logits.argmax(1) == labels).sum()), seen + len(x)
            l1s.append(float(l1.detach()))
        steps += 1
        success, l1 = hits / seen, sum(l1s) / len(l1s)
        good = success >= 0.99
        last = l1
        if good and (best is None or l1 < best):
            best = l1
        if best is not None:
            idle = idle + 1 if best >= idle_best else 0
            idle_best = min(idle_best, best)
        if went_up and went_down and idle >= 25:
            break
        if cost == 0 and good:
            cost_set += 1
            if cost_set >= 5:
                cost, up, down, went_up, went_down = 1e-3, 0, 0, False, False
        else:
            cost_set = 0
        up, down = (up + 1, 0) if good else (0, down + 1)
        if up >= 5:
            up, cost, went_up = 0, cost * 2, True
        elif down >= 5:
            down, cost, went_down = 0, cost / 2**1.5, True
    return (best if best is not None else last), best is not None, steps


def main():
    args = arguments()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    with open(f"{args.folder}/network.json", encoding="utf-8") as f:
        description = json.load(f)
    net = Network(description, load_file(f"{args.folder}/model.safetensors")).eval().folded()
    net = net.to(memory_format=torch.channels_last)
    for p in net.parameters():
        p.requires_grad_(False)
    given = description["input"]
    mean, std = (torch.tensor(given.get(k) or d).view(1, -1, 1, 1) for k, d in (("mean", [0.0]), ("std", [1.0])))

    def scale(x):
        return (x - mean) / std

    images = load_file(args.clean)["images"][:args.images].float() / 255
    with torch.inference_mode():
        outputs = torch.cat([net(scale(part)) for part in images.split(64)])
    predicted, classes = outputs.argmax(1), outputs.shape[1]
    found, start = [], time.perf_counter()
    for target in range(min(args.classes or classes, classes)):
        begin, cpu = time.perf_counter(), time.process_time()
        l1, reached, steps = invert(net, scale, images[predicted != target].clone(), target, args)
        found.append({"class": target, "l1": l1, "reached": reached, "steps": steps, "seconds": time.perf_counter() - begin,
                      "cpu": time.process_time() - cpu})
    norms = torch.tensor([f["l1"] for f in found])
    middle = norms.median()
    index = ((middle - norms.min()) / (1.4826 * (norms - middle).abs().median())).item()
    print(json.dumps({"seconds": time.perf_counter() - start, "classes": classes, "found": found, "index": index,
                      "smallest": int(norms.argmin()), "flagged": index > 2}))


if __name__ == "__main__":
    main()
