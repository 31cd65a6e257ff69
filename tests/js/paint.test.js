// Colours against published values, and the range of pictures.
import assert from "node:assert/strict";
import test from "node:test";
import "./fakes.js";

const { hueOf, oklch, stretch } = await import("../../src/loopwright/studio/static/paint.js");

test("OKLCH to sRGB: white, black, and CSS Color 4's own examples", () => {
  assert.deepEqual(oklch(1, 0, 0), [255, 255, 255]);
  assert.deepEqual(oklch(0, 0, 0), [0, 0, 0]);
  const near = (got, want) => got.forEach((v, i) => assert.ok(Math.abs(v - want[i]) <= 1, `${got} is not ${want}`));
  near(oklch(0.627955, 0.257683, 29.2339), [255, 0, 0]); // red
  near(oklch(0.519752, 0.176858, 142.495), [0, 128, 0]); // green
  near(oklch(0.452014, 0.313214, 264.052), [0, 0, 255]); // blue
});

test("low sounds are ember, high ones sea, and beyond the usual range nothing changes", () => {
  assert.equal(hueOf(0.1), hueOf(0.22));
  assert.equal(hueOf(0.9), hueOf(0.46));
  assert.equal(hueOf(0.22), 62);
  assert.equal(hueOf(0.46), 200);
});

test("a dull picture is stretched to the whole range; an empty one stays empty", () => {
  const dull = Uint8Array.from({ length: 1000 }, (_, i) => 100 + (i % 100));
  stretch(dull);
  assert.equal(Math.min(...dull), 0);
  assert.equal(Math.max(...dull), 255);
  const empty = new Uint8Array(100);
  stretch(empty);
  assert.ok(empty.every((v) => v === 0));
});
