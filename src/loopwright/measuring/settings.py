"""What an evaluation measures, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loopwright.errors import InputError

Progress = Callable[[str, int, int], None]  # (what, done, total)

METRICS = ("fad", "fad_inf", "kad", "precision", "recall", "density", "coverage", "is", "ndb", "jsd", "loops", "novelty")


@dataclass(frozen=True)
class Settings:
    """What to measure, and how. `check` raises InputError for what cannot be."""

    judges: tuple[str, ...] = ("yamnet", "musicnn")
    metrics: tuple[str, ...] = METRICS
    n: int | None = None  # loops on each side; None: as many as all sides have
    k: int = 5
    seed: int = 0
    repeats: int = 100  # half-samples for an interval
    bins: int = 100  # cells of NDB
    split: str | None = None  # reference split of the real side; None: test (with validation if small), or a random half
    vocoder: str = "auto"
    truncation: float = 1.0
    pictures: bool = True  # draw evaluation.png and neighbours.png

    @property
    def fewest(self) -> int:
        """Loops that a row needs: half of them must still have `k` neighbours."""
        return 2 * (self.k + 1)

    def check(self) -> None:
        """Raise InputError for unknown metrics, numbers that are too small, and judges that are missing or named twice."""
        unknown = [name for name in self.metrics if name not in METRICS]
        if unknown or not self.metrics:
            raise InputError(f"no metric {', '.join(unknown) or 'given'}. Known: {', '.join(METRICS)}.")
        if self.k < 1 or self.repeats < 2 or self.bins < 2:
            raise InputError("k must be 1 or above, repeats and bins 2 or above.")
        if not self.judges or len(set(self.judges)) < len(self.judges):
            raise InputError("no judge given, or one twice. Pass --judge yamnet,musicnn or others.")


def no_progress(what: str, done: int, total: int) -> None:
    """Nobody is watching."""
