/* How one message looks, and how it changes while it grows. */
import { button, copyButton, duration, element, pretty } from "./elements.js";
import { MarkdownView, codeBlock } from "./markdown.js";

/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./types.js").Part} Part */

/**
 * @typedef {object} RowHandlers
 * @property {(id: string, decision: string, text: string) => void} onAnswer
 * @property {() => void} onRetry
 * @property {(code: string) => string} problemPage Where a code is explained.
 */

/** @type {Record<string, [string, string][]>} */
const DECISIONS = {
  approval: [["approved", "Approve"], ["denied", "Deny"]],
  question: [["answered", "Send answer"]],
  outcome: [["happened", "It happened"], ["not_happened", "It did not happen"]],
};

export class Row {
  /** @param {Message} message @param {RowHandlers} handlers */
  constructor(message, handlers) {
    this.handlers = handlers;
    this.parts = element("div", { class: "tm-overlay-parts" });
    this.end = element("div", { class: "tm-overlay-end" });
    /** What each child of `parts` was drawn from. @type {Part[]} */
    this.drawn = [];
    /** @type {MarkdownView | null} */
    this.text = null;
    this.ending = "";
    const who = message.role === "user" ? "You said: " : "Assistant: ";
    this.node = element(
      "li",
      { class: "tm-overlay-message", "data-role": message.role },
      element("span", { class: "tm-visually-hidden" }, who),
      this.parts,
      this.end,
    );
    this.update(message);
  }

  /** @param {Message} message */
  update(message) {
    this.node.dataset.status = message.status ?? "";
    const isOver = message.role === "user" || Boolean(message.status);
    const { parts } = message;
    parts.forEach((part, index) => {
      const isOpen = !isOver && index === parts.length - 1;
      if (this.drawn[index] !== part || part.kind === "text") this.#draw(part, index, isOpen);
    });
    while (this.parts.children.length > parts.length) this.parts.lastElementChild?.remove();
    this.drawn = [...parts];
    this.#finish(message);
  }

  /** @param {Part} part @param {number} index @param {boolean} isOpen */
  #draw(part, index, isOpen) {
    const old = this.parts.children[index];
    if (part.kind === "text") return this.#drawText(part.text, index, isOpen);
    const made = drawPart(part, this.handlers);
    const wasOpen = old instanceof HTMLDetailsElement && old.open;
    if (made instanceof HTMLDetailsElement) made.open = wasOpen;
    if (old) old.replaceWith(made);
    else this.parts.append(made);
    return undefined;
  }

  /** @param {string} text @param {number} index @param {boolean} isOpen */
  #drawText(text, index, isOpen) {
    if (this.node.dataset.role === "user") {
      if (!this.parts.children[index]) this.parts.append(element("p", { class: "tm-overlay-text tm-plain" }, text));
      return;
    }
    if (!this.text || this.parts.children[index] !== this.text.node) {
      this.text = new MarkdownView();
      if (this.parts.children[index]) this.parts.children[index].replaceWith(this.text.node);
      else this.parts.append(this.text.node);
    }
    this.text.update(text, isOpen);
  }

  /** What stands below the parts; drawn again only when it differs. @param {Message} message */
  #finish(message) {
    const { role, status, content, trouble, parts } = message;
    if (role === "user") return;
    const isWorking = !status && !["text", "question"].includes(parts.at(-1)?.kind ?? "");
    const ending = JSON.stringify([status, isWorking, trouble, Boolean(content)]);
    if (ending === this.ending) return;
    this.ending = ending;
    const isSilent = status && !trouble && !parts.length;
    this.end.replaceChildren(
      ...[
        isWorking && element("p", { class: "tm-overlay-busy" }, "Working", element("span", { "aria-hidden": "true" })),
        isSilent && status !== "cancelled" && element("p", { class: "tm-quiet" }, "There is no answer in words."),
        trouble && troubleNote(trouble, this.handlers),
        status === "cancelled" && element("p", { class: "tm-quiet tm-small" }, "Stopped."),
        status && content && copyButton(() => message.content, "Copy answer"),
      ].filter((node) => node instanceof Node),
    );
  }
}

/** @param {Exclude<Part, {kind: "text"}>} part @param {RowHandlers} handlers @returns {HTMLElement} */
function drawPart(part, handlers) {
  switch (part.kind) {
    case "reasoning":
      return thoughts(part);
    case "call":
      return chip(part);
    case "question":
      return questionCard(part, handlers);
    default:
      return element("p", { class: "tm-overlay-acted" }, `On the page: ${part.lines.join(" · ")}`);
  }
}

/** @param {import("./types.js").ReasoningPart} part */
function thoughts({ text, ms }) {
  const words = ms === undefined ? "Thinking…" : `Thought for ${duration(ms)}`;
  const body = element("p", { class: "tm-plain tm-quiet" }, text);
  return element("details", { class: "tm-thoughts" }, element("summary", {}, words), body);
}

/** @param {import("./types.js").CallPart} call */
function chip(call) {
  const isOpen = call.ok === undefined;
  const status = isOpen ? "running" : call.ok ? "done" : "failed";
  const words = isOpen ? "running" : `${call.ok ? "ok" : "failed"} · ${duration(call.durationMs ?? 0)}`;
  const badge = element("span", { class: "tm-status", "data-status": status }, words);
  const body = element("div", { class: "tm-chip-body" }, ...named("Arguments", call.args));
  if (!isOpen) body.append(...named(call.ok ? "Result" : "Error", call.ok ? call.result : (call.error ?? call.result)));
  const attributes = { class: "tm-chip", "data-call": call.id };
  return element("details", attributes, element("summary", {}, element("code", {}, call.name), badge), body);
}

/** @param {string} title @param {unknown} value */
function named(title, value) {
  return [element("span", { class: "tm-quiet" }, title), codeBlock(pretty(value))];
}

/** @param {import("./types.js").QuestionPart} question @param {RowHandlers} handlers */
function questionCard(question, handlers) {
  const about = question.tool ? `The assistant wants to use ${question.tool}.` : "The assistant asks you.";
  const card = element("div", { class: "tm-overlay-question", "data-question": question.id, role: "group", "aria-label": about }, element("strong", {}, about));
  if (question.prompt) card.append(element("p", {}, question.prompt));
  if (question.args && Object.keys(question.args).length) card.append(...named("With", question.args));
  if (question.decision) {
    card.append(element("p", { class: "tm-quiet" }, question.decision.replaceAll("_", " ")));
    return card;
  }
  const text = question.asks === "question" && element("input", { class: "tm-input", "aria-label": "Your answer" });
  const buttons = DECISIONS[question.asks].map(([decision, words], index) =>
    button(words, () => handlers.onAnswer(question.id, decision, text ? text.value : ""), index === 0 ? { "data-kind": "main" } : {}),
  );
  card.append(element("div", { class: "tm-actions" }, text, ...buttons));
  return card;
}

/** @param {import("./types.js").Trouble} trouble @param {RowHandlers} handlers */
function troubleNote(trouble, handlers) {
  const href = trouble.code && handlers.problemPage(trouble.code);
  return element(
    "div",
    { class: "tm-note", "data-tone": "bad" },
    element("strong", {}, trouble.title),
    element("p", {}, `${trouble.meaning} ${trouble.advice} `, href && element("a", { href, target: "_blank", rel: "noopener" }, "What this means")),
    trouble.canRetry && element("p", {}, retryButton(trouble, handlers.onRetry)),
  );
}

/** Counts down while asking again would be refused.
 *  @param {import("./types.js").Trouble} trouble @param {() => void} onRetry */
function retryButton({ retryAt = 0 }, onRetry) {
  const made = button("Ask again", onRetry);
  const count = () => {
    const seconds = Math.ceil((retryAt - Date.now()) / 1000);
    made.disabled = seconds > 0;
    made.textContent = seconds > 0 ? `Ask again in ${seconds} s` : "Ask again";
    if (seconds > 0) setTimeout(count, 250);
  };
  count();
  return made;
}
