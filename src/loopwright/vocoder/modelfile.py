"""Vocoders by name or file."""

from __future__ import annotations

from pathlib import Path

from loopwright.config import MelConfig
from loopwright.errors import InputError
from loopwright.vocoder.base import Vocoder
from loopwright.vocoder.griffinlim import GriffinLim


def load(name_or_path: str | Path, mel: MelConfig) -> Vocoder:
    """A vocoder for `mel`, in eval mode, on the CPU: `griffinlim` (always there)."""
    if str(name_or_path) == "griffinlim":
        return GriffinLim(mel).eval()
    raise InputError(f"no vocoder '{name_or_path}'. Known: griffinlim.")
