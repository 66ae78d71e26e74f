/** From gathered updates to a published result: the expensive end of a round, outside the actor. */
import { countedLeast } from "../../learning/runs/order.ts";
import { combineClearFrom } from "../../learning/runs/combine_clear.ts";
import { combineSums, nextModel } from "../../learning/runs/release.ts";
import type { RoundResult, SurvivorProof } from "../../learning/runs/result.ts";
import { parameterBytes } from "../../learning/parameters.ts";
import { optimiserStateBytes } from "../../learning/strategies/optimiser_state_bytes.ts";
import {
  encodeForgedShares,
  type ForgedShares,
  forgedSharesOf,
} from "../../learning/secure/forged_shares.ts";
import { merkleRoot } from "../../learning/secure/merkle.ts";
import { checkTotals, type OpenedSum } from "../../learning/secure/sum_check.ts";
import { closingReveals, finishSum, takeMasksOff } from "../../learning/secure/unmask.ts";
import type { ContentHash, DeviceId } from "../../protocols/ids.ts";
import type { VectorOffer } from "../../protocols/rounds/messages.ts";
import type { OpenedGroup } from "./commands.ts";
import { askToConfirm } from "./confirming.ts";
import { noteFault } from "./faults.ts";
import { abandon, enter } from "./lead.ts";
import { openedSmallSum, smallProof } from "./lead_small_sums.ts";
import { roundPlan } from "./round_plan.ts";
import type {
  FetchedSubmission,
  Lead,
  Of,
  RunActorState,
  RunContext,
  RunDependencies,
  SumGroup,
} from "./run_state.ts";
import { sumDependencies } from "./sum_dependencies.ts";
import { tellAll } from "./talking.ts";

/** Among a thousand devices masks take minutes to take off on a small machine, and so does comparing updates, ms. */
const COMBINING_MS = 600_000;

/** Combines what was gathered and makes the next version. */
export function combine(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const lead = state.lead!;
  const { head } = state;
  if (head?.model == null) return abandon(context, state, deps, "the model is not here any more");
  enter(context, state, deps, "publishing", COMBINING_MS);
  const { model, parameters: parent } = head;
  const durationMs = Math.round(context.monotonicMs() - lead.startedAtMs);
  const { run, round, attempt } = lead.key!;
  const called = lead.called.length;
  const { crypto } = deps;
  const opened = roundPlan(state, deps);
  const random = context.random.fork(`noise ${round} ${attempt}`);
  const dealers: DeviceId[] = [];
  context.perform(
    async () => {
      const clear = lead.groups.length > 0 || lead.small !== null
        ? null
        : await combineClearFrom(opened, clearSubmissions(deps, lead), {
          run,
          round,
          crypto,
          random,
          screening: random.bytes(32),
          read: ({ device }) => bytesOf(lead, device, lead.fetched.get(device)!),
          pause: () => deps.maskWork.pause(),
          scratch: () => deps.vectors.scratch(),
        });
      await lead.spilled?.close();
      const aggregate = clear?.aggregate ??
        combineSums(
          opened,
          lead.small === null
            ? await sums(lead.groups, dealers, deps)
            : [openedSmallSum(lead.small)],
          called,
        );
      const counted = clear?.counted ?? countedDevices(lead);
      const least = countedLeast(deps.opened.plan);
      if (counted.size < least) {
        throw new Error(`${counted.size} updates count, expected at least ${least}`);
      }
      const next = nextModel(opened, model, aggregate, called);
      const keep = async (bytes: Uint8Array): Promise<VectorOffer> => {
        const hash = deps.crypto.sha256Hex(bytes) as ContentHash;
        await deps.vectors.put(hash, bytes);
        return { hash, bytes: bytes.length };
      };
      const { slots } = next.optimiser;
      const offer = await keep(aggregate);
      const result: RoundResult = {
        version: 1,
        ...lead.key!,
        parent,
        result: (await keep(parameterBytes(next.parameters))).hash,
        state: slots.length === 0
          ? null
          : await keep(optimiserStateBytes(next.optimiser, next.parameters.length)),
        aggregate: offer,
        submissions: submissionsOf(deps, lead, counted),
        sums: lead.small === null
          ? lead.groups.filter(({ failed }) => !failed).map(survivorProof)
          : [smallProof(lead)],
        counts: {
          called: lead.called.length,
          ready: Math.max(lead.ready.size, lead.readyBefore),
          dropped: lead.called.length - counted.size,
          refused: lead.refused + (clear?.faults.length ?? 0),
        },
        durationMs,
        updateBytes: [...lead.fetched.values()][0]?.submission.update.bytes ?? 0,
        ...(next.tuning !== undefined && {
          tuning: { used: model.tuning ?? null, next: next.tuning },
        }),
      };
      return {
        result,
        opened: await openedGroups(lead, Uint8Array.fromHex(offer.hash), deps),
        faults: clear?.faults ??
          dealers.map((device) => ({ device, fault: "forgedShare" as const })),
      };
    },
    (outcome) => ({ type: "combined", round, attempt, outcome }),
  );
}

/** The result is ready but for what its devices say of it. */
export function onCombined(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { round, attempt, outcome }: Of<"combined">,
): void {
  const { lead } = state;
  if (lead?.key?.round !== round || lead.key.attempt !== attempt || lead.phase !== "publishing") {
    return;
  }
  if (!outcome.ok) {
    const { error } = outcome;
    if (error instanceof ForgedSharesError) {
      noteFault(lead, error.dealer, "forgedShare");
      tellForgery(context, state, deps, error.proof);
    }
    const reason = error instanceof Error ? error.message : String(error);
    return abandon(context, state, deps, reason);
  }
  lead.faults.push(...outcome.value.faults);
  askToConfirm(context, state, deps, outcome.value);
}

/** What all parts in each opened sum must add up to. */
async function openedGroups(
  { groups }: Lead,
  aggregate: Uint8Array,
  { crypto, masks, maskWork }: RunDependencies,
): Promise<readonly OpenedGroup[]> {
  const pause = () => maskWork.pause();
  const opened: OpenedGroup[] = [];
  for (const { server: { claim, roster, round: { bits }, sum }, failed } of groups) {
    if (failed) continue;
    const { survivors, levels } = claim!;
    const about: OpenedSum = {
      roster: roster!.view.hash,
      claim: { survivors, inputsRoot: merkleRoot(levels) },
      aggregate,
    };
    const totals = await checkTotals(sum, { opened: about, bits }, { crypto, masks, pause });
    opened.push({ sum: about, bits, totals });
  }
  return opened;
}

function clearSubmissions({ opened }: RunDependencies, { fetched, key }: Lead) {
  const isBuffered = opened.strategy.buffer !== null;
  return [...fetched].sort(([a], [b]) => a < b ? -1 : 1)
    .map(([device, { submission: { weight, round } }]) => ({
      device,
      weight,
      ...(isBuffered && { staleness: key!.round - round }),
    }));
}

/** An update in the clear, from memory or from the disk. */
async function bytesOf(
  { spilled }: Lead,
  device: DeviceId,
  { bytes }: FetchedSubmission,
): Promise<Uint8Array> {
  const found = bytes ?? await spilled?.read(device);
  // Its device is not to blame, so the round is tried again.
  if (found === undefined) throw new Error("an update that was here cannot be read any more");
  return found;
}

/** The only sum of a round cannot be opened: the shares that `dealer` dealt do not give its secret. Caught in `onCombined`. */
class ForgedSharesError extends Error {
  override readonly name = "ForgedSharesError";
  constructor(
    readonly dealer: DeviceId,
    /** Undefined where it cannot be proved to others. */
    readonly proof: ForgedShares | undefined,
    message: string,
  ) {
    super(message);
  }
}

/** Those who signed for the survivors may leave the attempt for one without the dealer, when they are shown what it did. */
function tellForgery(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  proof: ForgedShares | undefined,
): void {
  const lead = state.lead!;
  const { key, called } = lead;
  if (key === null || proof === undefined) return;
  state.spoiled = key.attempt;
  // The next try asks them where they are, and calls whom they are left with.
  lead.failures = 0;
  const body = encodeForgedShares(proof);
  tellAll(context, deps, called, { type: "securePhase", ...key, phase: "forgedShares", body });
}

/** Takes all masks off, in turns. Groups that a dealer of false shares has spoiled fail, and `dealers` names it. */
async function sums(groups: readonly SumGroup[], dealers: DeviceId[], deps: RunDependencies) {
  const finished = [];
  for (const group of groups) {
    if (group.failed) continue;
    const work = await secretsOf(group, deps);
    if (!work.ok) {
      group.failed = true;
      const dealer = work.refusal === "forgedShare" ? work.device : null;
      if (dealer != null) dealers.push(dealer);
      if (groups.length > 1) continue;
      if (dealer == null) throw new Error(work.detail);
      throw new ForgedSharesError(dealer, forgedSharesOf(group.server, dealer), work.detail);
    }
    await takeMasksOff(group.server, work.value, deps.maskWork);
    const { sum, survivors } = finishSum(group.server, work.value);
    finished.push({ sum, devices: survivors.length });
  }
  return finished;
}

/** The secrets of a group's masks, put together in turns with everything else. */
async function secretsOf({ server }: SumGroup, deps: RunDependencies) {
  const closing = closingReveals(server, sumDependencies(deps));
  for (;;) {
    const step = closing.next();
    if (step.done === true) return step.value;
    await deps.maskWork.pause();
  }
}

/** Whose vectors are in the result. */
function countedDevices(lead: Lead): ReadonlySet<DeviceId> {
  if (lead.small !== null) return new Set(lead.small.devices);
  const lost = new Set(
    lead.groups.filter(({ failed }) => failed).flatMap(({ members }) => members),
  );
  return new Set([...lead.fetched.keys()].filter((device) => !lost.has(device)));
}

function submissionsOf(
  { opened }: RunDependencies,
  lead: Lead,
  counted: ReadonlySet<DeviceId>,
): RoundResult["submissions"] {
  return [...lead.fetched].filter(([device]) => counted.has(device))
    .sort(([a], [b]) => a < b ? -1 : 1)
    .map(([device, { submission: { update, weight, signature, round, modelHash } }]) => ({
      device,
      commitment: update.hash,
      weight,
      signature,
      ...(opened.strategy.buffer !== null && {
        base: { round: round - 1, parameters: modelHash },
      }),
    }));
}

function survivorProof({ server }: SumGroup): SurvivorProof {
  const { view, levels } = server.roster!;
  return {
    rosterRoot: merkleRoot(levels),
    roster: view.devices,
    // A leaf is the device's place, four bytes, then the hash of its vector.
    inputs: [...server.inputs].sort(([a], [b]) => a - b)
      .map(([index, { leaf }]) => ({ device: view.devices[index]!, hash: leaf.subarray(4) })),
    signatures: [...server.signatures].sort(([a], [b]) => a - b)
      .map(([index, signature]) => ({ device: view.devices[index]!, signature })),
  };
}
