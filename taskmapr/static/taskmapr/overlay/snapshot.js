/* The page as the assistant gets to see it: elements that have an id and are visible. */

const MAX_ELEMENTS = 500;
const MAX_TEXT = 200;
const MAX_VALUE = 100;

const INTERACTIVE =
  "a[href], button, input, select, textarea, summary, [tabindex='0'], " +
  ["button", "link", "textbox", "combobox", "checkbox", "radio", "menuitem", "tab", "switch"]
    .map((role) => `[role='${role}']`)
    .join(", ");

/** What forms say of fields that hold a secret (as orchestration/page/sensitive.py). */
const SECRETS = /(?:^|\s)(?:current-password|new-password|one-time-code|cc-number|cc-csc)(?:\s|$)/i;

/** @param {string} text @param {number} length */
const cut = (text, length) => (text.length > length ? `${text.slice(0, length)}...` : text);

/**
 * @param {Element} hidden What the assistant must not see: its own panel.
 * @param {{root?: string, exclude?: string}} [bounds] Selectors: only below `root`, nothing in `exclude`.
 * @returns {object[]}
 */
export function snapshot(hidden, { root, exclude } = {}) {
  const seen = [];
  for (const element of document.querySelectorAll(root ? `:is(${root}) [id]` : "body [id]")) {
    if (seen.length >= MAX_ELEMENTS) break;
    if (hidden.contains(element) || (exclude && element.closest(exclude))) continue;
    if (element.checkVisibility({ visibilityProperty: true })) seen.push(described(element));
  }
  return seen;
}

/** @returns {{pathname: string, search: string, hash: string, title: string}} */
export function pageContext() {
  const { pathname, search, hash } = window.location;
  return { pathname, search, hash, title: document.title };
}

/** @param {Element} element */
function described(element) {
  const { top, left, width, height } = element.getBoundingClientRect();
  return withoutGaps({
    id: element.id,
    tagName: element.tagName.toLowerCase(),
    textContent: cut(visibleText(element), MAX_TEXT),
    classNames: [...element.classList],
    role: element.getAttribute("role"),
    ariaLabel: element.getAttribute("aria-label"),
    ariaDescribedBy: element.getAttribute("aria-describedby"),
    placeholder: element.getAttribute("placeholder"),
    value: valueOf(element),
    type: element.getAttribute("type"),
    href: element.getAttribute("href"),
    position: { top, left, width, height },
    isInteractive: element.matches(INTERACTIVE),
  });
}

/** Without the text of hidden views, and with a space where one block ends and the next begins.
 *  @param {Element} element */
function visibleText(element) {
  const text = element instanceof HTMLElement ? element.innerText : element.textContent;
  return (text ?? "").replace(/\s+/g, " ").trim();
}

/** What a field for secrets holds never leaves the page; the server would not keep it either, but
 *  hears nothing of `autocomplete`.
 *  @param {Element} element */
function valueOf(element) {
  if (SECRETS.test(element.getAttribute("autocomplete") ?? "")) return null;
  if (element instanceof HTMLInputElement) {
    if (element.type === "password") return null;
    if (element.type === "checkbox" || element.type === "radio") return String(element.checked);
    return cut(element.value, MAX_VALUE);
  }
  const hasValue = element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement;
  return hasValue ? cut(element.value, MAX_VALUE) : null;
}

/** @param {Record<string, unknown>} members */
function withoutGaps(members) {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null));
}
