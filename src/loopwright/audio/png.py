"""A PNG writer for gray pictures: no imaging library is needed for that."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from loopwright.arrays import Uint8


def gray_png(pixels: Uint8) -> bytes:
    """An 8-bit gray PNG of (rows, columns): signature, IHDR, one IDAT, IEND (RFC 2083)."""
    rows, columns = pixels.shape
    raw = np.concatenate([np.zeros((rows, 1), dtype=np.uint8), pixels], axis=1).tobytes()  # filter 0 before each row

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 6)) + chunk(b"IEND", b"")
