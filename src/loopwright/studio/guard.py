"""Who may talk to the studio: this machine's own pages and programs, not other sites through the user's browser.

Three dangers of a server on loopback: another site's page posts to it (cross-site request), a name that an attacker owns is
pointed at 127.0.0.1 (DNS rebinding), and a body without end. Each is refused before a handler sees the request.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON_LIMIT = 64_000
UPLOAD_LIMIT = 32_000_000
SAFE = ("GET", "HEAD")
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Guard:
    """ASGI middleware.

    Args:
        app: what is guarded.
        names: host names that are served beside localhost.
        any_address: serve every IP address literal: for a studio that listens to the network. A literal cannot be
            rebound, only a name can.
    """

    def __init__(self, app: ASGIApp, *, names: Iterable[str] = (), any_address: bool = False) -> None:
        self.app = app
        self.names = {"localhost", *(name.lower() for name in names)}
        self.any_address = any_address

    def _host_is_ours(self, host: str) -> bool:
        name = host.rsplit(":", 1)[0] if host.rpartition(":")[2].isdigit() else host
        name = name.strip("[]").lower()
        if name in self.names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.any_address or address.is_loopback

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if not self._host_is_ours(host):
            return 421, f"this studio does not answer to the name '{host[:80]}'."
        site = headers.get("sec-fetch-site", "none")
        api = scope["path"].startswith("/api/")
        if scope["method"] not in SAFE or api:
            origin = headers.get("origin")
            if site not in ("same-origin", "none") or (origin is not None and origin != f"{scope['scheme']}://{host}"):
                return 403, "requests from other sites are refused."
        if scope["method"] not in SAFE:
            upload = scope["path"] == "/api/uploads"
            kind = headers.get("content-type", "").split(";")[0].strip().lower()
            if scope["method"] != "DELETE" and kind != ("application/octet-stream" if upload else "application/json"):
                return 415, "send JSON as application/json, uploads as application/octet-stream."
            limit = UPLOAD_LIMIT if upload else JSON_LIMIT
            length = headers.get("content-length", "0")
            if not length.isdigit() or int(length) > limit:
                return 413, f"too large: the limit is {limit // 1_000_000 or limit / 1e6:g} MB."
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is not None:
            await refuse(send, *refusal)
            return
        limit = UPLOAD_LIMIT if scope["path"] == "/api/uploads" else JSON_LIMIT
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:  # a body without Content-Length
                raise BodyTooLargeError
            return message

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, bounded, with_headers)
        except BodyTooLargeError:
            await refuse(send, 413, "too large.")


class BodyTooLargeError(Exception):
    """A body went beyond the limit while it was read."""


async def refuse(send: Send, status: int, message: str) -> None:
    """Answer with an error; the connection closes, so that no body needs to be read."""
    body = json.dumps({"error": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    headers += [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
