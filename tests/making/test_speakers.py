"""Models of notes and of drum hits: exact loops on both engines, in tune, on time, in key, and back as MIDI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from random_model import random_bank, random_model

from loopwright.audio.drum_events import Hit, activations
from loopwright.audio.keys import parse_key
from loopwright.audio.note_events import Note, read_notes
from loopwright.config import GRID_BPM, LOOP48, TONE48, Representation
from loopwright.errors import InputError
from loopwright.making import Model, mix, near, place_of, render_place, walk
from loopwright.making.clip import Clip
from loopwright.making.drumkit import KitSpeaker, held_back
from loopwright.making.engines import load
from loopwright.making.export import export_onnx
from loopwright.making.onnx_model import OnnxModel
from loopwright.making.speaker import Wanted
from loopwright.making.torch_model import TorchModel
from loopwright.metrics import tuning
from loopwright.models.pattern_kit import PatternKit
from loopwright.models.pitch_grid import PitchGridGenerator

MELODY = Clip(tuple(Note(n, i / 4, 0.22, 0.9) for i, n in enumerate((57, 60, 64, 69))), 1, parse_key("Amin"))
BEAT = Clip((Hit("kick", 0.0, 1.0), Hit("hat_closed", 0.26, 0.6), Hit("snare", 0.5, 0.9), Hit("kick", 0.77, 0.7)), 1)


KINDS: dict[str, tuple[str, Representation, dict[str, Any]]] = {
    "notes given": ("house-tonal", TONE48, {"given": True, "channels": (24, 24, 24, 16, 16)}),
    "notes written": ("house-tonal", TONE48, {"given": False, "channels": (24, 24, 24, 16, 16)}),
    "hits given": ("house-drums", LOOP48, {"given": True}),
    "hits made": ("house-drums", LOOP48, {"given": False}),
}


@pytest.fixture(scope="module", params=list(KINDS))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Model]:
    """A model in torch, and its export in onnxruntime."""
    recipe, speaks, settings = KINDS[request.param]
    folder = tmp_path_factory.mktemp("both")
    file = random_model(folder / "model.safetensors", recipe, speaks, **settings)
    export_onnx(str(file), folder / "E")
    return [TorchModel.load(str(file)), load(str(folder / "E"))]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Given its scores; what is tested with it does not depend on the engine."""
    path = tmp_path_factory.mktemp("keys") / "keys.safetensors"
    return load(str(random_model(path, "house-tonal", TONE48, channels=(16, 16, 16, 16, 16))), engine="torch")


@pytest.fixture(scope="module")
def beats(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("beats") / "beats.safetensors"
    return load(str(random_model(path, "house-drums", LOOP48)))


def test_both_engines_make_the_same_loops(both: list[Model]) -> None:
    torch_model, onnx_model = both
    assert isinstance(onnx_model, OnnxModel)
    for seed, bars, bpm in ((5, 1, 131.0), (6, 2, 97.3)):
        a, b = (m.generate([seed], bpm=bpm, bars=bars)[0] for m in both)
        np.testing.assert_allclose(a.samples, b.samples, atol=1e-4)
        assert len(a.samples) == round(60 * 44_100 * 4 * bars / bpm)
        assert a.clip is not None
        assert b.clip is not None
        assert len(a.clip.events) == len(b.clip.events) > 0
        assert a.info["seed"] == seed
    assert torch_model.vocoder_name == onnx_model.vocoder_name


def test_pictures_are_what_the_generator_composes(both: list[Model]) -> None:
    """The speaker's picture is made in numpy of the parts; the generator's is what it was trained on."""
    import torch

    model = both[0]
    assert isinstance(model, TorchModel)
    for bars in (1, 2):
        clips = model.clips_for([3], bars)
        given = None if clips[0] is None else torch.from_numpy(model.speaker.given(clips[0]))[None]
        ws = model.bar_styles(model.styles_of([3]), [3], bars)
        noise = [torch.from_numpy(x) for x in _maps(model, 3, bars)]
        styles = torch.from_numpy(ws)
        styles = styles[:, None].expand(-1, model.n_styles, -1) if styles.dim() == 2 else styles
        composed = model.generator.compose(styles, noise, given, bars=bars) * model.std[:, None] + model.mean[:, None]
        floor = float(np.log10(model.mel.log_floor))
        shown = model.log_mel(ws, [3], bars=bars, clips=clips)
        # of a made pattern the softest hits are none
        tolerance = 2e-3 if isinstance(model.generator, PitchGridGenerator) else 0.01 if model.speaker.is_given else 0.1
        np.testing.assert_allclose(shown, composed.clamp(min=floor).numpy(), atol=tolerance)


def _maps(model: Model, seed: int, bars: int) -> list[np.ndarray]:
    from loopwright.making.draws import noise_map

    return [noise_map(seed, i, shape)[None] for i, shape in enumerate(model.sizes.noise_shapes(bars))]


def test_no_loop_clicks_and_every_rate_is_exact(both: list[Model]) -> None:
    for seed, rate in enumerate((44_100, 48_000, 96_000)):
        for loop in both[1].generate([seed], bpm=117.3, rate_hz=rate):
            assert len(loop.samples) == round(60 * rate * 4 / 117.3)
            assert loop.seam()["click_ratio"] <= 1
            assert np.abs(loop.samples).max() <= 1
            assert np.abs(loop.samples).max() > 0.05


@pytest.mark.parametrize(("bpm", "rate"), [(120.0, 44_100), (83.7, 48_000), (174.0, 44_100)])
def test_a_given_melody_is_in_tune_at_any_tempo(keys: Model, bpm: float, rate: int) -> None:
    """Whatever its weights: these are random, and make noise as loud as notes, so that is left out."""
    for seed in range(4):
        clips = keys.clips_for([seed], 1, clip=MELODY)
        (drawn,) = keys.drawn(keys.styles_of([seed]), [seed], clips=clips)
        quiet = {**drawn, "residual": np.zeros_like(drawn["residual"])}
        wave = keys.speaker.sound(quiet, MELODY, seed, Wanted(bpm, rate))
        heard = tuning(wave[None].astype(np.float64), rate)
        assert abs(float(heard.offset[0])) < 3
        assert float(heard.r[0]) > 0.7


def test_a_key_moves_the_notes_and_is_in_the_name(keys: Model) -> None:
    for seed in range(4):
        (plain,) = keys.generate([seed])
        assert plain.clip is not None
        assert plain.clip.key is not None
        assert plain.info["key"] == plain.clip.key.name == plain.name.split("_")[3]
        (moved,) = keys.generate([seed], key="F#min")
        assert moved.clip is not None
        move = plain.clip.key.to(parse_key("F#min"))
        assert [n.note for n in moved.clip.notes] == [n.note + move for n in plain.clip.notes]
        assert moved.info["key"] == moved.name.split("_")[3] == "Gbmin"
    (again,) = keys.generate([3], key="F#min")
    np.testing.assert_array_equal(again.samples, keys.generate([3], key="Gb minor")[0].samples)


def test_a_written_score_is_moved_by_its_oscillators(tmp_path: Path) -> None:
    path = random_model(tmp_path / "own.safetensors", "house-tonal", TONE48, channels=(16, 16, 16, 16, 16), given=False)
    model = load(str(path), engine="torch")
    (plain,) = model.generate([1])
    assert plain.clip is not None
    assert plain.clip.key is not None
    target = plain.clip.key.moved(3)
    (moved,) = model.generate([1], key=target)
    assert moved.clip is not None
    assert [n.note for n in moved.clip.notes] == [n.note + 3 for n in plain.clip.notes]
    low, high = (np.abs(np.fft.rfft(loop.samples)) for loop in (plain, moved))
    # the strongest partial that both have is three semitones higher, to the nearest half hertz
    at = int(low[200:2000].argmax()) + 200
    near_by = high[int(at * 2**0.25) - 2 : int(at * 2**0.25) + 3].max()
    assert near_by > 0.5 * high[int(200 * 2**0.25) : 2400].max()


def test_hits_are_heard_where_the_pattern_has_them(beats: Model) -> None:
    """Onset F1 of the pattern against the rendered stems, within 5 ms; the kit's one-shots are cut short for it."""
    speaker = beats.speaker
    assert isinstance(speaker, KitSpeaker)
    assert beats.vocoder is not None
    rate, bpm, found, wanted, right = 44_100, 97.3, 0, 0, 0
    n = round(60 * rate * 4 / bpm)
    for seed in range(6):
        clips = beats.clips_for([seed], 1)
        (drawn,) = beats.drawn(beats.styles_of([seed]), [seed], clips=clips)
        short = {**drawn, "kit": drawn["kit"] * (10.0 ** (-np.arange(96) / 10)).astype(np.float32)}  # 10 dB in 78 ms
        stems = speaker.stems(short, clips[0], seed, n_samples=n, rate_hz=rate, vocoder=beats.vocoder)
        assert clips[0] is not None
        for role, stem in stems.items():
            starts = sorted({round(hit.start * n) % n for hit in clips[0].hits if hit.role == role})
            heard = _onsets(stem, rate)
            hits = [min((abs(a - b) for b in heard), default=n) for a in starts]
            right += sum(gap < 0.005 * rate for gap in hits)
            wanted, found = wanted + len(starts), found + len(heard)
    assert 2 * right / (wanted + found) >= 0.95


def _onsets(stem: np.ndarray, rate: int) -> list[int]:
    """Samples at which a block of 1 ms is 9 dB above the loudest of the 20 ms before it, and no rise is near."""
    block = rate // 1000
    level = np.array([np.abs(stem[i : i + block]).max() for i in range(0, len(stem) - block, block)])
    before = np.array([max(np.take(level, range(i - 20, i), mode="wrap").max(), 1e-6) for i in range(len(level))])
    rises = [i for i in range(len(level)) if level[i] > 2.8 * before[i] and level[i] > 0.02 * level.max()]
    return [i * block for i in rises if not any(j in rises for j in range(i - 20, i))]


def test_stems_and_residual_are_the_whole(beats: Model) -> None:
    speaker = beats.speaker
    assert isinstance(speaker, KitSpeaker)
    assert beats.vocoder is not None
    clips = beats.clips_for([1], 1)
    (drawn,) = beats.drawn(beats.styles_of([1]), [1], clips=clips)
    whole = speaker.sound(drawn, clips[0], 1, Wanted(120, 44_100, 0, beats.vocoder))
    stems = speaker.stems(drawn, clips[0], 1, n_samples=len(whole), rate_hz=44_100, vocoder=beats.vocoder)
    silent = {**drawn, "residual": np.zeros_like(drawn["residual"])}
    dry = speaker.sound(silent, clips[0], 1, Wanted(120, 44_100, 0, beats.vocoder))
    np.testing.assert_array_equal(dry, sum(stems.values()))
    assert np.abs(whole - dry).max() > 1e-4


def test_a_residual_waits_for_its_hits_round_the_seam() -> None:
    """A hit that a window of five frames sees from two frames before to two after; it rings on for ten."""
    quiet, seen, ring = 1e-6, [0.1, 0.7], [1.0, *(0.8 ** np.arange(1, 11))]
    for at in (50, 1):
        power = np.full((3, 100), quiet, np.float32)
        power[:, np.arange(at - 2, at + 11) % 100] = np.array([*seen, *ring], np.float32)
        out = held_back(power, 2)
        assert out[:, np.arange(at - 2, at) % 100].max() == pytest.approx(quiet)
        np.testing.assert_allclose(out[0, at + 3 : at + 11], power[0, at + 3 : at + 11])  # it falls as it fell
        assert out.min() == pytest.approx(quiet)


def test_another_tempo_moves_hits_and_does_not_stretch_them(beats: Model) -> None:
    slow, fast = (beats.generate([2], bpm=bpm, clip=Clip((Hit("kick", 0.0, 1.0),), 1))[0] for bpm in (60, 240))
    n = 4410  # 100 ms of the attack: the residual, which is stretched, lies far below
    likeness = np.corrcoef(slow.samples[:n], fast.samples[:n])[0, 1]
    assert likeness > 0.9


def test_a_mix_is_the_notes_of_one_in_the_sound_of_another(both: list[Model]) -> None:
    model = both[0]
    a, b = place_of(model, 1), place_of(model, 2)
    first, second = render_place(model, a, bpm=120), render_place(model, b, bpm=120)
    sound, pattern = (render_place(model, mix(model, a, b, level), bpm=120) for level in ("sound", "pattern"))
    assert sound.clip is not None
    assert pattern.clip is not None
    if model.speaker.is_given:
        assert sound.clip == first.clip != second.clip
        assert pattern.clip == second.clip
    else:  # what a generator writes depends on its noise too, which is that of the first loop
        assert sound.clip == first.clip
        assert pattern.clip != first.clip
    assert np.abs(sound.samples - first.samples).max() > 0.01
    assert np.abs(pattern.samples - first.samples).max() > 0.01


def test_neighbours_and_walks_keep_to_a_clip(beats: Model) -> None:
    a, b = place_of(beats, 1), place_of(beats, 2)
    assert near(beats, a, 0.3, 0).plays == 1
    assert near(beats, a, 0.9, 0).plays not in (None, 1)
    assert [p.plays for p in walk(beats, a, b, 4)] == [1, 1, 2, 2]
    assert [len(render_place(beats, p, bpm=120).samples) for p in walk(beats, a, b, 2)] == [88_200, 88_200]


def test_places_of_other_models_say_nothing_of_clips(loop48_file: Path, beats: Model) -> None:
    plain = place_of(load(str(loop48_file)), 3)
    assert "plays" not in plain.model_dump()
    played = place_of(beats, 3)
    assert type(played)(**played.model_dump(mode="json")) == played


def test_midi_of_a_loop_comes_back(keys: Model, beats: Model, tmp_path: Path) -> None:
    (loop,) = keys.generate([2], bpm=93.7, bars=2)
    assert loop.clip is not None
    back, bars = read_notes(loop.save_midi(tmp_path))
    assert bars == 2
    assert [n.note for n in back] == [n.note for n in loop.clip.notes]
    np.testing.assert_allclose([n.start for n in back], [n.start for n in loop.clip.notes], atol=1 / 1900)
    assert mido.MidiFile(tmp_path / f"{loop.name}.mid").length == pytest.approx(loop.length_s, rel=1e-4)
    (drums,) = beats.generate([2], clip=BEAT)
    again = beats.clip_from_midi(drums.save_midi(tmp_path / "beat.mid"))
    assert [h.role for h in again.hits] == [h.role for h in BEAT.hits]
    np.testing.assert_allclose([h.start for h in again.hits], [h.start for h in BEAT.hits], atol=1 / 1900)


def test_what_a_model_cannot_do_is_said(keys: Model, beats: Model, loop48_file: Path, tmp_path: Path) -> None:
    whole = load(str(loop48_file))
    with pytest.raises(InputError, match="is given nothing to play, so it takes no MIDI"):
        whole.clip_from_midi(b"")
    with pytest.raises(InputError, match="knows no notes, so it has no key"):
        beats.generate([0], key="Amin")
    with pytest.raises(InputError, match="no key 'H'"):
        keys.generate([0], key="H")
    with pytest.raises(InputError, match=r"has no notes of the General MIDI drum map"):
        beats.clip_from_midi(Clip((Note(100, 0.0, 0.5, 1.0),), 1).midi(120))
    with pytest.raises(InputError, match="3 bars; loops have 1, 2 or 4"):
        keys.clip_from_midi(Clip((Note(60, 2.5, 0.5, 1.0),), 3).midi(120))
    with pytest.raises(InputError, match="its notes are not known"):
        whole.generate([0])[0].save_midi(tmp_path)
    with pytest.raises(InputError, match="makes its sound of notes, without a vocoder"):
        load(str(keys.path), vocoder="griffinlim", engine="torch")
    from loopwright.making.project import target_log_mel

    assert isinstance(keys, TorchModel)
    with pytest.raises(InputError, match="draws notes, and recordings are looked up in log-mels"):
        target_log_mel(keys, tmp_path / "any.wav")


def test_a_model_without_a_bank_plays_midi_alone(tmp_path: Path) -> None:
    path = random_model(tmp_path / "x.safetensors", "house-drums", LOOP48, header={"bank": None})
    _without_bank(path)
    model = load(str(path))
    with pytest.raises(InputError, match=r"brings nothing to play. Give it a MIDI file \(--midi\)"):
        model.generate([0])
    assert model.generate([0], clip=BEAT)[0].clip == BEAT


def _without_bank(path: Path) -> None:
    from loopwright.files import load_tensors, save_tensors

    tensors, header = load_tensors(path)
    save_tensors(path, tensors, {k: v for k, v in header.items() if k != "bank"})


def test_a_damaged_bank_is_named(tmp_path: Path) -> None:
    bank = random_bank("pattern-kit").to_json()
    bank["clips"][0]["events"][0] = ["kick", "soon", 1.0]
    path = random_model(tmp_path / "x.safetensors", "house-drums", LOOP48, header={"bank": bank})
    with pytest.raises(InputError, match=r"x\.safetensors has a damaged bank of clips"):
        load(str(path)).generate([0])


def test_made_patterns_are_those_that_the_generator_drew(tmp_path: Path) -> None:
    """Of a model that makes its patterns: its hits, drawn again, are the pattern that its kit played."""
    import torch

    path = random_model(tmp_path / "own.safetensors", "house-drums", LOOP48, given=False)
    model = TorchModel.load(str(path))
    assert isinstance(model.generator, PatternKit)
    ws, noise = model.styles_of([3]), [torch.from_numpy(x) for x in _maps(model, 3, 1)]
    parts = model.generator.parts(torch.from_numpy(ws)[:, None].expand(-1, model.n_styles, -1), noise)
    (drawn,) = model.drawn(ws, [3])
    clip = model.speaker.written(drawn)
    assert clip is not None
    softest = activations([Hit("kick", 0.0, 0.05)]).max()
    np.testing.assert_allclose(
        activations(clip.hits)[parts.roles] * parts.gains.numpy(), parts.pattern.numpy(), atol=2 * float(softest)
    )


def test_tempo_of_the_grid_is_what_models_are_trained_at(beats: Model) -> None:
    raw = beats.unlevelled(beats.styles_of([1]), [1], bpm=GRID_BPM, rate_hz=48_000)
    assert raw.shape == (1, 96_000)
