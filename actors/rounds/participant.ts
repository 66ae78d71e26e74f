/**
 * Our part in rounds that somebody coordinates: train when called, hand over one update, help to unmask.
 *
 * Invariants:
 * - The ledger is charged, durably, before anything that depends on our examples leaves.
 * - One update per round: every attempt gets the same one, under other masks.
 * - A word about survivors is on the disk before it is sent, and is given for one attempt of a round; a further one is another release and
 *   is charged as such.
 */
import { sumRoundOf, survivorsLeast } from "../../learning/runs/secure_round.ts";
import { localUpdate } from "../../learning/runs/update.ts";
import { submissionStatement } from "../../learning/models/proof.ts";
import {
  advertise,
  maskInput,
  reveal,
  shareKeys,
  signSurvivors,
} from "../../learning/secure/client.ts";
import type { ClientState } from "../../learning/secure/client_state.ts";
import type {
  ReceivedShares,
  SumClientDependencies,
  SumOutcome,
} from "../../learning/secure/contract.ts";
import {
  decodeReceivedShares,
  decodeRoster,
  decodeSurvivorClaim,
  decodeUnmaskRequest,
  encodeAdvertisement,
  encodeKeyShares,
  encodeMaskedInput,
  encodeReveal,
  encodeSurvivorSignature,
} from "../../learning/secure/wire.ts";
import { searchWork } from "../../learning/screening/proof_of_work.ts";
import { type ContentHash, type DeviceId, publicKeyOf } from "../../protocols/ids.ts";
import type { Decline, RoundStart, SecurePhase } from "../../protocols/rounds/messages.ts";
import type { ChargeAnswer, PreparedSubmission, TrainedUpdate } from "./commands.ts";
import type { Of, Part, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { attemptOf, sameAttempt, shortReason, tell } from "./talking.ts";
import { serve } from "./transfers.ts";
import { sumClientDependencies } from "./sum_dependencies.ts";

/** A word about survivors binds this long; then the coordinator is taken to be gone for good, and a further attempt is another release, ms. */
const SIGNED_BINDS_MS = 60_000;

/** Nonces tried between two turns of everything else. */
const WORK_AT_ONCE = 2_048;

/** Setting: the attempt for whose survivors this device has signed. */
export function signedSetting(run: string): string {
  return `learning/signed/${run}`;
}

/** The coordinator calls. `follow` was asked before. */
export function onRoundStart(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  call: RoundStart,
): void {
  const key = attemptOf(call);
  const decline = (why: Decline["why"], reason: string) =>
    tell(context, deps, from, { type: "decline", ...key, why, reason: shortReason(reason) });
  const { head, examples } = state;
  if (head === undefined || examples === undefined) return decline("busy", "still starting");
  const isBehind = call.round > head.round + 1 || head.model === null;
  if (isBehind && state.held === null) {
    // The result it goes on from is on its way to us: answered when it is here, if the coordinator still waits then.
    state.held = { from, call, untilMs: context.monotonicMs() + call.withinMs };
    return;
  }
  if (call.round !== head.round + 1 || call.model.hash !== head.parameters || head.model === null) {
    return decline("staleModel", `this device has round ${head.round}`);
  }
  if ("unavailable" in examples) return decline("noData", examples.unavailable);
  if (!call.called.includes(deps.self)) return;
  state.attempt = Math.max(state.attempt, call.attempt);
  const again = state.part;
  if (again !== null && sameAttempt(again.key, key)) return;
  const { signed } = state;
  if (signed !== null && signed.round === call.round && signed.attempt !== call.attempt) {
    if (context.monotonicMs() - (state.signedAtMs ?? 0) < SIGNED_BINDS_MS) {
      return decline("busy", `attempt ${signed.attempt} may still come to its sum`);
    }
  }
  const part: Part = {
    key,
    coordinator: from,
    phase: "ready",
    sum: null,
    received: null,
    // Another release is another update: equal noise under other survivors would tell their difference.
    update: again !== null && again.key.round === key.round && signed === null
      ? again.update
      : null,
    submission: null,
  };
  let keys: Uint8Array = new Uint8Array();
  const round = sumRoundOf(deps.opened, {
    ...key,
    modelHash: head.parameters,
    devices: call.called.length,
  });
  if (round !== null) {
    const step = advertise(
      {
        round,
        device: deps.self,
        ...(again?.sum && signed === null && { previous: again.sum }),
      },
      sumClientDependencies(context, deps),
    );
    if (!step.ok) return decline("cannot", step.detail);
    part.sum = step.value.state;
    keys = encodeAdvertisement(step.value.message);
  }
  state.part = part;
  tell(context, deps, from, { type: "peerReady", ...key, modelHash: head.parameters, keys });
}

/** The model has moved on: a call that came too early for us is answered now. */
export function answerHeldCall(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const { held } = state;
  if (held === null) return;
  const isPast = context.monotonicMs() > held.untilMs || held.call.term < state.term;
  if (isPast) {
    state.held = null;
    return;
  }
  if (held.call.round > (state.head?.round ?? 0) + 1) return;
  state.held = null;
  onRoundStart(context, state, deps, held.from, held.call);
}

/** A step of the secure sum. */
export function onSecurePhase(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  from: DeviceId,
  message: SecurePhase,
): void {
  const { part } = state;
  if (part === null || part.sum === null || !sameAttempt(part.key, message)) return;
  // A new coordinator may finish what another has begun; the caller has checked that it is the one to follow.
  part.coordinator = from;
  const answer = (phase: SecurePhase["phase"], body: Uint8Array) =>
    tell(context, deps, from, { type: "securePhase", ...part.key, phase, body });
  switch (message.phase) {
    case "roster": {
      const roster = decodeRoster(message.body);
      if (!roster.ok) return refuse(context, deps, part, roster.reason);
      const step = taken(
        context,
        deps,
        part,
        shareKeys(part.sum, roster.message, sumClientDependencies(context, deps)),
      );
      if (step === null) return;
      part.sum = step.state;
      return answer("shares", encodeKeyShares(step.message));
    }
    case "inbox": {
      const received = decodeReceivedShares(message.body);
      if (!received.ok) return refuse(context, deps, part, received.reason);
      part.received = received.message;
      return beginTraining(context, state, deps);
    }
    case "survivors": {
      const claim = decodeSurvivorClaim(message.body);
      if (!claim.ok) return refuse(context, deps, part, claim.reason);
      const least = survivorsLeast(deps.opened.plan);
      if (bitCount(claim.message.survivors) < least) {
        return refuse(context, deps, part, `fewer than ${least} survivors: too little noise`);
      }
      const step = taken(
        context,
        deps,
        part,
        signSurvivors(part.sum, claim.message, sumClientDependencies(context, deps)),
      );
      if (step === null) return;
      part.sum = step.state;
      const { round, attempt } = part.key;
      const body = encodeSurvivorSignature(step.message);
      return context.perform(
        () => deps.store.settings.set({ [signedSetting(deps.run)]: { round, attempt } }),
        (outcome) => ({ type: "signedKept", attempt, body, outcome }),
      );
    }
    case "unmaskRequest": {
      const request = decodeUnmaskRequest(message.body);
      if (!request.ok) return refuse(context, deps, part, request.reason);
      const step = taken(
        context,
        deps,
        part,
        reveal(part.sum, request.message, sumClientDependencies(context, deps)),
      );
      if (step === null) return;
      part.sum = step.state;
      part.phase = "revealed";
      return answer("unmask", encodeReveal(step.message));
    }
    default:
      // What devices say to coordinators.
      return;
  }
}

/** Our word is on the disk: it may be given. */
export function onSignedKept(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { attempt, body, outcome }: Of<"signedKept">,
): void {
  const { part } = state;
  if (part === null || part.key.attempt !== attempt) return;
  if (!outcome.ok) return refuse(context, deps, part, "its disk does not keep its word");
  state.signed = { round: part.key.round, attempt };
  state.signedAtMs = context.monotonicMs();
  part.phase = "signed";
  tell(context, deps, part.coordinator, {
    type: "securePhase",
    ...part.key,
    phase: "consistency",
    body,
  });
}

/** Everybody is in: asks the ledger, then trains. */
export function beginTraining(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
): void {
  const { part } = state;
  if (part === null || part.phase !== "ready") return;
  part.phase = "training";
  if (part.update !== null) return submit(context, state, deps, part.update);
  const { round } = part.key;
  const { signed } = state;
  context.send(deps.rounds, {
    type: "charge",
    charge: {
      run: deps.run,
      round,
      devices: part.sum !== null && "devices" in part.sum ? part.sum.devices.length / 32 : 1,
      dimension: deps.opened.layout.count,
      again: signed !== null && signed.round === round,
    },
  });
}

/** The ledger has answered: the secret of the round's noise, or no. */
export function onCharged(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { round, answer }: ChargeAnswer,
): void {
  const { part, head, examples } = state;
  if (part === null || part.key.round !== round || part.phase !== "training") return;
  if (head?.model == null || examples === undefined || "unavailable" in examples) return;
  if (!answer.ok) {
    const { key, coordinator } = part;
    state.part = null;
    state.waitingFor = answer.reason;
    const reason = shortReason(answer.reason);
    return tell(context, deps, coordinator, { type: "decline", ...key, why: "budget", reason });
  }
  const { model } = head;
  const { residual } = state;
  const { opened, trainer } = deps;
  const { local } = opened.plan;
  const { attempt } = part.key;
  const devices = part.sum !== null && "devices" in part.sum ? part.sum.devices.length / 32 : 1;
  const onStep = context.inlet((
    { done, total }: { readonly done: number; readonly total: number },
  ) => (
    { type: "trainingStep", done, total }
  ));
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, round);
  const seed = deps.crypto.sha256(opened.plan.seed, number, publicKeyOf(deps.self));
  context.perform(
    async (): Promise<TrainedUpdate> => {
      const { training } = examples;
      const trained = await trainer.train(
        {
          network: opened.network,
          parameters: model.parameters,
          dataset: training,
          epochs: local.epochs,
          batchSize: Math.min(local.batchSize, Math.max(1, training.count)),
          learningRate: local.learningRate,
          ...(local.momentum !== null && { momentum: local.momentum }),
          ...(local.proximal !== null && { proximal: local.proximal }),
          ...opened.strategy.clients,
          seed,
        },
        { onProgress: (done, total) => onStep({ done, total }) },
      );
      const update = localUpdate(opened, {
        subject: { run: deps.run, round, device: deps.self },
        before: model.parameters,
        after: trained.parameters,
        examples: training.count,
        devices,
        secret: answer.secret,
        residual,
        crypto: deps.crypto,
      });
      return { loss: trained.loss, examples: training.count, update };
    },
    (outcome) => ({ type: "trained", round, attempt, outcome }),
  );
}

/** Trained. */
export function onTrained(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { round, attempt, outcome }: Of<"trained">,
): void {
  const { part } = state;
  if (part === null || part.key.round !== round || part.phase !== "training") return;
  if (!outcome.ok) {
    const reason = outcome.error instanceof Error ? outcome.error.message : String(outcome.error);
    context.log.write("warning", "this device could not train", { round, reason });
    return refuse(context, deps, part, reason);
  }
  state.trainingLoss = outcome.value.loss;
  part.update = outcome.value.update;
  // Another attempt has begun meanwhile: it trains no second time.
  if (part.key.attempt === attempt || part.phase === "training") {
    submit(context, state, deps, outcome.value.update);
  }
}

/** Masks the update, proves the work and signs: expensive, so outside the actor. */
function submit(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  update: NonNullable<Part["update"]>,
): void {
  const { key, sum, received } = state.part!;
  const modelHash = state.head!.parameters;
  const { crypto, signer, opened, self } = deps;
  const dependencies = sumClientDependencies(context, deps);
  context.perform(
    async (): Promise<PreparedSubmission> => {
      const { bytes, weight, masked } = update.type === "clear"
        ? { ...update, masked: null }
        : maskedUpdate(sum, received, update.values, dependencies);
      const hash = crypto.sha256Hex(bytes) as ContentHash;
      const work = {
        run: Uint8Array.fromHex(key.run),
        round: key.round,
        device: publicKeyOf(self),
        submission: Uint8Array.fromHex(hash),
      };
      let from = 0;
      for (;;) {
        const search = searchWork(crypto, work, {
          bits: opened.plan.proofOfWorkBits,
          from,
          tries: WORK_AT_ONCE,
        });
        if (search.type === "goOn") {
          from = search.from;
          await Promise.resolve();
          continue;
        }
        const { run, round, attempt } = key;
        const statement = submissionStatement(
          { run, round, attempt, parent: modelHash },
          { commitment: hash, weight },
        );
        return {
          sum: masked,
          bytes,
          submission: {
            type: "gradientSubmission",
            ...key,
            update: { hash, bytes: bytes.length },
            modelHash,
            weight,
            proofOfWork: search.nonce,
            signature: signer.sign(statement),
          },
        };
      }
    },
    (outcome) => ({ type: "prepared", attempt: key.attempt, outcome }),
  );
}

function maskedUpdate(
  sum: ClientState | null,
  received: ReceivedShares | null,
  values: Uint32Array<ArrayBuffer>,
  dependencies: SumClientDependencies,
) {
  if (sum === null || received === null) throw new Error("there are no keys to mask with");
  // Masked in place: another attempt needs the update as it was.
  const step = maskInput(sum, received, values.slice(), dependencies);
  if (!step.ok) throw new Error(step.detail);
  return { bytes: encodeMaskedInput(step.value.message), weight: 1, masked: step.value.state };
}

/** The update may leave: its coordinator fetches it. */
export function onPrepared(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { attempt, outcome }: Of<"prepared">,
): void {
  const { part } = state;
  if (part === null || part.key.attempt !== attempt || part.phase !== "training") return;
  if (!outcome.ok) {
    const reason = outcome.error instanceof Error ? outcome.error.message : String(outcome.error);
    return refuse(context, deps, part, reason);
  }
  const { sum, bytes, submission } = outcome.value;
  part.sum = sum;
  part.submission = submission;
  part.phase = "submitted";
  serve(state, submission.update.hash, bytes);
  tell(context, deps, part.coordinator, submission);
}

/** A step's value; or null, when the coordinator's message was refused, and it was told. */
function taken<T>(
  context: RunContext,
  deps: RunDependencies,
  part: Part,
  outcome: SumOutcome<T>,
): T | null {
  if (outcome.ok) return outcome.value;
  context.log.write("warning", "a step of the secure sum was refused", {
    refusal: outcome.refusal,
    detail: outcome.detail,
  });
  refuse(context, deps, part, outcome.detail);
  return null;
}

/** We take no further part in this attempt. */
function refuse(context: RunContext, deps: RunDependencies, part: Part, reason: string): void {
  tell(context, deps, part.coordinator, {
    type: "decline",
    ...part.key,
    why: "cannot",
    reason: shortReason(reason),
  });
}

function bitCount(bits: Uint8Array): number {
  let count = 0;
  for (const byte of bits) for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
