"""One file in, rows out: what a worker process does. What is wrong with a file is a reason in the report, not an exception."""

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
from loopwright.audio.resample import around, resample
from loopwright.audio.stretch import SAME_PITCH, stretch_circle
from loopwright.config import MelConfig
from loopwright.data.clues import Clue, clues_from_name, key_from_name, says_one_shot
from loopwright.data.cut import cut_circle, cut_loop, join_ends
from loopwright.data.facts import Facts
from loopwright.data.fingerprint import fingerprint
from loopwright.data.licences import allowed, normal_licence
from loopwright.data.mixdown import mixdown
from loopwright.data.rhythm import FRAME_HZ, Tempogram, onset_envelope
from loopwright.data.scan import FoundFile
from loopwright.data.settings import PrepareSettings
from loopwright.data.tags import read_tags
from loopwright.data.tempo import Reading, read_tempo
from loopwright.errors import LoopwrightError

Float32 = npt.NDArray[np.float32]
SHORTEST_S = 0.2  # a beat at 300 BPM
_LATE_S = 0.012  # a first attack this much after the grid is a lead-in to cut, not a feel


@dataclass
class Outcome:
    """What became of one file: rows to write, or the reason why there are none."""

    name: str
    reason: str = ""  # empty: kept
    bpm: float = 0.0
    beats: int = 0
    confidence: float = 0.0
    evidence: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)  # what a user may want to know although the file was kept
    records: list[dict[str, Any]] = field(default_factory=list)
    log_mels: npt.NDArray[np.float16] | None = None  # (n, M, T)
    audio: Float32 | None = None  # (n, N)
    prints: list[Float32] = field(default_factory=list)  # a fingerprint a row


@functools.lru_cache(maxsize=4)
def _log_mel(mel: MelConfig) -> LogMel:
    torch.set_num_threads(1)  # one process per core
    return LogMel(mel)


def process_file(found: FoundFile, facts: Facts, settings: PrepareSettings, *, dry: bool = False) -> Outcome:
    """Read one file and make its rows; with `dry`, only decide. Never raises for what is wrong with the file."""
    outcome = Outcome(found.name)
    try:
        _process(found, facts, settings, outcome, dry=dry)
    except LoopwrightError as error:
        outcome.reason = str(error).replace(str(found.path), found.name).rstrip(".")
    except MemoryError:
        outcome.reason = "needs more memory than this machine has"
    if outcome.reason:
        outcome.records, outcome.log_mels, outcome.audio, outcome.prints = [], None, None, []
    return outcome


def _unchanged(found: FoundFile) -> bool:
    try:
        state = found.path.stat()
    except OSError:
        return False
    return (state.st_size, state.st_mtime_ns) == (found.size, found.mtime_ns)


def _process(found: FoundFile, facts: Facts, settings: PrepareSettings, outcome: Outcome, *, dry: bool) -> None:
    outcome.reason = facts.discard or allowed(facts.licence, settings.licences)
    if outcome.reason:
        return
    audio = read_audio(found.path, max_seconds=settings.max_seconds)
    tag_clues, tag_key, tag_one_shot = read_tags(found.path, audio.length_s)
    if not _unchanged(found):
        outcome.reason = "changed while it was read"
        return
    mono = mixdown(audio.samples)
    peak_db = level.to_db(level.peak(mono))
    if audio.length_s < SHORTEST_S:
        outcome.reason = f"too short to be a loop ({1000 * audio.length_s:.0f} ms)"
    elif peak_db < settings.silence_db:
        outcome.reason = f"silent (peak {peak_db:.0f} dB)"
    elif says_one_shot(found.name) or tag_one_shot:
        outcome.reason = "says that it is a one-shot"
    if outcome.reason:
        return

    reading = _tempo(mono, audio.rate_hz, found, facts, tag_clues, settings)
    if isinstance(reading, str):
        outcome.reason = reading
        return
    outcome.bpm, outcome.beats, outcome.confidence = reading.bpm, reading.beats, round(reading.confidence, 3)
    outcome.evidence, outcome.notes = reading.evidence, list(reading.warnings)
    if reading.confidence < settings.min_confidence:
        outcome.reason = (
            f"tempo not sure: perhaps {reading.bpm:.1f} BPM (confidence {reading.confidence:.2f}); "
            "write it into the name or a table"
        )
        return

    rows = _rows(mono, audio.rate_hz, reading, settings, outcome)
    if isinstance(rows, str):
        outcome.reason = rows
        return
    key = facts.key or tag_key or key_from_name(found.name)
    base = {
        "file": found.name,
        "bpm": round(reading.bpm, 4),
        "split": facts.split,
        "source": facts.source or _source_of(found.name),
        "licence": normal_licence(facts.licence),
        "attribution": facts.attribution,
        "style": facts.style,
        "kind": facts.kind,
        "kit": facts.kit,
        "key": key,
    }
    if dry:
        outcome.records = [{**base, "bar": i * settings.bars} for i in range(len(rows))]
        return
    _analyse(rows, audio.rate_hz, mono, base, settings, outcome)


def _source_of(name: str) -> str:
    """The unit of the split where no metadata knows better: the folder a file lies in (a pack); at the top, the file."""
    folder, _, _ = name.rpartition("/")
    return folder or name


def _tempo(
    mono: Float32, rate_hz: int, found: FoundFile, facts: Facts, tag_clues: list[Clue], settings: PrepareSettings
) -> Reading | str:
    """The tempo of a file, or why it has none."""
    length_s = len(mono) / rate_hz
    beats_per_bar = facts.beats_per_bar or settings.beats_per_bar
    if beats_per_bar != settings.beats_per_bar:
        return f"has {beats_per_bar} beats a bar, {settings.beats_per_bar} are wanted"
    stated = settings.bpm or facts.bpm
    if stated or facts.bars:
        beats = facts.bars * beats_per_bar if facts.bars else length_s * (stated or 0) / 60
        by_length = 60 * beats / length_s
        sure = facts.bars and (not stated or abs(by_length / stated - 1) < 0.012) and beats == round(beats)
        if sure:  # a table and the length say the same: nothing is left to ask of the onsets
            return Reading(by_length, round(beats), True, 1.0, ("the table and the length agree",))
    envelope = onset_envelope(mono, rate_hz)
    if not stated and _one_shot(envelope, mono, length_s):
        return "sounds like a one-shot: a single attack that dies away"
    clues = [*clues_from_name(found.name), *tag_clues]
    if facts.bpm:
        clues.append(Clue("table", 8.0, bpm=facts.bpm))
    if facts.bars:
        clues.append(Clue("table", 6.0, beats=facts.bars * beats_per_bar))
    if settings.bpm:
        clues = [Clue("user", 50.0, bpm=settings.bpm)]
    reading = read_tempo(length_s, Tempogram.of(envelope), clues, beats_per_bar=beats_per_bar)
    return reading or f"no tempo from 60 to 200 BPM fits its length of {length_s:.2f} s"


def _one_shot(envelope: Float32, mono: Float32, length_s: float) -> bool:
    """One attack at the start and nothing after it but decay, in a file shorter than a slow bar."""
    if length_s > 4.0 or len(envelope) < 8:
        return False
    early = int(0.1 * FRAME_HZ)
    first = float(envelope[:early].max(initial=0.0))
    later = float(envelope[early:].max(initial=0.0))
    quarters = [level.rms(part) for part in np.array_split(mono, 4)]
    decays = all(b <= 0.8 * a for a, b in zip(quarters[:-1], quarters[1:], strict=True))
    return decays and later < 0.25 * first and quarters[3] < 0.1 * quarters[0]


def _offset(mono: Float32, rate_hz: int, reading: Reading) -> int:
    """Samples before the first bar. Loops start on the bar; only silence before a first attack off the grid says otherwise."""
    sixteenth_s = 15.0 / reading.bpm
    early = np.abs(mono[: int(2 * sixteenth_s * rate_hz) + 2])
    loud = early > 0.003 * level.peak(mono)  # a soft attack is no silence
    if not loud.any():
        return 0
    first_s = float(np.argmax(loud)) / rate_hz
    late_s = first_s - sixteenth_s * round(first_s / sixteenth_s)  # a rest on the grid is music
    if first_s < _LATE_S or abs(late_s) < _LATE_S or first_s > 2 * sixteenth_s:
        return 0
    return int(first_s * rate_hz)


def _rows(mono: Float32, rate_hz: int, reading: Reading, settings: PrepareSettings, outcome: Outcome) -> list[Float32] | str:
    """Circles of one row each at the file's rate, or why there can be none."""
    row_beats = settings.bars * settings.beats_per_bar
    beat = rate_hz * 60 / reading.bpm  # samples, not whole
    row_length = beat * row_beats
    ratio = settings.row_seconds * rate_hz / row_length
    if not 1 / settings.max_stretch <= ratio <= settings.max_stretch:
        limit = f"the limit is {settings.max_stretch:g}"
        return f"at {reading.bpm:.1f} BPM it would have to be stretched by {ratio:.2f}, {limit}"
    if reading.beats < row_beats:
        if reading.whole and settings.beats_per_bar % reading.beats == 0 and settings.bars == 1:
            outcome.notes.append(f"{reading.beats} beats long, repeated to make a bar")
            return [np.tile(cut_loop(mono, 1, rate_hz)[0], row_beats // reading.beats)]
        wanted = f"{settings.bars} bar{'s' if settings.bars > 1 else ''}"
        return f"shorter than {wanted} ({reading.beats} beats at {reading.bpm:.1f} BPM)"
    n_rows = min(reading.beats // row_beats, settings.max_bars // settings.bars)
    left = reading.beats - n_rows * row_beats
    start = _offset(mono, rate_hz, reading)
    if start:
        outcome.notes.append(f"starts {1000 * start / rate_hz:.0f} ms late")
    if reading.whole:
        loop = np.roll(mono, -start) if start else mono
        if left == 0:
            rows = cut_loop(loop, n_rows, rate_hz)
        else:
            outcome.notes.append(f"{left} beats left over")
            turn = np.concatenate([loop[-rate_hz // 10 :], loop])
            head = len(turn) - len(loop)
            rows = [cut_circle(turn, head + round(i * row_length), round(row_length), rate_hz) for i in range(n_rows)]
        return rows
    n_rows = min(n_rows, int((len(mono) - start) / row_length + 1e-6))
    if n_rows < 1:
        return f"shorter than {settings.bars} bars after its late start"
    extra_s = (len(mono) - start - n_rows * row_length) / rate_hz
    outcome.notes.append(f"not a whole loop: {n_rows * settings.bars} bars cut, {extra_s:.2f} s left")
    return [cut_circle(mono, start + round(i * row_length), round(row_length), rate_hz) for i in range(n_rows)]


def resample_turn(row: Float32, n_out: int) -> Float32:
    """Resample one turn of a loop to `n_out` samples with soxr, through its own wrap-around. (N,) -> (n_out,).

    Recordings' lengths are any numbers, often nearly prime, for which `resample_circle` is ten times slower. The result is as
    periodic (the ratio of rates is that of the lengths), and off by less than half a sample.
    """
    n = len(row)
    if n == n_out:
        return row
    reach = 1024  # samples at the lower rate; soxr's longest filter is far shorter
    pad = int(np.ceil(reach * max(1.0, n / n_out)))
    out = resample(around(row, -pad, n + pad), n, n_out)
    start = round(pad * n_out / n)
    return out[start : start + n_out]


def fit_row(row: Float32, rate_hz: int, mel_rate_hz: int, n_out: int) -> Float32:
    """One circle at any rate and tempo -> `n_out` samples at `mel_rate_hz`, same pitch. All steps are circular.

    The stretch runs at the lower of the two rates.
    """
    ratio = n_out / mel_rate_hz / (len(row) / rate_hz)
    if abs(ratio - 1) < SAME_PITCH:
        return resample_turn(row, n_out)
    if rate_hz >= mel_rate_hz:
        return stretch_circle(row, n_out, mel_rate_hz, from_hz=rate_hz)
    return resample_turn(stretch_circle(row, round(n_out * rate_hz / mel_rate_hz), rate_hz), n_out)


def _analyse(
    rows: list[Float32],
    rate_hz: int,
    mono: Float32,
    base: dict[str, Any],
    settings: PrepareSettings,
    outcome: Outcome,
) -> None:
    """Stretch, level and analyse rows; silent ones are left out."""
    mel = settings.mel
    log_mel = _log_mel(mel)  # before the stretch: it also sets the threads
    gain_db = min(settings.level_db - level.to_db(level.rms(mono)), settings.peak_db - level.to_db(level.peak(mono)))
    bars = [i for i, row in enumerate(rows) if level.to_db(level.peak(row)) >= settings.silence_db]
    if len(bars) < len(rows):
        outcome.notes.append(f"{len(rows) - len(bars)} silent rows left out")
    if not bars:
        outcome.reason = "silent"
        return
    fitted = [fit_row(rows[i], rate_hz, mel.rate_hz, settings.row_samples) for i in bars]
    loops = np.stack([join_ends(row, mel.rate_hz) for row in fitted])  # at another rate the steps are others
    over_db = max(0.0, level.to_db(level.peak(loops)) + gain_db)  # a stretch can raise a peak
    gain_db -= over_db
    loops *= np.float32(level.from_db(gain_db))
    if not mel.circular:  # the published analysis normalises each bar's peak
        loops /= np.maximum(np.abs(loops).max(axis=1, keepdims=True), 1e-5)
    with torch.inference_mode():
        log_mels = torch.stack([log_mel(torch.from_numpy(loop)) for loop in loops]).numpy().astype(np.float16)
    outcome.log_mels, outcome.audio = log_mels, loops
    outcome.records = [
        {**base, "bar": i * settings.bars, "gain_db": round(gain_db, 2), "confidence": outcome.confidence} for i in bars
    ]
    outcome.prints = [fingerprint(log_mel.astype(np.float32)) for log_mel in log_mels]
