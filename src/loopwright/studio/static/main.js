// The page begins here: elements are wired to what they do, and what was remembered comes back.
import { get, link } from "./api.js";
import "./clock.js";
import { $, toast } from "./dom.js";
import { listenToDrops } from "./dropping.js";
import { field, loadForm, loadModels, saveForm, showModel, showTruncation } from "./form.js";
import { showInspector } from "./inspector.js";
import { cancelShown } from "./jobs.js";
import { listenToKeys } from "./keys.js";
import { generate, vary } from "./making.js";
import { memory } from "./memory.js";
import { choose, colourPad, newPad, padOf, paintPad, trimPads } from "./pads.js";
import { isDark } from "./paint.js";
import { setMode, silence, togglePlay } from "./playing.js";
import { press } from "./press.js";
import { hideRuns, repaintRuns, showRuns } from "./runs.js";
import { loadShelf, toggleStar } from "./shelf.js";
import { audio, bufferOf, buffers, setVolume, sound } from "./sound.js";
import { MOST_PADS, state } from "./state.js";
import { setTempo, tap } from "./tempo.js";

const on = (id, type, then) => $(id).addEventListener(type, then);
const onChoice = (name, then) => document.querySelectorAll(`input[name="${name}"]`).forEach((input) => input.addEventListener("change", () => then(input.value)));

function wirePads() {
  on("pads", "click", (event) => {
    const pad = padOf(event.target);
    if (event.target.closest(".face")) press(pad, event);
    else if (event.target.closest(".star")) toggleStar(pad);
  });
  on("pads", "focusin", (event) => {
    if (event.target.matches(".face") && padOf(event.target) !== state.chosen) choose(padOf(event.target), { focus: false });
  });
  on("pack", "click", (event) => {
    const ids = state.pads.filter((pad) => pad.loop).map((pad) => pad.loop.id);
    if (!ids.length) { event.preventDefault(); return toast("There is nothing to download yet."); }
    $("pack").href = `/api/pack.zip?ids=${ids.join(",")}`;
  });
  onChoice("mode", setMode);
  onChoice("shelf", (shelf) => { state.shelf = shelf; loadShelf(); });
  on("unit", "change", () => { state.unit = $("unit").value; memory.set("unit", state.unit); });
  on("silence", "click", silence);
}

function wireForm() {
  on("form", "submit", (event) => { event.preventDefault(); generate(); });
  on("form", "change", saveForm);
  on("model", "change", showModel);
  on("truncation", "input", showTruncation);
  on("dice", "click", () => { $("seed").value = Math.floor(Math.random() * 2 ** 32); saveForm(); });
  on("job-cancel", "click", cancelShown);
  on("from-file", "click", () => $("file").click());
  on("file", "change", () => { if ($("file").files[0]) vary($("file").files[0]); $("file").value = ""; });
}

function wireHeader() {
  on("play", "click", togglePlay);
  on("tap", "click", tap);
  on("bpm", "change", () => setTempo(Number($("bpm").value)));
  on("volume", "input", () => { setVolume(Number($("volume").value)); saveForm(); });
  on("help", "click", () => $("keys").showModal());
  on("theme", "click", () => {
    const theme = isDark() ? "light" : "dark";
    memory.set("theme", theme);
    setTheme(theme);
    loadShelf();
  });
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.querySelector('meta[name="color-scheme"]').content = theme;
  state.pads.forEach(colourPad);
  showInspector();
  repaintRuns();
}

// The part of the address after # says which view is shown.
function route() {
  const runs = location.hash === "#runs";
  $("view-play").hidden = runs;
  $("view-runs").hidden = !runs;
  $("tab-play").toggleAttribute("aria-current", !runs);
  $("tab-runs").toggleAttribute("aria-current", runs);
  if (runs) showRuns($("view-runs"), sound);
  else hideRuns();
}

// Pads as they were at the last visit, as far as the server still has them.
async function restore() {
  const wanted = memory.get("pads", []);
  const found = await Promise.all(wanted.slice(0, MOST_PADS).map(async ({ id, gain, muted }) => {
    try { return { loop: await get(`/api/loops/${id}`), gain, muted }; } catch { return null; }
  }));
  state.pads = found.filter(Boolean).map(({ loop, gain, muted }) => Object.assign(newPad(loop), { gain: gain ?? 1, muted: Boolean(muted) }));
  trimPads(Number(field("count")));
  openMake();
  state.pads.forEach((pad) => { if (pad.loop) { paintPad(pad); bufferOf(pad.loop).catch(() => {}); } });
}

// On a narrow screen the form is folded away once there are loops.
const narrow = matchMedia("(max-width: 760px)");
const openMake = () => { $("make").open = !narrow.matches || !state.pads.some((pad) => pad.loop); };

setTheme(memory.get("theme", matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark"));
narrow.addEventListener("change", openMake);
addEventListener("hashchange", route);
link.addEventListener("gone", () => { $("gone").hidden = false; });
link.addEventListener("back", () => { $("gone").hidden = true; loadModels().catch(() => {}); loadShelf(); toast("The studio is back."); });
loadForm();
wirePads();
wireForm();
wireHeader();
listenToKeys();
listenToDrops(vary);
route();
// For the browser's console, and for tests.
window.loopwright = { state, buffers, get context() { return audio.context; }, get transport() { return audio.transport; }, get analyser() { return audio.analyser; } };
Promise.all([loadModels(), restore()]).then(loadShelf).catch((error) => toast(error.message, { bad: true })).finally(() => { document.documentElement.dataset.ready = "1"; });
