/* What the page asks for, made whole. */

/** @typedef {Required<Omit<import("./types.js").Options, "token" | "host" | "open" | "sessionId" | "profile" | "user">>
 *   & {token: import("./types.js").TokenSource, host: HTMLElement | null, open: boolean | null,
 *      sessionId: string | null, profile: string | null, user: string | null}} Settings */

/** Where this script came from. */
const ORIGIN = new URL(import.meta.url).origin;

/** @param {import("./types.js").Options} options @returns {Settings} Throws TypeError, in words. */
export function settingsOf(options) {
  const position = oneOf("position", options.position, ["bottom-right", "bottom-left", "inline"]);
  const { host, token } = options;
  const found = typeof host === "string" ? document.querySelector(host) : (host ?? null);
  if (position === "inline" && !(found instanceof HTMLElement)) {
    throw new TypeError("taskmapr: position inline needs a host, an element of this page");
  }
  const router = options.navigate ?? (() => false);
  return {
    endpoint: (options.endpoint || ORIGIN).replace(/\/+$/, ""),
    token: typeof token === "function" ? token : () => token ?? null,
    user: options.user ? String(options.user) : null,
    profile: options.profile || null,
    sessionId: options.sessionId || null,
    position,
    host: position === "inline" && found instanceof HTMLElement ? found : null,
    theme: oneOf("theme", options.theme, ["auto", "light", "dark"]),
    title: options.title || "Assistant",
    greeting: options.greeting || "Ask about this page, or ask to be taken somewhere.",
    suggestions: options.suggestions ?? [],
    open: options.open ?? null,
    hotkey: options.hotkey ?? "/",
    customContext: options.customContext ?? {},
    // A path with two slashes names another site to a router that assigns it.
    navigate: (path) => !path.startsWith("//") && router(path),
    onAction: options.onAction ?? (() => true),
    snapshot: options.snapshot ?? {},
  };
}

/** The options in the `data-` attributes of a script tag. Lists are divided by `|`.
 *  @param {DOMStringMap} data @returns {import("./types.js").Options} */
export function optionsOf(data) {
  return /** @type {import("./types.js").Options} */ ({
    endpoint: data.endpoint,
    token: data.token,
    user: data.user,
    profile: data.profile,
    sessionId: data.sessionId,
    position: data.position,
    host: data.host,
    theme: data.theme,
    title: data.title,
    greeting: data.greeting,
    suggestions: data.suggestions?.split("|").map((text) => text.trim()).filter(Boolean),
    open: data.open === undefined ? undefined : data.open !== "false",
    hotkey: data.hotkey,
    snapshot: { root: data.snapshotRoot, exclude: data.snapshotExclude },
  });
}

/** @template {string} T @param {string} name @param {string | undefined} value
 *  @param {[T, ...T[]]} known The first is the default. @returns {T} */
function oneOf(name, value, known) {
  if (!value) return known[0];
  const found = known.find((word) => word === value);
  if (!found) throw new TypeError(`taskmapr: ${name} is one of ${known.join(", ")}, not ${value}`);
  return found;
}
