// Wishes under way: followed, shown with their progress, cancelled.
import { LostError, run } from "./api.js";
import { $, toast } from "./dom.js";
import { state } from "./state.js";

let shown = null;

// Follow one wish. Its progress is shown, failures are told once and thrown.
export async function make(wish, { title, onLoop = () => {}, onEvent = () => {}, controller = new AbortController(), again = null }) {
  const job = { title, controller, done: 0, total: 1, text: "waiting", eta: 0 };
  state.jobs.add(job);
  show(job);
  try {
    return await run(wish, {
      signal: controller.signal,
      onEvent(event) {
        take(job, event);
        if (event.type === "loop") onLoop(event.loop, event);
        onEvent(event);
        show(job);
      },
    });
  } catch (error) {
    const lost = error instanceof LostError;
    toast(error.message, { bad: true, action: lost && again ? again : null, label: "Try again" });
    throw error;
  } finally {
    state.jobs.delete(job);
    show([...state.jobs].at(-1) ?? null);
  }
}

// What an event says of its job.
export function take(job, event) {
  if (event.job) Object.assign(job, { done: event.job.done, total: event.job.total, eta: event.job.eta_s, state: event.job.state });
  if (event.type === "note") job.text = event.text;
  else if (event.type === "queued") job.text = event.job.eta_s > 3 ? `waiting, about ${Math.round(event.job.eta_s)} s` : "starting";
  else job.text = "";
}

// One line about a job.
export function progressText(job) {
  const left = job.eta >= 2 && job.done ? `, ${Math.ceil(job.eta)} s left` : "";
  return job.text ? `${job.title}: ${job.text}` : `${job.title}: ${job.done} of ${job.total}${left}`;
}

function show(job) {
  shown = job;
  $("job").hidden = !job;
  if (!job) return;
  $("job-bar").style.width = `${(100 * job.done) / Math.max(1, job.total)}%`;
  $("job-text").textContent = progressText(job);
}

export function cancelShown() {
  shown?.controller.abort();
}
