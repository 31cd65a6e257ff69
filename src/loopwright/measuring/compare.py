"""Two measured sets, every number of one row of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from loopwright import metrics
from loopwright.arrays import Float32, Intp
from loopwright.errors import InputError
from loopwright.measuring.measured import Measured
from loopwright.measuring.results import Estimate
from loopwright.measuring.settings import Settings
from loopwright.metrics.music import LEAST, MEASURES, MusicalFeatures

_BY_EMBEDDING = {"fad", "kad", "precision", "recall", "density", "coverage", "pairs", "ndb", "jsd"}
Array = NDArray[Any]
_SPLITS = 10  # of the published Inception score


def compare(real: Measured, fake: Measured, settings: Settings) -> dict[str, Estimate]:
    """Every number of `fake` against `real`: {"fad/yamnet": ..., "loops/onset_jsd": ..., "music/tuning_r": ..., ...}."""
    out: dict[str, Estimate] = {}
    for judge in real.embeddings:
        out |= _by_judge(judge, real, fake, settings)
    if "loops" in settings.metrics:
        out |= _by_loop("loops", real, fake, real.features, fake.features, metrics.compare_loops, metrics.summarise, settings)
    if real.music is not None and fake.music is not None:
        out |= _by_loop("music", real, fake, real.music, fake.music, metrics.compare_music, music_summary, settings)
    return out


def drawn_sources(m: Measured) -> Sequence[str] | None:
    """The sources of a set, which intervals draw whole; None if no source is known, as of generated loops: each is its own."""
    return m.sources if any(loop.entry.source for loop in m.loops) else None


def with_interval(
    statistic: Callable[..., dict[str, float]],
    *sets: Array,
    groups: Sequence[Sequence[str] | None],
    settings: Settings,
    repeats: int | None = None,
) -> dict[str, Estimate]:
    """`metrics.bootstrap` of a statistic whose whole sources may be few: then the value has no interval, or draws are left out.

    What is NaN on the full sets applies to none of them and is left out.
    """
    full = statistic(*sets)

    def half(*parts: Array) -> dict[str, float]:
        try:
            return statistic(*parts)
        except InputError:  # half of the sources may hold fewer loops than a metric needs
            return dict.fromkeys(full, np.nan)

    found = metrics.bootstrap(
        half, *sets, repeats=repeats or settings.repeats, seed=settings.seed, groups=groups, value=full, few="nan"
    )
    return {key: Estimate.of(x, key) for key, x in found.items() if np.isfinite(x.value)}


def music_summary(features: MusicalFeatures) -> dict[str, float]:
    """`metrics.summarise_music`, NaN for medians over fewer than 5 loops: the key of one loop in a hundred says nothing."""
    out = metrics.summarise_music(features)
    applies = {name: int(np.isfinite(getattr(features, name)).sum()) for name in MEASURES}
    applies |= {"cents_off": applies["tuning_offset"], "keys_fitting": int((features.key >= 0).sum())}
    return {key: np.nan if applies.get(key, LEAST) < LEAST else value for key, value in out.items()}


class _Features(Protocol):
    def __getitem__(self, rows: Intp) -> Any: ...


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
    rows = np.arange(len(real)), np.arange(len(fake))
    groups = [drawn_sources(real), drawn_sources(fake)]
    found = with_interval(lambda i, j: distances(mine[i], theirs[j]), *rows, groups=groups, settings=settings)
    found |= with_interval(lambda j: summary(theirs[j]), rows[1], groups=groups[1:], settings=settings)
    return {f"{section}/{key}": estimate for key, estimate in found.items()}


def _by_judge(judge: str, real: Measured, fake: Measured, settings: Settings) -> dict[str, Estimate]:
    """The numbers that come from one judge's embeddings and class probabilities."""
    wanted = set(settings.metrics)
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

    found: dict[str, Estimate] = {}
    if wanted & _BY_EMBEDDING:
        found |= with_interval(numbers, a, b, groups=groups, settings=settings)
    if "fad_inf" in wanted:

        def limit(x: Float32, y: Float32) -> dict[str, float]:
            return {"fad_inf": metrics.fad_inf(x, y, steps=8, seed=settings.seed).value}

        few = min(20, settings.repeats)  # each needs a whole series of FADs
        found |= with_interval(limit, a, b, groups=groups, settings=settings, repeats=few)
    if judge in fake.probabilities:

        def scores(p: Float32) -> dict[str, float]:
            score = metrics.inception_score(p, splits=max(1, min(_SPLITS, len(p) // 10)), seed=settings.seed)
            return {"is": score.whole, "is10": score.mean}

        found |= with_interval(scores, fake.probabilities[judge], groups=groups[1:], settings=settings)
    return {f"{key}/{judge}": estimate for key, estimate in found.items()}
