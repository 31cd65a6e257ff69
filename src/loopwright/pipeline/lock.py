"""One process at a time on one output. The lock is the operating system's, so a killed process leaves none behind."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from loopwright.errors import BusyError


@contextlib.contextmanager
def locked(folder: Path, message: str) -> Iterator[None]:
    """Hold `folder/.lock` for the length of the block. Raises BusyError with `message` if another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BusyError(message) from error
        yield
