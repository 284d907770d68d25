/* What the panel is made of, before anything was said. */
import { button, drawing, element, iconButton } from "./elements.js";

/**
 * @param {import("./options.js").Settings} settings
 * @param {{onLaunch: () => void, onFold: () => void, onOffer: (text: string) => void,
 *          onFresh: () => void, onEarlier: () => void, onStop: () => void}} on
 */
export function furniture({ title, greeting, suggestions, hotkey }, on) {
  const launcher = button("", on.onLaunch, { class: "tm-button tm-overlay-launcher" });
  launcher.append(drawing("chat"), element("span", {}, title));
  const fresh = iconButton("fresh", "New conversation", on.onFresh);
  const note = element("p", { class: "tm-overlay-note", hidden: true, role: "status" });
  const warnings = element("div", {});
  const earlier = button("Earlier messages", on.onEarlier, { "data-kind": "quiet", hidden: true });
  const list = element("ol", { class: "tm-overlay-list", "aria-label": "Conversation" });
  const offers = suggestions.map((text) => button(text, () => on.onOffer(text), { "data-kind": "offer" }));
  const empty = element("div", { class: "tm-overlay-empty" }, element("p", {}, greeting), ...offers);
  const scroller = element(
    "div",
    { class: "tm-overlay-scroller", tabindex: "0", role: "group", "aria-label": "What was said" },
    earlier,
    empty,
    list,
  );
  const placeholder = hotkey ? `Ask about this page (press ${hotkey})` : "Ask about this page";
  const input = element("textarea", { rows: "1", "aria-label": "Question", placeholder, maxlength: "32000" });
  const send = iconButton("send", "Send", () => {}, { type: "submit", "data-kind": "main" });
  const stop = iconButton("stop", "Stop (Esc)", on.onStop, { hidden: true });
  const form = element("form", { class: "tm-overlay-form" }, input, send, stop);
  const live = element("p", { class: "tm-visually-hidden", role: "status" });
  const head = element(
    "header",
    { class: "tm-overlay-head" },
    element("h2", {}, title),
    fresh,
    iconButton("close", "Close (Esc)", on.onFold),
  );
  const body = element("section", { class: "tm-overlay-body", "aria-label": title }, head, note, warnings, scroller, form);
  const frame = element("div", { class: "tm-overlay" }, launcher, body, live);
  return { launcher, fresh, note, warnings, earlier, list, empty, scroller, input, send, stop, form, live, body, frame };
}
