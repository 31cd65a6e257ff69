// Pads on the page: made, shown, painted, chosen, given loops. What pressing one does is in press.js.
import { pictureUrl } from "./api.js";
import { $, el, starIcon } from "./dom.js";
import { memory } from "./memory.js";
import { accent, drawFlat, picture } from "./paint.js";
import { audio, bufferOf } from "./sound.js";
import { MOST_PADS, replaceable, state, tell, word } from "./state.js";
import { dragOut } from "./takeaway.js";

let uid = 0;
const nodes = new WeakMap(); // of a pad on the page -> the pad

// The pad that an element of the page belongs to.
export const padOf = (element) => nodes.get(element.closest(".pad"));

export function newPad(loop = null) {
  const pad = { uid: ++uid, loop, base: null, moves: {}, blend: null, gain: 1, muted: false, on: false, busy: false };
  const face = el("button", { class: "face", tabIndex: -1 });
  const star = el("button", { class: "star", tabIndex: -1 }, starIcon());
  const canvas = el("canvas", { width: 1, height: 1 });
  pad.parts = { face, star, canvas, head: el("i", { class: "head" }), name: el("b"), key: el("span", { class: "key" }), small: el("small") };
  pad.node = el("div", { class: "pad" }, canvas, pad.parts.head, pad.parts.key, el("div", { class: "label" }, pad.parts.name, pad.parts.small), face, star);
  pad.node.addEventListener("dragstart", (event) => dragOut(event, pad.loop));
  nodes.set(pad.node, pad);
  return pad;
}

export function showPad(pad) {
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
  tell("pad", pad);
}

// Colours depend on the theme: painted anew when it changes.
export function colourPad(pad) {
  if (!pad.image) return;
  drawFlat(pad.parts.canvas, pad.image);
  pad.node.style.setProperty("--hue", accent(pad.image.hue));
}

export async function paintPad(pad) {
  const { loop } = pad;
  if (!loop) return;
  try {
    const image = await picture(loop.id, pictureUrl(loop.id));
    if (pad.loop?.id !== loop.id) return;
    pad.image = image;
    colourPad(pad);
    tell("pad", pad);
  } catch { /* a pad without a picture plays as well */ }
}

export function setLoop(pad, loop) {
  pad.loop = loop;
  pad.busy = false;
  paintPad(pad);
  showPad(pad);
  remember();
  const soon = bufferOf(loop); // fetched now, so that pressing sounds at once
  if (pad.on) soon.then((buffer) => { if (pad.loop === loop) audio.transport?.replace(pad.uid, buffer, loop.bars); }).catch(() => {});
  else soon.catch(() => {});
}

export function layPads() {
  $("pads").replaceChildren(...state.pads.map((pad) => pad.node));
  if (!state.pads.includes(state.chosen)) state.chosen = state.pads[0] ?? null;
  state.pads.forEach(showPad);
  $("pack").toggleAttribute("aria-disabled", !state.pads.some((pad) => pad.loop));
}

export function choose(pad, { focus = true } = {}) {
  const before = state.chosen;
  state.chosen = pad;
  if (before && before !== pad) showPad(before);
  showPad(pad);
  if (focus) pad.parts.face.focus({ preventScroll: false });
}

// Choose the pad that lies `by` places on; the ends are ends.
export function step(by) {
  const at = state.pads.indexOf(state.chosen), next = state.pads[Math.min(state.pads.length - 1, Math.max(0, at + by))];
  if (next) choose(next);
}

export const columns = () => getComputedStyle($("pads")).gridTemplateColumns.split(" ").length;

// Pads that may be given new loops: `count` of them, new ones at the end if need be.
export function freePads(count, keep = null) {
  const free = replaceable(state.pads, count, keep);
  while (free.length < count && state.pads.length < MOST_PADS) {
    const pad = newPad();
    state.pads.push(pad);
    free.push(pad);
  }
  layPads();
  return free;
}

// Empty pads go; if nothing is left, `count` empty ones invite to press Generate.
export function trimPads(count) {
  state.pads = state.pads.filter((pad) => pad.loop || pad.busy);
  if (!state.pads.length) state.pads = Array.from({ length: count }, () => newPad());
  layPads();
}

export function remember() {
  memory.set("pads", state.pads.filter((pad) => pad.loop).map((pad) => ({ id: pad.loop.id, gain: pad.gain, muted: pad.muted })));
}
