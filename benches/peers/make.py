"""Inputs that any machine can make: a checkpoint of many tensors, folders of small files, large files.

Standard library only; the names of PyTorch's helpers are written into the pickle without PyTorch being there.
"""

import collections
import io
import json
import os
import pickle
import random
import struct
import sys
import types
import zipfile


class Storage:
    def __init__(self, key, count):
        self.key, self.count = key, count


class Tensor:
    """Pickles as a float tensor of a PyTorch checkpoint does."""

    def __init__(self, key, count):
        self.storage, self.count = Storage(key, count), count

    def __reduce__(self):
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (self.storage, 0, (self.count,), (1,), False, collections.OrderedDict())


def stand_ins():
    """Modules of the names that the pickle refers to."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*_):
        raise NotImplementedError

    class FloatStorage:
        pass

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    FloatStorage.__module__, FloatStorage.__qualname__ = "torch", "FloatStorage"
    utils._rebuild_tensor_v2, torch.FloatStorage, torch._utils = _rebuild_tensor_v2, FloatStorage, utils
    return {"torch": torch, "torch._utils": utils}


def checkpoint_pickle(tensors, count=4):
    """The data.pkl of a state dict of `tensors` tensors of `count` floats."""
    modules = stand_ins()
    kept = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        out = io.BytesIO()

        class Pickler(pickle.Pickler):
            def persistent_id(self, thing):
                if isinstance(thing, Storage):
                    return ("storage", modules["torch"].FloatStorage, thing.key, "cpu", thing.count)
                return None

        state = collections.OrderedDict(
            (f"encoder.layers.{i // 8}.block.{i % 8}.weight", Tensor(str(i), count)) for i in range(tensors))
        Pickler(out, protocol=2).dump(state)
        return out.getvalue()
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def checkpoint(path, tensors, count=4):
    """A PyTorch zip checkpoint; `count` floats in each tensor."""
    body = os.urandom(4 * count)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("model/data.pkl", checkpoint_pickle(tensors, count))
        archive.writestr("model/byteorder", "little")
        for i in range(tensors):
            archive.writestr(f"model/data/{i}", body)
        archive.writestr("model/version", "3\n")


def safetensors(path, tensors, count):
    """A safetensors file of `tensors` float tensors of `count` values, drawn from a normal distribution."""
    rng = random.Random(0)
    header = {f"layer.{i}.weight": {"dtype": "F32", "shape": [count], "data_offsets": [4 * count * i, 4 * count * (i + 1)]}
              for i in range(tensors)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    block = struct.pack("<4096f", *(rng.gauss(0, 0.05) for _ in range(4096)))
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        left = 4 * count * tensors
        while left:
            f.write(block[:min(left, len(block))])
            left -= min(left, len(block))


def images(path, count, shape, classes):
    """A data set of random images, labelled in turn."""
    size = shape[0] * shape[1] * shape[2]
    header = {"labels": {"dtype": "I64", "shape": [count], "data_offsets": [0, 8 * count]},
              "images": {"dtype": "U8", "shape": [count, *shape], "data_offsets": [8 * count, 8 * count + count * size]}}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.write(struct.pack(f"<{count}q", *(i % classes for i in range(count))))
        f.write(random.Random(0).randbytes(count * size))


def large(path, size):
    """A file of bytes that do not compress."""
    block = os.urandom(1 << 20)
    with open(path, "wb") as f:
        for _ in range(size >> 20):
            f.write(block)


def small_files(folder, count):
    """A folder of small files as model repositories have them: tensors, pickles, checkpoints, JSON, text, Python."""
    os.makedirs(folder, exist_ok=True)
    pickled = checkpoint_pickle(4)
    for i in range(count):
        at = os.path.join(folder, f"{i // 500:03}")
        os.makedirs(at, exist_ok=True)
        name, kind = os.path.join(at, f"file{i:05}"), i % 6
        if kind == 0:
            safetensors(name + ".safetensors", 2, 256)
        elif kind == 1:
            checkpoint(name + ".pt", 4)
        else:
            end, body = [(".pkl", pickled), (".json", json.dumps({"i": i, "values": list(range(300))}).encode()),
                         (".txt", f"note {i}\n".encode() * 100),
                         (".py", f"import json\n\n\ndef f{i}(x):\n    return json.dumps(x)\n".encode() * 20)][kind - 2]
            with open(name + end, "wb") as f:
                f.write(body)


def once(folder, name, make):
    """The path of an input, made if it is not there."""
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        make(path + ".part")
        os.rename(path + ".part", path)
    return path
