// The transport's clock with a context whose time the test sets. That it sounds right is tested in a real browser.
import assert from "node:assert/strict";
import test from "node:test";
import { FakeContext, fakeBuffer } from "./fakes.js";
import { Transport } from "../../src/loopwright/studio/static/transport.js";

const BAR = 88200; // 120 BPM

function playing() {
  const context = new FakeContext();
  const transport = new Transport(context, 120);
  transport.on("a", fakeBuffer(BAR), 1);
  transport.play();
  return { context, transport, first: context.sources[0] };
}

test("a pad that joins begins where it would be, had it always played", () => {
  const { context, transport, first } = playing();
  context.currentTime = 3.3;
  transport.on("b", fakeBuffer(BAR), 1);
  const { when, offset } = context.sources[1].started;
  const elapsed = when - first.started.when; // seconds of music: both loops are 2 s long
  assert.ok(Math.abs(offset - (elapsed % 2)) < 1e-9);
});

test("on the bar means on the bar", () => {
  const { context, transport, first } = playing();
  context.currentTime = 0.7;
  transport.on("b", fakeBuffer(2 * BAR), 2, { unit: BAR });
  const { when, offset } = context.sources[1].started;
  assert.ok(Math.abs(when - first.started.when - 2) < 1e-9);
  assert.ok(Math.abs(offset - 2) < 1e-9); // the second bar of two
});

test("a new tempo keeps the place in the bar, and other loops change their speed", () => {
  const { context, transport, first } = playing();
  context.currentTime = 1.0;
  const before = transport.positionAt(transport.soon()) / transport.barFrames;
  transport.setTempo(97);
  assert.equal(transport.barFrames, 109113);
  assert.ok(Math.abs(transport.positionAt(transport.soon()) / transport.barFrames - before) < 1e-5);
  assert.deepEqual(first.playbackRate.calls.map(([what, value]) => [what, value]), [["set", BAR / 109113]]);
});

test("played before the first voice has come, the clock waits for it and begins at its first sample", () => {
  const context = new FakeContext();
  const transport = new Transport(context, 120);
  transport.play();
  assert.deepEqual([transport.playing, transport.waiting], [true, true]);
  context.currentTime = 5;
  assert.equal(transport.heardBars(), 0);
  transport.on("a", fakeBuffer(BAR), 1);
  const { when, offset } = context.sources[0].started;
  assert.equal(offset, 0);
  assert.ok(when >= 5);
  const first = Math.round(when * 44100);
  assert.deepEqual([transport.waiting, transport.positionAt(first), transport.positionAt(first + 1000)], [false, 0, 1000]);
});

test("stopped before the first voice has come, it stays silent", () => {
  const context = new FakeContext();
  const transport = new Transport(context, 120);
  let told = 0;
  transport.addEventListener("state", () => { told++; });
  transport.play();
  transport.stop();
  transport.on("a", fakeBuffer(BAR), 1);
  assert.equal(context.sources.length, 0);
  assert.equal(told, 2);
  transport.play();
  assert.equal(context.sources.length, 1);
});

test("a voice that is replaced is stopped when the other starts", () => {
  const { context, transport, first } = playing();
  context.currentTime = 1.0;
  transport.replace("a", fakeBuffer(BAR), 1);
  const [, second] = context.sources;
  assert.ok(first.stopped > second.started.when);
  assert.ok(first.stopped - second.started.when < 0.02);
});
