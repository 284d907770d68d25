/* Calls of the task queue, in the name of whoever is signed in here. */
import { tokenOf } from "../page_token.js";

/** @typedef {{name: string, url: string, kind: string, timestamp: string, width: number | null, height: number | null, expired?: boolean}} Screenshot */
/** @typedef {{name: string, url: string, size: number, mime: string, sha256: string | null, expired?: boolean}} Download */
/** @typedef {{timestamp: string, level: string, message: string, attempt: number}} Line */
/** @typedef {{code: string, message: string}} Failure */
/** What a person is asked while the task waits.
 *  @typedef {{prompt: string, args: Record<string, unknown>, expires_at: string}} Confirmation */
/** What `/result/` answers, in the lists and on the socket as well.
 *  @typedef {{task_id: string, task_type: string, status: string, ready: boolean, result: unknown, error: Failure | null,
 *    message: string, progress: {percent: number, text: string} | null, attempts: number, logs: Line[],
 *    screenshots: Screenshot[], downloads: Download[], created_at: string, duration_ms: number | null,
 *    details: {confirmation?: Confirmation}}} Task */
/** @typedef {{type?: string | string[], title?: string, description?: string, default?: unknown, enum?: unknown[], minimum?: number,
 *    maximum?: number, items?: Schema, properties?: Record<string, Schema>, required?: string[]}} Schema */
/** @typedef {{name: string, title: string, description: string, params_schema: Schema, example: Record<string, unknown>,
 *    defaults: Record<string, unknown>, enabled: boolean, danger: string}} TaskType */

/** What the server said went wrong. */
export class Refused extends Error {
  /** @param {{code?: string, detail?: string}} problem */
  constructor({ code, detail }) {
    super(detail ?? "The server did not answer as expected.");
    this.code = code ?? "";
  }
}

export class TaskApi {
  /** @param {string} tokenUrl */
  constructor(tokenUrl) {
    this.token = tokenOf(tokenUrl);
  }

  /** @returns {Promise<TaskType[]>} */
  async types() {
    return (await this.#call("GET", "/tasks/")).tasks;
  }

  /** @returns {Promise<Task[]>} */
  async recent() {
    return (await this.#call("GET", "/tasks/runs/?limit=10")).items;
  }

  /** @param {string} type @param {Record<string, unknown>} params @returns {Promise<string>} Its id. */
  async assign(type, params) {
    return (await this.#call("POST", "/assign-task/", { task_type: type, params })).task_id;
  }

  /** @param {string} id @returns {Promise<string>} The id of the new one. */
  async retry(id) {
    return (await this.#call("POST", `/tasks/${id}/retry`, {})).task_id;
  }

  /** Say yes or no to a task that waits for it. @param {string} id @param {boolean} approve */
  async confirm(id, approve) {
    await this.#call("POST", `/tasks/${id}/confirm`, { approve });
  }

  /** @param {"GET" | "POST"} method @param {string} path @param {unknown} [body] @returns {Promise<any>} */
  async #call(method, path, body, isRefused = false) {
    const token = await this.token({ isRefused });
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "omit" });
    if (response.status === 401 && token && !isRefused) return this.#call(method, path, body, true);
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Refused(answer);
    return answer;
  }
}
