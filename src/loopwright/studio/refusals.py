"""What goes wrong, as an answer: a status and one or two sentences in JSON."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from loopwright.errors import LoopwrightError
from loopwright.studio.jobs import QueueFullError


async def on_http_error(_: Request, error: Exception) -> Response:
    """404 and the like as JSON."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)


async def on_bad_value(_: Request, error: Exception) -> Response:
    """A wish that does not fit: which field, and why."""
    assert isinstance(error, ValidationError)
    parts = []
    for found in error.errors(include_url=False, include_context=False)[:4]:
        where = ".".join(str(part) for part in found["loc"])
        parts.append(f"{where}: {found['msg']}" if where else str(found["msg"]))
    return JSONResponse({"error": "; ".join(parts)}, status_code=422)


async def on_our_error(_: Request, error: Exception) -> Response:
    """What a user can act on."""
    return JSONResponse({"error": str(error)}, status_code=422)


async def on_full(_: Request, error: Exception) -> Response:
    """No room in the queue: 503 if it is full for everyone, 429 if this client has its share."""
    assert isinstance(error, QueueFullError)
    text = "the studio has its hands full" if error.everyone else "you have as many jobs waiting as one may have"
    return JSONResponse(
        {"error": f"{text}. Try again in {error.retry_after_s} s."},
        status_code=503 if error.everyone else 429,
        headers={"retry-after": str(error.retry_after_s)},
    )


HANDLERS: dict[int | type[Exception], Any] = {
    HTTPException: on_http_error,
    ValidationError: on_bad_value,
    LoopwrightError: on_our_error,
    QueueFullError: on_full,
}
