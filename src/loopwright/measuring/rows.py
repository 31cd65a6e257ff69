"""Which loops make which row of a table: the reference, real ones that trained nothing, training bars, vocoded ones, generated.

The reference is half of the real loops, by source; the other half is what a perfect model would score. Training bars say what
copying would score. All rows have as many loops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from loopwright.arrays import Bool, Int64
from loopwright.errors import InputError
from loopwright.measuring.settings import LEADING_N, LOCKED, Settings
from loopwright.measuring.sides import ModelSide, PreparedSide, Side, VocodedSide, open_side

Kind = Literal["reference", "real", "training", "vocoded", "generated"]
_SMALL_TEST = 200  # below this the validation split joins the test split


@dataclass(frozen=True)
class Chosen:
    """The loops of one row."""

    kind: Kind
    title: str
    side: Side
    rows: Int64


@dataclass(frozen=True)
class Pool:
    """Loops to draw from. `name` is what they are called in rows: "test", "real", ..."""

    name: str
    side: Side
    rows: Int64


@dataclass(frozen=True)
class Plan:
    """All rows, the reference first; what trained the fakes, if it is known; and in words how the reference was chosen."""

    rows: tuple[Chosen, ...]
    training: Pool | None
    how: str
    notes: list[str] = field(default_factory=list)  # what a reader must know

    @property
    def fake(self) -> Side:
        """The generated side."""
        return self.rows[-1].side


def plan(real: Path, fake: Path, settings: Settings, *, held_out: Path | None, training: Path | None, work: Path) -> Plan:
    """Open all sides and choose the loops of every row. Raises InputError if there are too few."""
    notes: list[str] = []
    real_side = open_side(real, count=2 * settings.n if settings.n else None, seed=settings.seed, vocoder=settings.vocoder)
    reference, others, how = _real_pools(real_side, settings, held_out, notes)
    most = min(len(reference.rows), len(others.rows), settings.n or max(len(reference.rows), LEADING_N))
    fake_side = open_side(
        fake,
        count=most if settings.n else min(most, LEADING_N),
        seed=settings.seed * 100_000,
        vocoder=settings.vocoder,
        truncation=settings.truncation,
        keep=work,
    )
    trained = _training(real_side, fake_side, training, settings)
    n = min(most, len(fake_side))
    if n < settings.fewest:
        raise InputError(
            f"an evaluation with k = {settings.k} needs at least {settings.fewest} loops in each of reference, "
            f"{others.name} and generated; there are {len(reference.rows)}, {len(others.rows)} and {len(fake_side)}. "
            "Give more loops or a smaller --k."
        )
    if trained is None:
        notes.append(
            "What the generated loops were trained on is not known here (--training), so no row says what copying scores."
        )
    elif settings.fewest <= len(trained.rows) < n:
        n = len(trained.rows)
        notes.append(f"N is {n}: there are no more training bars.")
    elif len(trained.rows) < n:
        notes.append(f"There are {len(trained.rows)} training bars, too few for a row that says what copying scores.")
    if settings.n is not None and n < settings.n:
        notes.append(f"{settings.n} loops a row were asked for; there are {n}.")
    rng = np.random.default_rng(settings.seed)
    rows = [
        Chosen("reference", "reference", real_side, _sample(rng, reference.rows, n)),
        Chosen("real", f"{others.name} against {reference.name}", others.side, _sample(rng, others.rows, n)),
    ]
    if trained is not None and len(trained.rows) >= n:
        rows.append(Chosen("training", "training bars", trained.side, _sample(rng, trained.rows, n)))
    if isinstance(fake_side, ModelSide) and fake_side.vocoder is not None:
        vocoded = VocodedSide(others.side, rows[1].rows.tolist(), fake_side.vocoder, keep=work)
        rows.append(Chosen("vocoded", f"vocoded {others.name} bars", vocoded, np.arange(n)))
    rows.append(Chosen("generated", "generated", fake_side, _sample(rng, np.arange(len(fake_side)), n)))
    return Plan(tuple(rows), trained, how, notes)


def _real_pools(side: Side, settings: Settings, held_out: Path | None, notes: list[str]) -> tuple[Pool, Pool, str]:
    """What the reference is drawn from, what real loops are drawn from, and in words how they were chosen."""
    name, rows, how = real_rows(side, settings.split, notes)
    if held_out is None:
        first, second = halves(side, rows, seed=settings.seed, notes=notes)
        return Pool(name, side, first), Pool(name, side, second), f"half of {how}, by source"
    other = open_side(held_out, count=settings.n, seed=settings.seed, vocoder=settings.vocoder)
    free = np.array([i for i, entry in enumerate(other.entries) if entry.split != LOCKED], dtype=np.int64)
    return Pool(name, side, rows), Pool("held-out", other, free), f"{how}; held out: {other.label}"


def real_rows(side: Side, split: str | None, notes: list[str]) -> tuple[str, Int64, str]:
    """What to call the real loops, which they are, and the same in words. Locked ones only if they are asked for by name."""
    splits = np.array([entry.split for entry in side.entries])
    if split is not None:
        rows = np.flatnonzero(splits == split)
        if not len(rows):
            known = ", ".join(sorted({s for s in splits if s})) or "none"
            raise InputError(f"{side.label} has no loops of split '{split}' (its splits: {known}). Leave --split out.")
        if split == LOCKED:
            notes.append("This is the LOCKED test: no choice of recipe or checkpoint may follow from this table.")
        elif split == "train":
            notes.append("Split train stands as real here: a model is nearer to what it has seen.")
        return split, rows, f"split {split}"
    test, train = np.flatnonzero(splits == "test"), np.flatnonzero(splits == "train")
    if len(test) and len(train):
        if len(test) < _SMALL_TEST and (splits == "validation").any():
            rows = np.flatnonzero(np.isin(splits, ["test", "validation"]))
            return "test", rows, f"splits test and validation (test alone has {len(test)} loops)"
        return "test", test, "split test"
    return "real", np.flatnonzero(splits != LOCKED), "all loops"


def halves(side: Side, rows: Int64, *, seed: int, notes: list[str]) -> tuple[Int64, Int64]:
    """Two halves that share no source, as equal as sources allow; of a single source, by loop, which is noted."""
    units = [side.entries[row].unit for row in rows]
    if len(set(units)) < 2 <= len(rows):
        notes.append(
            "All real loops are of one source: reference and real loops share it, which flatters the real row, "
            "and there are no intervals, since nothing independent is there to draw."
        )
        units = [str(row) for row in rows]
    first = in_first_half(units, seed=seed)
    return rows[first], rows[~first]


def in_first_half(units: Sequence[str], *, seed: int) -> Bool:
    """For each item whether it is in the first of two halves that share no unit: whole units, drawn in turn to the smaller."""
    counts = Counter(units)
    totals = [0, 0]
    inside: set[str] = set()
    for name in np.random.default_rng(seed).permutation(sorted(counts)):
        which = int(totals[1] < totals[0])
        totals[which] += counts[str(name)]
        if which == 0:
            inside.add(str(name))
    return np.array([unit in inside for unit in units], dtype=bool)


def _training(real: Side, fake: Side, training: Path | None, settings: Settings) -> Pool | None:
    """What the fakes were trained on: said, or known by their run, or the training split beside the real loops."""
    if training is None and isinstance(fake, ModelSide):
        training = fake.training_data()
    if training is not None:
        same = isinstance(real, PreparedSide) and training.resolve() == real.data.path.resolve()
        side = real if same else open_side(training, count=None, seed=settings.seed)
        rows = np.array([i for i, entry in enumerate(side.entries) if entry.split in ("train", "")], dtype=np.int64)
        return Pool("training", side, rows)
    if settings.split == "train":
        return None
    rows = np.array([i for i, entry in enumerate(real.entries) if entry.split == "train"], dtype=np.int64)
    return Pool("training", real, rows) if len(rows) else None


def _sample(rng: np.random.Generator, rows: Int64, n: int) -> Int64:
    return np.sort(rng.choice(rows, n, replace=False)) if n < len(rows) else np.asarray(rows, dtype=np.int64)
