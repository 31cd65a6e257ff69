"""Fill the tables and numbers of the pages from the committed records in docs/results.

    python scripts/results_page.py                    # write the pages
    python scripts/results_page.py --check            # name the pages that differ from the records; exit 1 if any does

Records are made by scripts/record_result.py. In a page, what stands between `<!-- table: KIND NAME -->` and `<!-- end -->`
is a table, and between `<!--= PATH -->` and `<!--/-->` a number: RECORD/ROW/MEASURE[/JUDGE]/DECIMALS, or
speed/STUDY/ROW/JUDGE. ROW: test, training, vocoded, generated or reference; DECIMALS ending in i: with its interval.
Records: records/*.json, and runs/*.json of each study, whose own page study.md is written, too.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loopwright.files import write_text
from loopwright.measuring.columns import BY_JUDGE, LOOP_DISTANCES, MUSIC_NOTES, MUSIC_SOUND, Column
from loopwright.measuring.panel import panel_page
from loopwright.measuring.report import ARROWS, NOTHING, TAUGHT, cell, markdown_table, taught, taught_note
from loopwright.measuring.results import Estimate, Evaluation
from loopwright.study.config import load_study
from loopwright.study.record import read_record
from loopwright.study.report import to_markdown
from loopwright.study.results import Curve, StudyResult, Summary, study_result

REPO = Path(__file__).resolve().parents[1]
RESULTS = REPO / "docs" / "results"
RECORDS = RESULTS / "records"
STUDIES = json.loads((RECORDS / "studies.json").read_text(encoding="utf-8"))
HELD_OUT = json.loads((RECORDS / "paper-cpu-test.json").read_text(encoding="utf-8"))
SHORT = ("KAD", "recall", "coverage")
HOW = ("command", "commit", "machine")
KINDS = {"test": "real", "training": "training", "vocoded": "vocoded", "generated": "generated"}
AGAINST = {"test": "test against test", "training": "training bars", "vocoded": "vocoded test bars", "generated": "generated"}
SHOWN = ("kad", "fad", "precision", "recall", "density", "coverage", "pairs", "is", "is10")
TABLE = re.compile(r"(<!-- table: ([\w -]+) -->\n).*?(<!-- end -->)", re.S)
VALUE = re.compile(r"(<!--= ([\w/.*-]+) -->)[^<]*(<!--/-->)")


@dataclass(frozen=True)
class Record:
    """An evaluation and how it came about."""

    name: str
    command: str
    commit: str
    data: str
    machine: str
    date: str
    evaluation: Evaluation

    @classmethod
    def read(cls, name: str) -> Record:
        values = json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
        return cls(**values | {"evaluation": Evaluation.model_validate(values["evaluation"])})

    def of(self, row: str, key: str) -> Estimate | None:
        if row != "reference":
            return self.evaluation.values_of(KINDS[row]).get(key)
        section, _, name = key.partition("/")
        own = {"music": self.evaluation.reference_music, "loops": self.evaluation.reference_loops}[section] or {}
        return Estimate(value=own[name]) if name in own else None


def evaluations() -> list[str]:
    """Names of the records that are evaluations."""
    return sorted(path.stem for path in RECORDS.glob("*.json") if '"evaluation":' in path.read_text(encoding="utf-8"))


def study_of(name: str) -> StudyResult:
    """What follows from the recorded runs of a study."""
    study = load_study(name)
    runs = [
        read_record(RESULTS / name, number, row, seed) or Curve(number, row.label, row.name, seed)
        for number, row in enumerate(study.row)
        for seed in study.seeds
    ]
    return study_result(study, Path(STUDIES[name]["prepared"]), runs)


def judges_table(name: str) -> str:
    """A line for each judge and row: all that judges measure."""
    record = Record.read(name)
    found = record.evaluation
    keys = [key for key in SHOWN if any(f"{key}/{j.name}" in row.values for row in found.rows for j in found.judges)]
    lines, flattered = [], []
    for judge in found.judges:
        by_teacher = taught(judge.name, found.fake.taught_by or ())
        flattered += [judge.name] if by_teacher else []
        for row in KINDS:
            if found.values_of(KINDS[row]):
                sign = f" {TAUGHT}" if by_teacher and row == "generated" else ""
                values = [cell(record.of(row, f"{key}/{judge.name}"), 2) for key in keys]
                lines.append([judge.name, AGAINST[row] + sign, *values])
    titles = [f"{BY_JUDGE[key].title} {ARROWS.get(BY_JUDGE[key].better, '')}".strip() for key in keys]
    note = taught_note(flattered)
    return markdown_table(["judge", "row", *titles], lines, left=2) + (f"\n{note}" if note else "")


def measures_table(name: str, columns: dict[str, Column], section: str, *, reference: bool) -> str:
    """A line for each measure, a column for each row."""
    record = Record.read(name)
    rows = [row for row in ("reference", *KINDS) if reference or row != "reference"]
    rows = [row for row in rows if any(record.of(row, f"{section}/{key}") for key in columns)]
    lines = []
    for key, column in columns.items():
        cells = [cell(record.of(row, f"{section}/{key}"), column.decimals) for row in rows]
        if set(cells) != {NOTHING}:
            lines.append([column.title, *cells])
    return markdown_table(["", *(AGAINST.get(row, row) for row in rows)], lines)


def music_table(name: str) -> str:
    return measures_table(name, MUSIC_NOTES | MUSIC_SOUND, "music", reference=True)


def loops_table(name: str) -> str:
    return measures_table(name, LOOP_DISTANCES, "loops", reference=False)


def short_table(name: str) -> str:
    """A line for each judge: nearness and variety of generated loops, of vocoded bars and of the other half."""
    record = Record.read(name)
    rows = ("generated", "vocoded", "test")
    lines, flattered = [], []
    for judge in record.evaluation.judges:
        by_teacher = taught(judge.name, record.evaluation.fake.taught_by or ())
        flattered += [judge.name] if by_teacher else []
        cells = [cell(record.of(r, f"{key}/{judge.name}"), 2) for key in ("kad", "recall", "coverage") for r in rows]
        lines.append([judge.name + (f" {TAUGHT}" if by_teacher else ""), *cells])
    head = [f"{title}, {AGAINST[r]}" if r != "generated" else f"**{title}, generated**" for title in SHORT for r in rows]
    note = taught_note(flattered)
    return markdown_table(["judge", *head], lines) + (f"\n{note}" if note else "")


def checks_table(_: str) -> str:
    """Every bundled model's checks of many loops."""
    lines = []
    for path in sorted(RECORDS.glob("check-*.json")):
        kept = json.loads(path.read_text(encoding="utf-8"))
        check = kept["check"]
        made = f"{check['model']}, {check['count']} loops, {check['tempos']} tempos"
        for what, got, wanted, fine in check["rows"]:
            lines.append([made, what, got, wanted, "pass" if fine else "**FAIL**", f"`{kept['command']}`", kept["commit"]])
    return markdown_table(["model", "check", "measured", "wanted", "", "command", "commit"], lines, left=7)


def sets_table(name: str) -> str:
    """How many loops, sources and kits each row has."""
    found = Record.read(name).evaluation
    lines = []
    for row, facts in [("reference", found.reference), *((row.row, row.set) for row in found.rows)]:
        drawn = "whole sources" if facts.drawn == "sources" else "single loops"
        lines.append([row, str(facts.loops), str(facts.sources or NOTHING), str(facts.kits or NOTHING), drawn])
    return markdown_table(["", "loops", "sources", "kits", "intervals draw"], lines)


def kits_table(name: str) -> str:
    """KAD from kit to kit: smallest / median / largest."""
    kits = Record.read(name).evaluation.kits
    assert kits is not None
    keys = list(next(iter(kits.values.values())))
    lines = []
    for row, values in kits.values.items():
        lines.append([row, *(f"{x.min:z.1f} / {x.median:z.1f} / {x.max:z.1f}" for x in values.values())])
    generated = kits.values["generated"].values()
    lines.append(["generated: nearest, furthest", *(f"{x.nearest}, {x.furthest}" for x in generated)])
    return markdown_table([f"{kits.kits} {kits.by}s", *(f"KAD {key.split('/')[1]}" for key in keys)], lines)


def how_table(_: str) -> str:
    """How each record came about."""
    lines = []
    for name in evaluations():
        r = Record.read(name)
        e = r.evaluation
        what = f"{e.fake.label} ({(e.fake.checksum or '')[:12]}), vocoder {e.fake.vocoder}"
        brackets = f"{e.interval.level:.0%}, {e.interval.method}, {e.interval.repeats} draws"
        facts = [what, r.data, str(e.n), str(e.seed), brackets]
        lines.append([f"records/{name}.json", *facts, r.command, r.commit, f"{r.machine}; {r.date}"])
    facts = ["rows of the study, last averages", HELD_OUT["data"], str(HELD_OUT["n"]), "0, 1", "range over seeds"]
    lines.append(["records/paper-cpu-test.json", *facts, *(HELD_OUT[key] for key in HOW)])
    for name, kept in STUDIES.items():
        study = load_study(name)
        seeds = ", ".join(map(str, study.seeds))
        facts = ["every row", kept["data"], str(study.set["train"]["eval_n"]), seeds, "range over seeds"]
        lines.append([f"{name}/study.md", *facts, *(kept[key] for key in HOW)])
    lines = [[f"[{line[0]}](results/{line[0]})", *line[1:6], f"`{line[6]}`", *line[7:]] for line in lines]
    head = ["record", "what", "data", "N a row", "seeds", "brackets", *HOW]
    return markdown_table(head, lines, left=len(head))


def whole_rows(result: StudyResult) -> list[Summary]:
    """Rows that went the whole way."""
    early = {row["label"] for row in result.study["row"] if row["until_kimg"]}
    return [row for row in result.rows if row.label not in early and row.kimg]


def study_table(name: str) -> str:
    """A study's rows at the end of the run: KAD and coverage by each judge."""
    result = study_of(name)
    columns = [(key, judge) for judge in result.judges for key in ("kad", "coverage")]
    rows = whole_rows(result)
    lines = [["", "training bars", "", *(cell(rows[0].real.get(f"{a}/{b}"), 2, single=True) for a, b in columns), ""]]
    flattered: set[str] = set()
    for row in rows:
        cells = []
        for key, judge in columns:
            mark = f" {TAUGHT}" if taught(judge, row.taught_by) else ""
            flattered |= {judge} if mark else set()
            cells.append(cell(row.last.get(f"{key}/{judge}"), 2, single=True) + mark)
        fails = "; ".join(sorted(set(row.unfit.values())))
        lines.append([row.label, row.title, str(len(row.seeds)), *cells, fails])
    head = ["row", "looks through", "seeds", *(f"{'KAD' if a == 'kad' else a} {b}" for a, b in columns), "fails"]
    return markdown_table(head, lines, left=2) + f"\n{taught_note(sorted(flattered))}"


def speed_table(name: str) -> str:
    """The speed-ups as the study's own page gives them."""
    page = to_markdown(study_of(name))
    lines = page.split("\n## How much sooner")[1].split("\n## ")[0].split("\nCurves: ")[0].splitlines()[2:]
    return "\n".join(lines).strip() + "\n"


def panel_table(name: str) -> str:
    """Ranks by families of judges: of a study's whole rows at the end of the run, or of an evaluation's rows."""
    if name not in STUDIES:
        found = Record.read(name).evaluation
        return panel_page({row.row: row.values for row in found.rows}, {"generated": found.fake.taught_by or ()})
    rows = whole_rows(study_of(name))
    return panel_page({row.label: row.last for row in rows}, {row.label: row.taught_by for row in rows})


def heldout_table(_: str) -> str:
    """The rows of the study on the test split as it was: values alone, over seeds their range."""
    runs = HELD_OUT["runs"]
    taught_by = {row.label: row.taught_by for row in study_of("paper-cpu").rows}
    rows: dict[str, list[dict[str, float]]] = {}
    for run, values in runs.items():
        label = re.sub(r"p$", "*", run.removesuffix("-seed0").removesuffix("-seed1"))
        rows.setdefault(label if label in taught_by else "training bars", []).append(values)
    keys = [key for key in next(iter(runs.values())) if key.split("/")[0] in ("kad", "coverage")]
    lines = []
    for label, seeds in rows.items():
        cells = []
        for key in keys:
            some = [one[key] for one in seeds]
            mark = f" {TAUGHT}" if taught(key.split("/")[1], taught_by.get(label, ())) else ""
            cells.append(cell(Estimate(value=sum(some) / len(some), low=min(some), high=max(some)), 2, single=True) + mark)
        lines.append([label, str(len(seeds)) if label in taught_by else "", *cells])
    head = [f"{'KAD' if key.startswith('kad') else 'coverage'} {key.split('/')[1]}" for key in keys]
    return markdown_table(["row", "seeds", *head], lines)


TABLES: dict[str, Callable[[str], str]] = {
    "judges": judges_table,
    "music": music_table,
    "loops": loops_table,
    "short": short_table,
    "checks": checks_table,
    "sets": sets_table,
    "kits": kits_table,
    "how": how_table,
    "study": study_table,
    "speed": speed_table,
    "panel": panel_table,
    "heldout": heldout_table,
}


def speed_of(study: str, label: str, judge: str) -> str:
    """A cell of the table of speed-ups; judge "others": all that did not teach the row."""
    lines = [[c.strip() for c in line.strip("|").split("|")] for line in speed_table(study).splitlines() if "|" in line]
    column = lines[0].index(f"images, {'all others' if judge == 'others' else judge}")
    return next(line[column] for line in lines if line[0] == label).removesuffix(f" {TAUGHT}")


def number(path: str) -> str:
    """The number at a path, as it stands in the text."""
    first, *rest = path.split("/")
    if first == "speed":
        return speed_of(*rest)
    row, *key, decimals = rest
    found = Record.read(first).of(row, "/".join(key))
    if found is None:
        raise SystemExit(f"no such number in the records: {path}")
    return cell(found, int(decimals.rstrip("i")), error=decimals.endswith("i"))


def filled(text: str) -> str:
    """A page with its tables and numbers as the records have them."""

    def table(match: re.Match[str]) -> str:
        kind, _, name = match[2].partition(" ")
        return f"{match[1]}{TABLES[kind](name)}{match[3]}"

    return VALUE.sub(lambda m: f"{m[1]}{number(m[2])}{m[3]}", TABLE.sub(table, text))


def pages() -> dict[Path, str]:
    """Every page that records fill, as it ought to be."""
    out = {RESULTS / name / "study.md": to_markdown(study_of(name)) for name in STUDIES}
    for path in [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        if TABLE.search(text) or VALUE.search(text):
            out[path] = filled(text)
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    different = [path for path, text in pages().items() if path.read_text(encoding="utf-8") != text]
    for path in different:
        print(path.relative_to(REPO))
    if args.check:
        return 1 if different else 0
    for path, text in pages().items():
        write_text(path, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
