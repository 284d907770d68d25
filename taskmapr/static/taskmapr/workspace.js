/* The sample workspace: changes views without loading, and has the assistant beside it. */
import { mountOverlay } from "./overlay.js";

import { tokenOf } from "./page_token.js";

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

/** The tag of the page about embedding says what is chosen above it. */
function tellTag() {
  const form = /** @type {HTMLFormElement | null} */ (document.getElementById("embed-form"));
  const tag = document.getElementById("embed-tag");
  if (!form || !tag) return;
  const plain = (tag.textContent ?? "").replace("></script>", "");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    const chosen = [...new FormData(form)].filter(([, value]) => value);
    const attributes = chosen.map(([name, value]) => ` data-${name}="${quoted(String(value))}"`);
    tag.textContent = `${plain}${attributes.join("")}></script>`;
  });
}

/** @param {string} text */
function quoted(text) {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
}

tellTag();

const host = document.getElementById("taskmapr");
if (host) {
  mountOverlay({
    host,
    position: "inline",
    navigate,
    token: tokenOf(host.dataset.tokenUrl ?? ""),
    greeting: "I see the page beside me and can act on it. Ask, or try one of these.",
    suggestions: ["What is on this page?", "Show me the blocked tasks", "Take me to the team"],
  });
}
