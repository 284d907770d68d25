/* The panel: what was said, and the place to say more. It knows nothing of streams. */
import tokenSheet from "../tokens.css" with { type: "css" };
import { element, iconButton } from "./elements.js";
import { furniture } from "./furniture.js";
import panelSheet from "./panel.css" with { type: "css" };
import { Row } from "./row.js";

/**
 * @typedef {object} OwnHandlers
 * @property {(text: string) => void} onAsk
 * @property {() => void} onStop
 * @property {() => void} onClear
 * @property {() => void} onEarlier
 * @property {(isOpen: boolean) => void} onToggle
 * @property {(path: string) => boolean} navigate The page's own router, for links in answers.
 */
/** @typedef {OwnHandlers & import("./row.js").RowHandlers} PanelHandlers */

/** Narrower pages have no room for a panel beside them (as in panel.css). */
const NARROW = "(max-width: 900px)";
/** On these the panel is a sheet over the lower part of the page. */
const PHONE = "(max-width: 640px)";
/** A reader this close to the end wants to see what comes next. */
const NEAR_END_PX = 80;

export class Panel {
  /** @param {HTMLElement} host Gets a shadow root, where no style of the page reaches.
   *  @param {import("./options.js").Settings} settings
   *  @param {PanelHandlers} handlers @param {AbortSignal} life */
  constructor(host, settings, handlers, life) {
    this.host = host;
    this.settings = settings;
    this.handlers = handlers;
    this.life = life;
    this.isBusy = false;
    this.isOpen = true;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** Messages to be drawn with the next picture. @type {Map<string, import("./types.js").Message>} */
    this.due = new Map();
    this.root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    this.root.adoptedStyleSheets = [tokenSheet, panelSheet];
    this.dress(settings.theme);
    this.ui = furniture(settings, {
      onLaunch: () => this.open(),
      onFold: () => this.toggle(false),
      onOffer: (text) => this.#say(text),
      onFresh: () => handlers.onClear(),
      onEarlier: () => handlers.onEarlier(),
      onStop: () => handlers.onStop(),
    });
    this.root.replaceChildren(this.ui.frame);
    this.#listen();
  }

  get isNarrow() {
    return window.matchMedia(NARROW).matches;
  }

  /** Lies over the lower part of a narrow page. */
  get isSheet() {
    return this.isOpen && window.matchMedia(PHONE).matches;
  }

  /** @param {"auto" | "light" | "dark"} theme */
  dress(theme) {
    const pageHasScheme = getComputedStyle(document.documentElement).colorScheme !== "normal";
    this.host.setAttribute("data-position", this.settings.position);
    this.host.setAttribute("data-scheme", theme === "auto" ? (pageHasScheme ? "page" : "system") : theme);
  }

  #listen() {
    this.ui.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.ui.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    this.ui.list.addEventListener("click", (event) => this.#follow(event));
    document.addEventListener("keydown", (event) => this.#shortcut(event), { signal: this.life });
  }

  /** Links of an answer that stay on this site go the page's own way.
   *  @param {MouseEvent} event */
  #follow(event) {
    const link = event.target instanceof Element && event.target.closest("a");
    if (!link || link.target || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const { pathname, search, hash } = new URL(link.href);
    if (this.handlers.navigate(pathname + search + hash)) event.preventDefault();
  }

  #submit() {
    const text = this.ui.input.value.trim();
    if (!text || this.isBusy) return;
    this.ui.input.value = "";
    this.handlers.onAsk(text);
  }

  /** @param {string} text */
  #say(text) {
    if (this.isBusy) return;
    this.ui.input.focus();
    this.handlers.onAsk(text);
  }

  /** The hot key goes to the question from anywhere; Esc stops the answer, then closes the panel.
   *  @param {KeyboardEvent} event */
  #shortcut(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const [target] = event.composedPath();
    const inField = target instanceof Element && target.matches("input, textarea, select, [contenteditable]");
    const isInside = document.activeElement === this.host;
    if (event.key === this.settings.hotkey && !inField) {
      event.preventDefault();
      this.open();
    } else if (event.key === "Escape" && this.isBusy && (isInside || !inField)) {
      this.handlers.onStop();
    } else if (event.key === "Escape" && isInside) {
      this.toggle(false);
    }
  }

  open() {
    this.toggle(true);
    this.ui.input.focus();
  }

  /** @param {boolean} isOpen @param {{isQuiet?: boolean}} [how] Quiet: nobody asked for it, so the
   *  focus stays where it is. */
  toggle(isOpen, { isQuiet = false } = {}) {
    this.isOpen = isOpen;
    this.ui.body.hidden = !isOpen;
    this.ui.launcher.hidden = isOpen;
    this.host.toggleAttribute("data-folded", !isOpen);
    if (isOpen) this.#scrollToEnd();
    if (isQuiet) return;
    if (!isOpen) this.ui.launcher.focus();
    this.handlers.onToggle(isOpen);
  }

  /** @param {boolean} isBusy */
  setBusy(isBusy) {
    const hadFocus = this.root.activeElement === this.ui.send || this.root.activeElement === this.ui.stop;
    this.isBusy = isBusy;
    this.ui.send.hidden = isBusy;
    this.ui.stop.hidden = !isBusy;
    this.ui.fresh.disabled = isBusy;
    this.ui.frame.toggleAttribute("data-busy", isBusy);
    if (hadFocus) this.ui.input.focus();
  }

  /** @param {string} text Empty: nothing to tell. */
  setNote(text) {
    this.ui.note.textContent = text;
    this.ui.note.hidden = !text;
  }

  /** Stays until it is dismissed. @param {string} text */
  warn(text) {
    const note = element("p", { class: "tm-overlay-warning" }, element("span", {}, text), iconButton("close", "Dismiss", () => note.remove()));
    this.ui.warnings.append(note);
  }

  /** Said aloud by screen readers. @param {string} text */
  announce(text) {
    this.ui.live.textContent = text;
  }

  /** Draw a message, or draw it again, with the next picture of the screen.
   *  @param {import("./types.js").Message} message */
  show(message) {
    if (!this.due.size) requestAnimationFrame(() => this.flush());
    this.due.set(message.id, message);
  }

  /** Draw what is due now: pages in the background get no pictures. */
  flush() {
    if (!this.due.size) return;
    const follows = this.#isAtEnd();
    for (const message of this.due.values()) this.#draw(message);
    this.due.clear();
    this.ui.empty.hidden = true;
    if (follows) this.#scrollToEnd();
  }

  /** @param {import("./types.js").Message} message */
  #draw(message) {
    const row = this.rows.get(message.id);
    if (row) return row.update(message);
    const made = new Row(message, this.handlers);
    this.rows.set(message.id, made);
    return this.ui.list.append(made.node);
  }

  /** Above everything that is shown. @param {import("./types.js").Message[]} messages Oldest first. */
  prepend(messages) {
    const height = this.ui.scroller.scrollHeight;
    for (const message of [...messages].reverse()) {
      const row = new Row(message, this.handlers);
      this.rows.set(message.id, row);
      this.ui.list.prepend(row.node);
    }
    this.ui.empty.hidden ||= messages.length > 0;
    this.ui.scroller.scrollTop += this.ui.scroller.scrollHeight - height;
  }

  /** @param {boolean} isThere */
  offerEarlier(isThere) {
    this.ui.earlier.hidden = !isThere;
  }

  /** @param {string} id */
  drop(id) {
    this.due.delete(id);
    this.rows.get(id)?.node.remove();
    this.rows.delete(id);
  }

  clear() {
    this.due.clear();
    this.rows.clear();
    this.ui.list.replaceChildren();
    this.ui.warnings.replaceChildren();
    this.ui.earlier.hidden = true;
    this.ui.empty.hidden = false;
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.ui.scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  #scrollToEnd() {
    this.ui.scroller.scrollTop = this.ui.scroller.scrollHeight;
  }
}
