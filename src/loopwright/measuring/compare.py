"""Two measured sets, every number of one row of the table."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from loopwright import metrics
from loopwright.measuring.judging import Float32
from loopwright.measuring.measured import Measured
from loopwright.measuring.results import Estimate
from loopwright.measuring.settings import Settings

_FEWEST_SOURCES = 8  # with fewer, single loops are drawn
_BY_EMBEDDING = {"fad", "kad", "precision", "recall", "density", "coverage", "pairs", "ndb", "jsd"}
_SPLITS = 10  # of the published Inception score


def compare(real: Measured, fake: Measured, settings: Settings) -> dict[str, Estimate]:
    """Every number of `fake` against `real`: {"fad/yamnet": ..., "loops/onset_jsd": ..., "music/tuning_r": ..., ...}."""
    out: dict[str, Estimate] = {}
    for judge in real.embeddings:
        out |= _by_judge(judge, real, fake, settings)
    if "loops" in settings.metrics:
        out |= _by_loop("loops", real, fake, real.features, fake.features, metrics.compare_loops, metrics.summarise, settings)
    if real.music is not None and fake.music is not None:
        both = metrics.compare_music, metrics.summarise_music
        out |= _by_loop("music", real, fake, real.music, fake.music, *both, settings)
    return out


def drawn_sources(m: Measured) -> Sequence[str] | None:
    """The sources of a set, drawn whole for intervals; None if every loop has its own, or there are too few to draw from."""
    return m.sources if few_sources(m) is None and len(set(m.sources)) < len(m) else None


def few_sources(m: Measured) -> int | None:
    """How many sources a set has, if they are known and too few to be drawn whole: then its intervals are too narrow."""
    known = len(set(m.sources)) if any(loop.entry.source for loop in m.loops) else None
    return known if known is not None and known < _FEWEST_SOURCES else None


class _Features(Protocol):
    def __getitem__(self, rows: NDArray[np.intp]) -> Any: ...


def _by_loop(
    section: str,
    real: Measured,
    fake: Measured,
    mine: _Features,
    theirs: _Features,
    distances: Callable[[Any, Any], dict[str, float]],
    summary: Callable[[Any], dict[str, float]],
    settings: Settings,
) -> dict[str, Estimate]:
    """Distances between measures of single loops, and the measures of `fake` themselves. What applies to none is left out."""
    half = functools.partial(metrics.bootstrap, repeats=settings.repeats, seed=settings.seed)
    rows = np.arange(len(real)), np.arange(len(fake))
    groups = [drawn_sources(real), drawn_sources(fake)]
    found = half(lambda i, j: distances(mine[i], theirs[j]), *rows, groups=groups)
    found |= half(lambda j: summary(theirs[j]), rows[1], groups=groups[1:])
    return {f"{section}/{key}": Estimate.of(x, key) for key, x in found.items() if np.isfinite(x.value)}


def _by_judge(judge: str, real: Measured, fake: Measured, settings: Settings) -> dict[str, Estimate]:
    """The numbers that come from one judge's embeddings and class probabilities."""
    wanted = set(settings.metrics)
    half = functools.partial(metrics.bootstrap, repeats=settings.repeats, seed=settings.seed)
    groups = [drawn_sources(real), drawn_sources(fake)]
    a, b = real.embeddings[judge], fake.embeddings[judge]
    apart = metrics.median_distance(a) if wanted & {"kad", "pairs"} else None
    bins = min(settings.bins, len(a) // 4)

    def numbers(x: Float32, y: Float32) -> dict[str, float]:
        values: dict[str, float] = {}
        if "fad" in wanted:
            values["fad"] = metrics.fad(x, y)
        if "kad" in wanted:
            values["kad"] = metrics.kad(x, y, bandwidth=apart)
        if wanted & {"precision", "recall", "density", "coverage"}:
            values |= metrics.prdc(x, y, settings.k)._asdict()
        if "pairs" in wanted and apart:
            values["pairs"] = metrics.median_distance(y) / apart
        if wanted & {"ndb", "jsd"}:
            cells = metrics.ndb(x, y, bins=bins, seed=settings.seed)
            values |= {"ndb": cells.share, "jsd": cells.jsd}
        return {key: value for key, value in values.items() if key in wanted}

    found: dict[str, metrics.Interval] = {}
    if wanted & _BY_EMBEDDING:
        found |= half(numbers, a, b, groups=groups)
    if "fad_inf" in wanted:
        found["fad_inf"] = metrics.bootstrap(
            lambda x, y: metrics.fad_inf(x, y, steps=8, seed=settings.seed).value,
            a,
            b,
            repeats=min(20, settings.repeats),  # each needs a whole series of FADs
            seed=settings.seed,
            groups=groups,
        )["value"]
    if judge in fake.probabilities:

        def scores(p: Float32) -> dict[str, float]:
            parts = max(1, min(_SPLITS, len(p) // 10))
            return {
                key: metrics.inception_score(p, splits=splits, seed=settings.seed).mean
                for key, splits in (("is", 1), ("is10", parts))
            }

        found |= half(scores, fake.probabilities[judge], groups=groups[1:])
    return {f"{key}/{judge}": Estimate.of(interval, key) for key, interval in found.items()}
