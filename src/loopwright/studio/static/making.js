// New loops for free pads: generated, near a pad or unlike it, or near a loop of the user's own.
import { upload } from "./api.js";
import { $, toast } from "./dom.js";
import { field, loadModels, saveForm } from "./form.js";
import { make } from "./jobs.js";
import { memory } from "./memory.js";
import { choose, freePads, layPads, newPad, setLoop, showPad, trimPads } from "./pads.js";
import { padOn } from "./playing.js";
import { loadShelf } from "./shelf.js";
import { sound } from "./sound.js";
import { anySounds, held, resize, state, tell, word } from "./state.js";
import { tempoNow } from "./tempo.js";

const SEEDS = 2 ** 32;
const HOW_FAR = 0.35; // of "more like this", until the slider is moved
const MOST_UPLOADED = 32e6; // bytes, as the server allows

export const howFar = () => memory.get("amount", HOW_FAR);

// Make loops into pads that are free; the first to come is played if nothing sounds.
async function fill(wish, count, { title, keep = null, play = false }) {
  const pads = freePads(count, keep);
  if (!pads.length) return toast("Every pad sounds or is starred. Take a star away, or press All off.");
  pads.forEach((pad) => { pad.busy = true; showPad(pad); });
  const left = [...pads];
  const quiet = !anySounds();
  try {
    await make({ ...wish, count: pads.length }, {
      title,
      again: () => fill(wish, count, { title, keep, play }),
      onLoop(loop) {
        const pad = left.shift();
        if (!pad) return;
        Object.assign(pad, { base: null, moves: {}, blend: null });
        setLoop(pad, loop);
        if (play && quiet && pad === pads[0] && !anySounds()) { choose(pad, { focus: false }); padOn(pad); }
      },
    });
  } catch { /* told */ } finally {
    left.forEach((pad) => { pad.busy = false; showPad(pad); });
    trimPads(Number(field("count")));
    loadShelf();
  }
}

export async function generate() {
  sound(); // inside the press, or the browser would keep it silent
  const model = $("model").value;
  if (!model) return toast("There is no model yet. Train one, or start the studio with the path of one.", { bad: true });
  state.pads = resize(state.pads, Number(field("count")), newPad);
  const wanted = state.pads.filter((pad) => !held(pad)).length;
  if (!wanted) { layPads(); return toast("Every pad sounds or is starred: raise the number of pads, or press All off."); }
  const seed = Number($("seed").value) || 0;
  const wish = { kind: "generate", model, seed, bpm: tempoNow(), bars: Number(field("bars")), truncation: Number($("truncation").value), style: $("style").value || null };
  $("seed").value = (seed + wanted) % SEEDS;
  saveForm();
  await fill(wish, wanted, { title: "Making loops", play: true });
}

const salt = () => Math.floor(Math.random() * 2 ** 31);

// `kind` is "near" or "away".
export function moreLike(pad, kind) {
  if (!pad?.loop) return;
  sound();
  const wish = { kind, loop: pad.loop.id, salt: salt(), bpm: tempoNow() };
  if (kind === "near") wish.amount = howFar();
  fill(wish, 4, { title: kind === "near" ? `More like ${word(pad.loop)}` : `Unlike ${word(pad.loop)}`, keep: pad });
}

// Neighbours of a recording: the server looks it up in the model.
export async function vary(file) {
  if (file.size > MOST_UPLOADED) return toast("That file is over 32 MB. Bring a loop of at most a minute.", { bad: true });
  sound();
  try {
    const taken = await upload(file);
    await fill({ kind: "variations", upload: taken.upload, model: $("model").value, amount: howFar(), bpm: tempoNow() }, 6, { title: `Like ${file.name}`, play: true });
  } catch (error) { toast(error.message, { bad: true }); }
}

export async function findDirections(model) {
  try {
    await make({ kind: "directions", model }, { title: "Finding directions" });
    await loadModels();
    tell("model");
  } catch { /* told */ }
}
