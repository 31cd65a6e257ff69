"""What an evaluation measures, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loopwright.errors import InputError

Progress = Callable[[str, int, int], None]  # (what, done, total)

METRICS = (
    "fad", "fad_inf", "kad", "precision", "recall", "density", "coverage", "pairs", "is", "ndb", "jsd", "loops", "music",
    "novelty",
)  # fmt: skip
NO_JUDGE = "none"
LEADING_N = 1000  # loops a side for finished models, where there are as many
LOCKED = "locked"  # the split that nothing looks at unless asked for by name


@dataclass(frozen=True)
class Settings:
    """What to measure, and how. `check` raises InputError for what cannot be."""

    judges: tuple[str, ...] = ("yamnet", "musicnn")  # (): what needs no judge
    metrics: tuple[str, ...] = METRICS
    n: int | None = None  # loops in each row; None: as many as all have, of a model at most 1000
    k: int = 5
    seed: int = 0
    repeats: int = 100  # half-samples for an interval
    bins: int = 100  # cells of NDB
    split: str | None = None  # of the real side; None: test (with validation if small), or all if it has no splits
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
        if len(set(self.judges)) < len(self.judges):
            raise InputError("a judge is named twice. Pass --judge yamnet,musicnn or others, or --judge none.")
        if not self.judges and not {"loops", "music", "novelty"} & set(self.metrics):
            raise InputError(f"{', '.join(self.metrics)}: all need a judge. Pass --judge yamnet,musicnn or others.")


def judge_names(text: str) -> tuple[str, ...]:
    """Judges as they are named on a command line: with commas, or "none"."""
    return () if text.strip() == NO_JUDGE else tuple(name.strip() for name in text.split(",") if name.strip())


def no_progress(what: str, done: int, total: int) -> None:
    """Nobody is watching."""
