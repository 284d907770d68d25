/* The sample workspace: changes views without loading, and has the assistant beside it. */
import { mountOverlay } from "./overlay.js";

const views = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-view]")]);
const links = /** @type {HTMLAnchorElement[]} */ ([...document.querySelectorAll("[data-place]")]);

/** @param {string} path @returns {HTMLAnchorElement | undefined} */
function placeAt(path) {
  const { pathname } = new URL(path, window.location.href);
  const plain = (/** @type {string} */ text) => text.replace(/\/+$/, "");
  return links.find((link) => plain(link.pathname) === plain(pathname));
}

/** @param {HTMLAnchorElement} link */
function show(link) {
  for (const view of views) view.hidden = view.dataset.view !== link.dataset.place;
  for (const other of links) other.toggleAttribute("aria-current", other === link);
  link.setAttribute("aria-current", "page");
  const title = views.find((view) => !view.hidden)?.dataset.title;
  document.title = `${title} · Sample workspace · TaskMapr`;
  for (const scroller of [window, document.getElementById("content")]) scroller?.scrollTo({ top: 0 });
}

/** @param {string} path @returns {boolean} Whether the path is one of this workspace. */
function navigate(path) {
  const link = placeAt(path);
  if (!link) return false;
  if (window.location.pathname !== link.pathname) history.pushState(null, "", path);
  show(link);
  return true;
}

document.getElementById("workspace-nav")?.addEventListener("click", (event) => {
  const link = event.target instanceof Element && event.target.closest("[data-place]");
  if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  navigate(link.pathname);
});

window.addEventListener("popstate", () => {
  const link = placeAt(window.location.pathname);
  if (link) show(link);
});

for (const form of document.querySelectorAll("form[data-stays]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const note = document.getElementById(`${form.id}-note`);
    if (note) note.textContent = "Nothing is stored here: this is a sample.";
  });
}

document.getElementById("dismiss-news")?.addEventListener("click", (event) => {
  if (event.currentTarget instanceof HTMLElement) event.currentTarget.setAttribute("aria-pressed", "true");
  document.getElementById("news")?.setAttribute("hidden", "");
});

/** The token of the signed-in operator; on a developer's machine none is needed.
 *  @returns {() => Promise<string | null>} */
function tokenSource(/** @type {HTMLElement} */ host) {
  let token = null;
  let freshUntil = 0;
  return async () => {
    if (Date.now() < freshUntil) return token;
    const csrf = /** @type {HTMLInputElement | null} */ (document.querySelector("[name=csrfmiddlewaretoken]"));
    const response = await fetch(host.dataset.tokenUrl ?? "", { method: "POST", headers: { "X-CSRFToken": csrf?.value ?? "" } });
    if (!response.ok) return null;
    ({ token } = await response.json());
    freshUntil = Date.now() + 10 * 60_000;
    return token;
  };
}

const host = document.getElementById("taskmapr");
if (host) mountOverlay(host, { navigate, token: tokenSource(host) });
