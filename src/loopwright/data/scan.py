"""Find the audio files of a folder: in a fixed order, without loading the list, whatever the links look like."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loopwright.audio.io import AUDIO_SUFFIXES
from loopwright.errors import InputError

IGNORED_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN"})

# What producers have and this program does not read, by what to do about it
_OTHER_FORMATS = {
    "convert to WAV or FLAC, e.g. with ffmpeg": ".m4a .m4b .m4r .mp4 .aac .wma .asf .ape .wv .tta .tak .ac3 .dts .ra .rm .amr"
    " .3gp .webm .mka .mp2 .mpc .spx .dsf .dff .alac .mov .voc .iff .8svx .svx .sd2 .sds",
    "export the loops as WAV from a program that reads them": ".rx2 .rex .rcy .rmx .akp .nki .nkx .nkm .ncw .exs .sf2 .sfz"
    " .sfark .gig .dls .xrni .pat .pgm .xpm .adg .adv .alp .ksd .kgrp .s1000 .s3000 .sxt",
    "they hold notes, not sound: render them to WAV": ".mid .midi .kar .mod .xm .it .s3m",
    "unpack it": ".zip .rar .7z .tar .gz .tgz .bz2 .xz .iso .dmg .nrg .sit .sitx",
}
OTHER_FORMATS = {what: frozenset(suffixes.split()) for what, suffixes in _OTHER_FORMATS.items()}
_OTHER = frozenset().union(*OTHER_FORMATS.values())
_MAGIC = (b"RIFF", b"RF64", b"BW64", b"FORM", b"OggS", b"fLaC", b"caff")


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


class Passed:
    """Files that were not taken, counted by what they are: what a user may have thought was read."""

    def __init__(self) -> None:
        self.formats: Counter[str] = Counter()  # audio in formats that are not read, by suffix
        self.no_files = 0  # pipes, devices, links to nothing, with an audio file's name
        self.folders = 0  # that could not be read

    def lines(self) -> list[str]:
        """A line for each kind, with what to do."""
        out = []
        for what, suffixes in OTHER_FORMATS.items():
            found = {suffix: self.formats[suffix] for suffix in suffixes if self.formats[suffix]}
            if found:
                count = sum(found.values())
                names = ", ".join(sorted(found))
                out.append(f"{count} file{'s' * (count != 1)} of other formats passed over: {names} ({what})")
        if self.no_files:
            out.append(f"{self.no_files} entr{'ies' if self.no_files != 1 else 'y'} with audio names passed over: no files")
        if self.folders:
            out.append(f"{self.folders} folder{'s' * (self.folders != 1)} could not be read: look at the permissions")
        return out


def find_audio(folder: Path, passed: Passed | None = None) -> Iterator[FoundFile]:
    """Every audio file under `folder`, sorted within each folder, files before subfolders. Memory: one folder's names.

    Links are followed, but no real folder is entered twice, so a link to a parent ends nothing and doubles nothing.
    A file without any suffix is looked into: old Macs wrote none. Hidden files (also macOS's `._name.wav` shadows) are passed
    over; audio that is not read is counted in `passed`. Raises InputError if the folder cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder. Give a folder that holds audio files.")
    try:
        os.listdir(folder)  # noqa: PTH208  (a test of permission; Path.iterdir is lazy)
    except OSError as error:
        raise InputError(f"cannot read the folder {folder}: {error.strerror}.") from error
    yield from _walk(str(folder), "", set(), passed or Passed())


def suffix_of(name: str) -> str:
    """A name's suffix in lower case; "" if it has none. The end of "loop 92.5bpm" is no suffix."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
    return suffix if re.fullmatch(r"\.[a-z][a-z0-9]{0,5}|\.3gp|\.7z|\.8svx", suffix) else ""


def _is_audio(entry: os.DirEntry[str]) -> bool:
    """Whether a file begins as audio files do."""
    if not entry.is_file() or entry.stat().st_size < 44:
        return False
    with open(entry.path, "rb") as handle:  # noqa: PTH123
        head = handle.read(12)
    return head[:4] in _MAGIC and (head[:4] != b"FORM" or head[8:11] == b"AIF") and (head[:4] != b"RIFF" or head[8:] == b"WAVE")


def _walk(folder: str, prefix: str, seen: set[tuple[int, int]], passed: Passed) -> Iterator[FoundFile]:
    try:
        stat = os.stat(folder)  # noqa: PTH116
        if (stat.st_dev, stat.st_ino) in seen:
            return
        seen.add((stat.st_dev, stat.st_ino))
        with os.scandir(folder) as entries:
            listing = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError:  # vanished or unreadable below the top: the rest is still worth having
        passed.folders += 1
        return
    subfolders: list[str] = []
    for entry in listing:
        if entry.name.startswith("."):
            continue
        try:
            if entry.is_dir():
                if entry.name not in IGNORED_FOLDERS:
                    subfolders.append(entry.name)
                continue
            suffix = suffix_of(entry.name)
            if suffix in AUDIO_SUFFIXES or (not suffix and _is_audio(entry)):
                if not entry.is_file():
                    passed.no_files += 1
                    continue
                state = entry.stat()
                yield FoundFile(Path(entry.path), prefix + printable(entry.name), state.st_size, state.st_mtime_ns)
            elif suffix in _OTHER:
                passed.formats[suffix] += 1
        except OSError:  # a link whose own target loops
            passed.no_files += suffix_of(entry.name) in AUDIO_SUFFIXES
    del listing
    for name in subfolders:
        yield from _walk(os.path.join(folder, name), f"{prefix}{printable(name)}/", seen, passed)  # noqa: PTH118
