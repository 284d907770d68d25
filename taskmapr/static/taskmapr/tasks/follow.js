/* One task's socket: comes back by itself, from the last number that it has seen. */

const AGAIN_MS = [500, 1_000, 2_000, 5_000];
const DONE = 1000;
/** Coming back would change nothing. */
const REFUSED = new Map([
  [4401, "Sign in to follow this task."],
  [4400, "The number of an event that it should go on from is none."],
  [4404, "There is no such task, or it is not yours."],
  [4429, "Too many tasks are being followed at once. Close another page first."],
]);

/** @typedef {{type: string, seq: number, status: string, timestamp: string, data: any}} Message */

export class Follower {
  #seq = 0;
  #failures = 0;
  #isOver = false;
  /** @type {WebSocket | null} */
  #socket = null;

  /** @param {string} taskId @param {(how: {isRefused: boolean}) => Promise<string | null>} token
   *  @param {(message: Message) => void} hear @param {(trouble: string) => void} tell Empty: all is well again. */
  constructor(taskId, token, hear, tell) {
    this.taskId = taskId;
    this.token = token;
    this.hear = hear;
    this.tell = tell;
    this.#open();
  }

  cancel() {
    this.#socket?.send(JSON.stringify({ type: "cancel" }));
  }

  stop() {
    this.#isOver = true;
    this.#socket?.close();
  }

  async #open() {
    const token = await this.token({ isRefused: this.#failures > 0 });
    if (this.#isOver) return;
    const address = new URL(`/ws/task/${this.taskId}?after=${this.#seq}`, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    this.#socket = socket;
    // In the first message, because an address ends up in logs.
    socket.addEventListener("open", () => token && socket.send(JSON.stringify({ type: "auth", token })));
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(data)));
    socket.addEventListener("close", ({ code }) => this.#closed(code));
  }

  /** @param {Message} message */
  #take(message) {
    this.#failures = 0;
    this.tell("");
    if (message.type === "ping") return;
    // A snapshot after coming back repeats what is known.
    if (message.type === "snapshot" && this.#seq > 0) return;
    this.#seq = Math.max(this.#seq, message.seq);
    this.hear(message);
  }

  /** @param {number} code */
  #closed(code) {
    if (this.#isOver || code === DONE) return;
    const refused = REFUSED.get(code);
    if (refused) return this.tell(refused);
    const wait = AGAIN_MS[Math.min(this.#failures++, AGAIN_MS.length - 1)];
    this.tell("The connection was lost. The task goes on; connecting again…");
    setTimeout(() => this.#open(), wait);
  }
}
