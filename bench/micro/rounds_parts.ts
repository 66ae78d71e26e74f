/** What the devices of a round are given in benches in place of training, disk, ledger and registry, whatever carries their messages. */
import type { Ref, Topic } from "../../actors/kernel/actor.ts";
import type {
  ChargeAnswer,
  ChargeRequest,
  CommittedResult,
  RoundsCommand,
} from "../../actors/rounds/commands.ts";
import type { RunDependencies } from "../../actors/rounds/run_state.ts";
import type { SessionsCommand } from "../../actors/sessions/commands.ts";
import type { OpenedPlan } from "../../learning/runs/opened_plan.ts";
import { decodeResult } from "../../learning/runs/result.ts";
import type { MaskWork } from "../../learning/secure/mask_work.ts";
import type { Dataset, Trainer } from "../../learning/trainer.ts";
import type { Crypto, MaskStream, Signer } from "../../platform/ports.ts";
import type { BlockId, DeviceId, MeshId } from "../../protocols/ids.ts";
import type { Member, Registry } from "../../protocols/registry/registry.ts";
import type { RoundsMessage } from "../../protocols/rounds/messages.ts";
import { simulatedPaillierWork } from "../../simulation/simulated_paillier.ts";
import { memoryScratch } from "../../store/memory_vectors.ts";
import type { VectorStore } from "../../store/vectors.ts";

const ALLOWED = new Set(["learn.join", "learn.coordinate"]);
const LEARNS_ONLY = new Set(["learn.join"]);
const RUN = "ab".repeat(32) as BlockId;
const ROUNDS: Ref<RoundsCommand> = { path: "rounds" };
const SESSIONS: Ref<SessionsCommand> = { path: "sessions" };

/** Who a device is, and what it works with. */
export interface DeviceParts {
  /** 0 has started the run and coordinates. */
  readonly index: number;
  readonly self: DeviceId;
  readonly signer: Signer;
  readonly startedBy: DeviceId;
  readonly opened: OpenedPlan;
  readonly registry: Registry;
  readonly crypto: Crypto;
  readonly masks: MaskStream;
  readonly maskWork: MaskWork;
  /** As in `RunDependencies`. */
  readonly gatheredBytesMax?: number | undefined;
  /** Room on a disk; memory that is not counted when absent. */
  readonly scratch?: VectorStore["scratch"] | undefined;
}

/** Everything that the actor of the run gets on this device: what is real comes from the caller, the rest is fixed or in memory. */
export function runDependencies(
  { index, gatheredBytesMax, scratch, ...given }: DeviceParts,
): RunDependencies {
  return {
    ...given,
    run: RUN,
    results: [],
    fresh: index === 0,
    rounds: ROUNDS,
    sessions: SESSIONS,
    paillier: simulatedPaillierWork(),
    trainer: fixedTrainer(index),
    vectors: { ...vectorsInMemory(), ...(scratch !== undefined && { scratch }) },
    ...(gatheredBytesMax !== undefined && { gatheredBytesMax }),
    store: { settings: forgetfulSettings() as RunDependencies["store"]["settings"] },
    examples: () => Promise.resolve({ training: examples(index), test: null }),
  };
}

/** A ledger that allows everything. */
export function allowed(index: number, { round, release }: ChargeRequest): ChargeAnswer {
  const secret = new Uint8Array(32);
  new DataView(secret.buffer).setUint32(0, index);
  return { type: "charged", round, release, answer: { ok: true, secret } };
}

/** What its author has published, as if it were durable. Throws when it is no result. */
export function committed(body: Uint8Array, author: DeviceId): CommittedResult {
  const decoded = decodeResult(body);
  if (!decoded.ok) throw new Error(`Benchmark is wrong: ${decoded.reason}`);
  return { block: "cd".repeat(32) as BlockId, author, atMs: 0, result: decoded.message };
}

/** The last that a device hears before it trains: whoever falls away now is missed most. */
export function isEndOfSharing(message: RoundsMessage): boolean {
  return message.type === "trainNow" ||
    (message.type === "securePhase" && message.phase === "inbox");
}

/** A mesh in which all may learn, and coordinate unless `coordinators` says who may. */
export function registryOf(
  ids: readonly DeviceId[],
  { mesh = "" as MeshId, coordinators = ids }: {
    readonly mesh?: MeshId;
    readonly coordinators?: readonly DeviceId[];
  } = {},
): Registry {
  const may = new Set(coordinators);
  const members = ids.map((deviceId) => {
    const permissions = may.has(deviceId) ? ALLOWED : LEARNS_ONLY;
    return [deviceId, { deviceId, revoked: false, permissions } as unknown as Member] as const;
  });
  return { mesh, founder: ids[0]!, members: new Map(members), heads: [] };
}

/** What has been learned is the same for all but for its length. */
function fixedTrainer(index: number): Trainer {
  const factor = 1e-3 * (1 + 0.05 * Math.sin(index));
  return {
    train({ parameters }) {
      const trained = parameters.slice();
      for (let i = 0; i < trained.length; i++) trained[i] = trained[i]! + factor * ((i % 7) - 3);
      return Promise.resolve({ parameters: trained, loss: 1, examples: 1 } as never);
    },
    evaluate: () => Promise.reject(new Error("the bench measures no model")),
    close() {},
  };
}

/** Some have a few more than others. */
function examples(index: number): Dataset {
  return {
    exampleLength: 1,
    count: 20 + index % 5,
    inputs: new Uint8Array(20 + index % 5),
    labels: new Uint8Array(20 + index % 5),
  };
}

/** Keeps the vectors of one device, as long as it lives. */
function vectorsInMemory(): VectorStore {
  const kept = new Map<string, Uint8Array<ArrayBuffer>>();
  return {
    put: (hash, bytes) => Promise.resolve(void kept.set(hash, bytes.slice())),
    get: (hash) => Promise.resolve(kept.get(hash)),
    has: (hash) => Promise.resolve(kept.has(hash)),
    remove: (hash) => Promise.resolve(void kept.delete(hash)),
    scratch: () => Promise.resolve(memoryScratch()),
    list: () => Promise.resolve([]),
  };
}

/** Nothing outlives the round. */
export function forgetfulSettings() {
  return {
    get: () => Promise.resolve(undefined),
    set: () => Promise.resolve(),
    entries: () => Promise.resolve([]),
  };
}

/** What the actor of a run asks of its context and gets no answer to. */
export const NOTHING_ELSE = {
  wallMs: () => 0,
  monotonicMs: () => performance.now(),
  publish<Event>(_topic: Topic<Event>, _event: Event) {},
  subscribe() {},
  cancelTimer() {},
  spawn(): never {
    throw new Error("the actor of a run is not expected to need this");
  },
  stopChild() {},
  stopSelf() {},
  watch() {},
};
