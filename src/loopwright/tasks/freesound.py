"""The Freesound Loop Dataset, from its released archives to a folder of loops: licences chosen, credits kept.

Released are (Zenodo 3967852) FSL10K.zip, with the sounds and metadata.json, and annotations.zip. Both are read as they are;
only sounds under the licences wanted are unpacked.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from loopwright.audio.io import AUDIO_SUFFIXES
from loopwright.data.facts import CORPUS_TABLE, Facts
from loopwright.data.freesound import read_sounds, sound_id
from loopwright.data.licences import allowed, licence_family
from loopwright.errors import InputError
from loopwright.files import atomic_path, locked, write_text

Progress = Callable[[str, int, int], None]
COLUMNS = ("file", "bpm", "beats_per_bar", "key", "kind", "style", "source", "licence", "attribution", "discard")
CREDITS_FILE = "CREDITS.md"
_MOST_BYTES = 1 << 30  # of one sound
_LINKS = {"cc0": "https://creativecommons.org/publicdomain/zero/1.0/"}


@dataclass
class Unpacked:
    """What became of the data set's sounds."""

    files: int = 0
    made: int = 0  # now; the others were there already
    licences: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)  # of sounds not taken
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Member:
    """A file in an archive or a folder."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _members(source: Path, stack: ExitStack) -> Iterator[_Member]:
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield _Member(path.relative_to(source).as_posix(), path.stat().st_size, partial(_open, path))
        return
    try:
        archive = stack.enter_context(zipfile.ZipFile(source))
        infos = archive.infolist()
    except FileNotFoundError as error:
        raise InputError(f"no file {source}. Get FSL10K.zip from https://zenodo.org/records/3967852.") from error
    except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
        raise InputError(f"{source} is no whole ZIP archive ({error}). Get it again.") from error
    for info in infos:
        hidden = any(part == "__MACOSX" or part.startswith("._") for part in PurePosixPath(info.filename).parts)
        if not info.is_dir() and not hidden:
            yield _Member(info.filename, info.file_size, partial(archive.open, info))


def unpack_freesound(
    sources: Sequence[Path],
    out: Path,
    *,
    licences: tuple[str, ...],
    limit: int | None = None,
    progress: Progress | None = None,
) -> Unpacked:
    """Write the sounds under the licences wanted to `out`: wav/, loops.csv and CREDITS.md. Run again to continue.

    Args:
        sources: FSL10K.zip and annotations.zip, or folders that they were unpacked to.
        out: folder to write.
        licences: families as `--licence` takes them; empty takes all.
        limit: take the first sounds only.
        progress: called with (what, done, of).

    Raises InputError if an archive is damaged, metadata.json is missing, or nothing is left; BusyError.
    """
    with ExitStack() as stack, locked(out, "unpacking into"):
        members = [member for source in sources for member in _members(Path(source), stack)]
        result = Unpacked()
        facts = _facts(members, result)
        sounds = _sounds(members)
        chosen: list[tuple[str, _Member]] = []
        for ident in sorted(facts, key=lambda ident: (len(ident), ident)):
            reason = allowed(facts[ident].licence, licences) or facts[ident].discard
            if not reason and ident not in sounds:
                reason = "its sound is not in the archive"
            if reason:
                result.reasons[reason] += 1
            elif limit is None or len(chosen) < limit:
                chosen.append((ident, sounds[ident]))
        strangers = len(set(sounds) - set(facts))
        if strangers:
            result.reasons["not named in metadata.json, so without a licence"] += strangers
        rows: list[tuple[str, Facts]] = []
        for done, (ident, member) in enumerate(chosen, 1):
            name = f"wav/{_file_name(ident, facts[ident], member)}"
            try:
                result.made += _copy(member, out / name)
            except InputError:
                raise
            except Exception as error:  # one sound's damage is one sound's
                result.reasons["cannot be unpacked"] += 1
                result.said.append(f"{member.name}: cannot be unpacked ({error or type(error).__name__})")
                continue
            rows.append((name, facts[ident]))
            result.licences[facts[ident].licence] += 1
            if progress is not None:
                progress("unpacking", done, len(chosen))
        result.files = len(rows)
        if not rows:
            why = ", ".join(f"{count} {reason}" for reason, count in result.reasons.most_common(3))
            raise InputError(f"no sound of {sources[0]} can be used: {why or 'it names none'}.")
        _write_table(out / CORPUS_TABLE, rows)
        _write_credits(out / CREDITS_FILE, rows)
        return result


def _facts(members: Sequence[_Member], result: Unpacked) -> dict[str, Facts]:
    """Facts by sound id, from metadata.json and the annotations wherever they lie in the archives."""
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch)
        found = False
        for member in members:
            path = PurePosixPath(member.name)
            if path.name == "metadata.json" and not found:
                target, found = top / "metadata.json", True
            elif path.suffix == ".json" and path.name.startswith("sound-"):
                target = top / "annotations" / (re.sub(r"\W", "_", path.parent.name) or "one") / path.name
            else:
                continue
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with member.open() as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
            except Exception as error:
                result.said.append(f"{member.name}: cannot be unpacked ({error or type(error).__name__})")
        if not found:
            raise InputError("no metadata.json in what was given: give FSL10K.zip, or the folder it was unpacked to.")
        facts, said = read_sounds(top)
        result.said += said
        if not (top / "annotations").is_dir():
            result.said.append("no annotations: give annotations.zip too, for tempi, keys and instruments that people heard")
        return facts


def _sounds(members: Sequence[_Member]) -> dict[str, _Member]:
    """Audio by sound id; of several the first one as WAV."""
    out: dict[str, _Member] = {}
    for member in members:
        path = PurePosixPath(member.name)
        ident = sound_id(path.name)
        if not ident or path.suffix.lower() not in AUDIO_SUFFIXES:
            continue
        there = out.get(ident)
        if there is None or (path.suffix.lower() == ".wav" != PurePosixPath(there.name).suffix.lower()):
            out[ident] = member
    return out


def _file_name(ident: str, facts: Facts, member: _Member) -> str:
    """The sound's id and the name its author gave it, which may hold its tempo: "fs0000043 drumloop 120bpm.wav"."""
    title = facts.attribution.rpartition(" by ")[0]
    title = re.sub(r"\.(wav|aiff?|flac|ogg|mp3)$", "", title, flags=re.I)
    title = re.sub(r"[^A-Za-z0-9#._ -]+", " ", title)[:60].strip(" .")
    suffix = PurePosixPath(member.name).suffix.lower()
    return f"fs{int(ident):07d}{' ' + title if title else ''}{suffix}"


def _copy(member: _Member, target: Path) -> bool:
    """Unpack a file; False if it is there already."""
    if target.is_file() and target.stat().st_size == member.size:
        return False
    if member.size > _MOST_BYTES:
        raise ValueError(f"{member.size >> 20} MB")
    with member.open() as source, atomic_path(target) as temporary, temporary.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    return True


def _write_table(path: Path, rows: Sequence[tuple[str, Facts]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, facts in rows:
        values = (getattr(facts, column) for column in COLUMNS[1:])
        writer.writerow([name, *("" if value is None else value for value in values)])
    write_text(path, text.getvalue())


def _write_credits(path: Path, rows: Sequence[tuple[str, Facts]]) -> None:
    """Who made what, under which licence, as CC BY asks: authors in order, their sounds, and where they are."""
    by_author: dict[str, list[tuple[str, Facts]]] = {}
    for name, facts in rows:
        by_author.setdefault(facts.source.partition(":")[2] or "unknown", []).append((name, facts))
    lines = [
        "# Credits",
        "",
        "Sounds from freesound.org, as in the Freesound Loop Dataset (Ramires et al., ISMIR 2020, zenodo.org/records/3967852).",
    ]
    for author in sorted(by_author, key=str.casefold):
        lines += ["", f"## {author}", ""]
        for name, facts in by_author[author]:
            ident = int(re.findall(r"\d+", PurePosixPath(name).name)[0])
            title = facts.attribution.rpartition(" by ")[0] or name
            link = _LINKS.get(licence_family(facts.licence), "")
            lines.append(
                f"* {title}: {facts.licence or 'no licence stated'}{' (' + link + ')' if link else ''}, "
                f"https://freesound.org/s/{ident}/"
            )
    write_text(path, "\n".join(lines) + "\n")
