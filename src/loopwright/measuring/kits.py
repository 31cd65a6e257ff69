"""From kit to kit: how far a distance depends on which of the real sounds it is measured against.

An interval over loops says little of this: kits are few, and one may be much nearer than another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from loopwright import metrics
from loopwright.measuring.measured import Measured
from loopwright.measuring.results import KitFacts, Spread

LEAST = 8  # loops of a kit, or it is left out: a KAD of fewer is noise


def from_kit_to_kit(reference: Measured, others: Mapping[str, Measured]) -> KitFacts | None:
    """KAD of each set against the reference loops of one kit at a time; without known kits, of one source at a time.

    All kits share the bandwidth of the whole reference. None if there is no judge, or fewer than two kits of 8 loops.
    """
    by, names = ("kit", reference.kits) if any(reference.kits) else ("source", reference.sources)
    counts = Counter(names)
    kits = sorted(name for name, count in counts.items() if count >= LEAST and name)
    if len(kits) < 2 or not reference.embeddings:
        return None
    rows = {kit: np.flatnonzero(np.array(names) == kit) for kit in kits}
    values: dict[str, dict[str, Spread]] = {title: {} for title in others}
    for judge, a in reference.embeddings.items():
        bandwidth = metrics.median_distance(a)
        for title, other in others.items():
            found = {kit: metrics.kad(a[some], other.embeddings[judge], bandwidth=bandwidth) for kit, some in rows.items()}
            values[title][f"kad/{judge}"] = _spread(found)
    return KitFacts(by=by, kits=len(kits), left_out=len(counts) - len(kits), values=values)


def _spread(found: Mapping[str, float]) -> Spread:
    nearest, furthest = min(found, key=lambda kit: found[kit]), max(found, key=lambda kit: found[kit])
    return Spread(
        min=found[nearest],
        median=float(np.median(list(found.values()))),
        max=found[furthest],
        nearest=nearest,
        furthest=furthest,
    )
