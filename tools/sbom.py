#!/usr/bin/env python3
"""A CycloneDX bill of materials of the laocoon binary, from `cargo metadata` and Cargo.lock: what is linked into it for
one target and set of features, without development dependencies.

    python3 tools/sbom.py [--features lapack] [--target x86_64-unknown-linux-gnu] [-o laocoon.cdx.json]

The same lock file gives the same bytes: no time, no serial number. Needs no network.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def metadata(features, target):
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", target]
    if features:
        command += ["--features", features]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


def host():
    version = subprocess.run(["rustc", "-vV"], capture_output=True, check=True, text=True).stdout
    return next(line.split()[1] for line in version.splitlines() if line.startswith("host:"))


def linked(nodes, packages, root):
    """Ids that are linked, and ids that only run while the binary is built (build scripts and procedural macros)."""
    normal, building, queue = set(), set(), [(root, True)]
    while queue:
        name, is_linked = queue.pop()
        seen = normal if is_linked else building
        if name in seen:
            continue
        seen.add(name)
        for dependency in nodes[name]["deps"]:
            kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
            if None in kinds:
                macro = any("proc-macro" in t["kind"] for t in packages[dependency["pkg"]]["targets"])
                queue.append((dependency["pkg"], is_linked and not macro))
            if "build" in kinds:
                queue.append((dependency["pkg"], False))
    return normal, building - normal


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", default="")
    parser.add_argument("--target", default=None)
    parser.add_argument("-o", "--output", default="-")
    args = parser.parse_args()
    target = args.target or host()
    data = metadata(args.features, target)
    packages = {p["id"]: p for p in data["packages"]}
    nodes = {n["id"]: n for n in data["resolve"]["nodes"]}
    root = data["resolve"]["root"]
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    sums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    normal, building = linked(nodes, packages, root)

    def purl(package):
        return f"pkg:cargo/{package['name']}@{package['version']}"

    def component(name, scope):
        package = packages[name]
        out = {
            "type": "library",
            "bom-ref": purl(package),
            "name": package["name"],
            "version": package["version"],
            "scope": scope,
            "purl": purl(package),
        }
        if package.get("license"):
            out["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        checksum = sums.get((package["name"], package["version"]))
        if checksum:
            out["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        return out

    def key(component):
        return component["purl"]

    components = [component(name, "required") for name in normal - {root}]
    # What runs while the binary is built, and is not in it.
    components += [component(name, "excluded") for name in building]
    dependencies = []
    for name in normal | building:
        on = {purl(packages[d["pkg"]]) for d in nodes[name]["deps"] if d["pkg"] in normal | building}
        dependencies.append({"ref": purl(packages[name]), "dependsOn": sorted(on)})
    top = packages[root]
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": purl(top),
                "name": top["name"],
                "version": top["version"],
                "purl": purl(top),
                "licenses": [{"expression": top["license"]}],
            },
            "properties": [
                {"name": "cargo:target", "value": target},
                {"name": "cargo:features", "value": args.features or "default"},
            ],
        },
        "components": sorted(components, key=key),
        "dependencies": sorted(dependencies, key=lambda d: d["ref"]),
    }
    text = json.dumps(bom, indent=1, ensure_ascii=False) + "\n"
    if args.output == "-":
        sys.stdout.write(text)
    else:
        pathlib.Path(args.output).write_text(text, encoding="utf-8")
    print(f"{len(normal) - 1} crates in the binary, {len(building)} used while building", file=sys.stderr)


if __name__ == "__main__":
    main()
