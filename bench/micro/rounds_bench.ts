/**
 * Questions: how long does a round take at 10, 100 and 1,000 devices, in the clear and by a secure sum, with 30 % of them falling away in the worst moment (keys are
 * shared, nothing is submitted), and how much memory does its coordinator hold? Nothing is left out and nothing is shared among the devices: each has its own keys,
 * signatures, masks and checks, and only training is a fixed update. All run on one thread here, and the processor time of each is taken apart: a round takes what the
 * coordinator and the slowest device need one after the other, without the network. The limit of the coordinator's work is the sum of its bare steps, timed in the same run.
 * The only thing that the product does on other cores is masks: up to 100 devices a second round says how long combining takes on the clock when two workers take them off.
 *
 * What the coordinator holds is counted in buffers that its actor can reach, every few hundredths of the round. Not counted is what combining has at hand meanwhile: a sum, and
 * in the clear at most 64 MiB of decoded updates, or two blocks of 4,096 coordinates of all of them. What goes to the disk goes to a file in the temporary folder.
 */
import { mcmahanCnn, mlp2nn, softmaxRegression } from "../../learning/engine/networks.ts";
import type { Network } from "../../learning/network.ts";
import { parameterLayout } from "../../learning/engine/shapes.ts";
import { verifyModel } from "../../learning/models/verify_model.ts";
import { firstModel, type OpenedPlan } from "../../learning/runs/opened_plan.ts";
import type { RunPlan } from "../../learning/runs/plan.ts";
import { DEFAULT_ASSUMPTIONS } from "../../learning/secure/contract.ts";
import { keyPairOf } from "../../learning/secure/agreements.ts";
import { shapeFor } from "../../learning/secure/graph.ts";
import { addPacked, pack } from "../../learning/secure/packing.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { WorkerMaskWork } from "../../platform/worker_mask_work.ts";
import { openScratchFile } from "../../store/scratch_file.ts";
import { deps as proofDependencies, opened } from "../../tests/learning/proof_support.ts";
import type { Figure } from "../harness.ts";
import { processorMs, type PumpedRound, type PumpOptions, pumpRound } from "./rounds_pump.ts";
import { bareStreamMs } from "./secure_sum_bench.ts";

const DROPOUTS = 0.3;
/** An old target for combining; named for rounds of this size and less. */
const COMBINING_MS_MAX = 500;
const COMBINING_DEVICES = 100;
const WORKERS = 2;
/** The promise for whoever verifies. */
const VERIFYING_MS_MAX = 1_000;
const BITS = 26;
const crypto = nodeCrypto({ workersMax: 0 });

interface Size {
  readonly name: string;
  readonly network: Network;
  readonly devices: number;
}

const MODES: readonly { readonly name: string; readonly aggregation: RunPlan["aggregation"] }[] = [
  {
    name: "in the clear",
    aggregation: { type: "clear", rule: { name: "weightedMean", numbers: {} } },
  },
  // It compares updates, and 1,000 are more than it may hold.
  {
    name: "in the clear by the median",
    aggregation: { type: "clear", rule: { name: "coordinateMedian", numbers: {} } },
  },
  { name: "secure", aggregation: { type: "secure", encoding: { range: 1, bits: 16 } } },
];

/** Times and memory of whole rounds. */
export async function run({ quick }: { readonly quick: boolean }): Promise<Figure[]> {
  const small = { name: "2NN", network: mlp2nn() };
  const sizes: Size[] = quick
    ? [{ name: "softmax", network: softmaxRegression({ inputs: 20, classes: 5 }), devices: 10 }]
    : [
      ...[10, 100, 1_000].map((devices) => ({ ...small, devices })),
      { name: "CNN", network: mcmahanCnn(), devices: 10 },
    ];
  const figures: Figure[] = [];
  const folder = await Deno.makeTempDir({ prefix: "submind-bench-" });
  try {
    for (const size of sizes) figures.push(...await figuresOfSize(size, { quick, folder }));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return figures;
}

/** What the coordinator cannot do without, ms. */
export interface BareSteps {
  /** Of a round. */
  readonly allMs: number;
  /** Of combining; null in the clear, where updates are added as they come or are compared. */
  readonly combiningMs: number | null;
}

async function figuresOfSize(
  size: Size,
  { quick, folder }: { readonly quick: boolean; readonly folder: string },
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const { name, aggregation } of MODES) {
    if (name.endsWith("median") && size.devices === 100) continue;
    const plan = opened(size.network, {
      rounds: 1,
      aggregation,
      participation: { least: 3, most: 1_024, fraction: 1, overSelection: 0 },
    });
    const dropouts = Math.floor(DROPOUTS * size.devices);
    const options = {
      opened: plan,
      devices: size.devices,
      dropouts,
      scratch: () => openScratchFile(folder, seededRandom("scratch")),
    };
    const round = await pumpRound(options);
    const bare = bareSteps(size, round, dropouts);
    const verifyMs = await verifying(plan, round);
    figures.push(
      ...figuresOf(`${size.devices} devices, ${size.name}, ${name}`, {
        round,
        bare,
        verifyMs,
        quick,
      }),
    );
    if (aggregation.type === "secure" && size.devices <= COMBINING_DEVICES) {
      figures.push(
        await byWorkers(`${size.devices} devices, ${size.name}, ${name}`, options, round),
      );
    }
  }
  return figures;
}

/** The same round once more, in which workers take the masks off. They run before combining begins: they have put on the coordinator's own. */
async function byWorkers(name: string, options: PumpOptions, alone: PumpedRound): Promise<Figure> {
  const maskWork = new WorkerMaskWork({ workersMax: WORKERS, idleMs: 600_000 });
  try {
    const { combiningMs, combiningClockMs } = await pumpRound({ ...options, maskWork });
    return {
      name: `combining, ${name}, by two workers`,
      value: combiningClockMs,
      unit: "ms",
      ratio: combiningClockMs / alone.combiningClockMs,
      note: `on the clock, workers running; against one thread: ${
        alone.combiningClockMs.toFixed(1)
      } ms on the clock; processor time of all threads: ${
        combiningMs.toFixed(1)
      } ms; this machine has ${navigator.hardwareConcurrency} cores`,
    };
  } finally {
    maskWork.close();
  }
}

function figuresOf(
  name: string,
  { round, bare, verifyMs, quick }: {
    readonly round: PumpedRound;
    readonly bare: BareSteps;
    readonly verifyMs: number;
    readonly quick: boolean;
  },
): Figure[] {
  const { coordinatorMs, combiningMs, deviceMs, coordinatorBytes, result, bytesSent } = round;
  const { called, dropped } = result.counts;
  return [
    {
      name: `round, ${name}`,
      value: coordinatorMs + deviceMs.most,
      unit: "ms",
      ...(quick ? {} : { limit: called <= 100 ? 60_000 : 300_000 }),
      note:
        `coordinator and slowest device one after the other, one core each, no network; ${dropped} of ${called} fell away`,
    },
    {
      name: `coordinator's work, ${name}`,
      value: coordinatorMs,
      unit: "ms",
      ratio: coordinatorMs / bare.allMs,
      note: `against its bare steps, one core, same run: ${bare.allMs.toFixed(1)} ms`,
    },
    {
      name: `combining, ${name}`,
      value: combiningMs,
      unit: "ms",
      ...(quick || called > COMBINING_DEVICES ? {} : { limit: COMBINING_MS_MAX }),
      ...(bare.combiningMs === null ? {} : { ratio: combiningMs / bare.combiningMs }),
      note: `of the coordinator's work: from the last it waits for to the new version, one core${
        bare.combiningMs === null
          ? ""
          : `; against the bare key streams and agreements of its masks: ${
            bare.combiningMs.toFixed(1)
          } ms`
      }`,
    },
    {
      name: `a device's work, ${name}`,
      value: deviceMs.median,
      unit: "ms",
      note: `training left out; the slowest took ${deviceMs.most.toFixed(1)} ms`,
    },
    {
      name: `verifying the version, ${name}`,
      value: verifyMs,
      unit: "ms",
      ...(quick ? {} : { limit: VERIFYING_MS_MAX }),
      note: "what every device does: signatures, and the version made again from what was released",
    },
    { name: `coordinator holds, ${name}`, value: coordinatorBytes, unit: "B" },
    {
      name: `sent in all, ${name}`,
      value: bytesSent,
      unit: "B",
      note: `${Math.round(bytesSent / called).toLocaleString("en")} B for each device`,
    },
  ];
}

/** Processor time of finding that the version follows from what was released, ms. */
async function verifying(plan: OpenedPlan, { result, aggregate }: PumpedRound): Promise<number> {
  const parent = firstModel(plan);
  const startedMs = processorMs();
  const verification = await verifyModel(
    result,
    { parent, aggregate, submissionOf: () => undefined },
    {
      opened: plan,
      expected: result,
      isParticipant: () => true,
      own: null,
      deps: proofDependencies,
    },
  );
  if (!verification.ok) throw new Error(`Benchmark is wrong: ${verification.detail}`);
  return processorMs() - startedMs;
}

/** Hash and add every update; with a secure sum also check signatures, agree on keys and make the key streams of masks. */
export function bareSteps(
  { network, devices }: Pick<Size, "network" | "devices">,
  { result }: Pick<PumpedRound, "result">,
  dropouts: number,
): BareSteps {
  const { count } = parameterLayout(network);
  const came = result.submissions.length;
  const signer = nodeSigner(new Uint8Array(32).fill(1));
  const message = new Uint8Array(100);
  const signature = signer.sign(message);
  const verifyMs = best(() => crypto.verify({ publicKey: signer.publicKey, message, signature }));
  if (result.sums.length === 0) {
    const bytes = new Uint8Array(4 * count);
    const [sum, update] = [new Float64Array(count), new Float32Array(count).fill(0.5)];
    const hashMs = best(() => crypto.sha256Hex(bytes));
    const addMs = best(() => {
      for (let i = 0; i < count; i++) sum[i] = sum[i]! + 3 * update[i]!;
    });
    return { allMs: came * (verifyMs + hashMs + addMs), combiningMs: null };
  }
  const target = new Uint32Array(count + 1);
  const packed = pack(target, BITS);
  const hashMs = best(() => crypto.sha256Hex(packed));
  const addMs = best(() => addPacked(target, packed, BITS));
  const maskMs = Math.min(
    ...Array.from({ length: 20 }, () => bareStreamMs(new Uint8Array(32), count + 1)),
  );
  const shape = shapeFor(devices, DEFAULT_ASSUMPTIONS);
  if ("impossible" in shape) throw new Error(`Benchmark is wrong: ${shape.impossible}`);
  // A device that fell away leaves a mask with each of its neighbours that did not.
  const pairs = Math.round(dropouts * shape.degree * came / (devices - 1));
  const [ours, theirs] = [1, 2].map((byte) => keyPairOf(crypto, new Uint8Array(32).fill(byte)));
  const agreeMs = best(() => ours!.agree(theirs!.publicKey));
  // Keys, submission and survivors are signed.
  const combiningMs = (came + pairs) * maskMs + pairs * agreeMs;
  return { allMs: came * (3 * verifyMs + hashMs + addMs) + combiningMs, combiningMs };
}

/** Shortest of some runs, ms. */
function best(work: () => unknown): number {
  let shortest = Infinity;
  for (let i = 0; i < 20; i++) {
    const startedMs = performance.now();
    work();
    shortest = Math.min(shortest, performance.now() - startedMs);
  }
  return shortest;
}
