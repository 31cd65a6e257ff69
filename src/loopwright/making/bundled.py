"""Models that come with the package. Light: lists and describes them without importing torch."""

from __future__ import annotations

import importlib.resources
import json
import struct
from pathlib import Path
from typing import Any

BUNDLED = Path(str(importlib.resources.files("loopwright") / "bundled"))


def bundled_models() -> dict[str, Path]:
    """Generators that come with the package: name -> file."""
    return {p.stem.removeprefix("model_"): p for p in sorted(BUNDLED.glob("model_*.safetensors"))}


def read_header(path: Path) -> dict[str, Any]:
    """The JSON header of one of our model files, read without torch: safetensors begins with the length of its JSON."""
    with path.open("rb") as handle:
        (length,) = struct.unpack("<Q", handle.read(8))
        metadata = json.loads(handle.read(length)).get("__metadata__", {})
    header: dict[str, Any] = json.loads(metadata.get("loopwright", "{}"))
    return header


def describe(path: Path) -> str:
    """One line on a model: representation, training, size."""
    header = read_header(path)
    training = header.get("training", {})
    return f"{header['mel']['name']}, {training.get('kimg', 0):.0f} thousand images, {path.stat().st_size / 1e6:.1f} MB"
