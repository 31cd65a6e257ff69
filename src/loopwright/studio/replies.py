"""Parts of answers: the page's files, what a browser may keep, names of downloads, and who asks."""

from __future__ import annotations

import hashlib
import importlib.resources
import mimetypes

from starlette.requests import Request
from starlette.responses import Response


def static_files() -> dict[str, tuple[bytes, str, str]]:
    """The page's files, read once: name -> (bytes, media type, ETag). What is not in here does not exist."""
    out = {}
    root = importlib.resources.files("loopwright.studio") / "static"
    for item in root.iterdir():
        body = item.read_bytes()
        kind = mimetypes.guess_type(item.name)[0] or "application/octet-stream"
        out[item.name] = (body, "text/javascript" if item.name.endswith(".js") else kind, f'"{hashlib.md5(body).hexdigest()}"')
    return out


def cached(request: Request, body: bytes, kind: str, etag: str, **headers: str) -> Response:
    """A response that the browser keeps and asks about: 304 if it has this one."""
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    common = {"etag": etag, "cache-control": "no-cache", **headers}
    if etag in known:
        return Response(status_code=304, headers=common)
    return Response(body, media_type=kind, headers=common)


def client_of(request: Request) -> str:
    """Whose turn a job takes: the page's own id where it sends one, else the address."""
    name = request.headers.get("x-loopwright-client", "")[:40]
    return name if name.isalnum() else (request.client.host if request.client else "unknown")


def attachment(name: str) -> str:
    """Content-Disposition of a file to keep."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name)
    return f'attachment; filename="{plain}"'
