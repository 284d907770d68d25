/* TaskMapr's overlay. Made of overlay/*.js by `make overlay`; change those. */
const HIGHLIGHT_MS = 5_000;
const APPEARS_WITHIN_MS = 1_500;
const marks = new CSSStyleSheet();
marks.replaceSync(`[data-tm-highlighted] {
outline: 3px solid #6366f1 !important; outline-offset: 3px !important; scroll-margin: 16px;
box-shadow: 0 0 0 3px light-dark(#fff, #0f172a), 0 0 0 9px rgb(99 102 241 / 35%) !important;
}
tr[data-tm-highlighted] { outline-offset: -3px !important; }`);
class Actions {
constructor(panel, page, coversPage) {
this.panel = panel;
this.page = page;
this.coversPage = coversPage;
this.beginTour = () => "a tour cannot be shown here";
document.adoptedStyleSheets = [...document.adoptedStyleSheets, marks];
}
destroy() {
this.clearHighlights();
document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== marks);
}
async perform(actions) {
const lines = [];
for (const action of actions) {
const { type, payload } = action;
try {
const isWanted = (await this.page.onAction(action)) !== false;
lines.push(isWanted ? await this.#one(type, payload ?? {}) : `${type}: left to the page`);
} catch (error) {
lines.push(`${type} failed: ${error instanceof Error ? error.message : error}`);
}
}
return lines;
}
async #one(type, payload) {
switch (type) {
case "navigate":
return this.navigate(payload.path);
case "highlight":
return this.highlight(payload.selectors ?? [], payload.duration);
case "scrollTo":
return this.scrollTo(payload.selector, payload.behavior);
case "click":
return this.click(payload.selector);
case "startWalkthrough":
return this.beginTour(payload.steps ?? []);
case "custom":
window.dispatchEvent(new CustomEvent("taskmapr:custom", { detail: payload }));
return `custom ${payload.name ?? ""}`;
default:
return `${type} is not known here`;
}
}
navigate(path) {
const url = new URL(path, window.location.href);
if (url.protocol !== "http:" && url.protocol !== "https:") throw new Error("not a page");
const isHere = url.origin === window.location.origin;
const local = url.pathname + url.search + url.hash;
if (!(isHere && this.page.navigate(local))) window.location.assign(url);
return `went to ${isHere ? local : url.href}`;
}
async highlight(selectors, duration = HIGHLIGHT_MS) {
const wanted = [selectors].flat();
const found = (await Promise.all(wanted.map((s) => this.find(s)))).filter((e) => e !== null);
if (!found.length) throw new Error(`${wanted.join(", ")} is not on this page`);
this.clearHighlights();
this.#scroll(found[0]);
for (const element of found) element.setAttribute("data-tm-highlighted", "");
if (duration) setTimeout(() => unmark(found), duration);
return `highlighted ${wanted.join(", ")}`;
}
clearHighlights() {
unmark([...document.querySelectorAll("[data-tm-highlighted]")]);
}
async scrollTo(selector, behavior) {
this.#scroll(await this.mustFind(selector), behavior);
return `scrolled to ${selector}`;
}
async click(selector) {
const element = await this.mustFind(selector);
if (element instanceof HTMLElement) element.click();
return `clicked ${selector}`;
}
async mustFind(selector) {
const element = await this.find(selector);
if (!element) throw new Error(`${selector} is not on this page`);
return element;
}
async find(selector) {
const until = performance.now() + APPEARS_WITHIN_MS;
for (;;) {
const element = this.#present(String(selector));
if (element || performance.now() > until) return element;
await new Promise((resolve) => setTimeout(resolve, 50));
}
}
#present(selector) {
const named = CSS.escape(selector);
for (const query of [selector, `#${named}`, `[data-component="${named}"]`]) {
try {
const found = [...document.querySelectorAll(query)];
const element = found.find((e) => !this.panel.contains(e) && e.checkVisibility());
if (element) return element;
} catch {
continue;
}
}
return null;
}
#scroll(element, behavior) {
const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const block = this.coversPage() ? "start" : "center";
element.scrollIntoView({ behavior: calm ? "auto" : (behavior ?? "smooth"), block });
}
}
function unmark(elements) {
for (const element of elements) element.removeAttribute("data-tm-highlighted");
}
const HEADERS_WITHIN_MS = 30_000;
class Refused extends Error {
constructor(status, problem, retryAfterS) {
super(problem.detail ?? `The server answered with status ${status}.`);
this.status = status;
this.code = String(problem.code ?? "");
this.title = String(problem.title ?? "");
this.retryAfterS = retryAfterS;
}
}
class Api {
constructor(base, token, onToken) {
this.base = base;
this.token = token;
this.onToken = onToken;
}
ask({ key, body }, signal) {
return this.#send("/api/taskmapr/orchestrate", { body, key, signal });
}
resume(cursor, signal) {
const runId = cursor.split(":")[0];
const query = new URLSearchParams({ last_event_id: cursor });
return this.#send(`/api/taskmapr/runs/${runId}/stream?${query}`, { signal });
}
cancel(runId) {
return this.#send(`/api/taskmapr/runs/${runId}/cancel`, { body: "{}" });
}
answer(approvalId, decision, answer) {
const body = JSON.stringify(answer ? { decision, answer } : { decision });
return this.#send(`/api/taskmapr/approvals/${approvalId}`, { body });
}
async history(sessionId, before) {
const query = new URLSearchParams({ limit: "50", ...(before ? { before } : {}) });
try {
const response = await this.#send(`/api/history/${encodeURIComponent(sessionId)}?${query}`, {});
return await response.json();
} catch (error) {
if (error instanceof Refused && error.status === 404) return null;
throw error;
}
}
async #send(path, how) {
const token = await this.#token(false);
let response = await this.#fetch(path, how, token);
if (response.status === 401) {
const other = await this.#token(true);
if (other && other !== token) response = await this.#fetch(path, how, other);
}
if (response.ok) return response;
const problem = await response.json().catch(() => ({}));
throw new Refused(response.status, problem, Number(response.headers.get("Retry-After")) || 0);
}
async #token(isRefused) {
try {
const token = await this.token({ isRefused });
this.onToken(token);
return token;
} catch (error) {
console.warn("taskmapr: the page gave no token", error);
return null;
}
}
async #fetch(path, { body, key, signal }, token) {
const headers = {};
if (token) headers.Authorization = `Bearer ${token}`;
if (body) headers["Content-Type"] = "application/json";
if (key) headers["Idempotency-Key"] = key;
const late = new AbortController();
const timer = setTimeout(() => late.abort(new TypeError("no answer in time")), HEADERS_WITHIN_MS);
try {
return await fetch(this.base + path, {
method: body ? "POST" : "GET",
headers,
body,
signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal,
credentials: "omit",
cache: "no-store",
});
} finally {
clearTimeout(timer);
}
}
}
const SILENCE_MS = 45_000;
async function* receive(response) {
if (!response.body) return;
const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
let rest = "";
try {
for (;;) {
const { done, value } = await soon(reader.read());
if (done) return;
const blocks = (rest + value).split(/\r?\n\r?\n/);
rest = blocks.pop() ?? "";
for (const block of blocks) {
const received = read(block);
if (received) yield received;
}
}
} finally {
reader.cancel().catch(() => {});
}
}
function read(block) {
let id = null;
let data = "";
for (const line of block.split(/\r?\n/)) {
if (line.startsWith("id: ")) id = line.slice(4);
if (line.startsWith("data: ")) data += line.slice(6);
}
if (!data) return null;
try {
return { id, frame: JSON.parse(data), raw: data };
} catch {
console.warn("taskmapr: a frame is not JSON", data.slice(0, 200));
return null;
}
}
function soon(promise) {
return new Promise((resolve, reject) => {
const timer = setTimeout(() => reject(new TypeError("the stream is silent")), SILENCE_MS);
promise.then(resolve, reject).finally(() => clearTimeout(timer));
});
}
const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 8_000;
const MAX_ATTEMPTS = 12;
const RESENDS = 3;
const RESEND_WAIT_MS = 1_000;
class ConnectionLost extends Error {}
async function* stream({ api, asking, cursor, signal, onStarted, onConnection }) {
let at = cursor ?? "";
let response = null;
if (asking) {
response = await asked(api, asking, signal, onConnection);
at = `${response.headers.get("X-Run-Id")}:0`;
onStarted(at);
}
for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
try {
response ??= await api.resume(at, signal);
for await (const received of receive(response)) {
if (attempt > 0) onConnection(false);
attempt = 0;
at = received.id ?? at;
yield received;
if (received.frame.type === "complete") return;
}
} catch (error) {
if (signal.aborted || isFinal(error)) throw error;
}
response = null;
onConnection(true);
await pause(Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS), signal);
}
throw new ConnectionLost("The server could not be reached again.");
}
async function asked(api, asking, signal, onConnection) {
for (let resent = 0; ; resent += 1) {
try {
const response = await api.ask(asking, signal);
if (resent > 0) onConnection(false);
return response;
} catch (error) {
const isAnswer = error instanceof Refused && (error.code !== "" || error.status < 502);
if (signal.aborted || isAnswer || resent === RESENDS) throw error;
}
onConnection(true);
await pause(RESEND_WAIT_MS * 2 ** resent, signal);
}
}
function isFinal(error) {
return error instanceof Refused && error.status < 500 && error.status !== 429;
}
function pause(ms, signal) {
return new Promise((resolve, reject) => {
const timer = setTimeout(resolve, ms);
signal.addEventListener("abort", () => {
clearTimeout(timer);
reject(signal.reason);
});
});
}
const NOTHING_DONE = "Your question was not asked.";
const KEPT = "What was said so far is kept.";
const SERVER_SETTINGS = "Whoever runs the server has to change its settings.";
const BY_CODE = {
missing_token: ["The server wants to know who you are.", "Sign in, then reload this page."],
token_expired: ["Your sign-in has run out.", "Reload this page; if that does not help, sign in again."],
scope_missing: ["The key of this page does not permit it.", "Whoever runs this page needs a key with more rights."],
auth_not_configured: ["The server lets nobody in yet.", "Set JWT_SECRET on the server, or create an account."],
auth_unavailable: ["The server cannot check sign-ins at the moment.", "Ask again in a minute."],
session_forbidden: ["This conversation belongs to somebody else.", "Begin a new conversation."],
session_busy: ["Earlier questions of this conversation are still being answered.", "Wait for them, or stop them."],
payload_too_large: ["The page and the question together are more than the server takes.", "Ask with less text, or begin a new conversation."],
llm_not_configured: ["The server has no language model.", "Set OPENAI_API_KEY on the server, or add a model profile in the admin."],
llm_auth_failed: ["The model's provider did not accept the server's key.", "Check it in the model profile."],
llm_unavailable: ["Nothing was changed.", "Ask again in a minute."],
llm_refused_context: ["The conversation is too long for the model.", "Begin a new conversation."],
queue_unavailable: ["The server cannot take work at the moment.", "Ask again in a minute."],
database_unavailable: ["The server's database is away.", "Ask again in a minute."],
no_worker: ["Nobody took the question.", "Start a worker (make up starts one), then ask again."],
worker_lost: ["The worker stopped in the middle of the answer.", "Ask again."],
max_turns_exceeded: [KEPT, "Ask for less at once."],
timed_out: [KEPT, "Ask again, or ask for less at once."],
events_expired: ["The answer is too old to be followed.", "Ask again."],
run_not_found: ["The server does not know this answer any more.", "Ask again."],
};
const BY_STATUS = {
401: ["The server does not know who you are.", "Sign in, then reload this page."],
403: ["You are known, but this is not permitted.", "Ask whoever runs this page."],
404: ["What this page asks with does not exist on the server.", "Check the endpoint and the profile that the page names."],
409: ["Something else is going on in this conversation.", "Wait a moment, then ask again."],
413: [NOTHING_DONE, "Ask with less text, or begin a new conversation."],
422: ["The server could not read the request.", "Ask in other words; if it stays, the page's settings are wrong."],
429: ["You have asked very often.", "Wait a moment, then ask again."],
503: [NOTHING_DONE, "Ask again in a minute."],
};
function troubleOf(error) {
if (error instanceof Refused) return refusal(error);
if (error instanceof ConnectionLost) {
return { title: "The connection was lost.", meaning: "The answer may be finished on the server.", advice: "Reload this page to look.", canRetry: false };
}
return { title: "The server could not be reached.", meaning: "You may be offline, or the server may be down.", advice: "Check that it runs, then ask again.", canRetry: true };
}
function refusal({ status, code, title, message, retryAfterS }) {
const [meaning, advice] = BY_CODE[code] ?? BY_STATUS[status] ?? (status >= 500 ? [NOTHING_DONE, "Ask again in a moment."] : [NOTHING_DONE, SERVER_SETTINGS]);
const words = title && title !== message ? `${title}: ${message}` : message;
const canRetry = status >= 500 || status === 429 || status === 409;
return { title: words, meaning, advice, code, canRetry, ...(retryAfterS ? { retryAt: Date.now() + retryAfterS * 1000 } : {}) };
}
function troubleOfFrame({ code, message, retryable }) {
const other = retryable ? "Ask again in a moment." : "Asking the same again will not help.";
const [meaning, advice] = BY_CODE[code] ?? ["The answer ended here.", other];
return { title: message, meaning, advice, code, canRetry: Boolean(retryable) };
}
class Answer {
constructor(message) {
this.message = message;
}
take({ type, run_id: runId, timestamp, data }) {
this.message.runId = runId ?? this.message.runId;
switch (type) {
case "text_delta":
this.message.content += data.delta;
this.#grow({ kind: "text", text: "" }, data.delta);
break;
case "reasoning_start":
this.#add({ kind: "reasoning", text: "", startedAt: timestamp });
break;
case "reasoning_delta":
this.#grow({ kind: "reasoning", text: "", startedAt: timestamp }, data.delta);
break;
case "reasoning_done":
this.#thought(timestamp);
break;
case "tool_call_started":
this.#merge("call", data.call_id, { name: data.name, args: data.args });
break;
case "tool_call_completed":
this.#merge("call", data.call_id, {
name: data.name, ok: data.ok, durationMs: data.duration_ms, result: data.result, error: data.error,
});
break;
case "approval_requested":
this.#merge("question", data.approval_id, {
asks: data.asks, tool: data.tool_name, prompt: data.prompt, args: data.args,
});
break;
case "approval_resolved":
this.#merge("question", data.approval_id, { decision: data.decision });
break;
case "error":
this.message.trouble = troubleOfFrame(data);
break;
case "complete":
this.message.status = data.status;
break;
default:
}
}
acted(lines) {
if (lines.length) this.#add({ kind: "acted", lines });
}
fail(trouble) {
this.message.status = trouble ? "failed" : "cancelled";
if (trouble) this.message.trouble = trouble;
}
#add(part) {
this.message.parts.push(part);
}
#grow(begun, delta) {
const { parts } = this.message;
const last = parts.at(-1);
const goesOn = last?.kind === "text" || last?.kind === "reasoning";
if (goesOn && last.kind === begun.kind) parts[parts.length - 1] = { ...last, text: last.text + delta };
else this.#add({ ...begun, text: delta });
}
#thought(endedAt) {
const { parts } = this.message;
const index = parts.findLastIndex((part) => part.kind === "reasoning");
const part = parts[index];
if (part?.kind !== "reasoning") return;
const ms = Math.max(0, Date.parse(endedAt) - Date.parse(part.startedAt));
if (part.text) parts[index] = { ...part, ms };
else parts.splice(index, 1);
}
#merge(kind, id, changes) {
const { parts } = this.message;
const index = parts.findIndex((part) => part.kind === kind && part.id === id);
const part = ({ ...parts[index], kind, id, ...changes });
if (index < 0) this.#add(part);
else parts[index] = part;
}
}
const MAX_MESSAGES = 60;
const SAVE_EVERY_MS = 250;
const SHAPE = 3;
const nothing = () => ({
owner: null, sessionId: null, messages: [], before: null, cursor: null, asking: null, tour: null, told: [], isOpen: null,
});
class Memory {
constructor(key, life) {
this.key = key;
this.timer = undefined;
this.kept = this.#load();
window.addEventListener("pagehide", () => this.save(), { signal: life });
}
touch() {
this.timer ??= window.setTimeout(() => this.save(), SAVE_EVERY_MS);
}
save() {
window.clearTimeout(this.timer);
this.timer = undefined;
this.kept.messages = this.kept.messages.slice(-MAX_MESSAGES);
try {
sessionStorage.setItem(this.key, JSON.stringify({ shape: SHAPE, ...this.kept }));
} catch (error) {
console.warn("taskmapr: the conversation could not be kept for a reload", error);
}
}
get isEmpty() {
return !this.kept.messages.length && this.kept.sessionId === null;
}
claim(owner) {
if (this.kept.owner === owner) return;
if (!this.isEmpty) this.clear();
this.kept.owner = owner;
this.save();
}
clear() {
const { isOpen, owner } = this.kept;
this.kept = { ...nothing(), isOpen, owner };
this.save();
}
#load() {
try {
const { shape, ...kept } = JSON.parse(sessionStorage.getItem(this.key) ?? "{}");
return shape === SHAPE ? { ...nothing(), ...kept } : nothing();
} catch {
return nothing();
}
}
}
async function ownerOf({ user, token }) {
if (user !== null) return user;
try {
return subjectOf(await token({ isRefused: false }));
} catch {
return null;
}
}
function subjectOf(token) {
const parts = token?.split(".") ?? [];
if (parts.length !== 3) return null;
try {
const { sub } = JSON.parse(atob(parts[1].replace(/-/g, "+").replace(/_/g, "/")));
return typeof sub === "string" ? sub : null;
} catch {
return null;
}
}
const tokenSheet = new CSSStyleSheet();
tokenSheet.replaceSync(":root, :host{color-scheme: light dark;--tm-font: system-ui, -apple-system, \"Segoe UI\", Roboto, \"Helvetica Neue\", Arial, sans-serif;--tm-mono: ui-monospace, SFMono-Regular, Menlo, Consolas, \"Liberation Mono\", monospace;--tm-size-12: 0.75rem;--tm-size-14: 0.875rem;--tm-size-16: 1rem;--tm-size-20: 1.25rem;--tm-size-28: 1.75rem;--tm-space-1: 4px;--tm-space-2: 8px;--tm-space-3: 12px;--tm-space-4: 16px;--tm-space-6: 24px;--tm-space-8: 32px;--tm-gutter: 24px;--tm-radius: 8px;--tm-surface: light-dark(#ffffff, #0f172a);--tm-surface-low: light-dark(#f8fafc, #0b1120);--tm-surface-high: light-dark(#f1f5f9, #1e293b);--tm-line: light-dark(#e2e8f0, #334155);--tm-line-strong: light-dark(#7c8ba1, #64748b);--tm-text: light-dark(#0f172a, #e2e8f0);--tm-text-quiet: light-dark(#475569, #a3b1c6);--tm-accent: light-dark(#4f46e5, #818cf8);--tm-accent-hover: light-dark(#4338ca, #a5b4fc);--tm-accent-soft: light-dark(#eef2ff, #24275a);--tm-on-accent: light-dark(#ffffff, #0f172a);--tm-blue: light-dark(#1d4ed8, #93c5fd);--tm-blue-soft: light-dark(#dbeafe, #1e3a6e);--tm-amber: light-dark(#92400e, #fcd34d);--tm-amber-soft: light-dark(#fef3c7, #553408);--tm-green: light-dark(#166534, #86efac);--tm-green-soft: light-dark(#dcfce7, #14432a);--tm-red: light-dark(#b91c1c, #fca5a5);--tm-red-soft: light-dark(#fee2e2, #5c1a1a);--tm-grey: light-dark(#475569, #cbd5e1);--tm-grey-soft: light-dark(#e2e8f0, #334155);--tm-float: 0 8px 24px rgb(2 6 23 / 18%);--tm-motion: 150ms ease-out}:root[data-tm-theme=\"light\"], :host([data-scheme=\"light\"]){color-scheme: light}:root[data-tm-theme=\"dark\"], :host([data-scheme=\"dark\"]){color-scheme: dark}@media (max-width: 640px){:root{--tm-gutter: 16px}}@media (prefers-reduced-motion: reduce){:root, :host{--tm-motion: 0ms}}");
const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
chat: "M4 5h16v11H9l-5 4z",
close: "M6 6l12 12M18 6L6 18",
fresh: "M12 5v14M5 12h14",
send: "M12 19V5M6 11l6-6 6 6",
stop: "M7 7h10v10H7z",
};
function element(tag, attributes = {}, ...children) {
const made = document.createElement(tag);
for (const [name, value] of Object.entries(attributes)) {
if (typeof value === "function") made.addEventListener(name.slice(2), value);
else if (value === true) made.setAttribute(name, "");
else if (value !== false) made.setAttribute(name, value);
}
for (const child of children) if (child) made.append(child);
return made;
}
function button(words, onClick, more = {}) {
return element("button", { type: "button", class: "tm-button", onclick: onClick, ...more }, words);
}
function iconButton(icon, words, onClick, more = {}) {
const attributes = { "aria-label": words, title: words, "data-kind": "icon", ...more };
const made = button("", onClick, attributes);
made.append(drawing(icon));
return made;
}
function drawing(icon) {
const svg = document.createElementNS(SVG, "svg");
svg.setAttribute("viewBox", "0 0 24 24");
svg.setAttribute("aria-hidden", "true");
const path = document.createElementNS(SVG, "path");
path.setAttribute("d", ICONS[icon]);
svg.append(path);
return svg;
}
function copyButton(text, words = "Copy") {
const made = button(words, async () => {
made.textContent = (await copied(text())) ? "Copied" : "Copying is not allowed here";
setTimeout(() => (made.textContent = words), 1600);
}, { "data-kind": "quiet" });
return made;
}
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
function duration(ms) {
return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
function pretty(value) {
return typeof value === "string" ? value : JSON.stringify(value ?? null, null, 2);
}
function furniture({ title, greeting, suggestions, hotkey }, on) {
const launcher = button("", on.onLaunch, { class: "tm-button tm-overlay-launcher" });
launcher.append(drawing("chat"), element("span", {}, title));
const fresh = iconButton("fresh", "New conversation", on.onFresh);
const note = element("p", { class: "tm-overlay-note", hidden: true, role: "status" });
const warnings = element("div", {});
const earlier = button("Earlier messages", on.onEarlier, { "data-kind": "quiet", hidden: true });
const list = element("ol", { class: "tm-overlay-list", "aria-label": "Conversation" });
const offers = suggestions.map((text) => button(text, () => on.onOffer(text), { "data-kind": "offer" }));
const empty = element("div", { class: "tm-overlay-empty" }, element("p", {}, greeting), ...offers);
const scroller = element(
"div",
{ class: "tm-overlay-scroller", tabindex: "0", role: "group", "aria-label": "What was said" },
earlier,
empty,
list,
);
const placeholder = hotkey ? `Ask about this page (press ${hotkey})` : "Ask about this page";
const input = element("textarea", { rows: "1", "aria-label": "Question", placeholder, maxlength: "32000" });
const send = iconButton("send", "Send", () => {}, { type: "submit", "data-kind": "main" });
const stop = iconButton("stop", "Stop (Esc)", on.onStop, { hidden: true });
const form = element("form", { class: "tm-overlay-form" }, input, send, stop);
const live = element("p", { class: "tm-visually-hidden", role: "status" });
const head = element(
"header",
{ class: "tm-overlay-head" },
element("h2", {}, title),
fresh,
iconButton("close", "Close (Esc)", on.onFold),
);
const body = element("section", { class: "tm-overlay-body", "aria-label": title }, head, note, warnings, scroller, form);
const frame = element("div", { class: "tm-overlay" }, launcher, body, live);
return { launcher, fresh, note, warnings, earlier, list, empty, scroller, input, send, stop, form, live, body, frame };
}
const panelSheet = new CSSStyleSheet();
panelSheet.replaceSync(":host{--tm-size-12: 12px;--tm-size-14: 14px;--tm-size-16: 16px}:host([data-scheme=\"page\"]){color-scheme: inherit}:host([data-position=\"inline\"]){display: block}*, *::before, *::after{box-sizing: border-box}[hidden]{display: none !important}p, h2, h3, h4, h5, h6, ol, ul, blockquote, pre, hr{margin: 0;padding: 0}ol, ul{list-style: none}:focus-visible{outline: 2px solid var(--tm-accent);outline-offset: 2px;border-radius: 4px}.tm-overlay{all: initial;position: fixed;right: 16px;bottom: 16px;z-index: 2147483000;color-scheme: inherit;color: var(--tm-text);font: var(--tm-size-14) / 1.5 var(--tm-font)}:host([data-position=\"bottom-left\"]) .tm-overlay{right: auto;left: 16px}.tm-overlay-body{display: flex;flex-direction: column;width: min(400px, calc(100vw - 32px));height: min(640px, calc(100vh - 32px));height: min(640px, calc(100dvh - 32px));overflow: hidden;border: 1px solid var(--tm-line);border-radius: 12px;background: var(--tm-surface);box-shadow: var(--tm-float)}.tm-overlay-head{display: flex;align-items: center;gap: var(--tm-space-1);padding: var(--tm-space-2) var(--tm-space-2) var(--tm-space-2) var(--tm-space-4);border-bottom: 1px solid var(--tm-line)}.tm-overlay-head h2{flex: 1;min-width: 0;font-size: var(--tm-size-16);font-weight: 600;line-height: 1.25;overflow-wrap: anywhere}.tm-button{display: inline-flex;align-items: center;justify-content: center;gap: var(--tm-space-2);min-height: 32px;padding: 0 var(--tm-space-3);border: 1px solid var(--tm-line-strong);border-radius: var(--tm-radius);background: var(--tm-surface);color: var(--tm-text);font: inherit;font-weight: 500;cursor: pointer}.tm-button:hover{background: var(--tm-surface-high)}.tm-button:disabled{opacity: 0.55;cursor: not-allowed}.tm-button svg{width: 20px;height: 20px;fill: none;stroke: currentcolor;stroke-width: 2;stroke-linecap: round;stroke-linejoin: round}.tm-button[data-kind=\"main\"]{border-color: transparent;background: var(--tm-accent);color: var(--tm-on-accent)}.tm-button[data-kind=\"main\"]:hover{background: var(--tm-accent-hover)}.tm-button[data-kind=\"icon\"]{width: 32px;padding: 0;border-color: transparent;background: transparent;color: var(--tm-text-quiet)}.tm-button[data-kind=\"icon\"]:hover{background: var(--tm-surface-high);color: var(--tm-text)}.tm-button[data-kind=\"quiet\"]{min-height: 24px;padding: 0 6px;border-color: transparent;background: transparent;color: var(--tm-text-quiet);font-size: var(--tm-size-12)}.tm-button[data-kind=\"quiet\"]:hover{background: var(--tm-surface-high);color: var(--tm-text)}.tm-button[data-kind=\"offer\"]{justify-content: start;padding: 6px var(--tm-space-3);border-color: var(--tm-line);text-align: start;font-weight: 400}.tm-button[data-kind=\"offer\"]:hover{border-color: var(--tm-accent);background: var(--tm-accent-soft)}.tm-overlay-launcher{min-height: 48px;padding: 0 20px 0 16px;border: 0;border-radius: 24px;background: var(--tm-accent);color: var(--tm-on-accent);box-shadow: var(--tm-float)}.tm-overlay-launcher:hover{background: var(--tm-accent-hover)}.tm-overlay-launcher:focus-visible{border-radius: 24px}[data-busy] .tm-overlay-launcher svg{animation: tm-breathe 0.9s ease-in-out infinite alternate}.tm-actions{display: flex;flex-wrap: wrap;gap: var(--tm-space-2);align-items: center}.tm-overlay-note, .tm-overlay-warning{padding: var(--tm-space-2) var(--tm-space-4);background: var(--tm-amber-soft);color: var(--tm-amber);font-size: var(--tm-size-12)}.tm-overlay-warning{display: flex;align-items: start;gap: var(--tm-space-2);padding-right: var(--tm-space-2);border-bottom: 1px solid var(--tm-line);background: var(--tm-surface-high);color: var(--tm-text-quiet)}.tm-overlay-warning span{flex: 1;padding: 3px 0;overflow-wrap: anywhere}.tm-overlay-warning .tm-button{min-height: 24px;width: 24px}.tm-overlay-warning svg{width: 14px;height: 14px}.tm-overlay-scroller{flex: 1;min-height: 0;padding: var(--tm-space-4);overflow-y: auto;overscroll-behavior: contain}.tm-overlay-scroller:focus-visible{outline-offset: -2px}.tm-overlay-empty{display: flex;flex-direction: column;align-items: start;gap: var(--tm-space-2)}.tm-overlay-empty p{margin-bottom: var(--tm-space-2);color: var(--tm-text-quiet);overflow-wrap: anywhere}.tm-overlay-list{display: flex;flex-direction: column;gap: var(--tm-space-4)}.tm-overlay-message{min-width: 0}.tm-overlay-message[data-role=\"user\"]{align-self: end;max-width: 88%;padding: var(--tm-space-2) var(--tm-space-3);border-radius: 12px 12px 4px;background: var(--tm-accent-soft)}.tm-overlay-parts, .tm-overlay-end{display: flex;flex-direction: column;align-items: start;gap: var(--tm-space-2)}.tm-overlay-end:not(:empty){margin-top: var(--tm-space-2)}.tm-overlay-parts > *, .tm-overlay-end > *{max-width: 100%}.tm-overlay-end .tm-button[data-kind=\"quiet\"]{margin-left: -6px}.tm-plain{white-space: pre-wrap;overflow-wrap: anywhere}.tm-quiet{color: var(--tm-text-quiet)}.tm-small, .tm-overlay-acted{font-size: var(--tm-size-12)}.tm-overlay-acted{color: var(--tm-text-quiet);overflow-wrap: anywhere}.tm-overlay-busy{color: var(--tm-text-quiet);font-size: var(--tm-size-12)}.tm-overlay-busy span::after{content: \"\u2026\";animation: tm-breathe 0.9s ease-in-out infinite alternate}@keyframes tm-breathe{from{opacity: 1}to{opacity: 0.3}}.tm-overlay-text{display: flow-root;width: 100%;overflow-wrap: anywhere}.tm-overlay-message[data-role=\"user\"] .tm-overlay-text{width: auto}.tm-overlay-text > * + *, li > * + p{margin-top: var(--tm-space-2)}.tm-overlay-text > * + :is(h3, h4, h5, h6){margin-top: var(--tm-space-4)}.tm-overlay-text :is(h3, h4, h5, h6){font-size: var(--tm-size-14);font-weight: 600;line-height: 1.25}.tm-overlay-text h3{font-size: var(--tm-size-16)}.tm-overlay-text :is(ul, ol){padding-left: 20px}.tm-overlay-text ul{list-style: disc}.tm-overlay-text ol{list-style: decimal}.tm-overlay-text li + li{margin-top: 2px}.tm-overlay-text blockquote{padding-left: var(--tm-space-3);border-left: 3px solid var(--tm-line-strong);color: var(--tm-text-quiet)}.tm-overlay-text hr{border: 0;border-top: 1px solid var(--tm-line)}.tm-overlay a{color: var(--tm-accent);text-decoration: underline;text-underline-offset: 2px}.tm-overlay a:hover{color: var(--tm-accent-hover)}code{font: 12px / 1.5 var(--tm-mono)}.tm-overlay-text :not(pre) > code{padding: 1px 4px;border-radius: 4px;background: var(--tm-surface-high)}.tm-code{width: 100%;min-width: 0;overflow: hidden;border: 1px solid var(--tm-line);border-radius: var(--tm-radius);background: var(--tm-surface-high)}.tm-code-head{display: flex;align-items: center;justify-content: space-between;padding: 2px 4px 0 var(--tm-space-3);color: var(--tm-text-quiet);font-size: var(--tm-size-12)}.tm-code pre{max-height: 320px;padding: 2px var(--tm-space-3) var(--tm-space-3);overflow: auto}.tm-code pre:focus-visible{outline-offset: -2px}.tm-table-frame{overflow-x: auto;border: 1px solid var(--tm-line);border-radius: var(--tm-radius)}table{border-collapse: collapse;width: 100%;font-variant-numeric: tabular-nums}th, td{padding: 6px var(--tm-space-2);border-bottom: 1px solid var(--tm-line);text-align: left;vertical-align: top;overflow-wrap: normal}tbody tr:last-child td{border-bottom: 0}thead th{background: var(--tm-surface-high);color: var(--tm-text-quiet);font-size: var(--tm-size-12);font-weight: 600}[data-align=\"right\"]{text-align: right}[data-align=\"center\"]{text-align: center}summary{cursor: pointer;list-style: none}summary::-webkit-details-marker{display: none}summary::before{content: \"\u25b8\";display: inline-block;width: 14px;color: var(--tm-text-quiet)}[open] > summary::before{content: \"\u25be\"}.tm-thoughts{color: var(--tm-text-quiet);font-size: var(--tm-size-12)}.tm-thoughts p{margin-top: var(--tm-space-1);padding-left: 14px}.tm-chip{border: 1px solid var(--tm-line);border-radius: var(--tm-radius);font-size: var(--tm-size-12)}.tm-chip[open]{width: 100%}.tm-chip summary{display: flex;flex-wrap: wrap;gap: 2px 6px;align-items: center;min-height: 28px;padding: 2px var(--tm-space-2)}.tm-chip summary code{overflow-wrap: anywhere}.tm-chip-body{display: grid;gap: var(--tm-space-1);padding: 0 var(--tm-space-2) var(--tm-space-2)}.tm-chip .tm-code pre{max-height: 200px;white-space: pre-wrap;overflow-wrap: anywhere}.tm-status{display: inline-flex;align-items: center;gap: 6px;padding: 0 var(--tm-space-2);border-radius: 999px;background: var(--tm-grey-soft);color: var(--tm-grey);font-weight: 600;line-height: 20px;white-space: nowrap}.tm-status::before{content: \"\";width: 6px;height: 6px;border-radius: 50%;background: currentcolor}.tm-status[data-status=\"running\"]{background: var(--tm-blue-soft);color: var(--tm-blue)}.tm-status[data-status=\"done\"]{background: var(--tm-green-soft);color: var(--tm-green)}.tm-status[data-status=\"failed\"]{background: var(--tm-red-soft);color: var(--tm-red)}.tm-overlay-question, .tm-note{display: grid;gap: var(--tm-space-2);width: 100%;padding: var(--tm-space-3);border: 1px solid var(--tm-line);border-left: 3px solid var(--tm-amber);border-radius: var(--tm-radius);overflow-wrap: anywhere}.tm-note{border-left-color: var(--tm-red)}.tm-note strong, .tm-overlay-question strong{font-weight: 600}.tm-input{flex: 1 1 160px;min-width: 0;min-height: 32px;padding: 0 var(--tm-space-2);border: 1px solid var(--tm-line-strong);border-radius: var(--tm-radius);background: var(--tm-surface);color: var(--tm-text);font: inherit}.tm-overlay-form{display: flex;align-items: end;gap: var(--tm-space-2);margin: 0 var(--tm-space-3) var(--tm-space-3);padding: 5px 5px 5px var(--tm-space-3);border: 1px solid var(--tm-line-strong);border-radius: 12px;background: var(--tm-surface)}.tm-overlay-form:focus-within{border-color: var(--tm-accent);box-shadow: 0 0 0 1px var(--tm-accent)}.tm-overlay-form textarea{flex: 1;min-width: 0;min-height: 34px;max-height: 160px;padding: 6px 0;border: 0;outline: 0;background: transparent;color: var(--tm-text);font: inherit;resize: none;field-sizing: content}.tm-overlay-form textarea::placeholder{color: var(--tm-text-quiet);opacity: 1}.tm-overlay-form .tm-button{flex: none;width: 34px;min-height: 34px;padding: 0}.tm-overlay-tour{position: fixed;left: 16px;bottom: 16px;z-index: 1;display: grid;gap: var(--tm-space-2);width: min(340px, calc(100vw - 32px));padding: var(--tm-space-3) var(--tm-space-4) var(--tm-space-4);border: 1px solid var(--tm-line);border-radius: 12px;background: var(--tm-surface);box-shadow: var(--tm-float)}.tm-overlay-tour strong{font-weight: 600}.tm-overlay-tour p{overflow-wrap: anywhere}.tm-tour-head{display: flex;align-items: center;justify-content: space-between}.tm-tour-head .tm-button{margin-right: -6px}:host([data-position=\"bottom-left\"]) .tm-overlay-tour{left: auto;right: 16px}.tm-visually-hidden{position: absolute;width: 1px;height: 1px;margin: -1px;overflow: hidden;clip-path: inset(50%);white-space: nowrap}@media (min-width: 901px){:host([data-position=\"inline\"]:not([data-folded])) .tm-overlay{position: static;display: block;height: 100%}:host([data-position=\"inline\"]) .tm-overlay-body{width: 100%;height: 100%;border-width: 0 0 0 1px;border-radius: 0;box-shadow: none}:host([data-position=\"inline\"]) .tm-overlay-tour{z-index: 2147483000}}@media (max-width: 640px){:host(:not([data-folded])) .tm-overlay{right: 0;bottom: 0;left: 0}.tm-overlay-body{width: 100%;height: max(320px, 60vh);height: max(320px, 60dvh);max-height: 100dvh;border-width: 1px 0 0;border-radius: 16px 16px 0 0}.tm-overlay-tour{top: 16px;bottom: auto}}@media (prefers-reduced-motion: reduce){.tm-overlay-busy span::after, [data-busy] .tm-overlay-launcher svg{animation: none}}@media print{.tm-overlay{display: none}}");
const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})(?:\s+(.*?))?(?:\s+#+)?\s*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}> ?/;
const MARK = /^ {0,3}([-*+]|\d{1,9}[.)])(?: {1,4}|\s*$)/;
const DELIMITERS = /^[\s|:-]*-[\s|:-]*$/;
const MAX_DEPTH = 8;
function blocksOf(text, isOpen = false) {
return blocksOfLines(text.replace(/\r\n?/g, "\n").split("\n"), isOpen, 0);
}
function blocksOfLines(lines, isOpen, depth) {
const rules = depth < MAX_DEPTH ? [fence, heading, rule, quote, list, table] : [];
const blocks = [];
let at = 0;
while (at < lines.length) {
if (!lines[at].trim()) {
at += 1;
continue;
}
let found = null;
for (const find of rules) found ??= find(lines, at, isOpen, depth);
const [block, next] = found ?? paragraph(lines, at);
if (isOpen && next >= lines.length) block.isOpen = true;
blocks.push(block);
at = next;
}
return blocks;
}
function fence(lines, at, isOpen) {
const [, marks, language] = FENCE.exec(lines[at]) ?? [];
if (!marks) return null;
const isEnd = (line) => line.trim().startsWith(marks) && !line.trim().replaceAll(marks[0], "");
let end = at + 1;
while (end < lines.length && !isEnd(lines[end])) end += 1;
const body = lines.slice(at + 1, end);
if (isOpen && end >= lines.length && /^[`~]{1,2}$/.test(body.at(-1) ?? "")) body.pop();
return [{ kind: "code", language, text: body.join("\n") }, end + 1];
}
function heading(lines, at) {
const [, marks, text = ""] = HEADING.exec(lines[at]) ?? [];
return marks ? [{ kind: "heading", level: marks.length, text }, at + 1] : null;
}
function rule(lines, at) {
return RULE.test(lines[at]) ? [{ kind: "rule" }, at + 1] : null;
}
function quote(lines, at, isOpen, depth) {
let end = at;
while (end < lines.length && QUOTE.test(lines[end])) end += 1;
if (end === at) return null;
const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
return [{ kind: "quote", blocks: blocksOfLines(inner, isOpen && end >= lines.length, depth + 1) }, end];
}
function list(lines, at, isOpen, depth) {
const first = MARK.exec(lines[at])?.[1];
if (!first) return null;
const isNumbered = first.length > 1;
const items = [];
let next = at;
for (let start = at; isItem(lines[start], isNumbered); start = skipBlank(lines, next)) {
next = itemEnd(lines, start);
items.push(itemLines(lines, start, next));
}
const isLast = isOpen && next >= lines.length;
const inside = items.map((own, n) => blocksOfLines(own, isLast && n === items.length - 1, depth + 1));
return [{ kind: "list", start: isNumbered ? parseInt(first, 10) : null, items: inside }, next];
}
function isItem(line, isNumbered) {
if (line === undefined || RULE.test(line)) return false;
const mark = MARK.exec(line)?.[1] ?? "";
return mark !== "" && mark.length > 1 === isNumbered;
}
function itemEnd(lines, start) {
let end = start + 1;
while (end < lines.length) {
const following = skipBlank(lines, end);
if (following >= lines.length) break;
const isIndented = indentOf(lines[following]) >= 2;
const goesOn = following === end && !beginsBlock(lines[end]);
if (!isIndented && !goesOn) break;
end = following + 1;
}
return end;
}
function itemLines(lines, start, end) {
const width = (MARK.exec(lines[start]))[0].length;
const later = lines.slice(start + 1, end).map((line) => line.slice(Math.min(indentOf(line), width)));
return [lines[start].slice(width), ...later];
}
function table(lines, at, isOpen) {
const under = lines[at + 1] ?? "";
const isBegun = isOpen && lines[at].startsWith("|") && at + 2 >= lines.length && /^[\s|:-]*$/.test(under);
if (!lines[at].includes("|") || !(isBegun || (DELIMITERS.test(under) && under.includes("|")))) return null;
let end = at + 2;
while (end < lines.length && lines[end].includes("|")) end += 1;
const align = cellsOf(under).map((cell) => (/:$/.test(cell) ? (/^:/.test(cell) ? "center" : "right") : "left"));
const rows = lines.slice(at + 2, end).map(cellsOf);
return [{ kind: "table", head: cellsOf(lines[at]), align, rows }, end];
}
function cellsOf(line) {
const inner = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}
function paragraph(lines, at) {
let end = at + 1;
while (end < lines.length && lines[end].trim() && !beginsBlock(lines[end])) end += 1;
return [{ kind: "paragraph", text: lines.slice(at, end).join("\n").trim() }, end];
}
function beginsBlock(line) {
return [FENCE, HEADING, RULE, QUOTE, MARK].some((begin) => begin.test(line)) || /^\s*\|/.test(line);
}
function skipBlank(lines, at) {
let next = at;
while (next < lines.length && !lines[next].trim()) next += 1;
return next;
}
function indentOf(line) {
return line.length - line.trimStart().length;
}
const ADDRESS = /https?:\/\/[^\s<>"'`]+/y;
const MAX_DEPTH_INSIDE = 8;
const MAX_TARGET = 2_048;
const UNDECIDED = /(?:[*_~`]+|!?\[|\\)$/;
function inline(text, isOpen = false, depth = 0) {
return new Line(isOpen ? text.replace(UNDECIDED, "") : text, isOpen, depth).nodes();
}
class Line {
constructor(text, isOpen, depth) {
this.text = text;
this.isOpen = isOpen;
this.depth = depth;
this.at = 0;
this.plain = "";
this.made = [];
this.endless = new Set();
}
nodes() {
while (this.at < this.text.length) {
const node = this.depth < MAX_DEPTH_INSIDE ? this.#next() : null;
if (node) this.#push(node);
else this.plain += this.text[this.at++];
}
if (this.plain) this.made.push(this.plain);
return this.made;
}
#push(node) {
if (this.plain) this.made.push(this.plain);
this.plain = "";
this.made.push(node);
}
#next() {
switch (this.text[this.at]) {
case "\\":
return this.#escaped();
case "\n":
this.plain = this.plain.trimEnd();
this.at += 1;
return element("br");
case "`":
return this.#code();
case "*":
case "_":
case "~":
return this.#emphasis();
case "!":
return this.text[this.at + 1] === "[" ? this.#link(this.at + 1) : null;
case "[":
return this.#link(this.at);
case "<":
case "h":
return this.#address();
default:
return null;
}
}
#escaped() {
if (/[!-/:-@[-`{-~]/.test(this.text[this.at + 1] ?? "")) this.at += 1;
return null;
}
#code() {
const marks = this.#run();
const end = this.#find(marks, this.at + marks.length, (from) => this.text[from - 1] !== "`" && this.text[from + marks.length] !== "`");
if (end < 0 && !this.isOpen) return this.#literal(marks);
return this.#taken(end, marks, (inner) => element("code", {}, inner.trim() || inner));
}
#emphasis() {
const run = this.#run();
const marks = run.slice(0, 2);
const mark = marks[0];
const before = this.text[this.at - 1] ?? " ";
const from = this.at + marks.length;
const cannotBegin = /\s/.test(this.text[from] ?? " ") || (mark === "_" && /\w/.test(before)) || (mark === "~" && marks.length < 2);
if (cannotBegin) return this.#literal(run);
let end = this.#find(marks, from, (place) => this.#ends(place, marks));
if (end < 0 && !this.isOpen) return this.#literal(run);
while (end >= 0 && marks.length === 2 && this.text[end + 2] === mark) end += 1;
const tag = mark === "~" ? "del" : marks.length === 2 ? "strong" : "em";
return this.#taken(end, marks, (inner) => element(tag, {}, ...inline(inner, this.isOpen && end < 0, this.depth + 1)));
}
#ends(place, marks) {
const [mark] = marks;
const after = this.text[place + marks.length] ?? " ";
if (/[\s\\]/.test(this.text[place - 1])) return false;
if (mark === "_" && /\w/.test(after)) return false;
return marks.length === 2 || (after !== mark && this.text[place - 1] !== mark);
}
#link(bracket) {
const close = this.#find("]", bracket + 1, () => true);
const opens = close >= 0 && this.text[close + 1] === "(";
if (close >= 0 && !opens) return null;
const end = opens ? this.#targetEnd(close + 2) : -1;
if (end < 0 && !this.isOpen) return null;
const label = this.text.slice(bracket + 1, close < 0 ? undefined : close);
const target = end < 0 ? "" : this.text.slice(close + 2, end).trim().split(/\s+/)[0].replace(/^<|>$/g, "");
this.at = end < 0 ? this.text.length : end + 1;
return link(target, inline(label, this.isOpen && close < 0, this.depth + 1));
}
#targetEnd(from) {
let depth = 0;
for (let place = from; place < Math.min(this.text.length, from + MAX_TARGET); place += 1) {
const character = this.text[place];
if (character === "\n") return -1;
if (character === "(") depth += 1;
if (character === ")" && (depth -= 1) < 0) return place;
}
return -1;
}
#address() {
const start = this.text[this.at] === "<" ? this.at + 1 : this.at;
if (start === this.at && /\w/.test(this.text[this.at - 1] ?? " ")) return null;
ADDRESS.lastIndex = start;
const found = ADDRESS.exec(this.text)?.[0];
if (!found || (start > this.at && this.text[start + found.length] !== ">")) return null;
let address = found.replace(/[.,:;!?*_~\]]+$/, "");
if (address.endsWith(")") && !address.includes("(")) address = address.slice(0, -1);
this.at = start > this.at ? start + found.length + 1 : start + address.length;
return link(address, [address]);
}
#run() {
let end = this.at;
while (this.text[end] === this.text[this.at]) end += 1;
return this.text.slice(this.at, end);
}
#literal(marks) {
this.plain += marks.slice(1);
this.at += marks.length - 1;
return null;
}
#find(marks, from, fits) {
if (this.endless.has(marks)) return -1;
let place = this.text.indexOf(marks, from + 1);
while (place >= 0 && !fits(place)) place = this.text.indexOf(marks, place + 1);
if (place < 0) this.endless.add(marks);
return place;
}
#taken(end, marks, make) {
const inner = this.text.slice(this.at + marks.length, end < 0 ? undefined : end);
this.at = end < 0 ? this.text.length : end + marks.length;
return make(inner);
}
}
function link(target, words) {
const url = target && URL.canParse(target, location.href) ? new URL(target, location.href) : null;
if (!url || !/^https?:$/.test(url.protocol)) return element("span", {}, ...words);
const leaves = url.origin !== location.origin;
return element("a", { href: url.href, target: leaves && "_blank", rel: leaves && "noopener noreferrer" }, ...words);
}
class MarkdownView {
constructor() {
this.node = element("div", { class: "tm-overlay-text" });
this.drawn = [];
}
update(text, isOpen) {
const blocks = blocksOf(text, isOpen);
blocks.forEach((block, index) => {
const key = JSON.stringify(block);
if (this.drawn[index] === key) return;
this.drawn[index] = key;
const old = this.node.children[index];
if (!old) this.node.append(drawBlock(block));
else if (!grown(old, block)) old.replaceWith(drawBlock(block));
});
while (this.node.children.length > blocks.length) this.node.lastElementChild?.remove();
this.drawn.length = blocks.length;
}
}
function grown(node, block) {
const code = block.kind === "code" && node.matches(".tm-code") && node.querySelector("code");
if (!code || node.getAttribute("data-language") !== block.language) return false;
code.textContent = block.text;
return true;
}
function drawBlock(block) {
const { isOpen } = block;
switch (block.kind) {
case "code":
return codeBlock(block.text, block.language);
case "heading":
return element((`h${Math.min(block.level + 2, 6)}`), {}, ...inline(block.text, isOpen));
case "rule":
return element("hr");
case "quote":
return element("blockquote", {}, ...block.blocks.map(drawBlock));
case "list":
return drawList(block.start, block.items);
case "table":
return drawTable(block);
default:
return element("p", {}, ...inline(block.text, isOpen));
}
}
function codeBlock(text, language = "") {
const code = element("code", {}, text);
const head = element("div", { class: "tm-code-head" }, element("span", {}, language), copyButton(() => code.textContent ?? ""));
return element("div", { class: "tm-code", "data-language": language }, head, element("pre", { tabindex: "0" }, code));
}
function drawList(start, items) {
const drawn = items.map((blocks) => element("li", {}, ...blocks.flatMap(itemNodes)));
return start === null ? element("ul", {}, ...drawn) : element("ol", { start: String(start) }, ...drawn);
}
function itemNodes(block, index) {
if (block.kind !== "paragraph" || index > 0) return [drawBlock(block)];
const [, mark, text] = /^\[([ xX])\] ([^]*)$/.exec(block.text) ?? [];
if (!mark) return inline(block.text, block.isOpen);
return [mark === " " ? "☐ " : "☑ ", ...inline(text, block.isOpen)];
}
function drawTable({ head, align, rows, isOpen }) {
const cell = (tag, text, column) =>
element(tag, { "data-align": align[column] ?? "left", ...(tag === "th" ? { scope: "col" } : {}) }, ...inline(text, isOpen));
const body = rows.map((row) => element("tr", {}, ...head.map((_, column) => cell("td", row[column] ?? "", column))));
const top = element("thead", {}, element("tr", {}, ...head.map((text, column) => cell("th", text, column))));
const whole = element("table", {}, top, element("tbody", {}, ...body));
return element("div", { class: "tm-table-frame", tabindex: "0", role: "group", "aria-label": "Table" }, whole);
}
const DECISIONS = {
approval: [["approved", "Approve"], ["denied", "Deny"]],
question: [["answered", "Send answer"]],
outcome: [["happened", "It happened"], ["not_happened", "It did not happen"]],
};
class Row {
constructor(message, handlers) {
this.handlers = handlers;
this.parts = element("div", { class: "tm-overlay-parts" });
this.end = element("div", { class: "tm-overlay-end" });
this.drawn = [];
this.text = null;
this.ending = "";
const who = message.role === "user" ? "You said: " : "Assistant: ";
this.node = element(
"li",
{ class: "tm-overlay-message", "data-role": message.role },
element("span", { class: "tm-visually-hidden" }, who),
this.parts,
this.end,
);
this.update(message);
}
update(message) {
this.node.dataset.status = message.status ?? "";
const isOver = message.role === "user" || Boolean(message.status);
const { parts } = message;
parts.forEach((part, index) => {
const isOpen = !isOver && index === parts.length - 1;
if (this.drawn[index] !== part || part.kind === "text") this.#draw(part, index, isOpen);
});
while (this.parts.children.length > parts.length) this.parts.lastElementChild?.remove();
this.drawn = [...parts];
this.#finish(message);
}
#draw(part, index, isOpen) {
const old = this.parts.children[index];
if (part.kind === "text") return this.#drawText(part.text, index, isOpen);
const made = drawPart(part, this.handlers);
const wasOpen = old instanceof HTMLDetailsElement && old.open;
if (made instanceof HTMLDetailsElement) made.open = wasOpen;
if (old) old.replaceWith(made);
else this.parts.append(made);
return undefined;
}
#drawText(text, index, isOpen) {
if (this.node.dataset.role === "user") {
if (!this.parts.children[index]) this.parts.append(element("p", { class: "tm-overlay-text tm-plain" }, text));
return;
}
if (!this.text || this.parts.children[index] !== this.text.node) {
this.text = new MarkdownView();
if (this.parts.children[index]) this.parts.children[index].replaceWith(this.text.node);
else this.parts.append(this.text.node);
}
this.text.update(text, isOpen);
}
#finish(message) {
const { role, status, content, trouble, parts } = message;
if (role === "user") return;
const isWorking = !status && !["text", "question"].includes(parts.at(-1)?.kind ?? "");
const ending = JSON.stringify([status, isWorking, trouble, Boolean(content)]);
if (ending === this.ending) return;
this.ending = ending;
const isSilent = status && !trouble && !parts.length;
this.end.replaceChildren(
...[
isWorking && element("p", { class: "tm-overlay-busy" }, "Working", element("span", { "aria-hidden": "true" })),
isSilent && status !== "cancelled" && element("p", { class: "tm-quiet" }, "There is no answer in words."),
trouble && troubleNote(trouble, this.handlers),
status === "cancelled" && element("p", { class: "tm-quiet tm-small" }, "Stopped."),
status && content && copyButton(() => message.content, "Copy answer"),
].filter((node) => node instanceof Node),
);
}
}
function drawPart(part, handlers) {
switch (part.kind) {
case "reasoning":
return thoughts(part);
case "call":
return chip(part);
case "question":
return questionCard(part, handlers);
default:
return element("p", { class: "tm-overlay-acted" }, `On the page: ${part.lines.join(" · ")}`);
}
}
function thoughts({ text, ms }) {
const words = ms === undefined ? "Thinking…" : `Thought for ${duration(ms)}`;
const body = element("p", { class: "tm-plain tm-quiet" }, text);
return element("details", { class: "tm-thoughts" }, element("summary", {}, words), body);
}
function chip(call) {
const isOpen = call.ok === undefined;
const status = isOpen ? "running" : call.ok ? "done" : "failed";
const words = isOpen ? "running" : `${call.ok ? "ok" : "failed"} · ${duration(call.durationMs ?? 0)}`;
const badge = element("span", { class: "tm-status", "data-status": status }, words);
const body = element("div", { class: "tm-chip-body" }, ...named("Arguments", call.args));
if (!isOpen) body.append(...named(call.ok ? "Result" : "Error", call.ok ? call.result : (call.error ?? call.result)));
const attributes = { class: "tm-chip", "data-call": call.id };
return element("details", attributes, element("summary", {}, element("code", {}, call.name), badge), body);
}
function named(title, value) {
return [element("span", { class: "tm-quiet" }, title), codeBlock(pretty(value))];
}
function questionCard(question, handlers) {
const about = question.tool ? `The assistant wants to use ${question.tool}.` : "The assistant asks you.";
const card = element("div", { class: "tm-overlay-question", "data-question": question.id, role: "group", "aria-label": about }, element("strong", {}, about));
if (question.prompt) card.append(element("p", {}, question.prompt));
if (question.args && Object.keys(question.args).length) card.append(...named("With", question.args));
if (question.decision) {
card.append(element("p", { class: "tm-quiet" }, question.decision.replaceAll("_", " ")));
return card;
}
const text = question.asks === "question" && element("input", { class: "tm-input", "aria-label": "Your answer" });
const buttons = DECISIONS[question.asks].map(([decision, words], index) =>
button(words, () => handlers.onAnswer(question.id, decision, text ? text.value : ""), index === 0 ? { "data-kind": "main" } : {}),
);
card.append(element("div", { class: "tm-actions" }, text, ...buttons));
return card;
}
function troubleNote(trouble, handlers) {
const href = trouble.code && handlers.problemPage(trouble.code);
return element(
"div",
{ class: "tm-note", "data-tone": "bad" },
element("strong", {}, trouble.title),
element("p", {}, `${trouble.meaning} ${trouble.advice} `, href && element("a", { href, target: "_blank", rel: "noopener" }, "What this means")),
trouble.canRetry && element("p", {}, retryButton(trouble, handlers.onRetry)),
);
}
function retryButton({ retryAt = 0 }, onRetry) {
const made = button("Ask again", onRetry);
const count = () => {
const seconds = Math.ceil((retryAt - Date.now()) / 1000);
made.disabled = seconds > 0;
made.textContent = seconds > 0 ? `Ask again in ${seconds} s` : "Ask again";
if (seconds > 0) setTimeout(count, 250);
};
count();
return made;
}
const NARROW = "(max-width: 900px)";
const PHONE = "(max-width: 640px)";
const NEAR_END_PX = 80;
class Panel {
constructor(host, settings, handlers, life) {
this.host = host;
this.settings = settings;
this.handlers = handlers;
this.life = life;
this.isBusy = false;
this.isOpen = true;
this.rows = new Map();
this.due = new Map();
this.root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
this.root.adoptedStyleSheets = [tokenSheet, panelSheet];
this.dress(settings.theme);
this.ui = furniture(settings, {
onLaunch: () => this.open(),
onFold: () => this.toggle(false),
onOffer: (text) => this.#say(text),
onFresh: () => handlers.onClear(),
onEarlier: () => handlers.onEarlier(),
onStop: () => handlers.onStop(),
});
this.root.replaceChildren(this.ui.frame);
this.#listen();
}
get isNarrow() {
return window.matchMedia(NARROW).matches;
}
get isSheet() {
return this.isOpen && window.matchMedia(PHONE).matches;
}
dress(theme) {
const pageHasScheme = getComputedStyle(document.documentElement).colorScheme !== "normal";
this.host.setAttribute("data-position", this.settings.position);
this.host.setAttribute("data-scheme", theme === "auto" ? (pageHasScheme ? "page" : "system") : theme);
}
#listen() {
this.ui.form.addEventListener("submit", (event) => {
event.preventDefault();
this.#submit();
});
this.ui.input.addEventListener("keydown", (event) => {
if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
event.preventDefault();
this.#submit();
});
this.ui.list.addEventListener("click", (event) => this.#follow(event));
document.addEventListener("keydown", (event) => this.#shortcut(event), { signal: this.life });
}
#follow(event) {
const link = event.target instanceof Element && event.target.closest("a");
if (!link || link.target || event.ctrlKey || event.metaKey || event.shiftKey) return;
const { pathname, search, hash } = new URL(link.href);
if (this.handlers.navigate(pathname + search + hash)) event.preventDefault();
}
#submit() {
const text = this.ui.input.value.trim();
if (!text || this.isBusy) return;
this.ui.input.value = "";
this.handlers.onAsk(text);
}
#say(text) {
if (this.isBusy) return;
this.ui.input.focus();
this.handlers.onAsk(text);
}
#shortcut(event) {
if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
const [target] = event.composedPath();
const inField = target instanceof Element && target.matches("input, textarea, select, [contenteditable]");
const isInside = document.activeElement === this.host;
if (event.key === this.settings.hotkey && !inField) {
event.preventDefault();
this.open();
} else if (event.key === "Escape" && this.isBusy && (isInside || !inField)) {
this.handlers.onStop();
} else if (event.key === "Escape" && isInside) {
this.toggle(false);
}
}
open() {
this.toggle(true);
this.ui.input.focus();
}
toggle(isOpen, { isQuiet = false } = {}) {
this.isOpen = isOpen;
this.ui.body.hidden = !isOpen;
this.ui.launcher.hidden = isOpen;
this.host.toggleAttribute("data-folded", !isOpen);
if (isOpen) this.#scrollToEnd();
if (isQuiet) return;
if (!isOpen) this.ui.launcher.focus();
this.handlers.onToggle(isOpen);
}
setBusy(isBusy) {
const hadFocus = this.root.activeElement === this.ui.send || this.root.activeElement === this.ui.stop;
this.isBusy = isBusy;
this.ui.send.hidden = isBusy;
this.ui.stop.hidden = !isBusy;
this.ui.fresh.disabled = isBusy;
this.ui.frame.toggleAttribute("data-busy", isBusy);
if (hadFocus) this.ui.input.focus();
}
setNote(text) {
this.ui.note.textContent = text;
this.ui.note.hidden = !text;
}
warn(text) {
const note = element("p", { class: "tm-overlay-warning" }, element("span", {}, text), iconButton("close", "Dismiss", () => note.remove()));
this.ui.warnings.append(note);
}
announce(text) {
this.ui.live.textContent = text;
}
show(message) {
if (!this.due.size) requestAnimationFrame(() => this.flush());
this.due.set(message.id, message);
}
flush() {
if (!this.due.size) return;
const follows = this.#isAtEnd();
for (const message of this.due.values()) this.#draw(message);
this.due.clear();
this.ui.empty.hidden = true;
if (follows) this.#scrollToEnd();
}
#draw(message) {
const row = this.rows.get(message.id);
if (row) return row.update(message);
const made = new Row(message, this.handlers);
this.rows.set(message.id, made);
return this.ui.list.append(made.node);
}
prepend(messages) {
const height = this.ui.scroller.scrollHeight;
for (const message of [...messages].reverse()) {
const row = new Row(message, this.handlers);
this.rows.set(message.id, row);
this.ui.list.prepend(row.node);
}
this.ui.empty.hidden ||= messages.length > 0;
this.ui.scroller.scrollTop += this.ui.scroller.scrollHeight - height;
}
offerEarlier(isThere) {
this.ui.earlier.hidden = !isThere;
}
drop(id) {
this.due.delete(id);
this.rows.get(id)?.node.remove();
this.rows.delete(id);
}
clear() {
this.due.clear();
this.rows.clear();
this.ui.list.replaceChildren();
this.ui.warnings.replaceChildren();
this.ui.earlier.hidden = true;
this.ui.empty.hidden = false;
}
#isAtEnd() {
const { scrollHeight, scrollTop, clientHeight } = this.ui.scroller;
return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
}
#scrollToEnd() {
this.ui.scroller.scrollTop = this.ui.scroller.scrollHeight;
}
}
const MAX_ELEMENTS = 500;
const MAX_TEXT = 200;
const MAX_VALUE = 100;
const INTERACTIVE =
"a[href], button, input, select, textarea, summary, [tabindex='0'], " +
["button", "link", "textbox", "combobox", "checkbox", "radio", "menuitem", "tab", "switch"]
.map((role) => `[role='${role}']`)
.join(", ");
const SECRETS = /(?:^|\s)(?:current-password|new-password|one-time-code|cc-number|cc-csc)(?:\s|$)/i;
const cut = (text, length) => (text.length > length ? `${text.slice(0, length)}...` : text);
function snapshot(hidden, { root, exclude } = {}) {
const seen = [];
for (const element of document.querySelectorAll(root ? `:is(${root}) [id]` : "body [id]")) {
if (seen.length >= MAX_ELEMENTS) break;
if (hidden.contains(element) || (exclude && element.closest(exclude))) continue;
if (element.checkVisibility({ visibilityProperty: true })) seen.push(described(element));
}
return seen;
}
function pageContext() {
const { pathname, search, hash } = window.location;
return { pathname, search, hash, title: document.title };
}
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
function visibleText(element) {
const text = element instanceof HTMLElement ? element.innerText : element.textContent;
return (text ?? "").replace(/\s+/g, " ").trim();
}
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
function withoutGaps(members) {
return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null));
}
const CONTEXT_WITHIN_MS = 3_000;
async function requestBody(prompt, kept, settings, host, tour) {
const history = kept.messages.map(({ id, role, content, timestamp }) => ({ id, role, content, timestamp }));
return {
prompt,
history,
domElements: snapshot(host, settings.snapshot),
pageContext: pageContext(),
timestamp: new Date().toISOString(),
customContext: { ...(await contextOf(settings)), ...(tour ? { activeWalkthrough: tour } : {}) },
...(kept.sessionId ? { sessionId: kept.sessionId } : {}),
...(settings.profile ? { profile: settings.profile } : {}),
};
}
function askingOf(body) {
const bytes = [...crypto.getRandomValues(new Uint8Array(16))];
return { key: bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(""), body: JSON.stringify(body) };
}
async function contextOf({ customContext }) {
if (typeof customContext !== "function") return customContext;
const late = new Promise((_, reject) => setTimeout(() => reject(new Error("took too long")), CONTEXT_WITHIN_MS));
try {
return (await Promise.race([customContext(), late]));
} catch (error) {
console.warn("taskmapr: customContext failed", error);
return {};
}
}
class Walkthrough {
constructor(actions, place, onChange) {
this.actions = actions;
this.place = place;
this.onChange = onChange;
this.tour = null;
this.cameFrom = null;
this.leave = () => {};
this.title = element("strong", { id: "tm-tour-title" });
this.text = element("p", { "aria-live": "polite" });
this.back = button("Back", () => this.#go(-1));
this.next = button("Next", () => this.#go(1), { "data-kind": "main" });
this.card = element(
"div",
{ class: "tm-overlay-tour", role: "dialog", "aria-labelledby": "tm-tour-title", tabindex: "-1" },
element("div", { class: "tm-tour-head" }, this.title, button("End tour", () => this.end(), { "data-kind": "quiet" })),
this.text,
element("div", { class: "tm-actions" }, this.back, this.next),
);
this.card.addEventListener("keydown", (event) => {
if (event.key !== "Escape") return;
event.stopPropagation();
this.end();
});
}
get context() {
if (!this.tour) return null;
const { id, steps, index } = this.tour;
return { id, currentStepIndex: index, totalSteps: steps.length, currentStep: steps[index] };
}
start(steps) {
if (!steps.length) throw new Error("no steps");
this.show({ id: `walkthrough-${Date.now()}`, steps, index: 0 });
return `began a tour of ${steps.length} steps`;
}
show(tour, { isBack = false } = {}) {
this.end();
this.cameFrom = document.activeElement;
this.tour = tour;
this.place.appendChild(this.card);
this.card.focus({ preventScroll: true });
this.#show(tour.index, !isBack);
}
end() {
if (!this.tour) return;
this.leave();
this.leave = () => {};
this.tour = null;
this.onChange(null);
const hadFocus = this.card.matches(":focus-within");
this.card.remove();
this.actions.clearHighlights();
if (hadFocus && this.cameFrom instanceof HTMLElement) this.cameFrom.focus({ preventScroll: true });
}
#go(by) {
if (this.tour) this.#show(this.tour.index + by);
}
async #show(index, goes = true) {
this.leave();
this.leave = () => {};
if (!this.tour || index >= this.tour.steps.length) return this.end();
const tour = (this.tour = { ...this.tour, index: Math.max(0, index) });
this.onChange(tour);
const step = tour.steps[tour.index];
this.actions.clearHighlights();
this.#tell(step, true);
if (goes && step.page && step.page !== window.location.pathname) this.actions.navigate(step.page);
const found = await this.actions.find(step.query);
if (this.tour !== tour) return undefined;
if (found) await this.actions.highlight(step.query, 0);
this.#tell(step, found !== null);
if (found) this.leave = this.#onward(step, found);
return undefined;
}
#onward(step, found) {
const next = () => this.#go(1);
if (step.waitForClick !== false) {
found.addEventListener("click", next, { once: true });
return () => found.removeEventListener("click", next);
}
if (!step.duration) return () => {};
const timer = setTimeout(next, step.duration);
return () => clearTimeout(timer);
}
#tell(step, isThere) {
if (!this.tour) return;
const { index, steps } = this.tour;
const isLast = index + 1 === steps.length;
const words = [step.message ?? "Have a look here."];
if (!isThere) words.push(`(${step.query} is not on this page.)`);
else if (step.waitForClick !== false) words.push("Click it to go on.");
this.title.textContent = `Step ${index + 1} of ${steps.length}`;
this.text.textContent = words.join(" ");
this.back.disabled = index === 0;
this.next.textContent = isLast ? "Finish" : "Next";
}
}
const MEMORY_WARNING = "The server's database is away. It answers, but this conversation may be lost when the server restarts.";
class Conversation {
constructor(host, settings) {
this.settings = settings;
this.end = new AbortController();
this.api = new Api(settings.endpoint, settings.token, (token) => {
this.kept.owner ??= settings.user ?? subjectOf(token);
});
const key = ["taskmapr.overlay", settings.endpoint, settings.profile, settings.sessionId].filter(Boolean).join(":");
this.memory = new Memory(key, this.end.signal);
this.run = null;
this.panel = this.#panel(host);
this.actions = new Actions(host, settings, () => this.panel.isSheet);
this.tour = new Walkthrough(this.actions, this.panel.ui.frame, (tour) => {
this.memory.kept.tour = tour;
this.memory.save();
});
this.actions.beginTour = (steps) => this.tour.start(steps);
this.#showPanel();
this.recognition = this.#recognise();
if (!this.recognition) this.#restore();
}
get kept() {
return this.memory.kept;
}
#panel(host) {
const { settings } = this;
return new Panel(host, settings, {
onAsk: (text) => this.ask(text),
onStop: () => this.stop(),
onClear: () => this.clear(),
onEarlier: () => this.#fetchHistory(),
onRetry: () => this.retry(),
onAnswer: (id, decision, text) => this.answer(id, decision, text),
onToggle: (isOpen) => {
this.kept.isOpen = isOpen;
this.memory.touch();
},
navigate: settings.navigate,
problemPage: (code) => `${settings.endpoint}/problems/${code}`,
}, this.end.signal);
}
#showPanel() {
const { kept, panel, settings } = this;
const isFirst = settings.open ?? (settings.position === "inline" && !panel.isNarrow);
panel.toggle(kept.isOpen ?? isFirst, { isQuiet: true });
}
#recognise() {
const { memory, settings } = this;
if (memory.isEmpty || settings.user !== null) {
memory.claim(settings.user);
return null;
}
return ownerOf(settings).then((owner) => {
this.recognition = null;
if (this.end.signal.aborted) return;
memory.claim(owner);
this.#restore();
});
}
#restore() {
const { kept, panel, settings } = this;
kept.sessionId ??= settings.sessionId;
kept.messages.forEach((message) => panel.show(message));
panel.flush();
panel.offerEarlier(kept.before !== null);
if (kept.tour) this.tour.show(kept.tour, { isBack: true });
if (kept.sessionId && !kept.messages.length) this.#fetchHistory();
this.#resume();
}
#resume() {
const { cursor, asking, messages } = this.kept;
const message = messages.at(-1);
const isOpen = message?.role === "assistant" && !message.status;
if (!isOpen) return;
if (cursor) this.#follow(message, { cursor });
else if (asking) this.#follow(message, { asking });
else this.#ended(message, "failed");
}
async #fetchHistory() {
const { kept, panel } = this;
if (!kept.sessionId) return;
try {
const found = await this.api.history(kept.sessionId, kept.before);
if (kept !== this.kept) return;
const messages = (found?.messages ?? []).map(remembered);
kept.messages = [...messages, ...kept.messages];
kept.before = found?.next_before ?? null;
panel.prepend(messages);
panel.offerEarlier(kept.before !== null);
this.memory.touch();
} catch (error) {
panel.setNote(`Earlier messages could not be fetched. ${troubleOf(error).title}`);
}
}
async ask(text) {
if (this.recognition) await this.recognition;
if (this.run || this.end.signal.aborted) return;
this.panel.setNote("");
this.#say("user", text);
const answer = this.#say("assistant", "");
const run = (this.run = new AbortController());
this.panel.setBusy(true);
const body = await requestBody(text, this.kept, this.settings, this.panel.host, this.tour.context);
this.#tellPage("taskmapr:request", { body });
this.kept.asking = askingOf(body);
this.memory.save();
await this.#follow(answer, { asking: this.kept.asking }, run);
}
async retry() {
if (this.run) return;
const { messages } = this.kept;
const from = messages.findLastIndex((message) => message.role === "user");
if (from < 0) return;
const [{ content }] = messages.slice(from);
for (const { id } of messages.splice(from)) this.panel.drop(id);
await this.ask(content);
}
async stop() {
const runId = this.kept.cursor?.split(":")[0];
if (!runId) return this.run?.abort();
this.panel.setNote("Stopping…");
try {
await this.api.cancel(runId);
} catch (error) {
const { title } = troubleOf(error);
if (this.run) this.panel.setNote(`It could not be stopped. ${title}`);
}
return undefined;
}
clear() {
this.tour.end();
this.memory.clear();
this.panel.clear();
this.panel.setNote("");
this.panel.open();
}
async answer(id, decision, text) {
try {
await this.api.answer(id, decision, text);
this.panel.setNote("");
} catch (error) {
this.panel.setNote(troubleOf(error).title);
}
}
destroy() {
this.memory.save();
this.tour.end();
this.end.abort();
this.run?.abort();
this.actions.destroy();
this.panel.root.replaceChildren();
}
async #follow(message, from, run = new AbortController()) {
this.run = run;
const answer = new Answer(message);
this.panel.setBusy(true);
this.panel.announce("");
try {
const received = stream({
api: this.api,
signal: run.signal,
onStarted: (cursor) => this.#at(cursor),
onConnection: (isLost) => this.panel.setNote(isLost ? "Connection lost. Trying again…" : ""),
...from,
});
for await (const one of received) await this.#take(answer, one);
} catch (error) {
if (this.end.signal.aborted) return;
answer.fail(run.signal.aborted ? null : troubleOf(error));
}
this.#ended(message, message.status ?? "failed");
}
async #take(answer, { id, frame, raw }) {
answer.take(frame);
if (id) this.#at(id);
if (frame.type === "metadata") this.#warn(frame.data);
if (frame.type === "complete") this.kept.sessionId = frame.data.sessionId ?? this.kept.sessionId;
if (frame.type === "actions") {
this.memory.save();
answer.acted(await this.actions.perform(frame.data.actions));
}
this.panel.show(answer.message);
this.memory.touch();
this.#tellPage("taskmapr:frame", { id, frame, raw });
}
#warn({ persistence, warnings }) {
const { told } = this.kept;
for (const text of [...(persistence === "memory" ? [MEMORY_WARNING] : []), ...(warnings ?? [])]) {
if (told.includes(text)) continue;
told.push(text);
this.panel.warn(text);
}
}
#at(cursor) {
this.kept.cursor = cursor;
this.kept.asking = null;
this.memory.touch();
}
#ended(message, status) {
message.status = status;
this.run = null;
this.kept.cursor = null;
this.kept.asking = null;
this.memory.save();
this.panel.show(message);
this.panel.flush();
this.panel.setBusy(false);
this.panel.setNote("");
this.panel.announce(message.trouble ? `Error: ${message.trouble.title} ${message.trouble.advice}` : `Answer ${status}. ${message.content}`);
}
#say(role, content) {
const now = new Date();
const message = {
id: `${role}-${now.getTime() + (role === "assistant" ? 1 : 0)}`,
role,
content,
timestamp: now.toISOString(),
parts: content ? [{ kind: "text", text: content }] : [],
};
this.kept.messages.push(message);
this.memory.touch();
this.panel.show(message);
this.panel.flush();
return message;
}
#tellPage(name, detail) {
this.panel.host.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
}
}
function remembered({ id, role, content, timestamp, partial }) {
const status = role === "assistant" ? { status: partial ? "cancelled" : "succeeded" } : {};
return { id, role, content, timestamp, parts: content ? [{ kind: "text", text: content }] : [], ...status };
}
const ORIGIN = new URL(import.meta.url).origin;
function settingsOf(options) {
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
navigate: (path) => !path.startsWith("//") && router(path),
onAction: options.onAction ?? (() => true),
snapshot: options.snapshot ?? {},
};
}
function optionsOf(data) {
return ({
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
function oneOf(name, value, known) {
if (!value) return known[0];
const found = known.find((word) => word === value);
if (!found) throw new TypeError(`taskmapr: ${name} is one of ${known.join(", ")}, not ${value}`);
return found;
}
export function mountOverlay(options = {}) {
const settings = settingsOf(options);
const host = settings.host ?? document.body.appendChild(document.createElement("taskmapr-overlay"));
const conversation = new Conversation(host, settings);
const { panel } = conversation;
return {
host,
open: () => panel.open(),
close: () => panel.toggle(false),
ask: (text) => conversation.ask(text),
stop: async () => conversation.stop(),
setTheme: (theme) => panel.dress(theme),
destroy: () => {
conversation.destroy();
if (!settings.host) host.remove();
},
};
}
function ownTag() {
return [...document.scripts].find((tag) => tag.src === import.meta.url && tag.dataset.endpoint !== undefined);
}
const tag = ownTag();
if (tag) {
const mounted = mountOverlay(optionsOf(tag.dataset));
Object.assign(window, { taskmapr: mounted });
window.dispatchEvent(new CustomEvent("taskmapr:ready", { detail: mounted }));
}
