/* The conversation: questions go out, answers come in, and the page is acted upon. */
import { Actions } from "./actions.js";
import { Answer } from "./answer.js";
import { Api } from "./api.js";
import { Memory } from "./memory.js";
import { ownerOf, subjectOf } from "./owner.js";
import { Panel } from "./panel.js";
import { askingOf, requestBody } from "./request.js";
import { stream } from "./stream.js";
import { troubleOf } from "./trouble.js";
import { Walkthrough } from "./walkthrough.js";

/** @typedef {import("./types.js").Message} Message */

const MEMORY_WARNING = "The server's database is away. It answers, but this conversation may be lost when the server restarts.";

export class Conversation {
  /** @param {HTMLElement} host @param {import("./options.js").Settings} settings */
  constructor(host, settings) {
    this.settings = settings;
    this.end = new AbortController();
    this.api = new Api(settings.endpoint, settings.token, (token) => {
      this.kept.owner ??= settings.user ?? subjectOf(token);
    });
    const key = ["taskmapr.overlay", settings.endpoint, settings.profile, settings.sessionId].filter(Boolean).join(":");
    this.memory = new Memory(key, this.end.signal);
    /** @type {AbortController | null} */
    this.run = null;
    this.panel = this.#panel(host);
    this.actions = new Actions(host, settings, () => this.panel.isSheet);
    this.tour = new Walkthrough(this.actions, this.panel.ui.frame, (tour) => {
      this.memory.kept.tour = tour;
      this.memory.save();
    });
    this.actions.beginTour = (steps) => this.tour.start(steps);
    this.#showPanel();
    /** Until it is known whose conversation this tab has kept. @type {Promise<void> | null} */
    this.recognition = this.#recognise();
    if (!this.recognition) this.#restore();
  }

  get kept() {
    return this.memory.kept;
  }

  /** @param {HTMLElement} host */
  #panel(host) {
    const { settings } = this;
    return new Panel(host, settings, {
      onAsk: (text) => this.ask(text),
      onStop: () => this.stop(),
      onClear: () => this.clear(),
      onEarlier: () => this.#fetchHistory(),
      onRetry: () => this.retry(),
      onAnswer: (id, decision, text) => this.answer(id, decision, text),
      onToggle: (isOpen) => {
        this.kept.isOpen = isOpen;
        this.memory.touch();
      },
      navigate: settings.navigate,
      problemPage: (code) => `${settings.endpoint}/problems/${code}`,
    }, this.end.signal);
  }

  #showPanel() {
    const { kept, panel, settings } = this;
    const isFirst = settings.open ?? (settings.position === "inline" && !panel.isNarrow);
    panel.toggle(kept.isOpen ?? isFirst, { isQuiet: true });
  }

  /** Null when it is known at once: nothing is kept, or the page says who is signed in. */
  #recognise() {
    const { memory, settings } = this;
    if (memory.isEmpty || settings.user !== null) {
      memory.claim(settings.user);
      return null;
    }
    return ownerOf(settings).then((owner) => {
      this.recognition = null;
      if (this.end.signal.aborted) return;
      memory.claim(owner);
      this.#restore();
    });
  }

  /** What a reload or a change of page has interrupted goes on. */
  #restore() {
    const { kept, panel, settings } = this;
    kept.sessionId ??= settings.sessionId;
    kept.messages.forEach((message) => panel.show(message));
    panel.flush();
    panel.offerEarlier(kept.before !== null);
    if (kept.tour) this.tour.show(kept.tour, { isBack: true });
    if (kept.sessionId && !kept.messages.length) this.#fetchHistory();
    this.#resume();
  }

  #resume() {
    const { cursor, asking, messages } = this.kept;
    const message = messages.at(-1);
    const isOpen = message?.role === "assistant" && !message.status;
    if (!isOpen) return;
    if (cursor) this.#follow(message, { cursor });
    else if (asking) this.#follow(message, { asking });
    else this.#ended(message, "failed");
  }

  /** What the server remembers, page by page from the end. */
  async #fetchHistory() {
    const { kept, panel } = this;
    if (!kept.sessionId) return;
    try {
      const found = await this.api.history(kept.sessionId, kept.before);
      if (kept !== this.kept) return; // meanwhile another conversation was begun
      const messages = (found?.messages ?? []).map(remembered);
      kept.messages = [...messages, ...kept.messages];
      kept.before = found?.next_before ?? null;
      panel.prepend(messages);
      panel.offerEarlier(kept.before !== null);
      this.memory.touch();
    } catch (error) {
      panel.setNote(`Earlier messages could not be fetched. ${troubleOf(error).title}`);
    }
  }

  /** @param {string} text */
  async ask(text) {
    if (this.recognition) await this.recognition;
    if (this.run || this.end.signal.aborted) return;
    this.panel.setNote("");
    this.#say("user", text);
    const answer = this.#say("assistant", "");
    // Reserved before the page is read, which may take a moment.
    const run = (this.run = new AbortController());
    this.panel.setBusy(true);
    const body = await requestBody(text, this.kept, this.settings, this.panel.host, this.tour.context);
    this.#tellPage("taskmapr:request", { body });
    this.kept.asking = askingOf(body);
    this.memory.save();
    await this.#follow(answer, { asking: this.kept.asking }, run);
  }

  /** Ask the last question again, in place of the answer that failed. */
  async retry() {
    if (this.run) return;
    const { messages } = this.kept;
    const from = messages.findLastIndex((message) => message.role === "user");
    if (from < 0) return;
    const [{ content }] = messages.slice(from);
    for (const { id } of messages.splice(from)) this.panel.drop(id);
    await this.ask(content);
  }

  /** Stop the run; its stream then ends by itself. */
  async stop() {
    const runId = this.kept.cursor?.split(":")[0];
    if (!runId) return this.run?.abort();
    this.panel.setNote("Stopping…");
    try {
      await this.api.cancel(runId);
    } catch (error) {
      const { title } = troubleOf(error);
      if (this.run) this.panel.setNote(`It could not be stopped. ${title}`);
    }
    return undefined;
  }

  clear() {
    this.tour.end();
    this.memory.clear();
    this.panel.clear();
    this.panel.setNote("");
    this.panel.open();
  }

  /** @param {string} id @param {string} decision @param {string} text */
  async answer(id, decision, text) {
    try {
      await this.api.answer(id, decision, text);
      this.panel.setNote("");
    } catch (error) {
      this.panel.setNote(troubleOf(error).title);
    }
  }

  /** The page is as it was; the run, if there is one, goes on without a reader. */
  destroy() {
    this.memory.save();
    this.tour.end();
    this.end.abort();
    this.run?.abort();
    this.actions.destroy();
    this.panel.root.replaceChildren();
  }

  /**
   * @param {Message} message
   * @param {{asking?: import("./types.js").Asking, cursor?: string}} from
   * @param {AbortController} [run]
   */
  async #follow(message, from, run = new AbortController()) {
    this.run = run;
    const answer = new Answer(message);
    this.panel.setBusy(true);
    this.panel.announce("");
    try {
      const received = stream({
        api: this.api,
        signal: run.signal,
        onStarted: (cursor) => this.#at(cursor),
        onConnection: (isLost) => this.panel.setNote(isLost ? "Connection lost. Trying again…" : ""),
        ...from,
      });
      for await (const one of received) await this.#take(answer, one);
    } catch (error) {
      if (this.end.signal.aborted) return;
      answer.fail(run.signal.aborted ? null : troubleOf(error));
    }
    this.#ended(message, message.status ?? "failed");
  }

  /** @param {Answer} answer @param {import("./types.js").Received} received */
  async #take(answer, { id, frame, raw }) {
    answer.take(frame);
    // Before acting: an action that leaves this page must not be repeated on the next one.
    if (id) this.#at(id);
    if (frame.type === "metadata") this.#warn(frame.data);
    if (frame.type === "complete") this.kept.sessionId = frame.data.sessionId ?? this.kept.sessionId;
    if (frame.type === "actions") {
      this.memory.save();
      answer.acted(await this.actions.perform(frame.data.actions));
    }
    this.panel.show(answer.message);
    this.memory.touch();
    this.#tellPage("taskmapr:frame", { id, frame, raw });
  }

  /** Each warning is shown once in a conversation.
   *  @param {Record<string, any>} data Of a `metadata` frame. */
  #warn({ persistence, warnings }) {
    const { told } = this.kept;
    for (const text of [...(persistence === "memory" ? [MEMORY_WARNING] : []), ...(warnings ?? [])]) {
      if (told.includes(text)) continue;
      told.push(text);
      this.panel.warn(text);
    }
  }

  /** @param {string} cursor */
  #at(cursor) {
    this.kept.cursor = cursor;
    this.kept.asking = null;
    this.memory.touch();
  }

  /** @param {Message} message @param {string} status */
  #ended(message, status) {
    message.status = status;
    this.run = null;
    this.kept.cursor = null;
    this.kept.asking = null;
    this.memory.save();
    this.panel.show(message);
    this.panel.flush();
    this.panel.setBusy(false);
    this.panel.setNote("");
    this.panel.announce(message.trouble ? `Error: ${message.trouble.title} ${message.trouble.advice}` : `Answer ${status}. ${message.content}`);
  }

  /** @param {Message["role"]} role @param {string} content */
  #say(role, content) {
    const now = new Date();
    /** @type {Message} */
    const message = {
      id: `${role}-${now.getTime() + (role === "assistant" ? 1 : 0)}`,
      role,
      content,
      timestamp: now.toISOString(),
      parts: content ? [{ kind: "text", text: content }] : [],
    };
    this.kept.messages.push(message);
    this.memory.touch();
    this.panel.show(message);
    this.panel.flush();
    return message;
  }

  /** @param {string} name @param {object} detail */
  #tellPage(name, detail) {
    this.panel.host.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
  }
}

/** @param {any} message As the server's history has it. @returns {Message} */
function remembered({ id, role, content, timestamp, partial }) {
  const status = role === "assistant" ? { status: partial ? "cancelled" : "succeeded" } : {};
  return { id, role, content, timestamp, parts: content ? [{ kind: "text", text: content }] : [], ...status };
}
