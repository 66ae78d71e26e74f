/** What `learn verify` says of a version: which checks held, in words. */
import type { OpenedPlan } from "../learning/runs/opened_plan.ts";
import { type ResultCheckDependencies, resultProblem } from "../learning/runs/result_check.ts";
import type { verifyModel } from "../learning/models/verify_model.ts";
import type { DeviceId } from "../protocols/ids.ts";
import type { Verification } from "./learning_handle.ts";
import type { CommittedResult } from "./rounds/commands.ts";

/** What was checked, in the order in which it was, up to the first thing that did not hold. */
export function checksOf(
  verification: Awaited<ReturnType<typeof verifyModel>>,
  { result }: Pick<CommittedResult, "result">,
): Verification["checks"] {
  const devices = result.submissions.length;
  const isSum = result.sums.length > 0;
  const isConfirmed = isSum && result.sums.every((sum) => sum.confirmations !== undefined);
  const all = [
    ["subject", ["wrongSubject"], `round ${result.round} follows ${result.parent}`],
    ["participants", ["notParticipant"], `all ${devices} are members of the mesh`],
    ["signatures", ["badSignatures", "wrongBase"], `all ${devices} signed what they sent`],
    [
      "aggregate",
      ["aggregateChanged", "wrongCount"],
      isSum && !isConfirmed
        ? "what was released is what its coordinator signed for; not all devices have confirmed the sum"
        : "what was released is what was signed for",
    ],
    ["sum", ["otherSum"], `all ${devices} confirm that it is the sum of what they sent`],
    [
      "version",
      ["noModel", "otherResult"],
      "made again from its parent and what was released, bit by bit",
    ],
  ] as const;
  const steps = all.filter(([check]) => check !== "sum" || isConfirmed);
  if (verification.ok) return steps.map(([check, , detail]) => ({ check, ok: true, detail }));
  const failed = steps.findIndex(([, reasons]) =>
    (reasons as readonly string[]).includes(verification.reason)
  );
  const held = steps.slice(0, Math.max(0, failed)).map(([check, , detail]) => (
    { check, ok: true, detail }
  ));
  const check = steps[failed]?.[0] ?? verification.reason;
  return [...held, { check, ok: false, detail: verification.detail }];
}

/**
 * Checks a version that a device has come to on a grid. There is nothing to make it again from: that its author has signed for it, and is a member, is all that
 * can be known.
 */
export async function gridChecks(
  { result, author }: CommittedResult,
  opened: OpenedPlan,
  { isMember, deps }: {
    readonly isMember: (device: DeviceId) => boolean;
    readonly deps: ResultCheckDependencies;
  },
): Promise<Verification["checks"]> {
  const isOwn = result.submissions.length === 1 && result.submissions[0]?.device === author;
  const problem = await resultProblem(result, opened, deps);
  return [
    {
      check: "participants",
      ok: isOwn && isMember(author),
      detail: `${author} publishes what it has come to, and is a member of the mesh`,
    },
    {
      check: "signatures",
      ok: problem === undefined,
      detail: problem ??
        "it signed for these parameters; how they came about is known to nobody else",
    },
  ];
}
