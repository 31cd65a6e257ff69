"""Settings of a generator, and all that the networks of one are built from. No torch: both engines read them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, NonNegativeFloat, PositiveFloat, PositiveInt

from loopwright.errors import ConfigError


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
        growth = 2 ** (len(self.config.channels) - 1)
        if self.frames % growth or (self.config.dims == 2 and self.bands % growth):
            raise ConfigError(
                f"{len(self.config.channels)} generator.channels need log-mels of a multiple of {growth} cells, "
                f"the data has {self.bands} bands and {self.frames} frames. Give fewer generator.channels."
            )

    @property
    def n_styles(self) -> int:
        """Style inputs: two a scale, as StyleGAN2 counts them."""
        return 2 * len(self.config.channels)

    def noise_shapes(self, turns: int = 1) -> list[tuple[int, int]]:
        """(mel, time) sizes of the noise maps for so many turns of the circle, in the order the synthesis takes them."""
        two, scales = self.config.dims == 2, len(self.config.channels)
        growth = 2 ** (scales - 1)
        m, t = (self.bands // growth if two else 1), self.frames // growth * turns
        shapes = [(m, t)]
        for _ in range(scales - 1):
            m, t = (m * 2 if two else m), t * 2
            shapes += [(m, t), (m, t)]
        return shapes
