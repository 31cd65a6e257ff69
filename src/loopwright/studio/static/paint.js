// Pictures of loops: the server sends them gray, the page colours them. The hue tells where the sound's weight lies:
// ember for low, by rose and violet, to sea for high.
const LOW = 0.22, HIGH = 0.46; // where the sound's weight lies in most loops: 0 is the lowest band, 1 the highest
const cache = new Map(); // loop id -> Promise<{ width, height, data: Uint8Array, hue }>

export function picture(loop, url) {
  if (!cache.has(loop)) {
    cache.set(loop, load(url).catch((error) => { cache.delete(loop); throw error; }));
    if (cache.size > 200) cache.delete(cache.keys().next().value);
  }
  return cache.get(loop);
}

async function load(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`no picture (${response.status})`);
  const bitmap = await createImageBitmap(await response.blob());
  const { width } = bitmap;
  let { height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  let data = new Uint8Array(width * height);
  for (let i = 0; i < data.length; i++) data[i] = rgba[4 * i];
  // bands above what the model can make are empty: a model of 16 kHz shows nothing over 8 kHz
  const empty = data.findIndex((v) => v > 12), top = Math.min(empty < 0 ? 0 : Math.floor(empty / width), Math.floor(height / 3));
  data = data.subarray(top * width);
  height -= top;
  stretch(data);
  let sum = 0, weighted = 0;
  for (let i = 0; i < data.length; i++) {
    const heavy = (data[i] / 255) ** 2;
    sum += heavy;
    weighted += heavy * (1 - Math.floor(i / width) / (height - 1));
  }
  const centre = sum ? weighted / sum : 0.4; // 0 lowest band, 1 highest
  return { width, height, data, centre, hue: hueOf(centre) };
}

// Where the sound's weight lies (0 lowest band, 1 highest) as a hue in degrees.
export function hueOf(centre) {
  const t = Math.min(1, Math.max(0, (centre - LOW) / (HIGH - LOW)));
  return (62 - 222 * t + 360) % 360;
}

// Each picture uses the whole range: from its quietest tenth (of what sounds at all) to its loudest hundredth.
export function stretch(data) {
  const counts = new Uint32Array(256);
  let total = 0;
  for (const v of data) if (v) { counts[v]++; total++; }
  if (!total) return;
  let low = 0, high = 255;
  for (let sum = 0; low < 255 && (sum += counts[low]) < 0.12 * total;) low++;
  for (let sum = 0; high > 0 && (sum += counts[high]) < 0.008 * total;) high--;
  const span = Math.max(48, high - low);
  for (let i = 0; i < data.length; i++) data[i] = Math.min(255, Math.max(0, (255 * (data[i] - low)) / span));
}

// OKLCH to sRGB bytes (Ottosson 2020).
export function oklch(l, c, h) {
  const a = c * Math.cos((h * Math.PI) / 180), b = c * Math.sin((h * Math.PI) / 180);
  const [x, y, z] = [l + 0.3963377774 * a + 0.2158037573 * b, l - 0.1055613458 * a - 0.0638541728 * b, l - 0.0894841775 * a - 1.291485548 * b].map((v) => v ** 3);
  return [4.0767416621 * x - 3.3077115913 * y + 0.2309699292 * z, -1.2684380046 * x + 2.6097574011 * y - 0.3413193965 * z, -0.0041960863 * x - 0.7034186147 * y + 1.707614701 * z]
    .map((v) => (v <= 0.0031308 ? 12.92 * v : 1.055 * Math.max(v, 0) ** (1 / 2.4) - 0.055))
    .map((v) => Math.round(255 * Math.min(1, Math.max(0, v))));
}

const maps = new Map();
function colours(hue, dark) {
  const key = `${Math.round(hue)}${dark}`;
  if (!maps.has(key)) {
    const table = new Uint32Array(256);
    for (let i = 0; i < 256; i++) {
      const v = (i / 255) ** 1.15;
      const bump = Math.sin(Math.PI * Math.min(1, v * 0.92));
      const [r, g, b] = dark
        ? oklch(0.19 + 0.74 * v, 0.012 + 0.15 * bump, hue - 14 + 22 * v)
        : oklch(0.955 - 0.6 * v, 0.008 + 0.15 * Math.sin((Math.PI * v) / 1.35), hue - 8 + 14 * v);
      table[i] = (255 << 24) | (b << 16) | (g << 8) | r;
    }
    maps.set(key, table);
  }
  return maps.get(key);
}

export const isDark = () => document.documentElement.dataset.theme === "dark";

export function drawFlat(canvas, image) {
  canvas.width = image.width;
  canvas.height = image.height;
  const context = canvas.getContext("2d");
  const out = context.createImageData(image.width, image.height);
  const pixels = new Uint32Array(out.data.buffer), table = colours(image.hue, isDark());
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[image.data[i]];
  context.putImageData(out, 0, 0);
}

// The loop as the circle it is: the bar goes round clockwise from the top, low bands inside, high bands outside.
export function drawRing(canvas, image) {
  const size = 440, middle = size / 2, inner = 0.34 * middle, outer = 0.985 * middle;
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d");
  const out = context.createImageData(size, size);
  const pixels = new Uint32Array(out.data.buffer), table = colours(image.hue, isDark());
  for (let y = 0, i = 0; y < size; y++) {
    for (let x = 0; x < size; x++, i++) {
      const dx = x + 0.5 - middle, dy = y + 0.5 - middle, r = Math.hypot(dx, dy);
      if (r < inner - 1 || r > outer + 1) continue;
      const turn = (Math.atan2(dx, -dy) / (2 * Math.PI) + 1) % 1;
      const u = turn * image.width, v = Math.min(1, Math.max(0, (r - inner) / (outer - inner))) * (image.height - 1);
      const x0 = Math.floor(u) % image.width, x1 = (x0 + 1) % image.width, fx = u - Math.floor(u);
      const row = image.height - 1 - Math.round(v);
      const value = image.data[row * image.width + x0] * (1 - fx) + image.data[row * image.width + x1] * fx;
      const alpha = Math.min(1, r - inner + 1, outer + 1 - r);
      pixels[i] = (table[Math.round(value)] & 0xffffff) | (Math.round(255 * alpha) << 24);
    }
  }
  context.putImageData(out, 0, 0);
}

export const accent = (hue) => (isDark() ? `oklch(0.8 0.14 ${hue})` : `oklch(0.56 0.15 ${hue})`);
