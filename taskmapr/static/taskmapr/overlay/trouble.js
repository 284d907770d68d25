/* What went wrong, what it means for the reader, and what to do. */
import { Refused } from "./api.js";
import { ConnectionLost } from "./stream.js";

/** @type {Record<string, string>} */
const ADVICE = {
  missing_token: "Sign in at the admin, then reload this page.",
  token_expired: "Reload this page to get a new token.",
  auth_not_configured: "Set JWT_SECRET on the server, or create an account.",
  llm_not_configured: "Set OPENAI_API_KEY on the server, or add a model profile in the admin.",
  llm_auth_failed: "The model's key was refused. Check it in the model profile.",
  llm_unavailable: "Nothing was changed. Ask again in a minute.",
  llm_refused_context: "Begin a new conversation: this one is too long for the model.",
  queue_unavailable: "The server cannot take work at the moment. Ask again in a minute.",
  no_worker: "Start a worker (make up starts one), then ask again.",
  worker_lost: "The worker stopped in the middle. Ask again.",
  session_busy: "Earlier questions are still being answered. Wait for them, or stop them.",
  max_turns_exceeded: "Ask for less at once.",
  timed_out: "Ask again, or ask for less at once.",
  events_expired: "This answer is too old to be followed. Ask again.",
  run_not_found: "The server does not know this run any more. Ask again.",
};

/** @param {string} code @param {boolean} canRetry @param {number} [waitS] */
function advice(code, canRetry, waitS) {
  if (ADVICE[code]) return ADVICE[code];
  if (waitS) return `Ask again in ${waitS} s.`;
  return canRetry ? "Ask again in a moment." : "Asking the same again will not help.";
}

/** @param {unknown} error @returns {import("./types.js").Trouble} */
export function troubleOf(error) {
  if (error instanceof Refused) {
    const canRetry = error.status >= 500 || error.status === 429 || error.status === 409;
    const words = `${error.title}: ${error.message}`;
    return { title: words, advice: advice(error.code, canRetry, error.retryAfterS), code: error.code, canRetry };
  }
  if (error instanceof ConnectionLost) {
    return { title: "The connection was lost.", advice: "The answer may be finished on the server: reload this page to look.", canRetry: false };
  }
  return { title: "The server could not be reached.", advice: "Check that it runs, then ask again.", canRetry: true };
}

/** @param {Record<string, any>} data Of an `error` frame. @returns {import("./types.js").Trouble} */
export function troubleOfFrame({ code, message, retryable }) {
  return { title: message, advice: advice(code, retryable), code, canRetry: Boolean(retryable) };
}
