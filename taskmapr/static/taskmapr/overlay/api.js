/* The server's doors that the overlay uses. */

/** A refusal of the server, with its problem body. */
export class Refused extends Error {
  /** @param {number} status @param {Record<string, any>} problem @param {number} retryAfterS */
  constructor(status, problem, retryAfterS) {
    super(problem.detail ?? `The server answered with status ${status}.`);
    this.status = status;
    this.code = String(problem.code ?? `http_${status}`);
    this.title = String(problem.title ?? "The server refused");
    this.retryAfterS = retryAfterS;
  }
}

export class Api {
  /**
   * @param {string} base Where the server is; empty for the page's own origin.
   * @param {() => Promise<string | null>} token The bearer token to send, null for none.
   */
  constructor(base, token) {
    this.base = base;
    this.token = token;
  }

  /** Start a run. @param {object} body @param {AbortSignal} signal */
  ask(body, signal) {
    return this.#send("/api/taskmapr/orchestrate", { method: "POST", body, signal });
  }

  /** Follow a run after an event. @param {string} cursor `<run id>:<seq>` @param {AbortSignal} signal */
  resume(cursor, signal) {
    const runId = cursor.split(":")[0];
    const query = new URLSearchParams({ last_event_id: cursor });
    return this.#send(`/api/taskmapr/runs/${runId}/stream?${query}`, { signal });
  }

  /** @param {string} runId */
  cancel(runId) {
    return this.#send(`/api/taskmapr/runs/${runId}/cancel`, { method: "POST", body: {} });
  }

  /** @param {string} approvalId @param {string} decision @param {string} answer */
  answer(approvalId, decision, answer) {
    const body = answer ? { decision, answer } : { decision };
    return this.#send(`/api/taskmapr/approvals/${approvalId}`, { method: "POST", body });
  }

  /**
   * @param {string} path
   * @param {{method?: string, body?: object, signal?: AbortSignal}} how
   * @returns {Promise<Response>} Throws Refused for every status that is no success.
   */
  async #send(path, { method = "GET", body, signal }) {
    /** @type {Record<string, string>} */
    const headers = {};
    const token = await this.token();
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body) headers["Content-Type"] = "application/json";
    const response = await fetch(this.base + path, {
      method,
      headers,
      signal,
      body: body && JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
    });
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    throw new Refused(response.status, problem, Number(response.headers.get("Retry-After") ?? 0));
  }
}
