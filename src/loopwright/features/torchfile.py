"""Tensors of a file of torch.save, published by others: `.pth`, `.pt`, Lightning's `.ckpt`.

Such a file is a pickle, that is a program. `torch.load(weights_only=True)` carries out only instructions that build
dictionaries, numbers and tensors, and refuses every other name before it is looked up.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from loopwright.errors import WeightsError

SAFE_TORCH = (2, 10)  # older ones can be made to write past their memory by a file (CVE-2026-24747)
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def read_torch_file(path: Path) -> dict[str, Tensor]:
    """Tensors of a saved state dict, by name; nested dictionaries are joined with dots. Of Lightning's, the `state_dict`.

    Raises WeightsError if the file is damaged, if its pickle wants anything but tensors, names and numbers, or if this
    torch is too old to refuse that safely.
    """
    path = Path(path)
    if torch_version() < SAFE_TORCH:
        wanted = ".".join(map(str, SAFE_TORCH))
        raise WeightsError(
            f"torch {torch.__version__} does not open {path}: its reader has a known hole. Run: pip install 'torch>={wanted}'"
        )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            tree = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"no file {path}.") from error
    except pickle.UnpicklingError as error:
        name = _GLOBAL.search(str(error))
        reason = f"its pickle asks for {name[1]}" if name else "its pickle holds more than tensors, names and numbers"
        raise WeightsError(
            f"{path} was refused, and nothing in it was run: {reason}. Only state dicts of tensors are read."
        ) from error
    except (
        OSError, RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, zipfile.BadZipFile
    ) as error:  # fmt: skip
        reason = str(error).partition("\n")[0].partition("  (")[0] or type(error).__name__
        raise WeightsError(f"{path} is not a whole file of torch.save ({reason}). Get it again.") from error
    if not isinstance(tree, Mapping):
        raise WeightsError(f"{path} holds no dictionary. Only state dicts of tensors are read.")
    if "pytorch-lightning_version" in tree and isinstance(tree.get("state_dict"), Mapping):
        tree = tree["state_dict"]
    return _flat(tree)


def torch_version() -> tuple[int, int]:
    """Major and minor version of the torch that runs."""
    major, minor = torch.__version__.split(".")[:2]
    return int(major), int(minor)


def _flat(tree: Mapping[Any, Any], prefix: str = "") -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for key, value in tree.items():
        if isinstance(value, Tensor):
            out[f"{prefix}{key}"] = value.detach().clone()  # not a window on a larger storage
        elif isinstance(value, Mapping):
            out |= _flat(value, f"{prefix}{key}.")
    return out
