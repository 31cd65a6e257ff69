"""The studio's HTTP server: handlers, and the one table that routes and their description are made from."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Iterable
from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from loopwright.errors import InputError
from loopwright.studio.engine import PAGE_RATE_HZ, Engine, public
from loopwright.studio.guard import Guard
from loopwright.studio.jobs import FINISHED, Job, Jobs
from loopwright.studio.openapi import Endpoint, describe
from loopwright.studio.refusals import HANDLERS
from loopwright.studio.replies import attachment, cached, client_of, static_files
from loopwright.studio.wishes import WISH, AnyWish, Star

HEARTBEAT_S = 10.0
MOST_IN_PACK = 200


class Studio:
    """Handlers of the endpoints, over one engine and one queue."""

    def __init__(self, engine: Engine, jobs: Jobs) -> None:
        self.engine, self.jobs, self.library = engine, jobs, engine.library
        self.static = static_files()

    # ---- the page

    async def index(self, request: Request) -> Response:
        """The page."""
        body, kind, etag = self.static["index.html"]
        return cached(request, body, kind, etag)

    async def file(self, request: Request) -> Response:
        """One of the page's files."""
        found = self.static.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404, "no such file.")
        return cached(request, *found)

    async def health(self, _: Request) -> Response:
        """Alive, and how busy."""
        return JSONResponse({"status": "ok", "version": version("loopwright"), "rate_hz": PAGE_RATE_HZ, **self.jobs.counts()})

    async def openapi(self, _: Request) -> Response:
        """This interface, described."""
        return JSONResponse(describe(self.endpoints()))

    # ---- models and jobs

    async def models(self, _: Request) -> Response:
        """Models that can be chosen; the first is the default."""
        return JSONResponse({"models": await run_in_threadpool(self.engine.describe_models)})

    async def submit(self, request: Request) -> Response:
        """Queue a wish."""
        wish: AnyWish = WISH.validate_json(await request.body())
        total = self.engine.total(wish)
        job = self.jobs.submit(client_of(request), wish.kind, total, self.engine.work(wish))
        return JSONResponse(self.jobs.describe(job), status_code=202, headers={"location": f"/api/jobs/{job.id}"})

    def _job(self, request: Request) -> Job:
        job = self.jobs.get(request.path_params["job"])
        if job is None:
            raise HTTPException(404, "no such job. The studio may have been started anew since.")
        return job

    async def job(self, request: Request) -> Response:
        """State of a job, and all it has made."""
        job = self._job(request)
        loops = [event["loop"] for event in job.events if event["type"] == "loop"]
        return JSONResponse(self.jobs.describe(job) | {"loops": loops})

    async def cancel(self, request: Request) -> Response:
        """Cancel a job."""
        job = self._job(request)
        self.jobs.cancel(job)
        return JSONResponse(self.jobs.describe(job))

    async def events(self, request: Request) -> Response:
        """Events of a job as they happen (server-sent events); taken up again after Last-Event-ID."""
        job = self._job(request)
        last = request.headers.get("last-event-id", "")
        first = int(last) + 1 if last.isdigit() else 0
        return StreamingResponse(
            self._stream(job, first),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def _stream(self, job: Job, first: int) -> AsyncIterator[str]:
        flag = asyncio.Event()
        waiting = (asyncio.get_running_loop(), flag)
        job.waiting.append(waiting)
        try:
            yield "retry: 1000\n\n"
            while True:
                flag.clear()
                # The last event tells that a job is over, not its state, which changes a moment before. Asked before sending:
                # so it is sent.
                over = job.events[-1]["type"] in FINISHED
                while first < len(job.events):  # more may come while these are sent
                    event = job.events[first]
                    yield f"id: {first}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n"
                    first += 1
                if over or self.jobs.stopping:
                    return
                try:
                    await asyncio.wait_for(flag.wait(), HEARTBEAT_S)
                except TimeoutError:
                    yield f"event: wait\ndata: {json.dumps({'job': self.jobs.describe(job)})}\n\n"
        finally:
            job.waiting.remove(waiting)

    async def upload(self, request: Request) -> Response:
        """Bring an audio file (32 MB, 60 s at most) for the wish `variations`."""
        return JSONResponse(await run_in_threadpool(self.engine.take_upload, await request.body()), status_code=201)

    # ---- loops

    async def shelf(self, _: Request) -> Response:
        """Starred loops and recent ones, newest first."""
        starred, recents = self.library.starred(), self.library.recents()
        return JSONResponse({"starred": [public(k) for k in starred], "recents": [public(k) for k in recents]})

    async def loop(self, request: Request) -> Response:
        """What is known of a loop."""
        return JSONResponse(public(self._kept(request)))

    def _kept(self, request: Request) -> Any:
        try:
            return self.library.get(request.path_params["loop"])
        except InputError as error:
            raise HTTPException(404, str(error)) from error

    async def star(self, request: Request) -> Response:
        """Star a loop, or take the star away."""
        wish = Star.model_validate_json(await request.body())
        self._kept(request)
        return JSONResponse(public(await run_in_threadpool(self.library.star, request.path_params["loop"], wish.starred)))

    async def audio(self, request: Request) -> Response:
        """A loop's WAV, 24 bit, with tempo and loop points. `download=1` gives it its name."""
        kept = self._kept(request)
        body = await run_in_threadpool(self.library.audio(kept.id).read_bytes)
        etag = f'"{kept.id}-{kept.made:.3f}"'
        if request.query_params.get("download"):
            return cached(request, body, "audio/wav", etag, **{"content-disposition": attachment(f"{kept.name}.wav")})
        return cached(request, body, "audio/wav", etag)

    async def picture(self, request: Request) -> Response:
        """A loop's spectrogram: gray PNG, time across, pitch up."""
        kept = self._kept(request)
        body = await run_in_threadpool(self.library.picture(kept.id).read_bytes)
        return cached(request, body, "image/png", f'"{kept.id}-{kept.made:.3f}-p"')

    async def pack(self, request: Request) -> Response:
        """Loops as a ZIP: WAVs, manifest, licence. `ids=a,b,c`."""
        ids = [part for part in request.query_params.get("ids", "").split(",") if part]
        if not 1 <= len(ids) <= MOST_IN_PACK:
            raise HTTPException(422, f"a pack has 1 to {MOST_IN_PACK} loops.")
        try:
            body = await run_in_threadpool(self.library.zip_of, ids, "Loopwright")
        except InputError as error:
            raise HTTPException(404, str(error)) from error
        return Response(body, media_type="application/zip", headers={"content-disposition": attachment("Loopwright.zip")})

    # ---- runs

    async def run_list(self, _: Request) -> Response:
        """Training runs, newest first; none if the studio was started without --runs."""
        listing = await run_in_threadpool(self.engine.runs.listing) if self.engine.runs is not None else []
        return JSONResponse({"runs": listing})

    async def run_detail(self, request: Request) -> Response:
        """Metrics, baseline and samples of a run."""
        return JSONResponse(await self._in_run("detail", request.path_params["run"]))

    async def run_sample(self, request: Request) -> Response:
        """A sample of a run: PNG sheet or WAV."""
        path = await self._in_run("sample", request.path_params["run"], request.path_params["name"])
        body = await run_in_threadpool(path.read_bytes)
        kind = "image/png" if path.suffix == ".png" else "audio/wav"
        return cached(request, body, kind, f'"{hashlib.md5(body).hexdigest()}"')

    async def _in_run(self, what: str, *names: str) -> Any:
        if self.engine.runs is None:
            raise HTTPException(404, "this studio shows no runs. Start it with --runs FOLDER.")
        try:
            return await run_in_threadpool(getattr(self.engine.runs, what), *names)
        except InputError as error:
            raise HTTPException(404, str(error)) from error

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The table that routes and description are made from."""
        png, wav = "image/png", "audio/wav"
        return (
            Endpoint("GET", "/", self.index, "The page.", gives="text/html"),
            Endpoint("GET", "/static/{name}", self.file, "One of the page's files.", gives="*/*"),
            Endpoint("GET", "/health", self.health, "Alive, and how busy."),
            Endpoint("GET", "/api/openapi.json", self.openapi, "This description."),
            Endpoint("GET", "/api/models", self.models, "Models that can be chosen; the first is the default."),
            Endpoint("POST", "/api/jobs", self.submit, "Queue a wish: 202, or 429/503 with Retry-After.", WISH.json_schema),
            Endpoint("GET", "/api/jobs/{job}", self.job, "State of a job and all loops it has made."),
            Endpoint("DELETE", "/api/jobs/{job}", self.cancel, "Cancel a job."),
            Endpoint(
                "GET", "/api/jobs/{job}/events", self.events, "Events of a job as they happen.", gives="text/event-stream"
            ),
            Endpoint("POST", "/api/uploads", self.upload, "Bring an audio file: 32 MB and 60 s at most.", "binary"),
            Endpoint("GET", "/api/library", self.shelf, "Starred and recent loops, newest first."),
            Endpoint("GET", "/api/loops/{loop}", self.loop, "What is known of a loop."),
            Endpoint("PUT", "/api/loops/{loop}/star", self.star, "Star a loop or take it away.", Star.model_json_schema),
            Endpoint("GET", "/api/loops/{loop}/audio.wav", self.audio, "A loop's WAV.", gives=wav, query=("download",)),
            Endpoint("GET", "/api/loops/{loop}/picture.png", self.picture, "A loop's spectrogram.", gives=png),
            Endpoint("GET", "/api/pack.zip", self.pack, "Loops as a ZIP.", gives="application/zip", query=("ids",)),
            Endpoint("GET", "/api/runs", self.run_list, "Training runs, newest first."),
            Endpoint("GET", "/api/runs/{run}", self.run_detail, "Metrics, baseline and sample names of a run."),
            Endpoint("GET", "/api/runs/{run}/samples/{name}", self.run_sample, "A sample of a run: PNG or WAV.", gives=png),
        )


def create_app(engine: Engine, jobs: Jobs, *, names: Iterable[str] = (), any_address: bool = False) -> Starlette:
    """The ASGI application. Its lifespan starts and stops the worker."""
    studio = Studio(engine, jobs)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        jobs.start()
        engine.warm_up()
        try:
            yield
        finally:
            await run_in_threadpool(jobs.stop)
            engine.close()

    routes = [Route(e.path, e.handler, methods=[e.method]) for e in studio.endpoints()]
    guard = Middleware(Guard, names=tuple(names), any_address=any_address)
    return Starlette(routes=routes, middleware=[guard], exception_handlers=HANDLERS, lifespan=lifespan)
