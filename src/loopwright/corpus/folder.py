"""A corpus on disk: a folder of WAVs, `loops.csv`, and `events.jsonl` with what is played. Never half-written.

Loops are independent of one another and depend on (settings, number) alone, so a killed run is continued by running the
same command: files that are there and of the right length are kept. `loops.csv` is written last.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile

from loopwright.arrays import Float32
from loopwright.corpus.bar import BAR_SAMPLES, CORPUS_RATE_HZ
from loopwright.errors import InputError
from loopwright.files import locked, write_json, write_text
from loopwright.settings_diff import refuse_other_settings

WAV_BYTES = 44 + 2 * BAR_SAMPLES  # of one bar
COLUMNS = ("file", "bpm", "bars", "split", "style", "kind", "kit", "key", "licence", "attribution", "source", "performer")
FORMAT = 2  # raise when the same settings and seed give other audio, so that old and new files are not mixed


Event = Sequence[str | float]


@dataclass(frozen=True)
class RenderedLoop:
    """A loop that is decided, and not yet rendered."""

    row: Mapping[str, str]  # its row in `loops.csv`, without file, bpm and bars
    events: Sequence[Event]  # drums: (role, start, velocity); synths: (midi, start, duration, velocity, part); times in bars
    render: Callable[[], Float32]  # float32 (bars * BAR_SAMPLES,)


class Renderer(Protocol):
    """Makes loops by number, each independent of the others."""

    bars: int  # length of every loop

    def __len__(self) -> int: ...

    def loop(self, number: int) -> RenderedLoop:
        """Decide loop `number`."""
        ...


def to_int16(x: Float32) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Samples in -1 .. 1 as 16-bit integers, rounded; values outside are an error of the renderer."""
    peak = float(np.abs(x).max(initial=0.0))
    assert peak <= 1.0, f"a renderer gave a peak of {peak}"
    return np.rint(x * 32767.0).astype(np.int16)


def file_name(number: int, row: Mapping[str, str], bars: int = 1) -> str:
    """Path of a loop inside the corpus: readable, unique, with the tempo in its name."""
    words = [row["style"], row["kit"], row["key"], f"{number:05d}", "120bpm", f"{bars}bars" if bars > 1 else ""]
    return "wav/" + "_".join(word for word in words if word) + ".wav"


def write_bar(path: Path, x: Float32) -> None:
    """Write a loop as a 48 kHz mono 16-bit WAV: under another name first, so that a WAV in the corpus is a whole one."""
    assert x.ndim == 1
    assert len(x) % BAR_SAMPLES == 0
    temporary = path.with_suffix(".part")
    try:
        soundfile.write(temporary, to_int16(x), CORPUS_RATE_HZ, subtype="PCM_16", format="WAV")
        temporary.replace(path)
    except (OSError, soundfile.SoundFileError) as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error}. Free some space or choose another folder, then run again.") from error


def check_settings(out: Path, settings: dict[str, Any]) -> None:
    """Write `corpus.json`, or refuse a folder that was begun with other settings. Raises InputError."""
    path = out / "corpus.json"
    settings = {"format": FORMAT, **settings}
    if path.exists():
        try:
            have = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path} is damaged ({error}). Choose an empty folder.") from error
        instead = "Choose an empty folder, or the same settings."
        refuse_other_settings(out, have, settings, instead=instead, error=InputError)
    elif any((out / "wav").iterdir()):
        raise InputError(f"{out / 'wav'} has files that no corpus.json explains. Choose an empty folder.")
    else:
        write_json(path, settings)


_worker: tuple[Renderer, Path] | None = None


def _begin(make: Callable[[], Renderer], out: Path) -> None:
    global _worker
    _worker = make(), out


def _do(number: int) -> tuple[int, dict[str, str], str, bool]:
    assert _worker is not None
    renderer, out = _worker
    loop, bars = renderer.loop(number), renderer.bars
    name = file_name(number, loop.row, bars)
    path = out / name
    fresh = not (path.exists() and path.stat().st_size == 44 + 2 * bars * BAR_SAMPLES)
    if fresh:
        write_bar(path, loop.render())
    row = {"file": name, "bpm": "120", "bars": str(bars), "performer": "", **loop.row}
    return number, row, json.dumps({"file": name, "events": loop.events}, separators=(",", ":")), fresh


def write_corpus(
    make: Callable[[], Renderer],
    n: int,
    out: Path,
    settings: dict[str, Any],
    *,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Render the n loops of `make()` into `out`, skipping those already there, then write `events.jsonl` and `loops.csv`.

    `make` is called once in each worker (it must be picklable if workers > 1). Returns how many loops were rendered now.
    Raises InputError (settings differ, cannot write), BusyError (another process is at work there).
    """
    out = Path(out)
    with locked(out, "rendering into"):
        (out / "wav").mkdir(exist_ok=True)
        check_settings(out, settings)
        rows: dict[int, dict[str, str]] = {}
        lines: dict[int, str] = {}
        rendered = 0
        with contextlib.ExitStack() as stack:
            if workers > 1:
                context = multiprocessing.get_context("spawn")  # the parent may hold threads, which do not survive a fork
                pool = stack.enter_context(context.Pool(workers, _begin, (make, out)))
                results: Iterator[tuple[int, dict[str, str], str, bool]] = pool.imap_unordered(_do, range(n), chunksize=16)
            else:
                _begin(make, out)
                results = map(_do, range(n))
            for number, row, line, fresh in results:
                rows[number], lines[number] = row, line
                rendered += fresh
                if on_progress:
                    on_progress(len(rows), n)
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows[number] for number in range(n))
        for leftover in (out / "wav").glob("*.part"):
            leftover.unlink()
        write_text(out / "events.jsonl", "".join(f"{lines[number]}\n" for number in range(n)))
        write_text(out / "loops.csv", text.getvalue())
    (out / ".lock").unlink(missing_ok=True)  # a finished corpus is loops and their table
    return rendered
