/** What went wrong with the disk or the database, in words for people. */
import { errorText } from "../platform/error_text.ts";
import { InvariantError } from "../platform/invariant.ts";
import { StoreError } from "./store.ts";

type Reason = StoreError["reason"];

const HINTS: Readonly<Record<Reason, string>> = {
  full: "Free some space on the disk that holds the data folder; the node then goes on by itself.",
  readOnly: "Make the data folder writable for the user who runs the node, then start it again.",
  corrupt:
    "Run a deep check of the store; if it names the database, start the node again: it rebuilds the " +
    "database and fetches what is missing from the other devices.",
  locked: "Stop the other program that uses this data folder, then start the node again.",
  tooNew: "Install a newer version of submind, or restore a backup that this version has made.",
  failed: "Look at the disk and at the system's log; if the disk is well, start the node again.",
};

// SQLite's primary result codes (sqlite.org/rescode.html). node:sqlite leaves the code out of some errors, hence the texts.
const REASON_BY_CODE = new Map<number, Reason>([
  [5, "locked"],
  [6, "locked"],
  [8, "readOnly"],
  [11, "corrupt"],
  [13, "full"],
  [26, "corrupt"],
]);
const REASON_BY_TEXT: readonly (readonly [RegExp, Reason])[] = [
  [/not a database|malformed|corrupt/i, "corrupt"],
  [/disk is full|no space left|quota exceeded|ENOSPC|EDQUOT/i, "full"],
  [/readonly|read-only|permission denied|EROFS|EACCES|EPERM/i, "readOnly"],
  [/database is locked|database table is locked/i, "locked"],
];

/**
 * Wraps whatever the disk or SQLite threw. A `StoreError` stays what it is.
 *
 * @param action what could not be done, as in "Cannot <action>"
 */
export function toStoreError(action: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = errorText(error);
  const reason = reasonOf(error, message);
  return new StoreError(`Cannot ${action}: ${message}`, reason, HINTS[reason], { cause: error });
}

/** Runs `work`; whatever the disk throws becomes a `StoreError`. Broken invariants pass through. */
export async function guarded<T>(action: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof InvariantError) throw error;
    throw toStoreError(action, error);
  }
}

/** A `StoreError` with the usual hint for its reason. */
export function storeError(message: string, reason: Reason): StoreError {
  return new StoreError(message, reason, HINTS[reason]);
}

function reasonOf(error: unknown, message: string): Reason {
  const code: unknown = typeof error === "object" && error !== null && "errcode" in error
    ? error.errcode
    : undefined;
  const byCode = typeof code === "number" ? REASON_BY_CODE.get(code & 0xff) : undefined;
  return byCode ?? REASON_BY_TEXT.find(([text]) => text.test(message))?.[1] ?? "failed";
}
