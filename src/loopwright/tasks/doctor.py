"""Is everything here that loopwright needs? One line a thing."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

REQUIRED = ("torch", "numpy", "soundfile", "soxr", "safetensors", "pydantic", "click", "rich", "matplotlib")
OPTIONAL = {
    "tensorboard": "curves in TensorBoard (extra: log)",
    "starlette": "the studio (extra: studio)",
    "onnxruntime": "quick start of generate (extra: export)",
    "librosa": "second opinion on tempo (extra: analysis)",
}


@dataclass(frozen=True)
class Check:
    """One line of the report: mark is ok, optional or missing."""

    mark: str
    name: str
    text: str


def examine() -> list[Check]:
    """Check packages, sound library, device, models and feature networks."""
    checks = [Check("ok" if (3, 11) <= sys.version_info < (3, 14) else "missing", "python", sys.version.split()[0])]
    for name in REQUIRED:
        try:
            checks.append(Check("ok", name, version(name)))
        except PackageNotFoundError:
            checks.append(Check("missing", name, "not installed: run pip install loopwright again"))
    for name, use in OPTIONAL.items():
        found = importlib.util.find_spec(name) is not None
        checks.append(Check("ok" if found else "optional", name, version(name) if found else f"not installed: {use}"))
    import soundfile
    import torch

    from loopwright.errors import WeightsError
    from loopwright.features import NETWORKS
    from loopwright.features.registry import weights_path
    from loopwright.making.bundled import bundled_models

    formats = [f for f in ("WAV", "FLAC", "AIFF", "OGG", "MP3") if f in soundfile.available_formats()]
    checks.append(Check("ok", "audio formats", ", ".join(formats)))
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else f"none; {os.cpu_count()} CPU cores"
    checks.append(Check("ok" if torch.cuda.is_available() else "optional", "GPU", gpu))
    bundled = bundled_models()
    checks.append(Check("ok" if bundled else "optional", "bundled models", ", ".join(bundled) or "none"))
    for name in NETWORKS:
        try:
            checks.append(Check("ok", f"network {name}", str(weights_path(name))))
        except WeightsError as error:
            checks.append(Check("optional", f"network {name}", str(error)))
    return checks
