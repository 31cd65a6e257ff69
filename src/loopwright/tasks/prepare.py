"""Prepare a folder of loops: find, read, weigh, cut, stretch, level, analyse, write.

The order of the files decides the result; the number of processes, and how often the work was killed and continued, do not.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from loopwright.audio.io import FORMATS
from loopwright.data.fingerprint import DuplicateIndex, fingerprint
from loopwright.data.hints import findings as findings  # given on: the command line asks for them here
from loopwright.data.hints import most_worth as most_worth
from loopwright.data.licences import check_families as check_families
from loopwright.data.prepared_writer import WORK_FOLDER, PreparedWriter
from loopwright.data.report import PrepareReport as PrepareReport
from loopwright.data.report import finished_report, report_line, write_report
from loopwright.data.scan import Passed, find_audio
from loopwright.data.settings import PrepareSettings as PrepareSettings  # given on, too
from loopwright.data.sidecars import FactFinder
from loopwright.data.splits import make_splitter
from loopwright.data.workers import Job, outcomes
from loopwright.errors import InputError
from loopwright.files import locked, write_json
from loopwright.settings_diff import refuse_other_settings

Progress = Callable[[int, int], None]


def _look(folder: Path, limit: int | None) -> tuple[int, str, Passed]:
    """How many audio files there are, a digest of their names, sizes and times, and what was passed over."""
    total, digest, passed = 0, hashlib.sha256(), Passed()
    for found in find_audio(folder, passed):
        if limit is None or total < limit:
            total += 1
            digest.update(f"{found.name}\0{found.size}\0{found.mtime_ns}\n".encode())
    if total == 0:
        others = "".join(f" {line[0].upper()}{line[1:]}." for line in passed.lines())
        raise InputError(f"{folder} holds no audio files ({FORMATS}).{others or ' Give the folder that your loops are in.'}")
    return total, digest.hexdigest(), passed


def _jobs(folder: Path, limit: int | None, finder: FactFinder) -> Iterator[Job]:
    for found in itertools.islice(find_audio(folder), limit):
        yield found, finder.of(found)


def dry_run(
    folder: Path,
    settings: PrepareSettings,
    *,
    limit: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    report: PrepareReport | None = None,
) -> Iterator[dict[str, Any]]:
    """What `prepare` would do with each file, as lines of report.jsonl; nothing is written, duplicates are not sought.

    `report` takes up the numbers, and after the last line what else was found.
    """
    total, _, passed = _look(folder, limit)
    finder = FactFinder(folder)
    found = outcomes(_jobs(folder, limit, finder), settings, _workers(workers, total), dry=True)
    for done, outcome in enumerate(found, 1):
        if progress is not None:
            progress(done, total)
        line = report_line(outcome, [], len(outcome.records))
        if report is not None:
            report.count(line)
        yield line
    if report is not None:
        report.said = [*passed.lines(), *finder.notes()]


def refuse_inside(folder: Path, out: Path) -> None:
    """Raise InputError if the output is the folder of loops or lies in it: the next run would read it as loops."""
    top, target = folder.resolve(), out.resolve()
    same = any(part.exists() and part.samefile(top) for part in (target, *target.parents))
    if target == top or top in target.parents or (top.exists() and same):
        where = "is" if target == top else "lies in"
        raise InputError(
            f"the output {out} {where} the folder of loops: the next run would take it for loops. "
            f"Choose a folder elsewhere, e.g. -o {top.parent / (top.name + '-prepared')}"
        )


def _workers(wanted: int | None, total: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return wanted or min(cores, max(1, total // 16))  # a process costs two seconds to start


def prepare(
    folder: Path,
    out: Path,
    settings: PrepareSettings,
    *,
    limit: int | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> PrepareReport:
    """Prepare the loops under `folder` into the prepared folder `out`.

    A run that was interrupted is continued if folder and settings are the same; a finished one that nothing has changed
    for is left alone.

    Args:
        folder: searched with all its subfolders.
        out: prepared folder to write.
        settings: how.
        limit: take the first files only.
        workers: processes; by default one per core.
        overwrite: replace another data set in `out`.
        progress: called with (files done, files).

    Raises InputError if nothing usable is found or `out` cannot be written, BusyError if another process works on `out`.
    """
    folder, out = Path(folder), Path(out)
    refuse_inside(folder, out)
    total, listing, passed = _look(folder, limit)
    finder = FactFinder(folder)
    plan = {"folder": str(folder.resolve()), "listing": listing, "settings": settings.model_dump(mode="json")}
    with locked(out, "preparing into"):
        same = _same_plan(out, plan, overwrite=overwrite)
        if same and (out / "stats.json").exists():
            return finished_report(out)
        writer = PreparedWriter(out, settings.mel, settings.bars, audio=settings.keep_audio, resume=same)
        write_json(out / WORK_FOLDER / "plan.json", plan)
        index = DuplicateIndex(out / WORK_FOLDER / "duplicates.sqlite") if settings.duplicate < 1 else None
        try:
            jobs = _jobs(folder, limit, finder)
            report = _run(jobs, writer, index, settings, total, _workers(workers, total), progress)
        except BaseException:
            writer.close()
            raise
        finally:
            if index is not None:
                index.close()
        report.said = [*passed.lines(), *finder.notes()]
        if report.rows == 0:
            writer.close()
            name, reason = report.examples[0]
            said = "".join(f" {line}." for line in report.said[:3])
            raise InputError(
                f"nothing usable in {folder}: {total} files, all rejected. The first: {name}: {reason}.{said} "
                f"See all with: loopwright prepare {folder} --dry-run"
            )
        write_report(out, writer)
        splitter = make_splitter(
            (record for entry in writer.journal() for record in entry["records"]),
            test_share=settings.test_share,
            validation_share=settings.validation_share,
            seed=settings.seed,
        )
        found = {"files": report.files, "kept": report.kept, "kinds": dict(report.kinds), "said": report.said}
        writer.finish({**plan, **found}, split_of=splitter)
    return report


def _same_plan(out: Path, plan: dict[str, Any], *, overwrite: bool) -> bool:
    """Whether what is in `out`, finished or not, was made by this very plan. Raises InputError before replacing other data."""
    for name, finished in (("stats.json", True), (f"{WORK_FOLDER}/plan.json", False)):
        try:
            there = json.loads((out / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        had = {key: there.get(key) for key in plan} if isinstance(there, dict) else {}
        if finished and not overwrite:
            instead = "Choose another folder, or replace the data set there with --overwrite."
            before, now = ({"files" if key == "listing" else key: value for key, value in x.items()} for x in (had, plan))
            refuse_other_settings(out, before, now, instead=instead, error=InputError)
        return had == plan
    return False


def _run(
    jobs: Iterator[Job],
    writer: PreparedWriter,
    index: DuplicateIndex | None,
    settings: PrepareSettings,
    total: int,
    workers: int,
    progress: Progress | None,
) -> PrepareReport:
    """Do the files that the journal does not know yet."""
    report = PrepareReport()
    for entry in writer.journal():
        report.count(entry)
    report.continued = report.files
    if index is not None:
        _catch_up(index, writer)
    if progress is not None:
        progress(report.files, total)
    todo = itertools.islice(jobs, report.files, None)
    for outcome in outcomes(todo, settings, workers):
        duplicates: list[tuple[int, int]] = []
        rows = 0
        for i, record in enumerate(outcome.records):
            assert outcome.log_mels is not None
            assert outcome.audio is not None
            twin = index.find(outcome.prints[i], settings.duplicate) if index is not None else None
            if twin is not None:
                duplicates.append((record["bar"], twin[0]))
                continue
            if index is not None:
                index.add(writer.rows, outcome.prints[i])
            writer.add(outcome.log_mels[i], outcome.audio[i], record)
            rows += 1
        line = report_line(outcome, duplicates, rows)
        writer.commit(**line)
        report.count(line)
        if index is not None and report.files % 100 == 0:
            index.commit()
        if progress is not None:
            progress(report.files, total)
    return report


def _catch_up(index: DuplicateIndex, writer: PreparedWriter) -> None:
    """Make the index know exactly the rows of the journal: fingerprints are functions of the rows written."""
    index.forget_from(writer.rows)
    have = len(index)
    for row, log_mel in enumerate(writer.log_mels(have), have):
        if row >= writer.rows:
            break
        index.add(row, fingerprint(log_mel.astype("float32")))
    index.commit()
