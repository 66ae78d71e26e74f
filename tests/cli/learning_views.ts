/** What a node tells of one run, for tests of the commands that show it. */
import type { RoundMetrics } from "../../actors/learning_handle.ts";
import type { RunJson } from "../../cli/client_learning.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";

/** The run, a version of its model, and a device in it. */
export const RUN = "a1b2c3d4e5f6".padEnd(64, "0") as BlockId;
export const VERSION = "0f".repeat(32) as ContentHash;
export const DEVICE = "d".repeat(52) as DeviceId;

/** What a device measured in a round. */
export const metricsOf = (round: number): RoundMetrics => ({
  round,
  atMs: 1_700_000_000_000 + round,
  durationMs: 2_000,
  coordinator: DEVICE,
  called: 4,
  ready: 4,
  counted: 4,
  dropped: round === 2 ? 1 : 0,
  refused: 0,
  accuracy: 0.5 + round * 0.1,
  loss: 2 / round,
  trainingLoss: 1 / round,
  updateBytes: 31_400,
  parameterBytes: 31_400,
  epsilon: round * 2,
});

/** The run as a node tells it. */
export const runView = (change: Partial<RunJson> = {}): RunJson => ({
  run: RUN,
  title: "Digits",
  task: "mnist",
  startedBy: DEVICE,
  startedAtMs: 1_700_000_000_000,
  state: "running",
  joined: true,
  round: 3,
  rounds: 10,
  phase: "training",
  coordinator: DEVICE,
  term: 0,
  devices: 4,
  waitingFor: null,
  version: VERSION,
  metrics: metricsOf(3),
  epsilonSpent: 6,
  plan: {
    version: 1,
    title: "Digits",
    task: "mnist",
    options: { model: "softmax" },
    networkHash: VERSION,
    seed: "",
    startFrom: null,
    rounds: 10,
    participation: { least: 3, most: 100, fraction: 1, overSelection: 0.3 },
    local: { epochs: 1, batchSize: 10, learningRate: 0.1, momentum: null, proximal: null },
    strategy: { name: "fedAdam", numbers: { serverRate: 0.1 } },
    aggregation: { type: "secure", encoding: { range: 4, bits: 16 } },
    compression: null,
    privacy: {
      clip: 1,
      noiseMultiplier: 0.5,
      noise: "distributed",
      delta: 1e-5,
      dropout: 0.3,
      epsilonMax: 20,
    },
    deadlines: { readyMs: 1, trainMs: 1, phaseMs: 1 },
    proofOfWorkBits: 8,
    share: null,
  },
  ...change,
});
