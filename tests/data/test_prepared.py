"""The prepared format: what is written is read, and a writer killed at any byte continues to the same bytes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopwright.config import MelConfig
from loopwright.data import prepared_writer
from loopwright.data.prepared import PreparedData
from loopwright.data.prepared_writer import PreparedWriter
from loopwright.errors import InputError

TINY = MelConfig(name="tiny", rate_hz=160, n_fft=64, hop=20, n_mels=3, fmax_hz=80, bar_frames=16, model_frames=16)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared_writer, "ROWS_PER_SHARD", 8)


def entries() -> Iterator[list[tuple[np.ndarray, np.ndarray, dict[str, Any]]]]:
    """Files of 0 to 12 rows each."""
    rng = np.random.default_rng(5)
    row = 0
    for file in range(14):
        rows = []
        for bar in range(int(rng.integers(0, 13)) if file % 3 else 1):
            mel = rng.normal(-2, 1, (3, 16)).astype(np.float32)
            audio = rng.uniform(-1, 1, 320).astype(np.float32)
            rows.append((mel, audio, {"file": f"{file} é\u2028.wav", "bar": bar, "source": f"s{file}", "split": ""}))
            row += 1
        yield rows


def run(path: Path, *, resume: bool = False, stop_after: int = 10**9) -> PreparedWriter:
    writer = PreparedWriter(path, TINY, 1, resume=resume)
    try:
        for number, rows in enumerate(entries()):
            if number < writer.entries:
                continue
            if number >= stop_after:
                break
            for mel, audio, record in rows:
                writer.add(mel, audio, record)
            writer.commit(file=str(number))
    except BaseException:
        writer.close()
        raise
    return writer


def everything(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}


def split_of(record: dict[str, Any]) -> str:
    return "test" if record["source"] == "s4" else "train"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    data = run(tmp_path / "p").finish({"note": 1}, split_of=split_of)
    want = [row for rows in entries() for row in rows]
    assert len(data) == len(want)
    assert np.array_equal(
        data.log_mel(range(len(data))), np.stack([mel for mel, _, _ in want]).astype(np.float16).astype(np.float32)
    )
    assert np.max(np.abs(data.audio([3, 20, 1]) - np.stack([want[i][1] for i in (3, 20, 1)]))) <= 0.51 / 32768 + 1e-7
    assert data.column("file", [0]) == ["0 é\u2028.wav"]  # a line separator in a name is no new line of the manifest
    assert data.column("id") == list(range(len(data)))
    rows = data.indices("train")
    x = data.log_mel(rows).transpose(1, 0, 2).reshape(3, -1)
    assert data.stats.mean == pytest.approx(x.mean(axis=1), abs=1e-4)
    assert data.stats.std == pytest.approx(x.std(axis=1), abs=1e-4)
    low, high = np.quantile(x, (0.001, 0.999), axis=1, method="inverted_cdf")
    assert data.stats.low == pytest.approx(low, abs=0.011)  # cells are 0.01 wide
    assert data.stats.high == pytest.approx(high, abs=0.011)
    assert not (tmp_path / "p" / ".work").exists()


@pytest.mark.slow
def test_a_writer_continued_from_any_state_gives_the_same_bytes(tmp_path: Path) -> None:
    """Kill states: after every commit, and each of those with the last bytes of the journal or of a part missing or extra."""
    run(tmp_path / "whole").finish({}, split_of=split_of)
    want = everything(tmp_path / "whole")
    rng = np.random.default_rng(0)
    for stop in (1, 4, 9, 13):
        half = tmp_path / f"half{stop}"
        run(half, stop_after=stop).close()
        for damage in ("none", "torn journal", "torn part", "rows without journal"):
            there = tmp_path / "there"
            shutil.copytree(half, there)
            journal = there / ".work" / "journal.jsonl"
            parts = sorted(there.glob(".work/*.part"))
            if damage == "torn journal":
                raw = journal.read_bytes()
                journal.write_bytes(raw[: len(raw) - int(rng.integers(1, 60))])
            elif damage == "torn part" and parts[0].stat().st_size > 20:
                parts[0].write_bytes(parts[0].read_bytes()[:-17])
            elif damage == "rows without journal":
                for part in parts:
                    part.write_bytes(part.read_bytes() + b"\x01" * 777)
            run(there, resume=True).finish({}, split_of=split_of)
            assert everything(there) == want, (stop, damage)
            shutil.rmtree(there)


def test_killed_while_a_part_becomes_a_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every single file operation of sealing is a place to die."""
    run(tmp_path / "whole").finish({}, split_of=split_of)
    want = everything(tmp_path / "whole")
    real = prepared_writer.atomic_path
    for die_at in range(1, 14, 2):
        count = 0

        def dying(path: Path, at: int = die_at) -> Any:
            nonlocal count
            count += 1
            if count == at:
                raise KeyboardInterrupt
            return real(path)

        there = tmp_path / f"t{die_at}"
        monkeypatch.setattr(prepared_writer, "atomic_path", dying)
        with pytest.raises(KeyboardInterrupt):
            run(there).finish({}, split_of=split_of)
        monkeypatch.setattr(prepared_writer, "atomic_path", real)
        run(there, resume=True).finish({}, split_of=split_of)
        assert everything(there) == want, die_at


def test_starting_over_removes_what_was_there(tmp_path: Path) -> None:
    run(tmp_path / "p").finish({})
    writer = PreparedWriter(tmp_path / "p", TINY, 1)
    with pytest.raises(InputError, match="not a prepared folder"):
        PreparedData.open(tmp_path / "p")
    mel, audio, record = next(entries())[0]
    writer.add(mel, audio, record)
    assert len(writer.finish()) == 1


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    with PreparedWriter(tmp_path / "empty", TINY, 1) as writer, pytest.raises(InputError, match="nothing usable"):
        writer.finish()
    data = run(tmp_path / "p").finish({})
    with pytest.raises(InputError, match="is the split empty"):
        data.log_mel(data.indices("nothing"))
    (tmp_path / "p/shards/mel-00001.npy").write_bytes(b"short")
    with pytest.raises(InputError, match=r"shard mel-00001.npy of .* is missing or damaged"):
        PreparedData.open(tmp_path / "p").log_mel([9])
    (tmp_path / "p/manifest.jsonl").write_text('{"id": 0}\n', encoding="utf-8")
    with pytest.raises(InputError, match="the manifest has 1 rows"):
        PreparedData.open(tmp_path / "p")


def test_an_audio_less_folder_says_so(tmp_path: Path) -> None:
    writer = PreparedWriter(tmp_path / "p", TINY, 1, audio=False)
    mel, _, record = next(entries())[0]
    writer.add(mel, None, record)
    with pytest.raises(InputError, match="prepared without audio"):
        writer.finish().audio([0])
