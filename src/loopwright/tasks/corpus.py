"""Make a corpus: drums from human performances and one-shots, synth loops, or the demo that needs nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from loopwright.corpus.demo import render_demo
from loopwright.corpus.drums import DrumRenderer
from loopwright.corpus.folder import write_corpus
from loopwright.corpus.groove import read_groove
from loopwright.corpus.kits import OneShots
from loopwright.corpus.plan import plan_drums
from loopwright.corpus.sources import Sources
from loopwright.corpus.synths import SynthRenderer

Progress = Callable[[str, int, int], None]


def _under(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    return (lambda done, total: progress(what, done, total)) if progress else None


def make_drums(
    groove: Path,
    oneshots: Path,
    out: Path,
    *,
    n: int = 15_000,
    seed: int = 0,
    bars: int = 1,
    workers: int = 1,
    progress: Progress | None = None,
    on_skip: Callable[[str], None] | None = None,
) -> int:
    """Render n drum loops of `bars` bars into `out` (WAVs, events.jsonl and loops.csv); run again to continue.

    Returns how many were rendered now. `on_skip` gets a line for each performance that cannot be read.
    Raises InputError or BusyError.
    """
    library = OneShots(oneshots)  # fail before the slow part if a one-shot is missing or broken
    assert library.samples
    phrases = read_groove(groove, bars=bars, on_skip=on_skip, on_progress=_under(progress, "reading performances"))
    plan = plan_drums(phrases, n, seed, bars)
    settings = {"corpus": "drums", "n": n, "seed": seed, "bars": bars}
    make = partial(DrumRenderer, plan, Path(oneshots), seed, bars)
    return write_corpus(make, n, out, settings, workers=workers, on_progress=_under(progress, "rendering drums"))


def make_demo(out: Path, *, n: int = 360, seed: int = 0, workers: int = 1, progress: Progress | None = None) -> Path:
    """Render n demo loops into `out`, made by DSP alone. Raises InputError or BusyError."""
    return render_demo(out, n, seed, workers=workers, on_progress=_under(progress, "rendering demo"))


def make_synth(
    waveforms: Path,
    tonal: Path,
    chords: Path,
    out: Path,
    *,
    n: int = 10_000,
    seed: int = 0,
    bars: int = 1,
    workers: int = 1,
    progress: Progress | None = None,
) -> int:
    """Render n synth loops of `bars` bars into `out`; run again to continue. Returns how many were rendered now.

    Raises InputError or BusyError.
    """
    Sources(waveforms, tonal, chords)  # fail here, not in a worker
    settings = {"corpus": "synth", "n": n, "seed": seed, "bars": bars}
    make = partial(SynthRenderer, n, waveforms, tonal, chords, seed, bars)
    return write_corpus(make, n, out, settings, workers=workers, on_progress=_under(progress, "rendering synths"))
