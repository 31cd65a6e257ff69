"""Ticks fall where they should, tell the means since the last, and leave out what is done meanwhile; time ends a loop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from loopwright.training import pace
from loopwright.training.checkpoint import Trainee
from loopwright.training.pace import Pace, Tick


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    return now


def ticks(it: Pace, clock: list[float], *, looking_s: float = 0.0) -> Iterator[Tick]:
    """A loop whose steps take a second each; `a` is the step's number, `b` is there at every third only."""
    while not it.done:
        it.trainee.step += 1
        clock[0] += 1.0
        values = {"a": torch.tensor(float(it.trainee.step))}
        if it.count(values | ({"b": torch.tensor(6.0)} if it.trainee.step % 3 == 0 else {})):
            tick = it.tick()
            clock[0] += looking_s
            yield tick
            it.resume()


def test_ticks_come_every_so_often_and_at_the_end_with_the_means_between(clock: list[float]) -> None:
    found = list(ticks(Pace(Trainee({}, {}), end=7, every=3), clock, looking_s=50.0))
    assert [tick.step for tick in found] == [3, 6, 7]
    assert [tick.losses for tick in found] == [{"a": 2.0, "b": 6.0}, {"a": 5.0, "b": 6.0}, {"a": 7.0}]
    assert [tick.seconds for tick in found] == [3.0, 6.0, 7.0]  # looking is no training
    assert [tick.steps_per_s for tick in found] == [1.0, 1.0, 1.0]


def test_a_run_that_goes_on_ticks_at_the_same_steps(clock: list[float]) -> None:
    found = list(ticks(Pace(Trainee({}, {}, step=2, seconds=9.0), end=6, every=3), clock))
    assert [(tick.step, tick.steps, tick.seconds) for tick in found] == [(3, 6, 10.0), (6, 6, 13.0)]
    assert not list(ticks(Pace(Trainee({}, {}, step=6), end=6, every=3), clock))


def test_time_ends_it_with_a_tick_and_counts_looking(clock: list[float]) -> None:
    found = list(ticks(Pace(Trainee({}, {}), end=99, every=3, limit_s=10.5), clock, looking_s=5.0))
    assert [tick.step for tick in found] == [3, 6]  # 8 s after the first look, 16 s after the second ...
    found = list(ticks(Pace(Trainee({}, {}), end=99, every=50, limit_s=10.5), clock))
    assert [tick.step for tick in found] == [11]


def test_somebody_may_say_stop(clock: list[float]) -> None:
    trainee = Trainee({}, {})
    found = list(ticks(Pace(trainee, end=99, every=50, stop=lambda: trainee.step == 4), clock))
    assert [tick.step for tick in found] == [4]
