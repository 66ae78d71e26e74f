/** The actor of one run on our device: started, and opened at the version before the first. */
import { type TestActor, testActor, testRef } from "../../../actors/kernel/testkit.ts";
import type {
  OpenedRun,
  RoundsCommand,
  RunCommand,
  RunPeer,
} from "../../../actors/rounds/commands.ts";
import { run as runBehaviour } from "../../../actors/rounds/run.ts";
import type { RunActorState, RunDependencies } from "../../../actors/rounds/run_state.ts";
import { parameterBytes } from "../../../learning/parameters.ts";
import { firstModel, type OpenedPlan } from "../../../learning/runs/opened_plan.ts";
import type { RoundResult } from "../../../learning/runs/result.ts";
import { nodeCrypto, nodeSigner } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import type { ContentHash, DeviceId } from "../../../protocols/ids.ts";
import type { RoundsMessage, RoundStart } from "../../../protocols/rounds/messages.ts";
import type { Registry } from "../../../protocols/registry/registry.ts";
import { signedBy } from "../../learning/proof_support.ts";
import { dependencies, other, run, self, signer } from "./support.ts";

export type RunActor = TestActor<RunCommand, RunActorState>;
export type Effects = ReturnType<RunActor["tell"]>;

const crypto = nodeCrypto({ workersMax: 0 });

/** Whoever keeps the runs, as their actors know it. */
export const parent = testRef<RoundsCommand>("rounds");

/** A device with nothing to learn from. */
const NO_EXAMPLES = { unavailable: "none" } as const;

/** `count` examples of two numbers each, all zero. */
export function zeroExamples(count: number) {
  const inputs = new Float32Array(2 * count);
  return {
    training: { exampleLength: 2, count, inputs, labels: new Uint8Array(count) },
    test: null,
  };
}

/** Training that moves every number by a quarter. */
export const QUARTER_STEPS: RunDependencies["trainer"] = {
  train: ({ parameters }) =>
    Promise.resolve({
      parameters: parameters.map((one) => one + 0.25),
      loss: 1,
      steps: 1,
      examples: 2,
    }),
  evaluate: () => Promise.reject(new Error("nobody measures in this test")),
  close: () => {},
};

/** What a run begins with, and its hash. */
export function beginningOf(plan: OpenedPlan) {
  const model = firstModel(plan);
  const parameters = crypto.sha256Hex(parameterBytes(model.parameters)) as ContentHash;
  return { model, parameters };
}

/** The call to the first attempt at the first round of a run of this plan, but for what is given. */
export function callTo(
  plan: OpenedPlan,
  called: readonly DeviceId[],
  change: Partial<RoundStart> = {},
): RoundStart {
  return {
    type: "roundStart",
    run,
    round: 1,
    term: 0,
    attempt: 1,
    model: { hash: beginningOf(plan).parameters, bytes: 4 * plan.layout.count },
    version: null,
    called: [...called].sort(),
    withinMs: 1_000,
    ...change,
  };
}

const otherDevice = { id: other, signer: nodeSigner(new Uint8Array(32).fill(8)) };

/** A result of our device and `other`, of a run in the clear: their signatures hold, whatever vectors it names. */
export function signedResult(
  change: Partial<RoundResult> & Pick<RoundResult, "round" | "parent" | "result">,
): RoundResult {
  const base: RoundResult = {
    version: 1,
    run,
    term: 0,
    attempt: 1,
    state: null,
    aggregate: { hash: change.result, bytes: 4 },
    submissions: [],
    sums: [],
    counts: { called: 2, ready: 2, dropped: 0, refused: 0 },
    durationMs: 1_000,
    updateBytes: 4,
    ...change,
  };
  const submissions = [{ id: self, signer }, otherDevice]
    .map((device) => signedBy(device, base, new Uint8Array(4), 1))
    .sort((a, b) => a.device < b.device ? -1 : 1);
  return { ...base, submissions };
}

/** What follows from a message of another device. */
export function told(actor: RunActor, message: RoundsMessage, from: DeviceId = other): Effects {
  return actor.tell({ type: "peerMessage", from, message });
}

export interface RunActorOptions {
  readonly registry: Registry;
  /** Our device has just begun the run, and coordinates; not set: `other` began it earlier. */
  readonly fresh?: boolean;
  /** Who began it, where that does not follow from `fresh`. */
  readonly startedBy?: DeviceId;
  /** What our device finds to learn from whenever it looks; not set: nothing. */
  readonly examples?: () => OpenedRun["examples"];
  readonly deps?: Partial<RunDependencies>;
}

/** The actor before it has read what is on the disk. */
export function startedRun(plan: OpenedPlan, options: RunActorOptions): RunActor {
  const { registry, fresh = false, examples = () => NO_EXAMPLES } = options;
  return testActor<RunCommand, RunActorState>(
    runBehaviour({
      ...dependencies(plan),
      opened: plan,
      run,
      startedBy: options.startedBy ?? (fresh ? self : other),
      results: [],
      registry,
      fresh,
      rounds: parent,
      examples: () => Promise.resolve(examples()),
      ...options.deps,
    }),
    { random: seededRandom(4) },
  );
}

/** The actor after it has found nothing on the disk but the run's beginning. */
export function openedRun(plan: OpenedPlan, options: RunActorOptions): RunActor {
  const actor = startedRun(plan, options);
  const { model, parameters } = beginningOf(plan);
  const value: OpenedRun = {
    head: { round: 0, block: null, parameters, model },
    examples: options.examples?.() ?? NO_EXAMPLES,
    signed: null,
    kept: [],
    checkpoint: null,
  };
  actor.settleTask({ ok: true, value });
  return actor;
}

/** Another device as ours knows it: connected, one that may coordinate, at the version before the first. */
export function peerOf(deviceId: DeviceId, change: Partial<RunPeer> = {}): RunPeer {
  return { deviceId, up: true, coordinates: true, round: 0, trusted: true, ...change };
}
