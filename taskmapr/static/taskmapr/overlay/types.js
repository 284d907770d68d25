/* Shapes that the modules of the overlay share. No code: only for editors and type checkers. */

/**
 * @typedef {object} Options What a page may say when it mounts the overlay. All of it is optional.
 * @property {string} [endpoint] Where TaskMapr is; absent: where this script came from.
 * @property {string | null | TokenSource} [token] The bearer token, or who knows it.
 * @property {string} [user] Who is signed in: what another user said in this tab is forgotten.
 * @property {string} [profile] The overlay profile to ask with.
 * @property {string} [sessionId] A conversation to go on with; its history is fetched.
 * @property {"bottom-right" | "bottom-left" | "inline"} [position] `inline` fills `host`.
 * @property {HTMLElement | string} [host] For `inline`: the element, or a selector of it.
 * @property {"auto" | "light" | "dark"} [theme] `auto` follows the page, or else the system.
 * @property {string} [title]
 * @property {string} [greeting] Shown while nothing has been said.
 * @property {string[]} [suggestions] Questions to begin with.
 * @property {boolean} [open] Whether the panel is open at first.
 * @property {string} [hotkey] One character that goes to the question; "" for none.
 * @property {object | (() => object | Promise<object>)} [customContext] Told to the model as data.
 * @property {(path: string) => boolean} [navigate] The page's own router; false: load the path.
 * @property {(action: Action) => unknown} [onAction] Asked before each action; false prevents it.
 * @property {{root?: string, exclude?: string}} [snapshot] What the assistant may see: selectors.
 *
 * @typedef {(how: {isRefused: boolean}) => string | null | Promise<string | null>} TokenSource
 *   `isRefused`: the server did not accept the last one.
 *
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
 * @property {string} raw As it came.
 *
 * @typedef {object} Asking A request that may have to be sent again: the same key, the same bytes.
 * @property {string} key
 * @property {string} body
 *
 * @typedef {object} TextPart
 * @property {"text"} kind
 * @property {string} text
 *
 * @typedef {object} ReasoningPart
 * @property {"reasoning"} kind
 * @property {string} text
 * @property {string} startedAt
 * @property {number} [ms] Absent while it goes on.
 *
 * @typedef {object} CallPart A tool call.
 * @property {"call"} kind
 * @property {string} id
 * @property {string} name
 * @property {unknown} args
 * @property {boolean} [ok] Absent while the call runs.
 * @property {number} [durationMs]
 * @property {unknown} [result]
 * @property {string} [error]
 *
 * @typedef {object} QuestionPart What the run asks a person.
 * @property {"question"} kind
 * @property {string} id
 * @property {"approval" | "question" | "outcome"} asks
 * @property {string | null} tool
 * @property {string | null} prompt
 * @property {unknown} args
 * @property {string} [decision] Absent while nobody has answered.
 *
 * @typedef {object} ActedPart What was done on the page, in words.
 * @property {"acted"} kind
 * @property {string[]} lines
 *
 * @typedef {TextPart | ReasoningPart | CallPart | QuestionPart | ActedPart} Part
 *   Never changed in place: a part that differs is another object.
 *
 * @typedef {object} Trouble What went wrong: what happened, what it means, what to do.
 * @property {string} title
 * @property {string} meaning
 * @property {string} advice
 * @property {string} [code]
 * @property {boolean} canRetry
 * @property {number} [retryAt] Milliseconds since 1970; asking earlier will be refused.
 *
 * @typedef {object} Message One thing that was said.
 * @property {string} id
 * @property {"user" | "assistant"} role
 * @property {string} content Its words, without what was thought and done.
 * @property {string} timestamp
 * @property {Part[]} parts
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
 *
 * @typedef {object} Tour A walkthrough under way.
 * @property {string} id
 * @property {Step[]} steps
 * @property {number} index
 */

export {};
