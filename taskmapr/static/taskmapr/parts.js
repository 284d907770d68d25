/* What parts do without a page's own script: copy, ask in a dialog, tell the time in words. */
import { tellTimes } from "./times.js";

/** @param {MouseEvent} event */
async function copy(event) {
  const button = event.target instanceof Element && event.target.closest("[data-tm-copy]");
  if (!button) return;
  const source = document.getElementById(button.getAttribute("aria-controls") ?? "");
  const words = button.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.tmCopy || source?.textContent || "");
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select and copy by hand";
  }
  setTimeout(() => (button.textContent = words), 1600);
}

/** @param {MouseEvent} event */
function ask(event) {
  const opener = event.target instanceof Element && event.target.closest("[data-tm-dialog]");
  if (!opener) return;
  const dialog = document.getElementById(opener.dataset.tmDialog ?? "");
  if (dialog instanceof HTMLDialogElement) dialog.showModal();
}

document.addEventListener("click", copy);
document.addEventListener("click", ask);
tellTimes();
setInterval(() => tellTimes(), 30_000);
