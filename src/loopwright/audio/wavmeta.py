"""What a DAW reads from a loop's WAV file: tempo and beats (`acid`), the loop points (`smpl`), text (`LIST/INFO`).

Layouts: `smpl` and `LIST/INFO` are from Microsoft's RIFF specification (1991, 1994); `acid` is Sonic Foundry's, as libsndfile
documents and reads it. All numbers are little-endian and every chunk is padded to an even length. Read are also the chunks of
Apple Loops (`basc`, `trns`, `cate` in AIFF, one of CAF), which no specification describes: they are as found in files.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopwright.audio.chunks import open_regular, read_container
from loopwright.errors import InputError

ACID_ONE_SHOT = 0x01
ACID_ROOT_SET = 0x02
ACID_STRETCH = 0x04
MIDDLE_C = 60
_MAX_CHUNK = 1 << 20  # metadata chunks are small; a larger one is damage
_APPLE_LOOP = bytes.fromhex("29819273b5bf4aefb78d62d1ef90bb2c")  # names that chunk in CAF files
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
    """Metadata found in a file of chunks. What is missing is None or empty."""

    rate_hz: int | None = None
    n_samples: int | None = None
    bpm: float | None = None
    beats: int | None = None
    beats_per_bar: int | None = None
    one_shot: bool = False
    root_note: int | None = None  # MIDI, 60 = middle C
    loops: tuple[tuple[int, int], ...] = ()  # first and last sample of each loop, both inclusive
    info: Mapping[str, str] = field(default_factory=dict)  # four-letter INFO identifier -> text
    scale: str = ""  # "major" or "minor", where the file says it
    apple_loop: bool = False  # has the chunks of an Apple Loop: beats without a tempo, which the length gives
    categories: tuple[str, ...] = ()  # an Apple Loop's words for what it is: "Drums", "Bass"

    @property
    def comment(self) -> dict[str, Any]:
        """The fields our own files carry as JSON in the comment; {} where the comment is something else."""
        try:
            value = json.loads(self.info.get("ICMT", ""))
        except (ValueError, RecursionError):
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


def _text(body: bytes) -> str:
    raw = body.split(b"\0", 1)[0]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _info(body: bytes, order: str) -> dict[str, str]:
    out: dict[str, str] = {}
    at = 4
    while at + 8 <= len(body):
        size = struct.unpack_from(order + "I", body, at + 4)[0]
        out.setdefault(body[at : at + 4].decode("latin-1"), _text(body[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return out


def _positive(value: float) -> float | None:
    return value if math.isfinite(value) and value > 0 else None


def read_chunks(path: Path) -> WavMeta:
    """Metadata of a WAV (RIFF, RIFX, RF64, BW64), AIFF or CAF file. Other and damaged files give what could be read: at worst
    nothing.

    Raises InputError if the file cannot be opened.
    """
    with open_regular(Path(path)) as (handle, length):
        container = read_container(handle, length)
        if container is None:
            return WavMeta()
        found: dict[str, Any] = {"info": {}}
        for part in container.chunks:
            reader = _READERS.get(part.name)
            if reader is not None and 0 <= part.size <= _MAX_CHUNK:
                handle.seek(part.at)
                body = handle.read(part.size)
                if len(body) == part.size:
                    reader(body, container.order, found)
            elif part.name == b"data" and found.get("_align"):
                found["n_samples"] = part.size // found["_align"]
    found.pop("_align", None)
    return WavMeta(**found)


def _fmt(body: bytes, order: str, found: dict[str, Any]) -> None:
    if len(body) >= 16 and "rate_hz" not in found:
        found["rate_hz"], _, found["_align"] = struct.unpack_from(order + "IIH", body, 4)


def _acid(body: bytes, order: str, found: dict[str, Any]) -> None:
    if len(body) < 24:
        return
    flags, root, _, _, beats, _, numerator, tempo = struct.unpack_from(order + "IHHfIHHf", body)
    found["one_shot"] = bool(flags & ACID_ONE_SHOT)
    found["root_note"] = root if flags & ACID_ROOT_SET and root < 128 else None
    found["beats"] = beats or None
    found["beats_per_bar"] = numerator or None
    found["bpm"] = _positive(tempo)


def _smpl(body: bytes, order: str, found: dict[str, Any]) -> None:
    if len(body) < 36:
        return
    n_loops = min(struct.unpack_from(order + "I", body, 28)[0], (len(body) - 36) // 24)
    at = range(36, 36 + 24 * n_loops, 24)
    found["loops"] = tuple(struct.unpack_from(order + "2I", body, offset + 8) for offset in at)


def _list(body: bytes, order: str, found: dict[str, Any]) -> None:
    if body[:4] == b"INFO":
        found["info"] = {**_info(body, order), **found["info"]}


def _comm(body: bytes, _order: str, found: dict[str, Any]) -> None:
    """AIFF's format: the rate is a float of 80 bits."""
    if len(body) < 18:
        return
    _, found["n_samples"], _, exponent, mantissa = struct.unpack_from(">hIhHQ", body)
    rate = math.ldexp(float(mantissa), min((exponent & 0x7FFF) - 16446, 64))
    found["rate_hz"] = round(rate) if rate < 1e7 else None


def _basc(body: bytes, _order: str, found: dict[str, Any]) -> None:
    """An Apple Loop's beats, key (48 is C), scale (1 minor, 2 major), meter and whether it loops (2: a one-shot)."""
    if len(body) < 18:
        return
    _, beats, note, scale, numerator, _, loops = struct.unpack_from(">IIHHHHH", body)
    found["beats"] = beats or None
    found["beats_per_bar"] = numerator if 0 < numerator < 64 else None
    found["one_shot"] = loops == 2
    if 0 < note < 128:
        found["root_note"] = note
        found["scale"] = {1: "minor", 2: "major"}.get(scale, "")
    found["apple_loop"] = True


def _cate(body: bytes, _order: str, found: dict[str, Any]) -> None:
    """An Apple Loop's categories: words in fields that zeros end."""
    words = [re.sub(rb"[^ -~]", b"", part).decode().strip() for part in body.split(b"\0")]
    found["categories"] = tuple(word for word in words if len(word) > 2)[:16]


def _trns(_body: bytes, _order: str, found: dict[str, Any]) -> None:
    """Places of attacks: only Apple Loops have them."""
    found["apple_loop"] = True


def _uuid(body: bytes, _order: str, found: dict[str, Any]) -> None:
    """An Apple Loop in a CAF file: pairs of words, among them "beat count", "time signature", "key signature", "category"."""
    if body[:16] != _APPLE_LOOP:
        return
    words = [part.decode("utf-8", "replace") for part in body[20:].split(b"\0")]
    said = dict(zip(words[0::2], words[1::2], strict=False))
    found["apple_loop"] = True
    if said.get("beat count", "").isdecimal() and 0 < int(said["beat count"][:9]) < 10_000:
        found["beats"] = int(said["beat count"][:9])
    meter = said.get("time signature", "").split("/")[0]
    if meter.isdecimal() and 0 < int(meter[:9]) < 64:
        found["beats_per_bar"] = int(meter[:9])
    note = re.fullmatch(r"([A-G])([#b]?)", said.get("key signature", ""))
    if note:
        place = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[note[1]]
        found["root_note"] = 48 + (place + {"#": 1, "b": -1, "": 0}[note[2]]) % 12
        found["scale"] = said.get("key type", "") if said.get("key type") in ("major", "minor") else ""
    found["categories"] = tuple(said[word] for word in ("category", "subcategory") if said.get(word))


_Reader = Callable[[bytes, str, dict[str, Any]], None]
_READERS: Mapping[bytes, _Reader] = {
    b"fmt ": _fmt,
    b"acid": _acid,
    b"smpl": _smpl,
    b"LIST": _list,
    b"COMM": _comm,
    b"basc": _basc,
    b"cate": _cate,
    b"trns": _trns,
    b"uuid": _uuid,
}
