/* Markdown as models write it, first half: which lines belong together. Pure; no HTML is known. */

/**
 * @typedef {{kind: "paragraph", text: string, isOpen?: boolean}
 *   | {kind: "heading", level: number, text: string, isOpen?: boolean}
 *   | {kind: "code", language: string, text: string, isOpen?: boolean}
 *   | {kind: "rule", isOpen?: boolean}
 *   | {kind: "quote", blocks: Block[], isOpen?: boolean}
 *   | {kind: "list", start: number | null, items: Block[][], isOpen?: boolean}
 *   | {kind: "table", head: string[], align: string[], rows: string[][], isOpen?: boolean}} Block
 *   `isOpen`: more of it may come. `start` is null for lists without numbers.
 * @typedef {[Block, number] | null} Found A block and the line after it.
 */

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})(?:\s+(.*?))?(?:\s+#+)?\s*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}> ?/;
const MARK = /^ {0,3}([-*+]|\d{1,9}[.)])(?: {1,4}|\s*$)/;
const DELIMITERS = /^[\s|:-]*-[\s|:-]*$/;
const MAX_DEPTH = 8;

/**
 * @param {string} text
 * @param {boolean} [isOpen] More text will follow: what is begun counts as meant.
 * @returns {Block[]}
 */
export function blocksOf(text, isOpen = false) {
  return blocksOfLines(text.replace(/\r\n?/g, "\n").split("\n"), isOpen, 0);
}

/** @param {string[]} lines @param {boolean} isOpen @param {number} depth @returns {Block[]} */
function blocksOfLines(lines, isOpen, depth) {
  const rules = depth < MAX_DEPTH ? [fence, heading, rule, quote, list, table] : [];
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (!lines[at].trim()) {
      at += 1;
      continue;
    }
    /** @type {Found} */
    let found = null;
    for (const find of rules) found ??= find(lines, at, isOpen, depth);
    const [block, next] = found ?? paragraph(lines, at);
    if (isOpen && next >= lines.length) block.isOpen = true;
    blocks.push(block);
    at = next;
  }
  return blocks;
}

/** @param {string[]} lines @param {number} at @param {boolean} isOpen @returns {Found} */
function fence(lines, at, isOpen) {
  const [, marks, language] = FENCE.exec(lines[at]) ?? [];
  if (!marks) return null;
  const isEnd = (/** @type {string} */ line) => line.trim().startsWith(marks) && !line.trim().replaceAll(marks[0], "");
  let end = at + 1;
  while (end < lines.length && !isEnd(lines[end])) end += 1;
  const body = lines.slice(at + 1, end);
  // The first marks of an end that is still coming.
  if (isOpen && end >= lines.length && /^[`~]{1,2}$/.test(body.at(-1) ?? "")) body.pop();
  return [{ kind: "code", language, text: body.join("\n") }, end + 1];
}

/** @param {string[]} lines @param {number} at @returns {Found} */
function heading(lines, at) {
  const [, marks, text = ""] = HEADING.exec(lines[at]) ?? [];
  return marks ? [{ kind: "heading", level: marks.length, text }, at + 1] : null;
}

/** @param {string[]} lines @param {number} at @returns {Found} */
function rule(lines, at) {
  return RULE.test(lines[at]) ? [{ kind: "rule" }, at + 1] : null;
}

/** @param {string[]} lines @param {number} at @param {boolean} isOpen @param {number} depth
 *  @returns {Found} */
function quote(lines, at, isOpen, depth) {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  if (end === at) return null;
  const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
  return [{ kind: "quote", blocks: blocksOfLines(inner, isOpen && end >= lines.length, depth + 1) }, end];
}

/** @param {string[]} lines @param {number} at @param {boolean} isOpen @param {number} depth
 *  @returns {Found} */
function list(lines, at, isOpen, depth) {
  const first = MARK.exec(lines[at])?.[1];
  if (!first) return null;
  const isNumbered = first.length > 1;
  /** @type {string[][]} */
  const items = [];
  let next = at;
  for (let start = at; isItem(lines[start], isNumbered); start = skipBlank(lines, next)) {
    next = itemEnd(lines, start);
    items.push(itemLines(lines, start, next));
  }
  const isLast = isOpen && next >= lines.length;
  const inside = items.map((own, n) => blocksOfLines(own, isLast && n === items.length - 1, depth + 1));
  return [{ kind: "list", start: isNumbered ? parseInt(first, 10) : null, items: inside }, next];
}

/** @param {string | undefined} line @param {boolean} isNumbered */
function isItem(line, isNumbered) {
  if (line === undefined || RULE.test(line)) return false;
  const mark = MARK.exec(line)?.[1] ?? "";
  return mark !== "" && mark.length > 1 === isNumbered;
}

/** The line after an item: it goes on over lines that are indented, or that just go on.
 *  @param {string[]} lines @param {number} start */
function itemEnd(lines, start) {
  let end = start + 1;
  while (end < lines.length) {
    const following = skipBlank(lines, end);
    if (following >= lines.length) break;
    const isIndented = indentOf(lines[following]) >= 2;
    const goesOn = following === end && !beginsBlock(lines[end]);
    if (!isIndented && !goesOn) break;
    end = following + 1;
  }
  return end;
}

/** Without the mark and the indent that it asks for.
 *  @param {string[]} lines @param {number} start @param {number} end */
function itemLines(lines, start, end) {
  const width = /** @type {RegExpExecArray} */ (MARK.exec(lines[start]))[0].length;
  const later = lines.slice(start + 1, end).map((line) => line.slice(Math.min(indentOf(line), width)));
  return [lines[start].slice(width), ...later];
}

/** @param {string[]} lines @param {number} at @param {boolean} isOpen @returns {Found} */
function table(lines, at, isOpen) {
  const under = lines[at + 1] ?? "";
  const isBegun = isOpen && lines[at].startsWith("|") && at + 2 >= lines.length && /^[\s|:-]*$/.test(under);
  if (!lines[at].includes("|") || !(isBegun || (DELIMITERS.test(under) && under.includes("|")))) return null;
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|")) end += 1;
  const align = cellsOf(under).map((cell) => (/:$/.test(cell) ? (/^:/.test(cell) ? "center" : "right") : "left"));
  const rows = lines.slice(at + 2, end).map(cellsOf);
  return [{ kind: "table", head: cellsOf(lines[at]), align, rows }, end];
}

/** @param {string} line */
function cellsOf(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** @param {string[]} lines @param {number} at @returns {[Block, number]} */
function paragraph(lines, at) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && !beginsBlock(lines[end])) end += 1;
  return [{ kind: "paragraph", text: lines.slice(at, end).join("\n").trim() }, end];
}

/** @param {string} line */
function beginsBlock(line) {
  return [FENCE, HEADING, RULE, QUOTE, MARK].some((begin) => begin.test(line)) || /^\s*\|/.test(line);
}

/** @param {string[]} lines @param {number} at */
function skipBlank(lines, at) {
  let next = at;
  while (next < lines.length && !lines[next].trim()) next += 1;
  return next;
}

/** @param {string} line */
function indentOf(line) {
  return line.length - line.trimStart().length;
}
