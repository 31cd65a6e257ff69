"""Is it new? The nearest training bar of every generated one, and of real ones that trained nothing to compare with.

Shapes: n loops, B bars of all loops together, M mel bands, T frames of a bar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loopwright import metrics
from loopwright.arrays import Float32, Int64
from loopwright.audio.picture import mel_sheet
from loopwright.config import LOOP16
from loopwright.errors import InputError, LoopwrightError
from loopwright.measuring.compare import drawn_sources, with_interval
from loopwright.measuring.judging import JUDGE_RATE_HZ
from loopwright.measuring.measured import CHUNK, POOL, Measured, Patterns, on_grid, patterns_of
from loopwright.measuring.results import Estimate
from loopwright.measuring.settings import Settings
from loopwright.measuring.sides import Entry, PreparedSide, Side

_SHEET = 8  # pairs in the picture


@dataclass(frozen=True)
class Bank:
    """Loops to be compared with: which ones of a side, and the patterns of their bars."""

    entries: tuple[Entry, ...]
    rows: Int64  # their places in the side
    patterns: Patterns

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def sources(self) -> list[str]:
        """Of each loop."""
        return [entry.unit for entry in self.entries]

    @classmethod
    def of(cls, *sets: Measured) -> Bank:
        """Loops that were measured already."""
        return cls(
            entries=tuple(loop.entry for m in sets for loop in m.loops),
            rows=np.array([loop.row for m in sets for loop in m.loops], dtype=np.int64),
            patterns=Patterns.join([m.patterns for m in sets]),
        )

    @classmethod
    def read(cls, side: Side, rows: Int64, report: Callable[[int, int], None]) -> Bank:
        """Patterns of many loops of a side, and nothing else of them. Raises InputError if none can be read."""
        kept: list[int] = []
        bars: list[Float32] = []
        owner: list[int] = []
        for start in range(0, len(rows), CHUNK):
            report(start, len(rows))
            part = rows[start : start + CHUNK]
            for row, picture in zip(part, _log_mels(side, part), strict=True):
                if picture is None:
                    continue
                patterns = patterns_of(picture, picture.shape[1] // LOOP16.bar_frames)
                bars += patterns
                owner += [len(kept)] * len(patterns)
                kept.append(int(row))
        report(len(rows), len(rows))
        if not kept:
            raise InputError(f"{side.label} has no training loops that can be read. Pass another --training.")
        return cls(
            entries=tuple(side.entries[row] for row in kept),
            rows=np.asarray(kept, dtype=np.int64),
            patterns=Patterns(np.stack(bars), np.asarray(owner, dtype=np.int64)),
        )


def _log_mels(side: Side, rows: Int64) -> Sequence[Float32 | None]:
    """LOOP16 log-mels (M, bars * T); None for a loop that cannot be read. Those of prepared data are taken as they lie."""
    if isinstance(side, PreparedSide) and side.data.representation == LOOP16:
        return list(side.data.log_mel(rows))
    out: list[Float32 | None] = []
    for row in rows:
        try:
            reading = side.read(int(row))
            out.append(on_grid(reading.at(JUDGE_RATE_HZ), reading.bars)[1])
        except LoopwrightError:
            out.append(None)
    return out


@dataclass(frozen=True)
class Found:
    """Similarities of the most similar bar of each loop, and which training bar each generated bar is nearest to."""

    real: Float32  # (n,)
    fake: Float32  # (n,)
    nearest: metrics.Nearest  # of each generated bar
    groups: list[Sequence[str] | None]  # sources of both, which are drawn whole

    def estimates(self, settings: Settings) -> dict[str, Estimate]:
        """`copied`, `threshold`, and the median similarities `generated` and `real`, with intervals."""

        def numbers(real: Float32, fake: Float32) -> dict[str, float]:
            found = metrics.novelty_from(real, fake)
            return {
                "copied": found.copied, "threshold": found.threshold, "generated": found.fake, "real": found.held_out
            }  # fmt: skip

        return with_interval(numbers, self.real, self.fake, groups=self.groups, settings=settings)


def search(bank: Bank, real: Measured, fake: Measured, report: Callable[[int, int], None]) -> Found:
    """Compare every bar with every bar of the bank, at every turn; real ones not with those of their own source."""
    numbers = {name: i for i, name in enumerate(dict.fromkeys(bank.sources + real.sources))}
    groups = [np.array([numbers[source] for source in m.sources])[m.patterns.owner] for m in (bank, real)]
    report(0, 2)
    of_real = metrics.nearest(bank.patterns.bars, real.patterns.bars, groups=(groups[0], groups[1]))
    report(1, 2)
    of_fake = metrics.nearest(bank.patterns.bars, fake.patterns.bars)
    report(2, 2)
    return Found(
        real=_best_bar(of_real.similarity, real.patterns.owner),
        fake=_best_bar(of_fake.similarity, fake.patterns.owner),
        nearest=of_fake,
        groups=[drawn_sources(real), drawn_sources(fake)],
    )


def _best_bar(similarity: Float32, owner: Int64) -> Float32:
    """The most similar bar of each loop: (B,) -> (n,)."""
    out = np.full(int(owner.max()) + 1, -1.0, dtype=np.float32)
    np.maximum.at(out, owner, similarity)
    return out


def neighbour_sheet(path: Path, side: Side, bank: Bank, fake_side: Side, fake: Measured, nearest: metrics.Nearest) -> None:
    """A picture of the generated bars closest to training, each beside its neighbour turned to fit."""
    pictures: list[Float32] = []
    titles: list[str] = []
    theirs = Bank.of(fake)
    for bar in np.argsort(-nearest.similarity)[:_SHEET]:
        item = int(nearest.item[bar])
        pictures.append(_bar_picture(fake_side, theirs, int(bar)))
        titles.append(f"generated: {theirs.entries[theirs.patterns.owner[bar]].name[-36:]}")
        pictures.append(np.roll(_bar_picture(side, bank, item), int(nearest.roll[bar]) * POOL[1], axis=1))
        name = bank.entries[bank.patterns.owner[item]].name
        titles.append(f"closest ({nearest.similarity[bar]:.3f}): {name[-28:]}")
    mel_sheet(path, np.stack(pictures), titles=titles, title="The generated bars closest to training")


def _bar_picture(side: Side, bank: Bank, bar: int) -> Float32:
    """The whole log-mel of one bar of a bank, (M, T)."""
    loop = int(bank.patterns.owner[bar])
    reading = side.read(int(bank.rows[loop]))
    first = int(np.flatnonzero(bank.patterns.owner == loop)[0])
    return np.asarray(np.split(on_grid(reading.at(JUDGE_RATE_HZ), reading.bars)[1], reading.bars, axis=1)[bar - first])
