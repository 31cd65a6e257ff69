"""Settings of a generator, and all that the networks of one are built from. No torch: both engines read them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, NonNegativeFloat, PositiveFloat, PositiveInt

from loopwright.errors import ConfigError

SCORE_SCALES = 4  # of five: a pitch grid's score is written at half the frame rate, which is a 128th of a bar
ROLES, LAYERS = 13, 2  # of a kit: instruments, and one-shots of each by velocity
KIT_FRAMES = 96  # lags of a one-shot
FRAMES_PER_S = 128.0
TAIL_S = (0.15, 0.5, 1.5, 4.5)  # times in which the continuations of a one-shot fall by 60 dB
QUIETEST = 1e-6  # activation below which a role does not sound
SOFTEST = 0.05  # velocity below which a hit of a made pattern is none (-39 dB)
SOFT_FLOOR = 1e-11  # power added to a pitch grid's rows before the logarithm: a soft floor at 3e-6, below the data's own
PATTERN_CHANNELS, PATTERN_STEPS = (256, 256), 32  # of a pattern made from a latent; steps a bar
KIT_CHANNELS = (192, 192, 192, 160, 128)
ROOM_CHANNELS = (128, 128, 128, 96, 64)


class GeneratorConfig(BaseModel, frozen=True, extra="forbid"):
    """Size and form of the generator, see `models.generator`, `models.pitch_grid` and `models.pattern_kit`."""

    kind: Literal["log-mel", "pitch-grid", "pattern-kit"] = "log-mel"  # what it draws: log-mels, notes, or a played kit
    given: bool = False  # of the last two: the score or pattern comes from outside, and styles are sound alone
    dims: Literal[1, 2] = 1  # 1: mel bands as channels (quick on a CPU); 2: the paper's maps
    channels: tuple[PositiveInt, ...] = (384, 384, 384, 320, 256)  # one a scale, coarsest first
    z_dim: PositiveInt = 64  # size of a latent
    w_dim: PositiveInt = 128  # size of a style
    mapping_layers: PositiveInt = 4  # from latent to style
    bound: NonNegativeFloat = 3.5  # largest z-score, up or down; 0: no bound, as published
    gain: PositiveFloat = 0.3  # slope of the bounded output at zero: a fresh generator starts inside the range
    circular: bool = True  # time wraps; False: zeros before and after, as published


class GeneratorSizes(BaseModel, frozen=True, extra="forbid"):
    """A generator but for its weights: its settings, the pictures it makes, and the labels it knows.

    Raises ConfigError if the log-mels cannot be halved as often as there are scales.
    """

    config: GeneratorConfig
    bands: PositiveInt  # rows of what it makes
    frames: PositiveInt  # of one turn of the circle
    classes: int = 0  # labels of a conditional generator

    def model_post_init(self, _: Any) -> None:
        kit = self.config.kind == "pattern-kit"
        growth = PATTERN_STEPS if kit else 2 ** (len(self.config.channels) - 1)
        two = self.config.kind == "log-mel" and self.config.dims == 2
        if self.frames % growth or (two and self.bands % growth) or (kit and self.frames < KIT_FRAMES):
            needed = "a pattern-kit generator needs" if kit else f"{len(self.config.channels)} generator.channels need"
            raise ConfigError(
                f"{needed} log-mels of a multiple of {growth} cells, "
                f"the data has {self.bands} bands and {self.frames} frames. Give fewer generator.channels."
            )

    @property
    def borders(self) -> tuple[int, ...]:
        """Style inputs at which another part of what is drawn begins: after the pattern or score the sound, and so on.

        () for a generator of log-mels, (score | sound) of a pitch grid, (pattern | kit | room) of a kit. A generator that is
        given its pattern has no style inputs for it: its first border is 0.
        """
        scales = len(self.config.channels)
        if self.config.kind == "log-mel":
            return ()
        if self.config.kind == "pitch-grid":
            return (0,) if self.config.given else (2 * min(SCORE_SCALES, scales - 1) - 1,)
        first = 0 if self.config.given else 2 * len(PATTERN_CHANNELS)
        return first, first + 2 * len(KIT_CHANNELS)

    @property
    def n_styles(self) -> int:
        """Style inputs: two a scale, as StyleGAN2 counts them."""
        if self.config.kind == "pattern-kit":
            return self.borders[1] + 2 * len(ROOM_CHANNELS)
        return 2 * len(self.config.channels)

    def noise_shapes(self, turns: int = 1) -> list[tuple[int, int]]:
        """(mel, time) sizes of the noise maps for so many turns of the circle, in the order the synthesis takes them."""
        if self.config.kind == "pattern-kit":
            made = [] if self.config.given else _lengths(PATTERN_STEPS, len(PATTERN_CHANNELS), turns)
            kit, room = _lengths(KIT_FRAMES, len(KIT_CHANNELS)), _lengths(self.frames, len(ROOM_CHANNELS), turns)
            return [(1, t) for t in made] + [(ROLES, t) for t in kit] + [(1, t) for t in room]
        scales = len(self.config.channels)
        two = self.config.dims == 2 and self.config.kind == "log-mel"
        bands = self.bands >> (scales - 1) if two else 1
        shapes = []
        for i, t in enumerate(_lengths(self.frames, scales, turns)):
            scale = (i + 1) // 2
            shapes.append((bands << scale if two else bands, t))
        return shapes


def _lengths(frames: int, scales: int, turns: int = 1) -> list[int]:
    """Lengths in time of the noise maps of a trunk that ends at so many frames: one for its first scale, two a further one."""
    first = (frames >> (scales - 1)) * turns
    return [first] + [first << i for i in range(1, scales) for _ in range(2)]
