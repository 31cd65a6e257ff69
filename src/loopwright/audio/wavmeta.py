"""What a DAW reads from a loop's WAV file: tempo and beats (`acid`), the loop points (`smpl`), text (`LIST/INFO`).

Layouts: `smpl` and `LIST/INFO` are from Microsoft's RIFF specification (1991, 1994); `acid` is Sonic Foundry's, as libsndfile
documents and reads it. All numbers are little-endian and every chunk is padded to an even length.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from loopwright.errors import InputError

ACID_ONE_SHOT = 0x01
ACID_ROOT_SET = 0x02
ACID_STRETCH = 0x04
MIDDLE_C = 60
_MAX_CHUNK = 1 << 20  # metadata chunks are small; a larger one is damage
# INFO identifiers of our fields; what has none stays in the JSON comment
_INFO_IDS = {
    "title": b"INAM",
    "artist": b"IART",
    "licence": b"ICOP",
    "software": b"ISFT",
    "genre": b"IGNR",
    "date": b"ICRD",
}


@dataclass(frozen=True)
class WavMeta:
    """Metadata found in a RIFF/WAVE file. What is missing is None or empty."""

    rate_hz: int | None = None
    n_samples: int | None = None
    bpm: float | None = None
    beats: int | None = None
    beats_per_bar: int | None = None
    one_shot: bool = False
    root_note: int | None = None  # MIDI, 60 = middle C
    loops: tuple[tuple[int, int], ...] = ()  # first and last sample of each loop, both inclusive
    info: Mapping[str, str] = field(default_factory=dict)  # four-letter INFO identifier -> text

    @property
    def comment(self) -> dict[str, Any]:
        """The fields our own files carry as JSON in the comment; {} where the comment is something else."""
        try:
            value = json.loads(self.info.get("ICMT", ""))
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


def loop_length(bpm: float, beats: float, rate_hz: int) -> int:
    """Samples of a loop of `beats` beats, to the nearest sample: round(60*rate*beats/bpm)."""
    return round(60.0 * rate_hz * beats / bpm)


def exact_bpm(n_samples: int, beats: float, rate_hz: int) -> float:
    """The tempo that a loop of a whole number of samples really has."""
    return 60.0 * rate_hz * beats / n_samples


def chunk(name: bytes, body: bytes) -> bytes:
    """One RIFF chunk: name, length, body, padded to an even number of bytes."""
    assert len(name) == 4
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def acid_chunk(bpm: float, beats: int, *, beats_per_bar: int = 4, root_note: int | None = None) -> bytes:
    """The `acid` chunk of a loop that a DAW may stretch. The tempo is stored as a 32-bit float."""
    flags = ACID_STRETCH | (ACID_ROOT_SET if root_note is not None else 0)
    root = MIDDLE_C if root_note is None else root_note
    # flags, root, two unexplained fields (written as other programs do), beats, meter (denominator first), tempo
    return chunk(b"acid", struct.pack("<IHHfIHHf", flags, root, 0x8000, 0.0, beats, 4, beats_per_bar, bpm))


def smpl_chunk(n_samples: int, rate_hz: int, *, root_note: int | None = None) -> bytes:
    """The `smpl` chunk with one endless forward loop over the whole file: samples 0 to n_samples - 1."""
    root = MIDDLE_C if root_note is None else root_note
    header = struct.pack("<9I", 0, 0, round(1e9 / rate_hz), root, 0, 0, 0, 1, 0)
    return chunk(b"smpl", header + struct.pack("<6I", 0, 0, 0, n_samples - 1, 0, 0))


def info_chunk(info: Mapping[str, Any]) -> bytes:
    """The `LIST/INFO` chunk: all of `info` as JSON in the comment, and known fields also under their own identifiers.

    Known: title, artist, licence, software, genre, date. The JSON is ASCII, since INFO has no stated encoding.
    """
    fields = {ident: str(info[key]) for key, ident in _INFO_IDS.items() if info.get(key)}
    fields[b"ICMT"] = json.dumps(dict(info), ensure_ascii=True)
    body = b"".join(chunk(ident, text.encode("utf-8") + b"\0") for ident, text in fields.items())
    return chunk(b"LIST", b"INFO" + body)


def loop_chunks(
    n_samples: int,
    rate_hz: int,
    bpm: float,
    beats: int,
    info: Mapping[str, Any],
    *,
    beats_per_bar: int = 4,
    root_note: int | None = None,
) -> bytes:
    """All chunks of a seamless loop, for `io.write_wav(..., chunks=...)`.

    The tempo written is the exact one of `n_samples`, not the rounded wish. Raises InputError if `bpm` and the length
    disagree by more than rounding to whole samples explains.
    """
    if n_samples < 1 or beats < 1 or not math.isfinite(bpm) or bpm <= 0:
        raise InputError(f"a loop needs samples, beats and a tempo, got {n_samples} samples, {beats} beats, {bpm} BPM.")
    if abs(loop_length(bpm, beats, rate_hz) - n_samples) > 1:
        raise InputError(
            f"{n_samples} samples at {rate_hz} Hz are not {beats} beats at {bpm} BPM "
            f"(that would be {loop_length(bpm, beats, rate_hz)}). Give the length, beats and tempo of the same loop."
        )
    exact = exact_bpm(n_samples, beats, rate_hz)
    return (
        acid_chunk(exact, beats, beats_per_bar=beats_per_bar, root_note=root_note)
        + smpl_chunk(n_samples, rate_hz, root_note=root_note)
        + info_chunk(info)
    )


def _chunks(handle: BinaryIO, wanted: frozenset[bytes]) -> Iterator[tuple[bytes, bytes, int]]:
    """(name, body, stated size) of each chunk; bodies only of those wanted. Stops at damage instead of failing."""
    while len(head := handle.read(8)) == 8:
        name, size = head[:4], struct.unpack("<I", head[4:])[0]
        if name in wanted and size <= _MAX_CHUNK:
            body = handle.read(size)
            if len(body) < size:
                return
            handle.seek(size % 2, 1)
        else:
            body = b""
            handle.seek(size + size % 2, 1)
        yield name, body, size


def _text(body: bytes) -> str:
    raw = body.split(b"\0", 1)[0]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _info(body: bytes) -> dict[str, str]:
    out: dict[str, str] = {}
    at = 4
    while at + 8 <= len(body):
        size = struct.unpack_from("<I", body, at + 4)[0]
        out.setdefault(body[at : at + 4].decode("latin-1"), _text(body[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return out


def _positive(value: float) -> float | None:
    return value if math.isfinite(value) and value > 0 else None


def read_chunks(path: Path) -> WavMeta:
    """Metadata of a WAV file. A file that is not RIFF/WAVE, or is damaged, gives what could be read: at worst nothing.

    Raises InputError if the file cannot be opened.
    """
    found: dict[str, Any] = {"info": {}}
    try:
        with Path(path).open("rb") as handle:
            head = handle.read(12)
            if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
                return WavMeta()
            align = 0
            for name, body, size in _chunks(handle, frozenset({b"fmt ", b"acid", b"smpl", b"LIST"})):
                if name == b"fmt " and len(body) >= 16:
                    found["rate_hz"], _, align = struct.unpack_from("<IIH", body, 4)
                elif name == b"data" and align and size != 0xFFFFFFFF:
                    found["n_samples"] = size // align
                elif name == b"acid" and len(body) >= 24:
                    flags, root, _, _, beats, _, numerator, tempo = struct.unpack_from("<IHHfIHHf", body)
                    found["one_shot"] = bool(flags & ACID_ONE_SHOT)
                    found["root_note"] = root if flags & ACID_ROOT_SET and root < 128 else None
                    found["beats"] = beats or None
                    found["beats_per_bar"] = numerator or None
                    found["bpm"] = _positive(tempo)
                elif name == b"smpl" and len(body) >= 36:
                    n_loops = min(struct.unpack_from("<I", body, 28)[0], (len(body) - 36) // 24)
                    at = range(36, 36 + 24 * n_loops, 24)
                    found["loops"] = tuple(struct.unpack_from("<2I", body, offset + 8) for offset in at)
                elif name == b"LIST" and body[:4] == b"INFO":
                    found["info"] = {**_info(body), **found["info"]}
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.") from error
    return WavMeta(**found)
