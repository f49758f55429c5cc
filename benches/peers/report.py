"""BENCHMARKS.md, from rows."""

import os
import statistics

from measure import pairs_of, ratio_of, shown

HERE = os.path.dirname(os.path.abspath(__file__))
TITLES = {
    "networks": "Networks",
    "data": "Training data",
    "files": "Files",
    "cleanse": "Trigger inversion",
    "workbench": "The program itself",
    "growth": "How cost grows",
}


def met(row):
    """Whether the row reaches what was asked of it: True, False, or None where nothing was."""
    target, checks = row.get("target"), []
    if not target:
        return None
    ratio = ratio_of(row)
    if "ratio" in target and ratio is not None:
        checks.append(ratio >= target["ratio"])
    if "below" in target:
        checks.append(statistics.median(row["ours"]) <= target["below"])
    if "rate" in target:
        checks.append(row["rate"]["amount"] / statistics.median(row["ours"]) >= target["rate"])
    if "mib" in target:
        checks.append(row["ours_mib"] <= target["mib"])
    if "memory_share" in target and row.get("theirs_mib"):
        checks.append(row["ours_mib"] <= target["memory_share"] * row["theirs_mib"])
    return all(checks) if checks else None


def asked(row):
    target = row.get("target") or {}
    words = []
    if "ratio" in target:
        words.append(f"≥ {target['ratio']:g}×")
    if "below" in target:
        words.append(f"≤ {1e3 * target['below']:g} ms" if target["below"] < 1 else f"≤ {target['below']:g} s")
    if "rate" in target:
        words.append(f"≥ {target['rate']:,} {row['rate']['unit']}")
    if "mib" in target:
        words.append(f"≤ {target['mib']} MiB")
    if "memory_share" in target:
        words.append(f"≤ {target['memory_share']:g} of the memory")
    return ", ".join(words)


def ours(row):
    text = shown(row, "ours")
    if "rate" in row:
        amount = row["rate"]["amount"] / statistics.median(row["ours"])
        text += f" ({amount:,.0f} {row['rate']['unit']})" if amount >= 100 else f" ({amount:.2f} {row['rate']['unit']})"
    return text


def ratio(row):
    value, pairs = ratio_of(row), pairs_of(row)
    if value is None:
        return ""
    places = 2 if value < 10 else 0
    text = f"**{value:.{places}f}**"
    if len(row["ours"]) > 1 and len(row["theirs"]) > 1 and pairs:
        text += f" ({pairs[0]:.{places}f}–{pairs[1]:.{places}f})"
    by_cpu = ratio_of(row, "ours_cpu", "theirs_cpu")
    if by_cpu and row.get("threads") == 1 and row["unit"] == "s" and min(row["ours_cpu"]) >= 0.05:
        text += f"; CPU {by_cpu:.{places}f}"
    return text


def memory(row):
    if not row.get("ours_mib"):
        return ""
    text = f"{row['ours_mib']:,.0f}"
    return text + (f" / {row['theirs_mib']:,.0f}" if row.get("theirs_mib") else "")


def table(rows):
    lines = ["| work | threads | ours | peer | theirs | ours is faster by | asked for | memory, MiB | load |",
             "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        if row.get("skipped"):
            lines.append(f"| {row['work']} | | | skipped: {row['skipped']} | | | | | |")
            continue
        state = met(row)
        mark = {True: " ✓", False: " ✗", None: ""}[state]
        lines.append(f"| {row['work']} | {row.get('threads', '')} | {ours(row)} | {row.get('peer') or row.get('peer_skipped') or ''} "
                     f"| {shown(row, 'theirs') if row.get('theirs') else ''} | {ratio(row)} | {asked(row)}{mark} | {memory(row)} "
                     f"| {'–'.join(f'{x:g}' for x in row['load'])} |")
    return lines


def growth(rows):
    lines = ["| work | sizes | CPU seconds, one thread | exponent | peak memory, MiB |", "|---|---|---|---|---|"]
    for row in rows:
        lines.append(f"| {row['work']} | {', '.join(f'{s:,}' for s in row['sizes'])} {row['of']} "
                     f"| {', '.join(f'{c:.2f}' for c in row['costs'])} | {row['exponent']:.2f} "
                     f"| {', '.join(f'{m:,.0f}' for m in row['mib'])} |")
    return lines


def remarks(rows):
    """What the two sides said, so that it can be seen that the work was the same."""
    lines, told = [], set()
    for row in rows:
        words = []
        if row.get("said_ours"):
            words.append(f"ours: {row['said_ours']}")
        if row.get("said_theirs") and row["part"] != "networks":
            words.append(f"theirs: {row['said_theirs']}")
        if row.get("bound"):
            words.append(f"bound by {row['bound']}")
        if row.get("note"):
            words.append(row["note"])
        if words and (row["work"], tuple(words)) not in told:
            told.add((row["work"], tuple(words)))
            lines.append(f"- {row['work']}: {'; '.join(words)}.")
    return lines


def process_memory(rows):
    """Peak memory of the network bench's two processes."""
    lines, seen = [], set()
    for row in rows:
        name, own, other = row["work"].split(",")[0], row.get("process_mib"), row.get("peer_process_mib")
        if own and other and name not in seen:
            seen.add(name)
            differ = row.get("logits_differ")
            lines.append(f"| {name} | {own:,.0f} | {other:,.0f} | {own / other:.2f} | {differ:.0e} |")
    head = ["", "Peak memory of the two processes (both batches and all passes; training included where it was measured), and how far",
            "the logits of the two differ, as a share of the largest:", "", "| network | ours, MiB | PyTorch, MiB | ours of theirs | logits |",
            "|---|---|---|---|---|"]
    return head + lines if lines else []


def write(path, results):
    machine, rows = results["machine"], results["rows"]
    dates = sorted(r["date"] for r in rows if "date" in r)
    peers = sorted({r["peer"] for r in rows if r.get("peer")})
    counted = [r for r in rows if not r.get("skipped") and met(r) is not None]
    good = sum(met(r) for r in counted)
    lines = [
        "# Benchmarks", "",
        "Generated by `benches/peers/run.py`; how to repeat it is in [benches/README.md](benches/README.md), the raw numbers are in",
        "[benches/results.json](benches/results.json). Both sides do the same work in the same sitting, in turn; the figure is the median.",
        "Behind a ratio stand the lowest and the highest ratio of a single round, and for one thread the ratio of CPU seconds. *Load* is the",
        "machine's load average when a row was finished: it was shared with other work, so look at it before trusting the last digit.",
        "Both sides ran at the same raised priority (nice −8 or −15). One-thread figures of networks are in seconds of CPU time.", "",
        f"Machine: {machine['cpu']}; {machine['cores']} cores, {machine['memory_gib']} GiB; {machine['system']}; Python {machine['python']}. "
        f"Measured {dates[0]} to {dates[-1]}." if dates else "", "",
        f"Peers: {', '.join(peers)}." if peers else "Peers: none.", "",
        f"Of {len(counted)} figures with something asked of them, {good} reach it (✓) and {len(counted) - good} do not (✗).",
    ]
    for part, title in TITLES.items():
        mine = [r for r in rows if r["part"] == part]
        if mine:
            lines += ["", f"## {title}", ""] + (growth(mine) if part == "growth" else table(mine))
            if part == "networks":
                lines += process_memory(mine)
            said = remarks(mine)
            lines += [""] + said if said else []
    notes = os.path.join(HERE, "notes.md")
    if os.path.exists(notes):
        with open(notes, encoding="utf-8") as f:
            lines += ["", f.read().rstrip()]
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
