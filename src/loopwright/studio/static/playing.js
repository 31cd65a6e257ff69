// Pads on and off, their level, and the button that plays and stops.
import { toast } from "./dom.js";
import { memory } from "./memory.js";
import { remember, showPad } from "./pads.js";
import { audio, bufferOf, sound, unitFrames } from "./sound.js";
import { anySounds, state } from "./state.js";
import { matchTempo } from "./tempo.js";

export async function padOn(pad, { layer = state.mode === "layer" } = {}) {
  if (!pad.loop) return;
  const out = sound();
  pad.on = true;
  if (!layer) state.pads.forEach((other) => { if (other !== pad && other.on) padOff(other); });
  out.play(); // before the loop has come, so that a press on stop meanwhile is obeyed
  showPad(pad);
  try {
    const { loop } = pad, buffer = await bufferOf(loop);
    if (!pad.on || pad.loop !== loop) return;
    out.on(pad.uid, buffer, loop.bars, { gain: pad.gain, muted: pad.muted, unit: unitFrames() });
    matchTempo();
  } catch (error) {
    pad.on = false;
    if (out.waiting && !anySounds()) out.stop();
    showPad(pad);
    toast(error.message, { bad: true });
  }
}

export function padOff(pad) {
  pad.on = false;
  audio.transport?.off(pad.uid, unitFrames());
  showPad(pad);
}

export function togglePlay() {
  const out = sound();
  if (out.playing) return out.stop();
  if (!anySounds()) {
    const first = state.chosen?.loop ? state.chosen : state.pads.find((pad) => pad.loop);
    if (first) return padOn(first);
    return toast("There is nothing to play yet: press Generate.");
  }
  out.play();
}

export function silence() {
  state.pads.filter((pad) => pad.on).forEach(padOff);
}

export function setLevel(pad, gain, muted = pad.muted) {
  Object.assign(pad, { gain, muted });
  audio.transport?.level(pad.uid, gain, muted);
  showPad(pad);
  remember();
}

// "one": a pad swaps with what sounds; "layer": it joins.
export function setMode(mode) {
  state.mode = mode;
  memory.set("mode", mode);
  document.querySelector(`input[name="mode"][value="${mode}"]`).checked = true;
}
