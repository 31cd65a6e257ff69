// Stand-ins for what a browser has and node has not. Import this before any module of the page.
const kept = new Map();

export const storage = {
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => { kept.set(key, String(value)); },
  clear: () => kept.clear(),
};
Object.defineProperty(globalThis, "localStorage", { value: storage, configurable: true });
Object.defineProperty(globalThis, "sessionStorage", { value: {}, configurable: true });
globalThis.CustomEvent ??= class extends Event { // node 18 has none
  constructor(type, { detail } = {}) { super(type); this.detail = detail; }
};
globalThis.document ??= { getElementById: () => null, documentElement: { dataset: { theme: "dark" } } };

// An audio parameter that remembers what it was told.
class Param {
  constructor(value) { this.value = value; this.calls = []; }
  setValueAtTime(value, when) { this.calls.push(["set", value, when]); }
  linearRampToValueAtTime(value, when) { this.calls.push(["ramp", value, when]); }
  setTargetAtTime(value, when) { this.calls.push(["target", value, when]); }
  cancelScheduledValues() {}
}

class Node {
  constructor() { this.gain = new Param(1); this.playbackRate = new Param(1); }
  connect(other) { return other; }
  disconnect() {}
  start(when, offset) { this.started = { when, offset }; }
  stop(when) { this.stopped = when; }
}

// An audio context with a clock that the test sets.
export class FakeContext {
  constructor(sampleRate = 44100) {
    Object.assign(this, { sampleRate, currentTime: 0, destination: new Node(), sources: [] });
  }
  createGain() { return new Node(); }
  createDynamicsCompressor() {
    const node = new Node();
    for (const name of ["threshold", "knee", "ratio", "attack", "release"]) node[name] = new Param(0);
    return node;
  }
  createBufferSource() {
    const node = new Node();
    this.sources.push(node);
    return node;
  }
}

export const fakeBuffer = (length, sampleRate = 44100) => ({ length, sampleRate });
