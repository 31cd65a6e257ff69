"""Human drum performances as phrases of hits: the Groove MIDI Dataset (Gillick et al., ICML 2019, CC BY 4.0).

The tempo is normalised in the symbolic domain: a tick is a fraction of a bar, and a bar is `BAR_SAMPLES` long. The
drummer's deviation from the grid is kept, scaled with the tempo. The split is by performer, not the data set's own.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loopwright.arrays import Int16, Int64
from loopwright.corpus.bar import BAR_SAMPLES
from loopwright.corpus.sides import PERFORMER_SIDES, side_of
from loopwright.errors import InputError

STEP_SAMPLES = BAR_SAMPLES // 16
MIN_HITS = 4
ROLES = (
    "kick", "snare", "clap", "rim", "hat_closed", "hat_open", "tom_low", "tom_mid", "tom_high", "ride", "crash", "perc",
    "cowbell",
)  # fmt: skip
ROLE_INDEX = {role: i for i, role in enumerate(ROLES)}
HAT_PEDAL = 44  # General MIDI: closes the open hat with the foot

GROOVE_ATTRIBUTION = "Groove MIDI Dataset, Google LLC (Magenta), CC BY 4.0"

# Groove's primary styles, joined where one alone has too few bars or no held-out performance.
STYLE_LABELS = {
    "rock": "rock", "punk": "rock", "country": "rock", "blues": "rock",
    "funk": "funk", "neworleans": "funk",
    "soul": "soul", "gospel": "soul",
    "jazz": "jazz",
    "latin": "latin", "afrocuban": "latin", "middleeastern": "latin",
    "afrobeat": "afrobeat", "highlife": "afrobeat",
    "hiphop": "hiphop",
    "pop": "pop", "dance": "pop",
    "reggae": "reggae",
}  # fmt: skip


@dataclass(frozen=True)
class Phrase:
    """One or more bars of hits on the circle, sorted by position. K hits."""

    position: NDArray[np.int32]  # (K,) samples from the downbeat, 0 .. samples - 1; an early downbeat is near the end
    role: NDArray[np.int8]  # (K,) index into ROLES
    velocity: Int16  # (K,) 1 .. 127
    pitch: Int16  # (K,) MIDI pitch of the pad, 0 for written patterns
    style: str
    split: str
    source: str  # performance or pattern
    performer: str = ""  # who played it; "" for written patterns
    bars: int = 1

    @property
    def samples(self) -> int:
        """Length of the circle."""
        return self.bars * BAR_SAMPLES

    @property
    def keys(self) -> tuple[bytes, ...]:
        """For each bar: the same for bars that are equal once hits are rounded to 1/16 (role and step only)."""
        step = ((self.position + STEP_SAMPLES // 2) // STEP_SAMPLES) % (16 * self.bars)
        bar, code = step // 16, (step % 16).astype(np.int16) * 16 + self.role
        return tuple(np.unique(code[bar == k]).tobytes() for k in range(self.bars))

    @property
    def key(self) -> bytes:
        """The same for phrases whose bars have the same keys."""
        return b"|".join(self.keys)


def make_phrase(
    hits: Iterable[tuple[int, str, int, int]], *, style: str, split: str, source: str, performer: str = "", bars: int = 1
) -> Phrase:
    """Build a phrase from (position in samples, role, velocity, MIDI pitch or 0); positions are taken round the circle."""
    rows = sorted((p % (bars * BAR_SAMPLES), ROLE_INDEX[r], min(max(v, 1), 127), m) for p, r, v, m in hits)
    a = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return Phrase(
        a[:, 0].astype(np.int32),
        a[:, 1].astype(np.int8),
        a[:, 2].astype(np.int16),
        a[:, 3].astype(np.int16),
        style,
        split,
        source,
        performer,
        bars,
    )


def read_hits(path: Path) -> tuple[Int64, int]:
    """Read note-ons of a MIDI file: rows (tick, pitch, velocity), and ticks per beat. Raises InputError if it is broken."""
    import mido

    try:
        midi = mido.MidiFile(path)
        rows: list[tuple[int, int, int]] = []
        for track in midi.tracks:
            tick = 0
            for message in track:
                tick += message.time
                if message.type == "note_on" and message.velocity > 0:
                    rows.append((tick, message.note, message.velocity))
        ticks = int(midi.ticks_per_beat)
    except FileNotFoundError as error:
        raise InputError(f"{path}: the file named in info.csv is missing.") from error
    except (OSError, EOFError, ValueError, IndexError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a readable MIDI file ({error or type(error).__name__}).") from error
    if ticks <= 0:
        raise InputError(f"{path}: the MIDI file counts time in SMPTE frames, not in beats.")
    return np.array(rows, dtype=np.int64).reshape(-1, 3), ticks


def cut_phrases(
    hits: Int64,
    ticks_per_beat: int,
    roles: dict[int, str],
    *,
    style: str,
    source: str,
    performer: str,
    bars: int = 1,
) -> list[Phrase]:
    """Cut a 4/4 performance into phrases of `bars` whole bars in a row, each bar with at least MIN_HITS hits.

    A hit belongs to the bar of its nearest 1/16, so a downbeat played early stays with its bar (for the first bar: at the end
    of the circle). A bar is whole if the performance goes on into its last beat. Phrases begin at multiples of `bars`.
    """
    hits = hits[np.isin(hits[:, 1], list(roles))]
    if not len(hits):
        return []
    bar_ticks = 4 * ticks_per_beat
    early = ticks_per_beat // 8  # half a sixteenth
    number = (hits[:, 0] + early) // bar_ticks
    whole = int((hits[-1, 0] + early + ticks_per_beat) // bar_ticks)
    split = side_of(performer, PERFORMER_SIDES)
    phrases = []
    for first in range(0, whole - bars + 1, bars):
        inside = (number >= first) & (number < first + bars)
        if np.bincount(number[inside] - first, minlength=bars).min() < MIN_HITS:
            continue
        own = hits[inside]
        at = np.rint((own[:, 0] - first * bar_ticks) * (BAR_SAMPLES / bar_ticks)).astype(np.int64)
        rows = [(int(p), roles[int(m)], int(v), int(m)) for p, m, v in zip(at, own[:, 1], own[:, 2], strict=True)]
        phrases.append(make_phrase(rows, style=style, split=split, source=source, performer=performer, bars=bars))
    return phrases


def read_groove(
    folder: Path,
    *,
    bars: int = 1,
    on_skip: Callable[[str], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Phrase]:
    """All phrases of `bars` whole 4/4 bars of the Groove MIDI Dataset in `folder`, in the order of info.csv.

    `on_skip` gets one line for each performance that cannot be read; the rest goes on. Raises InputError without info.csv
    or pitch_map.csv, or if nothing is left.
    """
    folder = Path(folder)
    roles = {int(row["pitch"]): row["role"] for row in read_table(folder / "pitch_map.csv", {"pitch", "role"})}
    if unknown := set(roles.values()) - set(ROLES):
        raise InputError(f"{folder / 'pitch_map.csv'}: unknown roles {sorted(unknown)}; known are {', '.join(ROLES)}.")
    table = read_table(folder / "info.csv", {"id", "drummer", "style", "time_signature", "midi_filename"})
    phrases: list[Phrase] = []
    for number, row in enumerate(table):
        if on_progress:
            on_progress(number + 1, len(table))
        primary = row["style"].split("/")[0]
        if row["time_signature"] != "4-4" or primary not in STYLE_LABELS:
            continue
        try:
            hits, ticks = read_hits(folder / row["midi_filename"])
        except InputError as error:
            if on_skip:
                on_skip(str(error))
            continue
        phrases += cut_phrases(
            hits,
            ticks,
            roles,
            style=STYLE_LABELS[primary],
            source=f"groove/{row['id']}",
            performer=row["drummer"],
            bars=bars,
        )
    if not phrases:
        raise InputError(
            f"{folder}: no readable 4/4 performance of {bars} bar{'s' if bars > 1 else ''}. "
            "Expected the Groove MIDI Dataset with its info.csv."
        )
    return phrases


def read_table(path: Path, columns: set[str]) -> list[dict[str, str]]:
    """Read a CSV with a header. Raises InputError if it is missing or lacks one of `columns`."""
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
    except FileNotFoundError as error:
        raise InputError(f"no file {path}. Give the folder that holds it.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a UTF-8 table ({error}).") from error
    missing = columns - set(rows[0] if rows else [])
    if missing:
        raise InputError(f"{path} has no column {', '.join(sorted(missing))}, or no rows.")
    return rows
