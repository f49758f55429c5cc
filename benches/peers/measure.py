"""Running the two sides in turn, and what is kept of each measurement. Standard library only."""

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time


class Skipped(Exception):
    """A peer or an input that is not there; the text says which."""


class Bench:
    """Where things are, how much is asked for, and the rows measured so far."""

    def __init__(self, binaries, pythons, torch, folder, smoke, rounds, threads):
        self.binaries, self.pythons, self.torch = binaries, pythons, torch
        self.folder, self.smoke, self.rounds, self.threads = folder, smoke, rounds, threads
        self.rows, self.keep = [], None

    def ours(self, name):
        return self.binaries[name]

    def peer(self, name):
        """A command of the peers' environments."""
        for python in self.pythons:
            path = os.path.join(os.path.dirname(python), name)
            if os.path.exists(path):
                return path
        raise Skipped(f"{name} (not installed)")

    def having(self, package):
        """The Python that has a package, and the package's version."""
        for python in self.pythons:
            try:
                return python, version_in(python, package)
            except Skipped:
                continue
        raise Skipped(f"{package} (not installed)")

    def size(self, full, small):
        return small if self.smoke else full

    def row(self, part, work, **facts):
        """Keeps a row and says it. `ours` and `theirs` are lists of runs: seconds, or whatever `unit` names."""
        load = [round(x, 1) for x in os.getloadavg()[:1]]
        row = {"part": part, "work": work, "date": now(), "load": load, **facts}
        self.rows.append(row)
        if self.keep:
            self.keep()
        ratio = ratio_of(row)
        print(f"{part}: {work}: ours {shown(row, 'ours')}, {row.get('peer') or 'no peer'} {shown(row, 'theirs')}"
              + (f", {ratio:.2f} times" if ratio else "") + f", load {load}", flush=True)
        return row


def version_in(python, package):
    if not python:
        raise Skipped(f"{package} (no environment given)")
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skipped(f"{package} (not installed)")
    return done.stdout.strip()


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def urgent():
    """A little ahead of others' work, where that is allowed: both sides alike."""
    try:
        os.nice(-8)
    except OSError:
        pass


def run(command, env=None, accept=(0,), stdin=None):
    """Runs a command to its end: seconds, CPU seconds, peak memory in MiB, and what it wrote."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        # Some peers leave files where they are started.
        child = subprocess.Popen(command, stdout=out, stderr=err, stdin=stdin or subprocess.DEVNULL, cwd=tempfile.gettempdir(),
                                 env={**os.environ, **(env or {})}, preexec_fn=urgent)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text, wrong = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    if child.returncode not in accept:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {child.returncode}: {wrong[-2000:]}")
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024, "out": text}


def said(command, env=None):
    """Runs a command that writes lines of JSON; gives them."""
    return [json.loads(line) for line in run(command, env)["out"].splitlines() if line.startswith("{")]


def in_turn(rounds, *sides):
    """Runs the sides in turn, `rounds` times each; gives each side's list of results."""
    results = [[] for _ in sides]
    for _ in range(rounds):
        for side, kept in zip(sides, results):
            kept.append(side())
    return results


def column(results, key):
    return [r[key] for r in results]


def peak(results):
    return max(r["mib"] for r in results)


def measured(ours, theirs=None):
    """The common facts of runs that gave seconds, CPU seconds and memory."""
    facts = {"unit": "s", "ours": column(ours, "seconds"), "ours_cpu": column(ours, "cpu"), "ours_mib": peak(ours)}
    if theirs:
        facts |= {"theirs": column(theirs, "seconds"), "theirs_cpu": column(theirs, "cpu"), "theirs_mib": peak(theirs)}
    return facts


def ratio_of(row, ours="ours", theirs="theirs"):
    """How many times as fast ours is, by medians; None without a peer."""
    if not row.get(ours) or not row.get(theirs):
        return None
    a, b = statistics.median(row[ours]), statistics.median(row[theirs])
    if not a or not b:
        return None
    return a / b if row["unit"].endswith("/s") else b / a


def pairs_of(row):
    """Ratio of each round, lowest and highest."""
    if not row.get("ours") or not row.get("theirs"):
        return None
    pairs = list(zip(row["ours"], row["theirs"]))
    each = [a / b if row["unit"].endswith("/s") else b / a for a, b in pairs if a and b]
    return (min(each), max(each)) if each else None


def shown(row, side):
    values = row.get(side)
    if not values:
        return "–"
    unit, middle = row["unit"], statistics.median(values)
    if unit == "s" and middle < 0.1:
        return f"{1e3 * middle:.3g} ms"
    if middle >= 1000:
        return f"{middle:,.0f} {unit}"
    return f"{middle:.3g} {unit}"


def machine():
    """What this runs on."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            lines = [line.split(":", 1) for line in f if ":" in line]
        facts = {k.strip(): v.strip() for k, v in lines}
        name = facts.get("model name", name)
        flags = set(facts.get("flags", "").split())
        vectors = next((n for f, n in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if f in flags), "")
        name = f"{name}, family {facts.get('cpu family', '?')} model {facts.get('model', '?')}, {vectors}"
    except OSError:
        pass
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        memory = 0
    return {"cpu": name, "cores": os.cpu_count(), "memory_gib": round(memory), "system": platform.platform(),
            "python": sys.version.split()[0]}
