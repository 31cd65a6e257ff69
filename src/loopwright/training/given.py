"""Scores and patterns for generators that are given them: those of other training bars, so that style is sound alone.

The discriminator is not told: what is given needs the right distribution, not the right pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loopwright.audio.drum_events import ROLE_INDEX, Hit, activations
from loopwright.audio.pitchgrid import PitchGrid
from loopwright.audio.score import into_range, score_of_notes
from loopwright.config import BAR_SECONDS
from loopwright.data import PreparedData
from loopwright.errors import ConfigError
from loopwright.models.config import GeneratorConfig
from loopwright.training.seeds import rng_for

TRANSPOSED = 3  # semitones up or down that a score may move
STREAM = 7  # of the draws of this file


class Given:
    """What a generator is given: (B, P, T) scores, or (B, R, L, T) patterns; each choice depends on (seed, step) alone.

    Args:
        data: prepared data whose rows know their events.
        rows: training rows.
        config: the generator's.
        seed: of the run.

    Raises ConfigError if too few rows know their events.
    """

    def __init__(self, data: PreparedData, rows: Sequence[int] | np.ndarray, config: GeneratorConfig, *, seed: int) -> None:
        self.notes, self.seed, self.bars = config.kind == "pitch-grid", seed, data.bars
        self.frames = data.bars * data.representation.model_frames
        wanted = (int, float) if self.notes else str
        self.events = [
            events for events in data.column("events", rows) if events and all(isinstance(event[0], wanted) for event in events)
        ]
        if len(self.events) < 16:
            raise ConfigError(
                f"generator.given needs bars whose {'notes' if self.notes else 'hits'} are known (events.jsonl beside the "
                f"loops); {data.path} has {len(self.events)}. Set generator.given = false, or use a corpus."
            )
        self.grid = PitchGrid()

    def __call__(self, batch: int, *, step: int, purpose: int = 0) -> Tensor:
        """What a batch is given at a step; `purpose` tells training (0) from measuring (1)."""
        rng = rng_for(self.seed, step, STREAM + purpose)
        picks = rng.integers(len(self.events), size=batch)
        moves = rng.integers(-TRANSPOSED, TRANSPOSED + 1, size=batch)
        made = [self._score(self.events[i], int(move)) if self.notes else self._pattern(self.events[i])
                for i, move in zip(picks, moves, strict=True)]  # fmt: skip
        return torch.from_numpy(np.stack(made))

    def _score(self, events: list[list[Any]], move: int) -> np.ndarray:
        notes = [[BAR_SECONDS * e[1], BAR_SECONDS * e[2], e[0] + move, e[3] if len(e) > 3 else 0.8] for e in events]
        return score_of_notes(into_range(notes, self.grid)[0], self.grid, frames=self.frames, length_s=BAR_SECONDS * self.bars)

    def _pattern(self, events: list[list[Any]]) -> np.ndarray:
        hits = [Hit(str(e[0]), float(e[1]) % self.bars, min(max(float(e[2]), 0.01), 1.0)) for e in events if e[0] in ROLE_INDEX]
        return activations(hits, bars=self.bars, bar_frames=self.frames // self.bars)
