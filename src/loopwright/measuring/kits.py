"""From kit to kit: how far a distance depends on which of the real sounds it is measured against.

An interval over loops says little of this: kits are few, and one may be much nearer than another.
"""

from __future__ import annotations

import functools
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
    known = np.array([i for i, name in enumerate(names) if name], dtype=np.int64)
    names = [names[i] for i in known]
    if not reference.embeddings or sum(count >= LEAST for count in Counter(names).values()) < 2:
        return None
    values: dict[str, dict[str, Spread]] = {title: {} for title in others}
    for judge, real in reference.embeddings.items():
        distance = functools.partial(metrics.kad, bandwidth=metrics.median_distance(real))
        for title, other in others.items():
            found = metrics.per_group(distance, real[known], names, other.embeddings[judge], least=LEAST)
            nearest, *_, furthest = found.values
            values[title][f"kad/{judge}"] = Spread(
                min=found.low, median=found.median, max=found.high, nearest=nearest, furthest=furthest
            )
    return KitFacts(by=by, kits=len(found.values), left_out=len(found.left_out), values=values)
