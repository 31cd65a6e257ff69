"""The server over real HTTP: what it does, and what it refuses."""

from __future__ import annotations

import io
import json
import socket
import wave
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from studio_host import Running, finish, start

from loopwright.audio.wavmeta import read_chunks
from loopwright.errors import InputError
from loopwright.studio.app import Studio, describe
from loopwright.studio.engine import whole_bar_bpm
from loopwright.studio.serve import listen


@pytest.fixture(scope="module")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    run = root / "drums" / "00000-tiny"
    (run / "samples").mkdir(parents=True)
    (run / "config.json").write_text("{}")
    (run / "metrics.jsonl").write_text(
        '{"step": 0, "kimg": 0.0, "loss/d": 1.0}\n{"step": 1, "kimg": 1.0, "loss/d": NaN}\n{"ste'
    )
    (run / "baseline.json").write_text('{"training-fad/yamnet": 16.0, "reference": "validation"}')
    (run / "samples" / "00001.0.png").write_bytes(b"\x89PNG")
    (run / "samples" / ".hidden").write_text("secret")
    return root


@pytest.fixture(scope="module")
def served(model_file: Path, runs_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start(model_file, tmp_path_factory.mktemp("served"), runs=runs_folder)
    yield running
    running.stop()


@pytest.fixture
def client(served: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, timeout=30) as made:
        yield made


def wav_bytes(samples: np.ndarray, rate: int = 44_100) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format="WAV", subtype="PCM_16")
    return out.getvalue()


# ---- what it does


def test_loops_are_made_and_their_wavs_are_exact_to_the_sample(client: httpx.Client, tmp_path: Path) -> None:
    job = finish(client, {"kind": "generate", "model": "toy", "seed": 4, "count": 2, "bpm": 133.3, "bars": 2})
    assert job["state"] == "done", job
    loops = job["loops"]
    assert len(loops) == 2
    answer = client.get(f"/api/loops/{loops[0]['id']}/audio.wav?download=1")
    assert answer.headers["content-disposition"] == f'attachment; filename="{loops[0]["name"]}.wav"'
    path = tmp_path / "x.wav"
    path.write_bytes(answer.content)
    with wave.open(str(path)) as handle:
        assert (handle.getframerate(), handle.getsampwidth(), handle.getnchannels()) == (44_100, 3, 1)
        assert handle.getnframes() == 2 * round(240 * 44_100 / 133.3)  # bars are whole samples
    meta = read_chunks(path)
    assert (meta.beats, meta.comment["seed"]) == (8, 4)
    assert meta.bpm == pytest.approx(133.3, rel=1e-5)
    assert meta.loops == ((0, 2 * round(240 * 44_100 / 133.3) - 1),)


def test_asking_again_gives_the_same_loop_without_making_it_anew(client: httpx.Client) -> None:
    wish = {"kind": "generate", "model": "toy", "seed": 11, "count": 1}
    first, second = finish(client, wish)["loops"], finish(client, wish)["loops"]
    assert first == second


@pytest.mark.parametrize("bpm", [40.0, 87.3, 120.0, 123.456, 174.0, 239.99, 240.0])
def test_loops_of_all_lengths_share_one_bar_to_the_sample(bpm: float) -> None:
    exact = whole_bar_bpm(bpm)
    bar = 240 * 44_100 / exact
    assert bar == pytest.approx(round(bar), abs=1e-6)
    assert exact == pytest.approx(bpm, rel=3e-5)
    assert [round(60 * 44_100 * 4 * bars / exact) for bars in (2, 4)] == [2 * round(bar), 4 * round(bar)]


def test_neighbours_blends_moves_and_tempo(client: httpx.Client) -> None:
    a, b = finish(client, {"kind": "generate", "model": "toy", "seed": 1, "count": 2})["loops"]
    near = finish(client, {"kind": "near", "loop": a["id"], "count": 2, "salt": 5})["loops"]
    assert len({a["id"], near[0]["id"], near[1]["id"]}) == 3
    away = finish(client, {"kind": "away", "loop": a["id"], "count": 1})["loops"]
    assert away[0]["info"]["unlike"] == a["name"]
    ends = [finish(client, {"kind": "blend", "a": a["id"], "b": b["id"], "t": t})["loops"][0] for t in (0, 0.5, 1)]
    assert [ends[0]["id"], ends[2]["id"]] == [a["id"], b["id"]]  # the very same loops
    moved = finish(client, {"kind": "move", "loop": a["id"], "amounts": {"brightness": 1.5}})["loops"][0]
    assert moved["info"]["moves"] == {"brightness": 1.5}
    slow = finish(client, {"kind": "retempo", "loops": [a["id"], near[0]["id"]], "bpm": 90})["loops"]
    assert [loop["samples"] for loop in slow] == [117_600, 117_600]
    back = finish(client, {"kind": "retempo", "loops": [slow[1]["id"]], "bpm": 120})["loops"][0]
    assert back["id"] == near[0]["id"]


def test_an_uploaded_loop_gives_variations(client: httpx.Client) -> None:
    t = np.arange(88_200) / 44_100
    clicks = np.sin(2 * np.pi * 200 * t) * np.exp(-30 * (t % 0.5))
    taken = client.post("/api/uploads", content=wav_bytes(clicks), headers={"content-type": "application/octet-stream"})
    assert taken.status_code == 201
    assert taken.json()["length_s"] == 2.0
    job = finish(client, {"kind": "variations", "upload": taken.json()["upload"], "model": "toy", "count": 2, "bpm": 120})
    assert job["state"] == "done", job
    assert [loop["samples"] for loop in job["loops"]] == [88_200, 88_200]


@pytest.mark.slow
def test_a_model_of_notes_leaves_recordings_to_one_that_draws_loops_whole(client: httpx.Client) -> None:
    t = np.arange(88_200) / 44_100
    clicks = np.sin(2 * np.pi * 200 * t) * np.exp(-30 * (t % 0.5))
    taken = client.post("/api/uploads", content=wav_bytes(clicks), headers={"content-type": "application/octet-stream"})
    job = finish(client, {"kind": "variations", "upload": taken.json()["upload"], "model": "synth", "count": 1})
    assert job["state"] == "done", job
    assert [loop["model"] for loop in job["loops"]] == ["drums-mel"]


def test_events_are_streamed_and_taken_up_again(client: httpx.Client) -> None:
    path = client.post("/api/jobs", json={"kind": "generate", "model": "toy", "seed": 90, "count": 3}).headers["location"]

    def read(headers: dict[str, str]) -> list[tuple[int, str, dict[str, object]]]:
        events = []
        with client.stream("GET", f"{path}/events", headers=headers) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            blocks = "".join(stream.iter_text()).split("\n\n")
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "id" in fields:
                events.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
        return events

    events = read({})
    assert [kind for _, kind, _ in events] == ["queued", "loop", "loop", "loop", "done"]
    assert [event["job"]["done"] for _, _, event in events] == [0, 1, 2, 3, 3]
    assert [number for number, _, _ in read({"last-event-id": "2"})] == [3, 4]
    assert read({"last-event-id": "4"}) == []


def test_stars_and_packs(client: httpx.Client) -> None:
    loops = finish(client, {"kind": "generate", "model": "toy", "seed": 30, "count": 2})["loops"]
    starred = client.put(f"/api/loops/{loops[0]['id']}/star", json={"starred": True}).json()
    assert starred["starred"]
    assert [loop["id"] for loop in client.get("/api/library").json()["starred"]] == [loops[0]["id"]]
    pack = client.get("/api/pack.zip", params={"ids": ",".join(loop["id"] for loop in loops)})
    names = zipfile.ZipFile(io.BytesIO(pack.content)).namelist()
    assert sum(name.endswith(".wav") for name in names) == 2
    assert client.get("/api/pack.zip", params={"ids": "../../etc/passwd"}).status_code == 404
    assert client.get("/api/pack.zip").status_code == 422


def test_audio_pictures_and_files_are_sent_once(client: httpx.Client) -> None:
    loop = finish(client, {"kind": "generate", "model": "toy", "seed": 40, "count": 1})["loops"][0]
    for path in (f"/api/loops/{loop['id']}/audio.wav", f"/api/loops/{loop['id']}/picture.png", "/static/main.js", "/"):
        first = client.get(path)
        assert first.status_code == 200
        again = client.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_the_page_is_small_and_asks_nobody_else(client: httpx.Client, served: Running) -> None:
    static = Studio(served.engine, served.jobs).static
    assert sum(len(body) for body, _, _ in static.values()) < 500_000
    for name, (body, _, _) in static.items():
        text = body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, name
        assert "https://" not in text, name
    assert "default-src 'none'" in client.get("/").headers["content-security-policy"]


def test_the_description_names_every_route(client: httpx.Client, served: Running) -> None:
    spec = client.get("/api/openapi.json").json()
    assert spec == describe(Studio(served.engine, served.jobs).endpoints())
    assert spec["openapi"].startswith("3.1")
    refs = [part.split('"')[0] for part in json.dumps(spec).split("#/components/schemas/")[1:]]
    assert set(refs) <= set(spec["components"]["schemas"])
    kinds = spec["components"]["schemas"]["Generate"]["properties"]
    assert {"model", "seed", "count", "bpm", "bars", "truncation", "style"} <= set(kinds)


def test_runs_are_shown_even_half_written(client: httpx.Client) -> None:
    (run,) = client.get("/api/runs").json()["runs"]
    assert (run["id"], run["rows"]) == ("drums~00000-tiny", 2)
    detail = client.get(f"/api/runs/{run['id']}").json()
    assert detail["rows"] == [{"step": 0, "kimg": 0.0, "loss/d": 1.0}, {"step": 1, "kimg": 1.0}]
    assert (detail["baseline"], detail["samples"]) == ({"training-fad/yamnet": 16.0}, ["00001.0.png"])
    assert client.get(f"/api/runs/{run['id']}/samples/00001.0.png").content == b"\x89PNG"


# ---- what it refuses


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fapp.py",
        "/static/../app.py",
        "/api/loops/..%2f..%2fx/audio.wav",
        "/api/loops/zzzzzzzzzzzzzzzzzzzz/audio.wav",
        "/api/runs/..%2f..",
        "/api/runs/drums~00000-tiny/samples/..%2fconfig.json",
        "/api/runs/drums~00000-tiny/samples/.hidden",
        "/api/jobs/nope",
    ],
)
def test_no_path_leads_out(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "error" in answer.json() or answer.text == "Not Found"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "10.0.0.1", ""])
def test_another_name_is_not_answered(client: httpx.Client, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code in (400, 421)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "127.0.0.1", "[::1]:80"])
def test_this_machines_names_are_answered(client: httpx.Client, host: str) -> None:
    assert client.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:1"},
    ],
)
def test_other_sites_cannot_post_or_read(client: httpx.Client, served: Running, headers: dict[str, str]) -> None:
    before = served.jobs.counts()
    wish = {"kind": "generate", "model": "toy"}
    assert client.post("/api/jobs", json=wish, headers=headers).status_code == 403
    assert client.get("/api/library", headers=headers).status_code == 403
    assert served.jobs.counts() == before


def test_a_form_cannot_post(client: httpx.Client) -> None:
    body = '{"kind": "generate", "model": "toy"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert client.post("/api/jobs", content=body, headers={"content-type": kind}).status_code == 415


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        ({"kind": "generate", "model": "toy", "bpm": 20}, "bpm"),
        ({"kind": "generate", "model": "toy", "bars": 3}, "bars"),
        ({"kind": "generate", "model": "toy", "count": 0}, "count"),
        ({"kind": "generate", "model": "toy", "count": 1000}, "count"),
        ({"kind": "generate", "model": "toy", "seed": -1}, "seed"),
        ({"kind": "generate", "model": "toy", "seed": 2**32}, "seed"),
        ({"kind": "generate", "model": "toy", "truncation": 9}, "truncation"),
        ({"kind": "generate", "model": "toy", "out": "/etc"}, "out"),
        ({"kind": "near", "loop": "../../x"}, "loop"),
        ({"kind": "blend", "a": "0" * 20, "b": "0" * 20, "t": 2}, "t"),
        ({"kind": "dance"}, "dance"),
        ([], "object"),
    ],
)
def test_values_out_of_range_are_refused_by_name(client: httpx.Client, wish: object, named: str) -> None:
    answer = client.post("/api/jobs", json=wish)
    assert answer.status_code == 422
    assert named in answer.json()["error"]


def test_malformed_json_is_refused(client: httpx.Client) -> None:
    for body in (b"{", b"\xff\xfe", b"", b'{"kind": "generate", "model": "toy", "bpm": NaN}'):
        answer = client.post("/api/jobs", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422, body


def test_wishes_that_fail_say_why(client: httpx.Client) -> None:
    assert "There are: toy" in str(finish(client, {"kind": "generate", "model": "nothing"})["error"])
    assert "not here any more" in str(finish(client, {"kind": "near", "loop": "0" * 20})["error"])
    assert "knows no styles" in str(finish(client, {"kind": "generate", "model": "toy", "style": "funk"})["error"])
    assert "Drop the file again" in str(finish(client, {"kind": "variations", "model": "toy", "upload": "0" * 16})["error"])


def upload(client: httpx.Client, body: bytes) -> httpx.Response:
    return client.post("/api/uploads", content=body, headers={"content-type": "application/octet-stream"})


def test_uploads_that_are_not_loops_are_refused(client: httpx.Client) -> None:
    assert "not an audio file" in upload(client, b"MZ" + bytes(1000)).json()["error"]
    assert "cannot read the file as audio" in upload(client, b"RIFF" + bytes(1000)).json()["error"]
    assert "silent" in upload(client, wav_bytes(np.zeros(44_100))).json()["error"]
    assert "61 s long" in upload(client, wav_bytes(np.ones(8000 * 61) * 0.1, 8000)).json()["error"]


def test_long_files_are_refused_by_their_header_and_forged_headers_are_not_believed(client: httpx.Client) -> None:
    out = io.BytesIO()
    soundfile.write(out, np.full(8000 * 600, 0.1), 8000, format="FLAC")  # ten minutes in a few kB
    assert len(out.getvalue()) < 200_000
    assert "600 s long" in upload(client, out.getvalue()).json()["error"]
    body = bytearray(wav_bytes(np.ones(8000) * 0.1, 8000))
    body[40:44] = (8000 * 2 * 36_000).to_bytes(4, "little")  # one second that claims to be ten hours
    assert "cut short: 16000 of 576000000 bytes" in upload(client, bytes(body)).json()["error"]


def test_a_huge_body_is_refused_before_it_is_read(served: Running) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        head = f"POST /api/uploads HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/octet-stream\r\n"
        sock.sendall(f"{head}Content-Length: 500000000\r\n\r\n".encode())
        assert b" 413 " in sock.recv(100)


def test_a_body_without_length_is_counted(served: Running) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(3):
            yield b" " * 50_000

    answer = httpx.post(f"{served.url}/api/jobs", content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_a_full_queue_says_when_to_come_again(model_file: Path, tmp_path: Path) -> None:
    running = start(model_file, tmp_path, most=2, most_each=1)
    try:
        wish = {"kind": "generate", "model": "toy", "count": 32}

        def ask(name: str) -> httpx.Response:
            return httpx.post(f"{running.url}/api/jobs", json=wish, headers={"x-loopwright-client": name})

        while running.jobs.counts()["jobs"]:  # the warm-up
            pass
        first = ask("ann")
        assert first.status_code == 202
        again = ask("ann")
        assert (again.status_code, int(again.headers["retry-after"]) >= 1) == (429, True)
        assert ask("bob").status_code == 202
        assert ask("eve").status_code == 503
        job = first.headers["location"]
        httpx.delete(f"{running.url}{job}")
        while httpx.get(f"{running.url}{job}").json()["state"] != "cancelled":
            pass
        assert ask("ann").status_code == 202
    finally:
        running.stop()


def test_a_port_in_use_is_told_with_a_free_one(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"port {port} is in use.*--port (\d+)") as found:
            listen("127.0.0.1", port)
        offered = int(str(found.value).rsplit(" ", 1)[1])
        listen("127.0.0.1", offered).close()
    with pytest.raises(InputError, match=r"127\.0\.0\.1"):
        listen("203.0.113.7", 8765)


def test_directions_are_found_once_and_offered_even_where_nothing_can_be_written(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import loopwright.studio.engine as engine

    bare = tmp_path / "bare.safetensors"
    bare.write_bytes(model_file.read_bytes())
    find = engine.find_directions
    monkeypatch.setattr(engine, "find_directions", lambda model, **_: find(model, count=2, samples=100, probes=16))

    def refuse(*_: object) -> None:
        raise InputError("cannot write")

    monkeypatch.setattr(engine, "save_directions", refuse)
    running = start(bare, tmp_path / "library")
    try:
        with httpx.Client(base_url=running.url, timeout=30) as client:
            assert client.get("/api/models").json()["models"][0]["directions"] == []
            assert finish(client, {"kind": "directions", "model": "bare"})["state"] == "done"
            names = client.get("/api/models").json()["models"][0]["directions"]
            assert names[-2:] == ["shape1", "shape2"]
            (loop,) = finish(client, {"kind": "generate", "model": "bare", "count": 1})["loops"]
            (moved,) = finish(client, {"kind": "move", "loop": loop["id"], "amounts": {names[0]: 1.0}})["loops"]
            assert moved["id"] != loop["id"]
    finally:
        running.stop()
