"""What lies at a path, as a list of loops: lengths, bars, numbers of a model's loops, vocoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from loopwright.audio.mel import LogMel
from loopwright.config import LOOP16
from loopwright.data.prepared import PreparedData
from loopwright.measuring.sides import Entry, FolderSide, ModelSide, PreparedSide, VocodedSide, guess_bars, open_side


def test_model_loops_depend_on_their_number_alone(run: Path, tmp_path: Path) -> None:
    few = open_side(run, count=3, seed=5, vocoder="griffinlim")
    more = open_side(run, count=20, seed=5, vocoder="griffinlim", keep=tmp_path)
    assert isinstance(few, ModelSide)
    np.testing.assert_array_equal(few.read(2).at(16_000), more.read(2).at(16_000))
    kept = list(tmp_path.glob("*.npy"))
    assert len(kept) == 1
    again = open_side(run, count=20, seed=5, vocoder="griffinlim", keep=tmp_path)
    assert (again.read(2).at(16_000) == more.read(2).at(16_000)).all()
    assert not np.allclose(few.read(2).at(16_000), open_side(run, count=3, seed=6).read(2).at(16_000))


def test_vocoded_side_keeps_length_and_order(prepared: PreparedData) -> None:
    from loopwright.vocoder import load as load_vocoder

    side = PreparedSide(prepared.path)
    vocoded = VocodedSide(side, [4, 2], load_vocoder("griffinlim", LOOP16))
    assert [x.name for x in vocoded.entries] == ["4.wav#0", "2.wav#0"]
    out, original = vocoded.read(1).at(16_000), side.read(2).at(16_000)
    assert out.shape == original.shape
    log_mel = LogMel(LOOP16)
    gap = (log_mel(torch.from_numpy(out)) - log_mel(torch.from_numpy(original))).abs().mean()
    shuffled = (log_mel(torch.from_numpy(vocoded.read(0).at(16_000))) - log_mel(torch.from_numpy(original))).abs().mean()
    assert gap < 0.3 < shuffled


def test_vocoding_is_kept_while_an_evaluation_runs(prepared: PreparedData, tmp_path: Path) -> None:
    class Counting:
        name, mel, calls = "counting", LOOP16, 0

        def __call__(self, log_mel: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return torch.full((len(log_mel), LOOP16.bar_samples), float(log_mel.mean()))

    vocoder = Counting()
    for _ in range(2):  # the second time as after an interruption
        side = VocodedSide(PreparedSide(prepared.path), [4, 2], vocoder, keep=tmp_path / "work")  # type: ignore[arg-type]
        first, second = side.read(0).at(16_000), side.read(1).at(16_000)
        assert not np.allclose(first, second)
    assert vocoder.calls == 2
    assert len(list((tmp_path / "work").iterdir())) == 2


def test_bars_come_from_the_table_then_the_file_then_the_length(tmp_path: Path) -> None:
    from loopwright.audio.io import write_wav
    from loopwright.audio.wavmeta import loop_chunks

    x = np.zeros(64_000, np.float32)
    x[0] = 0.5
    write_wav(tmp_path / "said.wav", x, 16_000)
    write_wav(tmp_path / "acid.wav", x, 16_000, chunks=loop_chunks(64_000, 16_000, 60.0, 4, {}))
    write_wav(tmp_path / "unknown.wav", x, 16_000)
    (tmp_path / "loops.csv").write_text("file,bars,source,split\nsaid.wav,4,pack one,test\n")
    side = FolderSide(tmp_path)
    assert {loop.name: side.read(i).bars for i, loop in enumerate(side.entries)} == {
        "said.wav": 4,
        "acid.wav": 1,
        "unknown.wav": 2,
    }
    assert side.entries[1] == Entry("said.wav", 4, "pack one", "test")


@pytest.mark.parametrize(("seconds", "bars"), [(2.0, 1), (1.4, 1), (2.7, 1), (3.2, 2), (8.0, 4), (16.0, 8)])
def test_guessed_bars_put_the_tempo_near_120(seconds: float, bars: int) -> None:
    assert guess_bars(seconds) == bars
    assert 80 < 240 * bars / seconds < 175
