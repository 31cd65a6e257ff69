// The page: pads, the chosen pad, making loops, the shelf. Sound is in transport.js, pictures in paint.js.
import { LostError, audioUrl, bytes, get, link, pictureUrl, put, run, upload } from "./api.js";
import { $, el, memory, starIcon, toast } from "./dom.js";
import { accent, drawFlat, drawRing, isDark, picture } from "./paint.js";
import { showRuns, hideRuns, repaintRuns } from "./runs.js";
import { Transport, barFramesOf } from "./transport.js";
import { toBuffer } from "./wav.js";

const MOST_PADS = 32;
const RATE = 44100; // of the studio's loops: a context of this rate plays their samples as they are
const reduced = matchMedia("(prefers-reduced-motion: reduce)");

const state = {
  pads: [], // { uid, loop, base, moves, blend, gain, muted, on, busy }
  chosen: null,
  models: [],
  mode: memory.get("mode", "one"),
  unit: memory.get("unit", "0"),
  shelf: "starred",
  blending: null, // the pad whose partner is being chosen
  jobs: new Set(),
};
let uid = 0;

// ---- sound ----

let context = null, transport = null, analyser = null;
const buffers = new Map(); // loop id -> Promise<AudioBuffer>

function sound() {
  if (!transport) {
    context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    transport = new Transport(context, Number($("bpm").value) || 120);
    transport.master.gain.value = Number($("volume").value);
    analyser = context.createAnalyser();
    transport.limiter.connect(analyser);
    transport.addEventListener("state", showTransport);
    window.loopwright = { context, transport, analyser, state, buffers };
  }
  if (context.state !== "running") context.resume();
  return transport;
}

function bufferOf(loop) {
  if (!buffers.has(loop.id)) {
    const made = bytes(audioUrl(loop.id)).then((data) => toBuffer(context ?? new OfflineAudioContext(1, 1, RATE), data));
    made.catch(() => buffers.delete(loop.id));
    buffers.set(loop.id, made);
    if (buffers.size > 120) buffers.delete(buffers.keys().next().value);
  }
  return buffers.get(loop.id);
}

const unitFrames = () => (state.unit === "0" ? 0 : transport.barFrames / Number(state.unit));

async function padOn(pad, { layer = state.mode === "layer" } = {}) {
  if (!pad.loop) return;
  const out = sound();
  pad.on = true;
  if (!layer) state.pads.forEach((other) => { if (other !== pad && other.on) padOff(other); });
  showPad(pad);
  try {
    const { loop } = pad, buffer = await bufferOf(loop);
    if (!pad.on || pad.loop !== loop) return;
    out.on(pad.uid, buffer, loop.bars, { gain: pad.gain, muted: pad.muted, unit: unitFrames() });
    out.play();
    matchTempo();
  } catch (error) {
    pad.on = false;
    showPad(pad);
    toast(error.message, { bad: true });
  }
}

function padOff(pad) {
  pad.on = false;
  transport?.off(pad.uid, unitFrames());
  showPad(pad);
}

function press(pad, event) {
  if (state.blending && state.blending !== pad && pad.loop) return blendWith(pad);
  choose(pad, { focus: false });
  if (pad.on) padOff(pad);
  else padOn(pad, { layer: event?.shiftKey || state.mode === "layer" });
}

function togglePlay() {
  const out = sound();
  if (out.playing) return out.stop();
  if (!state.pads.some((pad) => pad.on)) {
    const first = state.chosen?.loop ? state.chosen : state.pads.find((pad) => pad.loop);
    if (first) return padOn(first);
    return toast("There is nothing to play yet: press Generate.");
  }
  out.play();
}

// ---- tempo ----

let retempoTimer = 0, retempoAbort = null;

function setTempo(bpm) {
  if (!(bpm >= 40 && bpm <= 240)) return showTransport();
  $("bpm").value = Math.round(bpm * 100) / 100;
  memory.set("bpm", Number($("bpm").value));
  transport?.setTempo(bpm);
  matchTempo(450);
}

const tempoNow = () => Number($("bpm").value);
const fits = (loop) => loop.samples / loop.bars === barFramesOf(tempoNow(), RATE);

// Have loops of another tempo rendered anew; until then they play faster or slower.
function matchTempo(delay = 60) {
  clearTimeout(retempoTimer);
  retempoTimer = setTimeout(async () => {
    const wrong = state.pads.filter((pad) => pad.loop && !pad.busy && !fits(pad.loop));
    if (!wrong.length) return;
    wrong.sort((a, b) => b.on - a.on);
    retempoAbort?.abort();
    retempoAbort = new AbortController();
    const from = new Map();
    wrong.slice(0, MOST_PADS).forEach((pad) => from.set(pad.loop.id, [...(from.get(pad.loop.id) ?? []), pad]));
    try {
      await make({ kind: "retempo", loops: [...from.keys()], bpm: tempoNow() }, {
        title: "Setting the tempo", controller: retempoAbort,
        onLoop: (loop, event) => (from.get(event.instead_of) ?? []).forEach((pad) => { if (pad.loop?.id === event.instead_of) setLoop(pad, loop); }),
      });
    } catch { /* told already; they go on at another speed */ }
  }, delay);
}

const taps = [];
function tap() {
  const now = performance.now();
  if (taps.length && now - taps.at(-1) > 2000) taps.length = 0;
  taps.push(now);
  if (taps.length > 8) taps.shift();
  if (taps.length >= 4) setTempo(Math.round(60000 / ((taps.at(-1) - taps[0]) / (taps.length - 1))));
}

// ---- pads ----

function newPad(loop = null) {
  const pad = { uid: ++uid, loop, base: null, moves: {}, blend: null, gain: 1, muted: false, on: false, busy: false };
  const face = el("button", { class: "face", tabIndex: -1, onclick: (event) => press(pad, event), onfocus: () => { if (state.chosen !== pad) choose(pad, { focus: false }); } });
  const star = el("button", { class: "star", tabIndex: -1, onclick: () => toggleStar(pad) }, starIcon());
  const canvas = el("canvas", { width: 1, height: 1 });
  pad.parts = { face, star, canvas, head: el("i", { class: "head" }), name: el("b"), key: el("span", { class: "key" }), small: el("small") };
  pad.node = el("div", { class: "pad" }, canvas, pad.parts.head, pad.parts.key, el("div", { class: "label" }, pad.parts.name, pad.parts.small), face, star);
  pad.node.addEventListener("dragstart", (event) => dragOut(event, pad.loop));
  return pad;
}

const word = (loop) => loop.name.split("_").at(-1);

function dragOut(event, loop) {
  if (!loop) return event.preventDefault();
  const url = new URL(`${audioUrl(loop.id)}?download=1`, location.href).href;
  event.dataTransfer.setData("DownloadURL", `audio/wav:${loop.name}.wav:${url}`);
  event.dataTransfer.setData("text/uri-list", url);
  event.dataTransfer.effectAllowed = "copy";
}

function showPad(pad) {
  const { loop, parts, node } = pad, index = state.pads.indexOf(pad);
  node.className = ["pad", !loop && "empty", pad.on && "on", pad.muted && "muted", pad.busy && "busy", state.chosen === pad && "chosen", state.blending && state.blending !== pad && loop && "target"].filter(Boolean).join(" ");
  node.draggable = Boolean(loop);
  parts.key.textContent = index < 9 ? index + 1 : "";
  parts.key.hidden = index > 8;
  parts.face.tabIndex = state.chosen === pad ? 0 : -1;
  parts.star.tabIndex = state.chosen === pad && loop ? 0 : -1;
  parts.star.hidden = !loop;
  parts.face.setAttribute("aria-pressed", pad.on);
  if (loop) {
    parts.name.textContent = word(loop);
    parts.small.textContent = loop.bars > 1 ? `${loop.bars} bars` : "";
    const said = [`Pad ${index + 1}, ${word(loop)}`, `${loop.bars} bar${loop.bars > 1 ? "s" : ""}`, loop.starred && "starred", pad.muted && "muted"];
    parts.face.setAttribute("aria-label", said.filter(Boolean).join(", "));
    parts.star.setAttribute("aria-label", `Star ${word(loop)}`);
    parts.star.setAttribute("aria-pressed", loop.starred);
  } else {
    parts.name.textContent = "";
    parts.small.textContent = "";
    parts.face.setAttribute("aria-label", `Pad ${index + 1}, ${pad.busy ? "being made" : "empty"}`);
  }
  if (state.chosen === pad) showInspector();
}

async function paintPad(pad) {
  const { loop } = pad;
  if (!loop) return;
  try {
    const image = await picture(loop.id, pictureUrl(loop.id));
    if (pad.loop?.id !== loop.id) return;
    drawFlat(pad.parts.canvas, image);
    pad.image = image;
    pad.node.style.setProperty("--hue", accent(image.hue));
    if (state.chosen === pad) showInspector();
  } catch { /* a pad without a picture plays as well */ }
}

function setLoop(pad, loop) {
  pad.loop = loop;
  pad.busy = false;
  paintPad(pad);
  showPad(pad);
  remember();
  const soon = bufferOf(loop); // fetched now, so that pressing sounds at once
  if (pad.on) soon.then((buffer) => { if (pad.loop === loop) transport?.replace(pad.uid, buffer, loop.bars); }).catch(() => {});
  else soon.catch(() => {});
}

function layPads() {
  $("pads").replaceChildren(...state.pads.map((pad) => pad.node));
  if (!state.pads.includes(state.chosen)) state.chosen = state.pads[0] ?? null;
  state.pads.forEach(showPad);
  const ids = state.pads.filter((pad) => pad.loop).map((pad) => pad.loop.id);
  $("pack").toggleAttribute("aria-disabled", !ids.length);
}

function choose(pad, { focus = true } = {}) {
  const before = state.chosen;
  state.chosen = pad;
  if (before && before !== pad) showPad(before);
  showPad(pad);
  if (focus) pad.parts.face.focus({ preventScroll: false });
}

const held = (pad) => pad.loop && (pad.on || pad.loop.starred || pad.busy);

// Pads that may be given new loops: `count` of them, new ones at the end if need be.
function freePads(count, keep = null) {
  const free = state.pads.filter((pad) => !held(pad) && !pad.busy && pad !== keep).slice(0, count);
  while (free.length < count && state.pads.length < MOST_PADS) {
    const pad = newPad();
    state.pads.push(pad);
    free.push(pad);
  }
  layPads();
  return free;
}

function remember() {
  memory.set("pads", state.pads.filter((pad) => pad.loop).map((pad) => ({ id: pad.loop.id, gain: pad.gain, muted: pad.muted })));
}

// ---- making ----

let shownJob = null;

// Follow one wish. Its progress is shown, failures are told once and thrown.
async function make(wish, { title, onLoop = () => {}, onEvent = () => {}, controller = new AbortController(), again = null }) {
  const job = { title, controller, done: 0, total: 1, text: "waiting", eta: 0 };
  state.jobs.add(job);
  showJob(job);
  try {
    return await run(wish, {
      signal: controller.signal,
      onEvent(event) {
        if (event.job) Object.assign(job, { done: event.job.done, total: event.job.total, eta: event.job.eta_s, state: event.job.state });
        if (event.type === "note") job.text = event.text;
        else if (event.type === "queued") job.text = event.job.eta_s > 3 ? `waiting, about ${Math.round(event.job.eta_s)} s` : "starting";
        else job.text = "";
        if (event.type === "loop") onLoop(event.loop, event);
        onEvent(event);
        showJob(job);
      },
    });
  } catch (error) {
    const lost = error instanceof LostError;
    toast(error.message, { bad: true, action: lost && again ? again : null, label: "Try again" });
    throw error;
  } finally {
    state.jobs.delete(job);
    showJob([...state.jobs].at(-1) ?? null);
  }
}

function showJob(job) {
  shownJob = job;
  $("job").hidden = !job;
  if (!job) return;
  $("job-bar").style.width = `${(100 * job.done) / Math.max(1, job.total)}%`;
  const left = job.eta >= 2 && job.done ? `, ${Math.ceil(job.eta)} s left` : "";
  $("job-text").textContent = job.text ? `${job.title}: ${job.text}` : `${job.title}: ${job.done} of ${job.total}${left}`;
}

// Make loops into pads that are free; the first to come is played if nothing sounds.
async function fill(wish, count, { title, keep = null, play = false }) {
  const pads = freePads(count, keep);
  if (!pads.length) return toast("Every pad sounds or is starred. Take a star away, or press All off.");
  pads.forEach((pad) => { pad.busy = true; showPad(pad); });
  const left = [...pads];
  const quiet = !state.pads.some((pad) => pad.on);
  try {
    await make({ ...wish, count: pads.length }, {
      title,
      again: () => fill(wish, count, { title, keep, play }),
      onLoop(loop) {
        const pad = left.shift();
        if (!pad) return;
        Object.assign(pad, { base: null, moves: {}, blend: null });
        setLoop(pad, loop);
        if (play && quiet && pad === pads[0] && !state.pads.some((other) => other.on)) { choose(pad, { focus: false }); padOn(pad); }
      },
    });
  } catch { /* told */ } finally {
    left.forEach((pad) => { pad.busy = false; showPad(pad); });
    trimPads();
    loadShelf();
  }
  return pads.length;
}

function trimPads() {
  state.pads = state.pads.filter((pad) => pad.loop || pad.busy);
  if (!state.pads.length) emptyPads();
  layPads();
}

function emptyPads() {
  state.pads = Array.from({ length: Number(field("count")) }, () => newPad());
}

const field = (name) => document.querySelector(`#form input[name="${name}"]:checked`).value;

async function generate() {
  sound(); // inside the press, or the browser would keep it silent
  const model = $("model").value;
  if (!model) return toast("There is no model yet. Train one, or start the studio with the path of one.", { bad: true });
  const count = Number(field("count"));
  while (state.pads.length > count) { // fewer pads: those that are not held go
    const at = state.pads.findLastIndex((pad) => !held(pad));
    if (at < 0) break;
    state.pads.splice(at, 1);
  }
  while (state.pads.length < count) state.pads.push(newPad());
  const wanted = state.pads.filter((pad) => !held(pad)).length;
  if (!wanted) { layPads(); return toast("Every pad sounds or is starred: raise the number of pads, or press All off."); }
  const seed = Number($("seed").value) || 0;
  const wish = { kind: "generate", model, seed, bpm: tempoNow(), bars: Number(field("bars")), truncation: Number($("truncation").value), style: $("style").value || null };
  $("seed").value = (seed + wanted) % 4294967296;
  saveForm();
  await fill(wish, wanted, { title: "Making loops", play: true });
}

const salt = () => Math.floor(Math.random() * 2 ** 31);

function moreLike(pad, kind) {
  if (!pad?.loop) return;
  sound();
  const wish = { kind, loop: pad.loop.id, salt: salt(), bpm: tempoNow() };
  if (kind === "near") wish.amount = memory.get("amount", 0.35);
  fill(wish, 4, { title: kind === "near" ? `More like ${word(pad.loop)}` : `Unlike ${word(pad.loop)}`, keep: pad });
}

// A pad that follows a slider: only the newest wish counts, one is under way at a time.
function chase(pad, wish, title) {
  pad.wish = wish;
  if (pad.chasing) return;
  pad.chasing = true;
  (async () => {
    while (pad.wish) {
      const next = pad.wish;
      pad.wish = null;
      try {
        await make(next, { title, onLoop: (loop) => setLoop(pad, loop) });
      } catch { pad.wish = null; }
    }
    pad.chasing = false;
    loadShelf();
  })();
}

function moveAlong(pad, name, amount) {
  pad.base ??= pad.loop;
  pad.blend = null;
  pad.moves[name] = amount;
  const amounts = Object.fromEntries(Object.entries(pad.moves).filter(([, value]) => value !== 0));
  if (!Object.keys(amounts).length) { pad.wish = null; return setLoop(pad, pad.base); }
  chase(pad, { kind: "move", loop: pad.base.id, amounts, bpm: tempoNow() }, `Bending ${word(pad.base)}`);
}

function startBlend(pad) {
  if (!pad?.loop) return;
  state.blending = state.blending === pad ? null : pad;
  if (state.blending) toast("Now press the pad to blend it with.");
  state.pads.forEach(showPad);
}

function blendWith(other) {
  const a = state.blending.loop, b = other.loop;
  state.blending = null;
  if (a.model !== b.model) { state.pads.forEach(showPad); return toast("Those two are from different models. Blend loops of one model.", { bad: true }); }
  const [pad] = freePads(1, other);
  if (!pad) return toast("Every pad sounds or is starred. Take one off first.");
  Object.assign(pad, { base: null, moves: {}, blend: { a, b, t: 0.5 }, busy: true });
  choose(pad);
  state.pads.forEach(showPad);
  setBlend(pad, 0.5);
  if (state.pads.some((p) => p.on)) padWhenReady(pad);
}

async function padWhenReady(pad) {
  while (pad.busy && pad.chasing) await new Promise((resolve) => setTimeout(resolve, 100));
  if (pad.loop) padOn(pad);
}

function setBlend(pad, t) {
  pad.blend.t = t;
  chase(pad, { kind: "blend", a: pad.blend.a.id, b: pad.blend.b.id, t, bpm: tempoNow() }, `Between ${word(pad.blend.a)} and ${word(pad.blend.b)}`);
}

async function toggleStar(pad, loop = pad?.loop) {
  if (!loop) return;
  try {
    const now = await put(`/api/loops/${loop.id}/star`, { starred: !loop.starred });
    state.pads.forEach((other) => { if (other.loop?.id === loop.id) { other.loop.starred = now.starred; showPad(other); } });
    loadShelf();
  } catch (error) { toast(error.message, { bad: true }); }
}

function setLevel(pad, gain, muted = pad.muted) {
  Object.assign(pad, { gain, muted });
  transport?.level(pad.uid, gain, muted);
  showPad(pad);
  remember();
}

function download(loop) {
  if (!loop) return;
  el("a", { href: `${audioUrl(loop.id)}?download=1`, download: `${loop.name}.wav` }).click();
}

async function findDirections(model) {
  try {
    await make({ kind: "directions", model }, { title: "Finding directions" });
    await loadModels();
    showInspector();
  } catch { /* told */ }
}

async function vary(file) {
  if (file.size > 32e6) return toast("That file is over 32 MB. Bring a loop of at most a minute.", { bad: true });
  sound();
  try {
    const taken = await upload(file);
    await fill({ kind: "variations", upload: taken.upload, model: $("model").value, amount: memory.get("amount", 0.35), bpm: tempoNow() }, 6, { title: `Like ${file.name}`, play: true });
  } catch (error) { toast(error.message, { bad: true }); }
}

// ---- the chosen pad ----

let inspected = null;

function showInspector() {
  const pad = state.chosen, box = $("inspector");
  if (!pad?.loop) {
    inspected = null;
    return box.replaceChildren(el("p", { class: "none", textContent: pad?.busy ? "Being made…" : state.pads.some((other) => other.loop) ? "Choose a pad to see it whole, star it, and make more like it." : "Press Generate. The first loop plays as soon as it is made; keep what you like, and roll the rest again." }));
  }
  const model = state.models.find((m) => m.key === pad.loop.model);
  const names = model?.directions ?? [];
  const key = [pad.uid, names.join(), Boolean(pad.blend), pad.blend?.a.id, pad.blend?.b.id].join();
  if (inspected?.key !== key) buildInspector(pad, model, names, key);
  const { parts } = inspected, { loop } = pad;
  box.style.setProperty("--hue", pad.image ? accent(pad.image.hue) : "");
  parts.ring.classList.toggle("on", pad.on);
  parts.ring.setAttribute("aria-label", `${pad.on ? "Stop" : "Play"} ${word(loop)}`);
  parts.name.textContent = word(loop);
  parts.sub.textContent = `${Math.round(loop.bpm * 100) / 100} · ${loop.bars}`;
  parts.play.textContent = pad.on ? "Stop" : "Play";
  parts.play.setAttribute("aria-pressed", pad.on);
  parts.mute.setAttribute("aria-pressed", pad.muted);
  parts.star.setAttribute("aria-pressed", loop.starred);
  parts.star.textContent = loop.starred ? "Starred" : "Star";
  parts.gain.value = pad.gain;
  parts.gainOut.textContent = pad.gain > 0 ? `${(20 * Math.log10(pad.gain)).toFixed(1)} dB` : "off";
  parts.blend.setAttribute("aria-pressed", state.blending === pad);
  for (const [name, slider] of Object.entries(parts.moves)) {
    if (document.activeElement !== slider) slider.value = pad.moves[name] ?? 0;
    slider.nextElementSibling.textContent = Number(slider.value).toFixed(1).replace("-", "−");
  }
  if (parts.t && document.activeElement !== parts.t) parts.t.value = pad.blend.t;
  if (pad.image && (parts.ring.dataset.drawn !== loop.id + isDark())) {
    drawRing(parts.canvas, pad.image);
    parts.ring.dataset.drawn = loop.id + isDark();
  }
  const { info } = loop;
  const facts = [["Model", loop.model], ["Seed", info.seed], ["Style", info.style], ["Near", info.near && word({ name: info.near })], ["Unlike", info.unlike && word({ name: info.unlike })], ["Length", `${loop.samples} samples`], ["Tempo", `${loop.bpm.toFixed(3)} BPM`], ["Step at the seam", `${loop.seam_click_ratio.toFixed(2)} of a click`]];
  parts.facts.replaceChildren(...facts.filter(([, v]) => v !== undefined && v !== "" && v !== null).flatMap(([k, v]) => [el("dt", { textContent: k }), el("dd", { textContent: v })]));
}

function buildInspector(pad, model, names, key) {
  const parts = { moves: {} };
  parts.canvas = el("canvas");
  parts.name = el("b");
  parts.sub = el("small");
  parts.hand = el("i", { class: "hand" });
  parts.ring = el("button", { class: "ring", onclick: (event) => press(pad, event) }, parts.canvas, parts.hand, el("span", { class: "what" }, parts.name, parts.sub));
  parts.play = el("button", { onclick: (event) => press(pad, event) });
  parts.mute = el("button", { textContent: "Mute", onclick: () => setLevel(pad, pad.gain, !pad.muted) });
  parts.star = el("button", { onclick: () => toggleStar(pad) });
  parts.blend = el("button", { textContent: "Blend…", title: "Blend with another pad (B)", onclick: () => startBlend(pad) });
  const wav = el("button", { textContent: "WAV", title: "Download (D)", onclick: () => download(pad.loop) });
  const copy = el("button", { textContent: "Seed", title: "Put this pad's seed into the form", onclick: () => { if (pad.loop.info.seed !== undefined) $("seed").value = pad.loop.info.seed; else toast("This loop is not from a seed alone."); } });
  parts.gain = el("input", { type: "range", min: 0, max: 1.6, step: 0.01, oninput: () => setLevel(pad, Number(parts.gain.value)) });
  parts.gainOut = el("output");
  const amount = el("input", { type: "range", min: 0.08, max: 0.8, step: 0.01, value: memory.get("amount", 0.35), oninput: () => memory.set("amount", Number(amount.value)) });
  parts.facts = el("dl", { class: "fact-list" });
  const rows = [parts.ring, el("div", { class: "actions" }, parts.play, parts.mute, parts.star, parts.blend, wav, copy), el("label", { class: "slider" }, el("span", { textContent: "Level" }), parts.gain, parts.gainOut)];
  if (pad.blend) {
    parts.t = el("input", { type: "range", min: 0, max: 1, step: 0.0625, value: pad.blend.t, "aria-label": `Blend from ${word(pad.blend.a)} to ${word(pad.blend.b)}`, oninput: () => setBlend(pad, Number(parts.t.value)) });
    rows.push(el("div", { class: "group" }, el("h3", { textContent: "Between two" }), parts.t, el("div", { class: "ends" }, el("span", { textContent: word(pad.blend.a) }), el("span", { textContent: word(pad.blend.b) }))));
  }
  rows.push(el("div", { class: "group" }, el("h3", { textContent: "Find its kind" }),
    el("div", { class: "two" }, el("button", { textContent: "More like this", title: "N", onclick: () => moreLike(pad, "near") }), el("button", { textContent: "Less like this", title: "X", onclick: () => moreLike(pad, "away") })),
    el("label", { class: "slider" }, el("span", { textContent: "How far" }), amount, el("output"))));
  if (names.length) {
    const reset = el("button", { class: "quiet", textContent: "Reset", onclick: () => { if (pad.base) { const { base } = pad; pad.moves = {}; pad.base = null; pad.wish = null; setLoop(pad, base); } } });
    const sliders = names.map((name) => {
      const slider = el("input", { type: "range", min: -3, max: 3, step: 0.25, value: 0, oninput: () => { moveAlong(pad, name, Number(slider.value)); showInspector(); } });
      parts.moves[name] = slider;
      return el("label", { class: "slider" }, el("span", { textContent: name }), slider, el("output"));
    });
    rows.push(el("div", { class: "group" }, el("h3", {}, "Bend it", reset), ...sliders));
  } else if (model) {
    rows.push(el("div", { class: "group" }, el("h3", { textContent: "Bend it" }), el("button", { class: "quiet", textContent: "Find directions", title: "Measures what the model can change. Takes a minute or more.", onclick: () => findDirections(model.key) })));
  }
  rows.push(el("div", { class: "group" }, parts.facts));
  inspected = { key, parts };
  $("inspector").replaceChildren(...rows);
}

// ---- the shelf ----

let shelfCall = 0;
async function loadShelf() {
  const turn = ++shelfCall;
  let kept;
  try { kept = await get("/api/library"); } catch { return; }
  if (turn !== shelfCall) return;
  const loops = kept[state.shelf];
  if (!loops.length) return $("shelf").replaceChildren(el("p", { textContent: state.shelf === "starred" ? "Star a pad (S) to keep it here, also after a restart." : "What you make will be here." }));
  $("shelf").replaceChildren(...loops.slice(0, 60).map((loop) => {
    const canvas = el("canvas", { width: 1, height: 1 });
    picture(loop.id, pictureUrl(loop.id)).then((image) => drawFlat(canvas, image)).catch(() => {});
    const button = el("button", { "aria-label": `Put ${word(loop)} on a pad`, title: loop.name, draggable: true, ondragstart: (event) => dragOut(event, loop), onclick: () => fromShelf(loop) }, canvas, el("b", { textContent: word(loop) }));
    return el("li", {}, button);
  }));
}

function fromShelf(loop) {
  const there = state.pads.find((pad) => pad.loop?.id === loop.id);
  const pad = there ?? freePads(1)[0];
  if (!pad) return toast("Every pad sounds or is starred. Take one off first.");
  if (!there) {
    Object.assign(pad, { base: null, moves: {}, blend: null });
    setLoop(pad, loop);
  }
  choose(pad, { focus: false });
  if (!pad.on) padOn(pad);
}

// ---- models and the form ----

async function loadModels() {
  const { models } = await get("/api/models");
  state.models = models;
  const before = $("model").value || memory.get("form", {}).model;
  $("model").replaceChildren(...models.map((model) => el("option", { value: model.key, textContent: model.key })));
  if (models.some((model) => model.key === before)) $("model").value = before;
  if (!models.length) $("model").append(el("option", { value: "", textContent: "no model yet" }));
  showModel();
}

function showModel() {
  const model = state.models.find((m) => m.key === $("model").value);
  $("model-facts").textContent = model ? model.description || `${model.mel}, ${model.kimg} thousand images of training` : "";
  $("style-row").hidden = !model?.styles.length;
  $("style").replaceChildren(el("option", { value: "", textContent: "any" }), ...(model?.styles ?? []).map((style) => el("option", { value: style, textContent: style })));
  $("generate").disabled = !model;
}

function saveForm() {
  memory.set("form", { model: $("model").value, bars: field("bars"), count: field("count"), truncation: $("truncation").value, seed: $("seed").value, volume: $("volume").value });
}

function loadForm() {
  const form = memory.get("form", {});
  ["bars", "count"].forEach((name) => { const input = document.querySelector(`input[name="${name}"][value="${form[name]}"]`); if (input) input.checked = true; });
  ["truncation", "seed", "volume"].forEach((name) => { if (form[name] !== undefined) $(name).value = form[name]; });
  $("bpm").value = memory.get("bpm", 120);
  $("unit").value = state.unit;
  document.querySelector(`input[name="mode"][value="${state.mode}"]`).checked = true;
  showTruncation();
}

function showTruncation() {
  const value = Number($("truncation").value);
  $("truncation-out").textContent = value === 1 ? "as trained" : value.toFixed(2);
}

// ---- the clock on the page ----

function showTransport() {
  $("play").setAttribute("aria-pressed", Boolean(transport?.playing));
  $("play").querySelector(".sr").textContent = transport?.playing ? "Stop" : "Play";
  if (transport?.playing) requestAnimationFrame(tick);
  else {
    document.querySelectorAll(".beats i").forEach((dot) => dot.classList.remove("on"));
    state.pads.forEach((pad) => { pad.parts.head.style.transform = ""; });
  }
}

let lastBeat = -1;
function tick() {
  if (!transport?.playing) { lastBeat = -1; return; }
  const bars = transport.heardBars(), beat = Math.floor(bars * 4) % 4;
  if (beat !== lastBeat) {
    document.querySelectorAll(".beats i").forEach((dot, i) => dot.classList.toggle("on", i === beat));
    lastBeat = beat;
  }
  for (const pad of state.pads) {
    if (!pad.on) continue;
    const turn = (bars / pad.loop.bars) % 1;
    pad.parts.head.style.transform = `translateX(${turn * pad.node.clientWidth}px)`;
    if (pad === state.chosen && inspected) inspected.parts.hand.style.transform = `rotate(${turn * 360}deg)`;
  }
  if (reduced.matches) setTimeout(tick, 250);
  else requestAnimationFrame(tick);
}

// ---- events ----

function step(by) {
  const at = state.pads.indexOf(state.chosen), next = state.pads[Math.min(state.pads.length - 1, Math.max(0, at + by))];
  if (next) choose(next);
}

const columns = () => getComputedStyle($("pads")).gridTemplateColumns.split(" ").length;

function setMode(mode) {
  state.mode = mode;
  memory.set("mode", mode);
  document.querySelector(`input[name="mode"][value="${mode}"]`).checked = true;
}

function silence() { state.pads.filter((pad) => pad.on).forEach(padOff); }

const KEYS = {
  " ": togglePlay,
  ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => step(-columns()), ArrowDown: () => step(columns()),
  Enter: (event) => { if (state.chosen) press(state.chosen, event); },
  s: () => toggleStar(state.chosen),
  m: () => { if (state.chosen?.loop) setLevel(state.chosen, state.chosen.gain, !state.chosen.muted); },
  "+": () => { if (state.chosen?.loop) setLevel(state.chosen, Math.min(1.6, state.chosen.gain * 1.122)); },
  "-": () => { if (state.chosen?.loop) setLevel(state.chosen, Math.max(0.01, state.chosen.gain / 1.122)); },
  n: () => moreLike(state.chosen, "near"), x: () => moreLike(state.chosen, "away"), b: () => startBlend(state.chosen),
  d: () => download(state.chosen?.loop), g: generate, l: () => setMode(state.mode === "layer" ? "one" : "layer"), t: tap, 0: silence,
  "?": () => $("keys").showModal(),
  Escape: () => { if (state.blending) startBlend(state.blending); else shownJob?.controller.abort(); },
};
KEYS["="] = KEYS["+"];

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("view-play").hidden || $("keys").open) return;
  const { target, key } = event;
  const typing = target.matches("input:not([type=radio]):not([type=range]), select, textarea");
  const slider = target.matches("input[type=range], input[type=radio]");
  const button = target.closest("button, a, summary") && !target.classList.contains("face");
  if (typing && key !== "Escape") return;
  if (slider && key.startsWith("Arrow")) return;
  if (button && (key === " " || key === "Enter")) return;
  if (target.classList.contains("face") && key === "Enter") return; // the button presses itself
  const digit = /^[1-9]$/.test(key) ? state.pads[Number(key) - 1] : null;
  const action = digit ? (e) => press(digit, e) : KEYS[key] ?? KEYS[key.toLowerCase()];
  if (!action || event.repeat && !key.startsWith("Arrow") && key !== "+" && key !== "-") return;
  event.preventDefault();
  action(event);
});

$("form").addEventListener("submit", (event) => { event.preventDefault(); generate(); });
$("form").addEventListener("change", saveForm);
$("model").addEventListener("change", showModel);
$("truncation").addEventListener("input", showTruncation);
$("dice").addEventListener("click", () => { $("seed").value = Math.floor(Math.random() * 2 ** 32); saveForm(); });
$("play").addEventListener("click", togglePlay);
$("tap").addEventListener("click", tap);
$("bpm").addEventListener("change", () => setTempo(Number($("bpm").value)));
$("volume").addEventListener("input", () => { transport?.master.gain.setTargetAtTime(Number($("volume").value), context.currentTime, 0.01); saveForm(); });
$("silence").addEventListener("click", silence);
$("job-cancel").addEventListener("click", () => shownJob?.controller.abort());
$("help").addEventListener("click", () => $("keys").showModal());
$("unit").addEventListener("change", () => { state.unit = $("unit").value; memory.set("unit", state.unit); });
$("from-file").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => { if ($("file").files[0]) vary($("file").files[0]); $("file").value = ""; });
document.querySelectorAll('input[name="mode"]').forEach((input) => input.addEventListener("change", () => setMode(input.value)));
document.querySelectorAll('input[name="shelf"]').forEach((input) => input.addEventListener("change", () => { state.shelf = input.value; loadShelf(); }));
$("pack").addEventListener("click", (event) => {
  const ids = state.pads.filter((pad) => pad.loop).map((pad) => pad.loop.id);
  if (!ids.length) { event.preventDefault(); return toast("There is nothing to download yet."); }
  $("pack").href = `/api/pack.zip?ids=${ids.join(",")}`;
});

let dragDepth = 0;
const brings = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
addEventListener("dragenter", (event) => { if (brings(event)) { dragDepth++; $("drop").hidden = false; } });
addEventListener("dragleave", (event) => { if (brings(event) && --dragDepth <= 0) { dragDepth = 0; $("drop").hidden = true; } });
addEventListener("dragover", (event) => { if (brings(event)) event.preventDefault(); });
addEventListener("drop", (event) => {
  if (!brings(event)) return;
  event.preventDefault();
  dragDepth = 0;
  $("drop").hidden = true;
  if (event.dataTransfer.files[0]) vary(event.dataTransfer.files[0]);
});

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.querySelector('meta[name="color-scheme"]').content = theme;
  state.pads.forEach((pad) => { if (pad.image) { drawFlat(pad.parts.canvas, pad.image); pad.node.style.setProperty("--hue", accent(pad.image.hue)); } });
  showInspector();
  repaintRuns();
}
$("theme").addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  memory.set("theme", theme);
  setTheme(theme);
  loadShelf();
});

link.addEventListener("gone", () => { $("gone").hidden = false; });
link.addEventListener("back", () => { $("gone").hidden = true; loadModels().catch(() => {}); loadShelf(); toast("The studio is back."); });

function route() {
  const runs = location.hash === "#runs";
  $("view-play").hidden = runs;
  $("view-runs").hidden = !runs;
  $("tab-play").toggleAttribute("aria-current", !runs);
  $("tab-runs").toggleAttribute("aria-current", runs);
  if (runs) showRuns($("view-runs"), sound);
  else hideRuns();
}
addEventListener("hashchange", route);

async function restore() {
  const wanted = memory.get("pads", []);
  const found = await Promise.all(wanted.slice(0, MOST_PADS).map(async ({ id, gain, muted }) => {
    try { return { loop: await get(`/api/loops/${id}`), gain, muted }; } catch { return null; }
  }));
  state.pads = found.filter(Boolean).map(({ loop, gain, muted }) => Object.assign(newPad(loop), { gain: gain ?? 1, muted: Boolean(muted) }));
  if (!state.pads.length) emptyPads();
  state.chosen = state.pads[0];
  layPads();
  openMake();
  state.pads.forEach((pad) => { if (pad.loop) { paintPad(pad); bufferOf(pad.loop).catch(() => {}); } });
}

setTheme(memory.get("theme", matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"));
const narrow = matchMedia("(max-width: 760px)");
const openMake = () => { $("make").open = !narrow.matches || !state.pads.some((pad) => pad.loop); };
narrow.addEventListener("change", openMake);
loadForm();
route();
window.loopwright = { state, buffers };
Promise.all([loadModels(), restore()]).then(loadShelf).catch((error) => toast(error.message, { bad: true })).finally(() => { document.documentElement.dataset.ready = "1"; });
