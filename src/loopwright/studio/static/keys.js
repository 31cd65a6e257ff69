// Every key, and when a key is the page's and when it belongs to what has the focus.
import { startBlend } from "./bending.js";
import { $ } from "./dom.js";
import { cancelShown } from "./jobs.js";
import { generate, moreLike } from "./making.js";
import { columns, step } from "./pads.js";
import { setLevel, setMode, silence, togglePlay } from "./playing.js";
import { press } from "./press.js";
import { toggleStar } from "./shelf.js";
import { state } from "./state.js";
import { download } from "./takeaway.js";
import { tap } from "./tempo.js";

const LOUDEST = 1.6, SOFTEST = 0.01; // of a pad's level
const DECIBEL = 1.122;

const louder = (by) => {
  const pad = state.chosen;
  if (pad?.loop) setLevel(pad, Math.min(LOUDEST, Math.max(SOFTEST, pad.gain * by)));
};
const mute = () => {
  const pad = state.chosen;
  if (pad?.loop) setLevel(pad, pad.gain, !pad.muted);
};

const KEYS = {
  " ": togglePlay,
  ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => step(-columns()), ArrowDown: () => step(columns()),
  Enter: (event) => { if (state.chosen) press(state.chosen, event); },
  s: () => toggleStar(state.chosen), m: mute, d: () => download(state.chosen?.loop),
  "+": () => louder(DECIBEL), "=": () => louder(DECIBEL), "-": () => louder(1 / DECIBEL),
  n: () => moreLike(state.chosen, "near"), x: () => moreLike(state.chosen, "away"), b: () => startBlend(state.chosen),
  g: generate, l: () => setMode(state.mode === "layer" ? "one" : "layer"), t: tap, 0: silence,
  "?": () => $("keys").showModal(),
  Escape: () => { if (state.blending) startBlend(state.blending); else cancelShown(); },
};
const REPEATING = /^(Arrow.*|\+|-)$/;

// Whether the focused element wants this key for itself.
export function belongsTo(target, key) {
  if (target.matches("input:not([type=radio]):not([type=range]), select, textarea")) return key !== "Escape";
  if (target.matches("input[type=range], input[type=radio]") && key.startsWith("Arrow")) return true;
  if (target.classList.contains("face")) return key === "Enter"; // the button presses itself
  return Boolean(target.closest("button, a, summary")) && (key === " " || key === "Enter");
}

function onKey(event) {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || $("view-play").hidden || $("keys").open || belongsTo(target, key)) return;
  const digit = /^[1-9]$/.test(key) ? state.pads[Number(key) - 1] : null;
  const action = digit ? (e) => press(digit, e) : KEYS[key] ?? KEYS[key.toLowerCase()];
  if (!action || (event.repeat && !REPEATING.test(key))) return;
  event.preventDefault();
  action(event);
}

export const listenToKeys = () => addEventListener("keydown", onKey);
