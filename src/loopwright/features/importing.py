"""Published weight files -> our safetensors: `.pth`, `.pt` and `.ckpt` (tensors only), Keras `.h5`, `.npz`, `.safetensors`."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loopwright.errors import WeightsError
from loopwright.features.registry import NETWORKS, network_class
from loopwright.features.torchfile import read_torch_file
from loopwright.features.weights import read_weights
from loopwright.files import save_tensors, sha256_of


def read_any(path: Path) -> dict[str, Tensor]:
    """All tensors of a published file, under the publisher's names. Raises WeightsError if it cannot be read."""
    path = Path(path)
    suffix = path.suffix.lower()
    if not path.is_file():
        raise WeightsError(f"no file {path}.")
    if suffix in (".pth", ".pt", ".ckpt"):
        return read_torch_file(path)
    if suffix in (".h5", ".hdf5"):
        return _read_h5(path)
    if suffix == ".npz":
        return _read_npz(path)
    if suffix == ".safetensors":
        return read_weights(path)[0]
    raise WeightsError(f"{path}: '{suffix}' files are not read. Give a .safetensors, .pth, .pt, .ckpt, .h5 or .npz file.")


def _read_npz(path: Path) -> dict[str, Tensor]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}
    except (OSError, ValueError, zipfile.BadZipFile, TypeError) as error:
        raise WeightsError(f"{path} is not a whole .npz file of numbers ({error}). Get it again.") from error


def _read_h5(path: Path) -> dict[str, Tensor]:
    try:
        import h5py
    except ImportError as error:
        raise WeightsError(f"{path} needs the library h5py. Run: pip install h5py") from error
    out: dict[str, Tensor] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            out[name] = torch.from_numpy(np.asarray(item))

    try:
        with h5py.File(path, "r") as handle:
            handle.visititems(visit)
    except OSError as error:
        raise WeightsError(f"{path} is not a whole HDF5 file ({error}). Get it again.") from error
    return out


def recognise(tensors: dict[str, Tensor], name: str | None = None) -> tuple[str, dict[str, Tensor]]:
    """Which network these tensors belong to, and the tensors under our names.

    Raises WeightsError if they fit none, or not the one asked for.
    """
    names = [name] if name else [key for key, row in NETWORKS.items() if not row.bundled]
    problems = []
    for candidate in names:
        cls = network_class(candidate)
        adapted = {key: value.contiguous() for key, value in cls.adapt(tensors).items()}
        try:
            cls(adapted)
        except WeightsError as error:
            problems.append(str(error))
            continue
        return candidate, adapted
    if name:
        raise WeightsError(problems[0])
    raise WeightsError(f"these {len(tensors)} tensors fit none of the networks {', '.join(names)}. Is it a whole state dict?")


def import_weights(path: Path, folder: Path, name: str | None = None) -> tuple[str, Path]:
    """Read a published file, recognise it, and write it to `folder` as safetensors. Returns the network and the file."""
    name, tensors = recognise(read_any(path), name)
    out = Path(folder) / NETWORKS[name].files[0]
    source = {"file": Path(path).name, "sha256": sha256_of(path)}
    save_tensors(out, tensors, {"network": name, "imported_from": source, "licence": NETWORKS[name].licence})
    return name, out
