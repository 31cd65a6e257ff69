// What the page knows, in one place, and questions about it. Nothing here touches the document.
import { memory } from "./memory.js";

export const MOST_PADS = 32;

export const state = {
  pads: [], // { uid, loop, base, moves, blend, gain, muted, on, busy, wish, chasing, image, node, parts }
  chosen: null,
  models: [],
  mode: memory.get("mode", "one"),
  unit: memory.get("unit", "0"),
  shelf: "starred",
  blending: null, // the pad whose partner is being chosen
  jobs: new Set(),
};

// Who shows something listens here; who changes something tells. Events: "pad" (detail: the pad), "transport", "model".
export const changes = new EventTarget();
export const tell = (what, detail) => changes.dispatchEvent(new CustomEvent(what, { detail }));
export const listen = (what, then) => changes.addEventListener(what, (event) => then(event.detail));

export const modelOf = (key) => state.models.find((model) => model.key === key);

// The short name of a loop: the last part of its file's name.
export const word = (loop) => loop.name.split("_").at(-1);

// A pad whose loop must stay when others are made anew.
export const held = (pad) => Boolean(pad.loop && (pad.on || pad.loop.starred || pad.busy));

export const anySounds = (pads = state.pads) => pads.some((pad) => pad.on);

// Pads that may be given another loop: `count` at most, never `keep`.
export const replaceable = (pads, count, keep = null) => pads.filter((pad) => !held(pad) && !pad.busy && pad !== keep).slice(0, count);

// Bring the list to `count` pads: from the end, those go that are not held; `make` gives new ones.
export function resize(pads, count, make) {
  const out = [...pads];
  while (out.length > count) {
    const at = out.findLastIndex((pad) => !held(pad));
    if (at < 0) break;
    out.splice(at, 1);
  }
  while (out.length < count) out.push(make());
  return out;
}

// How far a pad is moved along each direction, without those that are back at zero.
export const amountsOf = (moves) => Object.fromEntries(Object.entries(moves).filter(([, value]) => value !== 0));
