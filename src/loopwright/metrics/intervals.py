"""Intervals for any metric of one or two sets, by half-sampling.

The textbook bootstrap draws N items with replacement. For distances between sets that fails: repeated items shrink
nearest-neighbour balls to nothing and lower the rank of covariances, so coverage collapses and FAD rises, and the interval
can miss the value it is for. Drawing *half* of the items *without* replacement instead (the delete-half jackknife, Shao & Wu
1989, The Annals of Statistics 17:1176) repeats nothing, and for smooth statistics the half-sample value varies about the full
one with the same variance as the full one about the truth: (1/m - 1/N) = 1/N at m = N/2. The half-sample mean is moved onto
the full value, since FAD and its like depend on N. Measured cover of the 95% interval: docs/metrics.md.

Bars of one performance, or of one kit, are not independent: what is drawn are whole groups (sources). Without labels single
items are drawn, the interval says so (`grouped`), and is too narrow if items share anything. How much a number hangs on one
kit is another question, answered by `per_group`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loopwright.arrays import Intp
from loopwright.errors import InputError

Array = NDArray[np.generic]
LEAST = 4  # units on a side from which halves can be drawn


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its interval at `level`, from `repeats` half-samples drawn from `seed`.

    units: what was drawn from on each side, in number. grouped: on each side, whether these were whole groups (sources) or, for
    want of labels, single items. low and high are NaN where a side has too few units (`few="nan"`), or where the value or most
    draws are NaN.
    """

    value: float
    low: float
    high: float
    level: float = 0.95
    repeats: int = 0
    seed: int = 0
    units: tuple[int, ...] = ()
    grouped: tuple[bool, ...] = ()

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"

    @property
    def basis(self) -> str:
        """What was drawn, in words: "41 and 38 sources", "300 single loops (sources unknown)"."""
        kinds = ["sources" if grouped else "single loops (sources unknown)" for grouped in self.grouped]
        if len(set(kinds)) == 1:
            return f"{' and '.join(str(n) for n in self.units)} {kinds[0]}"
        return " and ".join(f"{n} {kind}" for n, kind in zip(self.units, kinds, strict=True))


@dataclass(frozen=True)
class Spread:
    """A metric group by group (kit by kit): its smallest, median and largest value over groups with enough items.

    values: by label, in ascending order. counts: items of each of these groups. left_out: labels with too few items, or where
    the metric was NaN. All three numbers are NaN without any group.
    """

    low: float
    median: float
    high: float
    values: dict[str, float]
    counts: dict[str, int]
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.median:.4g} ({self.low:.4g} to {self.high:.4g} over {len(self.values)} groups)"


def bootstrap(
    statistic: Callable[..., float | Mapping[str, float]],
    *sets: Array,
    repeats: int = 200,
    level: float = 0.95,
    seed: int = 0,
    groups: Sequence[Sequence[object] | None] | None = None,
    value: float | Mapping[str, float] | None = None,
    few: Literal["raise", "nan"] = "raise",
) -> dict[str, Interval]:
    """Interval of `statistic(*sets)` by half-sampling every set (first axis) on its own.

    Args:
        statistic: a function of the sets to a number, or to several named ones (which then share the half-samples).
        sets: arrays of items, (N, ...), usually real and fake.
        repeats: half-samples drawn.
        level: share of the interval.
        seed: of the draws.
        groups: for each set one label an item (its source): whole groups are drawn, since bars of one performance are not
            independent. None for a set, or for all, only where sources are not known; then single items are drawn.
        value: the value on the full sets if it is known already.
        few: with fewer than 4 groups (or items) on a side, raise, or give the value with ends that are NaN.

    Returns intervals by name; a plain number has the name "value". Raises InputError for sets of fewer than 4 items or groups.
    """
    full = _named(statistic(*sets) if value is None else value)
    rng = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {name: [] for name in full}
    labels = [None] * len(sets) if groups is None else list(groups)
    plans = [_plan(len(x), label) for x, label in zip(sets, labels, strict=True)]
    least = min(len(plan) for plan in plans)
    if least < LEAST and few == "raise":
        raise InputError(f"an interval needs at least {LEAST} independent items or groups on each side, got {least}.")
    for _ in range(repeats if least >= LEAST else 0):
        parts = [x[_half(plan, rng)] for x, plan in zip(sets, plans, strict=True)]
        for name, number in _named(statistic(*parts)).items():
            draws[name].append(number)
    out = {}
    for name, number in full.items():
        low, high = _ends(draws[name], level) if repeats else (0.0, 0.0)
        units, grouped = tuple(len(plan) for plan in plans), tuple(label is not None for label in labels)
        out[name] = Interval(number, number + low, number + high, level, len(draws[name]), seed, units, grouped)
    return out


def per_group(
    statistic: Callable[..., float], items: Array, labels: Sequence[object], *others: Array, least: int = 10
) -> Spread:
    """How much a metric differs from kit to kit: `statistic(items of one group, *others)` for every group of the first set.

    `labels`: one an item. Groups of fewer than `least` items are left out, and named. The spread holds what kits differ by and
    what so few items scatter by; it is no interval of the mean. Raises InputError if labels and items differ in number.
    """
    if len(labels) != len(items):
        raise InputError(f"{len(labels)} group labels for {len(items)} items.")
    rows: dict[str, list[int]] = {}
    for i, label in enumerate(labels):
        rows.setdefault(str(label), []).append(i)
    found = {name: float(statistic(items[np.array(some)], *others)) for name, some in rows.items() if len(some) >= least}
    values = {name: found[name] for name in sorted(found, key=found.__getitem__) if np.isfinite(found[name])}
    numbers = list(values.values()) or [np.nan]
    return Spread(
        numbers[0],
        float(np.median(numbers)),
        numbers[-1],
        values,
        {name: len(rows[name]) for name in values},
        tuple(name for name in rows if name not in values),
    )


def _ends(draws: Sequence[float], level: float) -> tuple[float, float]:
    """Ends of the interval from the value on, from the draws that gave a number; NaN if most gave none."""
    some = np.asarray(draws)[np.isfinite(draws)] if len(draws) else np.zeros(0)
    if not len(some) or 2 * len(some) < len(draws):
        return float("nan"), float("nan")
    low, high = np.quantile(some - some.mean(), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _named(value: float | Mapping[str, float]) -> dict[str, float]:
    if isinstance(value, Mapping):
        return {name: float(number) for name, number in value.items()}
    return {"value": float(value)}


def _plan(count: int, labels: Sequence[object] | None) -> list[Intp]:
    """Row numbers of each unit that is drawn as a whole."""
    if labels is None:
        units = [np.array([i]) for i in range(count)]
    else:
        if len(labels) != count:
            raise InputError(f"{len(labels)} group labels for {count} items.")
        rows: dict[object, list[int]] = {}
        for i, label in enumerate(labels):
            rows.setdefault(label, []).append(i)
        units = [np.array(r) for r in rows.values()]
    return units


def _half(units: list[Intp], rng: np.random.Generator) -> Intp:
    chosen = rng.permutation(len(units))[: len(units) // 2]
    return np.sort(np.concatenate([units[i] for i in chosen]))
