// What pressing a pad does: it sounds or stops, or takes part in a blend.
import { blendWith } from "./bending.js";
import { choose } from "./pads.js";
import { padOff, padOn } from "./playing.js";
import { state } from "./state.js";

export function press(pad, event) {
  if (state.blending && state.blending !== pad && pad.loop) return blendWith(pad);
  choose(pad, { focus: false });
  if (pad.on) padOff(pad);
  else padOn(pad, { layer: event?.shiftKey || state.mode === "layer" });
}
