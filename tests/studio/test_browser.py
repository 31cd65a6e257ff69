"""The page in a real browser: Debian's Chromium, headless, against a studio on loopback."""

from __future__ import annotations

import base64
import importlib.util
import io
import re
import threading
import time
import wave
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from studio_host import Running, chromium, make_model, start

if importlib.util.find_spec("playwright") is None:
    pytest.skip("needs playwright: pip install playwright", allow_module_level=True)
if chromium() is None:
    pytest.skip("needs Chromium: apt-get install chromium, or set LOOPWRIGHT_CHROMIUM", allow_module_level=True)

from playwright.sync_api import Browser, Page, Playwright, Route, expect, sync_playwright

pytestmark = pytest.mark.browser
SLOW_MS = 60_000  # a loaded machine
expect.set_options(timeout=SLOW_MS)  # expectations have a limit of their own, 5 s by default
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as made:
        yield made


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    made = playwright.chromium.launch(executable_path=chromium(), args=ARGS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def served(model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start(model_file, tmp_path_factory.mktemp("browsed"))
    yield running
    running.stop()


class Visit:
    """A page that is watched: its console errors and every address it asks."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.wrong: list[str] = []
        self.asked: list[str] = []
        page.set_default_timeout(SLOW_MS)
        page.on("console", lambda m: self.wrong.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: self.wrong.append(str(e)))
        page.on("request", lambda r: self.asked.append(r.url))
        self.open()

    def open(self) -> None:
        self.page.goto(self.url)
        self.page.wait_for_selector("html[data-ready]")

    def generate(self, count: int = 4) -> None:
        self.page.locator(f'input[name="count"][value="{count}"]').check(force=True)
        self.page.click("#generate")
        self.page.wait_for_selector(".pad.on")
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is being made."""
        self.page.wait_for_selector(".pad.busy", state="detached")
        expect(self.page.locator("#job")).to_be_hidden(timeout=SLOW_MS)

    def names(self) -> list[str]:
        return self.page.locator(".pad .label b").all_inner_texts()


@pytest.fixture
def visit(browser: Browser, served: Running) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, accept_downloads=True)
    made = Visit(context.new_page(), served.url)
    yield made
    context.close()
    assert made.wrong == []
    assert all(re.match(rf"({re.escape(served.url)}/|blob:|data:)", url) for url in made.asked), made.asked


def test_generating_sounds_by_itself_and_is_not_silent(visit: Visit) -> None:
    visit.generate()
    level = visit.page.evaluate(
        """async () => {
          const { analyser, context } = window.loopwright;
          const data = new Float32Array(analyser.fftSize = 8192);
          let best = 0;
          for (let i = 0; i < 40 && best < 0.01; i++) {
            await new Promise((done) => setTimeout(done, 50));
            analyser.getFloatTimeDomainData(data);
            best = Math.max(best, ...data.map(Math.abs));
          }
          return [best, context.state, context.sampleRate];
        }"""
    )
    assert level[0] > 0.01
    assert level[1:] == ["running", 44_100]
    assert len(set(visit.names())) == 4


RENDER = """async ({ id, turns, events }) => {
  const { Transport } = await import("/static/transport.js");
  const { toBuffer } = await import("/static/wav.js");
  const wav = await (await fetch(`/api/loops/${id}/audio.wav`)).arrayBuffer();
  const loop = toBuffer(new OfflineAudioContext(1, 1, 44100), wav);
  const context = new OfflineAudioContext(1, loop.length * turns, 44100);
  const transport = new Transport(context, 120);
  transport.master.disconnect();
  transport.master.connect(context.destination); // without the limiter: sample for sample
  transport.on("a", loop, 1);
  transport.play();
  for (const [when, what, value] of events) {
    context.suspend(when).then(() => {
      if (what === "join") transport.on("b", loop, 1, { gain: value });
      if (what === "leave") transport.off("a");
      if (what === "tempo") transport.setTempo(value);
      context.resume();
    });
  }
  const out = (await context.startRendering()).getChannelData(0);
  const pack = (data) => {
    const bytes = new Uint8Array(data.buffer);
    let text = "";
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return btoa(text);
  };
  return { out: pack(out), loop: pack(loop.getChannelData(0).slice()), start: transport.anchorFrame };
}"""


def render(visit: Visit, turns: int, *events: tuple[float, str, float]) -> dict[str, Any]:
    """What the page's transport sounds like offline, sample for sample, when things happen at given seconds."""
    got = visit.page.evaluate(RENDER, {"id": first_loop(visit), "turns": turns, "events": [list(e) for e in events]})
    return got | {key: np.frombuffer(base64.b64decode(got[key]), dtype="<f4") for key in ("out", "loop")}


def first_loop(visit: Visit) -> str:
    return str(visit.page.evaluate("window.loopwright.state.pads[0].loop.id"))


def test_a_pad_repeats_sample_for_sample_with_no_click_at_the_loop_point(visit: Visit, served: Running) -> None:
    visit.generate()
    got = render(visit, 4)
    wav, rate = soundfile.read(served.library.audio(first_loop(visit)), dtype="float32")  # another reader than the page's
    assert rate == 44_100
    np.testing.assert_allclose(got["loop"], wav, atol=1e-6)
    out, n, begin = got["out"], len(wav), got["start"]
    whole = out[begin + n : begin + 3 * n]  # two whole turns, after the first one's fade-in
    np.testing.assert_allclose(whole, np.tile(wav, 2), atol=1e-4)
    seam = abs(whole[n] - whole[n - 1])
    assert seam <= np.quantile(np.abs(np.diff(wav)), 0.999)


def test_a_pad_that_joins_later_is_in_phase_to_the_sample(visit: Visit) -> None:
    """The second voice is the first one turned upside down: if, and only if, they are locked, silence is left."""
    visit.generate()
    out = render(visit, 3, (1.2345, "join", -1))["out"]
    joined = int(1.2345 * 44_100) + 4000
    assert np.abs(out[:joined]).max() > 0.01
    assert np.abs(out[joined:]).max() < 1e-4


def test_a_pad_that_joins_after_a_change_of_tempo_is_where_the_others_are(visit: Visit) -> None:
    """One voice goes on faster; in a second run another takes its place. Their waveforms must lie upon each other."""
    visit.generate()
    on = render(visit, 3, (0.5, "tempo", 131))["out"]
    taken = render(visit, 3, (0.5, "tempo", 131), (1.5, "join", 1), (1.5007, "leave", 0))["out"]
    part = slice(int(1.6 * 44_100), int(1.6 * 44_100) + 2**16)
    product = np.fft.irfft(np.fft.rfft(on[part], 2**17) * np.conj(np.fft.rfft(taken[part], 2**17)))
    lag = int(np.argmax(product))
    assert min(lag, 2**17 - lag) <= 1  # samples
    assert np.corrcoef(on[part], taken[part])[0, 1] > 0.8


def test_a_new_tempo_keeps_all_pads_in_step_and_is_rendered_anew(visit: Visit) -> None:
    visit.generate()
    visit.page.locator('input[name="mode"][value="layer"]').check(force=True)
    visit.page.locator(".pad .face").nth(1).click()
    visit.page.fill("#bpm", "97")
    visit.page.press("#bpm", "Enter")
    bar = round(240 * 44_100 / 97)
    visit.page.wait_for_function(
        "(bar) => window.loopwright.state.pads.every((pad) => pad.loop.samples === bar * pad.loop.bars)", arg=bar
    )
    visit.settle()
    voices = visit.page.evaluate(
        """() => {
          const { transport } = window.loopwright, frame = transport.soon();
          return [...transport.voices.values()].map((v) =>
            [v.buffer.length, v.source.playbackRate.value, transport.offsetAt(v, frame)]);
        }"""
    )
    assert len(voices) == 2
    assert voices[0] == voices[1]
    assert voices[0][:2] == [bar, 1]
    assert voices[0][2] == round(voices[0][2])  # a whole sample


def test_stars_pads_and_recents_survive_a_reload(visit: Visit) -> None:
    visit.generate()
    visit.page.locator(".pad .face").nth(2).focus()
    visit.page.keyboard.press("s")
    name = visit.names()[2]
    expect(visit.page.locator("#shelf button")).to_contain_text([name])
    names = visit.names()
    visit.open()
    assert visit.names() == names
    expect(visit.page.locator("#shelf")).to_contain_text(name)
    assert visit.page.locator(".pad").nth(2).locator(".star").get_attribute("aria-pressed") == "true"
    visit.page.locator('input[name="shelf"][value="recents"]').check(force=True)
    expect(visit.page.locator("#shelf button").nth(3)).to_be_visible()
    visit.page.locator(".pad .face").nth(2).focus()
    visit.page.keyboard.press("s")  # the next tests find no star


def test_sounding_and_starred_pads_stay_when_others_are_made_anew(visit: Visit) -> None:
    visit.generate()
    before = visit.names()
    visit.page.locator(".pad .face").nth(3).focus()
    visit.page.keyboard.press("s")
    expect(visit.page.locator(".pad").nth(3).locator(".star")).to_have_attribute("aria-pressed", "true")
    visit.generate()
    after = visit.names()
    assert [before[0], before[3]] == [after[0], after[3]]
    assert before[1] != after[1]
    visit.page.locator(".pad .face").nth(3).focus()
    visit.page.keyboard.press("s")


def test_the_keyboard_does_everything(visit: Visit) -> None:
    visit.generate()
    page = visit.page
    page.keyboard.press("0")
    expect(page.locator(".pad.on")).to_have_count(0)
    page.keyboard.press("3")
    expect(page.locator(".pad").nth(2)).to_have_class(re.compile(r"\bon\b"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".pad.on")).to_have_count(2)
    page.keyboard.press("m")
    expect(page.locator(".pad.muted")).to_have_count(1)
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_stop_is_obeyed_while_a_loop_is_on_its_way(visit: Visit) -> None:
    """A pad is on from the press, its samples may come later: what is pressed in between must count."""
    page = visit.page
    on_their_way: list[Route] = []
    page.route("**/audio.wav", lambda route: on_their_way.append(route))
    visit.generate()
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "true")
    page.locator(".pad .face").nth(0).focus()
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "false")
    for route in on_their_way:
        route.continue_()
    page.evaluate("Promise.all(window.loopwright.buffers.values())")
    page.wait_for_function("() => window.loopwright.transport.voices.size === 1")
    assert page.evaluate("window.loopwright.transport.playing") is False
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("[...window.loopwright.transport.voices.values()].every((voice) => voice.source !== null)")


def test_more_like_this_blending_and_bending(visit: Visit) -> None:
    visit.generate()
    page = visit.page
    first = visit.names()[0]
    page.click("text=More like this")
    visit.settle()
    assert visit.names()[0] == first
    page.keyboard.press("Escape")
    page.locator(".pad .face").nth(0).focus()
    page.keyboard.press("b")
    page.locator(".pad .face").nth(1).click()
    page.wait_for_selector("text=Between two")
    visit.settle()
    slider = page.get_by_label(re.compile("^Blend from"))
    slider.fill("1")
    page.wait_for_function("() => { const p = window.loopwright.state.chosen; return p.loop?.id === p.blend.b.id; }")
    page.locator(".pad .face").nth(1).focus()
    page.get_by_label("brightness").fill("2")
    page.wait_for_function("() => window.loopwright.state.chosen.loop.info.moves?.brightness === 2")
    page.click("text=Reset")
    page.wait_for_function("() => !window.loopwright.state.chosen.loop.info.moves")


def test_a_download_is_a_valid_wav_and_a_pack_a_valid_zip(visit: Visit, tmp_path: Path) -> None:
    visit.generate()
    page = visit.page
    with page.expect_download() as found:
        page.keyboard.press("d")
    assert found.value.suggested_filename.endswith(".wav")
    found.value.save_as(tmp_path / "loop.wav")
    with wave.open(str(tmp_path / "loop.wav")) as handle:
        expected = page.evaluate("window.loopwright.state.chosen.loop.samples")
        assert (handle.getnframes(), handle.getsampwidth(), handle.getframerate()) == (expected, 3, 44_100)
    raw = (tmp_path / "loop.wav").read_bytes()
    assert all(chunk in raw for chunk in (b"acid", b"smpl", b"LIST"))
    with page.expect_download() as pack:
        page.click("#pack")
    pack.value.save_as(tmp_path / "pack.zip")
    assert sum(n.endswith(".wav") for n in zipfile.ZipFile(tmp_path / "pack.zip").namelist()) == 4


def test_a_dropped_file_gives_variations_and_a_wrong_one_a_message(visit: Visit) -> None:
    t = np.arange(44_100) / 22_050
    out = io.BytesIO()
    soundfile.write(out, 0.8 * np.sin(2 * np.pi * 90 * t) * np.exp(-25 * (t % 0.5)), 22_050, format="WAV")
    visit.page.set_input_files("#file", {"name": "x.wav", "mimeType": "audio/wav", "buffer": b"not audio at all"})
    expect(visit.page.locator(".toast.bad")).to_contain_text("not an audio file")
    visit.wrong.clear()  # the browser logs the 422
    visit.page.set_input_files("#file", {"name": "mine.wav", "mimeType": "audio/wav", "buffer": out.getvalue()})
    visit.page.wait_for_function("() => window.loopwright.state.pads.some((pad) => pad.loop?.info.variation_of)")
    visit.settle()


def test_cancelling_leaves_what_was_made(visit: Visit) -> None:
    visit.page.locator('input[name="count"][value="16"]').check(force=True)
    visit.page.locator('input[name="bars"][value="4"]').check(force=True)
    visit.page.click("#generate")
    visit.page.wait_for_selector(".pad.on")
    visit.page.click("#job-cancel")
    visit.settle()
    assert 1 <= len([name for name in visit.names() if name]) < 16


def test_a_failed_job_says_why(visit: Visit, served: Running) -> None:
    visit.generate()
    for loop_id in visit.page.evaluate("window.loopwright.state.pads.map((pad) => pad.loop.id)"):
        served.library.audio(loop_id).unlink()
    visit.page.click("text=More like this")
    expect(visit.page.locator(".toast.bad").first).to_contain_text("Make it again")
    visit.wrong.clear()


def test_the_page_names_everything_and_fits_a_phone(visit: Visit) -> None:
    visit.generate()
    nameless: list[Any] = visit.page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select")].filter((e) => e.checkVisibility() &&
          !(e.getAttribute("aria-label") || e.innerText.trim() || e.labels?.[0]?.textContent.trim() || e.title))
          .map((e) => e.outerHTML)"""
    )
    assert nameless == []
    visit.page.set_viewport_size({"width": 360, "height": 740})
    width = visit.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360
    bar = visit.page.locator(".transport").bounding_box()
    assert bar is not None
    assert bar["y"] + bar["height"] == pytest.approx(740, abs=1)  # the transport stays at hand


def test_the_page_is_ready_within_a_second_of_work(visit: Visit) -> None:
    """Script and layout, not waiting: other jobs may share the cores."""
    session = visit.page.context.new_cdp_session(visit.page)
    session.send("Performance.enable")
    visit.open()
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    assert metrics["ScriptDuration"] + metrics["LayoutDuration"] + metrics["RecalcStyleDuration"] < 1.0


@pytest.mark.slow
def test_a_studio_that_stops_is_told_and_its_return_noticed(browser: Browser, tmp_path: Path) -> None:
    running = start(make_model(tmp_path / "toy.safetensors"), tmp_path / "library")
    port = int(running.url.rsplit(":", 1)[1])
    context = browser.new_context()
    visit = Visit(context.new_page(), running.url)
    visit.page.locator('input[name="count"][value="16"]').check(force=True)
    visit.page.locator('input[name="bars"][value="4"]').check(force=True)
    visit.page.click("#generate")
    visit.page.wait_for_selector(".pad.on")
    hold = threading.Event()
    setattr(running.engine, "model", lambda _key: hold.wait(8))  # noqa: B010  (it dies at work)
    running.server.force_exit = True
    running.stop()
    expect(visit.page.locator("#gone")).to_be_visible(timeout=SLOW_MS)
    hold.set()
    until = time.monotonic() + 20
    again = None
    while again is None:
        try:
            again = start(tmp_path / "toy.safetensors", tmp_path / "library", port=port)
        except Exception:
            assert time.monotonic() < until
            time.sleep(0.2)
    expect(visit.page.locator("#gone")).to_be_hidden(timeout=SLOW_MS)
    expect(visit.page.locator(".toast.bad").first).to_contain_text("restarted")
    expect(visit.page.locator(".pad.busy")).to_have_count(0)
    context.close()
    again.stop()
