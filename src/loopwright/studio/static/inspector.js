// The chosen pad, seen whole: its ring, its level, what can be made of it, what is known of it.
import { $, el, toast } from "./dom.js";
import { moveAlong, moveBack, setBlend, startBlend } from "./bending.js";
import { findDirections, howFar, moreLike } from "./making.js";
import { memory } from "./memory.js";
import { accent, drawRing, isDark } from "./paint.js";
import { setLevel } from "./playing.js";
import { press } from "./press.js";
import { toggleStar } from "./shelf.js";
import { listen, modelOf, state, word } from "./state.js";
import { download } from "./takeaway.js";
import { decibels } from "./tempo_math.js";

let inspected = null; // { key, parts }: what the panel was built for

listen("pad", (pad) => { if (pad === state.chosen) showInspector(); });
listen("model", showInspector);

export function showInspector() {
  const pad = state.chosen, box = $("inspector");
  if (!pad?.loop) {
    inspected = null;
    return box.replaceChildren(el("p", { class: "none", textContent: hint(pad) }));
  }
  const model = modelOf(pad.loop.model);
  const names = model?.directions ?? [];
  const key = [pad.uid, names.join(), Boolean(pad.blend), pad.blend?.a.id, pad.blend?.b.id].join();
  if (inspected?.key !== key) build(pad, model, names, key);
  update(pad, inspected.parts);
}

// Turn the ring's hand to where the loop is: 0 to 1.
export function turnHand(turn) {
  if (inspected) inspected.parts.hand.style.transform = `rotate(${turn * 360}deg)`;
}

function hint(pad) {
  if (pad?.busy) return "Being made…";
  if (state.pads.some((other) => other.loop)) return "Choose a pad to see it whole, star it, and make more like it.";
  return "Press Generate. The first loop plays as soon as it is made; keep what you like, and roll the rest again.";
}

function update(pad, parts) {
  const { loop } = pad;
  $("inspector").style.setProperty("--hue", pad.image ? accent(pad.image.hue) : "");
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
  parts.gainOut.textContent = decibels(pad.gain);
  parts.blend.setAttribute("aria-pressed", state.blending === pad);
  for (const [name, slider] of Object.entries(parts.moves)) {
    if (document.activeElement !== slider) slider.value = pad.moves[name] ?? 0;
    slider.nextElementSibling.textContent = Number(slider.value).toFixed(1).replace("-", "−");
  }
  if (parts.t && document.activeElement !== parts.t) parts.t.value = pad.blend.t;
  if (pad.image && parts.ring.dataset.drawn !== loop.id + isDark()) {
    drawRing(parts.canvas, pad.image);
    parts.ring.dataset.drawn = loop.id + isDark();
  }
  parts.facts.replaceChildren(...factsOf(loop).flatMap(([k, v]) => [el("dt", { textContent: k }), el("dd", { textContent: v })]));
}

// What is known of a loop, as pairs of words.
export function factsOf(loop) {
  const { info } = loop;
  return [
    ["Model", loop.model],
    ["Seed", info.seed],
    ["Style", info.style],
    ["Near", info.near && word({ name: info.near })],
    ["Unlike", info.unlike && word({ name: info.unlike })],
    ["Length", `${loop.samples} samples`],
    ["Tempo", `${loop.bpm.toFixed(3)} BPM`],
    ["Step at the seam", `${loop.seam_click_ratio.toFixed(2)} of a click`],
  ].filter(([, value]) => value !== undefined && value !== "" && value !== null);
}

function build(pad, model, names, key) {
  const parts = { moves: {}, facts: el("dl", { class: "fact-list" }) };
  const rows = [ring(pad, parts), actions(pad, parts), level(pad, parts)];
  if (pad.blend) rows.push(between(pad, parts));
  rows.push(kin(pad));
  if (names.length) rows.push(directions(pad, names, parts));
  else if (model) rows.push(directionsUnknown(model));
  rows.push(el("div", { class: "group" }, parts.facts));
  inspected = { key, parts };
  $("inspector").replaceChildren(...rows);
}

function ring(pad, parts) {
  parts.canvas = el("canvas");
  parts.name = el("b");
  parts.sub = el("small");
  parts.hand = el("i", { class: "hand" });
  parts.ring = el("button", { class: "ring", onclick: (event) => press(pad, event) }, parts.canvas, parts.hand, el("span", { class: "what" }, parts.name, parts.sub));
  return parts.ring;
}

function actions(pad, parts) {
  parts.play = el("button", { onclick: (event) => press(pad, event) });
  parts.mute = el("button", { textContent: "Mute", onclick: () => setLevel(pad, pad.gain, !pad.muted) });
  parts.star = el("button", { onclick: () => toggleStar(pad) });
  parts.blend = el("button", { textContent: "Blend…", title: "Blend with another pad (B)", onclick: () => startBlend(pad) });
  const wav = el("button", { textContent: "WAV", title: "Download (D)", onclick: () => download(pad.loop) });
  const seed = el("button", { textContent: "Seed", title: "Put this pad's seed into the form", onclick: () => copySeed(pad.loop) });
  return el("div", { class: "actions" }, parts.play, parts.mute, parts.star, parts.blend, wav, seed);
}

function copySeed({ info }) {
  if (info.seed === undefined) return toast("This loop is not from a seed alone.");
  $("seed").value = info.seed;
}

function level(pad, parts) {
  parts.gain = el("input", { type: "range", min: 0, max: 1.6, step: 0.01, oninput: () => setLevel(pad, Number(parts.gain.value)) });
  parts.gainOut = el("output");
  return el("label", { class: "slider" }, el("span", { textContent: "Level" }), parts.gain, parts.gainOut);
}

function between(pad, parts) {
  const { a, b, t } = pad.blend;
  parts.t = el("input", { type: "range", min: 0, max: 1, step: 0.0625, value: t, "aria-label": `Blend from ${word(a)} to ${word(b)}`, oninput: () => setBlend(pad, Number(parts.t.value)) });
  const ends = el("div", { class: "ends" }, el("span", { textContent: word(a) }), el("span", { textContent: word(b) }));
  return el("div", { class: "group" }, el("h3", { textContent: "Between two" }), parts.t, ends);
}

function kin(pad) {
  const near = el("button", { textContent: "More like this", title: "N", onclick: () => moreLike(pad, "near") });
  const away = el("button", { textContent: "Less like this", title: "X", onclick: () => moreLike(pad, "away") });
  const amount = el("input", { type: "range", min: 0.08, max: 0.8, step: 0.01, value: howFar(), oninput: () => memory.set("amount", Number(amount.value)) });
  return el("div", { class: "group" }, el("h3", { textContent: "Find its kind" }), el("div", { class: "two" }, near, away),
    el("label", { class: "slider" }, el("span", { textContent: "How far" }), amount, el("output")));
}

function directions(pad, names, parts) {
  const reset = el("button", { class: "quiet", textContent: "Reset", onclick: () => moveBack(pad) });
  const sliders = names.map((name) => {
    const slider = el("input", { type: "range", min: -3, max: 3, step: 0.25, value: 0, oninput: () => { moveAlong(pad, name, Number(slider.value)); showInspector(); } });
    parts.moves[name] = slider;
    return el("label", { class: "slider" }, el("span", { textContent: name }), slider, el("output"));
  });
  return el("div", { class: "group" }, el("h3", {}, "Bend it", reset), ...sliders);
}

function directionsUnknown(model) {
  const find = el("button", { class: "quiet", textContent: "Find directions", title: "Measures what the model can change. Takes a minute or more.", onclick: () => findDirections(model.key) });
  return el("div", { class: "group" }, el("h3", { textContent: "Bend it" }), find);
}
