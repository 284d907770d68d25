/* What parts do without a page's own script: copy, ask in a dialog, tell the time in words. */

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

const STEPS = /** @type {const} */ ([["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]]);

/** Relative words, with the exact time of the reader's zone on hover.
 *  @param {ParentNode} root */
export function tellTimes(root = document) {
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const time of root.querySelectorAll("time[data-tm-when]")) {
    const at = new Date(time.getAttribute("datetime") ?? "");
    if (Number.isNaN(at.getTime())) continue;
    const seconds = (at.getTime() - Date.now()) / 1000;
    const [unit, length] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? STEPS[3];
    time.textContent = words.format(Math.round(seconds / length), unit);
    time.setAttribute("title", at.toLocaleString());
  }
}

document.addEventListener("click", copy);
document.addEventListener("click", ask);
tellTimes();
setInterval(tellTimes, 30_000);
