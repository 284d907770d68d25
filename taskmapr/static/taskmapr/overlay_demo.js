/* The demo: the assistant, and every request and frame as it went over the wire. */
import { mountOverlay } from "./overlay.js";
import { tokenOf } from "./page_token.js";

const MAX_FRAMES = 1_000;

/** @typedef {{type: string, seq: number | null, glance: string, text: string, raw: string}} Line */

/** @type {Line[]} */
const lines = [];
const frames = byId("wire-frames");
const count = byId("wire-count");
const type = /** @type {HTMLSelectElement} */ (byId("wire-type"));
const raw = /** @type {HTMLInputElement} */ (byId("wire-raw"));
const host = byId("taskmapr");

/** @param {string} id @returns {HTMLElement} */
function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`#${id} is missing`);
  return found;
}

/** @param {Line} line */
function add(line) {
  lines.push(line);
  if (lines.length > MAX_FRAMES) {
    lines.shift();
    frames.firstElementChild?.remove();
  }
  if (![...type.options].some((option) => option.value === line.type)) type.add(new Option(line.type, line.type));
  const isAtEnd = frames.scrollHeight - frames.scrollTop - frames.clientHeight < 80;
  frames.append(row(line));
  if (isAtEnd) frames.scrollTop = frames.scrollHeight;
  tellCount();
}

/** @param {Line} line */
function row(line) {
  const made = document.createElement("li");
  made.className = "tm-event";
  made.dataset.type = line.type;
  made.hidden = type.value !== "" && type.value !== line.type;
  if (line.type === "error") made.dataset.tone = "bad";
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const copy = document.createElement("button");
  Object.assign(copy, { type: "button", className: "tm-button", textContent: "Copy" });
  Object.assign(copy.dataset, { kind: "small", tmCopy: line.raw });
  summary.append(
    word("tm-quiet tm-number", line.seq === null ? "–" : String(line.seq)),
    word("tm-event-kind", line.type),
    word("tm-event-text", line.glance),
  );
  const code = document.createElement("div");
  code.className = "tm-code";
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  pre.textContent = raw.checked ? line.raw : line.text;
  code.append(pre, copy);
  details.append(summary, code);
  made.append(details);
  return made;
}

/** The telling part of a frame in a few words. @param {Record<string, any>} data */
function glanceAt(data) {
  const { delta, content, name, message, status, actions, model } = data;
  const told = delta ?? (content || name) ?? message ?? status ?? actions?.map((/** @type {any} */ { type }) => type).join(", ") ?? model ?? "";
  return String(told).trim().slice(0, 120);
}

/** @param {string} className @param {string} text */
function word(className, text) {
  const made = document.createElement("span");
  made.className = className;
  made.textContent = text;
  return made;
}

function draw() {
  frames.replaceChildren(...lines.map(row));
  tellCount();
}

function tellCount() {
  const shown = type.value ? lines.filter((line) => line.type === type.value).length : lines.length;
  count.textContent = lines.length ? `${shown} of ${lines.length}` : "No frames yet.";
}

host.addEventListener("taskmapr:request", (event) => {
  const { body } = /** @type {CustomEvent} */ (event).detail;
  add({ type: "request", seq: null, glance: body.prompt, text: JSON.stringify(body, null, 2), raw: JSON.stringify(body) });
});
host.addEventListener("taskmapr:frame", (event) => {
  const { frame, id, raw: text } = /** @type {CustomEvent} */ (event).detail;
  const whole = `${id ? `id: ${id}\n` : ""}data: ${text}`;
  add({ type: frame.type, seq: frame.seq, glance: glanceAt(frame.data), text: JSON.stringify(frame, null, 2), raw: whole });
});
type.addEventListener("change", draw);
raw.addEventListener("change", draw);
byId("wire-filters").addEventListener("submit", (event) => event.preventDefault());
byId("wire-clear").addEventListener("click", () => {
  lines.length = 0;
  draw();
});
byId("wire-copy").addEventListener("click", () => {
  const shown = lines.filter((line) => !type.value || line.type === type.value);
  navigator.clipboard.writeText(shown.map((line) => line.raw).join("\n\n"));
});

for (const id of ["demo-save", "demo-delete", "demo-menu-tags", "demo-menu-posts"]) {
  byId(id).addEventListener("click", () => (byId("demo-done").textContent = `${byId(id).textContent} was pressed.`));
}
byId("demo-switch").addEventListener("click", () => {
  const isOn = byId("demo-switch").getAttribute("aria-checked") === "true";
  byId("demo-switch").setAttribute("aria-checked", String(!isOn));
});

/** Arrow keys move inside tabs and menu, as these roles promise. @param {HTMLElement[]} group
 *  @param {(chosen: HTMLElement) => void} choose */
function arrows(group, choose) {
  const go = (/** @type {HTMLElement} */ to) => {
    for (const one of group) one.tabIndex = one === to ? 0 : -1;
    choose(to);
  };
  group.forEach((one, index) => {
    one.addEventListener("click", () => go(one));
    one.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      const to = group[(index + by + group.length) % group.length];
      go(to);
      to.focus();
    });
  });
}

const tabs = ["demo-tab-one", "demo-tab-two"].map(byId);
arrows(tabs, (chosen) => {
  for (const tab of tabs) tab.setAttribute("aria-selected", String(tab === chosen));
  byId("demo-tab-panel").setAttribute("aria-labelledby", chosen.id);
  byId("demo-tab-panel").textContent = `What the ${chosen === tabs[0] ? "first" : "second"} tab shows.`;
});
arrows(["demo-menu-tags", "demo-menu-posts"].map(byId), () => {});

mountOverlay({
  host,
  position: "inline",
  token: tokenOf(host.dataset.tokenUrl ?? ""),
  suggestions: ["Where is the save button?", "What can I do here?", "Highlight the table"],
});
