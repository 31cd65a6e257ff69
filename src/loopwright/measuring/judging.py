"""Clips through judges: embeddings and class probabilities, from the cache where they are known.

Shapes: N samples.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from loopwright.arrays import Float32
from loopwright.errors import ConfigError, WeightsError
from loopwright.features import NETWORKS, Judge, load_judge
from loopwright.features.registry import weights_path
from loopwright.measuring.cache import EmbeddingCache
from loopwright.metrics import FAMILIES

What = Literal["embedding", "probabilities"]

PANEL = "panel"
_UNTRAINED = "random:yamnet"
JUDGE_RATE_HZ = 16_000  # what loop metrics and most judges hear
_SECONDS = (2.0, 20.0)  # loops shorter than this are repeated for a judge, longer ones cut


def named_judge(name: str, weights: Path | None = None) -> Judge:
    """The judge under the name it was asked by, so that `random:yamnet` and `yamnet` do not share a column.

    Raises WeightsError if its weights are nowhere.
    """
    judge = load_judge(name, weights=weights)
    judge.name = name
    return judge


def judges_called(names: Sequence[str], weights: Path | None = None) -> list[Judge]:
    """The judges by their names; ("panel",): all that can be had here, family by family, and one without training.

    Raises WeightsError if the weights of a judge that is named are nowhere.
    """
    if tuple(names) != (PANEL,):
        return [named_judge(name, weights) for name in names]
    found = []
    for name in [*(name for members in FAMILIES.values() for name in members if name in NETWORKS), _UNTRAINED]:
        with contextlib.suppress(WeightsError, ConfigError):  # no file here, or no embedding
            found.append(named_judge(name, weights))
    return found


def judges_at_hand(names: Sequence[str], weights: Path | None = None) -> list[str]:
    """Those of `names` whose weights are found here."""
    found = []
    for name in names:
        with contextlib.suppress(WeightsError):
            weights_path(name, weights)
            found.append(name)
    return found


def judge_clip(samples: Float32, rate_hz: int = JUDGE_RATE_HZ) -> Float32:
    """A loop (N,) as judges hear it: repeated until it is 2 s long, cut at 20 s."""
    shortest, longest = (round(s * rate_hz) for s in _SECONDS)
    if len(samples) < shortest:
        samples = np.tile(samples, -(-shortest // len(samples)))
    return samples[:longest]


def tells_classes(judge: Judge) -> bool:
    """Whether IS can come from this judge: its classes exclude each other, which AudioSet's and MTAT's tags do not."""
    if not judge.classes:
        return False
    noise = np.random.default_rng(0).normal(size=(1, max(2 * judge.rate_hz, judge.min_samples))).astype(np.float32)
    return bool(abs(float(judge.probabilities(0.1 * noise).sum()) - 1.0) < 1e-3)


def hear(judge: Judge, clips: Sequence[Float32], keys: Sequence[str], cache: EmbeddingCache, what: What) -> list[Float32]:
    """A vector for each clip (its `key` from `cache.content_hash`); clips of one length go through the judge together."""
    space = f"{judge.name} {judge.checksum} {what}"
    known = cache.get(space, keys)
    lengths: dict[int, list[int]] = {}
    for i, key in enumerate(keys):
        if key not in known:
            lengths.setdefault(max(len(clips[i]), judge.min_samples), []).append(i)
    fresh: dict[str, Float32] = {}
    for length, some in lengths.items():
        batch = np.stack([np.resize(clips[i], length) for i in some])  # one that is too short for the judge goes round again
        out = judge.embed(batch) if what == "embedding" else judge.probabilities(batch)
        fresh |= {keys[i]: np.asarray(vector) for i, vector in zip(some, out, strict=True)}
    if fresh:
        cache.put(space, {key: vector for key, vector in fresh.items() if np.isfinite(vector).all()})
    known |= fresh
    return [known[key] for key in keys]
