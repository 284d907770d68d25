/* The time in words. */

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
