"""Weight files from outside: importing, downloading from a real server that misbehaves."""

from __future__ import annotations

import hashlib
import http.server
import socket
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from torch import Tensor, nn

from loopwright.cli.features import features
from loopwright.errors import WeightsError
from loopwright.features import load_network
from loopwright.features.fetch import download
from loopwright.features.importing import import_weights, recognise
from loopwright.features.mtat_fcn import MtatFcn
from loopwright.features.yamnet import LAYERS, Yamnet


def test_import_recognises_a_published_tagging_file(tmp_path: Path) -> None:
    """The publisher's names: spec.mel_scale.fb, spec.bn?, counters; the network then equals the one of our own names."""
    ours = MtatFcn.random_tensors(3)
    published = OrderedDict()
    for key, value in ours.items():
        published["spec.mel_scale.fb" if key == "mel_fb" else key] = value
    published["spec.spectrogram.window"] = torch.hann_window(512)
    published["layer1.bn.num_batches_tracked"] = torch.tensor(9)
    torch.save(published, tmp_path / "best_model.pth", _use_new_zipfile_serialization=False)
    name, path = import_weights(tmp_path / "best_model.pth", tmp_path / "cache")
    assert (name, path.name) == ("mtat_fcn", "mtat_fcn.safetensors")
    got = load_file(path)
    assert set(got) == set(ours)
    assert all(torch.equal(got[key], ours[key]) for key in ours)


def test_import_refuses_foreign_files(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="fit none of the networks"):
        import_weights(tmp_path / "other.pth", tmp_path)
    with pytest.raises(WeightsError, match="not the weights of yamnet"):
        recognise({"w": torch.zeros(2)}, "yamnet")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(WeightsError, match=r"'\.txt' files are not read"):
        import_weights(tmp_path / "notes.txt", tmp_path)


def test_yamnet_reads_the_keras_h5(tmp_path: Path) -> None:
    """Unfolded BatchNorm under Keras' names against the same layers written out plainly, as the publisher runs them."""
    h5py = pytest.importorskip("h5py", reason="reading Keras files needs h5py")
    rng = np.random.default_rng(0)
    values: dict[str, np.ndarray] = {}
    for number, (_, out) in enumerate(LAYERS, start=1):
        into = LAYERS[number - 2][1] if number > 1 else 1
        parts = [("conv", (3, 3, 1, 32), "kernel", 32)] if number == 1 else [
            ("depthwise_conv", (3, 3, into, 1), "depthwise_kernel", into), ("pointwise_conv", (1, 1, into, out), "kernel", out)
        ]  # fmt: skip
        for part, shape, role, channels in parts:
            layer = f"layer{number}/{part}"
            fan_in = np.prod(shape[:2]) * (1 if part == "depthwise_conv" else shape[2])
            values[f"{layer}/{layer}/{role}:0"] = rng.standard_normal(shape) * (2 / fan_in) ** 0.5
            bn = f"{layer}/bn"
            values[f"{bn}/{bn}/beta:0"] = rng.standard_normal(channels) * 0.1
            values[f"{bn}/{bn}/moving_mean:0"] = rng.standard_normal(channels) * 0.1
            values[f"{bn}/{bn}/moving_variance:0"] = rng.uniform(0.5, 2, channels)
    values["logits/logits/kernel:0"] = rng.standard_normal((1024, 521)) * 0.03
    values["logits/logits/bias:0"] = rng.standard_normal(521) * 0.1
    with h5py.File(tmp_path / "yamnet.h5", "w") as handle:
        for key, value in values.items():
            handle[key] = value.astype(np.float32)
    name, path = import_weights(tmp_path / "yamnet.h5", tmp_path / "cache")
    assert name == "yamnet"
    network = load_network("yamnet", weights=path)
    assert isinstance(network, Yamnet)

    def get(key: str) -> Tensor:
        return torch.from_numpy(values[key]).float()

    def norm(x: Tensor, layer: str) -> Tensor:
        mean, variance, beta = (get(f"{layer}/bn/{layer}/bn/{k}:0") for k in ("moving_mean", "moving_variance", "beta"))
        return nn.functional.batch_norm(x, mean, variance, None, beta, eps=1e-4).relu()

    x = torch.from_numpy(rng.standard_normal((1, 1, 96, 64)).astype(np.float32))  # time, mel: as published
    mine = network.layers(x.transpose(2, 3), 4, circular=False)
    for number in range(1, 5):
        stride = LAYERS[number - 1][0]
        padded = nn.functional.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
        if number == 1:
            kernel = get("layer1/conv/layer1/conv/kernel:0").permute(3, 2, 0, 1)
            x = norm(nn.functional.conv2d(padded, kernel, stride=2), "layer1/conv")
        else:
            part_name = f"layer{number}/depthwise_conv"
            kernel = get(f"{part_name}/{part_name}/depthwise_kernel:0").permute(2, 3, 0, 1)
            x = norm(nn.functional.conv2d(padded, kernel, stride=stride, groups=len(kernel)), part_name)
            part_name = f"layer{number}/pointwise_conv"
            x = norm(nn.functional.conv2d(x, get(f"{part_name}/{part_name}/kernel:0").permute(3, 2, 0, 1)), part_name)
        torch.testing.assert_close(mine[number].transpose(2, 3), x, rtol=1e-3, atol=1e-4)


BODY = bytes(range(256)) * 800  # 204,800 bytes
DIGEST = hashlib.sha256(BODY).hexdigest()


class Server:
    """A real HTTP server on this machine: serves BODY, with faults in the order given, and remembers what was asked."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.ranges: list[str | None] = []
        self.etag = '"v1"'
        self.body = BODY
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                self.close_connection = True
                outer.ranges.append(self.headers.get("Range"))
                fault = outer.faults.pop(0) if outer.faults else ""
                if fault.isdigit():
                    self.send_error(int(fault))
                    return
                start = 0
                if self.headers.get("Range") and self.headers.get("If-Range") == outer.etag:
                    start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                part = outer.body[start:]
                self.send_response(206 if start else 200)
                self.send_header("ETag", outer.etag)
                self.send_header("Content-Length", str(len(part)))
                self.end_headers()
                if fault == "cut":
                    self.wfile.write(part[: len(part) // 2])
                elif fault == "silent":
                    self.wfile.write(part[: len(part) // 2])
                    self.wfile.flush()
                    outer.hold.wait(10)
                else:
                    self.wfile.write(part)

        self.hold = threading.Event()
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/weights.bin"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def close(self) -> None:
        self.hold.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def test_a_cut_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut", "cut"]
    seen: list[int] = []
    path = download(server.url, tmp_path / "w.bin", sha256=DIGEST, wait_s=0.01, progress=lambda have, total: seen.append(have))
    assert path.read_bytes() == BODY
    half = len(BODY) // 2
    assert server.ranges == [None, f"bytes={half}-", f"bytes={half + half // 2}-"]
    assert seen[-1] == len(BODY)
    assert [p.name for p in tmp_path.iterdir()] == ["w.bin"]


def test_an_interrupted_download_goes_on_at_the_next_call(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut"]
    with pytest.raises(WeightsError, match=r"cut after 102400 of 204800 bytes.*run the same command again"):
        download(server.url, tmp_path / "w.bin", attempts=1)
    assert not (tmp_path / "w.bin").exists()
    assert download(server.url, tmp_path / "w.bin", sha256=DIGEST).read_bytes() == BODY
    assert server.ranges[-1] == "bytes=102400-"


def test_a_file_that_changed_meanwhile_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut"]
    with pytest.raises(WeightsError):
        download(server.url, tmp_path / "w.bin", attempts=1)
    server.etag, server.body = '"v2"', BODY[::-1]
    assert download(server.url, tmp_path / "w.bin").read_bytes() == BODY[::-1]


def test_a_wrong_checksum_or_size_keeps_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=rf"checksum {DIGEST}, expected 0000"):
        download(server.url, tmp_path / "w.bin", sha256="0000")
    with pytest.raises(WeightsError, match="sent 204800 bytes, 5 were expected"):
        download(server.url, tmp_path / "w.bin", size=5)
    assert list(tmp_path.iterdir()) == []


def test_a_silent_server_is_given_up_on_and_asked_again(server: Server, tmp_path: Path) -> None:
    server.faults = ["silent"]
    path = download(server.url, tmp_path / "w.bin", sha256=DIGEST, timeout_s=0.5, wait_s=0.01)
    assert path.read_bytes() == BODY
    assert len(server.ranges) == 2


def test_refusals_and_server_faults(server: Server, tmp_path: Path) -> None:
    server.faults = ["404"]
    with pytest.raises(WeightsError, match=r"404 Not Found.*features import"):
        download(server.url, tmp_path / "w.bin")
    assert len(server.ranges) == 1  # asking again would not help
    server.faults = ["503", "503"]
    assert download(server.url, tmp_path / "w.bin", wait_s=0.01).read_bytes() == BODY
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/w.bin"
        with pytest.raises(WeightsError, match=r"cannot fetch .*refused.*2 attempts"):
            download(url, tmp_path / "x.bin", attempts=2, wait_s=0.01, timeout_s=0.5)


def test_the_command_line_lists_imports_and_verifies(
    tmp_path: Path, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPWRIGHT_WEIGHTS", str(weights_dir))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    run = CliRunner()
    listed = run.invoke(features, ["list", "--checksums"], env={"COLUMNS": "300"})
    assert listed.exit_code == 0
    assert "checksum right" in listed.output
    assert "Apache-2.0" in listed.output
    verified = run.invoke(features, ["verify", "yamnet", "musicnn"])
    assert verified.exit_code == 0, verified.output
    assert "best classes, sweep" in verified.output
    assert "FAILED" not in verified.output
    random = tmp_path / "wrong"
    random.mkdir()
    (random / "yamnet.safetensors").write_bytes((weights_dir / "mtat_fcn.safetensors").read_bytes())
    wrong = run.invoke(features, ["verify", "yamnet", "--weights", str(random)])
    assert wrong.exit_code == 1
    assert "not the weights of yamnet" in wrong.output
