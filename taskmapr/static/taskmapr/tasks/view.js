/* What is seen of one task: badge, progress, lines, pictures, files, result. */
/** @import { Confirmation, Download, Screenshot, Task } from "./api.js" */
/** @import { Message } from "./follow.js" */

/** The colours of badges go by the words of runs. */
const COLOURS = /** @type {Record<string, string>} */ ({ assigned: "queued", completed: "succeeded" });
const FINAL = new Set(["completed", "failed", "cancelled", "timed_out"]);
const MAX_LINES = 1_000;

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`#${id} is missing`);
  return found;
}

/** @param {string} status */
export function badge(status) {
  const made = word("span", "tm-status", status.replaceAll("_", " "));
  made.dataset.status = COLOURS[status] ?? status;
  return made;
}

/** @template {keyof HTMLElementTagNameMap} T @param {T} tag @param {string} className @param {string} text */
export function word(tag, className, text) {
  const made = document.createElement(tag);
  Object.assign(made, { className, textContent: text });
  return made;
}

export class TaskView {
  /** @param {string} taskId @param {string} type */
  constructor(taskId, type) {
    byId("task").hidden = false;
    byId("task-title").textContent = type;
    byId("task-id").textContent = taskId;
    for (const id of ["task-lines", "task-screenshots", "task-downloads", "task-result"]) byId(id).replaceChildren();
    for (const id of ["task-screenshots-part", "task-downloads-part", "task-result-part"]) byId(id).hidden = true;
    this.#ask();
    this.#progress(0, "Waiting for a worker");
    this.status("assigned");
  }

  /** @param {Message} message */
  hear({ type, status, timestamp, data }) {
    this.status(status);
    if (type === "snapshot" && data.progress) this.#progress(data.progress.percent, data.progress.text);
    if (type === "snapshot") this.#files(data);
    if (type === "snapshot" || type === "result") this.#ask(data.details.confirmation);
    if (type === "status") this.#ask(data.confirmation);
    if (type === "progress") this.#progress(data.percent, data.text);
    if (type === "log") this.#line(timestamp, data.level, data.message);
    if (type === "retry") this.#line(timestamp, "WARNING", `${data.error} Attempt ${data.attempt} follows${data.delay_s ? ` in ${data.delay_s.toFixed(1)} s` : ""}.`);
    if (type === "error") this.#line(timestamp, "ERROR", data.message);
    if (type === "screenshot") this.#screenshot(data);
    if (type === "artifact") this.#download(data);
    if (type === "tool_call_started") this.#line(timestamp, "TOOL", data.name);
    if (type === "result") this.#result(data);
  }

  /** @param {string} status */
  status(status) {
    const place = byId("task-status");
    if (place.textContent !== status.replaceAll("_", " ")) place.replaceChildren(badge(status));
    const isFinal = FINAL.has(status);
    byId("task-cancel").hidden = isFinal;
    byId("task-lines").toggleAttribute("data-is-over", isFinal);
    byId("task-retry").hidden = !isFinal || status === "completed";
  }

  /** @param {Confirmation} [asked] Nothing: the task waits for nobody. */
  #ask(asked) {
    byId("task-question").hidden = !asked;
    byId("task-said").textContent = asked ? "The task waits for your confirmation." : "";
    if (!asked) return;
    byId("task-question-text").textContent = asked.prompt;
    byId("task-question-args").replaceChildren(
      ...Object.entries(asked.args).flatMap(([name, value]) => [word("dt", "", name.replaceAll("_", " ")), word("dd", "", plain(value))]),
    );
    byId("task-question-until").textContent = `The task goes on when you have answered. Without an answer by ${clock(asked.expires_at)} it counts as refused.`;
  }

  /** @param {number} percent @param {string} text */
  #progress(percent, text) {
    const bar = /** @type {HTMLProgressElement} */ (byId("task-progress"));
    bar.value = percent;
    byId("task-progress-text").textContent = text ? `${percent} % · ${text}` : `${percent} %`;
  }

  /** @param {string} at @param {string} level @param {string} text */
  #line(at, level, text) {
    const lines = byId("task-lines");
    const isAtEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 80;
    const row = document.createElement("li");
    row.className = "tm-event";
    if (level === "ERROR") row.dataset.tone = "bad";
    if (level === "WARNING") row.dataset.tone = "wait";
    const line = word("div", "tm-event-line", "");
    const time = word("time", "", clock(at));
    time.dateTime = at;
    line.append(time, word("span", "tm-event-kind", level), word("span", "tm-event-text", text));
    row.append(line);
    lines.append(row);
    if (lines.childElementCount > MAX_LINES) lines.firstElementChild?.remove();
    if (isAtEnd) lines.scrollTop = lines.scrollHeight;
  }

  /** @param {Task} task */
  #files(task) {
    byId("task-screenshots").replaceChildren();
    byId("task-downloads").replaceChildren();
    for (const shot of task.screenshots) this.#screenshot(shot);
    for (const file of task.downloads) this.#download(file);
  }

  /** @param {Screenshot} shot */
  #screenshot(shot) {
    byId("task-screenshots-part").hidden = false;
    const figure = document.createElement("figure");
    const link = word("a", "", "");
    const image = document.createElement("img");
    Object.assign(link, { href: shot.url, target: "_blank", rel: "noopener" });
    Object.assign(image, { src: shot.url, alt: `Screenshot ${shot.name}`, loading: "lazy" });
    if (shot.width && shot.height) Object.assign(image, { width: shot.width, height: shot.height });
    link.append(image);
    figure.append(link, word("figcaption", "tm-small", shot.name));
    byId("task-screenshots").append(figure);
  }

  /** @param {Download} file */
  #download(file) {
    byId("task-downloads-part").hidden = false;
    const row = document.createElement("li");
    const link = word("a", "", file.name);
    Object.assign(link, { href: file.url, download: file.name });
    row.append(link, word("span", "tm-quiet tm-small", ` ${sizeOf(file.size)}`));
    byId("task-downloads").append(row);
  }

  /** @param {Task} task */
  #result(task) {
    this.#files(task);
    byId("task-result-part").hidden = false;
    byId("task-result").textContent = JSON.stringify(task.error ?? task.result, null, 2);
    byId("task-result-heading").textContent = task.error ? "Why it ended" : "Result";
    if (task.status === "completed") this.#progress(100, task.progress?.text ?? "");
    byId("task-said").textContent = task.message;
  }
}

/** A value of JSON in words. @param {unknown} value @returns {string} */
function plain(value) {
  if (Array.isArray(value)) return value.map(plain).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The time of day in the reader's zone, always as short. @param {string} at */
export function clock(at) {
  return new Date(at).toLocaleTimeString("en-GB");
}

/** @param {number} bytes */
function sizeOf(bytes) {
  if (bytes < 1_000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
