"""A panel of judges: do networks that were taught different things rank the rows of a table alike?

One judge can be flattered, and those taught by the same data are deaf to the same things. So judges are put into families, each
family ranks the rows as one, and a finding counts if every family that taught none of the rows it compares agrees.

Shapes: R rows (models, baselines), J judges, F families.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loopwright.arrays import Bool, Float64
from loopwright.errors import InputError

FAMILIES: dict[str, tuple[str, ...]] = {
    "AudioSet tagging": ("yamnet", "vggish"),
    "music tagging": ("scnn_mtat", "mtat_fcn", "musicnn", "short_chunk_res"),
    "transcriber": ("basic_pitch", "notes_loop"),
    "style classifier": ("scnn_loop", "scnn_loop_synth", "short_chunk_loop"),
    "self-supervised": (),
    "random": (),
}
_RANDOM, _DIRECT = "random:", "direct:"
_NO_NETWORK = "mel"  # a discriminator may look at the log-mel itself: no judge is taught by that
_ENUMERATED = 8  # rows up to which a p-value with ties comes from all orders


class Kendall(NamedTuple):
    """tau-b, -1 to 1; `p`: two-sided, of an order without relation at least as far from 0; `rows` that both rank."""

    tau: float
    p: float
    rows: int


@dataclass(frozen=True)
class Panel:
    """What families of judges say of R rows.

    rows, families: names. ranks: (F, R), 1 is best: mean ranks of a family's judges, ranked again; NaN where a family has no
    figure. taught: (F, R), whether a family taught a row. overall: (R,) mean rank over all families; fair: (R,) over the
    families that did not teach the row. kendall: by pair of families. agreed: pairs (better, worse) of rows on which all
    families that taught neither agree, two families at least.
    """

    rows: tuple[str, ...]
    families: tuple[str, ...]
    ranks: Float64
    taught: Bool
    overall: Float64
    fair: Float64
    kendall: dict[tuple[str, str], Kendall]
    agreed: tuple[tuple[str, str], ...]


def family_of(judge: str, families: Mapping[str, Sequence[str]] = FAMILIES) -> str:
    """The family of a judge. A network with random weights learned nothing: "random". Raises InputError if it is in none."""
    plain = judge.removeprefix(_DIRECT)
    if plain.startswith(_RANDOM):
        return "random"
    for family, names in families.items():
        if plain in names:
            return family
    raise InputError(f"judge {judge} is in no family. Known: {', '.join(n for names in families.values() for n in names)}.")


def rank_by_families(
    scores: ArrayLike,
    rows: Sequence[str],
    judges: Sequence[str],
    *,
    higher_is_better: bool = False,
    taught_by: Mapping[str, Sequence[str]] | None = None,
    families: Mapping[str, Sequence[str]] = FAMILIES,
) -> Panel:
    """Rank the rows of a table by families of judges.

    Args:
        scores: (R, J), one metric by each judge; NaN where a judge has no figure.
        rows: R names, all different.
        judges: J names, as in `load_judge`.
        higher_is_better: False for distances such as KAD, True for coverage.
        taught_by: for a row the networks its discriminator looked through; a row that is not named was taught by none.
        families: which judges belong together.

    Raises InputError for names that do not fit the table, or a judge or teacher in no family.
    """
    x = np.asarray(scores, dtype=np.float64)
    if x.shape != (len(rows), len(judges)) or len(set(rows)) != len(rows) or len(set(judges)) != len(judges):
        raise InputError(
            f"a panel takes scores (rows, judges) with a name of its own for each; got {x.shape}, "
            f"{len(set(rows))} different rows and {len(set(judges))} different judges."
        )
    lessons = taught_by or {}
    if unknown := sorted(set(lessons) - set(rows)):
        raise InputError(f"no row {unknown[0]} in the table, but its teachers are given.")
    families_of = [family_of(judge, families) for judge in judges]
    names = tuple(name for name in dict.fromkeys([*families, "random"]) if name in families_of)
    single = np.stack([rank(-x[:, j] if higher_is_better else x[:, j]) for j in range(len(judges))])  # (J, R)
    ranks = np.stack([rank(_mean(single[[f == name for f in families_of]])) for name in names])
    teachers = [{family_of(n, families) for n in lessons.get(row, ()) if n != _NO_NETWORK} for row in rows]
    taught = np.array([[name in by for by in teachers] for name in names])
    pairs = {(names[i], names[j]): kendall(ranks[i], ranks[j]) for i, j in combinations(range(len(names)), 2)}
    fair = _mean(np.where(taught, np.nan, ranks))
    return Panel(tuple(rows), names, ranks, taught, _mean(ranks), fair, pairs, _agreed(tuple(rows), ranks, taught))


def rank(values: ArrayLike) -> Float64:
    """Ranks from 1 (smallest) of (R,), equal values sharing their mean rank; NaN stays NaN and is not counted."""
    x = np.asarray(values, dtype=np.float64)
    out = np.full(len(x), np.nan)
    some = np.isfinite(x)
    _, place, counts = np.unique(x[some], return_inverse=True, return_counts=True)
    out[some] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return out


def kendall(a: ArrayLike, b: ArrayLike) -> Kendall:
    """Kendall's tau-b of two rankings (R,), NaN left out in pairs (Kendall 1945, Biometrika 33:239).

    p is exact: without ties from the number of orders by inversions (Kendall 1938), with ties from all orders of up to 8 rows;
    NaN beyond that, and for fewer than two rows or a ranking that is one tie.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise InputError(f"two rankings of the same rows are needed, got shapes {x.shape} and {y.shape}.")
    some = np.isfinite(x) & np.isfinite(y)
    x, y = rank(x[some]), rank(y[some])
    n = len(x)
    first, second = np.triu_indices(n, 1)
    dx, dy = np.sign(x[first] - x[second]), np.sign(y[first] - y[second])
    score = float((dx * dy).sum())
    size = math.sqrt(float((dx != 0).sum()) * float((dy != 0).sum()))
    if not size:
        return Kendall(math.nan, math.nan, n)
    if (dx != 0).all() and (dy != 0).all():
        p = _exact(n, abs(score))
    elif n <= _ENUMERATED:
        moved = y[_orders(n)]
        scores = np.abs((np.sign(moved[:, first] - moved[:, second]) * dx).sum(axis=1))
        p = float(np.mean(scores >= abs(score)))
    else:
        p = math.nan
    return Kendall(score / size, p, n)


def _exact(n: int, score: float) -> float:
    """Share of the n! orders whose |concordant - discordant| is at least `score`."""
    pairs = n * (n - 1) // 2
    far = sum(count for inversions, count in enumerate(_inversions(n)) if abs(pairs - 2 * inversions) >= score)
    return far / math.factorial(n)


@lru_cache(maxsize=64)
def _inversions(n: int) -> tuple[int, ...]:
    """How many orders of n have 0, 1, 2, ... inversions: the product of 1 + q + ... + q^(i-1), i up to n."""
    counts = [1]
    for i in range(2, n + 1):
        longer = [0] * (len(counts) + i - 1)
        for k, count in enumerate(counts):
            for j in range(i):
                longer[k + j] += count
        counts = longer
    return tuple(counts)


@lru_cache(maxsize=8)
def _orders(n: int) -> NDArray[np.int8]:
    """All orders of n, (n!, n)."""
    out = np.zeros((1, 0), dtype=np.int8)
    for i in range(n):
        out = np.concatenate([np.insert(out, k, i, axis=1) for k in range(i + 1)])
    return out


def _agreed(rows: tuple[str, ...], ranks: Float64, taught: Bool) -> tuple[tuple[str, str], ...]:
    out = []
    for i, j in combinations(range(len(rows)), 2):
        asked = ~taught[:, i] & ~taught[:, j] & np.isfinite(ranks[:, i]) & np.isfinite(ranks[:, j])
        gap = ranks[asked, j] - ranks[asked, i]
        if len(gap) >= 2 and (gap > 0).all():
            out.append((rows[i], rows[j]))
        elif len(gap) >= 2 and (gap < 0).all():
            out.append((rows[j], rows[i]))
    return tuple(out)


def _mean(values: Float64) -> Float64:
    """Mean over the first axis of what is finite; NaN where nothing is."""
    some = np.isfinite(values)
    total, number = np.where(some, values, 0.0).sum(axis=0), some.sum(axis=0)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
