"""Made-up files over all containers and faults: what is wrong with each, and the tempo that is stated for it, are known.

    make(folder, 2000, seed=0) -> one `Odd` a file

A file's tempo is stated by its name, an `acid` or `basc` chunk, a table or JSON, or not at all; the loop in it is that long to
the sample, and often has silence round it, as an MP3's padding or an export's tail would leave.
"""

from __future__ import annotations

import csv
import io
import json
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from sounds import drum_loop

from loopwright.arrays import Float32

RATE = 16_000
WHOLE, PART, NONE = "whole", "part", "none"  # the loop is all there; some of it; nothing that could be read


@dataclass(frozen=True)
class Odd:
    """One made-up file: its name as the report has it, what was done to it, what is left, and the tempo stated for it."""

    name: str
    what: str
    left: str
    bpm: float | None
    beats: int
    read: bool = True  # it is to be a line of the report; others are to be counted as passed over


def _encode(x: Float32, form: str, subtype: str | None = None, **more: object) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, x, RATE, format=form, subtype=subtype, **more)
    return out.getvalue()


def _wav(x: Float32, form: bytes = b"RIFF", bits: int = 16, chunks: bytes = b"", pad: bool = True) -> bytes:
    """A WAV of any of the RIFF family, written by hand."""
    order = ">" if form == b"RIFX" else "<"
    if bits == 24:
        data = (np.clip(x, -1, 1) * 8388607).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    else:
        data = (np.clip(x, -1, 1) * 32767).astype(order + "i2").tobytes()
    width = bits // 8
    fmt = struct.pack(order + "4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * width, width, bits)
    wide = form in (b"RF64", b"BW64")
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, 0, len(data), len(x), 0) if wide else b""
    size = 0xFFFF_FFFF if wide else len(data)
    body = b"WAVE" + ds64 + fmt + struct.pack(order + "4sI", b"data", size) + data
    body += (b"\0" if len(data) % 2 and pad else b"") + chunks
    return form + struct.pack(order + "I", 0xFFFF_FFFF if wide else len(body)) + body


def _aiff(x: Float32, chunks: bytes = b"") -> bytes:
    data = (np.clip(x, -1, 1) * 32767).astype(">i2").tobytes()
    comm = struct.pack(">4sIhIh", b"COMM", 18, 1, len(x), 16) + bytes.fromhex("400cfa00000000000000")
    body = b"AIFF" + comm + struct.pack(">4sIII", b"SSND", len(data) + 8, 0, 0) + data + chunks
    return b"FORM" + struct.pack(">I", len(body)) + body


def _acid(bpm: float, beats: int, order: str = "<") -> bytes:
    return b"acid" + struct.pack(order + "IIHHfIHHf", 24, 4, 60, 0x8000, 0.0, beats, 4, 4, bpm)


def _basc(beats: int) -> bytes:
    return b"basc" + struct.pack(">IIIHHHHH", 84, 1, beats, 57, 1, 4, 4, 1) + bytes(66)


# Containers that hold every sample: suffix and how they are written, with chunks of their own kind
EXACT: dict[str, tuple[str, Callable[[Float32, bytes], bytes]]] = {
    "wav": (".wav", lambda x, c: _wav(x, chunks=c)),
    "wav24": (".WAV", lambda x, c: _wav(x, bits=24, chunks=c)),
    "wav24 without a pad byte": (".wav", lambda x, c: _wav(x, bits=24, chunks=c, pad=False)),
    "rf64": (".wav", lambda x, c: _wav(x, b"RF64", chunks=c)),
    "bw64": (".bwf", lambda x, c: _wav(x, b"BW64", chunks=c)),
    "rifx": (".wav", lambda x, c: _wav(x, b"RIFX", chunks=c)),
    "aiff": (".aif", _aiff),
    "no suffix": ("", lambda x, c: _wav(x, chunks=c)),
    "float": (".wav", lambda x, c: _encode(x, "WAV", "FLOAT")),
    "ulaw": (".wav", lambda x, c: _encode(x, "WAV", "ULAW")),
    "ms adpcm": (".wav", lambda x, c: _encode(x, "WAV", "MS_ADPCM")),
    "gsm": (".wav", lambda x, c: _encode(x, "WAV", "GSM610")),
    "g721": (".wav", lambda x, c: _encode(x, "WAV", "G721_32")),
    "w64": (".w64", lambda x, c: _encode(x, "W64", "PCM_16")),
    "caf": (".caf", lambda x, c: _encode(x, "CAF", "PCM_24")),
    "au": (".au", lambda x, c: _encode(x, "AU", "PCM_16")),
    "aifc": (".aifc", lambda x, c: _encode(x, "AIFF", "FLOAT")),
    "flac": (".flac", lambda x, c: _encode(x, "FLAC", "PCM_16")),
    "vorbis": (".ogg", lambda x, c: _encode(x, "OGG", "VORBIS")),
    "vorbis as oga": (".oga", lambda x, c: _encode(x, "OGG", "VORBIS")),
    "opus": (".opus", lambda x, c: _encode(x, "OGG", "OPUS")),
    "mp3": (".mp3", lambda x, c: _encode(x, "MP3")),
    "vbr mp3": (".mp3", lambda x, c: _encode(x, "MP3", bitrate_mode="VARIABLE")),
}
CHUNKED = ("wav", "wav24", "wav24 without a pad byte", "rf64", "bw64", "rifx", "no suffix")


def _at(data: bytes, name: bytes, ahead: int, new: bytes) -> bytes:
    at = data.index(name) + ahead
    return data[:at] + new + data[at + len(new) :]


def _xing(data: bytes) -> int:
    return max(data.find(b"Xing"), data.find(b"Info"))


# Headers that lie, by the container they are of: nothing is lost, if lengths are counted
LIES: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "data of size 0": ("wav", lambda d: _at(d, b"data", 4, bytes(4))),
    "data of all ones": ("wav", lambda d: _at(d, b"data", 4, b"\xff" * 4)),
    "riff of size 0": ("wav", lambda d: _at(d, b"RIFF", 4, bytes(4))),
    "ds64 of size 0": ("rf64", lambda d: _at(d, b"ds64", 16, bytes(8))),
    "flac of no length": ("flac", lambda d: d[:21] + bytes([d[21] & 0xF0]) + bytes(4) + d[26:]),
    "caf of size -1": ("caf", lambda d: _at(d, b"data", 4, b"\xff" * 8)),
    "aiff of size 0": ("aiff", lambda d: _at(d, b"SSND", 4, bytes(4))),
    "xing says 0": ("mp3", lambda d: _at(d, d[_xing(d) : _xing(d) + 4], 8, bytes(4))),
    "xing says half": ("vbr mp3", lambda d: _at(d, d[_xing(d) : _xing(d) + 4], 8, b"\0\0\0\x14")),
    "xing says more": ("vbr mp3", lambda d: _at(d, d[_xing(d) : _xing(d) + 4], 8, b"\0\0\x03\x14")),
}


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    for at in rng.integers(0, min(len(out), 600), 8):
        out[at] ^= int(rng.integers(1, 256))
    return bytes(out)


DAMAGE: dict[str, tuple[str, Callable[[bytes, np.random.Generator], bytes]]] = {
    "half of it": (PART, lambda d, rng: d[: len(d) // 2 - 13]),
    "its first bytes": (NONE, lambda d, rng: d[: int(rng.integers(0, 40))]),
    "bytes turned in the header": (PART, _flip),
    "text": (NONE, lambda d, rng: b"this is not audio. " * 20),
    "noise": (NONE, lambda d, rng: rng.bytes(5000)),
    "zeros": (NONE, lambda d, rng: bytes(20_000)),
    "another's suffix": (PART, lambda d, rng: _encode(drum_loop(120, 1, RATE), "FLAC")),
}
SIDECARS: tuple[str | bytes, ...] = (
    '{"license": 4}',
    '{"discard": "no", "tags": [1, [2]]}',
    '{"bpm": null, "bars": "\\ud800"}',
    "[" * 90_000,
    b"\xff\xfe{\0",
    b"\0" * 300,
    '{"key": {"a": 1}, "bpm": [120]}',
    "[]",
    "",
)
NAMES = (
    "beat",
    "Juno 60",
    "MPC-60",
    "SID 64",
    "CR-78",
    "take 77",
    "Größe",
    "loop'\"",
    "a;b",
    "日本",
    "x" * 80,
    "100% %s {}",
    "take",
)
OTHERS = (".m4a", ".rx2", ".wma", ".mid", ".zip", ".aac")


def make(folder: Path, count: int, *, seed: int = 0) -> list[Odd]:
    """Write `count` made-up files, with tables and sidecars, below `folder`."""
    rng = np.random.default_rng(seed)
    loops = [drum_loop(float(bpm), 1, RATE, seed=i, step=1) for i, bpm in enumerate((93, 120))]
    assert len(loops) == 2
    out: list[Odd] = []
    tables: dict[Path, list[tuple[str, float, int]]] = {}
    for i in range(count):
        top = folder / f"pack {i // 50:02d}"
        top.mkdir(parents=True, exist_ok=True)
        out.append(_one(top, f"pack {i // 50:02d}/", i, rng, tables.setdefault(top, [])))
    for number, (top, rows) in enumerate(tables.items()):
        _table(top, rows, number)
    return out


def _one(top: Path, prefix: str, i: int, rng: np.random.Generator, rows: list[tuple[str, float, int]]) -> Odd:
    draw = rng.random()
    stem = f"{NAMES[int(rng.integers(len(NAMES)))]} {chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676 % 26)}"
    if draw < 0.03:
        name = stem + OTHERS[int(rng.integers(len(OTHERS)))]
        (top / name).write_bytes(rng.bytes(100))
        return Odd(prefix + name, "another format", NONE, None, 0, read=False)
    if draw < 0.06 and hasattr(os, "mkfifo"):
        name = stem + ".wav"
        if draw < 0.04:
            os.mkfifo(top / name)
        else:
            (top / name).symlink_to("/dev/zero" if draw < 0.05 else "nothing")
        return Odd(prefix + name, "no file", NONE, None, 0, read=False)
    bpm = float(rng.choice([85, 93, 101.5, 120, 128, 133.33, 140, 171]))
    bars = int(rng.choice([1, 2, 4], p=[0.4, 0.4, 0.2]))
    x = drum_loop(bpm, bars, RATE, seed=int(rng.integers(1, 1000)), step=1)
    what, left = [], WHOLE
    lie = str(rng.choice(list(LIES))) if draw > 0.75 else ""
    kind = LIES[lie][0] if lie else str(rng.choice(list(EXACT)))
    if rng.random() < 0.5:
        head = int(rng.choice([0, 0, 400, 820]))
        tail = int(rng.choice([0, 330, 1600, RATE])) or (0 if head else 330)
        x = np.concatenate([np.zeros(head), x, np.zeros(tail)]).astype(np.float32)
        what.append(f"{head} + {tail} samples of silence")
    ways = ["name", "table", "json", "nothing"] + (["acid"] if kind in CHUNKED else []) + (["basc"] if kind == "aiff" else [])
    way = str(rng.choice(ways))
    if way == "basc" and what:
        way = "name"  # its length is its tempo
    order = ">" if kind == "rifx" else "<"
    chunks = {"acid": _acid(bpm, 4 * bars, order), "basc": _basc(4 * bars)}.get(way, b"")
    suffix, write = EXACT[kind]
    data = write(x, chunks)
    if lie:
        what.append(lie)
        data = LIES[lie][1](data)
    elif draw < 0.25:
        damage = str(rng.choice(list(DAMAGE)))
        left, spoil = DAMAGE[damage]
        data = spoil(data, rng)
        what.append(damage)
        if not suffix:
            suffix = ".wav"
    name = (f"{stem} {bpm:g}bpm" if way == "name" else stem) + suffix
    if way == "table":
        rows.append((name, bpm, bars))
    if way == "json":
        (top / f"{name}.json").write_text(json.dumps({"bpm": bpm, "bars": bars}))
    elif rng.random() < 0.1:
        sidecar = SIDECARS[int(rng.integers(len(SIDECARS)))]
        (top / f"{name}.json").write_bytes(sidecar if isinstance(sidecar, bytes) else sidecar.encode())
        what.append("an odd sidecar")
    shown = name
    if sys.platform == "linux" and way == "name" and rng.random() < 0.05:  # a name in Latin-1
        raw = os.fsencode(top) + b"/\xe9" + name.encode()
        Path(os.fsdecode(raw)).write_bytes(data)
        shown = "\\xe9" + name
    else:
        (top / name).write_bytes(data)
    stated = None if way == "nothing" else bpm
    return Odd(prefix + shown, ", ".join([kind, f"stated by {way}", *what]), left, stated, 4 * bars)


def _table(top: Path, rows: list[tuple[str, float, int]], number: int) -> None:
    """A table as one of seven programs would write it."""
    separator, encoding, comma = [
        (",", "utf-8", False),
        (";", "utf-8-sig", True),
        ("\t", "utf-16", False),
        (",", "utf-8", True),
        (";", "utf-16-le", True),
        ("|", "utf-8", False),
        ("\t", "utf-8", True),
    ][number % 7]
    out = io.StringIO()
    if number % 2:
        out.write(f"sep={separator}\n")
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n" if number % 3 else "\n")
    writer.writerow(["Bars", "BPM", "File"])
    for name, bpm, bars in rows:
        writer.writerow(
            [bars, f"{bpm:g}".replace(".", ",") if comma else f"{bpm:g}", name.upper() if number % 5 == 4 else name]
        )
    (top / ("loops.tsv" if number % 4 == 3 else "loops.csv")).write_bytes(out.getvalue().encode(encoding))


def faults_of(made: list[Odd], lines: list[dict[str, object]], said: list[str]) -> list[str]:
    """What is not as it must be, a line each: files passed over unsaid, stated tempi not obeyed, whole loops not used."""
    out: list[str] = []
    by_name = {str(line["file"]): line for line in lines}
    for odd in made:
        line = by_name.get(odd.name)
        if not odd.read:
            if line is not None:
                out.append(f"{odd.name} ({odd.what}) was read")
            continue
        if line is None:
            out.append(f"{odd.name} ({odd.what}) is passed over unsaid")
        elif line["reason"]:
            if odd.left == WHOLE and odd.bpm:
                out.append(f"{odd.name} ({odd.what}) is not used: {line['reason']}")
        elif odd.left == NONE:
            out.append(f"{odd.name} ({odd.what}) is used")
        elif odd.left == WHOLE and odd.bpm and abs(float(str(line["bpm"])) / odd.bpm - 1) > 1e-4:
            out.append(f"{odd.name} ({odd.what}): {odd.bpm:g} BPM was stated, {line['bpm']} is read; {line['evidence']}")
    passed = sum(not odd.read for odd in made)
    told = sum(int(line.split(" ", 1)[0]) for line in said if "passed over" in line)
    if passed != told:
        out.append(f"{passed} files are not to be read, {told} are said to be passed over")
    return out
