/**
 * A coordinator may die when the survivors have signed and nobody knows the sum yet. Then only that very attempt can be finished, so before it
 * asks anybody to sign, it puts what is needed into the care of the device that would follow it, and on its own disk.
 */
import {
  type Checkpoint,
  decodeCheckpoint,
  encodeCheckpoint,
  groupCheckpoint,
} from "../../learning/runs/checkpoint.ts";
import type { ContentHash, DeviceId } from "../../protocols/ids.ts";
import type {
  CheckpointKept,
  HereIAm,
  KeepCheckpoint,
  VectorOffer,
} from "../../protocols/rounds/messages.ts";
import { considerAdopting } from "./adopting.ts";
import { groupsOn } from "./checkpoint_proof.ts";
import type { KeptCheckpoint } from "./commands.ts";
import { signedAt } from "./given_word.ts";
import { call, enter, newLead } from "./lead.ts";
import { boundCall } from "./lead_small_sums.ts";
import { sendClaims } from "./lead_sums.ts";
import { roundPlan } from "./round_plan.ts";
import type { Incoming, Of, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { attemptOf, isTrusted, reachable, sameAttempt, tell, tellAll } from "./talking.ts";
import { noteAttempt, orderOfTerm } from "./terms.ts";
import { fetchVector, serve } from "./transfers.ts";

/** A new coordinator listens so long for where everybody is, ms. */
const RECOVERY_MS = 800;

/** Setting: the checkpoint in this device's care. */
export function checkpointSetting(run: string): string {
  return `learning/checkpoint/${run}`;
}

/** Writes the checkpoint down, here and at the next in the order; on when it is there, or after a phase's time. */
export function keepCheckpoint(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const lead = state.lead!;
  const { deadlines } = deps.opened.plan;
  enter(context, state, deps, "checkpoint", deadlines.phaseMs);
  const key = lead.key!;
  const checkpoint: Checkpoint = {
    round: key.round,
    attempt: key.attempt,
    groups: lead.groups.filter(({ failed }) => !failed).map(({ server }) =>
      groupCheckpoint(server)
    ),
    submissions: [...lead.fetched].sort(([a], [b]) => a < b ? -1 : 1)
      .map(([device, { submission: { update, weight, signature } }]) => ({
        device,
        commitment: update.hash,
        weight,
        signature,
      })),
    called: lead.called,
    ready: Math.max(lead.ready.size, lead.readyBefore),
    refused: lead.refused,
  };
  const bytes = encodeCheckpoint(checkpoint);
  const offer: VectorOffer = {
    hash: deps.crypto.sha256Hex(bytes) as ContentHash,
    bytes: bytes.length,
  };
  serve(state, offer.hash, bytes);
  storeCheckpoint(context, deps, { round: key.round, attempt: key.attempt, offer, bytes });
}

function storeCheckpoint(
  context: RunContext,
  deps: RunDependencies,
  { round, attempt, offer, bytes }: {
    readonly round: number;
    readonly attempt: number;
    readonly offer: VectorOffer;
    readonly bytes: Uint8Array;
  },
): void {
  context.perform(
    async () => {
      const { settings } = deps.store;
      const before = await settings.get(checkpointSetting(deps.run)) as KeptCheckpoint | undefined;
      await deps.vectors.put(offer.hash, bytes);
      await settings.set({ [checkpointSetting(deps.run)]: { round, attempt, offer } });
      if (before !== undefined && before.offer.hash !== offer.hash) {
        await deps.vectors.remove(before.offer.hash);
      }
      return offer;
    },
    (outcome) => ({ type: "checkpointKept", round, attempt, outcome }),
  );
}

/** It is on our disk. Our own: on to the deputy. Somebody else's: it may go on. */
export function onCheckpointStored(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { round, attempt, outcome }: Of<"checkpointKept">,
): void {
  const { lead } = state;
  const isOurs = lead?.phase === "checkpoint" && lead.key?.round === round &&
    lead.key.attempt === attempt;
  if (!outcome.ok) {
    context.log.write("warning", "a checkpoint could not be kept", {
      error: String(outcome.error),
    });
    if (isOurs) sendClaims(context, state, deps);
    return;
  }
  if (round !== (state.head?.round ?? 0) + 1) return;
  const offer = outcome.value;
  state.checkpoint = { round, attempt, offer };
  if (isOurs) {
    const deputy = orderOfTerm(state, deps, state.term + 1).find((device) => device !== deps.self);
    if (deputy === undefined) return sendClaims(context, state, deps);
    lead.deputy = deputy;
    return tell(context, deps, deputy, { type: "keepCheckpoint", ...lead.key!, checkpoint: offer });
  }
  if (state.coordinator !== null && state.coordinator !== deps.self) {
    tell(context, deps, state.coordinator, {
      type: "checkpointKept",
      run: deps.run,
      round,
      term: state.term,
      attempt,
      hash: offer.hash,
    });
  }
}

/** The coordinator puts something into our care. */
export function onKeepCheckpoint(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  message: KeepCheckpoint,
): void {
  if (from !== state.coordinator || message.round !== (state.head?.round ?? 0) + 1) return;
  // One at a time, whatever a coordinator offers.
  for (const [hash, { purpose }] of [...state.incoming]) {
    if (purpose.type === "checkpoint") state.incoming.delete(hash);
  }
  fetchVector(context, state, deps, {
    offer: message.checkpoint,
    sources: [from],
    purpose: { type: "checkpoint", attempt: attemptOf(message) },
  });
}

/** It is here. */
export function onCheckpointFetched(
  context: RunContext,
  deps: RunDependencies,
  incoming: Incoming,
  attempt: { readonly round: number; readonly attempt: number },
): void {
  const { offer, bytes } = incoming.vector;
  storeCheckpoint(context, deps, { ...attempt, offer, bytes });
}

/** The deputy has it: the survivors may be asked. */
export function onCheckpointKept(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  message: CheckpointKept,
): void {
  const { lead } = state;
  if (lead?.phase !== "checkpoint" || lead.key === null || !sameAttempt(lead.key, message)) return;
  if (from !== lead.deputy || message.hash !== state.checkpoint?.offer.hash) return;
  sendClaims(context, state, deps);
}

/** Takes the coordinator's part: first asks where everybody is. */
export function takeLead(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  term: number,
): void {
  state.term = term;
  state.coordinator = deps.self;
  state.heardAtMs = context.monotonicMs();
  state.lead = newLead();
  context.log.write("info", "this device coordinates", { run: deps.run, term });
  recover(context, state, deps);
}

/**
 * Tries a round again. Whoever holds the checkpoint of an attempt that survivors have signed may have come back, so every other time it is
 * looked for first; and every other time not, because too few of those who signed may be left to finish it.
 */
export function tryAgain(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const { lead } = state;
  if (lead?.phase !== "waiting") return;
  if (lead.failures % 2 === 1) return recover(context, state, deps);
  // It is called on the version that all have.
  state.preferred = null;
  considerAdopting(context, state, deps);
  call(context, state, deps);
}

/** Asks where everybody is. */
export function recover(context: RunContext, state: RunActorState, deps: RunDependencies): void {
  const { term } = state;
  const others = reachable(state);
  const round = (state.head?.round ?? 0) + 1;
  enter(context, state, deps, "recovering", others.length === 0 ? 0 : RECOVERY_MS);
  const message = {
    type: "whereAreYou" as const,
    run: deps.run,
    round,
    term,
    attempt: state.attempt,
  };
  tellAll(context, deps, others, message);
}

/** Where we are, for a new coordinator. */
export function answerWhere(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
): void {
  const { part, checkpoint, head } = state;
  const round = (head?.round ?? 0) + 1;
  const signed = signedAt(state, round);
  tell(context, deps, from, {
    type: "hereIAm",
    run: deps.run,
    round,
    term: state.term,
    attempt: signed?.attempt ?? state.attempt,
    phase: signed !== null
      ? "unmasked"
      : part?.submission != null || part?.kept != null
      ? "submitted"
      : part === null
      ? "idle"
      : "ready",
    checkpoint: checkpoint !== null && checkpoint.round === round ? checkpoint.offer : null,
    ...(signed?.set !== undefined && { bound: signed.set }),
  });
}

/** Somebody has answered; when all have, there is no need to wait longer. */
export function onHereIAm(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  { round, attempt, phase, checkpoint, bound }: HereIAm,
): void {
  const { lead } = state;
  if (lead?.phase !== "recovering" || round !== (state.head?.round ?? 0) + 1) return;
  // Each once, and only who has joined.
  if (!state.peers.has(from) || lead.heard.has(from) || !noteAttempt(context, state, attempt)) {
    return;
  }
  lead.heard.set(from, { attempt, phase, checkpoint, bound });
  if (lead.heard.size >= reachable(state).length) onRecovered(context, state, deps);
}

/** Everybody was heard, or time is up: finish what was begun, or begin anew. */
export function onRecovered(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const lead = state.lead!;
  const round = (state.head?.round ?? 0) + 1;
  const own = state.checkpoint?.round === round ? state.checkpoint : null;
  const signed = new Set(
    [...lead.heard.values()].filter(({ phase }) => phase === "unmasked")
      .map(({ attempt }) => attempt),
  );
  const word = signedAt(state, round);
  if (word !== null) signed.add(word.attempt);
  // Whoever signed there has been shown why, and leaves it.
  if (state.spoiled !== null) signed.delete(state.spoiled);
  // Where finishing it has failed twice, all who signed may do it again together; then finishing is tried again, who is needed may be back.
  const joined = [...reachable(state), deps.self].filter((one) => isTrusted(state, deps, one));
  const isDoneAgain = lead.failures > 1 && lead.failures % 4 === 1 &&
    boundCall(state, deps, lead, joined) !== null;
  const signedSomewhere = signed.size > 0 && !isDoneAgain;
  // Only who may coordinate is ever given one: others could only make one up.
  const holders = [...lead.heard].filter(([device, { checkpoint }]) =>
    checkpoint !== null && state.peers.get(device)?.coordinates === true
  );
  // Some may hold that of an attempt nobody has signed, or one that too few are left for: another one is taken each time, our own first.
  const isOwnSigned = own !== null && signed.has(own.attempt);
  const choices = [...(isOwnSigned ? [null] : []), ...holders];
  const elsewhere = choices[(lead.failures >> 1) % Math.max(1, choices.length)] ?? undefined;
  if (own !== null && signedSomewhere && elsewhere === undefined) {
    if (state.reading.has(own.offer.hash)) return;
    context.perform(
      () => deps.vectors.get(own.offer.hash),
      (outcome) => ({ type: "vectorRead", hash: own.offer.hash, outcome }),
    );
    state.reading.set(own.offer.hash, []);
    return;
  }
  if (signedSomewhere && elsewhere !== undefined) {
    const [device, { attempt, checkpoint }] = elsewhere;
    const key = { run: deps.run, round, term: state.term, attempt };
    fetchVector(context, state, deps, {
      offer: checkpoint!,
      sources: [device],
      purpose: { type: "checkpoint", attempt: key },
    });
    return;
  }
  enter(context, state, deps, "waiting", null);
  call(context, state, deps);
}

/** A checkpoint is in hand: the attempt goes on where it stood. True when it does. */
export function resume(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  bytes: Uint8Array,
): boolean {
  const { lead, head } = state;
  const decoded = decodeCheckpoint(bytes);
  if (lead === null || head === undefined || !decoded.ok) return false;
  const checkpoint = decoded.message;
  const isTooLarge = checkpoint.called.length > deps.opened.plan.participation.most;
  if (checkpoint.round !== head.round + 1 || isTooLarge) return false;
  const { round, attempt } = checkpoint;
  const key = { run: deps.run, round, term: state.term, attempt };
  const groups = groupsOn(deps, checkpoint, {
    plan: roundPlan(state, deps),
    parameters: head.parameters,
  });
  if (groups === null) return false;
  state.lead = {
    ...newLead(),
    key,
    startedAtMs: context.monotonicMs(),
    called: checkpoint.called,
    participants: checkpoint.groups.flatMap(({ advertisements }) =>
      advertisements.map(({ device }) => device)
    ),
    groups,
    fetched: new Map(checkpoint.submissions.map((one) => [one.device, {
      submission: {
        type: "gradientSubmission",
        ...key,
        update: { hash: one.commitment, bytes: 0 },
        modelHash: head.parameters,
        weight: one.weight,
        proofOfWork: 0,
        signature: one.signature,
      },
      bytes: null,
    }])),
    refused: checkpoint.refused,
    readyBefore: checkpoint.ready,
    failures: lead.failures,
  };
  context.log.write("info", "an attempt goes on under a new coordinator", { round, attempt });
  sendClaims(context, state, deps);
  return true;
}
