"""What an evaluation found, as it is written to evaluation.json and read back for tables."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ValidationError

from loopwright.errors import InputError
from loopwright.files import write_json
from loopwright.metrics import Interval

FORMAT = 1
FILE = "evaluation.json"

# Values that cannot lie outside: an interval moved onto the full value may reach past the end.
_ZERO_TO_ONE = {
    "precision", "recall", "coverage", "ndb", "click_share", "wrap", "grid", "copied",
    "loops_with_notes", "note_share", "tuning_r", "in_key", "peak", "early", "silent",
}  # fmt: skip
_FROM_ZERO = {"fad", "density", "jsd", "pairs", "notes", "cents_off", "entropy", "level_spread_db", "onsets", "grid_ms"}
_FROM_ONE = {"is", "is10"}


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
        if not np.isfinite([low, high]).all():  # a measure that applies to too few of the loops drawn
            return cls(value=interval.value)
        if name in _ZERO_TO_ONE or name.startswith("ks_"):
            low, high = max(low, 0.0), min(high, 1.0)
        elif name in _FROM_ZERO or name.startswith("onset_jsd"):
            low = max(low, 0.0)
        elif name in _FROM_ONE:
            low = max(low, 1.0)
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
    """What was measured. The last six are a model's."""

    kind: str
    label: str
    loops: int
    reference: str | None = None  # which of its loops are the reference, in words
    checksum: str | None = None
    vocoder: str | None = None
    seed: int | None = None
    truncation: float | None = None
    training: dict[str, Any] | None = None  # as the model file tells it
    taught_by: tuple[str, ...] | None = None  # networks that taught it: as judges they flatter


class IntervalFacts(Result, frozen=True):
    """How the brackets were made."""

    level: float
    method: str
    repeats: int


class SetFacts(Result, frozen=True):
    """How many loops, sources and kits (0: not known), and what intervals draw: whole "sources", or single "loops"."""

    loops: int
    sources: int
    kits: int
    drawn: str


class Row(Result, frozen=True):
    """A set of loops against the reference. `values`: "kad/yamnet", "loops/onset_jsd", "music/tuning_r" and so on.

    kind: "real" (test against test: what a perfect model scores), "training" (what copying scores), "vocoded" (what the
    vocoder allows) or "generated". row: the same for people.
    """

    row: str
    kind: str
    set: SetFacts
    values: dict[str, Estimate]


class Spread(Result, frozen=True):
    """A measure over kits, and which of them is nearest and furthest."""

    min: float
    median: float
    max: float
    nearest: str
    furthest: str


class KitFacts(Result, frozen=True):
    """Measures against single kits of the reference (or single sources, where kits are not known): by row, then measure."""

    by: str
    kits: int
    left_out: int  # too few loops
    values: dict[str, dict[str, Spread]]


class NoveltyFacts(Result, frozen=True):
    """What was searched for copies, and `copied`, `threshold`, and the median similarities of `generated` and `real`.

    real: what the row of kind "real" is called.
    """

    training: str
    real: str
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
    reference: SetFacts
    reference_loops: dict[str, float]
    reference_music: dict[str, float] | None = None  # None: not asked for; what applies to no loop is missing
    kits: KitFacts | None = None
    novelty: NoveltyFacts | None = None
    warnings: tuple[str, ...] = ()

    def values_of(self, kind: str) -> dict[str, Estimate]:
        """What the row of this kind measured; {} if there is none."""
        return next((row.values for row in self.rows if row.kind == kind), {})

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
