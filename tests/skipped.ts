/** How a test says why it does not run here. */

/** Every reason is printed behind this word; `tests/run.ts` collects them for its last lines. */
export const SKIPPED = "Skipped: ";

/**
 * What `ignore` of tests is to be: true when there is a reason, which is printed, naming `what` cannot be tested without it.
 * Once per file and reason is enough.
 */
export function skipped(what: string, reason: string | null): boolean {
  if (reason !== null) console.log(`${SKIPPED}${what}: ${reason}`);
  return reason !== null;
}
