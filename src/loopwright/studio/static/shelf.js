// The shelf: starred loops and recent ones, as the server keeps them.
import { get, pictureUrl, put } from "./api.js";
import { $, el, toast } from "./dom.js";
import { choose, freePads, setLoop, showPad } from "./pads.js";
import { drawFlat, picture } from "./paint.js";
import { padOn } from "./playing.js";
import { state, word } from "./state.js";
import { dragOut } from "./takeaway.js";

const MOST_SHOWN = 60;
let calls = 0; // only the newest answer is shown

export async function loadShelf() {
  const call = ++calls;
  let kept;
  try { kept = await get("/api/library"); } catch { return; }
  if (call !== calls) return;
  const loops = kept[state.shelf];
  if (!loops.length) {
    const hint = state.shelf === "starred" ? "Star a pad (S) to keep it here, also after a restart." : "What you make will be here.";
    return $("shelf").replaceChildren(el("p", { textContent: hint }));
  }
  $("shelf").replaceChildren(...loops.slice(0, MOST_SHOWN).map(item));
}

function item(loop) {
  const canvas = el("canvas", { width: 1, height: 1 });
  picture(loop.id, pictureUrl(loop.id)).then((image) => drawFlat(canvas, image)).catch(() => {});
  const props = { "aria-label": `Put ${word(loop)} on a pad`, title: loop.name, draggable: true, ondragstart: (event) => dragOut(event, loop), onclick: () => putOnPad(loop) };
  return el("li", {}, el("button", props, canvas, el("b", { textContent: word(loop) })));
}

function putOnPad(loop) {
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

export async function toggleStar(pad) {
  const loop = pad?.loop;
  if (!loop) return;
  try {
    const now = await put(`/api/loops/${loop.id}/star`, { starred: !loop.starred });
    state.pads.forEach((other) => { if (other.loop?.id === loop.id) { other.loop.starred = now.starred; showPad(other); } });
    loadShelf();
  } catch (error) { toast(error.message, { bad: true }); }
}
