"""One file in, rows out: what a worker process does. What is wrong with a file is a reason in the report, not an exception."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from loopwright.arrays import Float16, Float32
from loopwright.audio import level
from loopwright.audio.analysis import analyser
from loopwright.audio.hearing import listen
from loopwright.audio.io import read_audio
from loopwright.config import Representation
from loopwright.data.clues import key_from_name, says_one_shot
from loopwright.data.cut import join_ends
from loopwright.data.events import Event, events_of_row
from loopwright.data.facts import Facts
from loopwright.data.file_tempo import tempo_of_file
from loopwright.data.fingerprint import fingerprint
from loopwright.data.kinds import kind_from_name, kind_from_words
from loopwright.data.licences import allowed, normal_licence
from loopwright.data.mixdown import mixdown
from loopwright.data.rows import cut_rows, fit_row, retuned
from loopwright.data.scan import FoundFile, printable
from loopwright.data.settings import PrepareSettings
from loopwright.data.stated import cut_to
from loopwright.data.tags import Tags, read_tags
from loopwright.errors import LoopwrightError

SHORTEST_S = 0.2  # a beat at 300 BPM
# Concentration of the partials from which a tuning is believed (5 % of drum bars have more than 0.35)
CLEAR_TUNING = {"tonal": 0.5, "both": 0.6}
IN_TUNE_CENTS = 5.0  # nearer than this to A440 is in tune: so far off a bar of a tuned synth is read (5 of 100)
SURE_KEY = 0.4  # confidence from which a key that is heard is taken where none is stated


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
    kind: str = ""
    key: str = ""
    tuning_cents: float | None = None  # against A440; None where nothing clear is heard
    records: list[dict[str, Any]] = field(default_factory=list)
    log_mels: Float16 | None = None  # (n, M, T)
    audio: Float32 | None = None  # (n, N)
    prints: list[Float32] = field(default_factory=list)  # a fingerprint a row


@functools.lru_cache(maxsize=4)
def _analyser(representation: Representation) -> Callable[[Float32], Float32]:
    torch.set_num_threads(1)  # one process per core
    return analyser(representation)


def process_file(found: FoundFile, facts: Facts, settings: PrepareSettings, *, dry: bool = False) -> Outcome:
    """Read one file and make its rows; with `dry`, only decide. Never raises for what is wrong with the file."""
    outcome = Outcome(found.name)
    try:
        _process(found, facts, settings, outcome, dry=dry)
    except LoopwrightError as error:
        outcome.reason = printable(str(error).replace(str(found.path), found.name)).rstrip(".")
    except MemoryError:
        outcome.reason = "needs more memory than this machine has"
    except Exception as error:  # one file's trouble is one file's
        outcome.reason = f"cannot be used ({type(error).__name__}: {printable(str(error))[:200]})"
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
    tags = read_tags(found.path)
    if not _unchanged(found):
        outcome.reason = "changed while it was read"
        return
    mono = mixdown(audio.samples)
    peak_db = level.to_db(level.peak(mono))
    if audio.length_s < SHORTEST_S:
        outcome.reason = f"too short to be a loop ({1000 * audio.length_s:.0f} ms)"
    elif peak_db < settings.silence_db:
        outcome.reason = f"silent (peak {peak_db:.0f} dB)"
    elif says_one_shot(found.name) or tags.one_shot:
        outcome.reason = "says that it is a one-shot"
    if outcome.reason:
        return

    reading = tempo_of_file(mono, audio.rate_hz, found, facts, tags, settings)
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

    if reading.length:
        mono = cut_to(mono, reading.start, reading.length)
    rows = cut_rows(mono, audio.rate_hz, reading, settings, outcome.notes)
    if isinstance(rows, str):
        outcome.reason = rows
        return
    base = {
        "file": found.name,
        "bpm": round(reading.bpm, 4),
        "split": facts.split,
        "source": facts.source or _source_of(found.name),
        "licence": normal_licence(facts.licence),
        "attribution": facts.attribution,
        "style": facts.style,
        "kit": facts.kit,
        **_heard(mono, audio.rate_hz, found, facts, tags, settings, outcome),
    }
    if dry:
        outcome.records = [{**base, "bar": i * settings.bars} for i in range(len(rows))]
        return
    total = reading.beats / settings.beats_per_bar
    turned = any("ms late" in note for note in outcome.notes)  # then the events would lie elsewhere
    events = facts.events if reading.whole and not turned and not reading.start else ()
    _analyse(rows, audio.rate_hz, mono, base, settings, outcome, events=events, total=total)


def _heard(
    mono: Float32, rate_hz: int, found: FoundFile, facts: Facts, tags: Tags, settings: PrepareSettings, outcome: Outcome
) -> dict[str, Any]:
    """Kind, key and tuning for the records: what is stated, and beside it what is heard."""
    kind = kind_from_words(facts.kind) or tags.kind or kind_from_name(found.name)
    key = facts.key or tags.key or key_from_name(found.name)
    out: dict[str, Any] = {}
    if kind != "drums":  # drums have no key, and need no listening to say that they are drums
        heard = listen(mono, rate_hz)
        kind = kind or heard.kind
        if kind in ("tonal", "both") and heard.key:
            out = {"key_heard": heard.key, "key_confidence": round(heard.key_confidence, 3)}
            if heard.r >= CLEAR_TUNING[kind] and (kind == "tonal" or heard.pitches >= 3):  # a tom is no tuning
                outcome.tuning_cents = out["tuning_cents"] = round(heard.cents, 1)
            key = key or (heard.key if heard.key_confidence >= SURE_KEY else "")
    cents = outcome.tuning_cents or 0.0
    retune = settings.tune and abs(cents) >= IN_TUNE_CENTS
    if retune:
        outcome.notes.append(f"{abs(cents):.0f} cents {'sharp' if cents > 0 else 'flat'}, brought to A440")
    outcome.kind, outcome.key = kind, key
    return {"kind": kind, "key": key, **out, **({"tuned_cents": -cents} if retune else {})}


def _source_of(name: str) -> str:
    """The unit of the split where no metadata knows better: the folder a file lies in (a pack); at the top, the file."""
    folder, _, _ = name.rpartition("/")
    return folder or name


def _analyse(
    rows: list[Float32],
    rate_hz: int,
    mono: Float32,
    base: dict[str, Any],
    settings: PrepareSettings,
    outcome: Outcome,
    *,
    events: Sequence[Event],
    total: float,
) -> None:
    """Stretch, level and analyse rows; silent ones are left out. `events` are those of the whole loop of `total` bars."""
    mel = settings.mel
    analyse = _analyser(mel)  # before the stretch: it also sets the threads
    gain_db = min(settings.level_db - level.to_db(level.rms(mono)), settings.peak_db - level.to_db(level.peak(mono)))
    bars = [i for i, row in enumerate(rows) if level.to_db(level.peak(row)) >= settings.silence_db]
    if len(bars) < len(rows):
        outcome.notes.append(f"{len(rows) - len(bars)} silent rows left out")
    if not bars:
        outcome.reason = "silent"
        return
    cents = float(base.get("tuned_cents", 0.0))
    fitted = [fit_row(retuned(rows[i], cents), rate_hz, mel.rate_hz, settings.row_samples) for i in bars]
    loops = np.stack([join_ends(row, mel.rate_hz) for row in fitted])  # at another rate the steps are others
    over_db = max(0.0, level.to_db(level.peak(loops)) + gain_db)  # a stretch can raise a peak
    gain_db -= over_db
    loops *= np.float32(level.from_db(gain_db))
    if not mel.circular:  # the published analysis normalises each bar's peak
        loops /= np.maximum(np.abs(loops).max(axis=1, keepdims=True), 1e-5)
    log_mels = analyse(loops).astype(np.float16)
    outcome.log_mels, outcome.audio = log_mels, loops
    outcome.records = [
        {
            **base,
            "bar": i * settings.bars,
            "gain_db": round(gain_db, 2),
            "confidence": outcome.confidence,
            **({"events": events_of_row(list(events), i * settings.bars, settings.bars, total)} if events else {}),
        }
        for i in bars
    ]
    outcome.prints = [fingerprint(log_mel.astype(np.float32)) for log_mel in log_mels]
