// Talking to the studio's server.
export const client = (() => {
  const made = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
  try {
    sessionStorage.client ??= made;
    return sessionStorage.client;
  } catch { return made; }
})();

export class ApiError extends Error {
  constructor(message, status, retryAfter) {
    super(message);
    Object.assign(this, { status, retryAfter });
  }
}

// The server went away while a job was under way.
export class LostError extends Error {}

async function call(method, path, { json, body, type } = {}) {
  const headers = { "X-Loopwright-Client": client };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  if (type) headers["Content-Type"] = type;
  let response;
  try {
    response = await fetch(path, { method, headers, body: json === undefined ? body : JSON.stringify(json) });
  } catch {
    throw new LostError("The studio does not answer. Is it still running in the terminal?");
  }
  const value = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(value.error || `The studio answered ${response.status}.`, response.status, Number(response.headers.get("Retry-After")) || 0);
  return value;
}

export const get = (path) => call("GET", path);
export const put = (path, json) => call("PUT", path, { json });
export const upload = (file) => call("POST", "/api/uploads", { body: file, type: "application/octet-stream" });
export const audioUrl = (id) => `/api/loops/${id}/audio.wav`;
export const pictureUrl = (id) => `/api/loops/${id}/picture.png`;

export async function bytes(path) {
  const response = await fetch(path);
  if (!response.ok) throw new ApiError((await response.json().catch(() => ({}))).error || `${response.status}`, response.status);
  return response.arrayBuffer();
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Wait until the server answers again. `onState(false)` when it is gone, `onState(true)` when it is back.
let coming = null;
export const link = new EventTarget();
export function waitForServer() {
  coming ??= (async () => {
    link.dispatchEvent(new CustomEvent("gone"));
    for (;;) {
      try {
        if ((await fetch("/health", { cache: "no-store" })).ok) break;
      } catch { /* not yet */ }
      await pause(1200);
    }
    coming = null;
    link.dispatchEvent(new CustomEvent("back"));
  })();
  return coming;
}

// Queue a wish and follow it. Resolves to the final state ("done" or "cancelled"), rejects if it failed or was lost.
export function run(wish, { onEvent = () => {}, signal } = {}) {
  return (async () => {
    let job;
    for (let tries = 0; ; tries++) {
      try {
        job = await call("POST", "/api/jobs", { json: wish });
        break;
      } catch (error) {
        if (tries < 5 && (error.status === 429 || error.status === 503) && !signal?.aborted) {
          onEvent({ type: "note", text: `the studio is busy; trying again in ${error.retryAfter || 1} s` });
          await pause(1000 * (error.retryAfter || 1));
        } else throw error;
      }
    }
    const cancel = () => { call("DELETE", `/api/jobs/${job.id}`).catch(() => {}); };
    if (signal?.aborted) cancel();
    signal?.addEventListener("abort", cancel);
    try {
      return await follow(job, onEvent);
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  })();
}

function follow(job, onEvent, seen = -1) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(`/api/jobs/${job.id}/events`);
    const end = (how, value) => { source.close(); how(value); };
    const heard = (message) => {
      const number = message.lastEventId === "" ? -1 : Number(message.lastEventId);
      if (message.type !== "wait" && number <= seen) return; // told again after a broken line
      seen = Math.max(seen, number);
      onEvent(JSON.parse(message.data));
    };
    ["queued", "loop", "note", "wait", "directions"].forEach((type) => source.addEventListener(type, heard));
    source.addEventListener("done", (message) => { heard(message); end(resolve, "done"); });
    source.addEventListener("cancelled", (message) => { heard(message); end(resolve, "cancelled"); });
    source.addEventListener("failed", (message) => end(reject, new ApiError(JSON.parse(message.data).job.error, 422)));
    source.onerror = async () => {
      if (source.readyState === EventSource.CONNECTING && (await alive())) return; // it takes the stream up again itself
      source.close();
      await waitForServer();
      try {
        await get(`/api/jobs/${job.id}`);
        follow(job, onEvent, seen).then(resolve, reject);
      } catch {
        reject(new LostError("The studio was restarted, and what it was making is lost."));
      }
    };
  });
}

async function alive() {
  try { return (await fetch("/health", { cache: "no-store" })).ok; } catch { return false; }
}
