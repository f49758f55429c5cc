"""picklescan and fickling in a process that has started: one file, some rounds, a line of JSON each."""

import json
import sys
import time


def picklescan(path):
    from picklescan.scanner import scan_file_path

    found = scan_file_path(path)
    return f"{found.scanned_files} files, {found.infected_files} infected"


def fickling(path):
    from fickling.analysis import check_safety
    from fickling.fickle import Pickled

    with open(path, "rb") as f:
        return str(check_safety(Pickled.load(f)).severity.name)


def main():
    tool, path, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    scan = {"picklescan": picklescan, "fickling": fickling}[tool]
    for _ in range(rounds):
        start = time.perf_counter()
        said = scan(path)
        print(json.dumps({"seconds": time.perf_counter() - start, "said": said}), flush=True)


if __name__ == "__main__":
    main()
