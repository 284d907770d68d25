/* Whose conversation it is. A tab outlives a sign-in, and the next user must not find the last one's. */

/** @param {import("./options.js").Settings} settings @returns {Promise<string | null>} */
export async function ownerOf({ user, token }) {
  if (user !== null) return user;
  try {
    return subjectOf(await token({ isRefused: false }));
  } catch {
    return null;
  }
}

/** The `sub` of a JWT; null for every other token. Nothing is verified: the server does that.
 *  @param {string | null} token @returns {string | null} */
export function subjectOf(token) {
  const parts = token?.split(".") ?? [];
  if (parts.length !== 3) return null;
  try {
    const { sub } = JSON.parse(atob(parts[1].replace(/-/g, "+").replace(/_/g, "/")));
    return typeof sub === "string" ? sub : null;
  } catch {
    return null;
  }
}
