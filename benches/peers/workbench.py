"""The program as a person meets it: first frame, a whole scan, the journal, keys and frames. No peers: limits."""

import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import tempfile
import termios
import time

import make
from measure import in_turn, measured, run, said, urgent

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CASE = os.path.join(ROOT, "sample-cases", "roadsign-patch")
# Bytes of a drawn 80×24 screen: more than entering the alternate screen and asking the terminal's name takes.
PICTURE = 1500


def first_frame(program, target):
    """Seconds from the start of the process until an 80×24 picture has been written to the terminal."""
    folder = tempfile.mkdtemp()
    start = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        urgent()
        os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "XDG_STATE_HOME": folder, "XDG_DATA_HOME": folder}
        os.execv(program, [program, "open", target, "--session", os.path.join(folder, "session")])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    seen = b""
    try:
        while len(seen) < PICTURE:
            ready, _, _ = select.select([terminal], [], [], 20)
            if not ready:
                raise RuntimeError(f"no picture within 20 s: {seen[-300:]!r}")
            seen += os.read(terminal, 65536)
        return {"seconds": time.perf_counter() - start}
    finally:
        os.kill(child, signal.SIGTERM)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if select.select([terminal], [], [], 0.05)[0]:
                try:
                    os.read(terminal, 65536)
                except OSError:
                    pass
            if os.waitpid(child, os.WNOHANG)[0]:
                break
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        os.close(terminal)
        shutil.rmtree(folder, ignore_errors=True)


def frames(bench):
    size = bench.size(1 << 30, 8 << 20)
    large = make.once(bench.folder, f"tensors-{size}.safetensors", lambda p: make.safetensors(p, 64, size // 256))
    for work, target in (("the shipped case", CASE), (f"a model file of {size >> 20:,} MiB", large)):
        (times,) = in_turn(bench.size(9, 1), lambda t=target: first_frame(bench.ours("laocoon"), t))
        bench.row("workbench", f"start to first frame, {work}", unit="s", ours=[t["seconds"] for t in times],
                  target={"below": 0.2})


def scan(bench):
    for case in bench.size(("roadsign-patch", "digits-blend"), ("checkpoint-payload",)):
        for threads in bench.threads:
            def one(name=case, threads=threads):
                with tempfile.TemporaryDirectory() as folder:
                    return run([bench.ours("laocoon"), "scan", os.path.join(ROOT, "sample-cases", name), "--threads", str(threads),
                                "--session", os.path.join(folder, "session"), "--format", "json", "--output",
                                os.path.join(folder, "report.json")], accept=(0, 1, 2, 3))
            (ours,) = in_turn(bench.size(2, 1), one)
            bench.row("workbench", f"scan of the whole sample case {case}", threads=threads, **measured(ours))


def journal(bench):
    count = bench.size(100_000, 1_000)
    turns = [said([bench.ours("journal"), str(count), str(bench.size(1_000, 50)), "--json"]) for _ in range(bench.size(5, 1))]
    opened = [line for turn in turns for line in turn if line["part"] == "open"]
    bench.row("workbench", f"open a journal of {count:,} records, checked and folded", unit="s",
              ours=[o["folded_ms"] / 1e3 for o in opened], ours_mib=max(o["peak_mib"] for o in opened), target={"below": 2},
              rate={"amount": opened[0]["bytes"] / 1e6, "unit": "MB/s"})
    appended = [line for turn in turns for line in turn if line["part"] == "append"]
    for key, name in (("median_ms", "median"), ("p99_ms", "p99")):
        bench.row("workbench", f"append a record and sync it to the disk, {name}", unit="s",
                  ours=[a[key] / 1e3 for a in appended], bound="the disk's sync")


def screen(bench):
    if bench.smoke:
        print("workbench: keys and frames: not in the smoke run (they wait for four detectors)")
        return
    turns = [said([bench.ours("screen"), "600", "--json"]) for _ in range(2)]
    lines = [line for turn in turns for line in turn]
    for part, what, limit in (("key", "key to finished picture, 80×24, four detectors running", 0.05),
                              ("frame", "drawing a picture at 200×60, at rest", 0.005)):
        for key in ("median_ms", "p99_ms"):
            row = {"target": {"below": limit}} if key == "p99_ms" else {}
            bench.row("workbench", f"{what}, {key.split('_', maxsplit=1)[0]}", unit="s",
                      ours=[line[key] / 1e3 for line in lines if line["part"] == part],
                      note=f"{min(line['running'] for line in lines if line['part'] == 'detectors')} detectors running at the start",
                      **row)


PARTS = {"frames": frames, "scan": scan, "journal": journal, "screen": screen}
