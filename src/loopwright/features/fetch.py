"""Download of weight files: resumed where it was cut, verified by checksum, in place only when whole.

The part that has arrived lies beside the target as `NAME.part`, with `NAME.part.json` saying which version of which
address it is of; the server is asked to go on only if that is still so (`If-Range`).
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loopwright.errors import WeightsError
from loopwright.files import sha256_of, write_json

BLOCK = 1 << 16
Progress = Callable[[int, int], None]  # bytes so far, bytes in all (0: unknown)


def download(
    url: str,
    target: Path,
    *,
    sha256: str = "",
    size: int = 0,
    attempts: int = 5,
    timeout_s: float = 30.0,
    wait_s: float = 1.0,
    progress: Progress | None = None,
) -> Path:
    """Download `url` to `target`.

    Args:
        url: http, https or file address.
        target: the file; its folder is made if missing.
        sha256: expected checksum; "" where none is known.
        size: expected bytes; 0 where unknown.
        attempts: how often to ask again after a cut, a silence of `timeout_s` or a server's fault.
        timeout_s: longest silence.
        wait_s: pause before the second attempt; doubled each time.
        progress: called as bytes arrive.

    Raises WeightsError if the address does not answer, refuses, or sends something else than expected. What has arrived
    stays for the next call, except if the checksum is wrong.
    """
    target = Path(target)
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(f"cannot write to {target.parent} ({error.strerror}). Choose another folder.") from error
    problem = ""
    for attempt in range(attempts):
        if attempt:
            time.sleep(wait_s * 2 ** (attempt - 1))
        try:
            _fetch(url, part, timeout_s, progress)
            break
        except urllib.error.HTTPError as error:
            problem = f"the server answers {error.code} {error.reason}"
            if error.code == 416:  # what we have is no beginning of what it has
                _forget(part)
            elif error.code < 500 and error.code != 429:
                raise WeightsError(f"cannot fetch {url}: {problem}. Get the file by hand and use `features import`.") from error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        except OSError as error:
            raise WeightsError(f"cannot write {part} ({error.strerror or error}). Free some space.") from error
    else:
        raise WeightsError(
            f"cannot fetch {url}: {problem} ({attempts} attempts). What has arrived is kept: run the same command again, "
            "or get the file by hand and use `loopwright features import FILE`."
        )
    got = part.stat().st_size
    if size and got != size:
        _forget(part)
        raise WeightsError(f"{url} sent {got} bytes, {size} were expected. The file there has changed; nothing was kept.")
    if sha256 and (found := sha256_of(part)) != sha256:
        _forget(part)
        raise WeightsError(
            f"{url} has checksum {found}, expected {sha256}. The file there has changed or is forged; nothing was kept."
        )
    part.replace(target)
    _forget(part)
    return target


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _version(part: Path, url: str) -> str:
    """The tag or date of the version that `part` is the beginning of; "" if it is of no use."""
    try:
        note: dict[str, Any] = json.loads(_note(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(note.get("version", "")) if note.get("url") == url and part.exists() else ""


def _fetch(url: str, part: Path, timeout_s: float, progress: Progress | None) -> None:
    """One attempt. Raises what urllib raises, and ConnectionError if the answer ends early."""
    version = _version(part, url)
    have = part.stat().st_size if version else 0
    request = urllib.request.Request(url, headers={"User-Agent": "loopwright", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", version)
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        goes_on = getattr(answer, "status", 200) == 206
        if not goes_on:
            have = 0
            headers = answer.headers
            tag = headers.get("ETag", "")
            strong = "" if tag.startswith("W/") else tag
            write_json(_note(part), {"url": url, "version": strong or headers.get("Last-Modified", "")})
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length is not None else 0
        with part.open("ab" if goes_on else "wb") as handle:
            while block := answer.read(BLOCK):
                handle.write(block)
                have += len(block)
                if progress is not None:
                    progress(have, total)
    if total and have < total:
        raise ConnectionError(f"the connection was cut after {have} of {total} bytes")
