/** The one assertion function. It stays on in production: a broken invariant crashes the actor, its supervisor recovers. */

/** What is thrown when something impossible has happened; never caught to continue, only to supervise. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/**
 * Throws unless `condition` holds.
 *
 * @param condition what must be true here whatever the input was
 * @param message what was expected, with the offending value; a function when building it costs
 * @throws {InvariantError}
 */
export function invariant(condition: unknown, message: string | (() => string)): asserts condition {
  if (condition) return;
  throw new InvariantError(typeof message === "string" ? message : message());
}
