/* One run from its first frame to its last, over as many connections as it takes. */
import { Refused } from "./api.js";
import { receive } from "./sse.js";

const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 8_000;
const MAX_ATTEMPTS = 12;
const RESENDS = 3;
const RESEND_WAIT_MS = 1_000;

/** The connection was lost and could not be made again. */
export class ConnectionLost extends Error {}

/**
 * @param {object} how
 * @param {import("./api.js").Api} how.api
 * @param {import("./types.js").Asking} [how.asking] Starts a run; without it `cursor` is followed.
 * @param {string} [how.cursor]
 * @param {AbortSignal} how.signal
 * @param {(cursor: string) => void} how.onStarted The run exists and can be followed from here.
 * @param {(isLost: boolean) => void} how.onConnection
 * @returns {AsyncGenerator<import("./types.js").Received>} Ends after `complete`.
 *   Throws Refused, ConnectionLost, or AbortError when `signal` is aborted.
 */
export async function* stream({ api, asking, cursor, signal, onStarted, onConnection }) {
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

/** Nobody knows whether a request that failed on its way has started a run, so it is sent again
 *  with the same key: the server then answers with that run.
 *  @param {import("./api.js").Api} api @param {import("./types.js").Asking} asking
 *  @param {AbortSignal} signal @param {(isLost: boolean) => void} onConnection */
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
