"""Settings of a preparation. They are written with its result: another setting is another data set."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, model_validator

from loopwright.config import BAR_SECONDS, LOOP48, Representation


class PrepareSettings(BaseModel, frozen=True, extra="forbid"):
    """How loops become rows. A bar, whatever its tempo and beats, becomes 2 s."""

    mel: Representation = LOOP48
    bars: Literal[1, 2, 4] = 1  # bars per row
    beats_per_bar: int = Field(default=4, ge=2, le=7)
    bpm: PositiveFloat | None = None  # the tempo of every file, whatever else says
    min_confidence: float = Field(default=0.5, ge=0, le=1)  # below it a file's tempo counts as unknown
    max_stretch: float = Field(default=2.0, ge=1)  # longest and shortest bar against 2 s
    level_db: float = -20.0  # RMS of each source loop
    peak_db: float = -1.0  # no source loop peaks above this
    silence_db: float = -60.0  # a bar whose peak is below is silence
    duplicate: float = Field(default=0.96, ge=0, le=1)  # similarity from which two bars are the same; 1 keeps all
    licences: tuple[str, ...] = ()  # keep these only; empty keeps all
    test_share: float = Field(default=0.05, ge=0, lt=1)
    validation_share: float = Field(default=0.05, ge=0, lt=1)
    seed: int = 0  # of the split
    max_seconds: PositiveFloat = 600.0  # longer files are songs
    max_bars: PositiveInt = 64
    keep_audio: bool = True
    tune: bool = True  # bring loops of notes that are clearly off A440 to it

    @model_validator(mode="after")
    def _shares_leave_training(self) -> Self:
        if self.test_share + self.validation_share >= 1:
            raise ValueError("test_share and validation_share leave nothing to train on")
        return self

    @property
    def row_seconds(self) -> float:
        """Length of a row."""
        return BAR_SECONDS * self.bars

    @property
    def row_samples(self) -> int:
        """Samples of a row at the representation's rate."""
        return self.mel.bar_samples * self.bars
