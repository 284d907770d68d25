/* What went wrong in three sentences: what happened, what it means for the reader, what to do. */
import { Refused } from "./api.js";
import { ConnectionLost } from "./stream.js";

const NOTHING_DONE = "Your question was not asked.";
const KEPT = "What was said so far is kept.";
const SERVER_SETTINGS = "Whoever runs the server has to change its settings.";

/** By code: what it means, what to do. @type {Record<string, [string, string]>} */
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

/** By status, for codes that are not known here. @type {Record<number, [string, string]>} */
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

/** @param {unknown} error @returns {import("./types.js").Trouble} */
export function troubleOf(error) {
  if (error instanceof Refused) return refusal(error);
  if (error instanceof ConnectionLost) {
    return { title: "The connection was lost.", meaning: "The answer may be finished on the server.", advice: "Reload this page to look.", canRetry: false };
  }
  return { title: "The server could not be reached.", meaning: "You may be offline, or the server may be down.", advice: "Check that it runs, then ask again.", canRetry: true };
}

/** @param {Refused} error @returns {import("./types.js").Trouble} */
function refusal({ status, code, title, message, retryAfterS }) {
  const [meaning, advice] = BY_CODE[code] ?? BY_STATUS[status] ?? (status >= 500 ? [NOTHING_DONE, "Ask again in a moment."] : [NOTHING_DONE, SERVER_SETTINGS]);
  const words = title && title !== message ? `${title}: ${message}` : message;
  const canRetry = status >= 500 || status === 429 || status === 409;
  return { title: words, meaning, advice, code, canRetry, ...(retryAfterS ? { retryAt: Date.now() + retryAfterS * 1000 } : {}) };
}

/** @param {Record<string, any>} data Of an `error` frame. @returns {import("./types.js").Trouble} */
export function troubleOfFrame({ code, message, retryable }) {
  const other = retryable ? "Ask again in a moment." : "Asking the same again will not help.";
  const [meaning, advice] = BY_CODE[code] ?? ["The answer ended here.", other];
  return { title: message, meaning, advice, code, canRetry: Boolean(retryable) };
}
