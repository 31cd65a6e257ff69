"""Make any recording a seamless loop of whole bars: find tempo and place, cut, close the circle, stretch, write."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from loopwright.arrays import Float32
from loopwright.audio import level
from loopwright.audio.hearing import Heard, listen
from loopwright.audio.io import read_audio, write_wav
from loopwright.audio.resample import resample_circle
from loopwright.audio.seam import click_ratio
from loopwright.audio.stretch import stretch_circle
from loopwright.audio.wavmeta import exact_bpm, loop_chunks, loop_length
from loopwright.data.clues import Clue, clues_from_name, key_from_name, restate_tempo
from loopwright.data.cut import cut_circle, cut_loop, join_ends
from loopwright.data.facts import read_json_sidecar
from loopwright.data.mixdown import mixdown
from loopwright.data.process import SURE_KEY
from loopwright.data.rhythm import FRAME_HZ, Tempogram, band_levels, rises
from loopwright.data.scan import printable
from loopwright.data.stated import Span, cut_to
from loopwright.data.tags import read_tags
from loopwright.data.tempo import Reading, read_tempo
from loopwright.errors import InputError

CONTEXT_S = 0.35  # of sound before and after a seam that is compared
_MOST_SECONDS = 1200.0


@dataclass(frozen=True)
class Loopified:
    """A loop that was written: where, what it is, and where in the recording it comes from."""

    path: Path
    bpm: float  # exact tempo of the file written
    source_bpm: float
    confidence: float
    bars: int
    start_s: float
    n_samples: int
    rate_hz: int
    seam: float  # click ratio at the wrap: below 0.4 is none
    evidence: tuple[str, ...]
    warnings: tuple[str, ...]  # what speaks against the recording's tempo


def names_of_loops(files: Sequence[Path], bpm: float | None) -> list[str]:
    """Names for the loops of files: no two the same, and where the tempo changes, "93bpm" in a name changes with it."""
    seen: Counter[str] = Counter()
    names: list[str] = []
    for file in files:
        stem = file.stem if bpm is None else restate_tempo(file.stem, bpm)
        seen[stem.casefold()] += 1  # some file systems see no difference either
        count = seen[stem.casefold()]
        names.append(f"{stem}_loop_{count}.wav" if count > 1 else f"{stem}_loop.wav")
    return names


def loopify(
    source: Path,
    out: Path,
    *,
    bpm: float | None = None,
    bars: int | None = None,
    beats_per_bar: int = 4,
    source_bpm: float | None = None,
    start_s: float | None = None,
    rate_hz: int | None = None,
    name_key: Collection[str] | None = None,
) -> Loopified:
    """Write `source` as a seamless loop to the WAV file `out`.

    Args:
        source: recording; mono to any number of channels, which are kept.
        out: WAV file to write (24 bit), with `acid`, `smpl` and `LIST/INFO` chunks.
        bpm: tempo wanted; by default the recording's own, to the sample.
        bars: bars wanted; by default all of a loop, or up to 8 (a power of two) of a recording.
        beats_per_bar: 4, or 3 for waltzes.
        source_bpm: the recording's tempo, if it is known better than it can be found.
        start_s: where the loop shall start; by default the place that closes best.
        rate_hz: rate to write; by default the recording's.
        name_key: put a key that is heard surely and not stated into the name of `out`, if that gives none of these names.

    Raises InputError if the file cannot be read, has no tempo that can be found, or is too short for the bars wanted.
    """
    audio = read_audio(source, max_seconds=_MOST_SECONDS)
    mono = mixdown(audio.samples)
    if level.to_db(level.peak(mono)) < -70:
        raise InputError(f"{source} is silent.")
    bands = band_levels(mono, audio.rate_hz)
    reading = _tempo(source, mono, audio.rate_hz, bands, beats_per_bar, source_bpm)
    samples, skipped = audio.samples, 0
    if reading.length and start_s is None:  # a stated loop in a longer file
        samples, skipped = cut_to(samples, reading.start, reading.length), reading.start
        mono = cut_to(mono, reading.start, reading.length)
        bands = band_levels(mono, audio.rate_hz)
    n_bars = _bars(reading, bars, beats_per_bar, len(mono) / audio.rate_hz)
    beats = n_bars * beats_per_bar
    length = round(60 * audio.rate_hz * beats / reading.bpm)
    if reading.whole and beats == reading.beats and start_s is None:
        start = 0
        loop = cut_loop(samples, 1, audio.rate_hz)[0]
    else:
        start = _place(mono, bands, reading, length, audio.rate_hz, start_s)
        if start + length > len(mono):
            raise InputError(
                f"{source} has {(len(mono) - start) / audio.rate_hz:.2f} s from {start / audio.rate_hz:.2f} s on, {n_bars} "
                f"bars at {reading.bpm:.2f} BPM need {length / audio.rate_hz:.2f} s. Ask for fewer, or start earlier."
            )
        loop = cut_circle(samples, start, length, audio.rate_hz)
    start += skipped
    rate_out = rate_hz or audio.rate_hz
    wanted = bpm or reading.bpm
    same_tempo = loop_length(wanted, beats, audio.rate_hz) == len(loop)
    if not same_tempo:
        loop = stretch_circle(loop, loop_length(wanted, beats, audio.rate_hz), audio.rate_hz)
    n_out = loop_length(wanted, beats, rate_out)
    if n_out != len(loop):
        loop = np.ascontiguousarray(resample_circle(loop.T, n_out).T)
    loop = join_ends(loop, rate_out)
    peak = level.peak(loop)
    if peak > 1.0:
        loop = loop / np.float32(peak)
    exact = exact_bpm(n_out, beats, rate_out)
    seam = max(click_ratio(loop[:, c]) for c in range(loop.shape[1]))
    key, heard = _key(source, mono, audio.rate_hz)
    if name_key is not None and heard and not key and heard.key_confidence >= SURE_KEY:
        named = _with_key(out, heard.key)
        out = out if named.name in name_key else named
    info = {
        "title": printable(out.stem),
        "software": "loopwright",
        "source": printable(source.name),
        "bpm": round(exact, 6),
        "bars": n_bars,
        "start_s": round(start / audio.rate_hz, 4),
        "seam": round(seam, 4),
        "key": key or (heard.key if heard and heard.key_confidence >= SURE_KEY else ""),
        **({"key_heard": heard.key, "key_confidence": round(heard.key_confidence, 3)} if heard else {}),
    }
    chunks = loop_chunks(n_out, rate_out, exact, beats, info, beats_per_bar=beats_per_bar)
    write_wav(out, loop, rate_out, chunks=chunks)
    return Loopified(
        out,
        exact,
        reading.bpm,
        reading.confidence,
        n_bars,
        start / audio.rate_hz,
        n_out,
        rate_out,
        seam,
        reading.evidence,
        reading.warnings,
    )


def _tempo(
    source: Path, mono: Float32, rate_hz: int, bands: torch.Tensor, beats_per_bar: int, source_bpm: float | None
) -> Reading:
    length_s = len(mono) / rate_hz
    if source_bpm is not None:
        clues = [Clue("user", 50.0, bpm=source_bpm, firm=True)]
    else:
        clues = [*clues_from_name(source.name), *read_tags(source).clues]
        try:
            facts = read_json_sidecar(source)
        except InputError:  # what lies beside it costs the recording nothing
            facts = None
        if facts is not None and facts.bpm:
            beats = facts.bars * beats_per_bar if facts.bars else None
            clues.insert(0, Clue("table", 40.0, bpm=facts.bpm, beats=beats, firm=True))
    span = Span.of(mono, rate_hz)
    reading = read_tempo(length_s, Tempogram.of(rises(bands)), clues, beats_per_bar=beats_per_bar, span=span)
    if reading is None:
        raise InputError(f"{source} ({length_s:.2f} s) is too short to hold a bar. Use a longer recording.")
    return reading


def _key(source: Path, mono: Float32, rate_hz: int) -> tuple[str, Heard | None]:
    """The key that name or tags state, "" if none, and what is heard, if that is notes."""
    heard = listen(mono, rate_hz)
    stated = read_tags(source).key or key_from_name(source.name)
    return stated, heard if heard.kind in ("tonal", "both") and heard.key else None


def _with_key(out: Path, key: str) -> Path:
    """A name with the key before its "_loop": "take_Amin_loop.wav"."""
    word = key.replace(" major", "maj").replace(" minor", "min")
    stem = re.sub(r"(_loop(?:_\d+)?)?$", lambda found: f"_{word}{found[1] or ''}", out.stem, count=1)
    return out.with_name(stem + out.suffix)


def _bars(reading: Reading, wanted: int | None, beats_per_bar: int, length_s: float) -> int:
    have = int(length_s * reading.bpm / 60 / beats_per_bar + 0.02)
    if wanted is not None:
        return wanted
    if reading.whole and reading.beats % beats_per_bar == 0:
        return reading.beats // beats_per_bar
    if have < 1:
        raise InputError(
            f"at {reading.bpm:.1f} BPM a bar is {60 * beats_per_bar / reading.bpm:.2f} s, the recording {length_s:.2f} s. "
            "Give its tempo with --source-bpm, or a longer recording."
        )
    return 1 << min(3, int(np.log2(have)))


def _place(mono: Float32, bands: torch.Tensor, reading: Reading, length: int, rate_hz: int, start_s: float | None) -> int:
    """The start, in samples, from which `length` samples close best: an onset on the grid that the end leads back to.

    Whole loops are taken to start on the bar, so there only bar lines are tried.
    """
    if start_s is not None:
        return round(start_s * rate_hz)
    rise = rises(bands)
    frames = length / rate_hz * FRAME_HZ
    context = round(CONTEXT_S * FRAME_HZ)
    last = min(len(rise) - context, len(mono) / rate_hz * FRAME_HZ) - frames
    centred = bands - bands.mean()
    strongest = float(np.max(rise)) or 1.0
    step = FRAME_HZ * 15 / reading.bpm  # a sixteenth
    late = Tempogram.of(rise).phase_s(reading.bpm) * FRAME_HZ
    best, best_score = 0, -np.inf
    late = 0.0 if reading.whole else late % step
    for k in range(0, max(1, int((last - late) / step) + 1), 16 if reading.whole else 1):
        at = round(late + k * step)
        near = max(0, at - 3)  # frames: 15 ms
        onset = near + int(np.argmax(rise[near : at + 4])) if at + 4 <= len(rise) else at
        onset = max(onset, 0)
        end = round(onset + frames)
        if onset > max(last, 0):
            break
        width = min(context, len(rise) - end)
        before = min(context, onset)
        here, there = centred[:, onset - before : onset + width], centred[:, end - before : end + width]
        alike = torch.nn.functional.cosine_similarity(here.reshape(-1), there.reshape(-1), dim=0).item() if width > 4 else 0.0
        attack = float(rise[onset]) / strongest
        downbeat = 0.15 if k % 16 == 0 else (0.05 if k % 4 == 0 else 0.0)
        score = alike + 0.5 * attack + downbeat - (0.0 if attack > 0.25 else 1.0)  # a start that is no attack is a last resort
        if score > best_score:
            best, best_score = onset, score
    start = max(0, round((best / FRAME_HZ) * rate_hz))
    return min(start, max(0, len(mono) - length))


def describe(result: Loopified) -> str:
    """One line of JSON about a loop that was written."""
    return json.dumps(
        {
            "file": printable(str(result.path)),
            "bpm": round(result.bpm, 4),
            "source_bpm": round(result.source_bpm, 4),
            "confidence": round(result.confidence, 3),
            "bars": result.bars,
            "start_s": round(result.start_s, 4),
            "samples": result.n_samples,
            "rate_hz": result.rate_hz,
            "seam": round(result.seam, 4),
            "evidence": list(result.evidence),
            "warnings": list(result.warnings),
        },
        ensure_ascii=False,
    )
