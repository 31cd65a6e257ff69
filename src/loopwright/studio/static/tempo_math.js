// Arithmetic of tempo and level: no document, no sound.
const SLOWEST_TAP_MS = 2000; // a longer pause begins a new count
const MOST_TAPS = 8;
const FEWEST_TAPS = 4;

export const isTempo = (bpm) => bpm >= 40 && bpm <= 240;

// A bar of 4/4 in whole samples.
export const barFramesOf = (bpm, rate) => Math.round((240 * rate) / bpm);

// Whether a loop { samples, bars } was rendered for this tempo.
export const fitsTempo = (loop, bpm, rate) => loop.samples / loop.bars === barFramesOf(bpm, rate);

// The taps that count after one more at `now` (ms).
export function withTap(taps, now) {
  const kept = taps.length && now - taps.at(-1) > SLOWEST_TAP_MS ? [] : taps;
  return [...kept, now].slice(-MOST_TAPS);
}

// Tempo of taps in ms, or null while there are too few.
export const tempoOfTaps = (taps) => (taps.length < FEWEST_TAPS ? null : Math.round(60000 / ((taps.at(-1) - taps[0]) / (taps.length - 1))));

export const decibels = (gain) => (gain > 0 ? `${(20 * Math.log10(gain)).toFixed(1)} dB` : "off");
