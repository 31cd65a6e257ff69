"""A set of made-up rooms that loops of a corpus share."""

from __future__ import annotations

import numpy as np

from loopwright.corpus.circular import room
from loopwright.corpus.groove import BAR_SAMPLES

RATE_HZ = 48_000
N_ROOMS = 48


class Rooms:
    """Responses of N_ROOMS rooms for loops of `n` samples, from small and dry to a hall; the same for the same seed."""

    def __init__(self, seed: int, n: int = BAR_SAMPLES) -> None:
        rng = np.random.default_rng([seed, 11])
        decays = np.exp(rng.uniform(np.log(0.12), np.log(1.6), N_ROOMS))
        damp = rng.uniform(2500, 9000, N_ROOMS)
        self.responses = [room(rng, d, RATE_HZ, n, damp_hz=f) for d, f in zip(decays, damp, strict=True)]
