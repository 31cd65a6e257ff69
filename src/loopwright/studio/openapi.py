"""The rows of the studio's table of routes, and their description as OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """A row of the table."""

    method: str
    path: str
    handler: Handler
    summary: str
    body: Any = None  # JSON schema of the request's body, or "binary"
    gives: str = "application/json"
    query: tuple[str, ...] = ()


def describe(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """OpenAPI 3.1 of the table."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for endpoint in endpoints:
        names = [part[1:-1] for part in endpoint.path.split("/") if part.startswith("{")]
        text = {"type": "string"}
        operation: dict[str, Any] = {
            "summary": endpoint.summary,
            "operationId": endpoint.handler.__name__,
            "parameters": [{"name": n, "in": "path", "required": True, "schema": text} for n in names]
            + [{"name": n, "in": "query", "schema": text} for n in endpoint.query],
            "responses": {
                "200": {"description": "as asked", "content": {endpoint.gives: {}}},
                "default": {
                    "description": "an error, in one or two sentences",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                },
            },
        }
        if endpoint.body == "binary":
            operation["requestBody"] = {"content": {"application/octet-stream": {}}, "required": True}
        elif endpoint.body is not None:
            schema = endpoint.body(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {})
            operation["requestBody"] = {"content": {"application/json": {"schema": schema}}, "required": True}
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    schemas["Error"] = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    info = {"title": "loopwright studio", "version": version("loopwright")}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": schemas}}
