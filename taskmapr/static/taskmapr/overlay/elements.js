/* Making elements without HTML strings: what models and pages say is always text. */

const SVG = "http://www.w3.org/2000/svg";

/** Strokes on a field of 24 by 24. */
const ICONS = {
  chat: "M4 5h16v11H9l-5 4z",
  close: "M6 6l12 12M18 6L6 18",
  fresh: "M12 5v14M5 12h14",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
};

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
  for (const child of children) if (child) made.append(child);
  return made;
}

/** @param {string} words @param {() => void} onClick @param {Record<string, string | boolean>} [more] */
export function button(words, onClick, more = {}) {
  return element("button", { type: "button", class: "tm-button", onclick: onClick, ...more }, words);
}

/** A button without room for words; they are its name.
 *  @param {keyof typeof ICONS} icon @param {string} words @param {() => void} onClick
 *  @param {Record<string, string | boolean>} [more] */
export function iconButton(icon, words, onClick, more = {}) {
  const attributes = { "aria-label": words, title: words, "data-kind": "icon", ...more };
  const made = button("", onClick, attributes);
  made.append(drawing(icon));
  return made;
}

/** @param {keyof typeof ICONS} icon */
export function drawing(icon) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[icon]);
  svg.append(path);
  return svg;
}

/** A button that copies. @param {() => string} text @param {string} [words] */
export function copyButton(text, words = "Copy") {
  const made = button(words, async () => {
    made.textContent = (await copied(text())) ? "Copied" : "Copying is not allowed here";
    setTimeout(() => (made.textContent = words), 1600);
  }, { "data-kind": "quiet" });
  return made;
}

/** Pages without TLS have no clipboard of their own; the old way still works there.
 *  @param {string} text */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element("textarea", { readonly: true });
    field.value = text;
    document.body.append(field);
    field.select();
    const isDone = document.execCommand("copy");
    field.remove();
    return isDone;
  }
}

/** @param {number} ms */
export function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** @param {unknown} value */
export function pretty(value) {
  return typeof value === "string" ? value : JSON.stringify(value ?? null, null, 2);
}
