"""A bounded queue of jobs and the one thread that does them, a piece at a time and a client at a time.

A job is an iterator: each item is a piece of work done (a loop, say) and becomes an event. After each piece the next client
has its turn, so that one who asks for thirty loops does not keep others from their first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from loopwright.errors import LoopwrightError

log = logging.getLogger("loopwright.studio")
Event = dict[str, Any]
Work = Callable[["Job"], Iterator[Event]]
FINISHED = ("done", "failed", "cancelled")


class QueueFullError(Exception):
    """No room. `everyone`: the whole queue is full, not only this client's share."""

    def __init__(self, retry_after_s: int, *, everyone: bool) -> None:
        super().__init__("the queue is full")
        self.retry_after_s, self.everyone = retry_after_s, everyone


@dataclass
class Job:
    """One wish of one client. Events are numbered by their place in the list, so that a stream can be taken up again."""

    id: str
    client: str
    kind: str
    total: int
    state: str = "queued"
    done: int = 0
    events: list[Event] = field(default_factory=list)
    error: str = ""
    cancelled: threading.Event = field(default_factory=threading.Event)
    waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=list)
    work: Iterator[Event] | None = None

    @property
    def finished(self) -> bool:
        """True when nothing more will come."""
        return self.state in FINISHED


class Jobs:
    """The queue. `start` and `stop` belong to the server's life; all else may be called from any thread.

    Args:
        most: jobs waiting or running, of all clients together.
        most_each: of one client.
        remembered: finished jobs whose events can still be read.
    """

    def __init__(self, *, most: int = 64, most_each: int = 8, remembered: int = 200) -> None:
        self.most, self.most_each, self.remembered = most, most_each, remembered
        self.seconds_each = 1.0  # running mean of a piece's time
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._turns: OrderedDict[str, list[Job]] = OrderedDict()  # client -> unfinished jobs; the first client is next
        self._wake = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the worker."""
        self._thread = threading.Thread(target=self._run, name="loopwright-worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cancel everything, end all streams, stop the worker after its present piece."""
        with self._wake:
            self._stopping = True
            for job in self._jobs.values():
                job.cancelled.set()
                self._tell(job)
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=5)

    @property
    def stopping(self) -> bool:
        """True once `stop` was called."""
        return self._stopping

    def counts(self) -> dict[str, int]:
        """Unfinished jobs and clients that wait for them."""
        with self._wake:
            return {"jobs": sum(map(len, self._turns.values())), "clients": len(self._turns)}

    def submit(self, client: str, kind: str, total: int, work: Work) -> Job:
        """Queue a job. Raises QueueFullError."""
        with self._wake:
            mine = self._turns.get(client, [])
            waiting = sum(map(len, self._turns.values()))
            if waiting >= self.most or len(mine) >= self.most_each:
                left = sum(job.total - job.done for jobs in self._turns.values() for job in jobs)
                retry = max(1, min(60, round(self.seconds_each * left / max(1, waiting))))
                raise QueueFullError(retry, everyone=waiting >= self.most)
            job = Job(secrets.token_hex(8), client, kind, total)
            job.work = work(job)
            self._jobs[job.id] = job
            self._turns.setdefault(client, []).append(job)
            self._emit(job, {"type": "queued"})
            finished = [old for old in self._jobs.values() if old.finished]
            for old in finished[: max(0, len(finished) - self.remembered)]:
                del self._jobs[old.id]
            self._wake.notify()
        return job

    def get(self, job_id: str) -> Job | None:
        """A job by id, or None."""
        with self._wake:
            return self._jobs.get(job_id)

    def cancel(self, job: Job) -> None:
        """Cancel a job: at once if it waits, else after its present piece."""
        with self._wake:
            job.cancelled.set()
            self._wake.notify()

    def eta_s(self, job: Job) -> float:
        """Seconds until a job is done: in turns, each other client's job takes at most as many pieces as this one has left."""
        with self._wake:
            left = max(0, job.total - job.done)
            pieces = sum(min(left, other.total - other.done) for jobs in self._turns.values() for other in jobs)
        return round(self.seconds_each * max(pieces, left), 1)

    def describe(self, job: Job) -> Event:
        """What a client is told of a job."""
        out = {"id": job.id, "kind": job.kind, "state": job.state, "done": job.done, "total": job.total, "error": job.error}
        return out | {"eta_s": 0.0 if job.finished else self.eta_s(job)}

    def _emit(self, job: Job, event: Event) -> None:
        job.events.append({**event, "job": self.describe(job)})
        self._tell(job)

    @staticmethod
    def _tell(job: Job) -> None:
        for loop, flag in job.waiting:
            with contextlib.suppress(RuntimeError):  # the server's loop is gone
                loop.call_soon_threadsafe(flag.set)

    def _next(self) -> Job | None:
        """The job whose turn it is; None when stopping. Waits."""
        with self._wake:
            while not self._turns and not self._stopping:
                self._wake.wait()
            if self._stopping:
                return None
            client, jobs = next(iter(self._turns.items()))
            self._turns.move_to_end(client)
            return jobs[0]

    def _finish(self, job: Job, state: str, error: str = "") -> None:
        with self._wake:
            job.state, job.error = state, error
            job.work = None
            mine = self._turns[job.client]
            mine.remove(job)
            if not mine:
                del self._turns[job.client]
            self._emit(job, {"type": state})

    def _run(self) -> None:
        while (job := self._next()) is not None:
            if job.cancelled.is_set():
                self._finish(job, "cancelled")
                continue
            job.state = "running"
            assert job.work is not None
            started = time.perf_counter()
            try:
                event = next(job.work, None)
            except Cancelled:
                self._finish(job, "cancelled")
            except LoopwrightError as error:
                self._finish(job, "failed", str(error))
            except Exception:
                log.exception("job %s failed", job.id)
                self._finish(job, "failed", "something broke inside loopwright; the terminal says more. Try again.")
            else:
                if event is None:
                    self._finish(job, "cancelled" if job.cancelled.is_set() else "done")
                    continue
                if event.get("type") == "loop":
                    job.done += 1
                    self.seconds_each += 0.2 * (time.perf_counter() - started - self.seconds_each)
                with self._wake:
                    self._emit(job, event)

    def note(self, job: Job, event: Event) -> None:
        """An event from within a piece of work, such as the progress of a long one. Raises Cancelled if the job was."""
        if job.cancelled.is_set():
            raise Cancelled
        with self._wake:
            self._emit(job, event)


class Cancelled(Exception):  # noqa: N818 - not an error
    """Raised inside a job's work to leave it."""
