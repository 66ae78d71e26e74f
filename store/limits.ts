/** Limits of the Store port that every implementation checks: breaking one is a programming error of the caller. */
import { invariant } from "../platform/invariant.ts";

export const GET_IDS_MAX = 1_000;
export const KNOWN_IDS_MAX = 10_000;
export const KNOWN_CHUNKS_MAX = 4_096;
export const PAGE_LIMIT_MAX = 500;
export const SEARCH_LIMIT_MAX = 100;
export const SEARCH_OFFSET_MAX = 10_000;
/** Hits are counted up to this many. */
export const SEARCH_TOTAL_MAX = 1_000;
/** Largest JSON text of one setting, characters. */
export const SETTING_CHARACTERS_MAX = 1024 * 1024;
/** Blocks in one `unindexed` or `withoutPayload` answer at most. */
export const WORK_LIMIT_MAX = 10_000;

/** Throws unless `value` is an integer between `min` and `max`. `name` is that of the argument. */
export function checkRange(name: string, value: number, min: number, max: number): void {
  invariant(
    Number.isInteger(value) && value >= min && value <= max,
    () => `${name} is ${value}, expected an integer from ${min} to ${max}`,
  );
}

/** The JSON text to store for a setting. Throws when it is no JSON value or too large. */
export function settingJson(key: string, value: unknown): string {
  const json: string | undefined = JSON.stringify(value);
  invariant(json !== undefined, `setting "${key}" has a value that JSON cannot hold`);
  invariant(
    json.length <= SETTING_CHARACTERS_MAX,
    () =>
      `setting "${key}" has ${json.length} characters, expected at most ${SETTING_CHARACTERS_MAX}`,
  );
  return json;
}

/** Milliseconds in one reconciliation time bucket. */
export const TIME_BUCKET_MS = 3_600_000;

/** The reconciliation bucket of a header time. */
export function timeBucketOf(timeMs: number): number {
  return Math.floor(timeMs / TIME_BUCKET_MS);
}
