"""Chunks of WAV (RIFF, RIFX, RF64, BW64), AIFF, Wave64 and CAF files, found wherever they are.

Layouts: RIFF (Microsoft 1991), RF64 (EBU Tech 3306), BW64 (ITU-R BS.2088), AIFF and AIFF-C (Apple 1989, 1991), Wave64 (Sonic
Foundry), CAF (Apple 2011). Sizes are what the file states: whoever asks looks at what is there.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from loopwright.errors import InputError

_LARGE = 0x7FFF_0000  # of 32 bits: programs that write into a pipe state at least this much
_MOST = 10_000  # chunks; more are damage
_W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # of every other chunk's name
# Names that are looked for behind an odd chunk: many programs leave out the byte that should follow it
_NAMES = frozenset(
    b"fmt |data|fact|LIST|acid|smpl|inst|cue |bext|JUNK|junk|PAD |id3 |ID3 |strc|cart|iXML|axml|_PMX|afsp|DISP|PEAK|plst|minf"
    b"|elm1|regn|umid|FLLR|chna|ds64|levl|aXML|ResU|clm |wavl|slnt|COMM|SSND|MARK|INST|MIDI|AESD|APPL|COMT|NAME|AUTH|(c) |ANNO"
    b"|FVER|SAXL|basc|trns|cate|CHAN|tlst|LGWV|SNDM".split(b"|")
)
_ANY_NAME = re.compile(b"|".join(re.escape(name) for name in sorted(_NAMES)))
_MOST_BEHIND = 1 << 20  # bytes at the end in which chunks behind sound of unknown size are looked for


@dataclass(frozen=True)
class Chunk:
    """A chunk's name, where its body begins, and its size: as stated, or, if `found`, as it must be where none was."""

    name: bytes
    at: int
    size: int
    found: bool = False


@dataclass(frozen=True)
class Container:
    """A file of chunks: `kind` is "RIFF", "RIFX", "RF64", "BW64", "AIFF", "W64" or "CAF"; `length` is the file's in bytes."""

    kind: str
    length: int
    chunks: tuple[Chunk, ...]

    @property
    def order(self) -> str:
        """Byte order, as `struct` has it."""
        return ">" if self.kind in ("RIFX", "AIFF", "CAF") else "<"

    def first(self, name: bytes) -> Chunk | None:
        """The first chunk of a name."""
        return next((chunk for chunk in self.chunks if chunk.name == name), None)


@contextmanager
def open_regular(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file for reading; gives it and its length. Nothing is waited for: a pipe, a device or a folder is refused.

    Raises InputError.
    """
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise InputError(f"no file {path}.") from error
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    with open(number, "rb") as handle:  # noqa: PTH123  (an open file, not a path)
        state = os.fstat(number)
        if not stat.S_ISREG(state.st_mode):
            raise InputError(f"cannot read {path}: it is no regular file.")
        yield handle, state.st_size


def read_container(handle: BinaryIO, length: int) -> Container | None:
    """The chunks of an open file of `length` bytes; None if it is no container of chunks. Stops at damage."""
    handle.seek(0)
    head = handle.read(40)
    kind = _kind(head)
    if not kind:
        return None
    walk = {"W64": _w64, "CAF": _caf}.get(kind)
    chunks = walk(handle, length) if walk else _iff(handle, length, kind)
    return Container(kind, length, tuple(chunks))


def _kind(head: bytes) -> str:
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return head[:4].decode()
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "AIFF"
    if head[:4] == b"caff":
        return "CAF"
    return "W64" if head[:16] == _W64_RIFF else ""


def _named(name: bytes) -> bool:
    return len(name) == 4 and all(32 <= byte < 127 or byte == 0xA9 for byte in name)


def _iff(handle: BinaryIO, length: int, kind: str) -> list[Chunk]:
    out: list[Chunk] = []
    order = ">" if kind in ("RIFX", "AIFF") else "<"
    wide: dict[bytes, int] = {}
    at = 12
    while at + 8 <= length and len(out) < _MOST:
        handle.seek(at)
        head = handle.read(8)
        name, size = head[:4], struct.unpack(order + "I", head[4:])[0]
        if not _named(name):
            break
        sound = name in (b"data", b"SSND")
        if name == b"ds64" and kind in ("RF64", "BW64"):
            wide = _wide_sizes(handle.read(min(size, 1 << 16)))
        elif size == 0xFFFF_FFFF and name in wide:
            size = wide[name]
        piped = size >= _LARGE and at + 8 + size > length
        unknown = sound and (piped or (size == 0 and not _begins(handle, at + 8, length)))
        if unknown:
            size = _behind(handle, at + 8, length, order) - at - 8
        out.append(Chunk(name, at + 8, size, unknown))
        at = _next(handle, at + 8 + size, length, odd=size % 2 == 1, order=order)
    return out


def _behind(handle: BinaryIO, at: int, length: int, order: str) -> int:
    """Where sound of unknown size ends: at the first chunk from which whole chunks lead to the end of the file, if any."""
    start = max(at, length - _MOST_BEHIND)
    handle.seek(start)
    tail = handle.read(length - start)
    for match in _ANY_NAME.finditer(tail):
        place = match.start()
        while place + 8 <= len(tail) and tail[place : place + 4] in _NAMES:
            size = struct.unpack(order + "I", tail[place + 4 : place + 8])[0]
            place += 8 + size
            place += size % 2 if tail[place + 1 : place + 5] in _NAMES or place + 1 == len(tail) else 0
        if place == len(tail):
            return start + match.start()
    return length


def _wide_sizes(body: bytes) -> dict[bytes, int]:
    """Sizes of 64 bits from a `ds64` chunk."""
    if len(body) < 24:
        return {}
    sizes = {b"data": struct.unpack_from("<Q", body, 8)[0]}
    for at in range(28, len(body) - 11, 12):
        sizes.setdefault(body[at : at + 4], struct.unpack_from("<Q", body, at + 4)[0])
    return sizes


def _begins(handle: BinaryIO, at: int, length: int) -> bool:
    """Whether a chunk with a known name begins here, or the file ends."""
    if at >= length:
        return True
    handle.seek(at)
    return handle.read(4) in _NAMES


def _next(handle: BinaryIO, end: int, length: int, *, odd: bool, order: str) -> int:
    """Where the chunk after one that ends at `end` begins: at once, or after the byte that should follow an odd one."""
    if not odd or end >= length or _begins(handle, end + 1, length):
        return end + odd
    if _begins(handle, end, length):
        return end
    handle.seek(end)
    head = handle.read(9)
    for skip in (1, 0):
        part = head[skip : skip + 8]
        if len(part) == 8 and _named(part[:4]) and end + skip + 8 + struct.unpack(order + "I", part[4:])[0] <= length:
            return end + skip
    return end + 1


def _w64(handle: BinaryIO, length: int) -> list[Chunk]:
    out: list[Chunk] = []
    at = 40
    while at + 24 <= length and len(out) < _MOST:
        handle.seek(at)
        head = handle.read(24)
        size = struct.unpack("<q", head[16:])[0] - 24
        if head[4:16] != _W64_TAIL:
            break
        unknown = head[:4] == b"data" and not 0 < size < 1 << 62
        size = length - at - 24 if unknown else size
        out.append(Chunk(head[:4], at + 24, size, unknown))
        if size < 0:
            break
        at += (size + 24 + 7) // 8 * 8
    return out


def _caf(handle: BinaryIO, length: int) -> list[Chunk]:
    out: list[Chunk] = []
    at = 8
    while at + 12 <= length and len(out) < _MOST:
        handle.seek(at)
        head = handle.read(12)
        name, size = head[:4], struct.unpack(">q", head[4:])[0]
        if not _named(name):
            break
        unknown = size < 0
        size = length - at - 12 if unknown else size
        out.append(Chunk(name, at + 12, size, unknown))
        at += 12 + size
    return out
