"""Text files as people have them: any of the usual encodings, nothing waited for, nothing endless read."""

from __future__ import annotations

import codecs
import json
import unicodedata
from pathlib import Path
from typing import Any

from loopwright.audio.chunks import open_regular
from loopwright.errors import InputError

MOST_BYTES = 64 << 20  # of a table or of metadata; more is no table
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_text(path: Path) -> str:
    """A text file as UTF-8, UTF-16 or UTF-32 (by its mark, or by its zeros), else as Windows' Latin.

    Raises InputError if it cannot be read, is no regular file, or is too large to be a table.
    """
    with open_regular(path) as (handle, length):
        if length > MOST_BYTES:
            raise InputError(f"{path} is too large to be read as a table ({length >> 20} MB).")
        try:
            data = handle.read(MOST_BYTES)
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}.") from error
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    for encoding, zeros in (("utf-16-le", data[1:400:2]), ("utf-16-be", data[:400:2])):
        if len(data) >= 4 and zeros.count(0) > 0.7 * len(zeros):
            return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def read_json(path: Path) -> Any:
    """A JSON file. Raises InputError if it cannot be read as one, whatever it does to the reader."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError, MemoryError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"cannot read {path} as JSON ({reason}).") from error


def clean(text: object, most: int = 1000) -> str:
    """A value as text that can be written: no lone surrogates, no line breaks or controls, not endless."""
    plain = str(text)[:most].encode("utf-8", "replace").decode("utf-8")
    return "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in plain).strip()


def same_name(name: str) -> str:
    """One form of a file's name, however it is composed, cased and separated."""
    name = unicodedata.normalize("NFC", name.strip().replace("\\", "/").removeprefix("./"))
    return unicodedata.normalize("NFC", name.casefold())
