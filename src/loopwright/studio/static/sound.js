// The audio context, its transport, and the loops' buffers. A context may only begin inside a press: `sound()` is called there.
import { audioUrl, bytes } from "./api.js";
import { $ } from "./dom.js";
import { state, tell } from "./state.js";
import { Transport } from "./transport.js";
import { toBuffer } from "./wav.js";

export const RATE = 44100; // of the studio's loops: a context of this rate plays their samples as they are
const MOST_BUFFERS = 120;

export const audio = { context: null, transport: null, analyser: null };
export const buffers = new Map(); // loop id -> Promise<AudioBuffer>

export function sound() {
  if (!audio.transport) {
    const context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    const transport = new Transport(context, Number($("bpm").value) || 120);
    transport.master.gain.value = Number($("volume").value);
    const analyser = context.createAnalyser();
    transport.limiter.connect(analyser);
    transport.addEventListener("state", () => tell("transport"));
    Object.assign(audio, { context, transport, analyser });
  }
  if (audio.context.state !== "running") audio.context.resume();
  return audio.transport;
}

export function setVolume(gain) {
  audio.transport?.master.gain.setTargetAtTime(gain, audio.context.currentTime, 0.01);
}

export function bufferOf(loop) {
  if (!buffers.has(loop.id)) {
    const made = bytes(audioUrl(loop.id)).then((data) => toBuffer(audio.context ?? new OfflineAudioContext(1, 1, RATE), data));
    made.catch(() => buffers.delete(loop.id));
    buffers.set(loop.id, made);
    if (buffers.size > MOST_BUFFERS) buffers.delete(buffers.keys().next().value);
  }
  return buffers.get(loop.id);
}

// Samples of music from one place where a pad may start to the next; 0 is at once.
export const unitFrames = () => (state.unit === "0" ? 0 : audio.transport.barFrames / Number(state.unit));
