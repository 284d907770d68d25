/* A guided tour: one step after another, each with a place on the page and a few words. */

export class Walkthrough {
  /** @param {import("./actions.js").Actions} actions */
  constructor(actions) {
    this.actions = actions;
    /** @type {import("./types.js").Step[]} */
    this.steps = [];
    this.index = 0;
    this.id = "";
    /** @type {HTMLElement | null} */
    this.card = null;
    this.leave = () => {};
  }

  /** What requests tell the server about a tour that is under way. */
  get context() {
    if (!this.card) return null;
    return {
      id: this.id,
      currentStepIndex: this.index,
      totalSteps: this.steps.length,
      currentStep: this.steps[this.index],
    };
  }

  /** @param {import("./types.js").Step[]} steps */
  start(steps) {
    if (!steps.length) throw new Error("no steps");
    this.end();
    this.steps = steps;
    this.id = `walkthrough-${Date.now()}`;
    this.card = cardOf(() => this.#show(this.index + 1), () => this.end());
    document.body.append(this.card);
    this.#show(0);
    return `began a tour of ${steps.length} steps`;
  }

  end() {
    this.leave();
    this.leave = () => {};
    this.card?.remove();
    this.card = null;
    this.actions.clearHighlights();
  }

  /** @param {number} index */
  async #show(index) {
    this.leave();
    if (index >= this.steps.length) return this.end();
    this.index = index;
    const step = this.steps[index];
    if (step.page && step.page !== window.location.pathname) this.actions.navigate(step.page);
    const element = await this.actions.find(step.query);
    if (!this.card || this.index !== index) return undefined;
    if (element) await this.actions.highlight(step.query, 0);
    this.#tell(step, element);
    this.leave = element ? this.#onward(step, element) : () => {};
    return undefined;
  }

  /** When the step is over by itself: after a click on the element, or after its time.
   *  @param {import("./types.js").Step} step @param {Element} element @returns {() => void} */
  #onward(step, element) {
    const next = () => this.#show(this.index + 1);
    if (step.waitForClick !== false) {
      element.addEventListener("click", next, { once: true });
      return () => element.removeEventListener("click", next);
    }
    if (!step.duration) return () => {};
    const timer = setTimeout(next, step.duration);
    return () => clearTimeout(timer);
  }

  /** @param {import("./types.js").Step} step @param {Element | null} element */
  #tell(step, element) {
    if (!this.card) return;
    const [title, text, next] = this.card.querySelectorAll("strong, p, button");
    title.textContent = `Step ${this.index + 1} of ${this.steps.length}`;
    text.textContent = step.message ?? (element ? "Have a look here." : "");
    if (!element) text.textContent += ` (${step.query} is not on this page.)`;
    next.textContent = this.index + 1 < this.steps.length ? "Next" : "Finish";
  }
}

/** @param {() => void} next @param {() => void} end */
function cardOf(next, end) {
  const card = document.createElement("div");
  card.className = "tm-overlay-tour";
  card.setAttribute("role", "dialog");
  card.setAttribute("aria-label", "Guided tour");
  const text = document.createElement("p");
  text.setAttribute("aria-live", "polite");
  card.append(document.createElement("strong"), text, button("Next", next), button("End tour", end));
  return card;
}

/** @param {string} words @param {() => void} onClick */
function button(words, onClick) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "tm-button";
  made.textContent = words;
  made.addEventListener("click", onClick);
  return made;
}
