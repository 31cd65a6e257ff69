"""The pace of a loop: when to look up from training, what has been learned since, and when time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from loopwright.training.checkpoint import Trainee
from loopwright.training.parallel import ALONE, World


@dataclass(frozen=True)
class Tick:
    """A look up from training."""

    step: int
    steps: int  # of the whole run
    seconds: float  # of training so far
    losses: dict[str, float]  # means since the last tick
    steps_per_s: float  # since the last tick


class Pace:
    """Counts steps: ticks come every so many, at the end, and when time is over or somebody says stop.

    What is done between `tick` and `resume` is not training time.

    Args:
        trainee: whose steps and seconds are counted.
        end: step to stop at.
        every: steps from tick to tick.
        limit_s: stop after so many seconds, looking included; None for no limit.
        stop: asked after each step.
        world: the processes that train together: all stop, or none.
    """

    def __init__(
        self,
        trainee: Trainee,
        *,
        end: int,
        every: int,
        limit_s: float | None = None,
        stop: Callable[[], bool] = lambda: False,
        world: World = ALONE,
    ) -> None:
        self.trainee, self.end, self.every = trainee, end, every
        self.limit_s, self.stop, self.world = limit_s, stop, world
        self.stopped = False
        self._began = time.monotonic()
        self.resume()

    @property
    def done(self) -> bool:
        """Whether training is over."""
        return self.stopped or self.trainee.step >= self.end

    def resume(self) -> None:
        """Begin to count towards the next tick."""
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._steps = 0
        self._since = time.monotonic()

    def count(self, values: Mapping[str, Tensor]) -> bool:
        """Count a step that the trainee has just done, and its scalars; says whether a tick is due."""
        self._steps += 1
        for key, value in values.items():
            self._sums[key] = self._sums.get(key, 0.0) + float(value)
            self._counts[key] = self._counts.get(key, 0) + 1  # not every step need have them all
        stopped = (self.limit_s is not None and time.monotonic() - self._began > self.limit_s) or self.stop()
        if self.world.size > 1:
            stopped = bool(self.world.mean(torch.tensor(float(stopped))) > 0)
        self.stopped = stopped
        return self.done or self.trainee.step % self.every == 0

    def tick(self) -> Tick:
        """What there is to tell; the time since the last tick joins the trainee's."""
        spent = time.monotonic() - self._since
        self.trainee.seconds += spent
        means = torch.tensor([value / self._counts[key] for key, value in self._sums.items()], dtype=torch.float64)
        losses = dict(zip(self._sums, self.world.mean(means).tolist(), strict=True))
        return Tick(self.trainee.step, self.end, self.trainee.seconds, losses, self._steps / spent)
