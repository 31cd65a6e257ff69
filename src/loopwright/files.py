"""Files that are whole or absent: temporary name, then rename. Tensor files are safetensors with one JSON header."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from loopwright.errors import InputError

HEADER_KEY = "loopwright"
DIGEST_KEY = "sha256"


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it is synced and renamed to `path`, on failure removed.

    Raises InputError if the folder cannot be written or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(prefix=f".{path.stem[:80]}.", suffix=path.suffix + ".tmp", dir=path.parent)
        os.close(fd)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}. Choose a folder you may write to.") from error
    temporary = Path(name)
    umask = os.umask(0)
    os.umask(umask)
    try:
        try:
            yield temporary
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.chmod(0o666 & ~umask)  # mkstemp makes files private; ours are ordinary files
            temporary.replace(path)
        except OSError as error:
            raise InputError(
                f"cannot write {path}: {error.strerror or error}. Free some space or choose another folder."
            ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically: UTF-8, indented, keys in the order given."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file, read in blocks."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _digest(tensors: Mapping[str, Tensor], header: str) -> str:
    """Hex sha256 of the header and of every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(header.encode())
    for key in sorted(tensors):
        tensor = tensors[key].detach().cpu().contiguous()
        digest.update(f"{key}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Save tensors and a JSON header (any JSON value) as one safetensors file, atomically, with a checksum of both."""
    text = json.dumps(header)
    plain = {key: value.detach().contiguous() for key, value in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(plain, temporary, {HEADER_KEY: text, DIGEST_KEY: _digest(plain, text)})


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Load a file of `save_tensors`: its tensors (on the CPU) and its header ({} for foreign files).

    Raises InputError if the file is missing, cut short, not safetensors, or was altered since it was saved.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as handle:
            metadata = handle.metadata() or {}
            text = metadata.get(HEADER_KEY, "{}")
            tensors = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118
            header = json.loads(text)
    except FileNotFoundError as error:
        raise InputError(f"no file {path}.") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} is not a whole safetensors file ({error}). Get or train it again.") from error
    if DIGEST_KEY in metadata and _digest(tensors, text) != metadata[DIGEST_KEY]:
        raise InputError(f"{path} was altered since it was written: its checksum does not match. Get it again.")
    return tensors, header
