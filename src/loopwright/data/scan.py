"""Find the audio files of a folder: in a fixed order, without loading the list, whatever the links look like."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loopwright.audio.io import AUDIO_SUFFIXES
from loopwright.errors import InputError

IGNORED_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN"})


@dataclass(frozen=True)
class FoundFile:
    """An audio file: where it is, its printable name relative to the folder searched, and its state when found."""

    path: Path
    name: str
    size: int
    mtime_ns: int


def printable(path: str) -> str:
    """A path as text that can be written as UTF-8: bytes that are not UTF-8 become `\\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def find_audio(folder: Path) -> Iterator[FoundFile]:
    """Every audio file under `folder`, sorted within each folder, files before subfolders. Memory: one folder's names.

    Links are followed, but no real folder is entered twice, so a link to a parent ends nothing and doubles nothing.
    Hidden files (also macOS's `._name.wav` shadows) are passed over. Raises InputError if the folder cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder. Give a folder that holds audio files.")
    try:
        os.listdir(folder)  # noqa: PTH208  (a test of permission; Path.iterdir is lazy)
    except OSError as error:
        raise InputError(f"cannot read the folder {folder}: {error.strerror}.") from error
    yield from _walk(str(folder), "", set())


def _walk(folder: str, prefix: str, seen: set[tuple[int, int]]) -> Iterator[FoundFile]:
    try:
        stat = os.stat(folder)  # noqa: PTH116
        if (stat.st_dev, stat.st_ino) in seen:
            return
        seen.add((stat.st_dev, stat.st_ino))
        with os.scandir(folder) as entries:
            listing = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError:  # vanished or unreadable below the top: the rest is still worth having
        return
    subfolders: list[str] = []
    for entry in listing:
        if entry.name.startswith("."):
            continue
        try:
            if entry.is_dir():
                if entry.name not in IGNORED_FOLDERS:
                    subfolders.append(entry.name)
            elif entry.is_file() and os.path.splitext(entry.name)[1].lower() in AUDIO_SUFFIXES:  # noqa: PTH122
                state = entry.stat()
                yield FoundFile(Path(entry.path), prefix + printable(entry.name), state.st_size, state.st_mtime_ns)
        except OSError:  # a link whose own target loops
            continue
    del listing
    for name in subfolders:
        yield from _walk(os.path.join(folder, name), f"{prefix}{printable(name)}/", seen)  # noqa: PTH118
