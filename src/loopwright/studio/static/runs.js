// Training runs: curves that grow while they are looked at, sheets of samples, and the samples' sound.
import { bytes, get } from "./api.js";
import { $, el, svg, toast } from "./dom.js";
import { memory } from "./memory.js";
import { isDark } from "./paint.js";
import { toBuffer } from "./wav.js";

const EVERY_MS = 4000;
// title, pattern of the keys, logarithmic, what is better
const CHARTS = [
  ["Fréchet distance", /^fad\//, true, "lower is better"],
  ["Kernel distance", /^kad\//, true, "lower is better"],
  ["Density", /^density\//, false, "higher is better"],
  ["Coverage", /^coverage\//, false, "higher is better"],
  ["Rise of attacks, dB", /^music\/(rise|attack)_db$/, false, "near the dashed lines is better"],
  ["In tune: concentration", /^music\/tuning_r$/, false, "near the dashed line is better"],
  ["Notes heard", /^music\/note/, false, "near the dashed lines is better"],
  ["Losses", /^loss\//, false, ""],
  ["Discriminator's logits", /^logit\//, false, "apart: it tells them apart"],
  ["Gradients", /^grad\//, true, ""],
  ["Speed", /^images_per_s$/, false, "images/s"],
];
const HUES = [62, 235, 145, 330, 20];
let timer = 0, shown = null, box = null, sound = null, playing = null, tickChosen = null;

export async function showRuns(target, makeSound) {
  box = target;
  sound = makeSound;
  await refresh();
}

export function hideRuns() {
  clearTimeout(timer);
  box = null;
  stopSample();
}

export function repaintRuns() { if (box && shown) draw(); }

async function refresh() {
  clearTimeout(timer);
  if (!box) return;
  try {
    const { runs } = await get("/api/runs");
    if (!box) return;
    if (!runs.length) {
      box.replaceChildren(el("p", { class: "none", textContent: "No training runs here. Start the studio with --runs FOLDER, where FOLDER is what your training writes to: loopwright studio --runs runs" }));
    } else {
      const wanted = shown?.id ?? memory.get("run", runs[0].id);
      const id = runs.some((run) => run.id === wanted) ? wanted : runs[0].id;
      shown = { ...(await get(`/api/runs/${encodeURIComponent(id)}`)), all: runs };
      draw();
    }
  } catch { /* the next turn may answer */ }
  if (box) timer = setTimeout(refresh, document.hidden ? 5 * EVERY_MS : EVERY_MS);
}

function draw() {
  if (!box || !shown) return;
  if (!$("run-choice")) {
    box.replaceChildren(
      el("div", { class: "runs-head" }, el("label", { class: "inline" }, "Run ", el("select", { id: "run-choice", onchange: (event) => { shown = { id: event.target.value }; memory.set("run", shown.id); tickChosen = null; refresh(); } })), el("p", { class: "facts", id: "run-facts" })),
      el("div", { class: "curves", id: "curves" }), el("div", { id: "sheet" }));
  }
  const choice = $("run-choice");
  choice.replaceChildren(...shown.all.map((run) => el("option", { value: run.id, textContent: run.id.replaceAll("~", " / ") })));
  choice.value = shown.id;
  const last = shown.rows.at(-1);
  $("run-facts").textContent = last ? `${last.kimg.toFixed(1)} thousand images in ${duration(last.seconds)}${last.images_per_s ? `, ${last.images_per_s.toFixed(1)} images/s` : ""}` : "Nothing measured yet.";
  $("curves").replaceChildren(...CHARTS.map((chart) => drawChart(...chart)).filter(Boolean));
  drawSheet();
}

const duration = (s) => (s >= 3600 ? `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min` : s >= 60 ? `${Math.round(s / 60)} min` : `${Math.round(s ?? 0)} s`);
const short = (v) => (Math.abs(v) >= 1000 ? v.toExponential(0) : Number(v.toPrecision(3)).toString());

function drawChart(title, pattern, log, better) {
  const keys = [...new Set(shown.rows.flatMap((row) => Object.keys(row)))].filter((key) => pattern.test(key)).sort();
  const series = keys.map((key) => [key, shown.rows.filter((row) => key in row && (!log || row[key] > 0)).map((row) => [row.kimg, row[key]])]).filter(([, points]) => points.length);
  if (!series.length) return null;
  const width = 420, height = 180, left = 40, bottom = 18, top = 6;
  const to = log ? Math.log10 : (v) => v, back = log ? (v) => 10 ** v : (v) => v;
  const lines = Object.entries(shown.baseline).filter(([key, v]) => key.startsWith("training-") && keys.includes(key.slice("training-".length)) && (!log || v > 0));
  const ys = [...series.flatMap(([, points]) => points.map(([, y]) => to(y))), ...lines.map(([, v]) => to(v))];
  let low = Math.min(...ys), high = Math.max(...ys);
  if (!log && low > 0 && low < high / 2) low = 0;
  if (high - low < 1e-9) { low -= 0.5; high += 0.5; }
  const end = Math.max(...series.flatMap(([, points]) => points.map(([x]) => x)), 1e-9);
  const x = (v) => left + (v / end) * (width - left - 6), y = (v) => top + (1 - (to(v) - low) / (high - low)) * (height - top - bottom);
  const colour = (i) => `oklch(${isDark() ? 0.8 : 0.55} 0.14 ${HUES[i % HUES.length]})`;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: ${series.map(([key, points]) => `${key} now ${short(points.at(-1)[1])}`).join(", ")}` });
  for (let i = 0; i <= 3; i++) {
    const value = back(low + ((high - low) * i) / 3);
    picture.append(svg("line", { class: "grid-line", x1: left, x2: width - 6, y1: y(value), y2: y(value) }));
    const text = svg("text", { x: left - 6, y: y(value) + 3, "text-anchor": "end" });
    text.textContent = short(value);
    picture.append(text);
  }
  [0, 0.5, 1].forEach((t) => {
    const text = svg("text", { x: x(t * end), y: height - 4, "text-anchor": t === 1 ? "end" : t ? "middle" : "start" });
    text.textContent = t === 1 ? `${short(end)} kimg` : short(t * end);
    picture.append(text);
  });
  series.forEach(([key, points], i) => {
    const line = lines.find(([name]) => name === `training-${key}`);
    if (line) picture.append(svg("line", { class: "real", stroke: colour(i), x1: left, x2: width - 6, y1: y(line[1]), y2: y(line[1]) }));
    picture.append(svg("polyline", { class: "curve", stroke: colour(i), points: points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" ") }));
    if (points.length < 40) points.forEach(([a, b]) => picture.append(svg("circle", { cx: x(a), cy: y(b), r: 2.2, fill: colour(i) })));
  });
  const legend = series.map(([key, points], i) => {
    const dot = el("i", { class: "key-dot" });
    dot.style.background = colour(i);
    return el("span", {}, dot, `${key.includes("/") ? key.split("/")[1] : key} ${short(points.at(-1)[1])}`);
  });
  return el("figure", {}, el("figcaption", {}, el("b", { textContent: title }), ...legend, better && el("span", { textContent: lines.length ? `${better}; dashed: training bars, as a model that copies would score` : better })), picture);
}

function drawSheet() {
  const ticks = shown.samples.filter((name) => name.endsWith(".png")).map((name) => name.slice(0, -4));
  if (!ticks.length) return $("sheet").replaceChildren();
  const follow = tickChosen === null || !ticks.includes(tickChosen);
  const at = follow ? ticks.length - 1 : ticks.indexOf(tickChosen);
  const key = `${shown.id}|${ticks.length}|${ticks[at]}`;
  if ($("sheet").dataset.key === key) return;
  $("sheet").dataset.key = key;
  const tick = ticks[at], path = (name) => `/api/runs/${encodeURIComponent(shown.id)}/samples/${encodeURIComponent(name)}`;
  const slider = el("input", { type: "range", min: 0, max: ticks.length - 1, step: 1, value: at, "aria-label": "Which measurement", oninput: () => { tickChosen = Number(slider.value) === ticks.length - 1 ? null : ticks[slider.value]; drawSheet(); requestAnimationFrame(() => $("sheet").querySelector("input")?.focus()); } });
  const wavs = shown.samples.filter((name) => name.startsWith(`${tick}-`) && name.endsWith(".wav"));
  const buttons = wavs.map((name, i) => {
    const button = el("button", { textContent: `Play ${i + 1}`, "aria-pressed": "false", onclick: () => playSample(path(name), button) });
    return button;
  });
  $("sheet").replaceChildren(el("figure", { class: "sheet" }, el("figcaption", {}, el("b", { textContent: `Samples at ${Number(tick)} thousand images` })), ticks.length > 1 ? slider : null, el("img", { src: path(`${tick}.png`), alt: `Spectrograms of sample loops at ${Number(tick)} thousand images`, loading: "lazy" }), el("div", { class: "listen" }, ...buttons)));
}

function stopSample() {
  playing?.source.stop();
  playing?.button.setAttribute("aria-pressed", "false");
  playing = null;
}

async function playSample(path, button) {
  const again = playing?.button === button;
  stopSample();
  if (again) return;
  const transport = sound();
  try {
    const source = transport.context.createBufferSource();
    source.buffer = toBuffer(transport.context, await bytes(path));
    source.loop = true;
    source.connect(transport.master);
    source.start();
    playing = { source, button };
    button.setAttribute("aria-pressed", "true");
  } catch (error) { toast(error.message, { bad: true }); }
}
