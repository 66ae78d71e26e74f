/**
 * How many rounds a grid needs beside a coordinator, on the same digits of the same devices, while a share of them is away in each round, and what a device hands on in a
 * round: `deno run -A bench/grid_accuracy.ts --mnist FOLDER [--devices 27] [--rounds 20] [--away 0.33] [--kind iid]`. The mathematics only: no mesh, no messages.
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { withDefault } from "@optique/core/modifiers";
import { option } from "@optique/core/primitives";
import { choice, float, integer, string } from "@optique/core/valueparser";
import { run as parseArguments } from "@optique/run";
import { readMnistFolder } from "../cli/learning_data/mnist.ts";
import { datasetOf, readImageSet } from "../learning/data/image_set.ts";
import { partition } from "../learning/data/partition.ts";
import { seededStream } from "../learning/data/seeded_stream.ts";
import { initialParameters } from "../learning/engine/initial.ts";
import { mlp2nn } from "../learning/engine/networks.ts";
import { InlineTrainer } from "../learning/engine/inline_trainer.ts";
import {
  formGroups,
  type GridPeer,
  initialPlaces,
  nextPeers,
} from "../learning/gossip_averaging/grid.ts";
import { groupModel, spreadOf } from "../learning/gossip_averaging/group_model.ts";
import type { Parameters } from "../learning/parameters.ts";
import { weightedMean } from "../learning/aggregation/weighted_mean.ts";
import { gridOfMembers } from "../learning/runs/grid_plan.ts";
import { evaluateAll } from "../learning/simulate/federation.ts";

const { mnist, devices, rounds, away, kind } = parseArguments(
  object({
    mnist: option("--mnist", string({ metavar: "FOLDER" })),
    devices: withDefault(option("--devices", integer({ min: 4, max: 1_000 })), 27),
    rounds: withDefault(option("--rounds", integer({ min: 1, max: 1_000 })), 20),
    away: withDefault(option("--away", float({ min: 0, max: 0.9 })), 0.33),
    kind: withDefault(option("--kind", choice(["iid", "shards"])), "iid"),
  }),
  { help: "option", brief: message`Rounds on a grid beside rounds with a coordinator.` },
);

/** Digits of one device. */
const EXAMPLES_EACH = 600;
/** Devices of a grid that are measured. */
const MEASURED = 3;

const files = await readMnistFolder(mnist);
const half = (split: string) => {
  const names = { images: `${split}-images-idx3-ubyte`, labels: `${split}-labels-idx1-ubyte` };
  const [images, labels] = [files.get(names.images)!, files.get(names.labels)!];
  return readImageSet({ images, labels }, names);
};
const [training, test] = [await half("train"), await half("t10k")];
const seed = new Uint8Array(32).fill(1);
const network = mlp2nn();
const trainer = new InlineTrainer();
const dataset = datasetOf(training);
const cut = partition(training.labels.subarray(0, devices * EXAMPLES_EACH), {
  kind,
  count: devices,
  seed,
});
const grid = gridOfMembers(devices);
const rule = weightedMean();
const names = cut.map((_, i) => `device ${String(i).padStart(4, "0")}`);

/** What all devices that are there have trained, from these parameters. */
async function trained(round: number, there: readonly number[], from: (i: number) => Parameters) {
  const random = seededStream(seed).fork(`round ${round}`);
  const models = new Map<number, Parameters>();
  for (const i of there) {
    const { parameters } = await trainer.train({
      network,
      parameters: from(i),
      dataset,
      indices: cut[i]!,
      epochs: 1,
      batchSize: 10,
      learningRate: 0.1,
      seed: random.fork(`client ${i}`).bytes(32),
    });
    models.set(i, parameters);
  }
  return models;
}

async function accuracyOf(parameters: Parameters): Promise<number> {
  const all = { network, test: datasetOf(test), trainer, parallel: 1 };
  return (await evaluateAll(all, parameters)).accuracy!;
}

function meanOf(models: Iterable<Parameters>): Parameters {
  return groupModel(rule, [...models].map((values, i) => ({ hash: String(i), values })));
}

let common = initialParameters(network, seed);
const vectorBytes = 4 * common.length;
const own = cut.map(() => common);
let peers: readonly GridPeer[] = names.map((device, i) => ({
  device,
  places: initialPlaces(grid, i),
}));
let before: ReadonlySet<number> = new Set();
console.log(
  `${devices} devices, ${kind}, ${away} away, grid of ${grid.side}^${grid.dimensions}, vectors of ${vectorBytes} bytes`,
);
for (let round = 1; round <= rounds; round++) {
  const random = seededStream(seed).fork(`away ${round}`);
  const gone = new Set(names.flatMap((_, i) => random.float() < away ? [i] : []));
  const there = names.flatMap((_, i) => gone.has(i) ? [] : [i]);
  common = meanOf((await trained(round, there, () => common)).values());

  let fetched = 0;
  // Whoever comes back begins with the mean of a few who were there.
  const current = names.flatMap((_, i) => before.has(i) ? [] : [i]);
  for (const i of there) {
    if (!before.has(i)) continue;
    const some = Array.from({ length: grid.side }, () => current[random.below(current.length)]!);
    own[i] = meanOf([...new Set(some)].map((other) => own[other]!));
    fetched += new Set(some).size;
  }
  for (const [i, model] of await trained(round, there, (i) => own[i]!)) own[i] = model;
  const trainedApart = spreadOf(there.map((i) => own[i]!));
  let present: readonly GridPeer[] = peers.filter((_, i) => !gone.has(i));
  for (let step = 0; step < grid.dimensions; step++) {
    const groups = formGroups(grid, present);
    for (const { devices: members } of groups) {
      const places = members.map((device) => names.indexOf(device));
      const mean = meanOf(places.map((i) => own[i]!));
      for (const i of places) own[i] = mean;
      fetched += members.length * (members.length - 1);
    }
    present = nextPeers(grid, present, groups);
  }
  const moved = new Map(present.map((peer) => [peer.device, peer]));
  peers = peers.map((peer) => moved.get(peer.device) ?? peer);
  before = gone;
  const measured = await Promise.all(there.slice(0, MEASURED).map((i) => accuracyOf(own[i]!)));
  console.log(JSON.stringify({
    round,
    there: there.length,
    coordinator: await accuracyOf(common),
    grid: measured,
    apart: (spreadOf(there.map((i) => own[i]!)) / trainedApart) ** 2,
    gridBytesPerDevice: Math.round(fetched * vectorBytes / there.length),
    coordinatorBytesPerDevice: 2 * vectorBytes,
    coordinatorBytes: 2 * vectorBytes * (there.length - 1),
  }));
}
await trainer.close();
