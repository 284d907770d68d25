/* An answer as it is read: Markdown drawn block by block while it grows. */
import { copyButton, element } from "./elements.js";
import { blocksOf } from "./markdown_blocks.js";
import { inline } from "./markdown_inline.js";

export class MarkdownView {
  constructor() {
    this.node = element("div", { class: "tm-overlay-text" });
    /** What each child was drawn from. @type {string[]} */
    this.drawn = [];
  }

  /** Only blocks that have changed are drawn again, so nothing jumps and what is selected stays.
   *  @param {string} text @param {boolean} isOpen More will follow. */
  update(text, isOpen) {
    const blocks = blocksOf(text, isOpen);
    blocks.forEach((block, index) => {
      const key = JSON.stringify(block);
      if (this.drawn[index] === key) return;
      this.drawn[index] = key;
      const old = this.node.children[index];
      if (!old) this.node.append(drawBlock(block));
      else if (!grown(old, block)) old.replaceWith(drawBlock(block));
    });
    while (this.node.children.length > blocks.length) this.node.lastElementChild?.remove();
    this.drawn.length = blocks.length;
  }
}

/** A long piece of code grows in place: it keeps its scroll and its button.
 *  @param {Element} node @param {import("./markdown_blocks.js").Block} block */
function grown(node, block) {
  const code = block.kind === "code" && node.matches(".tm-code") && node.querySelector("code");
  if (!code || node.getAttribute("data-language") !== block.language) return false;
  code.textContent = block.text;
  return true;
}

/** @param {import("./markdown_blocks.js").Block} block @returns {HTMLElement} */
function drawBlock(block) {
  const { isOpen } = block;
  switch (block.kind) {
    case "code":
      return codeBlock(block.text, block.language);
    case "heading":
      // The panel's own title is a level 2.
      return element(/** @type {"h3"} */ (`h${Math.min(block.level + 2, 6)}`), {}, ...inline(block.text, isOpen));
    case "rule":
      return element("hr");
    case "quote":
      return element("blockquote", {}, ...block.blocks.map(drawBlock));
    case "list":
      return drawList(block.start, block.items);
    case "table":
      return drawTable(block);
    default:
      return element("p", {}, ...inline(block.text, isOpen));
  }
}

/** @param {string} text @param {string} [language] */
export function codeBlock(text, language = "") {
  const code = element("code", {}, text);
  const head = element("div", { class: "tm-code-head" }, element("span", {}, language), copyButton(() => code.textContent ?? ""));
  return element("div", { class: "tm-code", "data-language": language }, head, element("pre", { tabindex: "0" }, code));
}

/** @param {number | null} start @param {import("./markdown_blocks.js").Block[][]} items */
function drawList(start, items) {
  const drawn = items.map((blocks) => element("li", {}, ...blocks.flatMap(itemNodes)));
  return start === null ? element("ul", {}, ...drawn) : element("ol", { start: String(start) }, ...drawn);
}

/** @param {import("./markdown_blocks.js").Block} block @param {number} index */
function itemNodes(block, index) {
  if (block.kind !== "paragraph" || index > 0) return [drawBlock(block)];
  const [, mark, text] = /^\[([ xX])\] ([^]*)$/.exec(block.text) ?? [];
  if (!mark) return inline(block.text, block.isOpen);
  return [mark === " " ? "☐ " : "☑ ", ...inline(text, block.isOpen)];
}

/** @param {Extract<import("./markdown_blocks.js").Block, {kind: "table"}>} table */
function drawTable({ head, align, rows, isOpen }) {
  const cell = (/** @type {"th" | "td"} */ tag, /** @type {string} */ text, /** @type {number} */ column) =>
    element(tag, { "data-align": align[column] ?? "left", ...(tag === "th" ? { scope: "col" } : {}) }, ...inline(text, isOpen));
  const body = rows.map((row) => element("tr", {}, ...head.map((_, column) => cell("td", row[column] ?? "", column))));
  const top = element("thead", {}, element("tr", {}, ...head.map((text, column) => cell("th", text, column))));
  const whole = element("table", {}, top, element("tbody", {}, ...body));
  return element("div", { class: "tm-table-frame", tabindex: "0", role: "group", "aria-label": "Table" }, whole);
}
