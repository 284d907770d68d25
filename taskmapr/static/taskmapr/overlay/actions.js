/* What the assistant may do on the page. The server has checked each action; so does this file. */
const HIGHLIGHT_MS = 5_000;
/** Elements of a view that is being drawn may be a moment away. */
const APPEARS_WITHIN_MS = 1_500;

/** The page's own style sheets may be forbidden to change (content policy); this way never is. */
const marks = new CSSStyleSheet();
marks.replaceSync(`[data-tm-highlighted] {
  outline: 3px solid #6366f1 !important; outline-offset: 3px !important; scroll-margin: 16px;
  box-shadow: 0 0 0 3px light-dark(#fff, #0f172a), 0 0 0 9px rgb(99 102 241 / 35%) !important;
}
tr[data-tm-highlighted] { outline-offset: -3px !important; }`);

export class Actions {
  /**
   * @param {Element} panel Never touched.
   * @param {Pick<import("./options.js").Settings, "navigate" | "onAction">} page
   * @param {() => boolean} coversPage Whether the panel lies over the lower part of the page.
   */
  constructor(panel, page, coversPage) {
    this.panel = panel;
    this.page = page;
    this.coversPage = coversPage;
    /** Begins a walkthrough; set by whoever can show one.
     *  @type {(steps: import("./types.js").Step[]) => string} */
    this.beginTour = () => "a tour cannot be shown here";
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, marks];
  }

  destroy() {
    this.clearHighlights();
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== marks);
  }

  /** Perform in order; an action that fails does not stop the others.
   *  @param {import("./types.js").Action[]} actions
   *  @returns {Promise<string[]>} One line per action, in words. */
  async perform(actions) {
    const lines = [];
    for (const action of actions) {
      const { type, payload } = action;
      try {
        const isWanted = (await this.page.onAction(action)) !== false;
        lines.push(isWanted ? await this.#one(type, payload ?? {}) : `${type}: left to the page`);
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
        return this.beginTour(payload.steps ?? []);
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
    if (!(isHere && this.page.navigate(local))) window.location.assign(url);
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
    const block = this.coversPage() ? "start" : "center";
    element.scrollIntoView({ behavior: calm ? "auto" : (behavior ?? "smooth"), block });
  }
}

/** @param {Element[]} elements */
function unmark(elements) {
  for (const element of elements) element.removeAttribute("data-tm-highlighted");
}
