"""Gather chosen loops, from wherever they lie, into one pack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from loopwright.audio.io import read_audio
from loopwright.audio.wavmeta import read_chunks
from loopwright.errors import InputError
from loopwright.making.loop import Loop
from loopwright.making.pack import write_pack


def read_loop(path: Path) -> Loop:
    """A loop written by loopwright, with its beats and origin from the file's own chunks. Stereo is kept out: mono only.

    Raises InputError if the file has no tempo: `loopify` gives it one.
    """
    audio = read_audio(path)
    meta = read_chunks(path)
    if not meta.beats:
        raise InputError(f"{path} does not say how many beats it has. Make it a loop first: loopwright loopify {path}")
    if audio.samples.shape[1] != 1:
        raise InputError(f"{path} has {audio.samples.shape[1]} channels; packs hold mono loops. Run loopify on it first.")
    info = {k: v for k, v in meta.comment.items() if k not in ("title", "software", "bpm", "beats", "seam_click_ratio")}
    return Loop(np.ascontiguousarray(audio.samples[:, 0]), audio.rate_hz, meta.beats, path.stem, info)


def gather(sources: Sequence[Path], out: Path, *, force: bool = False) -> Path:
    """Write a pack of the loops in `sources`: WAV files, or folders and packs of them. Same names get a letter behind them.

    Raises InputError if there is none.
    """
    files: list[Path] = []
    for source in sources:
        files += sorted(source.rglob("*.wav")) if source.is_dir() else [source]
    if not files:
        raise InputError(f"no WAV files in {', '.join(map(str, sources))}.")

    def loops() -> Iterator[Loop]:
        taken: set[str] = set()
        for path in files:
            loop = read_loop(path)
            name, letter = loop.name, ord("b")
            while name in taken:
                name, letter = f"{loop.name}-{chr(letter)}", letter + 1
            taken.add(name)
            yield Loop(loop.samples, loop.rate_hz, loop.beats, name, loop.info)

    return write_pack(loops(), out, facts={"gathered": len(files)}, force=force)
