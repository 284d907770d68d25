/* The live end of a run's timeline: new entries appear, changed ones are exchanged. */
import { tellTimes } from "./times.js";

const list = document.getElementById("timeline");
const note = document.getElementById("tail-note");

/** @param {{seq: number, html: string}} entry */
function put(entry) {
  const holder = document.createElement("template");
  holder.innerHTML = entry.html.trim();
  const row = holder.content.firstElementChild;
  const old = document.getElementById(`event-${entry.seq}`);
  if (!(row instanceof HTMLElement) || !list) return;
  if (old) {
    row.querySelector("details").open = old.querySelector("details").open;
    old.replaceWith(row);
  } else {
    list.append(row);
  }
}

/** What else the end of the run changes: take it from the page as it is now. */
async function refreshFacts() {
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  for (const id of ["run-facts", "approvals", "run-outcome", "run-dialogs"]) {
    const [now, then] = [page.getElementById(id), document.getElementById(id)];
    if (now && then) then.replaceWith(now);
  }
  tellTimes();
}

if (list?.dataset.tail) {
  const source = new EventSource(list.dataset.tail);
  source.onmessage = async (message) => {
    const frame = JSON.parse(message.data);
    frame.entries.forEach(put);
    if (frame.status) document.getElementById("run-status").innerHTML = frame.status;
    if (!frame.is_final) return;
    source.close();
    await refreshFacts();
    note.textContent = "The run has ended.";
  };
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) note.textContent = "Connection lost; trying again.";
  };
  source.onopen = () => (note.textContent = "Following the run.");
}
