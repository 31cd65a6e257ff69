"""From what a generator draws to sound: one speaker for each kind of generator, the same for every engine. No torch.

An engine computes arrays by name; a speaker knows what they mean: the picture they make, what they play, how they sound.
A speaker of log-mels takes {"log_mel": (M, T)}. Others: `making.tonal`, `making.drumkit`.

Shapes: M bands of the picture, T frames, N samples.
"""

# ruff: noqa: ARG002  # not every speaker uses all that speakers are told
from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from loopwright.arrays import Float32
from loopwright.config import MelConfig, Representation
from loopwright.errors import InputError
from loopwright.making.clip import Clip
from loopwright.making.draws import Blend, white_noise
from loopwright.models.config import GeneratorConfig
from loopwright.vocoder.render import LoopVocoder, bars_of, render

Arrays = Mapping[str, Float32]


class Wanted(NamedTuple):
    """How a loop is to sound."""

    bpm: float
    rate_hz: int
    transpose: int = 0  # semitones by which notes sound higher than they were drawn
    vocoder: LoopVocoder | None = None  # for a speaker that needs one


class Speaker(ABC):
    """What engines share of one kind of generator.

    Attributes:
        plays: what its clips hold; "" for generators that know none.
        representation: of its pictures.
        bar_frames: frames of a bar.
        is_given: clips come from outside.
    """

    plays: ClassVar[Literal["", "notes", "hits"]] = ""

    def __init__(self, representation: Representation, config: GeneratorConfig) -> None:
        self.representation, self.bar_frames = representation, representation.model_frames
        self.is_given = config.given and config.kind != "log-mel"

    def given(self, clip: Clip) -> Float32:
        """What the generator is handed for a clip."""
        raise InputError("this model is given nothing to play.")

    def clip_from_midi(self, source: Path | bytes, *, bars: int | None = None) -> Clip:
        """A MIDI file as this generator plays it. Raises InputError for a file it cannot play."""
        raise InputError("this model plays no MIDI: it draws its loops whole. Use a model of notes or of drum hits.")

    @abstractmethod
    def bars_of(self, drawn: Arrays) -> int:
        """Bars of what was drawn."""

    @abstractmethod
    def picture(self, drawn: Arrays, clip: Clip | None) -> Float32:
        """Log10 magnitudes (M, T) of what was drawn, in the model's representation, not below its floor."""

    def written(self, drawn: Arrays) -> Clip | None:
        """What a generator that is given no clip has written; None for one that writes none."""
        return None

    @abstractmethod
    def sound(self, drawn: Arrays, clip: Clip | None, noise: int | Blend, wanted: Wanted) -> Float32:
        """A loop as it comes, (N,): neither levelled nor limited.

        Args:
            drawn: of one loop.
            clip: what was given to the generator.
            noise: seed or blend of seeds of all that is random in the sound.
            wanted: tempo, rate and key; N is round(60 * rate * beats / bpm).
        """


class MelSpeaker(Speaker):
    """Whole log-mels through the vocoder, brought to the tempo on the way."""

    def bars_of(self, drawn: Arrays) -> int:
        return bars_of(drawn["log_mel"].shape[1], mel_of(self.representation, "this model"))

    def picture(self, drawn: Arrays, clip: Clip | None) -> Float32:
        return drawn["log_mel"]

    def sound(self, drawn: Arrays, clip: Clip | None, noise: int | Blend, wanted: Wanted) -> Float32:
        assert wanted.vocoder is not None
        return through(wanted.vocoder, drawn["log_mel"], noise, bpm=wanted.bpm, rate_hz=wanted.rate_hz)


def through(vocoder: LoopVocoder, log_mel: Float32, noise: int | Blend, *, bpm: float, rate_hz: int) -> Float32:
    """A whole log-mel (M, T) through a vocoder whose noise is that of seeds: (N,)."""
    white = functools.partial(white_noise, noise, vocoder.mel.hop)
    return np.asarray(render(vocoder, log_mel, bpm, rate_hz=rate_hz, noise=white), dtype=np.float32)


def mel_of(representation: Representation, what: str) -> MelConfig:
    """The representation of what draws log-mels. Raises InputError for another one."""
    if not isinstance(representation, MelConfig):
        raise InputError(f"{what} draws '{representation.name}', and this is for log-mels alone. Choose another model.")
    return representation
