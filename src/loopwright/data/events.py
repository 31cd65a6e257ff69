"""What plays in a loop, where it is known: `events.jsonl` beside the audio, as our corpora write it.

One line a file: `{"file": "wav/x.wav", "events": [[...], ...]}`. Drums: role, start, velocity. Notes: MIDI note, start, length,
velocity, part. Starts and lengths are in bars; starts go round the loop.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from loopwright.audio.chunks import open_regular
from loopwright.errors import InputError

Event = list[Any]
EVENTS_FILE = "events.jsonl"
LONGEST_LINE = 1 << 20  # bytes


def read_events(path: Path) -> dict[str, list[Event]]:
    """Events by file name as it stands in the file; {} if there is none. Lines that cannot be read are passed over."""
    found: dict[str, list[Event]] = {}
    try:
        with open_regular(path) as (lines, _):
            while line := lines.readline(LONGEST_LINE + 1):
                try:
                    row = json.loads(line)
                    events = [event for event in row["events"] if _sound(event)]
                    found[str(row["file"])] = events
                except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
                    continue
    except (InputError, OSError):
        return {}
    return found


def _sound(event: object) -> bool:
    """Whether an event is one of the two kinds, with finite numbers."""
    if not isinstance(event, list) or not 3 <= len(event) <= 5:
        return False
    numbers = event[1:3] if isinstance(event[0], str) else event[:4]
    return len(numbers) >= 2 and all(isinstance(x, (int, float)) and math.isfinite(x) for x in numbers)


def events_of_row(events: list[Event], first_bar: int, bars: int, total: float) -> list[Event]:
    """The events of one row of a longer loop: those that start in it, and notes that go on into it.

    Args:
        events: of the whole loop of `total` bars.
        first_bar, bars: the row.
    """
    if bars >= total:
        return events
    out: list[Event] = []
    for event in events:
        start = (float(event[1]) - first_bar) % total
        if start < bars:
            out.append([event[0], round(start, 6), *event[2:]])
        elif not isinstance(event[0], str) and (left := start + float(event[2]) - total) > 0:
            out.append([event[0], 0.0, round(left, 6), *event[3:]])
    return out
