"""Models that come with the package. Light: lists and describes them without importing torch."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from loopwright.models.modelfile import read_header

__all__ = ["BUNDLED", "bundled_models", "describe", "read_header"]

BUNDLED = Path(str(importlib.resources.files("loopwright") / "bundled"))


def bundled_models() -> dict[str, Path]:
    """Generators that come with the package: name -> file, by name."""
    return dict(sorted((p.stem.removeprefix("model_"), p) for p in BUNDLED.glob("model_*.safetensors")))


def describe(path: Path) -> str:
    """One line on a model: representation, training, size."""
    header = read_header(path)
    training = header.get("training", {})
    return f"{header['mel']['name']}, {training.get('kimg', 0):.0f} thousand images, {path.stat().st_size / 1e6:.1f} MB"
