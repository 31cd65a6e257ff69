// What the page says about a job under way.
import assert from "node:assert/strict";
import test from "node:test";
import "./fakes.js";

const { progressText, take } = await import("../../src/loopwright/studio/static/jobs.js");

const job = () => ({ title: "Making loops", done: 0, total: 8, eta: 0, text: "" });
const at = (type, done, eta_s, rest = {}) => ({ type, job: { done, total: 8, eta_s, state: "running" }, ...rest });

test("a waiting job says how long, a running one how far", () => {
  const one = job();
  take(one, at("queued", 0, 12.4));
  assert.equal(progressText(one), "Making loops: waiting, about 12 s");
  take(one, at("queued", 0, 1));
  assert.equal(progressText(one), "Making loops: starting");
  take(one, at("loop", 3, 4.2));
  assert.equal(progressText(one), "Making loops: 3 of 8, 5 s left");
  take(one, at("loop", 8, 0));
  assert.equal(progressText(one), "Making loops: 8 of 8");
});

test("a note is shown until the next event", () => {
  const one = job();
  take(one, { type: "note", text: "fitting" });
  assert.equal(progressText(one), "Making loops: fitting");
  take(one, at("wait", 1, 0));
  assert.equal(progressText(one), "Making loops: 1 of 8");
});
