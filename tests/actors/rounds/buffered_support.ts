/** A coordinator whose updates gather in a buffer, and devices that bring it what a test wants. */
import assert from "node:assert/strict";
import { TestActor } from "../../../actors/kernel/testkit.ts";
import type { OpenedRun } from "../../../actors/rounds/commands.ts";
import type { RunDependencies } from "../../../actors/rounds/run_state.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { submissionStatement } from "../../../learning/models/proof.ts";
import { parameterBytes } from "../../../learning/parameters.ts";
import type { OpenedPlan } from "../../../learning/runs/opened_plan.ts";
import type { RunPlan } from "../../../learning/runs/plan.ts";
import { decodeResult, type RoundResult } from "../../../learning/runs/result.ts";
import { searchWork } from "../../../learning/screening/proof_of_work.ts";
import { nodeCrypto, nodeSigner } from "../../../platform/node_crypto.ts";
import {
  type BlockId,
  type ContentHash,
  type DeviceId,
  deviceIdOf,
} from "../../../protocols/ids.ts";
import type { GradientSubmission } from "../../../protocols/rounds/messages.ts";
import { opened, updateOf } from "../../learning/proof_support.ts";
import {
  beginningOf,
  type Effects,
  openedRun,
  parent,
  peerOf,
  type RunActor,
} from "./run_actor.ts";
import { registryOf, run, said, self } from "./support.ts";

const BITS = 4;
export const STALENESS_MAX = 2;
export const TRAIN_MS = 60_000;
export const PHASE_MS = 10_000;

/** A plan with a buffer of `goal` updates. */
export function planOf(goal: number, change: Partial<RunPlan> = {}): OpenedPlan {
  return opened(softmaxRegression({ inputs: 2, classes: 2 }), {
    rounds: 20,
    proofOfWorkBits: BITS,
    deadlines: { readyMs: 1_000, trainMs: TRAIN_MS, phaseMs: PHASE_MS },
    strategy: { name: "fedBuff", numbers: { serverRate: 1, goal, stalenessMax: STALENESS_MAX } },
    ...change,
  });
}

const crypto = nodeCrypto({ workersMax: 0 });
export const { model, parameters } = beginningOf(planOf(2));
export const count = model.parameters.length;

export interface Device {
  readonly id: DeviceId;
  readonly signer: ReturnType<typeof nodeSigner>;
}
export const devices: readonly Device[] = [8, 40, 41, 42, 43].map((byte) => {
  const signer = nodeSigner(new Uint8Array(32).fill(byte));
  return { id: deviceIdOf(signer.publicKey), signer };
});

export function hashOf(bytes: Uint8Array): ContentHash {
  return crypto.sha256Hex(bytes) as ContentHash;
}

/** The bytes of an update; another one for each number. */
export function bytesOf(number: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parameterBytes(updateOf(count, number)));
}

/** The actor of a run on our device, opened at the version before the first; the others are connected. */
export function actorOf(
  plan: OpenedPlan,
  options: {
    readonly fresh: boolean;
    readonly examples?: OpenedRun["examples"];
    readonly untrusted?: readonly DeviceId[];
    readonly deps?: Partial<RunDependencies>;
  },
) {
  const registry = registryOf([self, ...devices.map(({ id }) => id)]);
  const { fresh, examples, deps, untrusted = [] } = options;
  const actor = openedRun(plan, {
    registry,
    fresh,
    startedBy: self,
    ...(examples === undefined ? {} : { examples: () => examples }),
    ...(deps === undefined ? {} : { deps }),
  });
  const peers = devices.map(({ id }) => peerOf(id, { trusted: !untrusted.includes(id) }));
  const effects = [...actor.tell({ type: "peersChanged", peers, registry }), ...actor.advance(900)];
  return { actor, effects, peers, registry };
}

/** Our device has opened the buffer of the first version; it has nothing to learn from itself. */
export function coordinator(goal: number, untrusted: readonly DeviceId[] = []) {
  const { actor, effects } = actorOf(planOf(goal), { fresh: true, untrusted });
  assert.equal(actor.state.lead?.phase, "training");
  const { key } = actor.state.lead;
  const message = { type: "decline", ...key!, why: "noData", reason: "none" } as const;
  actor.tell({ type: "peerMessage", from: self, message });
  return { actor, effects };
}

/** What a submission says, where it is not what an honest device would say. */
export interface Change {
  readonly base?: { readonly round: number; readonly parameters: ContentHash };
  readonly signedRound?: number;
  readonly weight?: number;
  readonly attempt?: number;
}

/** A submission of these bytes, trained from the version our device has, with a proof of work and a signature that hold. */
export function submissionOf(
  { state }: RunActor,
  { signer }: Device,
  bytes: Uint8Array,
  change: Change = {},
): GradientSubmission {
  const head = state.head!;
  const base = change.base ?? { round: head.round, parameters: head.parameters };
  const { weight = 1, attempt = 0 } = change;
  const round = base.round + 1;
  const hash = hashOf(bytes);
  const search = searchWork(crypto, {
    run: Uint8Array.fromHex(run),
    round,
    device: signer.publicKey,
    submission: Uint8Array.fromHex(hash),
  }, { bits: BITS, from: 0, tries: 10_000 });
  assert.ok(search.type === "found");
  const statement = submissionStatement({
    run,
    round: change.signedRound ?? round,
    attempt,
    parent: base.parameters,
  }, { commitment: hash, weight });
  return {
    type: "gradientSubmission",
    run,
    round,
    term: state.term,
    attempt,
    update: { hash, bytes: bytes.length },
    modelHash: base.parameters,
    weight,
    proofOfWork: search.nonce,
    signature: signer.sign(statement),
  };
}

export function submit(actor: RunActor, { id }: Device, message: GradientSubmission): Effects {
  return actor.tell({ type: "peerMessage", from: id, message });
}

export function give(actor: RunActor, { id }: Device, bytes: Uint8Array<ArrayBuffer>): Effects {
  const message = { type: "vectorPart", run, hash: hashOf(bytes), index: 0, bytes } as const;
  return actor.tell({ type: "peerMessage", from: id, message });
}

/** The coordinator asks a device for its update and gets it. */
export function handIn(actor: RunActor, device: Device, number: number, change?: Change): Effects {
  const bytes = bytesOf(number);
  const [request] = said(
    submit(actor, device, submissionOf(actor, device, bytes, change)),
    device.id,
  );
  assert.ok(request?.type === "requestParts", JSON.stringify(request));
  return give(actor, device, bytes);
}

/** The full buffer becomes a version, and that our head. */
export async function nextVersion(actor: RunActor): Promise<RoundResult> {
  assert.equal(actor.state.lead?.phase, "publishing");
  const round = actor.state.head!.round + 1;
  let result: RoundResult | undefined;
  for (let step = 0; step < 50 && actor.state.head!.round < round; step++) {
    const [task] = actor.pendingTasks();
    assert.ok(task !== undefined, "nothing is left to do");
    const effects = await actor.runTask(task);
    for (const command of TestActor.sentTo(effects, parent)) {
      if (command.type !== "publishResult") continue;
      const decoded = decodeResult(command.body);
      assert.ok(decoded.ok);
      result = decoded.message;
      const block = hashOf(command.body) as string as BlockId;
      const committed = { block, author: self, atMs: 1, result };
      actor.tell({ type: "resultCommitted", committed });
    }
  }
  assert.ok(result !== undefined, "a result is published");
  assert.equal(actor.state.head!.round, round);
  return result;
}
