/* A guided tour: one step after another, each with a place on the page and a few words. It is
   remembered, so it goes on after a step has led to another document. */
import { button, element } from "./elements.js";

export class Walkthrough {
  /**
   * @param {import("./actions.js").Actions} actions
   * @param {Node} place Where the card is shown.
   * @param {(tour: import("./types.js").Tour | null) => void} onChange To be remembered.
   */
  constructor(actions, place, onChange) {
    this.actions = actions;
    this.place = place;
    this.onChange = onChange;
    /** @type {import("./types.js").Tour | null} */
    this.tour = null;
    /** @type {Element | null} */
    this.cameFrom = null;
    this.leave = () => {};
    this.title = element("strong", { id: "tm-tour-title" });
    this.text = element("p", { "aria-live": "polite" });
    this.back = button("Back", () => this.#go(-1));
    this.next = button("Next", () => this.#go(1), { "data-kind": "main" });
    this.card = element(
      "div",
      { class: "tm-overlay-tour", role: "dialog", "aria-labelledby": "tm-tour-title", tabindex: "-1" },
      element("div", { class: "tm-tour-head" }, this.title, button("End tour", () => this.end(), { "data-kind": "quiet" })),
      this.text,
      element("div", { class: "tm-actions" }, this.back, this.next),
    );
    this.card.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.end();
    });
  }

  /** What requests tell the server about a tour that is under way. */
  get context() {
    if (!this.tour) return null;
    const { id, steps, index } = this.tour;
    return { id, currentStepIndex: index, totalSteps: steps.length, currentStep: steps[index] };
  }

  /** @param {import("./types.js").Step[]} steps */
  start(steps) {
    if (!steps.length) throw new Error("no steps");
    this.show({ id: `walkthrough-${Date.now()}`, steps, index: 0 });
    return `began a tour of ${steps.length} steps`;
  }

  /** Begin, or go on where it was.
   *  @param {import("./types.js").Tour} tour
   *  @param {{isBack?: boolean}} [how] After a change of page. The reader may have left the tour's
   *    page on purpose, so nobody is taken back to it. */
  show(tour, { isBack = false } = {}) {
    this.end();
    this.cameFrom = document.activeElement;
    this.tour = tour;
    this.place.appendChild(this.card);
    this.card.focus({ preventScroll: true });
    this.#show(tour.index, !isBack);
  }

  end() {
    if (!this.tour) return;
    this.leave();
    this.leave = () => {};
    this.tour = null;
    this.onChange(null);
    const hadFocus = this.card.matches(":focus-within");
    this.card.remove();
    this.actions.clearHighlights();
    if (hadFocus && this.cameFrom instanceof HTMLElement) this.cameFrom.focus({ preventScroll: true });
  }

  /** @param {1 | -1} by */
  #go(by) {
    if (this.tour) this.#show(this.tour.index + by);
  }

  /** @param {number} index @param {boolean} [goes] To the step's page. */
  async #show(index, goes = true) {
    this.leave();
    this.leave = () => {};
    if (!this.tour || index >= this.tour.steps.length) return this.end();
    const tour = (this.tour = { ...this.tour, index: Math.max(0, index) });
    this.onChange(tour);
    const step = tour.steps[tour.index];
    this.actions.clearHighlights();
    this.#tell(step, true);
    if (goes && step.page && step.page !== window.location.pathname) this.actions.navigate(step.page);
    const found = await this.actions.find(step.query);
    if (this.tour !== tour) return undefined;
    if (found) await this.actions.highlight(step.query, 0);
    this.#tell(step, found !== null);
    if (found) this.leave = this.#onward(step, found);
    return undefined;
  }

  /** When the step is over by itself: after a click on the element, or after its time.
   *  @param {import("./types.js").Step} step @param {Element} found @returns {() => void} */
  #onward(step, found) {
    const next = () => this.#go(1);
    if (step.waitForClick !== false) {
      found.addEventListener("click", next, { once: true });
      return () => found.removeEventListener("click", next);
    }
    if (!step.duration) return () => {};
    const timer = setTimeout(next, step.duration);
    return () => clearTimeout(timer);
  }

  /** @param {import("./types.js").Step} step @param {boolean} isThere */
  #tell(step, isThere) {
    if (!this.tour) return;
    const { index, steps } = this.tour;
    const isLast = index + 1 === steps.length;
    const words = [step.message ?? "Have a look here."];
    if (!isThere) words.push(`(${step.query} is not on this page.)`);
    else if (step.waitForClick !== false) words.push("Click it to go on.");
    this.title.textContent = `Step ${index + 1} of ${steps.length}`;
    this.text.textContent = words.join(" ");
    this.back.disabled = index === 0;
    this.next.textContent = isLast ? "Finish" : "Next";
  }
}
