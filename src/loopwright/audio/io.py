"""Read and write audio files through libsndfile. Files appear whole or not at all."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from loopwright.arrays import Float32
from loopwright.audio.chunks import open_regular
from loopwright.audio.lengths import Counted, Mended, count
from loopwright.errors import InputError
from loopwright.files import atomic_path

AUDIO_SUFFIXES = frozenset(
    (
        ".wav",
        ".wave",
        ".bwf",
        ".rf64",
        ".flac",
        ".aif",
        ".aiff",
        ".aifc",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".caf",
        ".w64",
        ".au",
    )
)
FORMATS = "WAV, FLAC, AIFF, OGG, Opus, MP3, CAF, W64 or AU"
_BLOCK = 1 << 18  # frames read at once where the decoder does not know how many there are


@dataclass(frozen=True)
class Audio:
    """Samples (N, C) float32, nominally in [-1, 1], and their rate."""

    samples: Float32
    rate_hz: int

    @property
    def length_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz


def read_audio(path: Path, *, max_seconds: float | None = None) -> Audio:
    """Read a WAV, FLAC, AIFF, OGG, Opus, MP3, CAF, W64 or AU file as float32 (N, C).

    Lengths are counted, see `lengths`: of a header that was never finished, or lies, nothing is believed.

    Raises InputError if it is unreadable (whatever the decoder raises), no regular file, cut short, empty, longer than
    `max_seconds`, or holds NaN or infinity.
    """
    path = Path(path)
    try:
        counted = count(path)
        with _opened(path, counted) as handle:
            samples, expected = _read(path, handle, counted, max_seconds)
            rate_hz = int(handle.samplerate)
            kind = str(handle.format)
    except InputError:
        raise
    except Exception as error:  # whatever a decoder raises costs this file, not the run
        reason = str(error).removeprefix("Error opening ")
        for name in (f"{str(path)!r}: ", f"{os.fsencode(path)!r}: "):
            reason = reason.removeprefix(name)
        reason = reason.removeprefix("Error : ").strip(" .") or type(error).__name__
        raise InputError(f"cannot read {path} as audio ({reason}). It may be damaged or not audio.") from error
    if len(samples) == 0:
        raise InputError(f"{path} holds no samples.")
    if kind not in ("MP3", "MPEG") and len(samples) < expected:
        raise InputError(f"{path} is cut short: {len(samples)} of {expected} samples. Get the file again.")
    if not np.isfinite(samples).all():
        raise InputError(f"{path} holds NaN or infinite samples. Export it again.")
    return Audio(samples, rate_hz)


def _name(path: Path) -> str | bytes:
    """A path as libsndfile takes it: as bytes where it is not UTF-8."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(path)
    return str(path)


@contextmanager
def _opened(path: Path, counted: Counted) -> Iterator[Any]:
    """The file, open in libsndfile: as it lies, or as it should have been written."""
    if counted.plain:
        with soundfile.SoundFile(_name(path)) as handle:
            yield handle
        return
    with open_regular(path) as (raw, length), soundfile.SoundFile(Mended(raw, length, counted)) as handle:
        yield handle


def _read(path: Path, handle: Any, counted: Counted, max_seconds: float | None) -> tuple[Float32, int]:
    """All samples, and how many there should be."""
    expected, rate_hz = int(handle.frames), int(handle.samplerate)
    most = expected if max_seconds is None else int(max_seconds * rate_hz)
    if expected > most:
        raise InputError(f"{path} is {expected / rate_hz:.0f} s long, the limit is {max_seconds:.0f} s. Cut it first.")
    if handle.seekable() and expected <= _BLOCK * 64:
        samples: Float32 = handle.read(dtype="float32", always_2d=True)
    else:  # some codecs only go forwards
        parts = []
        left = expected
        while left > 0:
            parts.append(handle.read(min(_BLOCK, left), dtype="float32", always_2d=True))
            left -= len(parts[-1])
            if not len(parts[-1]):
                break
        samples = np.concatenate(parts) if parts else np.zeros((0, 1), np.float32)
    if 0 < counted.samples < len(samples) <= counted.samples + counted.spare:
        samples = samples[: counted.samples]
        expected = counted.samples
    return samples, expected


def write_wav(path: Path, samples: npt.ArrayLike, rate_hz: int, *, subtype: str = "PCM_24", chunks: bytes = b"") -> None:
    """Write a WAV file atomically.

    Args:
        path: where; the folder is made if missing.
        samples: (N,) or (N, C) in [-1, 1]; what lies outside is clipped by libsndfile.
        rate_hz: sample rate.
        subtype: libsndfile's name of the sample format: PCM_16, PCM_24, FLOAT.
        chunks: whole RIFF chunks (even length) to append, see `wavmeta`.
    """
    data = np.asarray(samples, dtype=np.float32)
    if not np.isfinite(data).all():
        raise InputError(f"refusing to write {path}: the audio holds NaN or infinity.")
    with atomic_path(Path(path)) as temporary:
        try:
            soundfile.write(_name(temporary), data, rate_hz, subtype=subtype, format="WAV")
        except (soundfile.SoundFileError, RuntimeError) as error:  # a full disk surfaces here
            raise InputError(f"cannot write {path} ({error}). Free some space or choose another folder.") from error
        if chunks:
            assert len(chunks) % 2 == 0, "RIFF chunks are padded to even length"
            with temporary.open("r+b") as handle:
                size = handle.seek(0, 2)
                if size % 2:  # a RIFF chunk starts on an even byte
                    handle.write(b"\0")
                handle.write(chunks)
                total = handle.tell()
                handle.seek(4)
                handle.write(struct.pack("<I", total - 8))
