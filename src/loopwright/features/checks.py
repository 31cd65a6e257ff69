"""Check values: what a correctly loaded network must say about two test signals. Run by `loopwright features verify`.

The figures were computed by an independent implementation and came with the weights; see docs/features.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loopwright.arrays import Float32, Float64
from loopwright.audio.constantq import ConstantQ
from loopwright.features.base import Network
from loopwright.features.basic_pitch import LOWEST_MIDI, RATE_HZ, WINDOW, BasicPitch
from loopwright.features.notes_loop import note_events
from loopwright.features.registry import HEARD_FRAMES, NETWORKS, load_judge, load_network, read_transcriber, weights_path
from loopwright.features.transcriber import PitchNet, TranscriberFeatures
from loopwright.files import sha256_of

TOLERANCE = 1e-3  # relative; single and double precision agree to 1e-4
PRINTED = 5e-5  # scores are published with four digits


@dataclass(frozen=True)
class Check:
    """One published result: mean and deviation of each tap, or the three best classes of a clip of `length` samples."""

    signal: str
    length: int = 32_000
    taps: tuple[tuple[float, float], ...] = ()
    embedding: tuple[float, float] | None = None  # of all values of all patches
    best: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class HeardCheck:
    """One published result of a transcriber: mean and deviation of its notes, onsets and contour, and the loudest note.

    `note`: MIDI number and mean posterior over frames 20 to 149; `contour_row`: its loudest row; None where not published.
    """

    signal: str
    means: tuple[tuple[float, float], ...]
    note: tuple[int, float] | None = None
    contour_row: int | None = None


# Basic Pitch at 22,050 Hz: figures of its published graph, computed outside of this project.
HEARD: dict[str, tuple[HeardCheck, ...]] = {
    "basic_pitch": (
        HeardCheck("a440", ((0.105517, 0.056725), (0.096018, 0.015865), (0.100702, 0.026921)), (69, 0.6355), 145),
        HeardCheck("a445", ((0.105057, 0.050228), (0.096520, 0.018825), (0.100809, 0.024243)), (69, 0.5720), 146),
        HeardCheck("chord", ((0.141166, 0.142633), (0.092272, 0.029996), (0.112445, 0.090245)), (64, 0.8608)),
        HeardCheck("chirp", ((0.109523, 0.021015), (0.114851, 0.077000), (0.104918, 0.024319))),
        HeardCheck("silence", ((0.099147, 0.004522), (0.104747, 0.008696), (0.098959, 0.007511))),
    ),
}
CHECKS: dict[str, tuple[Check, ...]] = {
    "yamnet": (
        Check("sine", taps=((0.43358, 0.84220), (0.46631, 0.73008), (0.42407, 0.79131), (0.39406, 0.69833))),
        Check("sweep", taps=((1.18722, 2.65867), (1.15369, 2.04692), (0.68466, 1.39327), (0.49242, 0.88994))),
        Check("sine", best=(("Beep, bleep", 0.9272), ("Sine wave", 0.1517), ("Sound effect", 0.0224))),
        Check("sweep", best=(("Chirp tone", 0.3613), ("Sine wave", 0.2507), ("Synthesizer", 0.2058))),
    ),
    "scnn_mtat": (
        Check("sine", 59_049, best=(("flute", 0.9417), ("slow", 0.1990), ("ambient", 0.0544))),
        Check("sweep", 59_049, best=(("techno", 0.9909), ("electronic", 0.8485), ("synth", 0.3393))),
    ),
    "mtat_fcn": (
        Check("sine", taps=((1.20500, 1.80188), (0.83671, 1.45366), (1.21336, 1.61263))),
        Check("sweep", taps=((2.3993, 2.5507), (1.9410, 2.6672), (1.5807, 2.3504))),
        Check("sine", 464_000, best=(("flute", 0.9369), ("slow", 0.3892), ("quiet", 0.2700))),
        Check("sweep", 464_000, best=(("techno", 0.9709), ("electronic", 0.8310), ("synth", 0.4547))),
    ),
    "musicnn": (
        Check("sine", embedding=(0.93616, 1.65991), best=(("flute", 0.9212), ("slow", 0.3667), ("quiet", 0.1738))),
        Check("sine", 48_000, best=(("flute", 0.9137), ("slow", 0.3788), ("quiet", 0.1854))),
        Check("sweep", embedding=(0.98072, 1.66069), best=(("techno", 0.9797), ("electronic", 0.6993), ("beat", 0.2423))),
    ),
    # Ours: from the training form of the network, another code path than the frozen one that is checked.
    "scnn_loop": (
        Check("sine", best=(("soul", 0.1687), ("hiphop", 0.1678), ("jazz", 0.1348))),
        Check("sweep", best=(("soul", 0.1783), ("hiphop", 0.1660), ("jazz", 0.1404))),
    ),
    "scnn_loop_synth": (
        Check("sine", best=(("lead", 0.9448), ("chords", 0.0194), ("pad", 0.0149))),
        Check("sweep", best=(("arp", 0.3609), ("lead", 0.2469), ("chords", 0.2034))),
    ),
    # Published smoke test: 3 s of 1 kHz at full scale, within 10 %; the clip is made at 16 kHz here.
    "vggish": (Check("tone", 48_000, embedding=(0.131, 0.238)),),
}
LOOSE = {"vggish": 0.1}


@dataclass(frozen=True)
class Result:
    """Outcome of a check: what was looked at, and the largest deviation in units of the tolerance (1 or less passes)."""

    what: str
    deviation: float

    @property
    def passed(self) -> bool:
        """Whether the deviation is within the tolerance."""
        return self.deviation <= 1.0


def signal(name: str, length: int) -> Tensor:
    """A test signal at 16 kHz, computed in float64: (1, length)."""
    n = np.arange(length, dtype=np.float64)
    tone = np.sin(2 * np.pi * 1000 * n / 16_000)
    x = {"sine": 0.5 * tone, "tone": tone, "sweep": 0.5 * np.sin(0.001 * n * n)}[name]
    return torch.from_numpy(x.astype(np.float32))[None]


def heard_signal(name: str) -> Float32:
    """A test signal of a transcriber at 22,050 Hz, computed in float64: (1, 43844)."""
    n = np.arange(WINDOW, dtype=np.float64)

    def sine(hz: float) -> Float64:
        return np.sin(2 * np.pi * hz * n / RATE_HZ)

    chord = [0.15 / h * sine(h * hz) for hz in (220.0, 277.1826, 329.6276) for h in range(1, 9)]
    x = {
        "a440": 0.5 * sine(440),
        "a445": 0.5 * sine(445),
        "chord": np.sum(chord, axis=0),
        "chirp": 0.5 * np.sin(0.0005 * n * n),
        "silence": 0 * n,
    }[name]
    return np.asarray(x, dtype=np.float32)[None]


def played_chord() -> tuple[Float64, list[tuple[float, int]]]:
    """A bar at 48 kHz, (96000,), with a plucked chord of eight harmonics on each half; its starts in seconds and notes."""
    t = np.arange(48_000) / 48_000
    bar, notes = np.zeros(96_000), []
    for start, chord in ((0, (57, 61, 64)), (1, (53, 57, 60))):
        for note in chord:
            hz = 440.0 * 2 ** ((note - 69) / 12)
            tone = sum(np.sin(2 * np.pi * h * hz * t) / h for h in range(1, 9)) * np.exp(-3 * t) * np.minimum(1, (1 - t) / 0.02)
            bar[start * 48_000 :][:48_000] += 0.1 * np.minimum(1, t / 0.002) * tone
            notes.append((float(start), note))
    return bar, notes


@torch.no_grad()
def run_played(net: PitchNet) -> list[Result]:
    """A transcriber of ours must hear two chords as they are played, and nothing besides."""
    bar, played = played_chord()
    rows = torch.from_numpy(ConstantQ()(bar[None], 48_000))
    heard = TranscriberFeatures("played", net, heard_frames=HEARD_FRAMES).posteriors(rows)
    found = note_events(heard.notes[0].numpy(), heard.onsets[0].numpy(), 2.0)
    pitches = sorted((round(start) % 2, int(note)) for start, _, note, _ in found)
    right = pitches == [(round(start), note) for start, note in sorted(played)]
    late = max((abs(start - round(start)) for start, *_ in found), default=0.0)
    return [
        Result("notes of two chords", 0.0 if right else float("inf")),
        Result("starts of two chords, within 50 ms", late / 0.05),
    ]


def run_heard(judge: BasicPitch, check: HeardCheck) -> list[Result]:
    """Compare the transcriber with one published result."""
    heard = judge.notes(heard_signal(check.signal))
    got = [[float(x.mean()), float(x.std())] for x in heard]
    results = [Result(f"posteriors, {check.signal}", _deviation(got, check.means, TOLERANCE, 1e-5))]
    middle = heard.notes[0, 20:150].mean(axis=0)
    if check.note is not None:
        midi, value = check.note
        right = int(middle.argmax()) + LOWEST_MIDI == midi
        deviation = _deviation(middle.max(), value, TOLERANCE, PRINTED) if right else float("inf")
        results.append(Result(f"loudest note, {check.signal}", deviation))
    if check.contour_row is not None:
        row = int(heard.contour[0, 20:150].mean(axis=0).argmax())
        results.append(Result(f"loudest contour row, {check.signal}", 0.0 if row == check.contour_row else float("inf")))
    return results


@torch.no_grad()
def run_check(network: Network, check: Check, tolerance: float) -> list[Result]:
    """Compare the network with one published result."""
    wave = signal(check.signal, check.length)
    results = []
    where = f"{check.signal}, {check.length / 16_000:.3g} s"
    if check.taps:
        maps = network.pyramid(network.compress(network.frontend(wave)), circular=False, depth=len(check.taps))
        got = [[float(x.mean()), float(x.std(correction=0))] for x in maps]
        results.append(Result(f"taps, {where}", _deviation(got, check.taps, tolerance, 0.0)))
    if check.embedding:
        vector = network.embed_waveform(wave)
        got = [[float(vector.mean()), float(vector.std(correction=0))]]
        results.append(Result(f"embedding, {where}", _deviation(got, [check.embedding], tolerance, 0.0)))
    if check.best:
        scores = network.probabilities_of_waveform(wave)[0].numpy()
        best = np.argsort(-scores)[: len(check.best)]
        right = [network.classes[i] for i in best] == [name for name, _ in check.best]
        values = [value for _, value in check.best]
        deviation = _deviation(scores[best], values, tolerance, PRINTED) if right else float("inf")
        results.append(Result(f"best classes, {where}", deviation))
    return results


def _deviation(got: object, want: object, relative: float, absolute: float) -> float:
    a, b = np.asarray(got, dtype=np.float64), np.asarray(want, dtype=np.float64)
    return float(np.max(np.abs(a - b) / (relative * np.abs(b) + absolute)))


def verify(name: str, *, weights: Path | None = None) -> list[Result]:
    """All checks of one network: checksum where one is known, layout (by loading it), published figures.

    Raises WeightsError if its file is missing or is not its file.
    """
    row = NETWORKS[name]
    path = weights_path(name, weights)
    results = []
    if row.sha256 and path.name == row.files[0]:
        if sha256_of(path) != row.sha256:
            # A file imported from the publisher's own has other bytes; then the figures decide.
            results.append(Result("checksum: another file than the known one", 0.0))
        else:
            results.append(Result("checksum", 0.0))
    if row.graph:
        judge = load_judge(name, weights=weights)
        assert isinstance(judge, BasicPitch)
        results.append(Result("inputs and outputs", 0.0))
        return results + [result for check in HEARD[name] for result in run_heard(judge, check)]
    if row.transcriber:
        net = read_transcriber(name, weights)
        return [*results, Result("layout", 0.0), *run_played(net)]
    network = load_network(name, weights=weights)
    results.append(Result("layout", 0.0))
    for check in CHECKS.get(name, ()):
        results += run_check(network, check, LOOSE.get(name, TOLERANCE))
    return results
