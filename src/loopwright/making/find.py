"""From what a user types to a file: models and the vocoders that go with them."""

from __future__ import annotations

from pathlib import Path

from loopwright.config import MelConfig
from loopwright.errors import InputError
from loopwright.making.bundled import BUNDLED, bundled_models
from loopwright.models.modelfile import ModelFile


def find_model(name: str) -> Path:
    """A bundled model's name, a model file or a run folder -> the file. Raises InputError listing what exists."""
    bundled = bundled_models()
    if name in bundled:
        return bundled[name]
    path = Path(name)
    for candidate in (path / "checkpoints" / "best.safetensors", path / "checkpoints" / "last.safetensors"):
        if candidate.is_file():
            return candidate
    if path.is_file():
        return path
    if path.is_dir():
        inside = sorted(path.glob("*/checkpoints/best.safetensors"))
        if inside:  # a folder of runs: its newest
            return inside[-1]
    known = ", ".join(bundled) or "none yet; train one with: loopwright train gan DATA"
    raise InputError(f"no model '{name}'. Bundled models: {known}. A run folder or a .safetensors file will do, too.")


def shown_name(name: str, path: Path) -> str:
    """What a model is called in files: its bundled name, or its file's."""
    return name if name in bundled_models() else path.stem if path.stem not in ("best", "last") else "loops"


def vocoder_for(file: ModelFile, asked: str | None) -> tuple[str, MelConfig] | None:
    """The vocoder a model speaks through, by name or file, and its representation; None for one that needs none.

    Raises InputError for a vocoder asked for where none is used.
    """
    if isinstance(file.representation, MelConfig):
        return asked or default_vocoder(file.representation), file.representation
    if asked is not None:
        raise InputError(f"{file.path} makes its sound of notes, without a vocoder. Leave --vocoder out.")
    return None


def default_vocoder(mel: MelConfig) -> str:
    """The bundled vocoder for these mel settings, else Griffin-Lim."""
    path = BUNDLED / f"vocoder_{mel.name}.safetensors"
    return str(path) if path.is_file() else "griffinlim"
