"""Files over processes: outcomes in the order of the jobs, whatever becomes of a worker."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor

from loopwright.data.facts import Facts
from loopwright.data.process import Outcome, process_file
from loopwright.data.scan import FoundFile
from loopwright.data.settings import PrepareSettings

Job = tuple[FoundFile, Facts]
Work = Callable[[FoundFile, Facts, PrepareSettings, bool], Outcome]


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
