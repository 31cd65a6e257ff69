"""Prepare a folder of loops: find, read, judge, cut, stretch, level, analyse, write.

The order of the files decides the result; the number of processes, and how often the work was killed and continued, do not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import multiprocessing
import os
import re
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopwright.data.facts import Facts
from loopwright.data.fingerprint import DuplicateIndex, fingerprint
from loopwright.data.licences import check_families as check_families
from loopwright.data.prepared import WORK_FOLDER, PreparedWriter
from loopwright.data.scan import FoundFile, find_audio
from loopwright.data.settings import PrepareSettings as PrepareSettings  # given on: the command line asks for it here
from loopwright.data.sidecars import FactFinder
from loopwright.data.splits import make_splitter
from loopwright.data.work import Outcome, process_file
from loopwright.errors import InputError
from loopwright.files import atomic_path, locked, write_json
from loopwright.settings_diff import refuse_other_settings

REPORT_FILE = "report.jsonl"
Progress = Callable[[int, int], None]
Job = tuple[FoundFile, Facts]
Work = Callable[[FoundFile, Facts, PrepareSettings, bool], Outcome]


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

    def count(self, line: dict[str, Any]) -> None:
        """Take a file's line of the report into the numbers."""
        self.files += 1
        self.duplicates += len(line["duplicates"])
        if line["reason"]:
            self.reasons[kind_of(line["reason"])] += 1
            if len(self.examples) < 20:
                self.examples.append((line["file"], line["reason"]))
        else:
            self.kept += 1
            self.rows += line["rows"]


def kind_of(reason: str) -> str:
    """A reason without the file's own particulars, to count by."""
    for pattern, kind in (
        (r"cannot read .*|no file .*", "cannot be read as audio"),
        (r".*is cut short.*", "cut short"),
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


def _work(found: FoundFile, facts: Facts, settings: PrepareSettings, dry: bool) -> Outcome:
    return process_file(found, facts, settings, dry=dry)


def _start_worker() -> None:  # pragma: no cover  (runs in the workers)
    """Leave the machine usable, leave Ctrl-C to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice") and os.nice(0) < 5:
        os.nice(5)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _pool(workers: int) -> ProcessPoolExecutor:
    # spawn: a fork would copy torch's and libsndfile's locks in whatever state they are
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)


def outcomes(
    jobs: Iterable[Job], settings: PrepareSettings, workers: int, *, dry: bool = False, work: Work = _work
) -> Iterator[Outcome]:
    """Outcomes in the order of the jobs, a few files per worker in flight. A file that kills its worker is rejected."""
    if workers <= 1:
        for found, facts in jobs:
            yield work(found, facts, settings, dry)
        return
    pool = _pool(workers)
    pending: deque[tuple[Job, Future[Outcome]]] = deque()

    def submit(job: Job) -> None:
        pending.append((job, pool.submit(work, *job, settings, dry)))

    try:
        jobs = iter(jobs)
        for job in itertools.islice(jobs, 6 * workers):
            submit(job)
        while pending:
            job, future = pending.popleft()
            try:
                outcome = future.result()
            except BrokenExecutor:
                pool.shutdown(wait=False, cancel_futures=True)
                outcome = _alone(job, settings, dry, work)
                pool = _pool(workers)
                again = [waiting for waiting, _ in pending]
                pending.clear()
                for waiting in again:
                    submit(waiting)
            for nxt in itertools.islice(jobs, 1):
                submit(nxt)
            yield outcome
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _alone(job: Job, settings: PrepareSettings, dry: bool, work: Work) -> Outcome:
    """Do one file in a process of its own: was it the one that killed the pool?"""
    with _pool(1) as pool:
        try:
            return pool.submit(work, *job, settings, dry).result()
        except BrokenExecutor:
            return Outcome(job[0].name, reason="crashed the program that reads it")


def _look(folder: Path, limit: int | None) -> tuple[int, str]:
    """How many audio files there are, and a digest of their names, sizes and times."""
    total, digest = 0, hashlib.sha256()
    for found in itertools.islice(find_audio(folder), limit):
        total += 1
        digest.update(f"{found.name}\0{found.size}\0{found.mtime_ns}\n".encode())
    if total == 0:
        raise InputError(
            f"{folder} holds no audio files (WAV, FLAC, AIFF, OGG or MP3). Give the folder that your loops are in."
        )
    return total, digest.hexdigest()


def _jobs(folder: Path, limit: int | None, settings: PrepareSettings) -> Iterator[Job]:
    facts = FactFinder(folder, settings)
    for found in itertools.islice(find_audio(folder), limit):
        yield found, facts.of(found)


def _line(outcome: Outcome, duplicates: list[tuple[int, int]], rows: int) -> dict[str, Any]:
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
        "duplicates": duplicates,  # (bar, row it is the same as)
    }


def judge(
    folder: Path,
    settings: PrepareSettings,
    *,
    limit: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Iterator[dict[str, Any]]:
    """What `prepare` would do with each file, as lines of report.jsonl; nothing is written, duplicates are not sought."""
    total, _ = _look(folder, limit)
    found = outcomes(_jobs(folder, limit, settings), settings, _workers(workers, total), dry=True)
    for done, outcome in enumerate(found, 1):
        if progress is not None:
            progress(done, total)
        yield _line(outcome, [], len(outcome.records))


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
    total, listing = _look(folder, limit)
    plan = {"folder": str(folder.resolve()), "listing": listing, "settings": settings.model_dump(mode="json")}
    with locked(out, "preparing into"):
        same = _same_plan(out, plan, overwrite=overwrite)
        if same and (out / "stats.json").exists():
            return _finished_report(out)
        writer = PreparedWriter(out, settings.mel, settings.bars, audio=settings.keep_audio, resume=same)
        write_json(out / WORK_FOLDER / "plan.json", plan)
        index = DuplicateIndex(out / WORK_FOLDER / "duplicates.sqlite") if settings.duplicate < 1 else None
        try:
            report = _run(folder, writer, index, settings, limit, total, _workers(workers, total), progress)
        except BaseException:
            writer.close()
            raise
        finally:
            if index is not None:
                index.close()
        if report.rows == 0:
            writer.close()
            name, reason = report.examples[0]
            raise InputError(
                f"nothing usable in {folder}: {total} files, all rejected. The first: {name}: {reason}. "
                f"See all with: loopwright prepare {folder} -o {out} --dry-run"
            )
        _write_report(out, writer)
        splitter = make_splitter(
            (record for entry in writer.journal() for record in entry["records"]),
            test_share=settings.test_share,
            validation_share=settings.validation_share,
            seed=settings.seed,
        )
        writer.finish({**plan, "files": report.files, "kept": report.kept}, split_of=splitter)
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
    folder: Path,
    writer: PreparedWriter,
    index: DuplicateIndex | None,
    settings: PrepareSettings,
    limit: int | None,
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
    todo = itertools.islice(_jobs(folder, limit, settings), report.files, None)
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
        line = _line(outcome, duplicates, rows)
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


def _write_report(out: Path, writer: PreparedWriter) -> None:
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


def _finished_report(out: Path) -> PrepareReport:
    report = PrepareReport()
    for line in read_report(out):
        report.count(line)
    return dataclasses.replace(report, continued=report.files, up_to_date=True)
