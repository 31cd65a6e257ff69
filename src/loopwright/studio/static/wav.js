// Read a WAV file: PCM of 16 or 24 bits, or 32-bit float. Exact: no resampling, no padding, so the loop point stays where it is.
export function parseWav(bytes) {
  const view = new DataView(bytes);
  const tag = (at) => String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
  if (bytes.byteLength < 44 || tag(0) !== "RIFF" || tag(8) !== "WAVE") throw new Error("not a WAV file");
  let format = 0, channels = 0, rate = 0, bits = 0;
  for (let at = 12; at + 8 <= bytes.byteLength;) {
    const name = tag(at), size = view.getUint32(at + 4, true), body = at + 8;
    if (name === "fmt ") {
      format = view.getUint16(body, true);
      channels = view.getUint16(body + 2, true);
      rate = view.getUint32(body + 4, true);
      bits = view.getUint16(body + 14, true);
      if (format === 0xfffe) format = view.getUint16(body + 24, true);
    } else if (name === "data") {
      const step = bits / 8, frames = Math.floor(Math.min(size, bytes.byteLength - body) / (step * channels));
      const data = Array.from({ length: channels }, () => new Float32Array(frames));
      for (let i = 0, p = body; i < frames; i++) {
        for (let c = 0; c < channels; c++, p += step) {
          if (format === 3) data[c][i] = view.getFloat32(p, true);
          else if (bits === 16) data[c][i] = view.getInt16(p, true) / 32768;
          else if (bits === 24) data[c][i] = ((view.getInt8(p + 2) << 16) | view.getUint16(p, true)) / 8388608;
          else throw new Error(`WAV of ${bits} bits`);
        }
      }
      return { rate, frames, data };
    }
    at = body + size + (size % 2);
  }
  throw new Error("WAV without audio");
}

export function toBuffer(context, bytes) {
  const { rate, frames, data } = parseWav(bytes);
  const buffer = context.createBuffer(data.length, frames, rate);
  data.forEach((samples, channel) => buffer.copyToChannel(samples, channel));
  return buffer;
}
