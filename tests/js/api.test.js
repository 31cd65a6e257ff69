// Following a job: a busy server is asked again, events come once, a lost line is told.
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import "./fakes.js";

const { ApiError, LostError, get, run } = await import("../../src/loopwright/studio/static/api.js");

const answer = (status, value, headers = {}) => ({ ok: status < 400, status, json: async () => value, headers: { get: (name) => headers[name] ?? null } });
let sources = [], asked = [], answers = [];

class FakeSource extends EventTarget {
  static CONNECTING = 0;
  constructor(url) {
    super();
    Object.assign(this, { url, readyState: 1, closed: false });
    sources.push(this);
  }
  close() { this.closed = true; }
  say(type, id, value) { this.dispatchEvent(Object.assign(new Event(type), { data: JSON.stringify(value), lastEventId: String(id) })); }
}

beforeEach(() => {
  sources = [];
  asked = [];
  answers = [];
  globalThis.EventSource = FakeSource;
  globalThis.fetch = async (path, { method = "GET" } = {}) => {
    asked.push(`${method} ${path}`);
    const next = answers.shift();
    if (next === undefined) throw new TypeError("no connection");
    return next;
  };
});

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

test("events of a job come in order, each once, and its end resolves", async () => {
  answers = [answer(202, { id: "j1" })];
  const seen = [];
  const end = run({ kind: "generate" }, { onEvent: (event) => seen.push(event.n) });
  await settled();
  sources[0].say("queued", 0, { n: 0 });
  sources[0].say("loop", 1, { n: 1 });
  sources[0].say("loop", 1, { n: 1 }); // told again after a broken line
  sources[0].say("wait", "", { n: "beat" });
  sources[0].say("done", 2, { n: 2 });
  assert.equal(await end, "done");
  assert.deepEqual(seen, [0, 1, "beat", 2]);
  assert.ok(sources[0].closed);
});

test("a full queue is asked again after the time the server names", async () => {
  answers = [answer(429, { error: "busy" }, { "Retry-After": "0.01" }), answer(202, { id: "j2" })];
  const notes = [];
  const end = run({}, { onEvent: (event) => notes.push(event.type) });
  while (!sources.length) await settled();
  sources[0].say("done", 0, {});
  assert.equal(await end, "done");
  assert.deepEqual(notes, ["note", undefined]);
  assert.deepEqual(asked, ["POST /api/jobs", "POST /api/jobs"]);
});

test("a wish that does not fit is not asked again: the server's sentence is the error", async () => {
  answers = [answer(422, { error: "bpm: too slow" })];
  await assert.rejects(run({}), (error) => error instanceof ApiError && error.message === "bpm: too slow" && error.status === 422);
  assert.equal(asked.length, 1);
});

test("a failed job rejects with its reason", async () => {
  answers = [answer(202, { id: "j3" })];
  const end = run({});
  await settled();
  sources[0].say("failed", 0, { job: { error: "Make it again." } });
  await assert.rejects(end, /Make it again/);
});

test("aborting cancels the job at the server, and the end is 'cancelled'", async () => {
  answers = [answer(202, { id: "j4" }), answer(200, {})];
  const controller = new AbortController();
  const end = run({}, { signal: controller.signal });
  await settled();
  controller.abort();
  sources[0].say("cancelled", 0, {});
  assert.equal(await end, "cancelled");
  assert.equal(asked.at(-1), "DELETE /api/jobs/j4");
});

test("a server that is gone is a LostError", async () => {
  await assert.rejects(get("/api/models"), LostError);
});

test("a studio that was restarted has lost the job, and says so", async () => {
  answers = [answer(202, { id: "j5" }), answer(200, {}), answer(404, { error: "no such job" })];
  const end = run({});
  await settled();
  sources[0].readyState = 2;
  sources[0].onerror();
  await assert.rejects(end, (error) => error instanceof LostError && /restarted/.test(error.message));
});
