/* Making elements without HTML strings: what models and pages say is always text. */

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string | boolean | EventListener>} [attributes] `on…` are listeners.
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child || child === "").map((child) => /** @type {Node | string} */ (child)));
  return made;
}

/** @param {string} words @param {() => void} onClick @param {Record<string, string | boolean>} [more] */
export function button(words, onClick, more = {}) {
  return element("button", { type: "button", class: "tm-button", onclick: onClick, ...more }, words);
}

/** @param {number} ms */
export function duration(ms) {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** @param {unknown} value */
export function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
