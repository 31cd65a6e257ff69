// A file dropped on the page.
import { $ } from "./dom.js";

let depth = 0; // elements of the page that the file is over, one in the other
const brings = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

export function listenToDrops(take) {
  addEventListener("dragenter", (event) => { if (brings(event)) { depth++; $("drop").hidden = false; } });
  addEventListener("dragleave", (event) => { if (brings(event) && --depth <= 0) { depth = 0; $("drop").hidden = true; } });
  addEventListener("dragover", (event) => { if (brings(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    depth = 0;
    $("drop").hidden = true;
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
}
