/**
 * Training for a round and handing over what came of it.
 *
 * Invariants:
 * - The ledger is charged, durably, before anything that depends on our examples leaves; and our part in a secure sum is on the disk before the
 *   masked vector leaves.
 * - One update per release: every attempt gets the same one, under other masks.
 */
import { compressionError } from "../../learning/runs/compression_cost.ts";
import { localUpdate } from "../../learning/runs/update.ts";
import { submissionStatement } from "../../learning/models/proof.ts";
import { prepareMasks } from "../../learning/secure/client.ts";
import type { ClientState } from "../../learning/secure/client_state.ts";
import type { ReceivedShares, SumClientDependencies } from "../../learning/secure/contract.ts";
import { keptState } from "../../learning/secure/kept_state.ts";
import { encodeMaskedInput } from "../../learning/secure/wire.ts";
import { searchWork } from "../../learning/screening/proof_of_work.ts";
import { type ContentHash, publicKeyOf } from "../../protocols/ids.ts";
import type { ChargeAnswer, PreparedSubmission, TrainedUpdate } from "./commands.ts";
import { handedIn, paysForHandingIn, problemOfVector, signedSetting } from "./given_word.ts";
import { storedParts, withPart } from "./kept_parts.ts";
import { keepUpdate, type KeptUpdate, readUpdate, updateToKeep } from "./kept_update.ts";
import { localTraining } from "./local_training.ts";
import { roundPlan } from "./round_plan.ts";
import type { Of, Part, RunActorState, RunContext, RunDependencies } from "./run_state.ts";
import { handToSecond, smallContribution } from "./small_part.ts";
import { sumClientDependencies } from "./sum_dependencies.ts";
import { shortReason, tell } from "./talking.ts";

/** Nonces tried between two turns of everything else. */
const WORK_AT_ONCE = 2_048;
const PUBLIC_KEY_BYTES = 32;

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
  const { release, key: { round } } = part;
  context.send(deps.rounds, {
    type: "charge",
    charge: {
      run: deps.run,
      round,
      devices: summandsOf(part),
      dimension: deps.opened.layout.count,
      release,
    },
  });
}

/** Devices in our sum. */
function summandsOf({ sum, small }: Part): number {
  if (small?.sum != null) return small.sum.view.devices.length;
  return sum !== null && "devices" in sum ? sum.devices.length / PUBLIC_KEY_BYTES : 1;
}

/** The ledger has answered: the secret of the round's noise, or no. */
export function onCharged(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { round, release, answer }: ChargeAnswer,
): void {
  const { part, head, examples } = state;
  if (part?.key.round !== round || part.release !== release || part.phase !== "training") return;
  if (part.update !== null) return;
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
  const { training } = examples;
  const forRound = roundPlan(state, deps);
  const devices = summandsOf(part);
  const train = localTraining(context, deps, {
    round,
    parameters: model.parameters,
    dataset: training,
  });
  context.perform(
    async (): Promise<TrainedUpdate> => {
      // From before a restart: the very same, whatever there is to learn from by now.
      const kept = await readUpdate(deps, { round, release });
      if (kept !== undefined) return { ...kept, examples: training.count };
      const trained = await train();
      const made = {
        subject: { run: deps.run, round, device: deps.self },
        before: model.parameters,
        after: trained.parameters,
        examples: training.count,
        devices,
        secret: answer.secret,
        residual,
        crypto: deps.crypto,
      };
      const update = localUpdate(forRound, made);
      // Reading takes as long as compressing: between the two everything else has its turn.
      if (deps.opened.plan.compression !== null) await deps.maskWork.pause();
      const error = compressionError(forRound, update, made);
      return { loss: trained.loss, compressionError: error, examples: training.count, update };
    },
    (outcome) => ({ type: "trained", round, release, outcome }),
  );
}

/** Trained. */
export function onTrained(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { round, release, outcome }: Of<"trained">,
): void {
  const { part } = state;
  if (part?.key.round !== round || part.release !== release || part.update !== null) return;
  if (!outcome.ok) {
    const reason = outcome.error instanceof Error ? outcome.error.message : String(outcome.error);
    context.log.write("warning", "this device could not train", { round, reason });
    return refuse(context, deps, part, reason);
  }
  const { loss, compressionError, update } = outcome.value;
  if (loss !== null || compressionError !== null) {
    state.trainings.set(round, { loss, compressionError });
  }
  part.update = update;
  // Where another attempt has begun meanwhile, it trains no second time: it takes this update when it comes to that.
  if (part.phase === "training") submit(context, state, deps, update);
}

/** Masks the update, proves the work and signs: expensive, so outside the actor. */
function submit(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  update: NonNullable<Part["update"]>,
): void {
  const { key, sum, received, small } = state.part!;
  state.part!.phase = "preparing";
  const modelHash = state.part!.base ?? state.head!.parameters;
  const { crypto, signer, opened, self } = deps;
  const dependencies = sumClientDependencies(context, deps);
  context.perform(
    async (): Promise<PreparedSubmission> => {
      const { bytes, weight, kept, masked, second } = update.type === "clear"
        ? { ...update, kept: null, masked: null, second: null }
        : small !== null
        ? {
          ...await smallContribution(context, deps, small, update.values),
          weight: 1,
          kept: null,
          masked: null,
        }
        : await maskedUpdate(deps, { sum, received, values: update.values, dependencies });
      const vector = update.type === "clear" ? null : crypto.sha256Hex(bytesOf(update.values));
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
          kept,
          masked,
          bytes,
          vector,
          second,
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
    (outcome) => ({ type: "prepared", round: key.round, attempt: key.attempt, outcome }),
  );
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array<ArrayBuffer>) {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

async function maskedUpdate(
  { maskWork }: Pick<RunDependencies, "maskWork">,
  { sum, received, values, dependencies }: {
    readonly sum: ClientState | null;
    readonly received: ReceivedShares | null;
    readonly values: Uint32Array<ArrayBuffer>;
    readonly dependencies: SumClientDependencies;
  },
) {
  if (sum === null || received === null) throw new Error("there are no keys to mask with");
  const prepared = prepareMasks(sum, received, dependencies);
  if (!prepared.ok) throw new Error(prepared.detail);
  const { orders, finish } = prepared.value;
  // Masked in place: another attempt needs the update as it was.
  const numbers = values.slice();
  await maskWork.apply(numbers, await maskWork.keys(orders));
  const step = finish(numbers);
  const { state, message } = step;
  if (state.phase !== "masked") throw new Error("this vector was masked before");
  const kept = keptState(state, dependencies);
  // The vector itself is in the bytes.
  const { input: _, phase: __, ...masked } = state;
  return { bytes: encodeMaskedInput(message), weight: 1, kept, masked, second: null };
}

/** Masked and signed: with secure sums our part is written down first, and our word where handing in is paid for. `onReady` hands in otherwise than at once. */
export function onPrepared(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { round, attempt, outcome }: Of<"prepared">,
  onReady?: () => void,
): void {
  const { part } = state;
  if (part?.key.round !== round || part.key.attempt !== attempt || part.phase !== "preparing") {
    return;
  }
  if (!outcome.ok) {
    const reason = outcome.error instanceof Error ? outcome.error.message : String(outcome.error);
    return refuse(context, deps, part, reason);
  }
  const { kept, masked, bytes, vector, second, submission } = outcome.value;
  const problem = problemOfVector(state, part, vector);
  if (problem !== undefined) return refuse(context, deps, part, problem);
  part.vector = vector;
  if (part.small !== null) {
    part.small.secondPart = second;
    part.small.inputHash = Uint8Array.fromHex(submission.update.hash);
  }
  part.submission = submission;
  part.bytes = bytes;
  if (onReady !== undefined) {
    part.phase = "submitted";
    return onReady();
  }
  if (kept === null) {
    if (!paysForHandingIn(deps)) return handIn(context, deps, part);
    return keep(context, deps, part, { [signedSetting(deps.run)]: handedIn(part) });
  }
  // What masks the vector is needed once more, to confirm the sum; it does not go to the disk.
  part.sum = null;
  part.masked = masked;
  part.received = null;
  part.kept = kept;
  const { coordinator, release } = part;
  state.kept = withPart(state.kept, { round, attempt, coordinator, release, vector, sum: kept });
  const update = updateToKeep(part, state, deps);
  keep(context, deps, part, storedParts(deps.run, state.kept), update);
}

/** Writes down what must be on the disk before the update leaves. */
function keep(
  context: RunContext,
  deps: RunDependencies,
  { key: { round, attempt } }: Part,
  settings: Readonly<Record<string, unknown>>,
  update: KeptUpdate | null = null,
): void {
  const secret = context.random.bytes(32);
  context.perform(
    async () => {
      await keepUpdate(deps, update, secret);
      await deps.store.settings.set(settings);
    },
    (outcome) => ({ type: "partKept", round, attempt, outcome }),
  );
}

/** Our part, or our word, is on the disk: from now on a restart changes nothing. */
export function onPartKept(
  context: RunContext,
  state: RunActorState,
  deps: RunDependencies,
  { round, attempt, outcome }: Of<"partKept">,
): void {
  const { part } = state;
  if (part?.key.round !== round || part.key.attempt !== attempt || part.phase !== "preparing") {
    return;
  }
  if (!outcome.ok) return refuse(context, deps, part, "its disk does not keep its part");
  if (part.kept === null) state.signed = handedIn(part);
  handIn(context, deps, part);
}

/** The update may leave: its coordinator fetches it. */
function handIn(context: RunContext, deps: RunDependencies, part: Part): void {
  part.phase = "submitted";
  handToSecond(context, deps, part);
  tell(context, deps, part.coordinator, part.submission!);
}

/** We take no further part in this attempt. */
export function refuse(
  context: RunContext,
  deps: RunDependencies,
  part: Part,
  reason: string,
): void {
  tell(context, deps, part.coordinator, {
    type: "decline",
    ...part.key,
    why: "cannot",
    reason: shortReason(reason),
  });
}
