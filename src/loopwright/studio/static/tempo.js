// The tempo of the page: typed, tapped, and brought to loops that were made for another one.
import { $ } from "./dom.js";
import { make } from "./jobs.js";
import { memory } from "./memory.js";
import { setLoop } from "./pads.js";
import { RATE, audio } from "./sound.js";
import { MOST_PADS, state } from "./state.js";
import { fitsTempo, isTempo, tempoOfTaps, withTap } from "./tempo_math.js";

let timer = 0, abort = null, taps = [];

export const tempoNow = () => Number($("bpm").value);

export function setTempo(bpm) {
  if (!isTempo(bpm)) {
    $("bpm").value = memory.get("bpm", 120);
    return;
  }
  $("bpm").value = Math.round(bpm * 100) / 100;
  memory.set("bpm", Number($("bpm").value));
  audio.transport?.setTempo(bpm);
  matchTempo(450);
}

export function tap() {
  taps = withTap(taps, performance.now());
  const bpm = tempoOfTaps(taps);
  if (bpm !== null) setTempo(bpm);
}

// Have loops of another tempo rendered anew; until then they play faster or slower.
export function matchTempo(delay = 60) {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const wrong = state.pads.filter((pad) => pad.loop && !pad.busy && !fitsTempo(pad.loop, tempoNow(), RATE));
    if (!wrong.length) return;
    wrong.sort((a, b) => b.on - a.on);
    abort?.abort();
    abort = new AbortController();
    const from = new Map();
    wrong.slice(0, MOST_PADS).forEach((pad) => from.set(pad.loop.id, [...(from.get(pad.loop.id) ?? []), pad]));
    try {
      await make({ kind: "retempo", loops: [...from.keys()], bpm: tempoNow() }, {
        title: "Setting the tempo", controller: abort,
        onLoop: (loop, event) => (from.get(event.instead_of) ?? []).forEach((pad) => { if (pad.loop?.id === event.instead_of) setLoop(pad, loop); }),
      });
    } catch { /* told already; they go on at another speed */ }
  }, delay);
}
