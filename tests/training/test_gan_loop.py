"""Whole runs: resumed equals unbroken, bit for bit, also after kill -9; two processes equal one; guards; conditional."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cheap
import pytest
import torch

from loopwright.audio.io import read_audio
from loopwright.data import PreparedData
from loopwright.errors import BusyError, InputError, TrainingDivergedError, WeightsError
from loopwright.files import load_tensors, locked
from loopwright.models import modelfile
from loopwright.tasks.train_gan import train
from loopwright.training import gan_build, gan_watch, samples
from loopwright.training import gan_loop as loop
from loopwright.training.batches import Batches
from loopwright.training.gan_build import build_gan
from loopwright.training.recipe import load_recipe
from loopwright.training.runs import RunFolder

PROGRAM = Path(cheap.__file__)


def merged(**parts: dict[str, Any]) -> dict[str, Any]:
    return {key: value | parts.get(key, {}) for key, value in cheap.SIZES.items()} | {
        key: value for key, value in parts.items() if key not in cheap.SIZES
    }


def run(data: PreparedData, runs: Path, overrides: dict[str, Any] | None = None, **more: Any) -> RunFolder:
    return RunFolder(train(data.path, runs, "tiny", overrides=overrides or cheap.SIZES, device="cpu", **more))


def state(folder: RunFolder) -> dict[str, torch.Tensor]:
    return load_tensors(folder.checkpoint("last"))[0]


def told(folder: RunFolder) -> list[dict[str, Any]]:
    """Metrics without the clock."""
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_s")} for row in folder.read_metrics()]


def assert_same(a: RunFolder, b: RunFolder) -> None:
    one, two = state(a), state(b)
    assert one.keys() == two.keys()
    different = [key for key in one if not torch.equal(one[key], two[key])]
    assert not different
    assert told(a) == told(b)
    assert load_tensors(a.checkpoint("best"))[0].keys() == load_tensors(b.checkpoint("best"))[0].keys()


@pytest.fixture(scope="module")
def unbroken(hits: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gan_build, "build_features", cheap.build)
        patch.setattr("loopwright.training.tick.build_embedder", lambda name, mel: cheap.CheapEmbedder())
        return run(hits, tmp_path_factory.mktemp("unbroken"))


def test_run_folder_holds_all_that_is_needed_to_go_on(unbroken: RunFolder) -> None:
    for name in ("config.json", "env.json", "metrics.jsonl", "baseline.json"):
        assert (unbroken.path / name).is_file()
    assert len(list(unbroken.samples.glob("*.png"))) == 1  # 0, 12 and 24 images are all "0.0 thousand"
    assert len(list(unbroken.samples.glob("*.wav"))) == 4
    rows = unbroken.read_metrics()
    assert [row["step"] for row in rows] == [0, 1, 2, 3, 4, 5, 6]
    assert {"loss/d", "loss/g", "saturation", "grad/g", "pairwise/fake", "collapse", "dominance"} <= rows[1].keys()
    assert {"fad/random:yamnet", "kad/random:yamnet", "coverage/random:yamnet"} <= rows[3].keys()
    file = modelfile.read(unbroken.checkpoint("best"))
    generator, header = modelfile.build(file), file.header
    assert header["kind"] == "generator"
    assert generator(torch.zeros(1, 6)).shape == (1, 64, 256)


def test_stopped_and_continued_equals_unbroken(
    hits: PreparedData, tmp_path: Path, unbroken: RunFolder, cheap_networks: None
) -> None:
    first = run(hits, tmp_path, max_seconds=0.0)
    assert first.read_metrics()[-1]["step"] == 1
    with first.metrics.open("a") as log:  # what a kill leaves behind: a row after the checkpoint, and half a row
        log.write(json.dumps({"step": 2, "kimg": 0.008}) + '\n{"step": 3, "km')
    again = run(hits, tmp_path)
    assert again == first
    assert_same(again, unbroken)


@pytest.mark.slow
def test_killed_and_continued_equals_unbroken(
    hits: PreparedData, tmp_path: Path, unbroken: RunFolder, cheap_networks: None
) -> None:
    """kill -9 of a real process at an arbitrary moment after its second tick."""
    arguments = [sys.executable, str(PROGRAM), str(hits.path), str(tmp_path), json.dumps(cheap.SIZES)]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    metrics = tmp_path / "00000-tiny" / "metrics.jsonl"
    deadline = time.monotonic() + 600  # starting takes long where cores are shared
    while process.poll() is None and time.monotonic() < deadline:
        if metrics.exists() and len(metrics.read_bytes().splitlines()) >= 3:
            break
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert metrics.exists(), errors.decode()
    assert len(metrics.read_bytes().splitlines()) < 7 or process.returncode == 0
    assert_same(run(hits, tmp_path), unbroken)


def test_interrupted_after_a_step_it_keeps_that_step(
    hits: PreparedData, tmp_path: Path, unbroken: RunFolder, cheap_networks: None
) -> None:
    """Ctrl-C between two ticks: the step under way is finished and saved, and the run goes on from there."""

    def press(row: Mapping[str, Any]) -> None:
        if row["step"] == 2:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(hits.path, tmp_path, "tiny", overrides=cheap.SIZES, device="cpu", report=press)
    assert signal.getsignal(signal.SIGINT) is before
    (folder,) = tmp_path.glob("*-tiny")
    assert load_tensors(folder / "checkpoints" / "last.safetensors")[1]["step"] == 3
    assert_same(run(hits, tmp_path), unbroken)


def test_other_seeds_differ(hits: PreparedData, tmp_path: Path, unbroken: RunFolder, cheap_networks: None) -> None:
    other = run(hits, tmp_path, merged(train={"seed": 1, "kimg": 0.004}))
    assert other.read_metrics()[1]["loss/d"] != unbroken.read_metrics()[1]["loss/d"]


def test_bf16_trains_as_float32_does_within_its_rounding(
    hits: PreparedData, tmp_path: Path, unbroken: RunFolder, cheap_networks: None
) -> None:
    quick = run(hits, tmp_path, merged(train={"bf16": True}))
    assert all(value.dtype == torch.float32 for value in state(quick).values() if value.is_floating_point())
    plain, rounded = unbroken.read_metrics()[1], quick.read_metrics()[1]
    assert rounded["loss/d"] != plain["loss/d"]
    assert rounded["loss/d"] == pytest.approx(plain["loss/d"], rel=0.02)


def test_a_generator_that_draws_far_outside_is_shown_and_heard_all_the_same(hits: PreparedData, tmp_path: Path) -> None:
    """An unbounded generator, or z-scores of a band that is nearly always silent: no reason to end a run."""
    wild = torch.linspace(-40, 40, 64)[None, :, None].expand(1, 64, 256)
    samples.write_samples(tmp_path, "0", wild, hits, waves=1)
    assert (tmp_path / "0.png").stat().st_size > 200
    assert len(read_audio(tmp_path / "0-0.wav").samples) == hits.mel.bar_samples


def test_ticks_measure_what_would_come_out_of_a_generator_that_draws_far_outside(
    hits: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cheap_networks: None
) -> None:
    """A network given 10^60 answers with NaN, which would end the run; whoever uses the model hears the loudest there is."""
    highest: list[float] = []

    class Recording(cheap.CheapEmbedder):
        def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
            highest.append(float(log_mel.max()))
            return super().forward(log_mel)

    monkeypatch.setattr("loopwright.training.tick.build_embedder", lambda name, mel: Recording())
    plain = gan_watch.generate_batch
    monkeypatch.setattr(gan_watch, "generate_batch", lambda *args, **more: plain(*args, **more) * 1e4)
    folder = run(hits, tmp_path / "runs")
    assert max(highest) == pytest.approx(3.0)
    assert folder.read_metrics()[-1]["step"] > 0


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["projected", "stylegan2"])
def test_two_processes_equal_one_with_the_joint_batch(
    kind: str, hits: PreparedData, tmp_path: Path, cheap_networks: None
) -> None:
    """gloo on the CPU. Weights after three steps agree but for rounding, which Adam's first steps magnify."""
    settings = merged(
        train={"batch": 8, "kimg": 0.024, "tick_kimg": 0.008, "loss": "hinge" if kind == "projected" else "logistic"},
        discriminator={"kind": kind, "r1_gamma": 0.0 if kind == "projected" else 1.0},
    )
    alone = run(hits, tmp_path / "one", settings)
    environment = os.environ | {
        "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    arguments = [sys.executable, str(PROGRAM), str(hits.path), str(tmp_path / "two"), json.dumps(settings)]
    ranks = [environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(arguments, env=variables, **quiet) for variables in ranks]  # type: ignore[call-overload]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=600)
            assert process.returncode == 0, errors.decode()
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    both = RunFolder(tmp_path / "two" / "00000-tiny")
    for one, two in zip(alone.read_metrics()[1:], both.read_metrics()[1:], strict=True):
        for key in ("loss/d", "loss/g", "logit/real", "grad/d"):
            assert two[key] == pytest.approx(one[key], rel=2e-3, abs=2e-4), key
    a, b = state(alone), state(both)
    assert a.keys() == b.keys()
    for key, value in a.items():
        if key.startswith(("generator/", "discriminator/")):
            gap = (value.float() - b[key].float()).norm() / (value.float().norm() + 0.1)
            assert gap < 1e-2, key


def test_batch_that_cannot_be_shared(hits: PreparedData, tmp_path: Path, cheap_networks: None) -> None:
    from loopwright.errors import ConfigError
    from loopwright.training.parallel import World

    with pytest.raises(ConfigError, match=r"train\.batch 4 cannot be shared by 3 processes"):
        loop.train_gan(
            RunFolder(tmp_path), load_recipe("tiny", cheap.SIZES), hits, device=torch.device("cpu"), world=World(0, 3)
        )


def test_learning_rates_fall_to_nothing_over_the_last_images(hits: PreparedData, cheap_networks: None) -> None:
    recipe = load_recipe("tiny", merged(train={"lr_g": 0.4, "lr_d": 0.2, "anneal_kimg": 2.0}))
    gan = build_gan(recipe, hits, torch.device("cpu"))
    for left_kimg, share in ((9.0, 1.0), (2.0, 1.0), (1.0, 0.5), (0.25, 0.125), (0.0, 0.0)):
        loop.anneal(gan, recipe.train, left_kimg=left_kimg)
        rates = [optimizer.param_groups[0]["lr"] for optimizer in (gan.optimizer_g, gan.optimizer_d)]
        assert rates == pytest.approx([0.4 * share, 0.2 * share])
    level = load_recipe("tiny", merged(train={"lr_g": 0.4, "anneal_kimg": 0.0}))
    loop.anneal(gan, level.train, left_kimg=0.0)
    assert gan.optimizer_g.param_groups[0]["lr"] == 0.4


def test_a_run_anneals_its_very_last_images(hits: PreparedData, tmp_path: Path, cheap_networks: None) -> None:
    """Six steps of four images, the last three annealed: Adam's first steps move a weight by its rate."""
    rates: list[float] = []
    anneal = loop.anneal

    def recording(gan: Any, *args: Any, **more: Any) -> None:
        anneal(gan, *args, **more)
        rates.append(gan.optimizer_d.param_groups[0]["lr"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "anneal", recording)
        run(hits, tmp_path, merged(train={"lr_d": 0.3, "anneal_kimg": 0.012}))
    assert rates == pytest.approx([0.3, 0.3, 0.3, 0.3, 0.2, 0.1])


def test_killed_before_its_first_checkpoint_it_logs_its_first_row_once(
    hits: PreparedData, tmp_path: Path, unbroken: RunFolder, cheap_networks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):  # noqa: N818
        pass

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(gan_watch, "save_checkpoint", kill)
        with pytest.raises(Killed):
            run(hits, tmp_path)
    assert [row["step"] for row in RunFolder(tmp_path / "00000-tiny").read_metrics()] == [0]
    assert_same(run(hits, tmp_path), unbroken)


def test_diverged_run_keeps_its_last_checkpoint(
    hits: PreparedData, tmp_path: Path, cheap_networks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = Batches.__call__

    def poisoned(self: Batches, step: int) -> torch.Tensor:
        return good(self, step) * (float("nan") if step == 2 else 1.0)

    monkeypatch.setattr(Batches, "__call__", poisoned)
    with pytest.raises(TrainingDivergedError, match="at step 2"):
        run(hits, tmp_path)
    folder = RunFolder(tmp_path / "00000-tiny")
    assert load_tensors(folder.checkpoint("last"))[1]["step"] == 2
    assert all(torch.isfinite(x).all() for x in state(folder).values())


def test_out_of_memory_names_batch_and_sizes(
    hits: PreparedData, tmp_path: Path, cheap_networks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried 1 TB")

    monkeypatch.setattr(loop, "train_step", full)
    with pytest.raises(InputError, match=r"out of memory with train.batch 4 and generator.channels \[12, 12, 8, 8\]. Lower"):
        run(hits, tmp_path)


def test_one_process_at_a_time(hits: PreparedData, tmp_path: Path, unbroken: RunFolder, cheap_networks: None) -> None:
    with (
        locked(unbroken.path, "training"),
        pytest.raises(BusyError, match=r"another process .* is training"),
    ):
        run(hits, unbroken.path)


def test_conditional_run_learns_styles_and_its_model_knows_them(
    hits: PreparedData, tmp_path: Path, cheap_networks: None
) -> None:
    folder = run(hits, tmp_path, merged(train={"condition": "style", "kimg": 0.004}))
    file = modelfile.read(folder.checkpoint("best"))
    generator, header = modelfile.build(file), file.header
    assert header["styles"] == ["funk", "house", "rock"]
    assert generator.classes == 3
    row = folder.read_metrics()[-1]
    assert {f"style/{name}" for name in header["styles"]} <= row.keys()
    assert all(0 <= row[f"style/{name}"] <= 1 for name in header["styles"])


def test_without_weights_from_outside_house_own_trains_and_house_says_so(
    hits: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's machine: nothing but what is in the box."""
    monkeypatch.delenv("LOOPWRIGHT_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sizes = {"generator": cheap.SIZES["generator"], "train": {"batch": 2, "kimg": 0.004, "eval_n": 8}}
    path = train(hits.path, tmp_path / "runs", "house-own", overrides=sizes, device="cpu", threads=1)
    last = RunFolder(path).read_metrics()[-1]
    assert last["kimg"] == 0.004
    assert last["kad/scnn_loop_synth"] > 0
    with pytest.raises(WeightsError, match=r"no weights for .* The recipe house-own needs no weights"):
        train(hits.path, tmp_path / "runs", "house", overrides=sizes, device="cpu", threads=1)
