/* The overlay: a panel that asks TaskMapr about the page around it and does what the answer says.
   A page calls `mountOverlay`; everything else here is in overlay/. */
import { Actions } from "./overlay/actions.js";
import { Api } from "./overlay/api.js";
import { Answer } from "./overlay/answer.js";
import { Memory } from "./overlay/memory.js";
import { Panel } from "./overlay/panel.js";
import { pageContext, snapshot } from "./overlay/snapshot.js";
import { stream } from "./overlay/stream.js";
import { troubleOf } from "./overlay/trouble.js";

/**
 * @param {HTMLElement} host The element that becomes the panel.
 * @param {object} [options]
 * @param {string} [options.base] Where TaskMapr is; empty for the page's own origin.
 * @param {() => Promise<string | null>} [options.token] The bearer token, null for none.
 * @param {(path: string) => boolean} [options.navigate] The page's own navigation.
 * @returns {Overlay}
 */
export function mountOverlay(host, { base = "", token = async () => null, navigate = () => false } = {}) {
  return new Overlay(host, new Api(base, token), navigate);
}

class Overlay {
  /** @param {HTMLElement} host @param {Api} api @param {(path: string) => boolean} navigate */
  constructor(host, api, navigate) {
    this.api = api;
    this.memory = new Memory("taskmapr.overlay");
    this.actions = new Actions(host, navigate);
    /** @type {AbortController | null} */
    this.run = null;
    this.panel = new Panel(host, {
      onAsk: (text) => this.ask(text),
      onStop: () => this.stop(),
      onClear: () => this.clear(),
      onRetry: () => this.retry(),
      onAnswer: (question, decision, text) => this.answer(question, decision, text),
    });
    this.memory.messages.forEach((message) => this.panel.show(message));
    this.#resume();
  }

  /** @param {string} text */
  async ask(text) {
    if (this.run) return;
    this.#say("user", text);
    const answer = this.#say("assistant", "");
    await this.#follow(answer, { body: this.#request(text) });
  }

  /** Ask the last question again. */
  async retry() {
    const last = this.memory.messages.findLast((message) => message.role === "user");
    if (last) await this.ask(last.content);
  }

  /** Stop the run; its stream then ends by itself. */
  async stop() {
    const runId = this.memory.cursor?.split(":")[0];
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
    this.actions.walkthrough.end();
    this.memory.clear();
    this.panel.clear();
    this.panel.open();
  }

  /** @param {import("./overlay/types.js").Question} question @param {string} decision @param {string} text */
  async answer(question, decision, text) {
    try {
      await this.api.answer(question.id, decision, text);
      this.panel.setNote("");
    } catch (error) {
      this.panel.setNote(troubleOf(error).title);
    }
  }

  /** Go on with the answer that a reload or a change of page has interrupted. */
  #resume() {
    const message = this.memory.messages.at(-1);
    const isOpen = message?.role === "assistant" && !message.status;
    if (!isOpen) return;
    if (this.memory.cursor) this.#follow(message, { cursor: this.memory.cursor });
    else this.#ended(message, "failed"); // the page was left before the run had a name
  }

  /**
   * @param {import("./overlay/types.js").Message} message
   * @param {{body?: object, cursor?: string}} from
   */
  async #follow(message, from) {
    const run = (this.run = new AbortController());
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
      for await (const { id, frame } of received) await this.#take(answer, id, frame);
    } catch (error) {
      answer.fail(run.signal.aborted ? null : troubleOf(error));
    }
    this.#ended(message, message.status ?? "failed");
  }

  /**
   * @param {Answer} answer
   * @param {string | null} id
   * @param {import("./overlay/types.js").Frame} frame
   */
  async #take(answer, id, frame) {
    answer.take(frame);
    // Before acting: an action that leaves this page must not be repeated on the next one.
    if (id) this.#at(id);
    if (frame.type === "complete") this.memory.sessionId = frame.data.sessionId ?? this.memory.sessionId;
    if (frame.type === "actions") {
      this.memory.save();
      answer.acted(await this.actions.perform(frame.data.actions));
    }
    this.panel.show(answer.message);
    this.memory.touch();
    this.panel.host.dispatchEvent(new CustomEvent("taskmapr:frame", { detail: frame, bubbles: true }));
  }

  /** @param {string} cursor */
  #at(cursor) {
    this.memory.cursor = cursor;
    this.memory.touch();
  }

  /** @param {import("./overlay/types.js").Message} message @param {string} status */
  #ended(message, status) {
    message.status = status;
    this.run = null;
    this.memory.cursor = null;
    this.memory.save();
    this.panel.show(message);
    this.panel.setBusy(false);
    this.panel.setNote("");
    this.panel.announce(message.trouble ? `Error: ${message.trouble.title}` : `Answer ${status}. ${message.content}`);
  }

  /** @param {"user" | "assistant"} role @param {string} content */
  #say(role, content) {
    const now = new Date();
    const message = { id: `${role}-${now.getTime() + (role === "assistant" ? 1 : 0)}`, role, content, timestamp: now.toISOString() };
    this.memory.messages.push(message);
    this.memory.touch();
    this.panel.show(message);
    return message;
  }

  /** The body as the server's other clients send it, with the question and an empty answer at the
   *  end of the history. @param {string} prompt */
  #request(prompt) {
    const tour = this.actions.walkthrough.context;
    const history = this.memory.messages.map(({ id, role, content, timestamp }) => ({ id, role, content, timestamp }));
    return {
      prompt,
      history,
      domElements: snapshot(this.panel.host),
      pageContext: pageContext(),
      timestamp: new Date().toISOString(),
      customContext: tour ? { activeWalkthrough: tour } : {},
      ...(this.memory.sessionId ? { sessionId: this.memory.sessionId } : {}),
    };
  }
}
