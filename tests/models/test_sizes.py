"""What is known of a generator without torch is what it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from loopwright.config import LOOP48, TONE48
from loopwright.errors import ConfigError
from loopwright.models.build import build_generator
from loopwright.models.config import GeneratorConfig, GeneratorSizes

SMALL = {"channels": (12, 12, 8, 8, 8), "z_dim": 8, "w_dim": 8, "mapping_layers": 1}
KINDS = [
    {"kind": "log-mel"},
    {"kind": "log-mel", "dims": 2},
    {"kind": "pitch-grid"},
    {"kind": "pitch-grid", "given": True},
    {"kind": "pitch-grid", "channels": (12, 12, 8)},
    {"kind": "pattern-kit"},
    {"kind": "pattern-kit", "given": True},
]


@pytest.mark.parametrize("settings", KINDS)
def test_sizes_of_every_kind_are_those_of_its_generator(settings: dict[str, Any]) -> None:
    config = GeneratorConfig(**{**SMALL, **settings})
    mel = TONE48 if config.kind == "pitch-grid" else LOOP48
    sizes = GeneratorSizes(config=config, bands=mel.bands, frames=mel.model_frames)
    generator = build_generator(sizes, torch.zeros(mel.bands), torch.ones(mel.bands))
    assert sizes.n_styles == generator.n_styles
    for turns in (1, 2, 4):
        assert sizes.noise_shapes(turns) == generator.noise_shapes(turns)
    if config.kind == "pitch-grid":
        assert sizes.borders == (generator.border,)
    elif config.kind == "pattern-kit":
        assert sizes.borders == generator.borders
    else:
        assert sizes.borders == ()


def test_a_kit_needs_room_for_its_steps() -> None:
    with pytest.raises(ConfigError, match="a pattern-kit generator needs log-mels of a multiple of 32 cells"):
        GeneratorSizes(config=GeneratorConfig(kind="pattern-kit"), bands=128, frames=200)
