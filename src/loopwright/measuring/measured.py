"""Loops read once and measured one by one: what is kept of a side when its audio is gone.

Shapes: n loops, N samples, M mel bands, T frames, B bars of all loops together.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from loopwright import metrics
from loopwright.audio.mel import LogMel
from loopwright.audio.melscale import slaney_hz_to_mel
from loopwright.audio.resample import resample_circle
from loopwright.config import LOOP16
from loopwright.errors import InputError, LoopwrightError
from loopwright.features import Judge
from loopwright.measuring.cache import EmbeddingCache, content_hash
from loopwright.measuring.judging import RATE_HZ, Float32, hear, judge_clip, tells_classes
from loopwright.measuring.settings import Settings
from loopwright.measuring.sides import Entry, Reading, Side
from loopwright.metrics.loops import LoopFeatures

Ints = npt.NDArray[np.int64]

CHUNK = 32  # loops in memory at once
POOL = (2, 2)  # mel bands and frames averaged in a pattern


@dataclass(frozen=True)
class Heard:
    """One loop that was read."""

    entry: Entry
    row: int  # its place in the side
    bars: int
    rate_hz: int  # as it came
    seconds: float
    rms_db: float
    digest: str  # of what judges heard


@dataclass(frozen=True)
class Patterns:
    """Log-mels of single bars, pooled: `bars` (B, M, T); `owner` (B,) is the number of each bar's loop, in order."""

    bars: Float32
    owner: Ints

    def take(self, loops: Ints) -> Patterns:
        """The bars of some loops, which are numbered anew."""
        places = [np.flatnonzero(self.owner == loop) for loop in loops]
        owner = np.repeat(np.arange(len(places)), [len(some) for some in places])
        return Patterns(self.bars[np.concatenate(places)], np.asarray(owner, dtype=np.int64))

    @staticmethod
    def join(parts: Sequence[Patterns]) -> Patterns:
        """One set of several, loops numbered on."""
        owners, first = [], 0
        for part in parts:
            owners.append(part.owner + first)
            first += int(part.owner[-1]) + 1
        return Patterns(np.concatenate([part.bars for part in parts]), np.concatenate(owners))


@dataclass(frozen=True)
class Measured:
    """A set of n loops, measured. Every field but `skipped` has one item or row a loop, in one order."""

    loops: tuple[Heard, ...]
    embeddings: dict[str, Float32]  # by judge, (n, D)
    probabilities: dict[str, Float32]  # by judge that tells classes, (n, K)
    features: LoopFeatures
    patterns: Patterns
    skipped: tuple[str, ...] = ()  # loops that could not be read, and why

    def __len__(self) -> int:
        return len(self.loops)

    @property
    def sources(self) -> list[str]:
        """The unit that each loop is drawn with, when intervals are made."""
        return [loop.entry.unit for loop in self.loops]

    def take(self, keep: Ints) -> Measured:
        """Some of the loops, by number."""
        return dataclasses.replace(
            self,
            loops=tuple(self.loops[i] for i in keep),
            embeddings={name: vectors[keep] for name, vectors in self.embeddings.items()},
            probabilities={name: vectors[keep] for name, vectors in self.probabilities.items()},
            features=self.features[keep],
            patterns=self.patterns.take(keep),
        )


class Ears:
    """What every loop of an evaluation goes through: judges, and measures that need none."""

    def __init__(self, judges: Sequence[Judge], settings: Settings, cache: EmbeddingCache) -> None:
        self.judges, self.cache = list(judges), cache
        wanted = "is" in settings.metrics
        self.classifiers = [judge for judge in judges if wanted and tells_classes(judge)]
        self._edges = band_edges()

    def measure(self, side: Side, rows: Ints, report: Callable[[int, int], None]) -> Measured:
        """Read loops in chunks; keep embeddings and measures, not the audio. Raises InputError if none can be read."""
        loops: list[Heard] = []
        features: list[LoopFeatures] = []
        bars: list[Float32] = []
        owner: list[int] = []
        vectors: dict[str, list[Float32]] = {judge.name: [] for judge in self.judges}
        odds: dict[str, list[Float32]] = {judge.name: [] for judge in self.classifiers}
        skipped: list[str] = []
        for start in range(0, len(rows), CHUNK):
            report(start, len(rows))
            clips: list[Float32] = []
            keys: list[str] = []
            for row in rows[start : start + CHUNK]:
                entry = side.entries[int(row)]
                try:
                    reading = side.read(int(row), RATE_HZ)
                except LoopwrightError as error:
                    skipped.append(f"{entry.name}: {error}")
                    continue
                clips.append(judge_clip(reading.samples))
                keys.append(content_hash(clips[-1]))
                feature, patterns = self._without_judge(reading)
                features.append(feature)
                bars += patterns
                owner += [len(loops)] * len(patterns)
                loops.append(_heard(entry, int(row), reading, keys[-1]))
            for judge in self.judges:
                vectors[judge.name] += hear(judge, clips, keys, self.cache, "embedding")
            for judge in self.classifiers:
                odds[judge.name] += hear(judge, clips, keys, self.cache, "probabilities")
        report(len(rows), len(rows))
        if not loops:
            first = f" ({skipped[0]})" if skipped else ""
            raise InputError(f"none of the {len(rows)} loops of {side.label} can be read{first}.")
        return Measured(
            loops=tuple(loops),
            embeddings={name: np.stack(some) for name, some in vectors.items()},
            probabilities={name: np.stack(some) for name, some in odds.items()},
            features=LoopFeatures.join(features),
            patterns=Patterns(np.stack(bars), np.asarray(owner, dtype=np.int64)),
            skipped=tuple(skipped),
        )

    def _without_judge(self, reading: Reading) -> tuple[LoopFeatures, list[Float32]]:
        """Measures of the loop and the pattern of each bar."""
        grid, picture = on_grid(reading)
        features = metrics.loop_features(grid[None], picture[None], bars=reading.bars, edges=self._edges)
        return dataclasses.replace(features, wrap=np.array([reading.wrap])), patterns_of(picture, reading.bars)


def _heard(entry: Entry, row: int, reading: Reading, digest: str) -> Heard:
    rms = float(np.sqrt(np.mean(reading.samples.astype(np.float64) ** 2)))
    return Heard(
        entry=entry,
        row=row,
        bars=reading.bars,
        rate_hz=reading.rate_hz,
        seconds=len(reading.samples) / RATE_HZ,
        rms_db=20 * float(np.log10(max(rms, 1e-6))),
        digest=digest,
    )


def on_grid(reading: Reading) -> tuple[Float32, Float32]:
    """A loop brought to 120 BPM as a circle, (N,), and its log-mel in LOOP16, (M, T)."""
    grid = resample_circle(reading.samples, reading.bars * LOOP16.bar_samples)
    with torch.no_grad():
        return grid, _log_mel()(torch.from_numpy(grid)[None])[0].numpy()


@functools.cache
def _log_mel() -> LogMel:
    return LogMel(LOOP16)


def patterns_of(log_mel: Float32, bars: int) -> list[Float32]:
    """The bars of a LOOP16 log-mel (M, T), pooled."""
    m, t = log_mel.shape
    pooled = log_mel.reshape(m // POOL[0], POOL[0], t // POOL[1], POOL[1]).mean(axis=(1, 3))
    return np.split(np.asarray(pooled, dtype=np.float32), bars, axis=1)


def band_edges() -> tuple[int, int]:
    """Mel bins of LOOP16 at which 200 Hz and 2 kHz lie."""
    top = slaney_hz_to_mel(np.array([LOOP16.fmax_hz]))[0]
    low, high = slaney_hz_to_mel(np.array([200.0, 2000.0])) / top * (LOOP16.n_mels + 1) - 1
    return round(float(low)), round(float(high))
