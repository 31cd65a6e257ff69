"""Read the tensors of a published `.pth` file without unpickling it.

A `.pth` of torch.save is a pickle: a program. `pickletools` only decodes its instructions; this module carries out the few
that build dictionaries, tuples and numbers, knows three harmless names (an ordered dictionary and torch's two ways to
rebuild a tensor), and refuses everything else before doing it. No class is looked up, no function of the file is called.
Both containers are read: the zip file of torch 1.6 and later, and the older stream of pickles followed by raw storages.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from loopwright.errors import WeightsError

STORAGES = {
    "FloatStorage": ("<f4", torch.float32),
    "DoubleStorage": ("<f8", torch.float64),
    "HalfStorage": ("<f2", torch.float16),
    "LongStorage": ("<i8", torch.int64),
    "IntStorage": ("<i4", torch.int32),
    "ShortStorage": ("<i2", torch.int16),
    "CharStorage": ("i1", torch.int8),
    "ByteStorage": ("u1", torch.uint8),
    "BoolStorage": ("?", torch.bool),
}
ORDERED_DICT = "collections OrderedDict"
REBUILD = "torch._utils _rebuild_tensor_v2"
REBUILD_PARAMETER = "torch._utils _rebuild_parameter"
HARMLESS = {ORDERED_DICT, REBUILD, REBUILD_PARAMETER, *(f"torch {name}" for name in STORAGES)}
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
MAX_INSTRUCTIONS = 2_000_000


@dataclass(frozen=True)
class _Name:
    """A name the program mentions; it stays a name."""

    path: str


@dataclass(frozen=True)
class _Storage:
    """Numbers somewhere in the file."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class _View:
    """A tensor: a window on a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


_MARK = object()


class _RefusedError(Exception):
    """The program wants something this reader does not do."""


def read_pth(path: Path) -> dict[str, Tensor]:
    """Tensors of a state dict saved by torch.save, by name. Nested dictionaries are joined with dots.

    Raises WeightsError if the file is damaged, or its pickle holds anything but tensors, names and numbers.
    """
    path = Path(path)
    try:
        if zipfile.is_zipfile(path):
            return _read_zip(path)
        with path.open("rb") as handle:
            return _read_legacy(handle)
    except FileNotFoundError as error:
        raise WeightsError(f"no file {path}.") from error
    except _RefusedError as error:
        raise WeightsError(
            f"{path} was refused, and nothing in it was run: {error}. Only state dicts of tensors are read."
        ) from error
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} is not a whole .pth file ({error}). Get it again.") from error


def _read_zip(path: Path) -> dict[str, Tensor]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith("/data.pkl") or name == "data.pkl"]
        if len(names) != 1:
            raise ValueError("no single data.pkl in it")
        root = names[0].removesuffix("data.pkl")
        order = f"{root}byteorder"
        if order in archive.namelist() and archive.read(order).strip() != b"little":
            raise _RefusedError("it was saved on a big-endian machine")
        tree = _run(io.BytesIO(archive.read(names[0])))
        return _tensors(tree, lambda storage: archive.read(f"{root}data/{storage.key}"))


def _read_legacy(handle: IO[bytes]) -> dict[str, Tensor]:
    if _run(handle) != LEGACY_MAGIC:
        raise ValueError("no magic number at its start")
    _run(handle)  # protocol version
    facts = _run(handle)
    if isinstance(facts, dict) and facts.get("little_endian") is False:
        raise _RefusedError("it was saved on a big-endian machine")
    tree = _run(handle)
    kinds = {storage.key: storage for storage in _storages(tree)}
    blobs: dict[str, bytes] = {}
    for key in _run(handle):
        count = int.from_bytes(handle.read(8), "little", signed=True)
        storage = kinds.get(str(key))
        if storage is None or count < 0:
            raise ValueError(f"storage {key} belongs to no tensor")
        size = count * np.dtype(STORAGES[storage.kind][0]).itemsize
        blob = handle.read(size)
        if len(blob) != size:
            raise ValueError("it ends in the middle of a tensor")
        blobs[str(key)] = blob
    return _tensors(tree, lambda storage: blobs[storage.key])


def _storages(tree: Any) -> list[_Storage]:
    if isinstance(tree, _View):
        return [tree.storage]
    return [found for value in tree.values() for found in _storages(value)] if isinstance(tree, dict) else []


def _tensors(tree: Any, read: Callable[[_Storage], bytes], prefix: str = "") -> dict[str, Tensor]:
    if not isinstance(tree, dict):
        raise _RefusedError("it holds no dictionary")
    out: dict[str, Tensor] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, _View):
            out[name] = _tensor(value, read(value.storage))
        elif isinstance(value, dict):
            out |= _tensors(value, read, f"{name}.")
    return out


def _tensor(view: _View, blob: bytes) -> Tensor:
    kind, dtype = STORAGES[view.storage.kind]
    numbers = np.frombuffer(blob, dtype=kind)
    if len(view.shape) != len(view.stride) or min((*view.shape, *view.stride, view.offset), default=0) < 0:
        raise ValueError("a tensor has an impossible shape")
    empty = 0 in view.shape
    last = view.offset + sum((size - 1) * step for size, step in zip(view.shape, view.stride, strict=True))
    if not empty and last >= len(numbers):
        raise ValueError("a tensor reaches past its storage")
    if empty:
        return torch.empty(view.shape, dtype=dtype)
    flat = torch.from_numpy(numbers.copy()).to(dtype)
    return flat.as_strided(view.shape, view.stride, view.offset).clone()


def _run(stream: IO[bytes]) -> Any:
    """Carry out one pickle of a known harmless kind; leaves the stream behind its last byte."""
    stack: list[Any] = []
    memo: dict[str, Any] = {}

    def pop_mark() -> list[Any]:
        at = max(i for i, item in enumerate(stack) if item is _MARK)
        items = stack[at + 1 :]
        del stack[at:]
        return items

    for count, (opcode, arg, _) in enumerate(pickletools.genops(stream)):
        name = opcode.name
        if count > MAX_INSTRUCTIONS:
            raise _RefusedError("its pickle is too long")
        if name in ("PROTO", "FRAME"):
            continue
        if name == "STOP":
            return stack.pop()
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("EMPTY_DICT", "EMPTY_LIST"):
            stack.append({} if name == "EMPTY_DICT" else [])
        elif name in _LITERALS:
            stack.append(arg)
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "TUPLE":
            stack.append(tuple(pop_mark()))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            size = int(name[-1])
            stack[-size:] = [tuple(stack[-size:])]
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[str(arg)] = stack[-1]
        elif name == "MEMOIZE":
            memo[str(len(memo))] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[str(arg)])
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else pop_mark()
            stack[-1].extend(items) if isinstance(stack[-1], list) else _refuse("it appends to no list")
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else pop_mark()
            if not isinstance(stack[-1], dict):
                _refuse("it sets items of no dictionary")
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name == "POP":
            stack.pop()
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            path = str(arg) if name == "GLOBAL" else " ".join(str(part) for part in (stack.pop(-2), stack.pop()))
            if path not in HARMLESS:
                _refuse(f"its pickle asks for {path.replace(' ', '.')}")
            stack.append(_Name(path))
        elif name == "BINPERSID":
            stack.append(_persistent(stack.pop()))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_reduce(function, arguments))
        elif name == "BUILD":  # attributes of the dictionary (_metadata): not wanted
            stack.pop()
            if not isinstance(stack[-1], dict):
                _refuse("it sets the state of an object")
        else:
            _refuse(f"its pickle has the instruction {name}")
    raise ValueError("its pickle has no end")


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = {
    "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8", "UNICODE", "BINSTRING", "SHORT_BINSTRING", "STRING",
}  # fmt: skip


def _refuse(reason: str) -> None:
    raise _RefusedError(reason)


def _persistent(item: Any) -> _Storage:
    kind, storage, key, _, count = item[:5]
    if kind != "storage" or not isinstance(storage, _Name) or not storage.path.startswith("torch "):
        raise _RefusedError("it refers to something that is no storage")
    return _Storage(storage.path.removeprefix("torch "), str(key), int(count))


def _reduce(function: Any, arguments: Any) -> Any:
    path = function.path if isinstance(function, _Name) else ""
    if path == ORDERED_DICT and (arguments == () or arguments == ([],)):
        return {}
    if path == REBUILD and isinstance(arguments[0], _Storage):
        storage, offset, shape, stride = arguments[:4]
        return _View(storage, int(offset), tuple(map(int, shape)), tuple(map(int, stride)))
    if path == REBUILD_PARAMETER and isinstance(arguments[0], _View):
        return arguments[0]
    raise _RefusedError("its pickle calls a function")
