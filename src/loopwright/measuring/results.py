"""What an evaluation found, as it is written to evaluation.json and read back for tables."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ValidationError

from loopwright.errors import InputError
from loopwright.files import write_json
from loopwright.metrics import Interval

FORMAT = 1
FILE = "evaluation.json"

# Values that cannot lie outside: an interval moved onto the full value may reach past the end.
_ZERO_TO_ONE = {"precision", "recall", "coverage", "ndb", "click_share", "wrap", "grid", "copied"}
_FROM_ZERO = {"fad", "density", "jsd", "is"}


class Result(BaseModel, frozen=True, extra="forbid"):
    """A part of a result. What is None was not measured and is left out of the JSON."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return self.model_dump(mode="json", exclude_none=True)


class Estimate(Result, frozen=True):
    """A value and what is known of its error: an interval of one measurement, or the standard deviation over seeds."""

    value: float
    low: float | None = None
    high: float | None = None
    spread: float | None = None
    n: int | None = None  # items it was taken from, where they differ from line to line

    @classmethod
    def of(cls, interval: Interval, name: str = "") -> Self:
        """An interval, cut off where no value of the metric `name` can lie."""
        low, high = interval.low, interval.high
        if name in _ZERO_TO_ONE or name.startswith("ks_"):
            low, high = max(low, 0.0), min(high, 1.0)
        elif name in _FROM_ZERO or name.startswith("onset_jsd"):
            low = max(low, 0.0)
        return cls(value=interval.value, low=low, high=high)

    @classmethod
    def over_seeds(cls, some: Sequence[Estimate]) -> Self:
        """Mean of several runs' values; brackets from the lowest bound to the highest, where they have any."""
        lows = [x.value if x.low is None else x.low for x in some]
        highs = [x.value if x.high is None else x.high for x in some]
        return cls(value=statistics.fmean(x.value for x in some), low=min(lows), high=max(highs))


class JudgeFacts(Result, frozen=True):
    """Which network judged."""

    name: str
    dim: int
    rate_hz: int
    checksum: str


class SideFacts(Result, frozen=True):
    """What was measured. The last five are a model's."""

    kind: str
    label: str
    loops: int
    reference: str | None = None  # which of its loops are the reference, in words
    checksum: str | None = None
    vocoder: str | None = None
    seed: int | None = None
    truncation: float | None = None
    training: dict[str, Any] | None = None  # as the model file tells it


class IntervalFacts(Result, frozen=True):
    """How the brackets were made."""

    level: float
    method: str
    repeats: int


class Row(Result, frozen=True):
    """A set of loops against the reference. `values`: "kad/yamnet", "loops/onset_jsd" and so on."""

    row: str
    loops: int
    values: dict[str, Estimate]


class NoveltyFacts(Result, frozen=True):
    """What was searched for copies, and `copied`, `threshold`, `fake`, `held_out` as in `metrics.Novelty`."""

    training: str
    values: dict[str, Estimate]


class Evaluation(Result, frozen=True):
    """All of it."""

    format: int
    loopwright: str
    n: int
    k: int
    seed: int
    interval: IntervalFacts
    judges: tuple[JudgeFacts, ...]
    real: SideFacts
    fake: SideFacts
    rows: tuple[Row, ...]
    reference_loops: dict[str, float]
    novelty: NoveltyFacts | None = None
    warnings: tuple[str, ...] = ()

    def values_of(self, row: str) -> dict[str, Estimate]:
        """What the row called `row` measured; {} if there is none."""
        return next((one.values for one in self.rows if one.row == row), {})

    def write(self, folder: Path) -> None:
        """Write evaluation.json."""
        write_json(folder / FILE, self.to_json())

    @classmethod
    def read(cls, folder: Path) -> Evaluation:
        """Read what `write` has written. Raises InputError if it is damaged or of another version."""
        path = folder / FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
            where = ".".join(map(str, first["loc"]))
            raise InputError(
                f"{path} cannot be read ({where + ': ' if where else ''}{first['msg']}). Run loopwright evaluate again."
            ) from error
