"""`train vocoder` and `vocode` end to end on four small bars, and the measures against closed forms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from loopwright.audio.mel import LogMel
from loopwright.cli import cli
from loopwright.config import LOOP16, LOOP48
from loopwright.data import PreparedData, PreparedWriter
from loopwright.errors import ConfigError, LoopwrightError
from loopwright.tasks.train_vocoder import Together
from loopwright.vocoder import load
from loopwright.vocoder.fidelity import attack_errors, mel_errors, onset_samples, stft_errors

SMALL = ["--frames", "16", "--batch", "1", "--set", "model.dim=16", "--set", "model.layers=1", "--set", "model.refine=1"]


def a_bar(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(LOOP16.bar_samples) / LOOP16.rate_hz % (0.25 + 0.25 * (seed % 2))
    wave = 0.4 * np.sin(2 * np.pi * (60 + 30 * seed) * t) + 0.2 * rng.standard_normal(len(t))
    return (wave * np.exp(-t * 20)).astype(np.float32)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prepared") / "four"
    writer = PreparedWriter(path, LOOP16, 1)
    analyse = LogMel(LOOP16)
    for i in range(6):
        bar = a_bar(i)
        split = ("train", "train", "test", "test", "test", "test")[i]
        record = {"id": str(i), "file": f"{i}.wav", "split": split, "source": str(i), "kit": "k", "licence": "CC0-1.0"}
        writer.add(analyse(torch.from_numpy(bar)).numpy(), bar, record)
    writer.finish()
    return path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_train_continue_and_compare(prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run("train", "vocoder", prepared, "-o", folder, "--steps", 2, "--every", 1, *SMALL)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert all(np.isfinite(row["held_out/mel"]) for row in rows)
    run("train", "vocoder", prepared, "-o", folder, "--steps", 3, *SMALL)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert (folder / "samples" / "0000003.png").stat().st_size > 1000
    assert load(folder, LOOP16).mel == LOOP16
    with pytest.raises(ConfigError, match="model"):
        run("train", "vocoder", prepared, "-o", folder, "--steps", 3)
    with pytest.raises(LoopwrightError, match="loop16"):
        load(folder, LOOP48)

    out = tmp_path / "out"
    model = folder / "vocoder.safetensors"
    table = run(
        "vocode", prepared, "-o", out, "-n", 4, "--vocoder", "griffinlim", "--vocoder", model, "--judge", "random:yamnet"
    )
    assert "| log mel (dB) |" in table
    result = json.loads((out / "comparison.json").read_text())
    assert result["n"] == 4
    # Both start from the same prior, so after three steps either may be ahead; both must be far better than silence.
    errors = [result["rows"][name]["errors"]["log mel"]["value"] for name in ("griffinlim", "vocoder")]
    assert errors[0] != errors[1]
    assert all(0 < error < 6 for error in errors)
    assert result["rows"]["vocoder"]["wrap"]["clicks"] == 0
    assert (out / "sheet.png").stat().st_size > 1000
    assert (out / "vocoder_0.wav").exists()
    assert not (out / "work").exists()


def test_melgan_and_several_folders(prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    small = ["--set", "model.width=2", "--set", "model.residual_layers=1", "--set", "model.ratios=[5,5,5]"]
    run("train", "vocoder", prepared, prepared, "-o", folder, "--kind", "melgan", "--steps", 1, "--frames", 64, *small)
    config = json.loads((folder / "config.json").read_text())
    assert len(config["data"]) == 2
    assert load(folder, LOOP16).name == "melgan"
    assert json.loads((folder / "metrics.jsonl").read_text())["matching"] > 0
    with pytest.raises(ConfigError, match="model"):
        run("train", "vocoder", prepared, "-o", folder, "--kind", "melgan", "--steps", 2)


def test_several_folders_are_rows_of_one(prepared: Path, tmp_path: Path) -> None:
    both = Together([prepared, prepared])
    rows = both.indices("train")
    assert rows.tolist() == [0, 1, 6, 7]
    alone = PreparedData.open(prepared).audio(np.array([0, 1]))
    np.testing.assert_array_equal(both.audio(np.array([7, 0])), alone[[1, 0]])
    other = PreparedWriter(tmp_path / "other", LOOP48, 1)
    bar = np.random.default_rng(0).standard_normal(LOOP48.bar_samples).astype(np.float32) * 0.1
    for split in ("train", "test"):
        other.add(LogMel(LOOP48)(torch.from_numpy(bar)).numpy(), bar, {"id": split, "split": split})
    other.finish()
    with pytest.raises(LoopwrightError, match=r"loop48.*loop16"):
        Together([prepared, tmp_path / "other"])


def test_refused_settings(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="repulsion"):
        run("train", "vocoder", prepared, "-o", tmp_path / "r", "--set", "repulsion=3")
    with pytest.raises(ConfigError, match="nonsense"):
        run("train", "vocoder", prepared, "-o", tmp_path / "r", "--set", "nonsense=3")


def test_a_gain_is_measured_in_its_own_decibels() -> None:
    real = torch.randn(2, 32000, generator=torch.Generator().manual_seed(0)) * 0.2
    half = real * 10 ** (-6 / 20)
    convergence, log = stft_errors(real, half)
    np.testing.assert_allclose(convergence, 1 - 10 ** (-6 / 20), rtol=1e-4)
    np.testing.assert_allclose(log, 6, rtol=1e-2)  # a few bins lie under the floor
    analyse = LogMel(LOOP16)
    np.testing.assert_allclose(mel_errors(analyse(real), half, analyse), 6, rtol=1e-3)
    assert float(np.max(stft_errors(real, real)[0])) == 0


def test_attacks_are_found_and_judged_where_they_are() -> None:
    bar = torch.from_numpy(a_bar(1))[None]  # hits every 0.5 s
    (found,) = onset_samples(bar, 16_000)
    want = np.arange(4) * 8000
    assert len(found) == 4
    away = (np.asarray(found) - want[:, None] + 16_000) % 32_000 - 16_000
    assert np.abs(away).min(axis=1).max() <= 160  # 10 ms
    assert attack_errors(bar, bar, 16_000) == pytest.approx(0)
    between = bar.clone()
    between[0, 4000:6000] *= 0.1  # no attack there
    assert attack_errors(bar, between, 16_000) == pytest.approx(0, abs=1e-6)
    early = bar.clone()
    early[0, 7900:8000] = 0.2
    assert attack_errors(bar, early, 16_000)[0] > 1
    assert np.isnan(attack_errors(torch.zeros(1, 32000), bar, 16_000))
