/* The panel: what was said, and the place to say more. It knows nothing of streams. */
import { button, element } from "./elements.js";
import { messageRow } from "./messages.js";

/**
 * @typedef {object} PanelHandlers
 * @property {(text: string) => void} onAsk
 * @property {() => void} onStop
 * @property {() => void} onClear
 * @property {() => void} onRetry
 * @property {(question: import("./types.js").Question, decision: string, text: string) => void} onAnswer
 */

export class Panel {
  /** @param {HTMLElement} host @param {PanelHandlers} handlers */
  constructor(host, handlers) {
    this.host = host;
    this.handlers = handlers;
    this.isBusy = false;
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
    this.#build();
    this.#listen();
  }

  #build() {
    this.fold = button("Hide", () => this.toggle(), { "data-kind": "small", "aria-expanded": "true" });
    this.fresh = button("New conversation", () => this.handlers.onClear(), { "data-kind": "small" });
    this.note = element("p", { class: "tm-overlay-note", hidden: true });
    this.list = element("ol", { class: "tm-overlay-list", tabindex: "0", "aria-label": "Conversation" });
    this.empty = element("p", { class: "tm-overlay-empty" }, "Ask about this page, or ask to be taken somewhere.");
    this.input = element("textarea", {
      class: "tm-input", rows: "2", "aria-label": "Question", placeholder: "Ask about this page (press /)", maxlength: "32000",
    });
    this.send = element("button", { type: "submit", class: "tm-button", "data-kind": "main" }, "Send");
    this.stop = button("Stop", () => this.handlers.onStop(), { hidden: true });
    this.form = element("form", { class: "tm-overlay-form" }, this.input, this.send, this.stop);
    this.live = element("p", { class: "tm-visually-hidden", role: "status" });
    this.body = element("div", { class: "tm-overlay-body" }, this.note, this.empty, this.list, this.form);
    const head = element("header", { class: "tm-overlay-head" }, element("h2", {}, "Assistant"), this.fresh, this.fold);
    this.host.classList.add("tm-overlay");
    this.host.append(head, this.body, this.live);
  }

  #listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    document.addEventListener("keydown", (event) => this.#shortcut(event));
  }

  #submit() {
    const text = this.input.value.trim();
    if (!text || this.isBusy) return;
    this.input.value = "";
    this.handlers.onAsk(text);
  }

  /** `/` goes to the question from anywhere; Esc stops the answer, then closes the panel.
   *  @param {KeyboardEvent} event */
  #shortcut(event) {
    const inField = event.target instanceof Element && event.target.matches("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !inField && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      this.open();
    } else if (event.key === "Escape" && this.isBusy) {
      this.handlers.onStop();
    } else if (event.key === "Escape" && this.host.contains(document.activeElement)) {
      this.toggle(false);
    }
  }

  open() {
    this.toggle(true);
    this.input.focus();
  }

  /** @param {boolean} [isOpen] */
  toggle(isOpen = this.body.hidden) {
    this.body.hidden = !isOpen;
    this.fold.textContent = isOpen ? "Hide" : "Show";
    this.fold.setAttribute("aria-expanded", String(isOpen));
    this.host.toggleAttribute("data-folded", !isOpen);
    if (!isOpen) this.fold.focus();
  }

  /** @param {boolean} isBusy */
  setBusy(isBusy) {
    this.isBusy = isBusy;
    this.send.hidden = isBusy;
    this.stop.hidden = !isBusy;
    this.fresh.disabled = isBusy;
  }

  /** @param {string} text Empty: nothing to tell. */
  setNote(text) {
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  /** Said aloud by screen readers. @param {string} text */
  announce(text) {
    this.live.textContent = text;
  }

  /** Draw a message, or draw it again; details that are open stay open.
   *  @param {import("./types.js").Message} message */
  show(message) {
    const old = this.rows.get(message.id);
    const follows = this.#isAtEnd();
    if (old && this.#onlyTextGrew(old, message)) {
      /** @type {HTMLElement} */ (old.querySelector(".tm-overlay-text:not(details *)")).textContent = message.content;
    } else {
      const row = messageRow(message, { onAnswer: this.handlers.onAnswer, onRetry: this.handlers.onRetry });
      keepOpen(old, row);
      if (old) old.replaceWith(row);
      else this.list.append(row);
      this.rows.set(message.id, row);
      shapes.set(row, shapeOf(message));
    }
    this.empty.hidden = true;
    if (follows) this.list.scrollTop = this.list.scrollHeight;
  }

  clear() {
    this.rows.clear();
    this.list.replaceChildren();
    this.empty.hidden = false;
  }

  /** @param {HTMLElement} row @param {import("./types.js").Message} message */
  #onlyTextGrew(row, message) {
    return Boolean(message.content) && shapes.get(row) === shapeOf(message);
  }

  #isAtEnd() {
    return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 80;
  }
}

/** What a row was drawn from, apart from its text. @type {WeakMap<HTMLElement, string>} */
const shapes = new WeakMap();

/** @param {import("./types.js").Message} message */
function shapeOf(message) {
  return JSON.stringify({ ...message, content: Boolean(message.content) });
}

/** @param {HTMLElement | undefined} old @param {HTMLElement} row */
function keepOpen(old, row) {
  const open = [...(old?.querySelectorAll("details") ?? [])].map((details) => details.open);
  row.querySelectorAll("details").forEach((details, index) => (details.open = open[index] ?? false));
}
