"""A set of made-up rooms that loops of a corpus share."""

from __future__ import annotations

import numpy as np

from loopwright.corpus.bar import BAR_SAMPLES, CORPUS_RATE_HZ
from loopwright.corpus.circular import room

N_ROOMS = 48


class Rooms:
    """Responses of N_ROOMS rooms for loops of `n` samples, from small and dry to a hall; the same for the same seed."""

    def __init__(self, seed: int, n: int = BAR_SAMPLES) -> None:
        rng = np.random.default_rng([seed, 11])
        decays = np.exp(rng.uniform(np.log(0.12), np.log(1.6), N_ROOMS))
        damp = rng.uniform(2500, 9000, N_ROOMS)
        self.responses = [room(rng, d, CORPUS_RATE_HZ, n, damp_hz=f) for d, f in zip(decays, damp, strict=True)]
