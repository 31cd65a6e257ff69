"""Read and write audio files through libsndfile. Files appear whole or not at all."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from loopwright.errors import InputError
from loopwright.files import atomic_path

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".aif", ".aiff", ".ogg", ".mp3"})
Float32 = npt.NDArray[np.float32]
# libsndfile reads what is there of a WAV or AIFF file that was cut, and only its log tells: "data : 604800 (should be 302378)"
_CUT = re.compile(r"^\s*(?:data|SSND) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_SLACK_BYTES = 4096  # some programs count what follows the samples
_UNKNOWN_BYTES = 0x7FFF_0000  # programs that write into a pipe state at least this much


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
    """Read a WAV, FLAC, AIFF, OGG or MP3 file as float32 (N, C).

    Raises InputError if it is unreadable, cut short, empty, longer than `max_seconds`, or holds NaN or infinity.
    """
    try:
        with soundfile.SoundFile(path) as handle:
            if max_seconds is not None and handle.frames > max_seconds * handle.samplerate:
                length = handle.frames / handle.samplerate
                raise InputError(f"{path} is {length:.0f} s long, the limit is {max_seconds:.0f} s. Cut it first.")
            expected = handle.frames
            samples = handle.read(dtype="float32", always_2d=True)
            rate_hz = int(handle.samplerate)
            cut = _CUT.search(handle.extra_info)
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        if not path.exists():
            raise InputError(f"no file {path}.") from error
        reason = str(error).removeprefix("Error opening ").removeprefix(f"{str(path)!r}: ").removeprefix("Error : ").strip(" .")
        raise InputError(f"cannot read {path} as audio ({reason}). It may be damaged or not audio.") from error
    if len(samples) == 0:
        raise InputError(f"{path} holds no samples.")
    if path.suffix.lower() != ".mp3" and len(samples) < expected:
        raise InputError(f"{path} is cut short: {len(samples)} of {expected} samples. Get the file again.")
    if cut and int(cut[2]) + _SLACK_BYTES < int(cut[1]) < _UNKNOWN_BYTES:
        raise InputError(f"{path} is cut short: {cut[2]} of {cut[1]} bytes. Get the file again.")
    if not np.isfinite(samples).all():
        raise InputError(f"{path} holds NaN or infinite samples. Export it again.")
    return Audio(samples, rate_hz)


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
            soundfile.write(temporary, data, rate_hz, subtype=subtype, format="WAV")
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
