"""Published weight files -> our safetensors: `.pth`, `.pt` and `.ckpt` (tensors only), Keras `.h5`, `.npz`, `.safetensors`.

Published graphs (`.onnx`), which only judge, are kept as they are.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from loopwright.errors import WeightsError
from loopwright.features.registry import NETWORKS, graph_class, network_class
from loopwright.features.torchfile import read_torch_file
from loopwright.features.weights import read_weights
from loopwright.files import atomic_path, save_tensors, sha256_of


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
    raise WeightsError(
        f"{path}: '{suffix}' files are not read. Give a .safetensors, .pth, .pt, .ckpt, .h5, .npz or .onnx file."
    )


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
    names = [name] if name else [key for key, row in NETWORKS.items() if not row.bundled and not row.graph]
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
    """Read a published file, recognise it, and write it to `folder` as safetensors. Returns the network and the file.

    A published graph (.onnx) is copied as it is, if its inputs and outputs are those of a graph we know.
    """
    if Path(path).suffix.lower() == ".onnx" or (name is not None and NETWORKS[name].graph):
        return import_graph(path, folder, name)
    name, tensors = recognise(read_any(path), name)
    out = Path(folder) / NETWORKS[name].files[0]
    source = {"file": Path(path).name, "sha256": sha256_of(path)}
    save_tensors(out, tensors, {"network": name, "imported_from": source, "licence": NETWORKS[name].licence})
    return name, out


def import_graph(path: Path, folder: Path, name: str | None = None) -> tuple[str, Path]:
    """Open a published graph with each class that takes graphs and copy it, byte for byte, for the first that knows it.

    Raises WeightsError if there is no such file or none knows it.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no file {path}.")
    problems = []
    for candidate in [name] if name else [key for key, row in NETWORKS.items() if row.graph]:
        if not NETWORKS[candidate].graph:
            problems.append(f"{candidate} is not read from .onnx files. Give a .safetensors, .pth, .pt, .h5 or .npz file.")
            continue
        try:
            graph_class(candidate)(path, name=candidate)
        except WeightsError as error:
            problems.append(str(error))
            continue
        out = Path(folder) / NETWORKS[candidate].files[0]
        with atomic_path(out) as part:
            shutil.copyfile(path, part)
        return candidate, out
    raise WeightsError(problems[0])
