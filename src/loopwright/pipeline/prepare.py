"""Prepare a folder of loops: find, read, cut, stretch, level, analyse, write."""

from __future__ import annotations

import hashlib
import itertools
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from loopwright.data.facts import CORPUS_TABLE, Facts, read_table
from loopwright.data.prepared import PreparedWriter
from loopwright.data.scan import FoundFile, find_audio
from loopwright.data.settings import PrepareSettings
from loopwright.data.work import Outcome, process_file
from loopwright.errors import InputError

Progress = Callable[[int, int], None]


@dataclass
class PrepareReport:
    """What a preparation did."""

    files: int = 0
    rows: int = 0
    rejected: list[tuple[str, str]] = field(default_factory=list)


def _jobs(folder: Path, limit: int | None) -> Iterator[tuple[FoundFile, Facts]]:
    table_path = folder / CORPUS_TABLE
    table = read_table(table_path) if table_path.is_file() else {}
    for found in itertools.islice(find_audio(folder), limit):
        yield found, table.get(found.name, Facts())


def _outcomes(jobs: Iterator[tuple[FoundFile, Facts]], settings: PrepareSettings, workers: int) -> Iterator[Outcome]:
    """Outcomes in the order of the jobs, whatever the number of workers. At most a few files per worker are in flight."""
    if workers <= 1:
        for found, facts in jobs:
            yield process_file(found, facts, settings)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_be_nice) as pool:
        pending: deque[Future[Outcome]] = deque()
        for found, facts in jobs:
            pending.append(pool.submit(process_file, found, facts, settings))
            if len(pending) >= 8 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _be_nice() -> None:
    if os.nice(0) < 10:
        os.nice(10 - os.nice(0))


def _split_of(source: str, settings: PrepareSettings) -> str:
    draw = int.from_bytes(hashlib.sha256(f"{settings.seed}:{source}".encode()).digest()[:8], "big") / 2**64
    if draw < settings.test_share:
        return "test"
    return "validation" if draw < settings.test_share + settings.validation_share else "train"


def prepare(
    folder: Path,
    out: Path,
    settings: PrepareSettings,
    *,
    limit: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> PrepareReport:
    """Prepare the loops under `folder` into the prepared folder `out`.

    Raises InputError if nothing usable is found or `out` cannot be written.
    """
    report = PrepareReport()
    total = sum(1 for _ in itertools.islice(find_audio(folder), limit))
    if total == 0:
        raise InputError(f"{folder} holds no audio files (WAV, FLAC, AIFF, OGG, MP3).")
    workers = min(workers or os.cpu_count() or 1, max(1, total // 8))
    writer = PreparedWriter(out, settings.mel, settings.bars, audio=settings.keep_audio)
    for outcome in _outcomes(_jobs(folder, limit), settings, workers):
        report.files += 1
        if outcome.reason:
            report.rejected.append((outcome.name, outcome.reason))
        for i, record in enumerate(outcome.records):
            assert outcome.log_mels is not None
            assert outcome.audio is not None
            record["split"] = record["split"] or _split_of(record["source"], settings)
            writer.add(outcome.log_mels[i], outcome.audio[i], record)
            report.rows += 1
        if progress is not None:
            progress(report.files, total)
    if report.rows == 0:
        name, reason = report.rejected[0]
        raise InputError(f"nothing usable in {folder}: {total} files, all rejected. The first, {name}: {reason}.")
    writer.finish({"settings": settings.model_dump(mode="json")})
    return report
