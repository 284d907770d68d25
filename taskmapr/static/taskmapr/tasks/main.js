/* The page of the task queue: choose, fill in, assign, follow. */
import { TaskApi } from "./api.js";
import { Follower } from "./follow.js";
import { SchemaForm } from "./schema_form.js";
import { TaskView, badge, byId, clock, word } from "./view.js";
/** @import { Task, TaskType } from "./api.js" */

const api = new TaskApi(byId("tasks").dataset.tokenUrl ?? "");
const chosen = /** @type {HTMLSelectElement} */ (byId("task-type"));
const assign = /** @type {HTMLButtonElement} */ (byId("task-assign"));
/** @type {TaskType[]} */
let types = [];
/** @type {SchemaForm | null} */
let form = null;
/** @type {Follower | null} */
let follower = null;
let shownId = "";

/** @param {string} text Empty: nothing is wrong. */
function trouble(text) {
  const place = byId("tasks-trouble");
  place.textContent = text;
  place.hidden = !text;
}

/** @param {() => Promise<void>} work */
async function tried(work) {
  try {
    trouble("");
    await work();
  } catch (error) {
    if (error instanceof SyntaxError) return trouble("The parameters are not valid JSON.");
    trouble(error instanceof Error ? error.message : String(error));
  }
}

function showForm() {
  const type = types.find(({ name }) => name === chosen.value);
  if (!type) return;
  byId("task-type-text").textContent = type.description;
  form = new SchemaForm(byId("task-params"), type);
  assign.disabled = !type.enabled;
}

/** @param {string} id @param {string} type */
function follow(id, type) {
  follower?.stop();
  shownId = id;
  const view = new TaskView(id, type);
  byId("task-title").scrollIntoView({ block: "nearest" }); // on phones it lies below the form
  follower = new Follower(id, api.token, (message) => {
    view.hear(message);
    if (message.type === "result") showRecent(message.data);
  }, trouble);
  history.replaceState(null, "", `#${id}`);
}

/** @param {Task | null} ended What the socket told may be a moment newer than the list. */
async function showRecent(ended = null) {
  const listed = await api.recent();
  const tasks = listed.map((task) => (task.task_id === ended?.task_id ? ended : task));
  byId("recent-empty").hidden = tasks.length > 0;
  byId("recent").hidden = tasks.length === 0;
  byId("recent-rows").replaceChildren(...tasks.map(row));
}

/** @param {Task} task */
function row(task) {
  const made = document.createElement("tr");
  const open = word("button", "tm-button", task.task_type);
  Object.assign(open, { type: "button" });
  open.dataset.kind = "small";
  open.setAttribute("aria-label", `Follow ${task.task_type} of ${clock(task.created_at)}`);
  open.addEventListener("click", () => follow(task.task_id, task.task_type));
  const cells = [open, badge(task.status), word("span", "", clock(task.created_at))];
  const took = task.duration_ms === null ? "" : `${(task.duration_ms / 1000).toFixed(1)} s`;
  for (const content of [...cells, word("span", "tm-number", took)]) {
    const cell = document.createElement("td");
    cell.append(content);
    made.append(cell);
  }
  made.lastElementChild?.classList.add("tm-number");
  return made;
}

chosen.addEventListener("change", showForm);
byId("task-form").addEventListener("submit", (event) => {
  event.preventDefault();
  assign.disabled = true;
  tried(async () => {
    const id = await api.assign(chosen.value, form?.read() ?? {});
    follow(id, chosen.value);
    await showRecent();
  }).finally(() => (assign.disabled = false));
});
byId("task-cancel").addEventListener("click", () => follower?.cancel());
for (const [id, approve] of /** @type {const} */ ([["task-confirm", true], ["task-refuse", false]])) {
  byId(id).addEventListener("click", () => {
    const buttons = /** @type {NodeListOf<HTMLButtonElement>} */ (byId("task-question").querySelectorAll("button"));
    for (const button of buttons) button.disabled = true;
    // The panel goes when the task's own message says that it was answered.
    tried(() => api.confirm(shownId, approve)).finally(() => {
      for (const button of buttons) button.disabled = false;
    });
  });
}
byId("task-retry").addEventListener("click", () =>
  tried(async () => {
    follow(await api.retry(shownId), byId("task-title").textContent ?? "");
    await showRecent();
  }));

tried(async () => {
  types = await api.types();
  chosen.replaceChildren(...types.map(({ name, title }) => new Option(title || name, name)));
  showForm();
  await showRecent();
  const wanted = location.hash.slice(1);
  if (/^[0-9a-f-]{36}$/.test(wanted)) follow(wanted, "Task");
});
