"""The speaker of pitch-grid generators: oscillators and shaped noise, no vocoder. Exact at any tempo, key and rate.

Drawn are "score" (P, T), "gains" (H, T) and "residual" (R, T), amplitudes, see `models.pitch_grid`.

Shapes: P pitches, H harmonics, R residual bands, K rows of the constant-Q, T frames, N samples.
"""

# ruff: noqa: ARG002  # not every speaker uses all that speakers are told
from __future__ import annotations

import functools
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from loopwright.arrays import Float32
from loopwright.audio.additive import Additive
from loopwright.audio.note_events import notes_in, score_of
from loopwright.audio.pitchgrid import PitchGrid
from loopwright.config import BAR_SECONDS, Representation
from loopwright.making.clip import Clip, key_of, notes_from_midi
from loopwright.making.draws import Blend, strongest
from loopwright.making.speaker import Arrays, Speaker, Wanted
from loopwright.models.config import SOFT_FLOOR, GeneratorConfig
from loopwright.vocoder.render import loop_samples


class TonalSpeaker(Speaker):
    """Notes as combs on the grid of semitones."""

    plays: ClassVar[Literal["", "notes", "hits"]] = "notes"

    def __init__(self, representation: Representation, config: GeneratorConfig) -> None:
        super().__init__(representation, config)
        self.grid = PitchGrid()
        self.additive = Additive(self.grid)

    def given(self, clip: Clip) -> Float32:
        return score_of(clip.notes, self.grid, bars=clip.bars, bar_frames=self.bar_frames)

    def clip_from_midi(self, source: Path | bytes, *, bars: int | None = None) -> Clip:
        return notes_from_midi(source, bars=bars)

    def bars_of(self, drawn: Arrays) -> int:
        return drawn["score"].shape[1] // self.bar_frames

    def written(self, drawn: Arrays) -> Clip:
        bars = self.bars_of(drawn)
        notes = notes_in(drawn["score"], self.grid, bars=bars)
        return Clip(tuple(notes), bars, key_of(notes, bars))

    @functools.cached_property
    def _maps(self) -> tuple[Float32, Float32]:
        """Combs (K, H * P) and spread (K, R)."""
        combs = self.grid.combs().reshape(self.grid.bank.bands, -1)
        return combs.astype(np.float32), self.grid.spread().astype(np.float32)

    def picture(self, drawn: Arrays, clip: Clip | None) -> Float32:
        combs, spread = self._maps
        frames = drawn["score"].shape[1]
        partials = (drawn["gains"][:, None] * drawn["score"]).reshape(-1, frames)
        rows = combs @ partials + spread @ drawn["residual"]
        smear = self.grid.smear(frames, BAR_SECONDS * frames / self.bar_frames)
        rows = np.fft.irfft(np.fft.rfft(rows) * smear, n=frames)
        floor = np.log10(self.representation.log_floor)
        return np.asarray(np.maximum(0.5 * np.log10(rows**2 + SOFT_FLOOR), floor), dtype=np.float32)

    def sound(self, drawn: Arrays, clip: Clip | None, noise: int | Blend, wanted: Wanted) -> Float32:
        rate_hz = wanted.rate_hz
        n = loop_samples(self.bars_of(drawn), wanted.bpm, rate_hz)
        parts = drawn["score"], drawn["gains"], drawn["residual"]
        return self.additive(*parts, length_s=n / rate_hz, rate_hz=rate_hz, transpose=wanted.transpose, seed=strongest(noise))
