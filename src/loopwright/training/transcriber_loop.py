"""Training of the transcriber `notes_loop`: bars whose notes are known, as rows of a constant-Q, circular in time.

Every random choice depends on (seed, step) alone, and a checkpoint holds all state, so a run that was killed continues as if
it had not been. Network, targets and loss are in `features.transcriber` and `features.notes_loop`.

Shapes: B batch, K rows of the constant-Q, T frames as prepared, U frames as heard.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt
from torch import Tensor

from loopwright.arrays import Float32, Float64, Int64
from loopwright.config import BAR_SECONDS, Representation
from loopwright.features.bridge import resize, time_weights
from loopwright.features.notes_loop import WIDTHS, new_notes_loop, note_targets, transcription_loss
from loopwright.features.registry import HEARD_FRAMES
from loopwright.features.transcriber import Heard, PitchNet
from loopwright.models.layers import channels_last
from loopwright.training.checkpoint import Trainee, load_checkpoint, save_checkpoint
from loopwright.training.descend import descend, set_rate, warm_cosine
from loopwright.training.pace import Pace, Tick
from loopwright.training.seeds import rng_for, torch_seeded

KIND = "transcriber checkpoint"
MAY_CHANGE = {"steps"}  # when a run is continued: a longer or shorter end
ROWS_PER_SEMITONE = 3


class TranscriberConfig(BaseModel, frozen=True, extra="forbid"):
    """One training run."""

    contour: PositiveInt = WIDTHS["contour"]  # maps of the three branches
    notes: PositiveInt = WIDTHS["notes"]
    onsets: PositiveInt = WIDTHS["onsets"]
    heard_frames: PositiveInt = HEARD_FRAMES  # a bar, of what the network is given: as a teacher hears
    steps: PositiveInt = 4_000
    batch: PositiveInt = 16
    lr: PositiveFloat = 6e-3  # highest, after a twentieth of the steps; down to 0 along a cosine
    clip: PositiveFloat = 1.0  # largest norm of a gradient
    seed: int = Field(default=0, ge=0)
    semitones: int = Field(default=6, ge=0)  # bars are transposed by up to this
    gain_db: float = Field(default=12.0, ge=0)  # turned up or down by up to this
    tilt_db: float = Field(default=12.0, ge=0)  # and tilted by up to this, from lowest to highest row
    noise_share: float = Field(default=0.5, ge=0, le=1)  # of the bars get a floor of noise,
    noise_low_db: float = Field(default=-90.0, le=0)  # this far below their loudest cell
    noise_high_db: float = Field(default=-40.0, le=0)  # to this far
    bf16: bool = False  # convolutions in bfloat16


class NoteBars(Protocol):
    """What training needs of prepared data."""

    representation: Representation
    bars: int  # of each row

    def log_mel(self, indices: Int64) -> Float32:
        """Rows of the constant-Q, log10, (n, K, T)."""
        ...

    def column(self, name: str, indices: Int64) -> list[Any]:
        """One field of rows."""
        ...


def known_notes(events: Sequence[Sequence[Any]]) -> Float64:
    """Notes of a prepared row, whose starts and lengths are in bars, as (E, 3): start, length in seconds, MIDI note."""
    notes = [(BAR_SECONDS * e[1], BAR_SECONDS * e[2], e[0]) for e in events]
    return np.asarray(notes, dtype=np.float64).reshape(-1, 3)


def draw_batch(data: NoteBars, rows: Int64, config: TranscriberConfig, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random bars, changed at random, and what is to be heard of them; decided by (seed, step).

    Returns rows (B, K, U), and notes and onsets (B, 88, U), 0 or 1.
    """
    rng = rng_for(config.seed, step)
    picks = rng.choice(rows, config.batch)
    log_rows, length_s = data.log_mel(picks), BAR_SECONDS * data.bars
    frames = log_rows.shape[2]
    turns = rng.integers(frames, size=config.batch)
    moves = rng.integers(-config.semitones, config.semitones + 1, size=config.batch)
    floor = math.log10(data.representation.log_floor)
    heard_frames = config.heard_frames * data.bars
    notes, onsets = [], []
    for i, events in enumerate(data.column("events", picks)):
        log_rows[i] = transposed(np.roll(log_rows[i], turns[i], axis=1), int(moves[i]), floor)
        known = known_notes(events) + np.array([turns[i] * length_s / frames, 0.0, moves[i]])
        targets = note_targets(known, heard_frames, length_s)
        notes.append(targets[0])
        onsets.append(targets[1])
    heard = resize(torch.from_numpy(log_rows), time_weights(frames, heard_frames)).numpy()
    heard = coloured(heard, config, rng, floor)
    return torch.from_numpy(heard), torch.from_numpy(np.stack(notes)), torch.from_numpy(np.stack(onsets))


def transposed(log_rows: Float32, semitones: int, floor: float) -> Float32:
    """Rows moved up by semitones; `floor` comes in from beyond the end. (K, T) -> same."""
    move = ROWS_PER_SEMITONE * semitones
    out = np.full_like(log_rows, floor)
    if move >= 0:
        out[move:] = log_rows[: len(log_rows) - move]
    else:
        out[:move] = log_rows[-move:]
    return out


def coloured(log_rows: Float32, config: TranscriberConfig, rng: np.random.Generator, floor: float) -> Float32:
    """Bars turned up or down and tilted, some with a floor of noise, none below `floor`. (B, K, T) -> same.

    The noise is complex and Gaussian in each cell; from row to row it rises or falls by up to 3 dB an octave.
    """
    batch, bands, _ = log_rows.shape
    gain = rng.uniform(-config.gain_db, config.gain_db, (batch, 1)) / 20
    tilt = rng.uniform(-config.tilt_db, config.tilt_db, (batch, 1)) / 20 * np.linspace(-0.5, 0.5, bands)
    out = log_rows + (gain + tilt)[:, :, None].astype(np.float32)
    octaves = (np.arange(bands) - bands / 2) / (12 * ROWS_PER_SEMITONE)
    for x in out:
        noisy, level_db, slope_db = rng.random() < config.noise_share, rng.uniform(0, 1), rng.uniform(-3, 3)
        if not noisy:
            continue
        level_db = config.noise_low_db + level_db * (config.noise_high_db - config.noise_low_db) + slope_db * octaves
        power = 10 ** ((20 * x.max() + level_db) / 10)  # of the noise, row by row
        noise = power[:, None].astype(np.float32) * rng.standard_exponential(x.shape, dtype=np.float32)
        x[:] = 0.5 * np.log10(10 ** (2 * x) + noise)
    return np.maximum(out, np.float32(floor))


@dataclass
class TranscriberTrainee(Trainee):
    """A transcriber and what moves it."""

    config: TranscriberConfig

    @property
    def model(self) -> PitchNet:
        return cast(PitchNet, self.modules["model"])

    @property
    def settings(self) -> dict[str, Any]:
        """What a run may not change on the way, but for `MAY_CHANGE`."""
        return self.config.model_dump(mode="json")


def build(config: TranscriberConfig) -> TranscriberTrainee:
    """A fresh trainee; weights drawn from the seed."""
    with torch_seeded(config.seed):
        model = channels_last(new_notes_loop(contour=config.contour, notes=config.notes, onsets=config.onsets))
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr)
    return TranscriberTrainee({"model": model}, {"optimizer": optimizer}, config)


def learning_rate(config: TranscriberConfig, step: int) -> float:
    """Linear warm-up over a twentieth of the steps, then half a cosine to 0."""
    return warm_cosine(step, steps=config.steps, warmup=max(1, config.steps // 20), highest=config.lr)


def train_step(trainee: TranscriberTrainee, data: NoteBars, rows: Int64) -> dict[str, Tensor]:
    """One step; scalars to log. Raises TrainingDivergedError."""
    config, step = trainee.config, trainee.step
    log_rows, notes, onsets = draw_batch(data, rows, config, step)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.bf16):
        heard = trainee.model(log_rows)
    losses = transcription_loss(Heard(*(logits.float() for logits in heard)), notes, onsets)
    loss = torch.stack(list(losses.values())).sum()
    set_rate(trainee.optimizers.values(), learning_rate(config, step))
    descend(trainee.optimizers["optimizer"], loss, name="the transcriber's loss", step=step, clip=config.clip)
    trainee.step += 1
    return {"loss": loss.detach(), **{f"loss/{name}": value.detach() for name, value in losses.items()}}


def train(
    trainee: TranscriberTrainee, data: NoteBars, rows: Int64, checkpoint: Path, *, every: int, minutes: float | None = None
) -> Iterator[Tick]:
    """Train to the end of the schedule, with a checkpoint and a Tick every `every` steps; `minutes` stops earlier."""
    pace = Pace(trainee, end=trainee.config.steps, every=every, limit_s=None if minutes is None else 60 * minutes)
    while not pace.done:
        if pace.count(train_step(trainee, data, rows)):
            tick = pace.tick()
            save_checkpoint(checkpoint, trainee, {"kind": KIND, "settings": trainee.settings})
            yield tick
            pace.resume()


def resume(trainee: TranscriberTrainee, path: Path) -> None:
    """Continue from `path`. Raises InputError, or ConfigError if it was begun with other settings than `MAY_CHANGE`."""
    load_checkpoint(path, trainee, kind=KIND, settings=trainee.settings, may_change=MAY_CHANGE)


@torch.no_grad()
def posteriors(model: PitchNet, data: NoteBars, rows: Int64, *, heard_frames: int, batch: int = 16) -> tuple[Float32, Float32]:
    """What the network hears of rows: notes and onsets, each (n, 88, U), 0 to 1."""
    parts: list[tuple[Tensor, Tensor]] = []
    for first in range(0, len(rows), batch):
        log_rows = torch.from_numpy(data.log_mel(rows[first : first + batch]))
        heard = model(resize(log_rows, time_weights(log_rows.shape[2], heard_frames * data.bars)))
        parts.append((heard.notes.sigmoid(), heard.onsets.sigmoid()))
    return torch.cat([notes for notes, _ in parts]).numpy(), torch.cat([onsets for _, onsets in parts]).numpy()
