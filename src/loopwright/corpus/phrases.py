"""Written phrases: a pattern of a grammar as one bar, or as two or four bars that end in a fill, swung, with human faults."""

from __future__ import annotations

import numpy as np

from loopwright.config import SPLITS
from loopwright.corpus.groove import STEP_SAMPLES, Phrase, make_phrase
from loopwright.corpus.patterns import GRAMMARS, Hit, Rng

_BUSY = ("breakbeat", "boombap", "drumnbass", "electro", "footwork", "dembow")  # styles whose fills are played
_LOUDEST = 120


def roll(rng: Rng, start: int) -> list[Hit]:
    """A snare roll that grows, from `start` to the end of the bar, in sixteenths that become thirty-seconds."""
    role = str(rng.choice(["snare", "snare", "clap", "tom_mid"]))
    fine = int(rng.integers(start, 17))  # from here on twice as fast
    places = [*range(start, fine), *np.arange(fine, 16, 0.5).tolist()]
    return [(float(p), role, round(55 + 60 * (p - start) / (16 - start))) for p in places]


def toms(rng: Rng, start: int) -> list[Hit]:
    """Snare and toms, from high to low."""
    order = ["snare", "tom_high", "tom_mid", "tom_low"]
    size = 16 - start
    hits = [
        (float(start + i), order[min(4 * i // size, 3)], int(rng.integers(82, _LOUDEST)))
        for i in range(size)
        if rng.random() < 0.85
    ]
    return [*hits, (14.0, "kick", 100)]


def stutter(rng: Rng, start: int) -> list[Hit]:
    """One sound repeated every three or two steps."""
    stride = int(rng.choice([1, 2, 3, 3]))
    role = str(rng.choice(["kick", "snare", "clap", "perc", "rim"]))
    return [(float(p), role, int(rng.integers(80, _LOUDEST))) for p in range(start, 16, stride)]


def rest(rng: Rng, start: int) -> list[Hit]:
    """Nothing, but for a hit or two that lead back."""
    lead = [(14.0, "snare", 104), (15.0, "kick", 92), (14.0, "hat_open", 96), (15.0, "clap", 100), (12.0, "crash", 90)]
    return [lead[i] for i in rng.permutation(len(lead))[: int(rng.integers(1, 3))] if lead[i][0] >= start]


FILLS = (roll, toms, stutter, rest)


def with_fill(hits: list[Hit], style: str, rng: Rng) -> list[Hit]:
    """The bar with its end, a quarter to a half of it, given to a fill. Hats sometimes go on."""
    start = int(rng.choice([8, 10, 12, 12, 12, 14]))
    chances = (0.25, 0.4, 0.15, 0.2) if style in _BUSY else (0.4, 0.15, 0.2, 0.25)
    fill = FILLS[rng.choice(len(FILLS), p=chances)]
    keep_hats = rng.random() < 0.4
    kept = [hit for hit in hits if hit[0] < start or (keep_hats and hit[1].startswith("hat"))]
    return kept + fill(rng, start)


def varied(hits: list[Hit], rng: Rng) -> list[Hit]:
    """The bar again as a player would repeat it: some soft hits left out, an accent moved."""
    return [
        (at, role, velocity + int(rng.integers(-6, 7)))
        for at, role, velocity in hits
        if velocity >= 90 or role == "kick" or rng.random() < 0.93
    ]


def write_phrase(style: str, number: int, split: str, seed: int, bars: int = 1) -> Phrase:
    """Phrase `number` of a style, the same for the same (style, number, split, seed, bars): A, A-B or A-A-A-B.

    B is A with a fill, which leads back to the start of the loop.
    """
    grammar, (low, high) = GRAMMARS[style]
    rng = np.random.default_rng([seed, 7, list(GRAMMARS).index(style), SPLITS.index(split), number])
    first = grammar(rng)
    swing, looseness = rng.uniform(low, high), rng.uniform(0.0, 0.035) * (2.0 if high > 0.2 else 1.0)
    parts = [first] + [varied(first, rng) for _ in range(bars - 1)]
    if bars > 1:
        parts[-1] = with_fill(parts[-1], style, rng)
        if rng.random() < 0.3:
            parts[0] = [*parts[0], (0.0, "crash", 100)]
    chosen: dict[tuple[float, str], tuple[int, str, int, int]] = {}
    for bar, hits in enumerate(parts):
        for at, role, velocity in hits:
            late = swing if int(at) % 2 == 1 else 0.0
            moved = at + late + looseness * float(np.clip(rng.standard_normal(), -2.0, 2.0))
            loud = round(velocity + rng.normal(0, 5))
            chosen.setdefault((16 * bar + at, role), (round((16 * bar + moved) * STEP_SAMPLES), role, loud, 0))
    return make_phrase(chosen.values(), style=style, split=split, source=f"pattern/{style}/{split}-{number:06d}", bars=bars)
