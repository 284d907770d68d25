/* What is sent: the question, and the page around it. */
import { pageContext, snapshot } from "./snapshot.js";

/** What the page has to say must not keep a question waiting longer. */
const CONTEXT_WITHIN_MS = 3_000;

/**
 * The body as the server's other clients send it, with the question and an empty answer at the end
 * of the history.
 * @param {string} prompt
 * @param {import("./memory.js").Kept} kept
 * @param {import("./options.js").Settings} settings
 * @param {Element} host The panel, which the assistant must not see.
 * @param {object | null} tour The walkthrough that is on.
 */
export async function requestBody(prompt, kept, settings, host, tour) {
  const history = kept.messages.map(({ id, role, content, timestamp }) => ({ id, role, content, timestamp }));
  return {
    prompt,
    history,
    domElements: snapshot(host, settings.snapshot),
    pageContext: pageContext(),
    timestamp: new Date().toISOString(),
    customContext: { ...(await contextOf(settings)), ...(tour ? { activeWalkthrough: tour } : {}) },
    ...(kept.sessionId ? { sessionId: kept.sessionId } : {}),
    ...(settings.profile ? { profile: settings.profile } : {}),
  };
}

/** To be sent as often as it takes. Unlike randomUUID this works on pages without TLS, too.
 *  @param {object} body @returns {import("./types.js").Asking} */
export function askingOf(body) {
  const bytes = [...crypto.getRandomValues(new Uint8Array(16))];
  return { key: bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(""), body: JSON.stringify(body) };
}

/** What the page wants the model to know. A page that cannot say it does not stop the question.
 *  @param {import("./options.js").Settings} settings @returns {Promise<object>} */
async function contextOf({ customContext }) {
  if (typeof customContext !== "function") return customContext;
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("took too long")), CONTEXT_WITHIN_MS));
  try {
    return /** @type {object} */ (await Promise.race([customContext(), late]));
  } catch (error) {
    console.warn("taskmapr: customContext failed", error);
    return {};
  }
}
