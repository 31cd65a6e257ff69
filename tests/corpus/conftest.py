"""A miniature of the material the drum renderer needs: performances written with mido, one-shots made of noise and sines."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_material import rock_bars, write_midi

from loopwright.corpus.groove import Phrase, read_groove
from loopwright.corpus.kits import OneShots


@pytest.fixture(scope="session")
def mini_groove(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("groove")
    (folder / "pitch_map.csv").write_text(
        "pitch,pad,role,notes,mean_velocity\n36,k,kick,1,1\n38,s,snare,1,1\n40,s,snare,1,1\n42,h,hat_closed,1,1\n"
        "44,p,hat_closed,1,1\n46,o,hat_open,1,1\n51,r,ride,1,1\n"
    )
    rng = np.random.default_rng(0)
    lines = ["drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,duration,split"]
    played = [("rock", 1), ("funk/groove1", 1), ("jazz", 2), ("rock", 3), ("punk", 1), ("pop", 6)]  # style, drummer
    for number, (style, drummer) in enumerate(played):
        name = f"d/s/{number}.mid"
        write_midi(folder / name, rock_bars(12, rng))
        lines.append(f"drummer{drummer},s,d/s/{number},{style},110,beat,4-4,{name},x.wav,20,train")
    write_midi(folder / "d/s/waltz.mid", rock_bars(4, rng))
    lines.append("drummer1,s,d/s/waltz,rock,110,beat,3-4,d/s/waltz.mid,x.wav,20,train")
    (folder / "info.csv").write_text("\n".join(lines) + "\n")
    return folder


def _thud(rng: np.random.Generator, seconds: float, hz: float, noise: float) -> np.ndarray:
    t = np.arange(int(seconds * 44100)) / 44100
    x = np.sin(2 * np.pi * hz * t) + noise * rng.standard_normal(len(t))
    x *= np.exp(-t / (seconds / 5)) * np.minimum((t[-1] - t) / 0.01, 1)
    return 0.89 * x / np.abs(x).max()


@pytest.fixture(scope="session")
def mini_oneshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three kits that train and one on each far side; `muldjord` has three velocity layers; two kits have a ride."""
    folder = tmp_path_factory.mktemp("oneshots")
    rng = np.random.default_rng(1)
    voices = {
        "kick": (0.3, 60, 0.0),
        "snare": (0.2, 190, 1.0),
        "hat_closed": (0.06, 9000, 2.0),
        "hat_open": (0.6, 8000, 2.0),
        "tom_mid": (0.3, 120, 0.1),
    }
    rows = []
    for kit in ("muldjord", "uzu", "tr808_fischer", "freesound_electro", "house_dwsd", "gogodze_close"):
        (folder / kit).mkdir()
        layers = 3 if kit == "muldjord" else 1
        for role, (seconds, hz, noise) in {
            **voices,
            **({"ride": (1.9, 5000.0, 1.0)} if kit in ("muldjord", "gogodze_close") else {}),
        }.items():
            for layer in range(1, layers + 1):
                name = f"{kit}/{role}_{layer:02d}.flac"
                level_db = -1.0 - 9.0 * (layers - layer)
                soundfile.write(
                    folder / name, _thud(rng, seconds, hz * rng.uniform(0.9, 1.1), noise) * 10 ** ((level_db + 1) / 20), 44100
                )
                rows.append(
                    [
                        kit,
                        role,
                        name,
                        1,
                        layer,
                        layers,
                        "",
                        seconds,
                        level_db,
                        -20,
                        hz,
                        "CC-BY-4.0" if kit == "muldjord" else "CC0-1.0",
                        "x",
                    ]
                )
    with (folder / "index.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(
            [
                "kit",
                "role",
                "file",
                "variant",
                "layer",
                "n_layers",
                "articulation",
                "duration_s",
                "peak_dbfs",
                "rms_dbfs",
                "centroid_hz",
                "license",
                "source_file",
            ]
        )
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="session")
def library(mini_oneshots: Path) -> OneShots:
    return OneShots(mini_oneshots)


@pytest.fixture(scope="session")
def real_bars(shared_dir: Path) -> list[Phrase]:
    """Every bar of the real data set."""
    return read_groove(shared_dir / "data" / "groove")


@pytest.fixture(scope="session")
def mini_synth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One waveform group for each side, an instrument that trains (3.2 cents sharp, as the real one), 20 progressions."""
    folder = tmp_path_factory.mktemp("synth")
    turn = 2 * np.pi * np.arange(600) / 600
    rng = np.random.default_rng(2)
    cycles: list[np.ndarray] = []
    lines = ["row,name,group,peak,spectral_centroid_harmonic"]
    for group in ("0001", "0005", "0010", "0003"):
        for _ in range(3):
            levels = rng.uniform(0.2, 1, 12) / np.arange(1, 13)
            cycle = sum(level * np.sin((h + 1) * turn + rng.uniform(0, 6.3)) for h, level in enumerate(levels))
            lines.append(f"{len(cycles)},x,AKWF_{group},32767,4")
            cycles.append((20_000 * cycle / np.abs(cycle).max()).astype(np.int16))
    np.save(folder / "akwf_600.npy", np.array(cycles))
    (folder / "akwf_600.csv").write_text("\n".join(lines) + "\n")
    rows = ["instrument,file,midi_note"]
    for midi in (36, 60):
        hz = 440 * 2 ** ((midi - 69 + 0.032) / 12)
        time = np.arange(2 * 44_100) / 44_100
        note = sum(np.sin(2 * np.pi * hz * h * time) / h for h in (1, 2, 3)) * np.minimum(1, (2 - time) / 0.05)
        soundfile.write(folder / f"{midi}.flac", 0.5 * note, 44_100)
        rows.append(f"lately_bass,{midi}.flac,{midi}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    table = ["group,n_chords,chords,moods"]
    for first, second in (("I", "IV"), ("I", "V"), ("vi", "IV"), ("I", "ii"), ("IV", "I")):
        table += [f"major,4,{first} {second} I V,x", f"major,4,{second} {first} vi vi,x"]
        low, high = first.lower(), second.lower()
        table += [f"minor,4,{low} {high} i iv,x", f"minor,4,i {high} {low} i,x"]
    (folder / "progressions.csv").write_text("\n".join(table) + "\n")
    return folder
