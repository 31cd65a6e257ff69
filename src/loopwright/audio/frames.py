"""Frames of MP3, pages of Ogg and frames of FLAC, counted: what such a file holds, whatever its header says.

Layouts: MPEG-1 and 2 audio (ISO 11172-3, 13818-3) with the Xing and VBRI headers of encoders, Ogg (RFC 3533), FLAC (RFC 9639).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

_LAYER_3 = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # kbit/s, MPEG-1
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG-2 and 2.5
)
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_MOST_JUNK = 1 << 16  # bytes between frames in which the next is looked for


@dataclass(frozen=True)
class Mp3Frame:
    """One frame: where it begins, its bytes, the samples it decodes to, and its rate."""

    at: int
    size: int
    samples: int
    rate_hz: int
    side: int  # bytes from its start to where a Xing header would stand


@dataclass(frozen=True)
class Mp3:
    """What a walk over an MP3 found.

    Attributes:
        frames: with audio, whole ones.
        cut: the last frame has not all its bytes.
        first: the first frame, whether it holds audio or a header.
        header: where a Xing or Info header stands, 0 if there is none; `stated` and `stated_bytes` are its counts (-1: none).
        vbri: where a VBRI header stands instead.
        end: where the last whole frame ends.
    """

    frames: int
    cut: bool
    first: Mp3Frame
    header: int = 0
    vbri: int = 0
    stated: int = -1
    stated_bytes: int = -1
    end: int = 0


def mp3_frame(data: bytes, at: int) -> Mp3Frame | None:
    """The layer III frame whose header stands at `at`; None if none does."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return None
    version, second = data[at + 1] >> 3 & 3, data[at + 2]
    bits, rate = second >> 4, second >> 2 & 3
    if version == 1 or bits in (0, 15) or rate == 3:
        return None
    rate_hz = _RATES[version][rate]
    kbit = _LAYER_3[0 if version == 3 else 1][bits]
    samples = 1152 if version == 3 else 576
    size = samples // 8 * 1000 * kbit // rate_hz + (second >> 1 & 1)
    mono = data[at + 3] >> 6 == 3
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    return Mp3Frame(at, size, samples, rate_hz, 4 + side)


def walk_mp3(data: bytes) -> Mp3 | None:
    """Count the frames of an MP3; None if these bytes are none."""
    at = _past_id3(data)
    first = _find_frame(data, at, None)
    if first is None:
        return None
    header, vbri, stated, stated_bytes = _counts(data, first)
    frames, at, cut = 0, first.at, False
    while True:
        frame = mp3_frame(data, at)
        if frame is None or frame.rate_hz != first.rate_hz:
            found = _find_frame(data, at, first)
            if found is None:
                break
            frame = found
        if frame.at + frame.size > len(data):
            cut = _tail(data, frame.at) == 0
            at = frame.at
            break
        frames += 1
        at = frame.at + frame.size
    if header or vbri:
        frames -= 1
    return Mp3(frames, cut, first, header, vbri, stated, stated_bytes, at)


def _past_id3(data: bytes) -> int:
    """Where the tags at the start end."""
    at = 0
    while data[at : at + 3] == b"ID3" and at + 10 <= len(data):
        size = sum((data[at + 6 + i] & 0x7F) << (21 - 7 * i) for i in range(4))
        at += 10 + size + (10 if data[at + 5] & 0x10 else 0)
    return at


def _tail(data: bytes, at: int) -> int:
    """Bytes that may stand behind the last frame: tags."""
    return len(data) - at if data[at : at + 3] in (b"TAG", b"APE", b"LYR", b"ID3") else 0


def _find_frame(data: bytes, at: int, like: Mp3Frame | None) -> Mp3Frame | None:
    """The next frame that another follows, or that ends with the file."""
    stop = min(len(data), at + _MOST_JUNK)
    while True:
        at = data.find(b"\xff", at, stop)
        if at < 0:
            return None
        frame = mp3_frame(data, at)
        if frame is not None and (like is None or frame.rate_hz == like.rate_hz):
            after = at + frame.size
            if after == len(data) or mp3_frame(data, after) is not None or _tail(data, after):
                return frame
        at += 1


def _counts(data: bytes, first: Mp3Frame) -> tuple[int, int, int, int]:
    """Where a Xing or VBRI header stands, and the frames and bytes it states."""
    at = first.at + first.side
    if data[at : at + 4] in (b"Xing", b"Info") and at + 16 <= len(data):
        flags = int.from_bytes(data[at + 4 : at + 8], "big")
        stated = int.from_bytes(data[at + 8 : at + 12], "big") if flags & 1 else -1
        place = at + 8 + (4 if flags & 1 else 0)
        return at, 0, stated, int.from_bytes(data[place : place + 4], "big") if flags & 2 else -1
    at = first.at + 36
    if data[at : at + 4] == b"VBRI" and at + 18 <= len(data):
        return 0, at, *reversed(struct.unpack(">II", data[at + 10 : at + 18]))
    return 0, 0, -1, -1


def xing_frame(data: bytes, first: Mp3Frame, frames: int, size: int) -> bytes:
    """A silent frame that states how many follow it, like the first of `data` in all else."""
    head = bytearray(data[first.at : first.at + 4])
    head[1] |= 1  # no checksum
    head[2] = head[2] & 0x0D | 0xA0  # bits enough, no padding byte
    body = bytearray(mp3_frame(bytes(head), 0).size)  # type: ignore[union-attr]
    body[:4] = head
    body[first.side : first.side + 16] = b"Xing" + struct.pack(">III", 3, frames, size + len(body))
    return bytes(body)


def ogg_is_whole(handle: BinaryIO, length: int) -> bool:
    """Whether the last page of an Ogg file is all there and says that it is the last."""
    handle.seek(max(0, length - (1 << 17)))  # a page has at most 65,307 bytes
    tail = handle.read()
    at = tail.rfind(b"OggS")
    while at >= 0:
        if at + 27 <= len(tail) and tail[at + 4] == 0:
            table = tail[at + 27 : at + 27 + tail[at + 26]]
            if len(table) == tail[at + 26]:
                return bool(tail[at + 5] & 4) and at + 27 + len(table) + sum(table) <= len(tail)
        elif at + 27 > len(tail):
            return False
        at = tail.rfind(b"OggS", 0, at)
    return False


def _table(polynomial: int, bits: int) -> tuple[int, ...]:
    top, mask = 1 << (bits - 1), (1 << bits) - 1
    out = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & mask
        out.append(value)
    return tuple(out)


_CRC8, _CRC16 = _table(0x07, 8), _table(0x8005, 16)


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value = _CRC8[value ^ byte]
    return value


def _crc16(data: bytes) -> int:
    value = 0
    for byte in data:
        value = (value << 8 & 0xFF00) ^ _CRC16[value >> 8 ^ byte]
    return value


def count_flac(data: bytes, block: int) -> int:
    """Samples of a FLAC stream whose header states none, from its last frame; -1 if that is not whole.

    Args:
        data: the whole file.
        block: samples of a block of fixed size, from the header.
    """
    at = len(data)
    while (at := data.rfind(b"\xff", 0, at)) >= 0:
        if data[at + 1 : at + 2] not in (b"\xf8", b"\xf9"):
            continue
        found = _flac_header(data, at, block)
        if found is not None:
            return found if _crc16(data[at:-2]) == int.from_bytes(data[-2:], "big") else -1
    return -1


def _flac_header(data: bytes, at: int, block: int) -> int | None:
    """Samples up to the end of the frame whose header stands here; None if none does."""
    head = data[at : at + 16]
    if len(head) < 7:
        return None
    code, rate = head[2] >> 4, head[2] & 15
    lead = head[4]
    extra = 0 if lead < 0x80 else next((n for n in range(1, 7) if not lead >> (6 - n) & 1), 7)
    if lead & 0xC0 == 0x80 or extra > 6 or code == 0 or rate == 15:
        return None
    number = lead if lead < 0x80 else lead & (0x3F >> extra)
    for byte in head[5 : 5 + extra]:
        number = number << 6 | byte & 0x3F
    place = 5 + extra
    sizes = {1: 192, **{n: 576 << (n - 2) for n in range(2, 6)}, **{n: 256 << (n - 8) for n in range(8, 16)}}
    if code in (6, 7):
        size = int.from_bytes(head[place : place + code - 5], "big") + 1
        place += code - 5
    else:
        size = sizes[code]
    place += {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if place >= len(head) or _crc8(head[:place]) != head[place]:
        return None
    return number + size if head[1] & 1 else number * block + size
