/* The conversation of this tab. It is kept in one piece, so that what is shown and the place in
   the stream always belong together. */

const MAX_MESSAGES = 60;
const SAVE_EVERY_MS = 250;
/** Changes when the shape of what is kept changes; anything older is forgotten. */
const SHAPE = 3;

/**
 * @typedef {object} Kept
 * @property {string | null} owner Whose conversation it is; null when nobody can tell.
 * @property {string | null} sessionId
 * @property {import("./types.js").Message[]} messages
 * @property {string | null} before Where earlier messages can be asked for.
 * @property {string | null} cursor Where the open run's stream is: `<run id>:<seq>`.
 * @property {import("./types.js").Asking | null} asking Sent, and no run known yet.
 * @property {import("./types.js").Tour | null} tour
 * @property {string[]} told Warnings that were shown already.
 * @property {boolean | null} isOpen The panel, as the reader left it.
 */

/** @returns {Kept} */
const nothing = () => ({
  owner: null, sessionId: null, messages: [], before: null, cursor: null, asking: null, tour: null, told: [], isOpen: null,
});

export class Memory {
  /** @param {string} key @param {AbortSignal} life */
  constructor(key, life) {
    this.key = key;
    /** @type {number | undefined} */
    this.timer = undefined;
    this.kept = this.#load();
    window.addEventListener("pagehide", () => this.save(), { signal: life });
  }

  /** Save soon; frames come faster than it would be good to write. */
  touch() {
    this.timer ??= window.setTimeout(() => this.save(), SAVE_EVERY_MS);
  }

  save() {
    window.clearTimeout(this.timer);
    this.timer = undefined;
    this.kept.messages = this.kept.messages.slice(-MAX_MESSAGES);
    try {
      sessionStorage.setItem(this.key, JSON.stringify({ shape: SHAPE, ...this.kept }));
    } catch (error) {
      console.warn("taskmapr: the conversation could not be kept for a reload", error);
    }
  }

  get isEmpty() {
    return !this.kept.messages.length && this.kept.sessionId === null;
  }

  /** What another user has left behind is forgotten. @param {string | null} owner */
  claim(owner) {
    if (this.kept.owner === owner) return;
    if (!this.isEmpty) this.clear();
    this.kept.owner = owner;
    this.save();
  }

  /** Everything but how the reader likes the panel. */
  clear() {
    const { isOpen, owner } = this.kept;
    this.kept = { ...nothing(), isOpen, owner };
    this.save();
  }

  /** @returns {Kept} */
  #load() {
    try {
      const { shape, ...kept } = JSON.parse(sessionStorage.getItem(this.key) ?? "{}");
      return shape === SHAPE ? { ...nothing(), ...kept } : nothing();
    } catch {
      return nothing();
    }
  }
}
