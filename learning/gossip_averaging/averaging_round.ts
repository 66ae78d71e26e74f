/**
 * One round of a whole group, as its members would do it by messages: for the simulator and for judging. Members may vanish before they sent
 * anything, or after they sent and before they answered.
 */
import type { Parameters } from "../parameters.ts";
import { assemble, stretches, stretchMean } from "./group_average.ts";

/** What a member does in a round. */
export type Attendance = "there" | "goneBefore" | "goneBetween";

/** Numbers of every member after the round. A member that has gone keeps its own. */
export function averageGroup(
  members: readonly { readonly values: Parameters; readonly attendance: Attendance }[],
): readonly Parameters[] {
  const count = members[0]?.values.length ?? 0;
  const senders = members.filter(({ attendance }) => attendance !== "goneBefore");
  const means = stretches(count, members.length).map(({ start, end }, place) =>
    members[place]!.attendance === "there"
      ? stretchMean(senders.map(({ values }) => values.subarray(start, end)))
      : undefined
  );
  return members.map(({ values, attendance }) =>
    attendance === "there" ? assemble(values, means) : values
  );
}
