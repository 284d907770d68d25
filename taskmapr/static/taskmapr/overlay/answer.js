/* An answer while it grows: frames go in, the message changes. */
import { troubleOfFrame } from "./trouble.js";

/** @typedef {import("./types.js").Part} Part */

export class Answer {
  /** @param {import("./types.js").Message} message Empty, or what a reload has kept of it. */
  constructor(message) {
    this.message = message;
  }

  /** Frames of kinds that are not known here change nothing.
   *  @param {import("./types.js").Frame} frame */
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

  /** @param {string[]} lines What was done on the page. */
  acted(lines) {
    if (lines.length) this.#add({ kind: "acted", lines });
  }

  /** The stream ended without its last frame. @param {import("./types.js").Trouble | null} trouble */
  fail(trouble) {
    this.message.status = trouble ? "failed" : "cancelled";
    if (trouble) this.message.trouble = trouble;
  }

  /** @param {Part} part */
  #add(part) {
    this.message.parts.push(part);
  }

  /** Add to the last part, or begin one.
   *  @param {import("./types.js").TextPart | import("./types.js").ReasoningPart} begun
   *  @param {string} delta */
  #grow(begun, delta) {
    const { parts } = this.message;
    const last = parts.at(-1);
    const goesOn = last?.kind === "text" || last?.kind === "reasoning";
    if (goesOn && last.kind === begun.kind) parts[parts.length - 1] = { ...last, text: last.text + delta };
    else this.#add({ ...begun, text: delta });
  }

  /** @param {string} endedAt */
  #thought(endedAt) {
    const { parts } = this.message;
    const index = parts.findLastIndex((part) => part.kind === "reasoning");
    const part = parts[index];
    if (part?.kind !== "reasoning") return;
    const ms = Math.max(0, Date.parse(endedAt) - Date.parse(part.startedAt));
    if (part.text) parts[index] = { ...part, ms };
    else parts.splice(index, 1); // a model that thinks in secret
  }

  /** The part with this id changed, or added at the end.
   *  @param {"call" | "question"} kind @param {string} id @param {object} changes */
  #merge(kind, id, changes) {
    const { parts } = this.message;
    const index = parts.findIndex((part) => part.kind === kind && part.id === id);
    const part = /** @type {Part} */ ({ ...parts[index], kind, id, ...changes });
    if (index < 0) this.#add(part);
    else parts[index] = part;
  }
}
