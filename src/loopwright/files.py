"""Files that are whole or absent: temporary name, then rename. Tensor files are safetensors with one JSON header."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from loopwright.errors import BusyError, InputError

if TYPE_CHECKING:  # loops are made without torch, and begin a second earlier for it
    from torch import Tensor

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


@contextlib.contextmanager
def locked(folder: Path, doing: str, *, instead: str = "choose another folder") -> Iterator[None]:
    """Hold `folder/.lock` for the length of the block: one process at a time on one output.

    The lock is the system's, so a killed process leaves none behind. `doing` and `instead` complete the message: "another
    process is training FOLDER. Wait for it, or choose another folder."

    Raises BusyError if another process holds it, InputError if the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / ".lock").open("a+")
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}. Choose a folder you may write to.") from error
    with handle:
        try:
            if sys.platform == "win32":  # pragma: no cover
                import msvcrt

                msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            holder = handle.read(20).strip() or "unknown"
            raise BusyError(f"another process (number {holder}) is {doing} {folder}. Wait for it, or {instead}.") from error
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


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


def _digest(arrays: Mapping[str, npt.NDArray[Any]], header: str) -> str:
    """Hex sha256 of the header and of every tensor's name, type (in torch's words), shape and bytes."""
    digest = hashlib.sha256(header.encode())
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key}|torch.{array.dtype}|{tuple(arrays[key].shape)}|".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def save_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Save tensors and a JSON header (any JSON value) as one safetensors file, atomically, with a checksum of both."""
    from safetensors.torch import save_file

    text = json.dumps(header)
    plain = {key: value.detach().contiguous() for key, value in tensors.items()}
    digest = _digest({key: value.cpu().numpy() for key, value in plain.items()}, text)
    with atomic_path(path) as temporary:
        save_file(plain, temporary, {HEADER_KEY: text, DIGEST_KEY: digest})


def _read(path: Path, framework: str) -> tuple[dict[str, Any], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    try:
        with safe_open(path, framework=framework) as handle:
            metadata = handle.metadata() or {}
            text = metadata.get(HEADER_KEY, "{}")
            tensors = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118
            header = json.loads(text)
    except FileNotFoundError as error:
        raise InputError(f"no file {path}.") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} is not a whole safetensors file ({error}). Get or train it again.") from error
    if DIGEST_KEY in metadata and _digest({k: np.asarray(v) for k, v in tensors.items()}, text) != metadata[DIGEST_KEY]:
        raise InputError(f"{path} was altered since it was written: its checksum does not match. Get it again.")
    return tensors, header


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Load a file of `save_tensors`: its tensors (on the CPU) and its header ({} for foreign files).

    Raises InputError if the file is missing, cut short, not safetensors, or was altered since it was saved.
    """
    return _read(path, "pt")


def load_arrays(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """As `load_tensors`, but numpy arrays, and without importing torch."""
    return _read(path, "np")
