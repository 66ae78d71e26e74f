/** What a run waits for, in words for people. */

/** So many devices are missing before a round can begin. */
export function moreDevices(missing: number): string {
  return missing === 1 ? "1 more device" : `${missing} more devices`;
}
