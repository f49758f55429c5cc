#!/usr/bin/env python3
"""Our readers against those the files are made for, on mutated files: pickles against an inert CPython unpickler and
`pickletools`, .npy against NumPy, ONNX against onnx.checker.

    python3 tools/differential/check.py --laocoon target/release/laocoon [--count 3000] [--seed 0]

Needs numpy and onnx. Nothing of a pickle is executed: what it imports is replaced by an inert class. The property that
is held is one-sided: what the other reader imports or accepts, ours has seen or accepts too (for pickles), or ours
refuses no less than the other (for arrays and networks). What ours refuses beyond that is counted by reason, not an
error. Differences are printed; the exit code is 1 when there are any. See docs/reliability.md.
"""

import argparse
import collections
import io
import json
import pathlib
import pickle
import pickletools
import random
import subprocess
import sys
import tempfile


class Inert:
    """What stands for everything that a pickle imports."""

    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, *args, **kwargs):
        return Inert()

    def __reduce_ex__(self, protocol):
        return (Inert, ())

    def append(self, item):
        pass

    def extend(self, items):
        pass

    def add(self, item):
        pass

    def __setitem__(self, key, value):
        pass

    def __setstate__(self, state):
        pass

    def __hash__(self):
        return 0


class Noting:
    """Notes imports and makes nothing; goes before a machine among the bases."""

    def __init__(self, data):
        super().__init__(io.BytesIO(data))
        self.seen = []

    def find_class(self, module, name):
        self.seen.append((str(module), str(name)))
        return Inert

    def persistent_load(self, pid):
        return Inert()


class Unpickler(Noting, pickle._Unpickler):
    """CPython's own machine in Python."""

    def get_extension(self, code):
        raise pickle.UnpicklingError("extension")


class FastUnpickler(Noting, pickle.Unpickler):
    """The machine in C that everybody uses."""


class Marker:
    """Pickled by reference to importable names, so that seeds have GLOBAL, STACK_GLOBAL, REDUCE and BUILD."""

    def __init__(self, n):
        self.n = n

    def __reduce__(self):
        return (collections.OrderedDict, ([("a", self.n)],), {"b": [self.n] * 3})


def pickles(rng):
    values = [
        [1, 2.5, "text", b"bytes", None, True, (1, 2), {"k": [1]}, {3, 4}],
        {"w": [Marker(i) for i in range(4)], "e": Exception("x")},
        [collections.Counter("abca"), range(3), complex(1, 2), bytearray(b"xy"), frozenset([1])],
        [[[[[]]]], ((),), "é" * 40, 1 << 200, -(1 << 70)],
    ]
    seeds = [pickle.dumps(v, protocol=p) for v in values for p in range(6)]
    seeds.append(b"cos\nsystem\n(S'true'\ntR.")
    seeds.append(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.")
    seeds.append(b"(S'true'\nios\nsystem\n.")
    seeds.append(b"(cos\nsystem\nS'true'\no.")
    return seeds


def arrays(rng):
    import numpy as np

    out = []
    for array in [
        np.arange(12, dtype="<f4").reshape(3, 4),
        np.arange(6, dtype="<i8"),
        np.zeros((2, 0, 3), dtype="u1"),
        np.asfortranarray(np.arange(6, dtype="<f8").reshape(2, 3)),
        np.array(5, dtype="<u2"),
        np.array([True, False]),
    ]:
        for version in [(1, 0), (2, 0), (3, 0)]:
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, version=version)
            out.append(buffer.getvalue())
    return out


def networks(rng):
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    w = numpy_helper.from_array(np.ones((4, 4), dtype=np.float32), "w")
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], axis=1),
        helper.make_node("MatMul", ["f", "w"], ["m"]),
        helper.make_node("Relu", ["m"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [value("x", [1, 1, 2, 2])], [value("y", [1, 4])], [w])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return [model.SerializeToString()]


def mutate(rng, one, other):
    data = bytearray(one)
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        if not data:
            break
        at = rng.randrange(len(data))
        kind = rng.randrange(6)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, ord("."), ord("("), ord("c"), ord("R"), rng.randrange(256)])
        elif kind == 2:
            del data[at : at + rng.randrange(1, 9)]
        elif kind == 3:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 5)))
        elif kind == 4:
            start = rng.randrange(len(other)) if other else 0
            data[at:at] = other[start : start + rng.randrange(1, 40)]
        else:
            del data[at:]
    return bytes(data)


def ours(laocoon, folder):
    done = subprocess.run(
        [laocoon, "inspect", "--format", "json", "--threads", "1", str(folder)], capture_output=True, check=False
    )
    if done.returncode not in (0, 1, 3):
        sys.exit(f"laocoon ended with {done.returncode}: {done.stderr.decode()}")
    return {pathlib.Path(f["path"]).name: f for f in json.loads(done.stdout)["files"]}


def codes(file):
    return {r["code"] for r in file["reasons"]}


def run_pickle(machine):
    try:
        machine.load()
        return "loads"
    except RecursionError:
        return "recursion"
    except Exception as error:  # noqa: BLE001: whatever a pickle makes of it
        return type(error).__name__


def compare_pickles(files, told, _inspect):
    differences, imports, stricter, unlisted, types = [], 0, collections.Counter(), 0, 0
    for name, data in files.items():
        slow, fast = Unpickler(data), FastUnpickler(data)
        ends = run_pickle(slow), run_pickle(fast)
        verdict, said = told[name]["verdict"], codes(told[name])
        seen = {(i["module"], i["name"]) for i in told[name].get("facts", {}).get("imports", [])}
        for module, item in set(slow.seen) | set(fast.seen):
            imports += 1
            if (module, item) in seen or "pickle.global.computed" in said:
                continue
            if verdict in ("flag", "reject"):
                # Refused as broken, with no list of what it would import.
                unlisted += 1
            else:
                differences.append(f"{name}: CPython imports {module}.{item}, ours does not see it and says {verdict}")
        if ends[1] == "loads" and verdict == "reject":
            stricter.update(said)
        if ends == ("TypeError", "TypeError") and verdict == "accept":
            # A list as a key and the like: ours builds no objects, so types of values are not its business.
            types += 1
        elif "loads" not in ends and verdict == "accept":
            differences.append(f"{name}: CPython refuses it ({ends}), ours accepts it")
        try:
            list(pickletools.genops(data))
        except Exception:  # noqa: BLE001
            if verdict == "accept" and "loads" not in ends:
                differences.append(f"{name}: pickletools refuses it, ours accepts it")
    return differences, f"{imports} imports by CPython, {unlisted} of them in files refused whole; {types} accepted and refused by CPython for the type of a value; ours stricter: {dict(stricter)}"


def compare_arrays(files, told, _inspect):
    import warnings

    import numpy as np

    warnings.simplefilter("ignore")
    differences, stricter, both = [], collections.Counter(), 0
    for name, data in files.items():
        try:
            stream = io.BytesIO(data)
            np.lib.format.read_array(stream, allow_pickle=False, max_header_size=10_000)
            whole = not stream.read()
            end = "whole" if whole else "more"
        except Exception as error:  # noqa: BLE001
            end = type(error).__name__
        verdict = told[name]["verdict"]
        if end in ("whole", "more") and verdict == "reject":
            for code in codes(told[name]):
                stricter[code] += 1
        elif end not in ("whole", "more") and verdict == "accept":
            differences.append(f"{name}: NumPy refuses it ({end}), ours accepts it")
        else:
            both += 1
    return differences, f"{both} alike; ours stricter: {dict(stricter)}"


# What onnx.checker minds and ours does not, and why that is no danger to who reads the file with ours.
FORM = {
    "Unrecognized attribute": "an attribute the operator does not have is not used",
    "Inferred shape and existing": "declared shapes of results are not used; ours computes them",
    "Inferred elem type": "declared types of results are not used",
    "required to be non-empty": "names that nothing refers to",
    "is required but missing": "declared types of results are not used",
}


def compare_networks(files, told, inspect):
    import onnx

    differences, stricter, form, both, unrun = [], collections.Counter(), collections.Counter(), 0, 0
    for name, data in files.items():
        try:
            onnx.checker.check_model(onnx.load_model_from_string(data), full_check=True)
            end = "good"
        except Exception as error:  # noqa: BLE001
            end = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
        verdict = told[name]["verdict"]
        if end == "good" and verdict != "accept":
            stricter.update(codes(told[name]))
        elif end == "good" or verdict != "accept":
            both += 1
        elif reason := next((r for words, r in FORM.items() if words in end), None):
            form[reason] += 1
        elif "cannot be run" in inspect(data):
            unrun += 1
        else:
            differences.append(f"{name}: onnx.checker refuses it ({end}), ours accepts it")
    return (
        differences,
        f"{both} alike; {unrun} not held against the file, and refused when the network is read; "
        f"form only: {dict(form)}; ours stricter: {dict(stricter)}",
    )


KINDS = {
    "pickle": (pickles, ".pkl", compare_pickles),
    "npy": (arrays, ".npy", compare_arrays),
    "onnx": (networks, ".onnx", compare_networks),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--laocoon", required=True)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", help="write the files that differ into this folder")
    args = parser.parse_args()
    found = 0
    for kind, (make, ending, compare) in KINDS.items():
        rng = random.Random(f"{kind} {args.seed}")
        seeds = make(rng)
        files = {}
        for i in range(args.count):
            data = seeds[i] if i < len(seeds) else mutate(rng, rng.choice(seeds), rng.choice(seeds))
            files[f"{i:06}{ending}"] = data
        with tempfile.TemporaryDirectory() as folder:
            for name, data in files.items():
                (pathlib.Path(folder) / name).write_bytes(data)
            told = ours(args.laocoon, folder)

            def network(data):
                path = pathlib.Path(folder) / "one.onnx"
                path.write_bytes(data)
                done = subprocess.run(
                    [args.laocoon, "inspect", "--network", "--input", "1,2,2", str(path)], capture_output=True, check=False
                )
                return done.stdout.decode(errors="replace")

            differences, summary = compare(files, told, network)
        print(f"{kind}: {len(files)} files from {len(seeds)} seeds: {len(differences)} differences; {summary}")
        for line in differences[:20]:
            print(f"  {line}")
        if args.keep:
            pathlib.Path(args.keep).mkdir(parents=True, exist_ok=True)
            for line in differences:
                name = line.split(":")[0]
                (pathlib.Path(args.keep) / name).write_bytes(files[name])
        found += len(differences)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
