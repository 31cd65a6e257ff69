"""The queue: fair, bounded, cancellable, and no exception ends its worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from loopwright.errors import InputError
from loopwright.studio.jobs import Cancelled, Event, Job, Jobs, QueueFullError, Work


def wait_for(*jobs: Job) -> None:
    until = time.monotonic() + 10
    while not all(job.finished for job in jobs):
        assert time.monotonic() < until
        time.sleep(0.005)


def pieces(name: str, count: int, order: list[str], gate: threading.Event | None = None) -> Work:
    def work(_: Job) -> Iterator[Event]:
        for _piece in range(count):
            if gate is not None:
                assert gate.wait(10)
            order.append(name)
            yield {"type": "loop", "loop": {}}

    return work


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    queue = Jobs(most=6, most_each=3)
    yield queue
    queue.stop()


def test_clients_take_turns_piece_by_piece(jobs: Jobs) -> None:
    order: list[str] = []
    done = [jobs.submit(name, "k", count, pieces(name, count, order)) for name, count in (("a", 5), ("b", 2), ("c", 1))]
    jobs.start()
    wait_for(*done)
    assert order == ["a", "b", "c", "a", "b", "a", "a", "a"]
    assert [job.done for job in done] == [5, 2, 1]
    assert [event["type"] for event in done[1].events] == ["queued", "loop", "loop", "done"]


def test_a_full_queue_refuses_one_client_or_all_with_a_time_to_wait(jobs: Jobs) -> None:
    for _ in range(3):
        jobs.submit("a", "k", 4, pieces("a", 4, []))
    with pytest.raises(QueueFullError) as mine:
        jobs.submit("a", "k", 1, pieces("a", 1, []))
    assert not mine.value.everyone
    for name in "bcd":
        jobs.submit(name, "k", 1, pieces(name, 1, []))
    with pytest.raises(QueueFullError) as everyone:
        jobs.submit("e", "k", 1, pieces("e", 1, []))
    assert everyone.value.everyone
    assert 1 <= everyone.value.retry_after_s <= 60
    assert jobs.counts() == {"jobs": 6, "clients": 4}


def test_cancelling_stops_after_the_present_piece_and_others_go_on(jobs: Jobs) -> None:
    gate = threading.Event()
    order: list[str] = []
    long = jobs.submit("a", "k", 100, pieces("a", 100, order, gate))
    other = jobs.submit("b", "k", 1, pieces("b", 1, order))
    jobs.start()
    jobs.cancel(long)
    gate.set()
    wait_for(long, other)
    assert (long.state, other.state) == ("cancelled", "done")
    assert order.count("a") <= 1


def test_failures_are_told_and_the_worker_lives(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    def wrong(_: Job) -> Iterator[Event]:
        raise InputError("no model 'x' here.")
        yield {}

    def broken(_: Job) -> Iterator[Event]:
        yield {"type": "note", "text": ""}
        raise ZeroDivisionError

    def left(_: Job) -> Iterator[Event]:
        raise Cancelled
        yield {}

    done = [jobs.submit("a", "k", 1, work) for work in (wrong, broken, left)]
    after = jobs.submit("b", "k", 1, pieces("b", 1, []))
    jobs.start()
    wait_for(*done, after)
    assert [job.state for job in done] == ["failed", "failed", "cancelled"]
    assert done[0].error == "no model 'x' here."
    assert "ZeroDivision" not in done[1].error
    assert "ZeroDivisionError" in caplog.text
    assert after.state == "done"


def test_what_is_remembered_is_bounded() -> None:
    queue = Jobs(remembered=2)
    queue.start()
    made = []
    for _ in range(5):
        made.append(queue.submit("a", "k", 1, pieces("a", 1, [])))
        wait_for(made[-1])
    queue.submit("a", "k", 1, pieces("a", 1, []))
    assert [queue.get(job.id) is not None for job in made] == [False, False, False, True, True]
    queue.stop()


def test_the_estimate_counts_only_what_comes_before_in_turn(jobs: Jobs) -> None:
    jobs.seconds_each = 2.0
    short = jobs.submit("a", "k", 1, pieces("a", 1, []))
    jobs.submit("b", "k", 30, pieces("b", 30, []))
    assert jobs.eta_s(short) == 4.0  # its own piece and one of b's
