/* Markdown, second half: emphasis, code and links inside a line. Makes nodes, never HTML. */
import { element } from "./elements.js";

const ADDRESS = /https?:\/\/[^\s<>"'`]+/y;
const MAX_DEPTH_INSIDE = 8;
const MAX_TARGET = 2_048;
/** Marks at the end of a text that is still coming: what they mean is not known yet. */
const UNDECIDED = /(?:[*_~`]+|!?\[|\\)$/;

/**
 * @param {string} text
 * @param {boolean} [isOpen] More will follow: what is begun is drawn as if it were ended.
 * @param {number} [depth]
 * @returns {(Node | string)[]}
 */
export function inline(text, isOpen = false, depth = 0) {
  return new Line(isOpen ? text.replace(UNDECIDED, "") : text, isOpen, depth).nodes();
}

class Line {
  /** @param {string} text @param {boolean} isOpen @param {number} depth */
  constructor(text, isOpen, depth) {
    this.text = text;
    this.isOpen = isOpen;
    this.depth = depth;
    this.at = 0;
    this.plain = "";
    /** @type {(Node | string)[]} */
    this.made = [];
    /** Marks that have no end after this place, so that nobody looks twice. @type {Set<string>} */
    this.endless = new Set();
  }

  nodes() {
    while (this.at < this.text.length) {
      const node = this.depth < MAX_DEPTH_INSIDE ? this.#next() : null;
      if (node) this.#push(node);
      else this.plain += this.text[this.at++];
    }
    if (this.plain) this.made.push(this.plain);
    return this.made;
  }

  /** @param {Node} node */
  #push(node) {
    if (this.plain) this.made.push(this.plain);
    this.plain = "";
    this.made.push(node);
  }

  /** What begins here; null: one plain character. @returns {Node | null} */
  #next() {
    switch (this.text[this.at]) {
      case "\\":
        return this.#escaped();
      case "\n":
        this.plain = this.plain.trimEnd();
        this.at += 1;
        return element("br");
      case "`":
        return this.#code();
      case "*":
      case "_":
      case "~":
        return this.#emphasis();
      case "!":
        return this.text[this.at + 1] === "[" ? this.#link(this.at + 1) : null;
      case "[":
        return this.#link(this.at);
      case "<":
      case "h":
        return this.#address();
      default:
        return null;
    }
  }

  /** @returns {null} The character after the backslash is then a plain one. */
  #escaped() {
    if (/[!-/:-@[-`{-~]/.test(this.text[this.at + 1] ?? "")) this.at += 1;
    return null;
  }

  #code() {
    const marks = this.#run();
    const end = this.#find(marks, this.at + marks.length, (from) => this.text[from - 1] !== "`" && this.text[from + marks.length] !== "`");
    if (end < 0 && !this.isOpen) return this.#literal(marks);
    return this.#taken(end, marks, (inner) => element("code", {}, inner.trim() || inner));
  }

  #emphasis() {
    const run = this.#run();
    const marks = run.slice(0, 2);
    const mark = marks[0];
    const before = this.text[this.at - 1] ?? " ";
    const from = this.at + marks.length;
    const cannotBegin = /\s/.test(this.text[from] ?? " ") || (mark === "_" && /\w/.test(before)) || (mark === "~" && marks.length < 2);
    if (cannotBegin) return this.#literal(run);
    let end = this.#find(marks, from, (place) => this.#ends(place, marks));
    if (end < 0 && !this.isOpen) return this.#literal(run);
    while (end >= 0 && marks.length === 2 && this.text[end + 2] === mark) end += 1;
    const tag = mark === "~" ? "del" : marks.length === 2 ? "strong" : "em";
    return this.#taken(end, marks, (inner) => element(tag, {}, ...inline(inner, this.isOpen && end < 0, this.depth + 1)));
  }

  /** @param {number} place @param {string} marks */
  #ends(place, marks) {
    const [mark] = marks;
    const after = this.text[place + marks.length] ?? " ";
    if (/[\s\\]/.test(this.text[place - 1])) return false;
    if (mark === "_" && /\w/.test(after)) return false;
    return marks.length === 2 || (after !== mark && this.text[place - 1] !== mark);
  }

  /** @param {number} bracket Where `[` is. */
  #link(bracket) {
    const close = this.#find("]", bracket + 1, () => true);
    const opens = close >= 0 && this.text[close + 1] === "(";
    if (close >= 0 && !opens) return null;
    const end = opens ? this.#targetEnd(close + 2) : -1;
    if (end < 0 && !this.isOpen) return null;
    const label = this.text.slice(bracket + 1, close < 0 ? undefined : close);
    const target = end < 0 ? "" : this.text.slice(close + 2, end).trim().split(/\s+/)[0].replace(/^<|>$/g, "");
    this.at = end < 0 ? this.text.length : end + 1;
    return link(target, inline(label, this.isOpen && close < 0, this.depth + 1));
  }

  /** Where the `)` of a target stands, or -1. @param {number} from */
  #targetEnd(from) {
    let depth = 0;
    for (let place = from; place < Math.min(this.text.length, from + MAX_TARGET); place += 1) {
      const character = this.text[place];
      if (character === "\n") return -1;
      if (character === "(") depth += 1;
      if (character === ")" && (depth -= 1) < 0) return place;
    }
    return -1;
  }

  #address() {
    const start = this.text[this.at] === "<" ? this.at + 1 : this.at;
    if (start === this.at && /\w/.test(this.text[this.at - 1] ?? " ")) return null;
    ADDRESS.lastIndex = start;
    const found = ADDRESS.exec(this.text)?.[0];
    if (!found || (start > this.at && this.text[start + found.length] !== ">")) return null;
    let address = found.replace(/[.,:;!?*_~\]]+$/, "");
    if (address.endsWith(")") && !address.includes("(")) address = address.slice(0, -1);
    this.at = start > this.at ? start + found.length + 1 : start + address.length;
    return link(address, [address]);
  }

  /** The same character, as often as it stands here. */
  #run() {
    let end = this.at;
    while (this.text[end] === this.text[this.at]) end += 1;
    return this.text.slice(this.at, end);
  }

  /** @param {string} marks @returns {null} */
  #literal(marks) {
    this.plain += marks.slice(1);
    this.at += marks.length - 1;
    return null;
  }

  /** The next place of these marks that fits and leaves something between, or -1.
   *  @param {string} marks @param {number} from @param {(place: number) => boolean} fits */
  #find(marks, from, fits) {
    if (this.endless.has(marks)) return -1;
    let place = this.text.indexOf(marks, from + 1);
    while (place >= 0 && !fits(place)) place = this.text.indexOf(marks, place + 1);
    if (place < 0) this.endless.add(marks);
    return place;
  }

  /** @param {number} end Below 0: it goes to the end. @param {string} marks
   *  @param {(inner: string) => Node} make */
  #taken(end, marks, make) {
    const inner = this.text.slice(this.at + marks.length, end < 0 ? undefined : end);
    this.at = end < 0 ? this.text.length : end + marks.length;
    return make(inner);
  }
}

/** A link to a page, or only its words when it leads elsewhere (`javascript:` and the like).
 *  @param {string} target @param {(Node | string)[]} words */
function link(target, words) {
  const url = target && URL.canParse(target, location.href) ? new URL(target, location.href) : null;
  if (!url || !/^https?:$/.test(url.protocol)) return element("span", {}, ...words);
  const leaves = url.origin !== location.origin;
  return element("a", { href: url.href, target: leaves && "_blank", rel: leaves && "noopener noreferrer" }, ...words);
}
