"""The library on disk: what is written can be read by others, stars survive, the oldest go."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile

from loopwright.audio.png import gray_png
from loopwright.audio.wavmeta import read_chunks
from loopwright.errors import InputError
from loopwright.making.loop import Loop
from loopwright.making.picture import picture_of
from loopwright.studio.library import Library, id_of


def a_loop(name: str = "Loopwright_Test_120_loop_bababa", hz: float = 440.0, beats: int = 4) -> Loop:
    n = 22_050 * beats
    return Loop((0.5 * np.sin(2 * np.pi * hz * np.arange(n) / 44_100)).astype(np.float32), 44_100, beats, name, {"seed": 1})


def test_a_gray_png_is_read_back_by_another_program() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (17, 33)).astype(np.uint8)
    read = matplotlib.image.imread(io.BytesIO(gray_png(pixels)), format="png")
    np.testing.assert_array_equal(np.round(read * 255).astype(np.uint8), pixels)


def test_a_tone_is_one_line_in_the_picture_and_a_higher_tone_a_higher_line() -> None:
    def row(hz: float) -> int:
        image = matplotlib.image.imread(io.BytesIO(picture_of(a_loop(hz=hz, beats=8))), format="png")
        assert image.shape == (64, 256)
        assert np.all(image.argmax(axis=0) == image[:, 0].argmax())
        return int(image[:, 0].argmax())

    assert row(4000) < row(1000) < row(200)  # rows count from the top


def test_loops_and_stars_survive_a_restart(tmp_path: Path) -> None:
    library = Library(tmp_path)
    kept = library.add(a_loop(), {"n": 1})
    library.add(a_loop(hz=300), {"n": 2})
    library.star(kept.id, True)
    again = Library(tmp_path)
    assert [k.id for k in again.starred()] == [kept.id]
    assert [k.how["n"] for k in again.recents()] == [2, 1]
    meta = read_chunks(again.audio(kept.id))
    assert (meta.bpm, meta.beats, meta.loops) == (120.0, 4, ((0, 88_199),))


def test_the_same_wish_finds_the_same_loop_and_another_wish_does_not(tmp_path: Path) -> None:
    library = Library(tmp_path)
    kept = library.add(a_loop(), {"a": 1, "b": 2})
    assert library.find(id_of({"b": 2, "a": 1})) == kept
    assert library.find(id_of({"a": 1, "b": 3})) is None


def test_beyond_the_limit_the_oldest_go_but_never_a_star(tmp_path: Path) -> None:
    library = Library(tmp_path, keep=3)
    first = library.add(a_loop(), {"n": 0})
    library.star(first.id, True)
    ids = [library.add(a_loop(), {"n": n}).id for n in range(1, 6)]
    assert [k.id for k in library.recents()] == [*reversed(ids[2:]), first.id]
    assert {p.stem for p in tmp_path.glob("*.wav")} == {first.id, *ids[2:]}
    with pytest.raises(InputError, match="not here any more"):
        library.get(ids[0])


def test_bytes_are_limited_too(tmp_path: Path) -> None:
    library = Library(tmp_path, keep_bytes=600_000)  # a loop has 264,600 bytes and its chunks
    for n in range(5):
        library.add(a_loop(), {"n": n})
    assert len(library.recents()) == 2


def test_damaged_and_foreign_files_do_not_keep_it_from_opening(tmp_path: Path) -> None:
    good = Library(tmp_path).add(a_loop(), {"n": 1})
    (tmp_path / "0123456789abcdef0123.json").write_text("{ half")
    (tmp_path / "notes.json").write_text('{"mine": true}')
    lost = Library(tmp_path).add(a_loop(hz=200), {"n": 2})
    Library(tmp_path).audio(lost.id).unlink()
    assert [k.id for k in Library(tmp_path).recents()] == [good.id]


def test_ids_cannot_leave_the_folder(tmp_path: Path) -> None:
    library = Library(tmp_path / "inside")
    for bad in ("../secret", "..", "/etc/passwd", "a" * 21, "A" * 20, ""):
        with pytest.raises(InputError, match="not the id of a loop"):
            library.audio(bad)


def test_a_pack_has_valid_wavs_a_manifest_and_no_two_files_of_one_name(tmp_path: Path) -> None:
    library = Library(tmp_path)
    ids = [library.add(a_loop(hz=hz), {"hz": hz}).id for hz in (220.0, 330.0)]
    archive = zipfile.ZipFile(io.BytesIO(library.zip_of([*ids, ids[0]])))
    assert archive.testzip() is None
    manifest = json.loads(archive.read("Pack/manifest.json"))
    assert len({entry["file"] for entry in manifest["loops"]}) == 2
    for entry in manifest["loops"]:
        samples, rate = soundfile.read(io.BytesIO(archive.read(f"Pack/{entry['file']}")))
        assert (len(samples), rate) == (entry["samples"], entry["rate_hz"]) == (88_200, 44_100)
    assert b"CC0" in archive.read("Pack/LICENSE.txt")
