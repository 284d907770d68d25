/* A form from a JSON Schema: words, numbers, switches, choices, lists of words. What it cannot show
   as fields is written as JSON. */
/** @import { Schema, TaskType } from "./api.js" */

/** @typedef {{element: HTMLElement, read: () => unknown}} Field */

export class SchemaForm {
  /** @type {Map<string, Field>} */
  #fields = new Map();
  /** @type {(() => Record<string, unknown>) | null} */
  #whole = null;

  /** @param {HTMLElement} place @param {TaskType} type */
  constructor(place, type) {
    const members = Object.entries(type.params_schema.properties ?? {});
    const known = { ...type.example, ...type.defaults };
    const required = new Set(type.params_schema.required ?? []);
    place.replaceChildren();
    if (!members.length || !members.every(([, schema]) => kindOf(schema))) {
      const { element, read } = json("params", known);
      place.append(labelled(element, "Parameters (JSON)", "An object.", false));
      this.#whole = () => /** @type {Record<string, unknown>} */ (read());
      return;
    }
    for (const [name, schema] of members) {
      const field = fieldOf(name, schema, known[name] ?? schema.default);
      this.#fields.set(name, field);
      place.append(labelled(field.element, schema.title ?? name, schema.description ?? "", required.has(name)));
    }
  }

  /** What was filled in; fields left empty are left out. Throws a SyntaxError for broken JSON.
   *  @returns {Record<string, unknown>} */
  read() {
    if (this.#whole) return this.#whole();
    const given = [...this.#fields].map(([name, field]) => /** @type {const} */ ([name, field.read()]));
    return Object.fromEntries(given.filter(([, value]) => value !== undefined));
  }
}

/** @param {Schema} schema */
function kindOf(schema) {
  if (schema.enum) return "choice";
  const type = Array.isArray(schema.type) ? schema.type.find((one) => one !== "null") : schema.type;
  if (type === "array") {
    const items = schema.items?.type;
    const isPlain = [items].flat().every((one) => one === "string" || one === "integer");
    return isPlain && !schema.items?.enum ? "list" : null;
  }
  return type === "string" || type === "number" || type === "integer" || type === "boolean" ? type : null;
}

/** @param {string} name @param {Schema} schema @param {any} value @returns {Field} */
function fieldOf(name, schema, value) {
  const kind = kindOf(schema);
  if (kind === "choice") return choice(name, schema, value);
  if (kind === "boolean") return check(name, value);
  if (kind === "list") return list(name, schema, value);
  return kind === "string" ? text(name, value) : number(name, schema, value);
}

/** @param {string} name @param {any} value @returns {Field} */
function text(name, value) {
  const input = made("input", name);
  input.value = value ?? "";
  return { element: input, read: () => input.value || undefined };
}

/** @param {string} name @param {Schema} schema @param {any} value @returns {Field} */
function number(name, schema, value) {
  const input = made("input", name);
  Object.assign(input, { type: "number", value: value ?? "", min: schema.minimum ?? "", max: schema.maximum ?? "" });
  input.step = schema.type === "integer" ? "1" : "any";
  return { element: input, read: () => (input.value === "" ? undefined : Number(input.value)) };
}

/** @param {string} name @param {any} value @returns {Field} */
function check(name, value) {
  const input = made("input", name);
  Object.assign(input, { type: "checkbox", checked: Boolean(value), className: "" });
  return { element: input, read: () => input.checked };
}

/** @param {string} name @param {Schema} schema @param {any} value @returns {Field} */
function choice(name, schema, value) {
  const select = made("select", name);
  const options = schema.enum ?? [];
  if (value === undefined) select.add(new Option("", ""));
  options.forEach((one, index) => select.add(new Option(String(one), String(index), false, one === value)));
  return { element: select, read: () => (select.value === "" ? undefined : options[Number(select.value)]) };
}

/** One per line. @param {string} name @param {Schema} schema @param {any} value @returns {Field} */
function list(name, schema, value) {
  const area = made("textarea", name);
  area.rows = 3;
  area.placeholder = "One per line";
  area.value = (value ?? []).join("\n");
  const isNumbers = [schema.items?.type].flat().includes("integer");
  const plain = (/** @type {string} */ line) => (isNumbers && /^-?\d+$/.test(line) ? Number(line) : line);
  return {
    element: area,
    read: () => {
      const lines = area.value.split("\n").map((line) => line.trim()).filter(Boolean);
      return lines.length ? lines.map(plain) : undefined;
    },
  };
}

/** @param {string} name @param {unknown} value @returns {Field} */
function json(name, value) {
  const area = made("textarea", name);
  area.rows = 8;
  area.spellcheck = false;
  area.classList.add("tasks-json");
  area.value = JSON.stringify(value, null, 2);
  return { element: area, read: () => JSON.parse(area.value || "{}") };
}

/** @template {"input" | "select" | "textarea"} T @param {T} tag @param {string} name */
function made(tag, name) {
  const element = document.createElement(tag);
  Object.assign(element, { id: `param-${name}`, name, className: "tm-input", autocomplete: "off" });
  return element;
}

/** @param {HTMLElement} element @param {string} title @param {string} hint @param {boolean} isRequired */
function labelled(element, title, hint, isRequired) {
  const field = document.createElement("div");
  field.className = "tm-field";
  const label = document.createElement("label");
  label.htmlFor = element.id;
  label.textContent = isRequired ? `${title} (needed)` : title;
  field.append(label, element);
  if (hint) {
    const note = document.createElement("p");
    Object.assign(note, { className: "tm-quiet tm-small", id: `${element.id}-hint`, textContent: hint });
    element.setAttribute("aria-describedby", note.id);
    field.append(note);
  }
  return field;
}
