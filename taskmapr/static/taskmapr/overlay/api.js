/* The server's doors that the overlay uses. */

/** Milliseconds until a server that has sent no headers counts as not reached. */
const HEADERS_WITHIN_MS = 30_000;

/** A refusal of the server, with its problem body. */
export class Refused extends Error {
  /** @param {number} status @param {Record<string, any>} problem @param {number} retryAfterS */
  constructor(status, problem, retryAfterS) {
    super(problem.detail ?? `The server answered with status ${status}.`);
    this.status = status;
    /** Empty when something between browser and server has answered. */
    this.code = String(problem.code ?? "");
    this.title = String(problem.title ?? "");
    this.retryAfterS = retryAfterS;
  }
}

export class Api {
  /**
   * @param {string} base Where the server is, without a slash at the end.
   * @param {import("./types.js").TokenSource} token
   * @param {(token: string | null) => void} onToken Told of every token before it is used.
   */
  constructor(base, token, onToken) {
    this.base = base;
    this.token = token;
    this.onToken = onToken;
  }

  /** Start a run, or attach to the one that the same key has started.
   *  @param {import("./types.js").Asking} asking @param {AbortSignal} signal */
  ask({ key, body }, signal) {
    return this.#send("/api/taskmapr/orchestrate", { body, key, signal });
  }

  /** Follow a run after an event. @param {string} cursor `<run id>:<seq>` @param {AbortSignal} signal */
  resume(cursor, signal) {
    const runId = cursor.split(":")[0];
    const query = new URLSearchParams({ last_event_id: cursor });
    return this.#send(`/api/taskmapr/runs/${runId}/stream?${query}`, { signal });
  }

  /** @param {string} runId */
  cancel(runId) {
    return this.#send(`/api/taskmapr/runs/${runId}/cancel`, { body: "{}" });
  }

  /** @param {string} approvalId @param {string} decision @param {string} answer */
  answer(approvalId, decision, answer) {
    const body = JSON.stringify(answer ? { decision, answer } : { decision });
    return this.#send(`/api/taskmapr/approvals/${approvalId}`, { body });
  }

  /** What was said in a session; null when the server knows nothing of it.
   *  @param {string} sessionId @param {string | null} before A message's id.
   *  @returns {Promise<{messages: any[], next_before: string | null} | null>} */
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

  /**
   * @param {string} path
   * @param {{body?: string, key?: string, signal?: AbortSignal}} how With a body it is a POST.
   * @returns {Promise<Response>} Throws Refused for every status that is no success.
   */
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

  /** Without a token the server says what is missing, better than the page's error would.
   *  @param {boolean} isRefused */
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

  /** @param {string} path @param {{body?: string, key?: string, signal?: AbortSignal}} how
   *  @param {string | null} token */
  async #fetch(path, { body, key, signal }, token) {
    /** @type {Record<string, string>} */
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
