/* An answer while it grows: frames go in, the message changes. */
import { troubleOfFrame } from "./trouble.js";

export class Answer {
  /** @param {import("./types.js").Message} message Empty, or what a reload has kept of it. */
  constructor(message) {
    this.message = message;
  }

  /** Frames of kinds that are not known here change nothing.
   *  @param {import("./types.js").Frame} frame */
  take({ type, run_id: runId, data }) {
    this.message.runId = runId ?? this.message.runId;
    switch (type) {
      case "text_delta":
        this.message.content += data.delta;
        break;
      case "reasoning_delta":
        this.message.reasoning = (this.message.reasoning ?? "") + data.delta;
        break;
      case "tool_call_started":
        this.#call(data.call_id, { name: data.name, args: data.args });
        break;
      case "tool_call_completed":
        this.#call(data.call_id, {
          name: data.name, ok: data.ok, durationMs: data.duration_ms, result: data.result, error: data.error,
        });
        break;
      case "approval_requested":
        this.#question(data.approval_id, {
          asks: data.asks, tool: data.tool_name, prompt: data.prompt, args: data.args,
        });
        break;
      case "approval_resolved":
        this.#question(data.approval_id, { decision: data.decision });
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
    this.message.acted = [...(this.message.acted ?? []), ...lines];
  }

  /** The stream ended without its last frame. @param {import("./types.js").Trouble | null} trouble */
  fail(trouble) {
    this.message.status = trouble ? "failed" : "cancelled";
    if (trouble) this.message.trouble = trouble;
  }

  /** @param {string} id @param {Partial<import("./types.js").ToolCall>} changes */
  #call(id, changes) {
    this.message.calls = merged(this.message.calls ?? [], id, changes);
  }

  /** @param {string} id @param {Partial<import("./types.js").Question>} changes */
  #question(id, changes) {
    this.message.questions = merged(this.message.questions ?? [], id, changes);
  }
}

/** The list with one member changed, or added at the end.
 *  @param {any[]} list @param {string} id @param {object} changes */
function merged(list, id, changes) {
  const known = list.some((member) => member.id === id);
  if (!known) return [...list, { id, ...changes }];
  return list.map((member) => (member.id === id ? { ...member, ...changes } : member));
}
