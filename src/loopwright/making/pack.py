"""Packs: folders of loops with names, metadata, a manifest and a licence. Written, generated, or gathered from files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.audio.io import read_audio
from loopwright.audio.keys import parse_key
from loopwright.audio.wavmeta import read_chunks
from loopwright.errors import InputError
from loopwright.files import write_json, write_text
from loopwright.making.engines import load
from loopwright.making.loop import Loop
from loopwright.making.picture import loop_sheet
from loopwright.metrics.music import musical_features

IN_TUNE = 0.5  # concentration of partials on a semitone grid from which a tuning means something
DEFAULT_LICENCE = """These loops were made by loopwright. Their maker claims no rights in them: use them in any work, for any
purpose, as under CC0 1.0 (https://creativecommons.org/publicdomain/zero/1.0/). The model that made them has a card.
"""


def licence_text(entries: Iterable[Mapping[str, Any]]) -> str:
    """What a pack's LICENSE.txt says: CC0, and whom to name for the music that its loops play (`credits` of their entries)."""
    credits = sorted({str(credit) for entry in entries for credit in entry.get("credits", ())})
    if not credits:
        return DEFAULT_LICENCE
    named = "".join(f"* {credit}\n" for credit in credits)
    return f"{DEFAULT_LICENCE}\nWhat they play is taken from music whose licences ask you to name its makers:\n{named}"


def next_free(path: Path) -> Path:
    """`PACK`, or the first of `PACK-2`, `PACK-3`, ... that does not exist."""
    number = 2
    free = path
    while free.exists():
        free = path.with_name(f"{path.name}-{number}")
        number += 1
    return free


def write_pack(
    loops: Iterable[Loop],
    out: Path,
    *,
    facts: dict[str, Any],
    force: bool = False,
    midi: bool = False,
    on_loop: Callable[[Path, Loop], None] | None = None,
) -> Path:
    """Write `out/Loops/*.wav`, `out/manifest.json` and `out/LICENSE.txt`; the folder appears when all of it is there.

    Args:
        loops: in order; may be a generator.
        out: the pack's folder.
        facts: what the manifest says of the whole pack.
        force: replace an existing folder.
        midi: write what each loop plays as a MIDI file beside it.
        on_loop: called with each file's final path and its loop when it is written.

    Raises InputError if `out` exists (without `force`) or cannot be written, or with `midi` for a loop whose notes are not
    known; nothing is left half-written.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, not a folder. Choose another name with -o.")
    if out.exists() and any(out.iterdir()) and not force:
        raise InputError(f"{out} exists already. Pass --force to replace it, or use -o {next_free(out)}.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
    except OSError as error:
        raise InputError(f"cannot write to {out.parent} ({error.strerror}). Choose another folder with -o.") from error
    try:
        entries = []
        for loop in loops:
            path = loop.save(temporary / "Loops" / f"{loop.name}.wav")
            seam = loop.seam()["click_ratio"]
            entry = {"file": f"Loops/{path.name}", "bpm": round(loop.bpm, 6), "beats": loop.beats, "rate_hz": loop.rate_hz}
            if midi:
                entry["midi"] = f"Loops/{loop.save_midi(path.with_suffix('.mid')).name}"
            entry |= {"samples": len(loop.samples), "seam_click_ratio": round(seam, 4), **musical_facts(loop)}
            entries.append(entry | loop.info)
            if on_loop is not None:
                on_loop(out / "Loops" / path.name, loop)
        write_json(temporary / "manifest.json", {"software": f"loopwright {version('loopwright')}", **facts, "loops": entries})
        write_text(temporary / "LICENSE.txt", licence_text(entries))
        temporary.chmod(0o755)
        if out.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
            out.replace(old / "pack")
            temporary.replace(out)
            shutil.rmtree(old)
        else:
            temporary.replace(out)
    except OSError as error:
        raise InputError(f"cannot write {out} ({error.strerror}). Free some space or choose another folder.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out


def musical_facts(loop: Loop) -> dict[str, float]:
    """What a manifest says of a loop's sound: level, sharpness of its attacks and, if its partials sit on a grid, its tuning.

    `level_db`: RMS in dB of full scale. `attack_db`: median rise of the level within 5 ms at the attacks. `tuning_cents`: where
    the semitone grid of its partials lies from A440; left out for drums and noise, which have none. Figures that do not apply
    are left out.
    """
    found = musical_features(loop.samples[None], loop.rate_hz, max(1, loop.beats // 4))
    facts = {"level_db": found.level_db[0], "attack_db": found.attack_db[0]}
    if found.tuning_r[0] >= IN_TUNE:
        facts["tuning_cents"] = found.tuning_offset[0]
    return {key: round(float(value), 2) for key, value in facts.items() if np.isfinite(value)}


def generate_pack(
    model: str,
    out: Path,
    *,
    seeds: list[int],
    bpm: float = 120.0,
    bars: int | None = None,
    truncation: float = 1.0,
    style: str | None = None,
    rate_hz: int = 44_100,
    vocoder: str | None = None,
    device: str = "cpu",
    engine: str = "auto",
    force: bool = False,
    sheet: Path | None = None,
    key: str | None = None,
    midi: Path | None = None,
    midi_out: bool = False,
    on_loop: Callable[[Path, Loop], None] | None = None,
) -> Path:
    """Generate loops with a model and write them as a pack; optionally a PNG sheet of their spectrograms.

    Args:
        model: name or file; the rest as of `Model.stream` and `write_pack`.
        key: that notes are brought to, such as "Amin".
        midi: a MIDI file that all loops play. Its bars are taken where `bars` is None.
        midi_out: write what each loop plays as a MIDI file beside it.
    """
    loaded = load(model, vocoder=vocoder, device=device, engine=engine)
    clip = None if midi is None else loaded.clip_from_midi(midi, bars=bars)
    bars = bars or (1 if clip is None else clip.bars)
    made: list[Loop] = []

    def keep(path: Path, loop: Loop) -> None:
        made.append(loop)
        if on_loop is not None:
            on_loop(path, loop)

    if midi_out and not loaded.speaker.plays:
        raise InputError(f"model '{loaded.name}' draws its loops whole: it knows no notes to write. Leave --midi-out out.")
    settings: dict[str, Any] = {"bpm": bpm, "bars": bars, "truncation": truncation, "style": style, "rate_hz": rate_hz}
    loops = loaded.stream(seeds, **settings, pack=pack_word(out), key=key, clip=clip)
    facts: dict[str, Any] = {"model": loaded.name, "bpm": bpm, "bars": bars, "truncation": truncation}
    facts |= {"vocoder": loaded.vocoder_name, **({"key": parse_key(key).name} if key else {})}
    facts |= {"plays": midi.name} if midi is not None else {}
    result = write_pack(loops, out, facts=facts, force=force, midi=midi_out, on_loop=keep if sheet else on_loop)
    if sheet is not None:
        loop_sheet(sheet, made)
    return result


def pack_word(out: Path) -> str:
    """The pack's folder name as one word for file names; digits go, since numbers in a name mean the tempo."""
    return "".join(c for c in Path(out).name if c.isalpha()) or "Pack"


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
