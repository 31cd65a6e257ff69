"""Two measured sets, every number of one row of the table."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from loopwright import metrics
from loopwright.measuring.judging import Float32
from loopwright.measuring.measured import Measured
from loopwright.measuring.results import Estimate
from loopwright.measuring.settings import Settings

_FEWEST_SOURCES = 8  # with fewer, single loops are drawn
_BY_EMBEDDING = {"fad", "kad", "precision", "recall", "density", "coverage", "ndb", "jsd"}


def compare(real: Measured, fake: Measured, settings: Settings) -> dict[str, Estimate]:
    """Every number of `fake` against `real`: {"fad/yamnet": ..., "loops/onset_jsd": ..., ...}."""
    out: dict[str, Estimate] = {}
    for judge in real.embeddings:
        out |= _by_judge(judge, real, fake, settings)
    if "loops" in settings.metrics:
        mine, theirs = np.arange(len(real)), np.arange(len(fake))
        half = functools.partial(metrics.bootstrap, repeats=settings.repeats, seed=settings.seed)
        found = half(
            lambda i, j: metrics.compare_loops(real.features[i], fake.features[j]), mine, theirs, groups=units(real, fake)
        )
        found |= half(lambda j: metrics.summarise(fake.features[j]), theirs, groups=units(fake))
        out |= {f"loops/{key}": Estimate.of(interval, key) for key, interval in found.items()}
    return out


def units(*sets: Measured) -> list[Sequence[str] | None]:
    """For each set its sources, drawn whole; None if every loop has its own, or there are too few to draw from."""
    return [m.sources if _FEWEST_SOURCES <= len(set(m.sources)) < len(m) else None for m in sets]


def _by_judge(judge: str, real: Measured, fake: Measured, settings: Settings) -> dict[str, Estimate]:
    """The numbers that come from one judge's embeddings and class probabilities."""
    wanted = set(settings.metrics)
    half = functools.partial(metrics.bootstrap, repeats=settings.repeats, seed=settings.seed)
    groups = units(real, fake)
    a, b = real.embeddings[judge], fake.embeddings[judge]
    bandwidth = metrics.median_distance(a) if "kad" in wanted else None
    bins = min(settings.bins, len(a) // 4)

    def numbers(x: Float32, y: Float32) -> dict[str, float]:
        values: dict[str, float] = {}
        if "fad" in wanted:
            values["fad"] = metrics.fad(x, y)
        if "kad" in wanted:
            values["kad"] = metrics.kad(x, y, bandwidth=bandwidth)
        if wanted & {"precision", "recall", "density", "coverage"}:
            values |= metrics.prdc(x, y, settings.k)._asdict()
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
        found["is"] = half(
            lambda p: metrics.inception_score(p, splits=max(1, min(10, len(p) // 10)), seed=settings.seed).mean,
            fake.probabilities[judge],
            groups=units(fake),
        )["value"]
    return {f"{key}/{judge}": Estimate.of(interval, key) for key, interval in found.items()}
