/* How one message looks. */
import { button, duration, element, pretty } from "./elements.js";

/** @typedef {{onAnswer: (question: import("./types.js").Question, decision: string, text: string) => void,
 *             onRetry: () => void}} Handlers */

/** @type {Record<string, [string, string][]>} */
const DECISIONS = {
  approval: [["approved", "Approve"], ["denied", "Deny"]],
  question: [["answered", "Send answer"]],
  outcome: [["happened", "It happened"], ["not_happened", "It did not happen"]],
};

/** @param {import("./types.js").Message} message @param {Handlers} handlers @returns {HTMLElement} */
export function messageRow(message, handlers) {
  return element(
    "li",
    { class: "tm-overlay-message", "data-role": message.role, "data-status": message.status ?? "" },
    element("span", { class: "tm-visually-hidden" }, message.role === "user" ? "You: " : "Assistant: "),
    thoughts(message),
    ...(message.calls ?? []).map(chip),
    message.content && element("p", { class: "tm-overlay-text" }, message.content),
    ...(message.questions ?? []).map((question) => questionCard(question, handlers)),
    message.acted?.length && element("p", { class: "tm-overlay-acted" }, `On the page: ${message.acted.join(" · ")}`),
    message.trouble && troubleNote(message.trouble, handlers),
    ending(message),
  );
}

/** @param {import("./types.js").Message} message */
function thoughts({ reasoning }) {
  if (!reasoning) return null;
  const summary = element("summary", {}, "Thoughts");
  return element("details", { class: "tm-chip" }, summary, element("p", { class: "tm-overlay-text tm-quiet" }, reasoning));
}

/** @param {import("./types.js").ToolCall} call */
function chip(call) {
  const isOpen = call.ok === undefined;
  const status = isOpen ? "running" : call.ok ? "done" : "failed";
  const words = isOpen ? "running" : `${call.ok ? "ok" : "failed"} · ${duration(call.durationMs ?? 0)}`;
  const badge = element("span", { class: "tm-status", "data-status": status }, words);
  const body = element("div", { class: "tm-chip-body" }, ...part("Arguments", call.args));
  if (!isOpen) body.append(...part(call.ok ? "Result" : "Error", call.ok ? call.result : (call.error ?? call.result)));
  const attributes = { class: "tm-chip", "data-call": call.id };
  return element("details", attributes, element("summary", {}, element("code", {}, call.name), badge), body);
}

/** @param {string} title @param {unknown} value */
function part(title, value) {
  const code = element("div", { class: "tm-code" }, element("pre", { tabindex: "0" }, pretty(value ?? null)));
  return [element("span", { class: "tm-quiet" }, title), code];
}

/** @param {import("./types.js").Question} question @param {Handlers} handlers */
function questionCard(question, handlers) {
  const about = question.tool ? `The assistant wants to use ${question.tool}.` : "The assistant asks you.";
  const card = element("div", { class: "tm-overlay-question", "data-question": question.id }, element("strong", {}, about));
  if (question.prompt) card.append(element("p", {}, question.prompt));
  if (question.args && Object.keys(question.args).length) card.append(...part("With", question.args));
  if (question.decision) {
    card.append(element("p", { class: "tm-quiet" }, question.decision.replaceAll("_", " ")));
    return card;
  }
  const text = question.asks === "question" && element("input", { class: "tm-input", "aria-label": "Your answer" });
  const buttons = DECISIONS[question.asks].map(([decision, words]) =>
    button(words, () => handlers.onAnswer(question, decision, text ? text.value : "")),
  );
  card.append(element("div", { class: "tm-actions" }, text, ...buttons));
  return card;
}

/** @param {import("./types.js").Trouble} trouble @param {Handlers} handlers */
function troubleNote(trouble, handlers) {
  const link = trouble.code && !trouble.code.startsWith("http_")
    && element("a", { href: `/problems/${trouble.code}`, target: "_blank", rel: "noopener" }, "What this means");
  return element(
    "div",
    { class: "tm-note", "data-tone": "bad" },
    element("strong", {}, trouble.title),
    element("span", {}, trouble.advice, " "),
    link,
    trouble.canRetry && element("p", {}, button("Ask again", handlers.onRetry)),
  );
}

/** @param {import("./types.js").Message} message */
function ending({ role, status, content, acted, trouble }) {
  if (role === "user") return null;
  if (!status) return element("p", { class: "tm-overlay-busy" }, "Working…");
  if (status === "cancelled") return element("p", { class: "tm-quiet tm-small" }, "Stopped.");
  const isSilent = !content && !acted?.length && !trouble;
  return isSilent && element("p", { class: "tm-quiet" }, "There is no answer in words.");
}
