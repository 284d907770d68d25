/* One run from its first frame to its last, over as many connections as it takes. */
import { Refused } from "./api.js";
import { receive } from "./sse.js";

const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 8_000;
const MAX_ATTEMPTS = 12;

/** The connection was lost and could not be made again. */
export class ConnectionLost extends Error {}

/**
 * @param {object} how
 * @param {import("./api.js").Api} how.api
 * @param {object} [how.body] Starts a run; without it `cursor` is followed.
 * @param {string} [how.cursor]
 * @param {AbortSignal} how.signal
 * @param {(cursor: string) => void} how.onStarted The run exists and can be followed from here.
 * @param {(isLost: boolean) => void} how.onConnection
 * @returns {AsyncGenerator<import("./types.js").Received>} Ends after `complete`.
 *   Throws Refused, ConnectionLost, or AbortError when `signal` is aborted.
 */
export async function* stream({ api, body, cursor, signal, onStarted, onConnection }) {
  let at = cursor ?? "";
  let response = null;
  if (body) {
    // Not repeated by itself: nobody knows whether a request that failed has started a run.
    response = await api.ask(body, signal);
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

/** Refusals stand, except those of a server that is just starting or overwhelmed.
 *  @param {unknown} error */
function isFinal(error) {
  return error instanceof Refused && error.status < 500 && error.status !== 429;
}

/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
