"""What is read and judged without being run: pickles, checkpoints, folders, digests."""

import os
import subprocess
import sys

import make
from measure import Skipped, in_turn, measured, run, said

HERE = os.path.dirname(os.path.abspath(__file__))
# A verdict other than "nothing found" ends with 1 or 3 in every one of these programs.
ANY = (0, 1, 2, 3)
# No peer is timed while it calls home.
# Minutes for a large file: fewer rounds.
SLOW = ("fickling", "modelaudit")
QUIET = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "NO_ANALYTICS": "1", "DO_NOT_TRACK": "1"}


def commands(bench):
    """The peers that look at a file or folder: name, package, command."""
    return [("picklescan", "picklescan", lambda p: [bench.peer("picklescan"), "-p", p]),
            ("modelscan", "modelscan", lambda p: [bench.peer("modelscan"), "-p", p]),
            ("fickling", "fickling", lambda p: [bench.peer("fickling"), "--check-safety", p]),
            ("modelaudit", "modelaudit", lambda p: [bench.peer("modelaudit"), "scan", p])]


def skip(bench, part, work, why):
    bench.rows.append({"part": part, "work": work, "skipped": str(why)})
    print(f"{part}: {work}: skipped: {why}", flush=True)


def against(bench, work, path, tools, targets, rounds, **facts):
    """The whole command on a path, beside each peer's whole command."""
    program = [bench.ours("laocoon"), "inspect", path, "--threads", "1"]
    for name, package, command in commands(bench):
        if name not in tools:
            continue
        try:
            _, version = bench.having(package)
            turns = min(rounds, 2) if name in SLOW else rounds
            ours, theirs = in_turn(turns, lambda: run(program, accept=ANY),
                                   lambda c=command: run(c(path), QUIET, accept=ANY))
            bench.row("files", work, threads=1, peer=f"{name} {version}", **measured(ours, theirs),
                      **({"target": targets[name]} if name in targets else {}), **facts)
        except Skipped as why:
            skip(bench, "files", f"{work}, {name}", why)


def pickles(bench):
    count = bench.size(20_000, 200)
    bare = make.once(bench.folder, f"data-{count}.pkl", lambda p: write(p, make.checkpoint_pickle(count)))
    whole = make.once(bench.folder, f"tensors-{count}.pt", lambda p: make.checkpoint(p, count))
    size = os.path.getsize(bare) / 1e6
    work = f"inspect a pickle of {size:.1f} MB, {count:,} tensors"
    rounds = bench.size(7, 1)
    against(bench, work + " (whole command)", bare, ("picklescan", "modelscan", "fickling", "modelaudit"),
            {"picklescan": {"ratio": 20}}, rounds)
    against(bench, f"inspect a zip checkpoint of {count:,} tensors (whole command)", whole,
            ("picklescan", "modelscan", "modelaudit"), {"picklescan": {"ratio": 20}}, rounds)
    # The same without the start of a process or of Python.
    inside = [bench.ours("intake"), "inspect", bare, "--rounds", "5", "--json"]
    for tool in ("picklescan", "fickling"):
        try:
            python, version = bench.having(tool)
            script = [python, os.path.join(HERE, "pickles.py"), tool, bare, "2"]
            ours, theirs = in_turn(bench.size(3, 1), lambda: said(inside), lambda s=script: said(s))
            bench.row("files", work + " (start not counted)", threads=1, peer=f"{tool} {version}", unit="s",
                      ours=[r["seconds"] for turn in ours for r in turn],
                      theirs=[r["seconds"] for turn in theirs for r in turn])
        except Skipped as why:
            skip(bench, "files", f"{work}, {tool}", why)
    if not bench.pythons:
        bench.row("files", work + " (start not counted)", threads=1, unit="s",
                  ours=[r["seconds"] for r in said(inside)])


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def digests(bench):
    size = bench.size(2 << 30, 16 << 20)
    path = make.once(bench.folder, f"large-{size}", lambda p: make.large(p, size))
    digest = [bench.ours("intake"), "digest", path]
    for name, command in (("sha256sum", ["sha256sum", "--", path]),
                          ("openssl", ["openssl", "dgst", "-sha256", path])):
        try:
            version = first_line(command[0])
        except Skipped as why:
            skip(bench, "files", f"SHA-256 of one file, {name}", why)
            continue
        ours, theirs = in_turn(bench.size(5, 1), lambda: run(digest), lambda c=command: run(c))
        bench.row("files", f"SHA-256 of one file of {size >> 20:,} MiB", threads=1, peer=version,
                  target={"ratio": 0.95}, bound="compute (the processor's SHA instructions)",
                  rate={"amount": size / 1e9, "unit": "GB/s"}, **measured(ours, theirs))
    count = bench.size(10_000, 300)
    folder = make.once(bench.folder, f"small-{count}", lambda p: make.small_files(p, count))
    listed = subprocess.run(["find", folder, "-type", "f", "-print0"], capture_output=True, check=True).stdout
    names = make.once(bench.folder, f"small-{count}.list", lambda p: write(p, listed))
    for threads in bench.threads:
        own = [bench.ours("intake"), "folder", folder, "--threads", str(threads)]
        other = ["xargs", "-0", "-a", names, "-P", str(threads), "-n", str(-(-count // threads)), "sha256sum"]
        try:
            version = first_line("sha256sum")
        except Skipped as why:
            skip(bench, "files", "SHA-256 of many small files", why)
            break
        ours, theirs = in_turn(bench.size(5, 1), lambda: run(own), lambda: run(other))
        bench.row("files", f"SHA-256 of {count:,} small files, listed and sealed as one", threads=threads, peer=version,
                  target={"ratio": 0.95}, rate={"amount": count, "unit": "files/s"}, **measured(ours, theirs))


def first_line(tool):
    try:
        done = subprocess.run([tool, "version" if tool == "openssl" else "--version"],
                              capture_output=True, text=True, check=False)
    except OSError as why:
        raise Skipped(f"{tool} (not installed)") from why
    words = done.stdout.splitlines()[0].replace("(", "").replace(")", "").split()
    return f"{words[0]} {words[1]}" if tool == "openssl" else f"{words[0]} {words[-1]}"


def folders(bench):
    for count, peers in ((bench.size(10_000, 300), ("picklescan",)), (bench.size(1_000, 60), ("picklescan", "modelscan", "modelaudit"))):
        folder = make.once(bench.folder, f"small-{count}", lambda p, n=count: make.small_files(p, n))
        facts = {"rate": {"amount": count, "unit": "files/s"}}
        for threads in bench.threads:
            program = [bench.ours("laocoon"), "inspect", folder, "--threads", str(threads)]
            (ours,) = in_turn(bench.size(5, 1), lambda: run(program, accept=ANY))
            bench.row("files", f"inspect a folder of {count:,} small files", threads=threads,
                      target={"rate": 1000, "mib": 65}, **facts, **measured(ours))
        against(bench, f"inspect a folder of {count:,} small files", folder, peers, {}, bench.size(3, 1), **facts)


def tensors(bench):
    size = bench.size(1 << 30, 8 << 20)
    path = make.once(bench.folder, f"tensors-{size}.safetensors", lambda p: make.safetensors(p, 64, size // 256))
    inspect = [bench.ours("laocoon"), "inspect", path, "--threads", "1"]
    ours, theirs = in_turn(bench.size(5, 1), lambda: run(inspect, accept=ANY), lambda: run(["sha256sum", "--", path]))
    bench.row("files", f"inspect a safetensors file of {size >> 20:,} MiB (digest, header, layout)", threads=1,
              peer=first_line("sha256sum") + " (digest only)", rate={"amount": size / 1e9, "unit": "GB/s"},
              **measured(ours, theirs))
    path = make.once(bench.folder, f"tensors-{size}.pt", lambda p: make.checkpoint(p, 64, size // 256))
    against(bench, f"inspect a zip checkpoint of {size >> 20:,} MiB", path, ("picklescan", "modelscan", "modelaudit"), {},
            bench.size(3, 1), note="picklescan and modelscan read the pickle only; ours hashes every byte")


PARTS = {"pickles": pickles, "digests": digests, "folders": folders, "tensors": tensors}

if __name__ == "__main__":
    sys.exit("run benches/peers/run.py")
