"""Write a finished model file from a run: the averaged generator in half precision, with its header."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from loopwright.errors import InputError
from loopwright.files import save_tensors
from loopwright.pipeline.model import find_model
from loopwright.training.loop import load_model

LICENCE = "CC0-1.0 for what the model makes; MIT for the weights"


def export_model(model: str, out: Path, *, half: bool = True, facts: dict[str, Any] | None = None) -> Path:
    """Write the model of a run (or model file) as one file to share.

    Args:
        model: run folder, model file or bundled name.
        out: a .safetensors path.
        half: store weights as float16; the sound differs by less than the vocoder's own rounding.
        facts: more for the header, such as an evaluation.

    Raises InputError if there is no such model or a weight does not fit half precision.
    """
    out = Path(out)
    if out.suffix != ".safetensors":
        raise InputError(f"{out} must end in .safetensors.")
    generator, header = load_model(find_model(model))
    tensors = generator.state_dict()
    if half:
        tensors = {key: value.half() for key, value in tensors.items()}
        bad = [key for key, value in tensors.items() if not torch.isfinite(value).all()]
        if bad:
            raise InputError(f"{bad[0]} does not fit half precision. Export with --full.")
    header = {**header, "kind": "generator", "licence": LICENCE, **(facts or {})}
    for key in ("step", "kimg", "seconds", "best"):  # a checkpoint's own fields; `training` has them
        header.pop(key, None)
    save_tensors(out, tensors, header)
    return out
