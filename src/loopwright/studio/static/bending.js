// One pad that follows a slider: along directions of the model, or between two loops.
import { toast } from "./dom.js";
import { make } from "./jobs.js";
import { choose, freePads, setLoop, showPad } from "./pads.js";
import { padOn } from "./playing.js";
import { loadShelf } from "./shelf.js";
import { amountsOf, anySounds, state, word } from "./state.js";
import { tempoNow } from "./tempo.js";

// Only the newest wish of a pad counts, and one is under way at a time.
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

export function moveAlong(pad, name, amount) {
  pad.base ??= pad.loop;
  pad.blend = null;
  pad.moves[name] = amount;
  const amounts = amountsOf(pad.moves);
  if (!Object.keys(amounts).length) { pad.wish = null; return setLoop(pad, pad.base); }
  chase(pad, { kind: "move", loop: pad.base.id, amounts, bpm: tempoNow() }, `Bending ${word(pad.base)}`);
}

export function moveBack(pad) {
  if (!pad.base) return;
  const { base } = pad;
  Object.assign(pad, { moves: {}, base: null, wish: null });
  setLoop(pad, base);
}

// The next pad that is pressed is blended with this one; asked twice, it is not.
export function startBlend(pad) {
  if (!pad?.loop) return;
  state.blending = state.blending === pad ? null : pad;
  if (state.blending) toast("Now press the pad to blend it with.");
  state.pads.forEach(showPad);
}

export function blendWith(other) {
  const a = state.blending.loop, b = other.loop;
  state.blending = null;
  if (a.model !== b.model) { state.pads.forEach(showPad); return toast("Those two are from different models. Blend loops of one model.", { bad: true }); }
  const [pad] = freePads(1, other);
  if (!pad) return toast("Every pad sounds or is starred. Take one off first.");
  Object.assign(pad, { base: null, moves: {}, blend: { a, b, t: 0.5 }, busy: true });
  choose(pad);
  state.pads.forEach(showPad);
  setBlend(pad, 0.5);
  if (anySounds()) playWhenMade(pad);
}

async function playWhenMade(pad) {
  while (pad.busy && pad.chasing) await new Promise((resolve) => setTimeout(resolve, 100));
  if (pad.loop) padOn(pad);
}

export function setBlend(pad, t) {
  pad.blend.t = t;
  chase(pad, { kind: "blend", a: pad.blend.a.id, b: pad.blend.b.id, t, bpm: tempoNow() }, `Between ${word(pad.blend.a)} and ${word(pad.blend.b)}`);
}
