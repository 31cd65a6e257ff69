"""Loops read once and measured one by one: what is kept of a side when its audio is gone.

Shapes: n loops, N samples, M mel bands, T frames, B bars of all loops together.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from loopwright import metrics
from loopwright.arrays import Float32, Int64
from loopwright.audio.mel import LogMel
from loopwright.audio.melscale import slaney_hz_to_mel
from loopwright.audio.resample import resample_circle
from loopwright.config import LOOP16
from loopwright.errors import InputError, LoopwrightError
from loopwright.features import Judge
from loopwright.features.basic_pitch import BasicPitch
from loopwright.measuring.cache import EmbeddingCache, content_hash
from loopwright.measuring.judging import JUDGE_RATE_HZ, What, hear, judge_clip, tells_classes
from loopwright.measuring.settings import Settings
from loopwright.measuring.sides import Entry, Reading, Side
from loopwright.metrics.loops import LoopFeatures
from loopwright.metrics.music import MusicalFeatures

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
    owner: Int64

    def take(self, loops: Int64) -> Patterns:
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
class _Chunk:
    """n loops, measured. Every field has one item or row a loop, in one order."""

    loops: tuple[Heard, ...]
    embeddings: dict[str, Float32]  # by judge, (n, D)
    probabilities: dict[str, Float32]  # by judge that tells classes, (n, K)
    features: LoopFeatures
    music: MusicalFeatures | None  # None: not asked for
    patterns: Patterns


@dataclass(frozen=True)
class Measured(_Chunk):
    """A whole set of n loops, measured. `skipped`: those that could not be read, and why."""

    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.loops)

    @property
    def sources(self) -> list[str]:
        """The unit that each loop is drawn with, when intervals are made."""
        return [loop.entry.unit for loop in self.loops]

    @property
    def kits(self) -> list[str]:
        """Of each loop, "" where it is not known."""
        return [loop.entry.kit for loop in self.loops]

    def take(self, keep: Int64) -> Measured:
        """Some of the loops, by number."""
        return dataclasses.replace(
            self,
            loops=tuple(self.loops[i] for i in keep),
            embeddings={name: vectors[keep] for name, vectors in self.embeddings.items()},
            probabilities={name: vectors[keep] for name, vectors in self.probabilities.items()},
            features=self.features[keep],
            music=None if self.music is None else self.music[keep],
            patterns=self.patterns.take(keep),
        )


class Ears:
    """What every loop of an evaluation goes through: judges, and measures that need none.

    Args:
        judges: may be none.
        settings: whether classes are wanted ("is") and musical measures ("music").
        cache: of embeddings.
        transcriber: hears notes; None: what needs notes is not measured (NaN).
    """

    def __init__(
        self, judges: Sequence[Judge], settings: Settings, cache: EmbeddingCache, transcriber: BasicPitch | None = None
    ) -> None:
        self.judges, self.cache, self.transcriber = list(judges), cache, transcriber
        self.classifiers = [judge for judge in judges if "is" in settings.metrics and tells_classes(judge)]
        self.musical = "music" in settings.metrics
        self._edges = band_edges()

    def measure(self, side: Side, rows: Int64, report: Callable[[int, int], None]) -> Measured:
        """Read loops in chunks; keep embeddings and measures, not the audio. Raises InputError if none can be read."""
        parts: list[_Chunk] = []
        skipped: list[str] = []
        for start in range(0, len(rows), CHUNK):
            report(start, len(rows))
            readings: list[Reading] = []
            found: list[int] = []
            for row in rows[start : start + CHUNK]:
                try:
                    reading = side.read(int(row))
                    if not np.isfinite(reading.samples).all():
                        raise InputError("it holds NaN or infinity. Mend or remove it.")
                except LoopwrightError as error:
                    skipped.append(f"{side.entries[int(row)].name}: {error}")
                    continue
                readings.append(reading)
                found.append(int(row))
            if readings:
                parts.append(self._chunk([side.entries[row] for row in found], found, readings))
        report(len(rows), len(rows))
        if not parts:
            first = f" ({skipped[0]})" if skipped else ""
            raise InputError(f"none of the {len(rows)} loops of {side.label} can be read{first}.")
        return Measured(
            loops=tuple(loop for part in parts for loop in part.loops),
            embeddings={judge.name: np.concatenate([p.embeddings[judge.name] for p in parts]) for judge in self.judges},
            probabilities={
                judge.name: np.concatenate([p.probabilities[judge.name] for p in parts]) for judge in self.classifiers
            },
            features=LoopFeatures.join([part.features for part in parts]),
            music=MusicalFeatures.join([p.music for p in parts if p.music is not None]) if self.musical else None,
            patterns=Patterns.join([part.patterns for part in parts]),
            skipped=tuple(skipped),
        )

    def _chunk(self, entries: Sequence[Entry], rows: Sequence[int], readings: Sequence[Reading]) -> _Chunk:
        """Some loops that fit into memory together."""
        plain = [reading.at(JUDGE_RATE_HZ) for reading in readings]
        clips = {JUDGE_RATE_HZ: [judge_clip(samples) for samples in plain]}
        for rate in {judge.rate_hz for judge in self.judges} - {JUDGE_RATE_HZ}:
            clips[rate] = [judge_clip(reading.at(rate), rate) for reading in readings]
        keys = {rate: [content_hash(clip) for clip in some] for rate, some in clips.items()}

        def through(judges: Sequence[Judge], what: What) -> dict[str, Float32]:
            return {j.name: np.stack(hear(j, clips[j.rate_hz], keys[j.rate_hz], self.cache, what)) for j in judges}

        features: list[LoopFeatures] = []
        bars: list[Float32] = []
        owner: list[int] = []
        for number, (reading, samples) in enumerate(zip(readings, plain, strict=True)):
            grid, picture = on_grid(samples, reading.bars)
            one = metrics.loop_features(grid[None], picture[None], bars=reading.bars, edges=self._edges)
            features.append(dataclasses.replace(one, wrap=np.array([reading.wrap])))
            patterns = patterns_of(picture, reading.bars)
            bars += patterns
            owner += [number] * len(patterns)
        heard = zip(entries, rows, readings, keys[JUDGE_RATE_HZ], strict=True)
        return _Chunk(
            loops=tuple(_heard(*one) for one in heard),
            embeddings=through(self.judges, "embedding"),
            probabilities=through(self.classifiers, "probabilities"),
            features=LoopFeatures.join(features),
            music=musical_features_of(readings, self.transcriber) if self.musical else None,
            patterns=Patterns(np.stack(bars), np.asarray(owner, dtype=np.int64)),
        )


def musical_features_of(readings: Sequence[Reading], transcriber: BasicPitch | None = None) -> MusicalFeatures:
    """Musical measures of loops of any lengths, each at its own rate; those that are alike go together."""
    alike: dict[tuple[int, int, int], list[int]] = {}
    for i, reading in enumerate(readings):
        alike.setdefault((len(reading.samples), reading.rate_hz, reading.bars), []).append(i)
    found: dict[int, MusicalFeatures] = {}
    for (_, rate_hz, bars), some in alike.items():
        waves = np.stack([readings[i].samples for i in some])
        posteriors = None
        if transcriber is not None:
            posteriors = transcriber.notes(np.stack([readings[i].at(transcriber.rate_hz) for i in some]))[:2]
        features = metrics.musical_features(waves, rate_hz, bars, posteriors=posteriors)
        found |= {i: features[np.array([place])] for place, i in enumerate(some)}
    return MusicalFeatures.join([found[i] for i in range(len(readings))])


def _heard(entry: Entry, row: int, reading: Reading, digest: str) -> Heard:
    rms = float(np.sqrt(np.mean(reading.samples.astype(np.float64) ** 2)))
    return Heard(
        entry=entry,
        row=row,
        bars=reading.bars,
        rate_hz=reading.rate_hz,
        seconds=len(reading.samples) / reading.rate_hz,
        rms_db=20 * float(np.log10(max(rms, 1e-6))),
        digest=digest,
    )


def on_grid(samples: Float32, bars: int) -> tuple[Float32, Float32]:
    """A loop at 16 kHz (N,) brought to 120 BPM as a circle, and its log-mel in LOOP16, (M, T)."""
    grid = resample_circle(samples, bars * LOOP16.bar_samples)
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
