// The form that says what to make, the models it offers, and what it remembers.
import { get } from "./api.js";
import { $, el } from "./dom.js";
import { memory } from "./memory.js";
import { modelOf, state } from "./state.js";

export const field = (name) => document.querySelector(`#form input[name="${name}"]:checked`).value;

export async function loadModels() {
  const { models } = await get("/api/models");
  state.models = models;
  const before = $("model").value || memory.get("form", {}).model;
  $("model").replaceChildren(...models.map((model) => el("option", { value: model.key, textContent: model.key })));
  if (models.some((model) => model.key === before)) $("model").value = before;
  if (!models.length) $("model").append(el("option", { value: "", textContent: "no model yet" }));
  showModel();
}

export function showModel() {
  const model = modelOf($("model").value);
  $("model-facts").textContent = model ? model.description || `${model.mel}, ${model.kimg} thousand images of training` : "";
  $("style-row").hidden = !model?.styles.length;
  $("style").replaceChildren(el("option", { value: "", textContent: "any" }), ...(model?.styles ?? []).map((style) => el("option", { value: style, textContent: style })));
  $("generate").disabled = !model;
}

export function saveForm() {
  memory.set("form", { model: $("model").value, bars: field("bars"), count: field("count"), truncation: $("truncation").value, seed: $("seed").value, volume: $("volume").value });
}

export function loadForm() {
  const form = memory.get("form", {});
  ["bars", "count"].forEach((name) => { const input = document.querySelector(`input[name="${name}"][value="${form[name]}"]`); if (input) input.checked = true; });
  ["truncation", "seed", "volume"].forEach((name) => { if (form[name] !== undefined) $(name).value = form[name]; });
  $("bpm").value = memory.get("bpm", 120);
  $("unit").value = state.unit;
  document.querySelector(`input[name="mode"][value="${state.mode}"]`).checked = true;
  showTruncation();
}

export function showTruncation() {
  const value = Number($("truncation").value);
  $("truncation-out").textContent = value === 1 ? "as trained" : value.toFixed(2);
}
