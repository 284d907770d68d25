/* Server-sent events read from a fetch response. EventSource cannot be used: it cannot POST. */

/** Milliseconds without a byte after which a connection counts as lost; heartbeats come oftener. */
const SILENCE_MS = 45_000;

/**
 * @param {Response} response
 * @returns {AsyncGenerator<import("./types.js").Received>}
 */
export async function* receive(response) {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await soon(reader.read());
      if (done) return;
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const received = read(block);
        if (received) yield received;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @param {string} block @returns {import("./types.js").Received | null} */
function read(block) {
  let id = null;
  let data = "";
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith("id: ")) id = line.slice(4);
    if (line.startsWith("data: ")) data += line.slice(6);
  }
  if (!data) return null;
  try {
    return { id, frame: JSON.parse(data), raw: data };
  } catch {
    console.warn("taskmapr: a frame is not JSON", data.slice(0, 200));
    return null;
  }
}

/** @template T @param {Promise<T>} promise @returns {Promise<T>} */
function soon(promise) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new TypeError("the stream is silent")), SILENCE_MS);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
