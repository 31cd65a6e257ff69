// Taking a loop out of the page: dragged to a window beside it, or downloaded.
import { audioUrl } from "./api.js";
import { el } from "./dom.js";

export function dragOut(event, loop) {
  if (!loop) return event.preventDefault();
  const url = new URL(`${audioUrl(loop.id)}?download=1`, location.href).href;
  event.dataTransfer.setData("DownloadURL", `audio/wav:${loop.name}.wav:${url}`);
  event.dataTransfer.setData("text/uri-list", url);
  event.dataTransfer.effectAllowed = "copy";
}

export function download(loop) {
  if (!loop) return;
  el("a", { href: `${audioUrl(loop.id)}?download=1`, download: `${loop.name}.wav` }).click();
}
