"""One file in, bars out: what a worker process does. Failures are reasons, not exceptions."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from loopwright.audio import level
from loopwright.audio.io import read_audio
from loopwright.audio.mel import LogMel
from loopwright.audio.resample import resample_circle
from loopwright.config import BAR_SECONDS, MelConfig
from loopwright.data.facts import Facts
from loopwright.data.scan import FoundFile
from loopwright.data.settings import PrepareSettings
from loopwright.errors import LoopwrightError

Float32 = npt.NDArray[np.float32]


@dataclass
class Outcome:
    """What became of one file: rows to write, or the reason why there are none."""

    name: str
    reason: str = ""  # empty: kept
    notes: list[str] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    log_mels: npt.NDArray[np.float16] | None = None  # (n, M, T)
    audio: Float32 | None = None  # (n, N)


@functools.lru_cache(maxsize=4)
def _log_mel(mel: MelConfig) -> LogMel:
    torch.set_num_threads(1)  # one process per core
    return LogMel(mel)


def process_file(found: FoundFile, facts: Facts, settings: PrepareSettings) -> Outcome:
    """Read one file and make its bars. Never raises for what is wrong with the file."""
    try:
        return _process(found, facts, settings)
    except LoopwrightError as error:
        return Outcome(found.name, reason=str(error).replace(str(found.path), found.name))
    except MemoryError:
        return Outcome(found.name, reason="too long for the memory of this machine")


def _process(found: FoundFile, facts: Facts, settings: PrepareSettings) -> Outcome:
    mel = settings.mel
    audio = read_audio(found.path, max_seconds=settings.max_seconds)
    mono = audio.samples.mean(axis=1)
    n_bar = audio.rate_hz * BAR_SECONDS
    bars = round(len(mono) / n_bar)
    if abs(len(mono) - bars * n_bar) > 1 or bars == 0:
        return Outcome(found.name, reason="not whole bars of 2 s")
    peak = level.peak(mono)
    if level.to_db(peak) < settings.silence_db:
        return Outcome(found.name, reason="silent")
    gain_db = min(settings.level_db - level.to_db(level.rms(mono)), settings.peak_db - level.to_db(peak))
    mono = mono * np.float32(level.from_db(gain_db))
    loops = np.stack(np.split(mono[: int(bars * n_bar)], bars))
    rows = resample_circle(loops, settings.row_samples)
    if not mel.circular:  # the published analysis normalises each bar's peak
        rows = rows / np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-5)
    with torch.inference_mode():
        log_mels = _log_mel(mel)(torch.from_numpy(rows)).numpy().astype(np.float16)
    base = {
        "file": found.name,
        "bpm": facts.bpm or 120.0,
        "split": facts.split,
        "source": facts.source or found.name,
        "licence": facts.licence,
        "attribution": facts.attribution,
        "style": facts.style,
        "kind": facts.kind,
        "kit": facts.kit,
        "key": facts.key,
        "gain_db": round(gain_db, 2),
        "confidence": 1.0,
    }
    return Outcome(found.name, records=[{**base, "bar": i} for i in range(bars)], log_mels=log_mels, audio=rows)
