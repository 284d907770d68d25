/* The token of whoever is signed in on our own pages; a developer's machine needs none. */

const KEPT_MS = 10 * 60_000;

/** @param {string} url Answers a POST with {token}.
 *  @returns {(how: {isRefused: boolean}) => Promise<string | null>} */
export function tokenOf(url) {
  /** @type {string | null} */
  let token = null;
  let freshUntil = 0;
  return async ({ isRefused }) => {
    if (!isRefused && Date.now() < freshUntil) return token;
    const csrf = /** @type {HTMLInputElement | null} */ (document.querySelector("[name=csrfmiddlewaretoken]"));
    const response = await fetch(url, { method: "POST", headers: { "X-CSRFToken": csrf?.value ?? "" } });
    if (!response.ok) return null;
    ({ token } = await response.json());
    freshUntil = Date.now() + KEPT_MS;
    return token;
  };
}
