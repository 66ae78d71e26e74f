/** Finished rounds of a tiny model, in the clear and by a secure sum, with everything real but the training. */
import {
  firstModel,
  networkHash,
  type OpenedPlan,
  openPlan,
} from "../../learning/runs/opened_plan.ts";
import type { ModelState } from "../../learning/runs/model_state.ts";
import type { RunPlan } from "../../learning/runs/plan.ts";
import { combineClear } from "../../learning/runs/combine_clear.ts";
import { combineSums, nextModel } from "../../learning/runs/release.ts";
import type { RoundResult, SurvivorProof } from "../../learning/runs/result.ts";
import { atRound } from "../../learning/runs/round_form.ts";
import { sumRoundOf } from "../../learning/runs/secure_round.ts";
import { localUpdate } from "../../learning/runs/update.ts";
import { submissionStatement } from "../../learning/models/proof.ts";
import type { Network } from "../../learning/network.ts";
import { parameterBytes, parametersHash } from "../../learning/parameters.ts";
import { claimOfProof, rosterOfProof } from "../../learning/runs/sum_confirmation.ts";
import { inlineMaskWork } from "../../learning/secure/mask_work.ts";
import { merkleRoot } from "../../learning/secure/merkle.ts";
import { type Confirmation, confirmSum } from "../../learning/secure/sum_check.ts";
import type { LearningTask } from "../../learning/task.ts";
import { nodeMaskStream } from "../../platform/mask_stream.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import type { Signer } from "../../platform/ports.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import { play, type Player, players } from "./secure_support.ts";

export const crypto = nodeCrypto({ workersMax: 0 });
export const deps = { crypto, masks: nodeMaskStream() };
const RUN = "ab".repeat(32) as BlockId;
const ROUND = 4;

export interface TestDevice {
  readonly id: DeviceId;
  readonly signer: Signer;
}

/** A device whose identity `players` has made with the same seed and place. */
export function deviceOf(seed: string, i: number): TestDevice {
  const signer = nodeSigner(seededRandom(seed).fork(`identity ${i}`).bytes(32));
  return { id: deviceIdOf(signer.publicKey), signer };
}

/** A round that has ended, with all that anybody could hold of it. */
export interface FinishedRound {
  readonly opened: OpenedPlan;
  readonly parent: ModelState;
  readonly aggregate: Uint8Array<ArrayBuffer>;
  readonly result: RoundResult;
  readonly submitted: ReadonlyMap<DeviceId, Uint8Array<ArrayBuffer>>;
  readonly devices: readonly TestDevice[];
  /** Of a secure sum: its devices, each as far as it has come. */
  readonly players?: readonly Player[];
}

/** What all devices of a round by one secure sum say of `aggregate`, in the order of the proof's inputs. */
export async function confirmationsOf(
  { result, opened, players = [] }: FinishedRound,
  aggregate: Uint8Array,
): Promise<readonly Confirmation[]> {
  const proof = result.sums[0]!;
  const view = rosterOfProof(proof, { result, opened, deps });
  if (!view.ok) throw new Error(view.detail);
  const claim = claimOfProof(proof, view.value, crypto);
  const about = { claim, aggregate: crypto.sha256(aggregate) };
  return await Promise.all(proof.inputs.map(async ({ device }) => {
    const player = players.find((one) => one.device === device)!;
    const { state } = player;
    if (state === undefined || !("input" in state)) throw new Error(`${device} has no vector`);
    const maskWork = inlineMaskWork(player.deps);
    return (await confirmSum(state, { ...about, packed: state.input.packed }, {
      ...player.deps,
      maskWork,
    }))!;
  }));
}

/** A plan for `network`, by FedAvg. */
export function opened(network: Network, change: Partial<RunPlan> = {}): OpenedPlan {
  const task = {
    name: "tiny",
    title: { en: "", de: "" },
    description: { en: "", de: "" },
    defaults: { rounds: 1, epochs: 1, batchSize: 1, learningRate: 0.1 },
    network: () => network,
    examples: () => Promise.resolve({ unavailable: "none" }),
  } satisfies LearningTask;
  const plan: RunPlan = {
    version: 1,
    title: "tiny",
    task: "tiny",
    options: {},
    networkHash: networkHash(network, crypto),
    seed: new Uint8Array(32).fill(7),
    startFrom: null,
    rounds: 5,
    participation: { least: 3, most: 20, fraction: 1, overSelection: 0 },
    local: { epochs: 1, batchSize: 10, learningRate: 0.1, momentum: null, proximal: null },
    strategy: { name: "fedAvg", numbers: { serverRate: 1 } },
    aggregation: { type: "clear", rule: { name: "weightedMean", numbers: {} } },
    compression: null,
    privacy: null,
    deadlines: { readyMs: 1_000, trainMs: 1_000, phaseMs: 1_000 },
    proofOfWorkBits: 0,
    share: null,
    ...change,
  };
  return openPlan(plan, { tasks: [task], crypto });
}

/** What device `i` of a test has learned. */
export function updateOf(count: number, i: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, k) => Math.fround(Math.sin(i + 1 + k) / 10));
}

/** A signed submission of these bytes. */
export function signedBy(
  { id, signer }: TestDevice,
  about: Pick<RoundResult, "run" | "round" | "attempt" | "parent">,
  bytes: Uint8Array,
  weight: number,
): RoundResult["submissions"][number] {
  const commitment = crypto.sha256Hex(bytes) as ContentHash;
  const { run, round, attempt, parent } = about;
  const statement = submissionStatement({ run, round, attempt, parent }, { commitment, weight });
  return { device: id, commitment, weight, signature: signer.sign(statement) };
}

/** A round in the clear. */
export function clearRound(
  network: Network,
  count: number,
  change: Partial<RunPlan> = {},
): FinishedRound {
  const open = opened(network, change);
  const devices = Array.from({ length: count }, (_, i) => deviceOf("clear", i))
    .sort((a, b) => a.id < b.id ? -1 : 1);
  const parent = firstModel(open);
  const base = resultBase(parent, count);
  const updates = devices.map(({ id }, i) => ({
    device: id,
    bytes: new Uint8Array(parameterBytes(updateOf(open.layout.count, i))),
    weight: 10 * (i + 1),
  }));
  const { aggregate } = combineClear(open, updates, {
    run: RUN,
    round: ROUND,
    crypto,
    random: seededRandom("noise"),
    screening: null,
  });
  const submissions = devices.map((device, i) =>
    signedBy(device, base, updates[i]!.bytes, updates[i]!.weight)
  );
  return finished(open, parent, aggregate, { ...base, submissions }, {
    devices,
    submitted: new Map(updates.map(({ device, bytes }) => [device, bytes])),
  });
}

/** A round by one secure sum; the last device falls away before it has sent its masked vector. */
export function secureRound(
  network: Network,
  count: number,
  { change = {}, tuning }: {
    readonly change?: Partial<RunPlan>;
    /** What the version before has shown of the lengths of updates. */
    readonly tuning?: number;
  } = {},
): FinishedRound {
  const plan = opened(network, {
    aggregation: { type: "secure", encoding: { range: 1, bits: 16 } },
    ...change,
  });
  const open = atRound(plan, { run: RUN, round: ROUND, tuning: tuning ?? null }, crypto);
  const parent = { ...firstModel(plan), ...(tuning !== undefined && { tuning }) };
  const base = resultBase(parent, count);
  const seed = "secure";
  const all = players(count, { seed });
  const devices = all.map((_, i) => deviceOf(seed, i));
  const values = (i: number) => {
    const after = updateOf(open.layout.count, i);
    for (let k = 0; k < after.length; k++) after[k] = after[k]! + parent.parameters[k]!;
    const local = localUpdate(open, {
      subject: { run: RUN, round: ROUND, device: devices[i]!.id },
      before: parent.parameters,
      after,
      examples: 10 * (i + 1),
      devices: count,
      secret: seededRandom(`rounding ${i}`).bytes(32),
      residual: null,
      crypto,
    });
    if (local.type !== "secure") throw new Error("expected something for a sum");
    return local.values;
  };
  const round = sumRoundOf(open, {
    run: RUN,
    round: ROUND,
    attempt: base.attempt,
    modelHash: base.parent,
    devices: count,
  })!;
  const ending = play({
    round,
    players: all,
    values,
    present: (i, phase) => i !== count - 1 || phase === "advertise" || phase === "share",
  });
  if (ending.ended !== "sum") throw new Error(`the sum ended at ${ending.ended}`);
  const { view, levels } = ending.server.roster!;
  const sum: SurvivorProof = {
    rosterRoot: merkleRoot(levels),
    roster: view.devices,
    inputs: [...ending.server.inputs].sort(([a], [b]) => a - b)
      .map(([index, { leaf }]) => ({ device: view.devices[index]!, hash: leaf.subarray(4) })),
    signatures: [...ending.server.signatures].sort(([a], [b]) => a - b)
      .map(([index, signature]) => ({ device: view.devices[index]!, signature })),
  };
  const inSum = devices.filter(({ id }) => ending.survivors.includes(id))
    .sort((a, b) => a.id < b.id ? -1 : 1);
  // What is masked looks like nothing; any bytes do for what only its hash is signed of.
  const submitted = new Map(inSum.map(({ id }) => [id, new TextEncoder().encode(`masked ${id}`)]));
  const submissions = inSum.map((device) => signedBy(device, base, submitted.get(device.id)!, 1));
  const aggregate = combineSums(
    open,
    [{ sum: new Uint32Array(ending.sum), devices: ending.survivors.length }],
    count,
  );
  const result = { ...base, submissions, sums: [sum] };
  return finished(open, parent, aggregate, result, { devices, submitted, players: all });
}

function resultBase(parent: ModelState, called: number) {
  return {
    version: 1,
    run: RUN,
    round: ROUND,
    term: 2,
    attempt: 1,
    parent: parametersHash(parent.parameters, crypto),
    state: null,
    sums: [],
    counts: { called, ready: called, dropped: 0, refused: 0 },
    durationMs: 1,
    updateBytes: 1,
  } as const;
}

function finished(
  open: OpenedPlan,
  parent: ModelState,
  aggregate: Uint8Array<ArrayBuffer>,
  result: Omit<RoundResult, "aggregate" | "result">,
  held: Pick<FinishedRound, "devices" | "submitted" | "players">,
): FinishedRound {
  const next = nextModel(open, parent, aggregate, result.counts.called);
  return {
    opened: open,
    parent,
    aggregate,
    ...held,
    result: {
      ...result,
      ...(next.tuning !== undefined && {
        tuning: { used: parent.tuning ?? null, next: next.tuning },
      }),
      result: parametersHash(next.parameters, crypto),
      aggregate: { hash: crypto.sha256Hex(aggregate) as ContentHash, bytes: aggregate.length },
    },
  };
}
