"""Model files: a generator's weights and all that must be known to use it, in safetensors with a JSON header.

The one door: both engines, export, training and the studio read models here, with the same checks. No torch at the top.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from loopwright.arrays import Float32
from loopwright.config import Representation, parse_representation
from loopwright.errors import ConfigError, InputError
from loopwright.files import load_arrays
from loopwright.models.config import GeneratorConfig, GeneratorSizes

if TYPE_CHECKING:
    from loopwright.models.generator import StyledGenerator

FORMAT = 1
LONGEST_HEADER = 16 << 20  # bytes; a model's own takes some thousand


@dataclass(frozen=True)
class ModelFile:
    """A model as its file has it.

    Attributes:
        path: the file, or the folder of an ONNX export.
        header: everything the file says of itself.
        sizes: what the generator is built from.
        representation: what it speaks.
        bars: bars in one turn of its circle.
        styles: class names of a conditional model, () otherwise.
        mean, std: (M,) statistics that undo the normalisation.
        weights: of the generator by name, float32; {} where an export's graphs hold them.
    """

    path: Path
    header: dict[str, Any]
    sizes: GeneratorSizes
    representation: Representation
    bars: int
    styles: tuple[str, ...]
    mean: Float32
    std: Float32
    weights: dict[str, Float32]


def make_header(
    recipe: Mapping[str, Any],
    representation: Representation,
    bars: int,
    statistics: Mapping[str, Sequence[float]],
    training: Mapping[str, Any],
    styles: Sequence[str] = (),
) -> dict[str, Any]:
    """What a model file says of itself.

    Args:
        recipe: all settings it was trained with, as JSON.
        representation, bars: the pictures it makes.
        statistics: `mean`, `std`, `low`, `high` of each band.
        training: how far, how long, with what scores.
        styles: class names of a conditional model.
    """
    header = {
        "kind": "generator",
        "format": FORMAT,
        "recipe": dict(recipe),
        "mel": representation.model_dump(),
        "bars": bars,
        "statistics": dict(statistics),
        "training": dict(training),
    }
    return header | {"styles": list(styles)} if styles else header


def read_header(path: Path) -> dict[str, Any]:
    """The JSON header of one of our model files, without its weights: safetensors begins with the length of its JSON.

    Raises InputError if there is none.
    """
    try:
        with Path(path).open("rb") as handle:
            (length,) = struct.unpack("<Q", handle.read(8))
            if length > LONGEST_HEADER:
                raise ValueError(f"a header of {length} bytes")
            metadata = json.loads(handle.read(length)).get("__metadata__", {})
        header = json.loads(metadata.get("loopwright", "{}"))
    except (OSError, struct.error, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is not a whole safetensors file ({error}). Get or train it again.") from error
    if not isinstance(header, dict):
        raise InputError(f"{path} does not say what it holds. Get or train it again.")
    return header


def read(path: Path) -> ModelFile:
    """A model from its file: a `best` or `last` checkpoint of a run, or an exported or bundled model.

    Raises InputError if it is not a model, is damaged, was written by a newer version, or holds NaN or infinity.
    """
    weights, header = load_arrays(path)
    if header.get("kind") == "checkpoint":
        weights = {k.removeprefix("average/"): v for k, v in weights.items() if k.startswith("average/")}
    elif header.get("kind") != "generator":
        raise InputError(f"{path} is not a loopwright model. Pass a run folder, a model file, or the name of a bundled model.")
    widened = {key: np.ascontiguousarray(value, dtype=np.float32) for key, value in weights.items()}
    bad = next((key for key, value in widened.items() if not np.isfinite(value).all()), None)
    if bad is not None:
        raise InputError(f"{path} holds NaN or infinity in '{bad}': its training diverged, or it is damaged. Get another.")
    return parse(path, header, widened)


def parse(path: Path, header: dict[str, Any], weights: dict[str, Float32]) -> ModelFile:
    """A model from a header and its weights. Raises InputError naming the file and what does not fit."""
    found = header.get("format")
    if not isinstance(found, int) or found < FORMAT:
        raise InputError(f"{path} has format {found}, this version reads {FORMAT}. Train or export it again.")
    if found > FORMAT:
        raise InputError(f"{path} was written by a newer loopwright (format {found}). Upgrade loopwright.")
    try:
        speaks, bars = parse_representation(header["mel"]), int(header["bars"])
        styles = tuple(str(style) for style in header.get("styles", ()))
        config = GeneratorConfig(**header["recipe"]["generator"])
        sizes = GeneratorSizes(config=config, bands=speaks.bands, frames=bars * speaks.model_frames, classes=len(styles))
        mean, std = (np.asarray(header["statistics"][key], dtype=np.float32) for key in ("mean", "std"))
        if mean.shape != (speaks.bands,) or std.shape != (speaks.bands,) or not np.isfinite([mean, std]).all():
            raise ValueError(f"statistics must be {speaks.bands} finite numbers")
    except (KeyError, TypeError, ValueError, ValidationError, ConfigError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} does not say what its generator is ({reason}). Get or train it again.") from error
    return ModelFile(Path(path), header, sizes, speaks, bars, styles, mean, std, weights)


def build(file: ModelFile) -> StyledGenerator:
    """The generator in torch, on the CPU, in eval mode and frozen. Raises InputError if the weights do not fit the sizes."""
    import torch

    from loopwright.models.build import build_generator

    mean, std = torch.from_numpy(file.mean), torch.from_numpy(file.std)
    generator = build_generator(file.sizes, mean, std)
    try:
        generator.load_state_dict({key: torch.from_numpy(value) for key, value in file.weights.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{file.path} does not hold the generator its header describes ({reason}).") from error
    return generator.eval().requires_grad_(False)
