"""Settings every part agrees on: the representations of a loop.

A bar is 2 s: 4/4 at 120 BPM. In the circular representations its 256 frames sit on the musical grid, 16 to a sixteenth-note.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, model_validator

from loopwright.errors import MelMismatchError

BAR_SECONDS = 2.0
GRID_BPM = 120.0
STEPS_PER_BAR = 16
SPLITS = ("train", "validation", "test", "locked")  # sides of a data set; `locked` is used only where it is asked for by name


class MelConfig(BaseModel, frozen=True, extra="forbid"):
    """Analysis settings of a log-mel. Data, model, vocoder and feature bridge must agree on all of them.

    A log-mel is `log10(max(mel_filterbank @ |STFT|, log_floor))`, magnitude, Slaney mel scale with Slaney (area)
    normalisation, periodic Hann window of `n_fft` samples. Shape (n_mels, frames).
    """

    name: str
    rate_hz: PositiveInt
    n_fft: PositiveInt
    hop: PositiveInt  # samples from one frame to the next
    n_mels: PositiveInt
    fmin_hz: float = Field(default=0.0, ge=0.0)
    fmax_hz: PositiveFloat
    log_floor: PositiveFloat = 1e-5  # linear mel magnitude below which everything is silence
    bar_frames: PositiveInt  # frames of analysis per bar
    model_frames: PositiveInt  # frames a model sees per bar (the paper crops 200 to 192)
    circular: bool = True  # frames wrap round the loop; False: the paper's reflect padding

    @model_validator(mode="after")
    def _bar_is_whole_frames(self) -> Self:
        if self.bar_frames * self.hop != self.bar_samples:
            raise ValueError(
                f"mel.hop x mel.bar_frames must be one bar of {self.bar_samples} samples, got {self.hop} x {self.bar_frames}"
            )
        if self.fmax_hz > self.rate_hz / 2:
            raise ValueError(f"mel.fmax_hz {self.fmax_hz} is above half the rate, {self.rate_hz / 2}")
        if self.model_frames > self.bar_frames:
            raise ValueError(f"mel.model_frames {self.model_frames} is above mel.bar_frames {self.bar_frames}")
        return self

    @property
    def bar_samples(self) -> int:
        """Samples in one bar of 2 s."""
        return int(BAR_SECONDS * self.rate_hz)

    @property
    def bands(self) -> int:
        """Rows of the picture, whatever the representation."""
        return self.n_mels


class ToneConfig(BaseModel, frozen=True, extra="forbid"):
    """Settings of a circular constant-Q, see `audio.constantq`: pitch on one axis, a whole number of rows to the semitone.

    Rows are log10 magnitudes, floor `log_floor`. Shape (bands, frames).
    """

    name: str
    rate_hz: PositiveInt  # of the audio beside it
    bands: PositiveInt
    bands_per_octave: PositiveInt = 36
    fmin_hz: PositiveFloat = 27.5  # centre of band 0: A0
    extra_hz: PositiveFloat = 10.0  # added to each band's half width, so that low bands do not ring for seconds
    log_floor: PositiveFloat = 1e-5
    bar_frames: PositiveInt

    @property
    def bar_samples(self) -> int:
        """Samples in one bar of 2 s."""
        return int(BAR_SECONDS * self.rate_hz)

    @property
    def model_frames(self) -> int:
        """Frames a model sees per bar: all."""
        return self.bar_frames

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.bar_samples // self.bar_frames

    @property
    def circular(self) -> bool:
        """Frames wrap round the loop."""
        return True


Representation = MelConfig | ToneConfig

LOOP48 = MelConfig(
    name="loop48", rate_hz=48_000, n_fft=2048, hop=375, n_mels=128, fmax_hz=21_000.0, bar_frames=256, model_frames=256
)
LOOP16 = MelConfig(
    name="loop16", rate_hz=16_000, n_fft=1024, hop=125, n_mels=64, fmax_hz=8_000.0, bar_frames=256, model_frames=256
)
PAPER16 = MelConfig(
    name="paper16",
    rate_hz=16_000,
    n_fft=1024,
    hop=160,
    n_mels=64,
    fmax_hz=8_000.0,
    bar_frames=200,
    model_frames=192,
    circular=False,
)
TONE48 = ToneConfig(name="tone48", rate_hz=48_000, bands=320, bar_frames=256)
REPRESENTATIONS: dict[str, Representation] = {each.name: each for each in (LOOP48, LOOP16, TONE48, PAPER16)}


def parse_representation(values: Mapping[str, Any]) -> Representation:
    """A representation from its JSON. Raises pydantic's ValidationError for settings that are none."""
    return ToneConfig(**values) if "bands_per_octave" in values else MelConfig(**values)


def check_same_mel(what: str, have: Representation, other: str, need: Representation) -> None:
    """Raise MelMismatchError naming every differing field if `have` (of `what`) is not `need` (of `other`)."""
    if have == need:
        return
    a, b = have.model_dump(), need.model_dump()
    diffs = ", ".join(f"{key} {a.get(key)} against {b.get(key)}" for key in {**a, **b} if a.get(key) != b.get(key))
    raise MelMismatchError(
        f"{what} was made for mel settings '{have.name}', but {other} has '{need.name}' ({diffs}). "
        f"Use parts made for the same representation, or prepare the data again with --repr {have.name}."
    )
