/* A part of a page that is not final yet is taken anew, until the server says it is. */
import { tellTimes } from "./times.js";

/** @param {HTMLElement} part with an id and data-tm-refresh, the pause in milliseconds */
async function refresh(part) {
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const news = page.getElementById(part.id);
  if (!answer.ok || !news) return;
  part.innerHTML = news.innerHTML;
  tellTimes(part);
  if (news.dataset.tmRefresh) watch(part);
}

/** @param {HTMLElement} part */
function watch(part) {
  setTimeout(() => refresh(part).catch(() => watch(part)), Number(part.dataset.tmRefresh));
}

document.querySelectorAll("[data-tm-refresh]").forEach(watch);
