// The clock on the page: the play button, the dots of the beat, a line on each pad, the ring's hand.
import { $ } from "./dom.js";
import { turnHand } from "./inspector.js";
import { audio } from "./sound.js";
import { listen, state } from "./state.js";

const reduced = matchMedia("(prefers-reduced-motion: reduce)");
const CALM_MS = 250; // between pictures where the user wants little motion
let ticking = false, lastBeat = -1;

listen("transport", showTransport);

export function showTransport() {
  const playing = Boolean(audio.transport?.playing);
  $("play").setAttribute("aria-pressed", playing);
  $("play").querySelector(".sr").textContent = playing ? "Stop" : "Play";
  if (playing && !ticking) {
    ticking = true;
    requestAnimationFrame(tick);
  }
}

function tick() {
  if (!audio.transport.playing) return rest();
  const bars = audio.transport.heardBars(), beat = Math.floor(bars * 4) % 4;
  if (beat !== lastBeat) document.querySelectorAll(".beats i").forEach((dot, i) => dot.classList.toggle("on", i === beat));
  lastBeat = beat;
  for (const pad of state.pads) {
    if (!pad.on) continue;
    const turn = (bars / pad.loop.bars) % 1;
    pad.parts.head.style.transform = `translateX(${turn * pad.node.clientWidth}px)`;
    if (pad === state.chosen) turnHand(turn);
  }
  if (reduced.matches) setTimeout(tick, CALM_MS);
  else requestAnimationFrame(tick);
}

function rest() {
  ticking = false;
  lastBeat = -1;
  document.querySelectorAll(".beats i").forEach((dot) => dot.classList.remove("on"));
  state.pads.forEach((pad) => { pad.parts.head.style.transform = ""; });
}
