// Which pads stay and which are made anew.
import assert from "node:assert/strict";
import test from "node:test";
import "./fakes.js";

const { amountsOf, held, listen, replaceable, resize, tell, word } = await import("../../src/loopwright/studio/static/state.js");

const pad = (props = {}) => ({ loop: { name: "a_b", starred: false }, on: false, busy: false, ...props });
const starred = pad({ loop: { name: "c_d", starred: true } });
const sounding = pad({ on: true });
const plain = pad();
const empty = pad({ loop: null });

test("a pad is held if it sounds, is starred or is being made over; an empty one is not", () => {
  assert.deepEqual([starred, sounding, pad({ busy: true }), plain, empty].map(held), [true, true, true, false, false]);
});

test("replaceable pads are those not held, in order, up to the count, never the one to keep", () => {
  const pads = [starred, plain, sounding, empty];
  assert.deepEqual(replaceable(pads, 9), [plain, empty]);
  assert.deepEqual(replaceable(pads, 1), [plain]);
  assert.deepEqual(replaceable(pads, 9, plain), [empty]);
  assert.deepEqual(replaceable([pad({ loop: null, busy: true })], 9), []);
});

test("fewer pads: the last that are not held go; held ones stay even if they are too many", () => {
  const make = () => assert.fail("none is needed");
  assert.deepEqual(resize([plain, starred, empty, sounding], 2, make), [starred, sounding]);
  assert.deepEqual(resize([starred, sounding, starred], 1, make), [starred, sounding, starred]);
});

test("more pads: new ones come at the end", () => {
  assert.deepEqual(resize([plain], 3, () => empty), [plain, empty, empty]);
});

test("directions at zero are no directions; a name's last part is its word", () => {
  assert.deepEqual(amountsOf({ bright: 0, dense: -1.5 }), { dense: -1.5 });
  assert.equal(word({ name: "Loopwright_120_drums_amber-fox" }), "amber-fox");
});

test("who listens hears at once, with what was told", () => {
  const heard = [];
  listen("pad", (detail) => heard.push(detail));
  tell("pad", plain);
  assert.deepEqual(heard, [plain]);
});
