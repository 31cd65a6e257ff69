"""What a folder's owner may not know of it, and the one thing that would gain most."""

from __future__ import annotations

import re

from loopwright.data.report import NAMED, SURROUNDED, TURNED, WALTZ, PrepareReport


def _files(number: int) -> str:
    return f"{number} file{'s' * (number != 1)}"


def findings(report: PrepareReport, beats_per_bar: int = 4) -> list[str]:
    """Lines about the files that were kept."""
    out: list[str] = []
    kinds = [f"{count} {kind}" for kind, count in report.kinds.most_common()]
    if report.kept:
        tempi = sorted(report.tempi.elements())
        low, high = tempi[len(tempi) // 4], tempi[(3 * len(tempi) - 1) // 4]
        middle = f", half of them {low} to {high}" if low != high and len(tempi) > 3 else ""
        out.append(f"kinds: {', '.join(kinds)}; tempi: {tempi[0]} to {tempi[-1]} BPM{middle}")
    if report.kinds["drums"] and report.kinds["tonal"]:
        out.append("train the recipe house-drums on the drums, house-tonal (prepared with --repr tone48) on the tonal ones")
    if report.keys:
        out.append("keys: " + ", ".join(f"{key} {count}" for key, count in report.keys.most_common(5)))
    clear, off, furthest = report.tunings
    if off:
        side = "sharp" if furthest > 0 else "flat"
        out.append(f"tuning: {off:.0f} of {clear:.0f} loops with notes are not at A440, up to {abs(furthest):.0f} cents {side}")
    if report.noted[SURROUNDED]:
        out.append(f"{_files(report.noted[SURROUNDED])} longer than the loop that is stated: silence was cut off")
    if report.noted[TURNED]:
        out.append(f"{_files(report.noted[TURNED])} with a tempo at half or double of what is stated")
    if report.noted[NAMED]:
        out.append(f"{_files(report.noted[NAMED])} whose name, tag or table says another tempo than is heard")
    if report.reasons[WALTZ] and beats_per_bar == 4:
        out.append(f"{_files(report.reasons[WALTZ])} of 3 or 6 beats: waltzes? try --beats-per-bar 3 (into another folder)")
    return out


def most_worth(report: PrepareReport, beats_per_bar: int = 4) -> str:
    """The one thing most worth doing, or "" for a folder that is well as it is."""
    unread = sum(int(line.split(" ", 1)[0]) for line in report.said if re.match(r"\d+ files? of other formats", line))
    tables = [line for line in report.said if "was not used" in line]
    reasons = report.reasons
    unsure = reasons["tempo not sure"]
    choices = [
        (unread, next((line for line in report.said if "of other formats" in line), "")),
        (
            unsure,
            f"mend the table, it may name the tempi of {_files(unsure)}: {tables[0]}"
            if tables
            else f"name the tempi of {_files(unsure)}: in the names (93bpm), in a table loops.csv (file,bpm), or with --bpm",
        ),
        (
            reasons[WALTZ],
            f"prepare {_files(reasons[WALTZ])} of 3 or 6 beats with --beats-per-bar 3" if beats_per_bar == 4 else "",
        ),
        (reasons["cut short"] + reasons["cannot be read as audio"], "get the files again that are damaged or cut short"),
        (reasons["too slow or too fast"], "raise --max-stretch, or leave out what is too slow or too fast"),
        (reasons["licence"], "name the licences of the files in a table (file,licence)"),
        (reasons["shorter than a row"], "use fewer --bars"),
    ]
    count, what = max(choices, key=lambda choice: choice[0])
    if what and count and count * 20 >= report.files:
        return what
    return tables[0] if tables else ""
