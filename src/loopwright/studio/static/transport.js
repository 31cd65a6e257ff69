// One clock for all pads. Time is counted in whole samples: a bar is `barFrames` samples, a loop is a whole number of bars, so
// loops of one tempo never drift against each other. A loop that was made for another tempo plays at another speed until the
// studio has rendered it anew.
import { barFramesOf } from "./tempo_math.js";

const RAMP_S = 0.006; // on and off without a click
const QUANTUM = 128; // playback rates change at the edges of these blocks

export class Transport extends EventTarget {
  constructor(context, bpm = 120) {
    super();
    this.context = context;
    this.rate = context.sampleRate;
    this.barFrames = barFramesOf(bpm, this.rate);
    this.playing = false;
    this.waiting = false; // playing, but no voice has come yet: the clock begins with the first one
    this.anchorFrame = 0; // the sample of the context's clock ...
    this.anchorPosition = 0; // ... at which this many samples of music had been played
    this.voices = new Map(); // key -> { buffer, bars, gain, muted, node, source }
    this.master = context.createGain();
    this.limiter = context.createDynamicsCompressor();
    Object.entries({ threshold: -1.5, knee: 0, ratio: 20, attack: 0.001, release: 0.09 }).forEach(([k, v]) => {
      this.limiter[k].value = v;
    });
    this.master.connect(this.limiter).connect(context.destination);
  }

  get bpm() { return (240 * this.rate) / this.barFrames; }

  nowFrame() { return Math.round(this.context.currentTime * this.rate); }

  // Samples of music played when the context's clock shows `frame`.
  positionAt(frame) { return this.playing && !this.waiting ? this.anchorPosition + frame - this.anchorFrame : 0; }

  // What is heard now, in bars: the clock less the output's latency.
  heardBars() {
    if (!this.playing || this.waiting) return 0;
    const late = (this.context.outputLatency || this.context.baseLatency || 0) * this.rate;
    return Math.max(0, this.positionAt(this.context.currentTime * this.rate - late)) / this.barFrames;
  }

  soon(seconds = 0.02) { return Math.ceil((this.nowFrame() + seconds * this.rate) / QUANTUM) * QUANTUM; }

  // The first frame at or after `frame` on a multiple of `unit` samples of music.
  onGrid(frame, unit) {
    if (!unit) return frame;
    const over = this.positionAt(frame) % unit;
    return over === 0 ? frame : frame + unit - over;
  }

  play() {
    if (this.playing) return;
    this.playing = true;
    this.waiting = !this.voices.size;
    if (!this.waiting) this.#begin();
    this.dispatchEvent(new Event("state"));
  }

  stop() {
    if (!this.playing) return;
    const at = this.soon(0.005);
    this.voices.forEach((voice) => this.#stopSource(voice, at));
    this.playing = this.waiting = false;
    this.dispatchEvent(new Event("state"));
  }

  // Make a voice sound; `unit` 0 is at once (in phase), else on the next multiple of that many samples.
  on(key, buffer, bars, { gain = 1, muted = false, unit = 0 } = {}) {
    this.off(key);
    const voice = { buffer, bars, gain, muted, source: null, node: null };
    this.voices.set(key, voice);
    if (this.waiting) this.#begin();
    else if (this.playing) this.#start(voice, this.onGrid(this.soon(), unit));
  }

  off(key, unit = 0) {
    const voice = this.voices.get(key);
    if (!voice) return;
    this.voices.delete(key);
    if (this.playing) this.#stopSource(voice, this.onGrid(this.soon(), unit));
  }

  // Another buffer in the place of a voice's, in phase, crossfaded.
  replace(key, buffer, bars) {
    const old = this.voices.get(key);
    if (!old || old.buffer === buffer) return;
    const voice = { ...old, buffer, bars, source: null, node: null };
    this.voices.set(key, voice);
    if (!this.playing) return;
    const at = this.soon();
    this.#stopSource(old, at);
    this.#start(voice, at);
  }

  level(key, gain, muted) {
    const voice = this.voices.get(key);
    if (!voice) return;
    voice.gain = gain;
    voice.muted = muted;
    if (voice.node) voice.node.gain.setTargetAtTime(muted ? 0 : gain, this.context.currentTime, RAMP_S);
  }

  setTempo(bpm) {
    const next = barFramesOf(bpm, this.rate);
    if (next === this.barFrames) return;
    if (this.playing && !this.waiting) {
      const at = Math.max(this.soon(), this.anchorFrame);
      this.anchorPosition = Math.round((this.positionAt(at) / this.barFrames) * next);
      this.anchorFrame = at;
      this.barFrames = next;
      // a rate is read at the start of each block: said half a block early, it holds from `at` on, whatever the rounding
      this.voices.forEach((voice) => voice.source?.playbackRate.setValueAtTime(this.speed(voice), (at - QUANTUM / 2) / this.rate));
      // what fits the new tempo begins again on a whole sample
      this.voices.forEach((voice) => { if (voice.source && this.speed(voice) === 1) { this.#stopSource({ ...voice }, at); this.#start(voice, at); } });
    } else this.barFrames = next;
    this.dispatchEvent(new Event("tempo"));
  }

  // 1 for a loop of this tempo.
  speed(voice) { return voice.buffer.length / voice.bars / this.barFrames; }

  // Sample of the loop that sounds at `frame`: whole for a loop of this tempo.
  offsetAt(voice, frame) {
    const turn = this.barFrames * voice.bars;
    return ((((this.positionAt(frame) % turn) + turn) % turn) * voice.buffer.length) / turn;
  }

  #begin() {
    this.waiting = false;
    this.anchorFrame = this.soon(0.03);
    this.anchorPosition = 0;
    this.voices.forEach((voice) => this.#start(voice, this.anchorFrame));
  }

  #start(voice, frame) {
    const at = frame / this.rate;
    const source = this.context.createBufferSource();
    source.buffer = voice.buffer;
    source.loop = true; // from the last sample straight to the first
    source.playbackRate.value = this.speed(voice);
    const node = this.context.createGain();
    node.gain.setValueAtTime(0, at);
    node.gain.linearRampToValueAtTime(voice.muted ? 0 : voice.gain, at + RAMP_S);
    source.connect(node).connect(this.master);
    source.start(at, this.offsetAt(voice, frame) / voice.buffer.sampleRate);
    Object.assign(voice, { source, node });
  }

  #stopSource(voice, frame) {
    if (!voice.source) return;
    const at = frame / this.rate;
    voice.node.gain.cancelScheduledValues(at);
    voice.node.gain.setValueAtTime(voice.muted ? 0 : voice.gain, at);
    voice.node.gain.linearRampToValueAtTime(0, at + RAMP_S);
    voice.source.stop(at + 2 * RAMP_S);
    const { node } = voice;
    voice.source.onended = () => node.disconnect();
  }
}
