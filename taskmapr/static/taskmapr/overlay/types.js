/* Shapes that the modules of the overlay share. No code: only for editors and type checkers. */

/**
 * @typedef {object} Frame One frame of a run's stream.
 * @property {string} type
 * @property {string} run_id
 * @property {number | null} seq
 * @property {string} timestamp
 * @property {Record<string, any>} data
 *
 * @typedef {object} Received A frame with its id; without one nobody resumes after it.
 * @property {string | null} id
 * @property {Frame} frame
 *
 * @typedef {object} ToolCall
 * @property {string} id
 * @property {string} name
 * @property {unknown} args
 * @property {boolean} [ok] Absent while the call runs.
 * @property {number} [durationMs]
 * @property {unknown} [result]
 * @property {string} [error]
 *
 * @typedef {object} Question What the run asks a person.
 * @property {string} id
 * @property {"approval" | "question" | "outcome"} asks
 * @property {string | null} tool
 * @property {string | null} prompt
 * @property {unknown} args
 * @property {string} [decision] Absent while nobody has answered.
 *
 * @typedef {object} Trouble What went wrong, in words.
 * @property {string} title
 * @property {string} advice
 * @property {string} [code]
 * @property {boolean} canRetry
 *
 * @typedef {object} Message One thing that was said. Answers also say what they did.
 * @property {string} id
 * @property {"user" | "assistant"} role
 * @property {string} content
 * @property {string} timestamp
 * @property {string} [reasoning]
 * @property {ToolCall[]} [calls]
 * @property {Question[]} [questions]
 * @property {string[]} [acted]
 * @property {string} [status] The run's last word, absent while it works.
 * @property {string} [runId]
 * @property {Trouble} [trouble]
 *
 * @typedef {object} Action
 * @property {string} type
 * @property {Record<string, any>} payload
 *
 * @typedef {object} Step One step of a walkthrough.
 * @property {string} query
 * @property {string} [page]
 * @property {number} [duration]
 * @property {string} [message]
 * @property {boolean} [waitForClick]
 */

export {};
