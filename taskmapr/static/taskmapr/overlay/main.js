/* The overlay: a panel that asks TaskMapr about the page around it and does what the answer says.
   A page mounts it with one script tag that has a `data-endpoint`, or imports `mountOverlay`. */
import { Conversation } from "./conversation.js";
import { optionsOf, settingsOf } from "./options.js";

/**
 * @typedef {object} Overlay
 * @property {HTMLElement} host The element with the panel; it tells `taskmapr:frame`, `taskmapr:request`.
 * @property {() => void} open Opens the panel, with the focus in the question.
 * @property {() => void} close
 * @property {(text: string) => Promise<void>} ask Done when the answer is. Nothing while one is given.
 * @property {() => Promise<void>} stop
 * @property {(theme: "auto" | "light" | "dark") => void} setTheme
 * @property {() => void} destroy
 */

/**
 * Put the assistant on this page.
 * @param {import("./types.js").Options} [options]
 * @returns {Overlay} Throws TypeError when an option makes no sense.
 */
export function mountOverlay(options = {}) {
  const settings = settingsOf(options);
  const host = settings.host ?? document.body.appendChild(document.createElement("taskmapr-overlay"));
  const conversation = new Conversation(host, settings);
  const { panel } = conversation;
  return {
    host,
    open: () => panel.open(),
    close: () => panel.toggle(false),
    ask: (text) => conversation.ask(text),
    stop: async () => conversation.stop(),
    setTheme: (theme) => panel.dress(theme),
    destroy: () => {
      conversation.destroy();
      if (!settings.host) host.remove();
    },
  };
}

/** The script tag that this module came from, if it says where to ask. */
function ownTag() {
  return [...document.scripts].find((tag) => tag.src === import.meta.url && tag.dataset.endpoint !== undefined);
}

const tag = ownTag();
if (tag) {
  const mounted = mountOverlay(optionsOf(tag.dataset));
  Object.assign(window, { taskmapr: mounted });
  window.dispatchEvent(new CustomEvent("taskmapr:ready", { detail: mounted }));
}
