// The page's WAV reader against files written out by hand, byte for byte, after the format's own description.
import assert from "node:assert/strict";
import test from "node:test";
import { parseWav } from "../../src/loopwright/studio/static/wav.js";

const word = (n) => [n & 255, (n >> 8) & 255];
const long = (n) => [...word(n & 0xffff), ...word(n >>> 16)];
const text = (s) => [...s].map((c) => c.charCodeAt(0));
const chunk = (name, body) => [...text(name), ...long(body.length), ...body, ...(body.length % 2 ? [0] : [])];

function wav({ format = 1, channels = 1, rate = 44100, bits = 16, body, before = [], extra = [] }) {
  const fmt = [...word(format), ...word(channels), ...long(rate), ...long((rate * channels * bits) / 8), ...word((channels * bits) / 8), ...word(bits), ...extra];
  const inside = [...text("WAVE"), ...chunk("fmt ", fmt), ...before, ...chunk("data", body)];
  return new Uint8Array([...text("RIFF"), ...long(inside.length), ...inside]).buffer;
}

test("16 bits: full scale is -1, and the largest positive number is a step below 1", () => {
  const got = parseWav(wav({ body: [0x00, 0x80, 0xff, 0x7f, 0x00, 0x00, 0x00, 0x40] }));
  assert.deepEqual([...got.data[0]], [-1, 32767 / 32768, 0, 0.5]);
  assert.deepEqual([got.rate, got.frames], [44100, 4]);
});

test("24 bits keep their sign and their lowest bit", () => {
  const got = parseWav(wav({ bits: 24, body: [0x00, 0x00, 0x80, 0xff, 0xff, 0x7f, 0x01, 0x00, 0x00, 0xff, 0xff, 0xff] }));
  assert.deepEqual([...got.data[0]], [-1, 8388607 / 8388608, 1 / 8388608, -1 / 8388608]);
});

test("two channels are taken apart, and chunks of odd length before the sound are passed over", () => {
  const body = [0x00, 0x40, 0x00, 0xc0, 0x00, 0x20, 0x00, 0xe0];
  const got = parseWav(wav({ channels: 2, body, before: chunk("LIST", [1, 2, 3]) }));
  assert.deepEqual(got.data.map((d) => [...d]), [[0.5, 0.25], [-0.5, -0.25]]);
});

test("32-bit float, also in the extensible form", () => {
  const body = [...new Uint8Array(new Float32Array([0.1, -2.5]).buffer)];
  assert.deepEqual([...parseWav(wav({ format: 3, bits: 32, body })).data[0]], [Math.fround(0.1), -2.5]);
  const extra = [...word(22), ...word(32), ...long(0), ...word(3), ...Array(14).fill(0)];
  assert.deepEqual([...parseWav(wav({ format: 0xfffe, bits: 32, body, extra })).data[0]], [Math.fround(0.1), -2.5]);
});

test("a file that is cut short gives the samples it has; what is no WAV is refused", () => {
  const whole = wav({ body: Array(20).fill(0) });
  assert.equal(parseWav(whole.slice(0, whole.byteLength - 5)).frames, 7);
  assert.throws(() => parseWav(new Uint8Array(100).buffer), /not a WAV/);
  assert.throws(() => parseWav(wav({ body: [] }).slice(0, 20)), /not a WAV/);
  assert.throws(() => parseWav(wav({ bits: 8, body: [1, 2] })), /8 bits/);
});
