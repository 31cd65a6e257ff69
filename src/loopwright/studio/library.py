"""Loops kept on disk: a folder of WAV files, each with a picture and a description. Starred ones stay, others are recents.

What the studio shows is in here and nowhere else, so memory stays bounded and a restart loses nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.audio.io import read_audio
from loopwright.errors import InputError
from loopwright.files import atomic_path, write_json
from loopwright.making.loop import Loop
from loopwright.making.pack import licence_text
from loopwright.making.picture import picture_of

ID = re.compile(r"[0-9a-f]{20}")


@dataclass(frozen=True)
class Kept:
    """A loop in the library. `made` is seconds since 1970; `how` says what can make it again."""

    id: str
    name: str
    bpm: float
    bars: int
    samples: int
    rate_hz: int
    seam_click_ratio: float
    made: float
    starred: bool = False
    how: dict[str, Any] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    size: int = 0

    def to_json(self) -> dict[str, Any]:
        """For files and the page."""
        return dict(self.__dict__)


def id_of(how: dict[str, Any]) -> str:
    """The id of what is made this way: a hash, so that the same wish finds the same loop."""
    text = json.dumps(how, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


class Library:
    """Loops in a folder. Thread-safe. Beyond `keep` loops or `keep_bytes`, the oldest that are not starred go.

    Raises InputError if the folder cannot be used.
    """

    def __init__(self, folder: Path, *, keep: int = 500, keep_bytes: int = 400_000_000) -> None:
        self.folder, self.keep, self.keep_bytes = Path(folder), keep, keep_bytes
        self._lock = threading.RLock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot use {folder} ({error.strerror}). Choose another folder with --library.") from error
        self._kept: dict[str, Kept] = {}
        found = [kept for path in self.folder.glob("*.json") if (kept := self._read(path)) is not None]
        for kept in sorted(found, key=lambda k: k.made):
            self._kept[kept.id] = kept

    def _read(self, path: Path) -> Kept | None:
        """A description, or None if it is damaged or its audio is gone: one bad file must not keep the studio from opening."""
        try:
            kept = Kept(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        whole = kept.id == path.stem and ID.fullmatch(kept.id) and self.audio(kept.id).is_file()
        return kept if whole else None

    def audio(self, loop_id: str) -> Path:
        """Path of a loop's WAV."""
        return self._path(loop_id, ".wav")

    def picture(self, loop_id: str) -> Path:
        """Path of a loop's picture."""
        return self._path(loop_id, ".png")

    def _path(self, loop_id: str, suffix: str) -> Path:
        if not ID.fullmatch(loop_id):
            raise InputError(f"'{loop_id[:40]}' is not the id of a loop.")
        return self.folder / f"{loop_id}{suffix}"

    def get(self, loop_id: str) -> Kept:
        """Raises InputError if the loop is not (or no longer) here."""
        with self._lock:
            kept = self._kept.get(loop_id)
        if kept is None or not self.audio(loop_id).is_file():
            raise InputError(f"loop '{loop_id[:40]}' is not here any more. Make it again.")
        return kept

    def find(self, loop_id: str) -> Kept | None:
        """The loop, moved to the newest place, or None."""
        with self._lock:
            kept = self._kept.pop(loop_id, None)
            if kept is None or not self.audio(loop_id).is_file():
                return None
            self._kept[loop_id] = kept
            return kept

    def add(self, loop: Loop, how: dict[str, Any]) -> Kept:
        """Write a loop (24-bit WAV with its metadata, picture, description) and let the oldest go. Raises InputError."""
        loop_id = id_of(how)
        audio = loop.save(self.audio(loop_id))
        with atomic_path(self.picture(loop_id)) as temporary:
            temporary.write_bytes(picture_of(loop))
        kept = Kept(
            id=loop_id,
            name=loop.name,
            bpm=loop.bpm,
            bars=max(1, loop.beats // 4),
            samples=len(loop.samples),
            rate_hz=loop.rate_hz,
            seam_click_ratio=round(loop.seam()["click_ratio"], 4),
            made=time.time(),
            how=how,
            info=loop.info,
            size=audio.stat().st_size,
        )
        with self._lock:
            before = self._kept.pop(loop_id, None)
            if before is not None:
                kept = replace(kept, starred=before.starred)
            self._write(kept)
            self._let_go()
        return kept

    def _write(self, kept: Kept) -> None:
        write_json(self.folder / f"{kept.id}.json", kept.to_json())
        self._kept[kept.id] = kept

    def star(self, loop_id: str, starred: bool) -> Kept:
        """Star a loop, or take the star away. Raises InputError if it is not here."""
        with self._lock:
            kept = replace(self.get(loop_id), starred=starred)
            self._write(kept)
        return kept

    def _let_go(self) -> None:
        plain = [kept for kept in self._kept.values() if not kept.starred]
        size = sum(kept.size for kept in plain)
        for kept in plain[:-1]:  # the newest always stays
            if len(plain) <= self.keep and size <= self.keep_bytes:
                return
            plain, size = plain[1:], size - kept.size
            on_disk = self._read(self.folder / f"{kept.id}.json")
            if on_disk is not None and on_disk.starred:  # another studio on this folder starred it
                self._kept[kept.id] = on_disk
                continue
            del self._kept[kept.id]
            for suffix in (".json", ".wav", ".png"):
                (self.folder / f"{kept.id}{suffix}").unlink(missing_ok=True)

    def starred(self) -> list[Kept]:
        """Newest first."""
        with self._lock:
            return [kept for kept in reversed(self._kept.values()) if kept.starred]

    def recents(self, count: int = 48) -> list[Kept]:
        """Newest first, starred or not."""
        with self._lock:
            return list(reversed(self._kept.values()))[:count]

    def zip_of(self, loop_ids: Sequence[str], name: str = "Pack") -> bytes:
        """A pack as ZIP: `NAME/Loops/*.wav`, manifest, licence. Raises InputError for a loop that is not here."""
        out = io.BytesIO()
        entries: list[dict[str, Any]] = []
        used: set[str] = set()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # audio does not shrink
            for kept in map(self.get, dict.fromkeys(loop_ids)):
                file = kept.name if kept.name not in used else f"{kept.name}-{_letters(kept.id)}"
                used.add(file)
                archive.write(self.audio(kept.id), f"{name}/Loops/{file}.wav")
                facts = {"bpm": round(kept.bpm, 6), "beats": 4 * kept.bars, "rate_hz": kept.rate_hz, "samples": kept.samples}
                entries.append({"file": f"Loops/{file}.wav", **facts, "seam_click_ratio": kept.seam_click_ratio, **kept.info})
            manifest = {"software": f"loopwright {version('loopwright')}", "loops": entries}
            archive.writestr(f"{name}/manifest.json", json.dumps(manifest, indent=2) + "\n")
            archive.writestr(f"{name}/LICENSE.txt", licence_text(entries))
        return out.getvalue()


def _letters(loop_id: str) -> str:
    """Letters for a second file of the same name: digits in a name mean the tempo."""
    return "".join(chr(ord("a") + int(c, 16)) for c in loop_id[:4])


def audio_length_s(path: Path, max_seconds: float) -> float:
    """Length of a file that is whole, sounds, and is at most `max_seconds` long. Raises InputError otherwise."""
    audio = read_audio(path, max_seconds=max_seconds)
    if float(np.abs(audio.samples).max()) < 1e-4:
        raise InputError(f"{path} is silent. Choose a loop that sounds.")
    return audio.length_s
