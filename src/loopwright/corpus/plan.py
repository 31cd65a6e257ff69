"""Which phrases a drum corpus has: shares of the split, styles as even as the material allows, none on two sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from loopwright.config import SPLITS
from loopwright.corpus.groove import Phrase
from loopwright.corpus.patterns import GRAMMARS
from loopwright.corpus.phrases import write_phrase
from loopwright.corpus.sides import counts_of
from loopwright.errors import InputError

# Share of each side that is written. The few performers of a far side play two or three styles: more of them is written.
WRITTEN_SHARE = {"train": 0.45, "validation": 0.6, "test": 0.6, "locked": 0.6}


def plan_drums(groove: Sequence[Phrase], n: int, seed: int, bars: int = 1) -> list[Phrase]:
    """Choose n phrases of `bars` bars: shares by `sides.SHARES`, styles as even as the performances allow, order shuffled.

    Human phrases that are equal once rounded to 1/16 are used once before any comes again (then with another kit). No bar,
    so rounded, is on two sides: the side that is further from training keeps it.
    """
    rng = np.random.default_rng([seed, 3])
    plan: list[Phrase] = []
    taken: set[bytes] = set()  # bars of the sides done so far
    counts = counts_of(n)
    for split in reversed(SPLITS):
        played: dict[str, list[Phrase]] = defaultdict(list)
        seen: set[bytes] = set()
        for phrase in groove:
            if phrase.split == split and phrase.key not in seen and taken.isdisjoint(phrase.keys):
                seen.add(phrase.key)
                played[phrase.style].append(phrase)
        own: list[Phrase] = []
        written = round(WRITTEN_SHARE[split] * counts[split]) if played else counts[split]
        for style, quota in _even(written, dict.fromkeys(GRAMMARS, written + 1), rng).items():
            own += _write(style, quota, split, seed, bars, taken)
        left = counts[split] - written
        while left > 0:  # a second round only when every distinct phrase has been used
            quotas = _even(left, {style: len(phrases) for style, phrases in played.items()}, rng)
            for style, quota in quotas.items():
                own += [played[style][i] for i in rng.permutation(len(played[style]))[:quota]]
            left -= sum(quotas.values())
        taken.update(key for phrase in own for key in phrase.keys)
        plan += own
    return [plan[i] for i in rng.permutation(len(plan))]


def _write(style: str, quota: int, split: str, seed: int, bars: int, taken: set[bytes]) -> list[Phrase]:
    """`quota` written phrases without a bar of `taken`, different from one another as far as a thousand tries go."""
    out: list[Phrase] = []
    keys: set[bytes] = set()
    number = 0
    for _ in range(quota):
        found: Phrase | None = None
        for _attempt in range(1000):
            phrase = write_phrase(style, number, split, seed, bars)
            number += 1
            if taken.isdisjoint(phrase.keys):
                found = phrase
                if phrase.key not in keys:
                    break
        if found is None:
            raise InputError(f"no {style} patterns are left for the {split} side. Render fewer loops.")
        keys.add(found.key)
        out.append(found)
    return out


def _even(total: int, available: dict[str, int], rng: np.random.Generator) -> dict[str, int]:
    """Share `total` among the names as evenly as `available` allows; the sum is min(total, all there is)."""
    quotas = dict.fromkeys(available, 0)
    left = min(total, sum(available.values()))
    while left:
        open_names = [name for name in available if quotas[name] < available[name]]
        each = left // len(open_names)
        if each == 0:
            for i in rng.permutation(len(open_names))[:left]:
                quotas[open_names[i]] += 1
            return quotas
        for name in open_names:
            take = min(each, available[name] - quotas[name])
            quotas[name] += take
            left -= take
    return quotas
