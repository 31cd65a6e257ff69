"""A generator of any kind from its sizes."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from loopwright.errors import ConfigError
from loopwright.models.config import GeneratorSizes
from loopwright.models.generator import Generator, StyledGenerator
from loopwright.models.pattern_kit import PatternKit
from loopwright.models.pitch_grid import PitchGridGenerator


def build_generator(sizes: GeneratorSizes, mean: Tensor, std: Tensor) -> StyledGenerator:
    """A generator with fresh weights.

    Args:
        sizes: all of it but the weights.
        mean, std: (M,) statistics of the data's bands, in decades: the kinds that think in magnitudes need them.

    Raises ConfigError for a kind that cannot make these bands.
    """
    config = sizes.config
    own: dict[str, Any] = config.model_dump(include={"given", "z_dim", "w_dim", "mapping_layers", "gain"})
    own |= {"frames": sizes.frames, "classes": sizes.classes}
    if config.kind == "log-mel":
        return Generator.of(sizes)
    if config.kind == "pitch-grid":
        if sizes.bands != 320:
            raise ConfigError(
                f"generator.kind 'pitch-grid' draws 320 rows of pitch, the data has {sizes.bands} bands. "
                "Prepare the loops with --repr tone48, or choose another recipe."
            )
        return PitchGridGenerator(mean=mean, std=std, channels=config.channels, circular=config.circular, **own)
    if sizes.bands != 128:
        raise ConfigError(
            f"generator.kind 'pattern-kit' draws log-mels of 128 bands, the data has {sizes.bands} bands. "
            "Prepare the loops with --repr loop48, or choose another recipe."
        )
    kit = PatternKit(n_mels=sizes.bands, **own)
    kit.mean.copy_(mean)
    kit.std.copy_(std)
    return kit
