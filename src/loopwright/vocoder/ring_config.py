"""Settings of the ring vocoder. No torch: both engines read them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, PositiveInt

from loopwright.config import MelConfig


class RingConfig(BaseModel, frozen=True, extra="forbid"):
    """Size of a ring vocoder. `small` and `base` are in `RING_SIZES`."""

    dim: PositiveInt = 256
    layers: PositiveInt = 5
    expansion: PositiveInt = 3  # hidden width of a block over its width
    noise_channels: PositiveInt = 32  # noise values per frame that the network sees
    tone_hz: float = Field(default=1500.0, gt=0)  # below, phases start from the gradient of the magnitudes
    top_hz: float = Field(default=6000.0, gt=0)  # above, the long window carries noise only
    refine: int = Field(default=2, ge=0, le=64)  # corrections of the mel at the end
    hold: float = Field(default=0.0, ge=0, le=1)  # share of the prior's own magnitudes in those corrections below tone_hz
    low: float = -5.0  # log10 mels are scaled so that low..high becomes -1..1
    high: float = 1.0


RING_SIZES = {"small": RingConfig(), "base": RingConfig(dim=448, layers=8)}


def short_window(mel: MelConfig) -> tuple[int, int, int]:
    """Short frames per frame, their window and hop. loop48: (3, 512, 125); loop16: (5, 128, 25)."""
    steps = next(s for s in (3, 5, 4, 2, 1) if mel.hop % s == 0)
    hop = mel.hop // steps
    return steps, 1 << (3 * hop).bit_length(), hop


def graph_sizes(mel: MelConfig, config: RingConfig) -> dict[str, Any]:
    """Everything but the weights that the graph of a ring vocoder's network depends on."""
    kept = {"dim", "layers", "expansion", "noise_channels", "tone_hz", "top_hz", "low", "high"}
    return {"mel": mel.model_dump(), **config.model_dump(include=kept)}
