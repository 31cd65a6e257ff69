"""A studio for tests: a small model with random weights (real audio comes out), served on a free port."""

from __future__ import annotations

import os
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from random_model import random_directions, random_model

from loopwright.studio.app import create_app
from loopwright.studio.engine import Engine
from loopwright.studio.jobs import Jobs
from loopwright.studio.library import Library
from loopwright.studio.runs import Runs
from loopwright.studio.serve import listen


def make_model(path: Path, seed: int = 0) -> Path:
    """A model file of the tiny recipe with random weights, and its directions beside it."""
    random_model(path, seed=seed, header={"training": {"kimg": 1.5}})
    random_directions(path, seed=seed)
    return path


@dataclass
class Running:
    """A studio that runs in a thread."""

    url: str
    jobs: Jobs
    engine: Engine
    library: Library
    server: uvicorn.Server
    thread: threading.Thread

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=10)


def start(model: Path, library: Path, *, runs: Path | None = None, port: int = 0, **limits: int) -> Running:
    """Start a studio; port 0 takes a free one."""
    jobs = Jobs(**limits)
    shelf = Library(library)
    engine = Engine([str(model)], shelf, Runs(runs) if runs else None, jobs)
    sock = listen("127.0.0.1", port)
    config = uvicorn.Config(
        create_app(engine, jobs), log_level="error", timeout_graceful_shutdown=1, server_header=False, ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            if httpx.get(f"{url}/health").status_code == 200:
                return Running(url, jobs, engine, shelf, server, thread)
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError("the studio did not start")


def finish(client: httpx.Client, wish: dict[str, object], *, seconds: float = 60) -> dict[str, Any]:
    """Submit a wish and wait for its end: the job with its loops."""
    answer = client.post("/api/jobs", json=wish)
    assert answer.status_code == 202, answer.text
    path = answer.headers["location"]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        job: dict[str, Any] = client.get(path).json()
        if job["state"] in ("done", "failed", "cancelled"):
            return job
        time.sleep(0.03)
    raise AssertionError(f"{wish} took more than {seconds} s")


def chromium() -> str | None:
    """Path of a Chromium, if there is one."""
    named = os.environ.get("LOOPWRIGHT_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser")
