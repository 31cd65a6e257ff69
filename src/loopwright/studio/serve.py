"""Start the studio on a port."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path

import platformdirs
import uvicorn

from loopwright.errors import InputError
from loopwright.studio.app import create_app
from loopwright.studio.engine import Engine
from loopwright.studio.jobs import Jobs
from loopwright.studio.library import Library
from loopwright.studio.runs import Runs

PORTS_TRIED = 50


def default_library() -> Path:
    """In the user's data folder."""
    return Path(platformdirs.user_data_dir("loopwright")) / "studio"


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(256)  # bound and listening before anything is told: the address is surely ours
    except OSError:
        sock.close()
        raise
    return sock


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises InputError; for a port in use, with the next one that is free."""
    try:
        return _bind(host, port)
    except socket.gaierror as error:
        raise InputError(f"no address '{host}' on this machine. Use --host 127.0.0.1.") from error
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise InputError(f"no address '{host}' on this machine. Use --host 127.0.0.1.") from error
        if error.errno != errno.EADDRINUSE:
            raise InputError(f"cannot listen on {host} port {port}: {error.strerror}. Try another --port.") from error
    for candidate in range(port + 1, min(port + PORTS_TRIED, 65_536)):
        with contextlib.suppress(OSError):
            _bind(host, candidate).close()
            raise InputError(
                f"port {port} is in use, perhaps by another studio: look at {address(host, port)}. "
                f"Port {candidate} is free: loopwright studio --port {candidate}"
            )
    raise InputError(f"port {port} and the {PORTS_TRIED} after it are in use. Choose another with --port.")


def address(host: str, port: int) -> str:
    """What to type into a browser."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}/"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(
    models: list[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    library: Path | None = None,
    runs: Path | None = None,
    names: tuple[str, ...] = (),
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until interrupted.

    Args:
        models: models to offer beside the bundled ones, the first being the default.
        host, port: where to listen.
        library: folder for loops; the user's data folder by default.
        runs: folder of training runs to show.
        names: host names to answer to, beside localhost.
        on_ready: called with the address once it answers.

    Raises InputError for a port in use, a model or folder that is not there.
    """
    jobs = Jobs()
    shelf = Library(library or default_library())
    engine = Engine(models, shelf, Runs(runs) if runs is not None else None, jobs)
    sock = listen(host, port)
    app = create_app(engine, jobs, names=names, any_address=not is_loopback(host))
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2, timeout_keep_alive=30, server_header=False)
    if on_ready is not None:
        on_ready(address(host, sock.getsockname()[1]))
    uvicorn.Server(config).run(sockets=[sock])
