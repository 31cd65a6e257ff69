"""How much an audio file holds, counted: headers never finished, or lying, are put right before the decoder sees them."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from loopwright.audio.chunks import Container, open_regular, read_container
from loopwright.audio.frames import Mp3, count_flac, ogg_is_whole, walk_mp3, xing_frame
from loopwright.errors import InputError

_SLACK_BYTES = 4096  # some programs count what follows the samples
_MOST_FILLED = 8192  # frames by which the last block of a codec may be filled up
_MOST_BYTES = 1 << 31  # of a file that must be read whole to be counted
# Codecs of whole blocks, whose last is filled up: there alone `fact` knows better than the bytes
_BLOCK_CODECS = frozenset({0x02, 0x11, 0x31, 0x40, 0x45, 0x64, 0x65, 0x38})


@dataclass(frozen=True)
class Counted:
    """What to do so that a decoder reads all of a file and no more.

    Attributes:
        front: bytes to read before the file's own, beginning at `start` of it.
        start: bytes of the file to leave out.
        patches: (place in the file, bytes to read there instead).
        samples: frames of audio the file holds, where the decoder may give up to `spare` more; 0 where it knows.
    """

    front: bytes = b""
    start: int = 0
    patches: tuple[tuple[int, bytes], ...] = ()
    samples: int = 0
    spare: int = 0

    @property
    def plain(self) -> bool:
        """Whether the file can be read as it lies."""
        return not self.front and not self.patches and not self.start


def count(path: Path) -> Counted:
    """Look at a file's own structure.

    Raises InputError if it cannot be opened, is no regular file, or is cut short.
    """
    with open_regular(path) as (handle, length):
        head = handle.read(16)
        container = read_container(handle, length)
        if container is not None:
            return _chunked(path, handle, container)
        if head[:4] == b"OggS":
            if not ogg_is_whole(handle, length):
                raise InputError(f"{path} is cut short: its last page is missing. Get the file again.")
            return Counted()
        if head[:4] == b".snd":
            _au(path, head, length)
            return Counted()
        if head[:4] == b"fLaC":
            return _flac(path, handle, length)
        if head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0") or path.suffix.lower() == ".mp3":
            return _mp3(path, handle, length)
    return Counted()


def _whole(path: Path, handle: BinaryIO, length: int) -> bytes:
    if length > _MOST_BYTES:
        raise InputError(f"{path} does not state its length and is too large to be counted. Cut it first.")
    handle.seek(0)
    return handle.read()


def _chunked(path: Path, handle: BinaryIO, container: Container) -> Counted:
    sound = container.first(b"SSND" if container.kind == "AIFF" else b"data")
    if sound is None:
        return Counted()
    have = max(0, container.length - sound.at)
    if sound.size > have + _SLACK_BYTES:
        raise InputError(f"{path} is cut short: {have} of {sound.size} bytes. Get the file again.")
    patches: list[tuple[int, bytes]] = []
    size = struct.pack(container.order + "I", min(sound.size, 0xFFFF_FFFF))
    if sound.found and container.kind == "CAF":
        patches.append((sound.at - 8, struct.pack(">q", sound.size)))
    elif sound.found and container.kind != "W64":
        form = {"RF64": b"RIFF", "BW64": b"RIFF"}.get(container.kind)
        patches += [(0, form)] if form else []
        patches.append((4, struct.pack(container.order + "I", min(container.length - 8, 0xFFFF_FFFF))))
        patches.append((sound.at - 4, size))
    elif container.kind == "BW64":  # RF64 by another name
        patches.append((0, b"RF64"))
    if container.kind == "AIFF":  # libsndfile takes the byte that fills up an odd chunk for a sample
        return Counted(patches=tuple(patches), samples=_comm(handle, container), spare=1)
    return Counted(patches=tuple(patches), samples=_fact(handle, container), spare=_MOST_FILLED)


def _comm(handle: BinaryIO, container: Container) -> int:
    """Samples by AIFF's own chunk."""
    comm = container.first(b"COMM")
    if comm is None or comm.size < 18:
        return 0
    handle.seek(comm.at + 2)
    return int(struct.unpack(">I", handle.read(4).rjust(4, b"\0"))[0])


def _fact(handle: BinaryIO, container: Container) -> int:
    """Samples by the `fact` chunk of a codec whose last block is filled up, 0 for others."""
    form, fact = container.first(b"fmt "), container.first(b"fact")
    if container.kind not in ("RIFF", "RF64", "BW64") or form is None or fact is None or form.size < 16 or fact.size < 4:
        return 0
    handle.seek(form.at)
    if struct.unpack("<H", handle.read(2).ljust(2, b"\0"))[0] not in _BLOCK_CODECS:
        return 0
    handle.seek(fact.at)
    return int(struct.unpack("<I", handle.read(4).ljust(4, b"\0"))[0])


def _au(path: Path, head: bytes, length: int) -> None:
    start, size = struct.unpack(">II", head[4:12])
    if size != 0xFFFF_FFFF and size > length - start + _SLACK_BYTES:
        raise InputError(f"{path} is cut short: {max(0, length - start)} of {size} bytes. Get the file again.")


def _flac(path: Path, handle: BinaryIO, length: int) -> Counted:
    """FLAC that was written into a pipe states no length."""
    handle.seek(4)
    head = handle.read(38)
    if len(head) < 38 or head[0] & 0x7F or int.from_bytes(head[17:22], "big") & 0xF_FFFF_FFFF:
        return Counted()
    found = count_flac(_whole(path, handle, length), int.from_bytes(head[4:6], "big"))
    if found <= 0:
        raise InputError(f"{path} is cut short: its last frame is not whole. Get the file again.")
    return Counted(patches=((21, bytes([head[17] & 0xF0 | found >> 32]) + struct.pack(">I", found & 0xFFFF_FFFF)),))


def _mp3(path: Path, handle: BinaryIO, length: int) -> Counted:
    """MP3: only a walk over the frames tells how many there are, and the decoder gives no more than a header states."""
    data = _whole(path, handle, length)
    found = walk_mp3(data)
    if found is None or not found.frames:
        return Counted()
    _refuse_part(path, found, len(data))
    size = found.end - found.first.at
    if found.header and found.stated == found.frames:
        return Counted()
    if found.header and found.stated >= 0:
        counts = struct.pack(">I", found.frames)
        counts += struct.pack(">I", size) if found.stated_bytes >= 0 else b""
        return Counted(patches=((found.header + 8, counts),))
    if found.vbri and found.stated == found.frames:
        return Counted()
    skip = found.first.size if found.header or found.vbri else 0  # a header without a count is replaced
    return Counted(front=xing_frame(data, found.first, found.frames, size - skip), start=found.first.at + skip)


def _refuse_part(path: Path, found: Mp3, length: int) -> None:
    """An MP3 whose header states more frames and more bytes than there are, or whose last frame is not whole, is a part."""
    less = found.stated > found.frames and found.stated_bytes > length - found.first.at + _SLACK_BYTES // 4
    if less:
        raise InputError(f"{path} is cut short: {found.frames} of {found.stated} frames. Get the file again.")
    if found.cut:
        raise InputError(f"{path} is cut short: its last frame is not whole. Get the file again.")


class Mended(io.RawIOBase):
    """A file as `Counted` would have it: read only."""

    def __init__(self, handle: BinaryIO, length: int, counted: Counted) -> None:
        self._handle, self._counted = handle, counted
        self._length = len(counted.front) + length - counted.start
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence])
        return self._at

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        front, shift = self._counted.front, len(self._counted.front) - self._counted.start
        head = front[self._at : self._at + len(view)]
        view[: len(head)] = head
        done = len(head)
        if done < len(view) and self._at + done >= len(front):
            self._handle.seek(self._at + done - shift)
            part = self._handle.read(len(view) - done)
            view[done : done + len(part)] = part
            done += len(part)
        for place, data in self._counted.patches:
            first = max(place + shift, self._at)
            last = min(place + shift + len(data), self._at + done)
            if first < last:
                view[first - self._at : last - self._at] = data[first - place - shift : last - place - shift]
        self._at += done
        return done
