#!/usr/bin/env python3
"""Files with known verdicts against `laocoon inspect`, one process for each: verdict, reason code, time, peak memory.

    python3 tools/corpus/check.py --laocoon target/release/laocoon ../shared/hostile ../shared/pickles

A folder has a MANIFEST.csv with the columns `file` and either `acceptable` (verdicts, divided by |) and `reason_code`, or
`truth`. Nothing is loaded or run. Peak memory is what `wait4` says of the process.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time


def inspect(program, path):
    """The file's entry of the report, seconds, peak MiB."""
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        child = subprocess.Popen([program, "inspect", path, "--format", "json", "--threads", "1"], stdout=out,
                                 stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        out.seek(0)
        text = out.read()
    if child.returncode not in (0, 1, 3):
        return None, seconds, used.ru_maxrss / 1024, child.returncode
    return json.loads(text)["files"][0], seconds, used.ru_maxrss / 1024, child.returncode


def check(program, folder):
    rows = list(csv.DictReader(open(os.path.join(folder, "MANIFEST.csv"), newline="", encoding="utf-8")))
    times, memory, wrong = [], [], []
    count = {"verdict": 0, "code": 0, "passed": 0, "accused": 0, "ended": 0}
    kinds = {}
    for row in rows:
        seen, seconds, mib, code = inspect(program, os.path.join(folder, row["file"]))
        times.append((seconds, row["file"]))
        memory.append((mib, row["file"]))
        if seen is None:
            count["ended"] += 1
            wrong.append(f"{row['file']}: ended with {code}")
            continue
        said, codes = seen["verdict"], [r["code"] for r in seen["reasons"]]
        if "acceptable" in row:
            fits = said in row["acceptable"].split("|")
            coded = row["reason_code"] == "none" or row["reason_code"] in codes
            count["verdict"] += fits
            count["code"] += coded
            count["passed"] += not fits and said == "accept"
            count["accused"] += not fits and "accept" in row["acceptable"].split("|")
            if not fits or not coded:
                wrong.append(f"{row['file']}: {said} {codes[:4]}, want {row['acceptable']} {row['reason_code']}")
        else:
            kind = kinds.setdefault(row["truth"], {})
            kind[said] = kind.get(said, 0) + 1
            if row["truth"] == "malicious" and said != "flag" or row["truth"] == "benign" and said in ("flag", "reject"):
                wrong.append(f"{row['file']}: {row['truth']}, {said} {codes[:4]}")
    n = len(rows)
    print(f"{folder}: {n} files, {count['ended']} ended otherwise than with a verdict")
    if kinds:
        print("  " + "; ".join(f"{kind}: {verdicts}" for kind, verdicts in sorted(kinds.items())))
    else:
        print(f"  verdict {count['verdict']} ({100 * count['verdict'] / n:.1f} %), reason code {count['code']} "
              f"({100 * count['code'] / n:.1f} %), hostile and accepted {count['passed']}, benign and accused "
              f"{count['accused']}")
    for what, values, unit in (("seconds", times, "s"), ("peak memory", memory, "MiB")):
        values.sort()
        middle, high = values[n // 2][0], values[min(n - 1, n * 99 // 100)][0]
        print(f"  {what}: median {middle:.3g} {unit}, 99 % {high:.3g} {unit}, most {values[-1][0]:.3g} {unit} "
              f"({values[-1][1]})")
    for line in wrong:
        print("  " + line)
    return count["ended"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--laocoon", default="target/release/laocoon")
    p.add_argument("folders", nargs="+")
    args = p.parse_args()
    return int(any([check(args.laocoon, folder) for folder in args.folders]))


if __name__ == "__main__":
    sys.exit(main())
