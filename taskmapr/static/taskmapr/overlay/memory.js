/* The conversation of this tab. It is kept in one piece, so that what is shown and the place in
   the stream always belong together. */

const MAX_MESSAGES = 60;
const SAVE_EVERY_MS = 250;

export class Memory {
  /** @param {string} key */
  constructor(key) {
    this.key = key;
    /** @type {string | null} */
    this.sessionId = null;
    /** @type {import("./types.js").Message[]} */
    this.messages = [];
    /** Where the open run's stream is: `<run id>:<seq>`. @type {string | null} */
    this.cursor = null;
    /** @type {number | undefined} */
    this.timer = undefined;
    this.#load();
    window.addEventListener("pagehide", () => this.save());
  }

  /** Save soon; frames come faster than it would be good to write. */
  touch() {
    this.timer ??= window.setTimeout(() => this.save(), SAVE_EVERY_MS);
  }

  save() {
    window.clearTimeout(this.timer);
    this.timer = undefined;
    this.messages = this.messages.slice(-MAX_MESSAGES);
    const { sessionId, messages, cursor } = this;
    try {
      sessionStorage.setItem(this.key, JSON.stringify({ sessionId, messages, cursor }));
    } catch (error) {
      console.warn("taskmapr: the conversation could not be kept for a reload", error);
    }
  }

  clear() {
    this.sessionId = null;
    this.messages = [];
    this.cursor = null;
    this.save();
  }

  #load() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(this.key) ?? "{}");
      this.sessionId = kept.sessionId ?? null;
      this.messages = kept.messages ?? [];
      this.cursor = kept.cursor ?? null;
    } catch {
      sessionStorage.removeItem(this.key);
    }
  }
}
