"""One process at a time on one output: an advisory lock that the system lets go of when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from loopwright.errors import BusyError, InputError

LOCK_FILE = ".lock"


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the lock of an output folder, which is made if missing. Raises BusyError if another process holds it."""
    path = folder / LOCK_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+")
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}. Choose a folder you may write to.") from error
    with handle:
        try:
            if sys.platform == "win32":  # pragma: no cover
                import msvcrt

                msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            holder = handle.read(20).strip() or "unknown"
            raise BusyError(
                f"another process (number {holder}) is preparing into {folder}. Wait for it, or choose another folder."
            ) from error
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
