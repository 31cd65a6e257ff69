// Tempo: bars in whole samples, loops that fit them, taps.
import assert from "node:assert/strict";
import test from "node:test";
import { barFramesOf, decibels, fitsTempo, isTempo, tempoOfTaps, withTap } from "../../src/loopwright/studio/static/tempo_math.js";

test("a bar of 4/4 at 120 BPM lasts two seconds", () => {
  assert.equal(barFramesOf(120, 44100), 88200);
  assert.equal(barFramesOf(97, 44100), 109113); // 240 * 44100 / 97 = 109113.4
});

test("a loop fits if its bars have that many samples, to the sample", () => {
  assert.ok(fitsTempo({ samples: 2 * 109113, bars: 2 }, 97, 44100));
  assert.ok(!fitsTempo({ samples: 2 * 109113 + 1, bars: 2 }, 97, 44100));
});

test("four taps half a second apart are 120 BPM; three are not enough", () => {
  let taps = [];
  for (const at of [0, 500, 1000]) taps = withTap(taps, at);
  assert.equal(tempoOfTaps(taps), null);
  assert.equal(tempoOfTaps(withTap(taps, 1500)), 120);
});

test("uneven taps are averaged over all of them, the last eight count, a pause begins anew", () => {
  assert.equal(tempoOfTaps([0, 400, 1100, 1500]), 120);
  let taps = [];
  for (let i = 0; i < 20; i++) taps = withTap(taps, 600 * i);
  assert.equal(taps.length, 8);
  assert.equal(tempoOfTaps(taps), 100);
  assert.deepEqual(withTap(taps, 20 * 600 + 1500), [13500]);
});

test("tempi from 40 to 240 BPM are taken, nothing else", () => {
  assert.deepEqual([39.9, 40, 240, 240.1, NaN].map(isTempo), [false, true, true, false, false]);
});

test("levels in decibels", () => {
  assert.deepEqual([1, 10, 0.5, 0].map(decibels), ["0.0 dB", "20.0 dB", "-6.0 dB", "off"]);
});
