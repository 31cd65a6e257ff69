"""What became of each file: lines of report.jsonl, and their sums."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopwright.data.prepared_writer import PreparedWriter
from loopwright.data.process import Outcome
from loopwright.errors import InputError
from loopwright.files import atomic_path

REPORT_FILE = "report.jsonl"


@dataclass
class PrepareReport:
    """What a preparation did, in numbers that do not grow with the data. Each file's story is in the folder's report.jsonl."""

    files: int = 0
    kept: int = 0
    rows: int = 0
    duplicates: int = 0  # rows left out because an earlier one is the same
    reasons: Counter[str] = field(default_factory=Counter)  # kinds of rejection
    examples: list[tuple[str, str]] = field(default_factory=list)  # the first rejected files
    continued: int = 0  # files that an earlier, interrupted run had done
    up_to_date: bool = False  # nothing had changed, nothing was done
    said: list[str] = field(default_factory=list)  # what else lies in the folder and was not used, a line each
    kinds: Counter[str] = field(default_factory=Counter)  # of the files kept
    keys: Counter[str] = field(default_factory=Counter)
    tempi: Counter[int] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)  # kinds of notes on files kept
    tunings: list[float] = field(default_factory=lambda: [0, 0, 0.0])  # files with a clear one, of those off, furthest off

    def count(self, line: dict[str, Any]) -> None:
        """Take a file's line of the report into the numbers."""
        self.files += 1
        self.duplicates += len(line["duplicates"])
        if line["reason"]:
            self.reasons[kind_of(line["reason"])] += 1
            if len(self.examples) < 20:
                self.examples.append((line["file"], line["reason"]))
            return
        self.kept += 1
        self.rows += line["rows"]
        self.kinds[line.get("kind") or "other"] += 1
        self.tempi[round(line["bpm"])] += 1
        if line.get("key"):
            self.keys[line["key"]] += 1
        for kind in {note_kind(note) for note in (*line["notes"], *line["evidence"])}:
            self.noted[kind] += bool(kind)
        cents = line.get("tuning_cents")
        if cents is not None:
            self.tunings[0] += 1
            self.tunings[1] += abs(cents) >= 5
            self.tunings[2] = max(self.tunings[2], cents, key=abs)


WALTZ = "another metre"
SURROUNDED, TURNED, NAMED = "silence", "octave", "name"


def note_kind(note: str) -> str:
    """What a note is about, where it is counted; "" for others."""
    for pattern, kind in (
        (r"ms of silence, cut off", SURROUNDED),
        (r"an octave turned", TURNED),
        (r"says [\d.]+ BPM, (the audio|the length)", NAMED),
    ):
        if re.search(pattern, note):
            return kind
    return ""


def kind_of(reason: str) -> str:
    """A reason without the file's own particulars, to count by."""
    for pattern, kind in (
        (r".*no regular file.*", "no regular file"),
        (r".*waltz.*|has \d+ beats a bar.*", WALTZ),
        (r".*is cut short.*", "cut short"),
        (r"cannot read .*|cannot be used .*|no file .*", "cannot be read as audio"),
        (r".*holds (NaN|no samples).*", "NaN, infinite or no samples"),
        (r".*s long, the limit.*", "too long"),
        (r"too short.*", "too short"),
        (r"silent.*", "silent"),
        (r"tempo not sure.*|no tempo.*", "tempo not sure"),
        (r"shorter than.*", "shorter than a row"),
        (r".*have to be stretched.*", "too slow or too fast"),
        (r".*one-shot.*", "one-shot"),
        (r".*licence.*", "licence"),
        (r".*same as.*", "duplicate"),
    ):
        if re.fullmatch(pattern, reason, re.DOTALL):
            return kind
    return reason if len(reason) < 60 else reason[:57] + "..."


def report_line(outcome: Outcome, duplicates: list[tuple[int, int]], rows: int) -> dict[str, Any]:
    """The line of one file."""
    reason = outcome.reason
    if not reason and not rows:
        reason = "all bars are nearly the same as earlier ones" if duplicates else "no bars"
    return {
        "file": outcome.name,
        "rows": rows,
        "reason": reason,
        "bpm": round(outcome.bpm, 3),
        "beats": outcome.beats,
        "confidence": outcome.confidence,
        "evidence": list(outcome.evidence),
        "notes": outcome.notes,
        "kind": outcome.kind,
        "key": outcome.key,
        "tuning_cents": outcome.tuning_cents,
        "duplicates": duplicates,  # (bar, row it is the same as)
    }


def write_report(out: Path, writer: PreparedWriter) -> None:
    """report.jsonl from the journal, with the files that near-duplicates are the same as: two passes, memory as duplicates."""
    wanted = {row for entry in writer.journal() for _, row in entry["duplicates"]}
    names: dict[int, str] = {}
    first = 0
    for entry in writer.journal():
        names |= {row: entry["file"] for row in range(first, first + entry["rows"]) if row in wanted}
        first += entry["rows"]
    with atomic_path(out / REPORT_FILE) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as lines:
        for entry in writer.journal():
            entry.pop("records")
            entry["duplicates"] = [{"bar": bar, "row": row, "file": names[row]} for bar, row in entry["duplicates"]]
            lines.write(json.dumps(entry, ensure_ascii=False) + "\n")


def read_report(out: Path) -> Iterator[dict[str, Any]]:
    """Lines of a prepared folder's report. Raises InputError if there is none."""
    path = Path(out) / REPORT_FILE
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                yield json.loads(line)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path} ({error}). Was {out} made by `loopwright prepare`?") from error


def finished_report(out: Path) -> PrepareReport:
    """Numbers of a folder that is whole and up to date."""
    report = PrepareReport()
    for line in read_report(out):
        report.count(line)
    try:
        said = json.loads((Path(out) / "stats.json").read_text(encoding="utf-8")).get("said", [])
    except (OSError, ValueError):
        said = []
    return dataclasses.replace(report, continued=report.files, up_to_date=True, said=[str(line) for line in said])
