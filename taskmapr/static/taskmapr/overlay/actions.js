/* What the assistant may do on the page. The server has checked each action; so does this file. */
import { Walkthrough } from "./walkthrough.js";

const HIGHLIGHT_MS = 5_000;
/** Elements of a view that is being drawn may be a moment away. */
const APPEARS_WITHIN_MS = 1_500;

export class Actions {
  /**
   * @param {Element} panel Never touched.
   * @param {(path: string) => boolean} navigate The page's own way to a path; false: load it.
   */
  constructor(panel, navigate) {
    this.panel = panel;
    this.ownNavigate = navigate;
    this.walkthrough = new Walkthrough(this);
  }

  /** Perform in order; an action that fails does not stop the others.
   *  @param {import("./types.js").Action[]} actions
   *  @returns {Promise<string[]>} One line per action, in words. */
  async perform(actions) {
    const lines = [];
    for (const { type, payload } of actions) {
      try {
        lines.push(await this.#one(type, payload ?? {}));
      } catch (error) {
        lines.push(`${type} failed: ${error instanceof Error ? error.message : error}`);
      }
    }
    return lines;
  }

  /** @param {string} type @param {Record<string, any>} payload @returns {Promise<string>} */
  async #one(type, payload) {
    switch (type) {
      case "navigate":
        return this.navigate(payload.path);
      case "highlight":
        return this.highlight(payload.selectors ?? [], payload.duration);
      case "scrollTo":
        return this.scrollTo(payload.selector, payload.behavior);
      case "click":
        return this.click(payload.selector);
      case "startWalkthrough":
        return this.walkthrough.start(payload.steps ?? []);
      case "custom":
        window.dispatchEvent(new CustomEvent("taskmapr:custom", { detail: payload }));
        return `custom ${payload.name ?? ""}`;
      default:
        return `${type} is not known here`;
    }
  }

  /** @param {string} path */
  navigate(path) {
    const url = new URL(path, window.location.href);
    if (url.protocol !== "http:" && url.protocol !== "https:") throw new Error("not a page");
    const isHere = url.origin === window.location.origin;
    const local = url.pathname + url.search + url.hash;
    if (!(isHere && this.ownNavigate(local))) window.location.assign(url);
    return `went to ${isHere ? local : url.href}`;
  }

  /** @param {string | string[]} selectors @param {number} [duration] ms, 0: until the next one */
  async highlight(selectors, duration = HIGHLIGHT_MS) {
    const wanted = [selectors].flat();
    const found = (await Promise.all(wanted.map((s) => this.find(s)))).filter((e) => e !== null);
    if (!found.length) throw new Error(`${wanted.join(", ")} is not on this page`);
    this.clearHighlights();
    this.#scroll(found[0]);
    for (const element of found) element.setAttribute("data-tm-highlighted", "");
    if (duration) setTimeout(() => unmark(found), duration);
    return `highlighted ${wanted.join(", ")}`;
  }

  clearHighlights() {
    unmark([...document.querySelectorAll("[data-tm-highlighted]")]);
  }

  /** @param {string} selector @param {ScrollBehavior} [behavior] */
  async scrollTo(selector, behavior) {
    this.#scroll(await this.mustFind(selector), behavior);
    return `scrolled to ${selector}`;
  }

  /** @param {string} selector */
  async click(selector) {
    const element = await this.mustFind(selector);
    if (element instanceof HTMLElement) element.click();
    return `clicked ${selector}`;
  }

  /** @param {string} selector @returns {Promise<Element>} */
  async mustFind(selector) {
    const element = await this.find(selector);
    if (!element) throw new Error(`${selector} is not on this page`);
    return element;
  }

  /** A CSS selector, an id, or the name of a component; waits a moment for it to appear.
   *  @param {string} selector @returns {Promise<Element | null>} */
  async find(selector) {
    const until = performance.now() + APPEARS_WITHIN_MS;
    for (;;) {
      const element = this.#present(String(selector));
      if (element || performance.now() > until) return element;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** @param {string} selector @returns {Element | null} */
  #present(selector) {
    const named = CSS.escape(selector);
    for (const query of [selector, `#${named}`, `[data-component="${named}"]`]) {
      try {
        const found = [...document.querySelectorAll(query)];
        const element = found.find((e) => !this.panel.contains(e) && e.checkVisibility());
        if (element) return element;
      } catch {
        continue; // not a selector: it may be a name
      }
    }
    return null;
  }

  /** @param {Element} element @param {ScrollBehavior} [behavior] */
  #scroll(element, behavior) {
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    element.scrollIntoView({ behavior: calm ? "auto" : (behavior ?? "smooth"), block: "center" });
  }
}

/** @param {Element[]} elements */
function unmark(elements) {
  for (const element of elements) element.removeAttribute("data-tm-highlighted");
}
