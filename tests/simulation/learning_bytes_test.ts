/**
 * What leaves a device while it learns: every byte that sessions hand over, before encryption, of whole nodes that train on real pictures. No
 * raw example and no update is among them, in no form in which a device has it: floats, integers, packed integers. That the search finds what is there
 * is shown by a run in the clear and by a picture that is published.
 */
import assert from "node:assert/strict";
import { SECRET_PREFIX } from "../../actors/rounds/ledger_setting.ts";
import { Buffer } from "node:buffer";
import { InlineTrainer } from "../../learning/engine/inline_trainer.ts";
import { datasetOf, readImageSet } from "../../learning/data/image_set.ts";
import type { Parameters } from "../../learning/parameters.ts";
import { networkHash, openPlan } from "../../learning/runs/opened_plan.ts";
import type { RunId, RunPlan } from "../../learning/runs/plan.ts";
import { atRound } from "../../learning/runs/round_form.ts";
import { sizeOf, sumFormOf } from "../../learning/runs/secure_round.ts";
import { localUpdate } from "../../learning/runs/update.ts";
import { pack } from "../../learning/secure/packing.ts";
import { mnistTask } from "../../learning/tasks/mnist.ts";
import type { ExampleSource } from "../../learning/task.ts";
import type { Outcome } from "../../actors/handle.ts";
import type { RunSummary } from "../../actors/rounds/commands.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import { NoiseCipher } from "../../protocols/session/noise.ts";
import { Cluster } from "../../simulation/cluster.ts";
import { askRounds, planFor } from "../../simulation/scenarios/learning.ts";

const DEVICES = 4;
const ROUNDS = 2;
const OPTIONS = { model: "softmax" };
/** Bytes of one window that is looked for, and how many of them must differ: zeros and lines are in every message. */
const WINDOW = 16;
const DISTINCT = 8;
/** Zeros and ones look like much when they are packed, and they are in every sum. */
const DISTINCT_PACKED = 12;

const crypto = nodeCrypto({ workersMax: 0 });
const FOLDER = new URL("../fixtures/learning/mnist/", import.meta.url);
const file = (name: string) => Deno.readFileSync(new URL(name, FOLDER));

const source: ExampleSource = {
  readFile(name) {
    try {
      return Promise.resolve(file(name.replace("mnist/", "")));
    } catch {
      return Promise.resolve(undefined);
    }
  },
  async *blocks() {},
  series: () => Promise.resolve([]),
  readings: () => Promise.resolve([]),
};

/** What a device has and does not say. */
interface Kept {
  readonly updates: {
    readonly before: Parameters;
    readonly after: Parameters;
    readonly examples: number;
  }[];
  /** By "run/number", with the device that drew them. */
  readonly secrets: Map<string, { readonly device: number; readonly secret: Uint8Array }[]>;
}

interface Played {
  readonly run: RunId;
  readonly plan: RunPlan;
  readonly cluster: Cluster;
  /** Every frame before encryption, one after the other. */
  readonly sent: Uint8Array;
  readonly kept: Kept;
}

/** Plays a run to its end and listens to all of it. `also` happens before listening ends. */
async function play(
  change: Partial<RunPlan>,
  also: (cluster: Cluster) => Promise<void> = () => Promise.resolve(),
): Promise<Played> {
  const kept: Kept = { updates: [], secrets: new Map() };
  const frames: Uint8Array[] = [];
  const restore = [
    tap(
      NoiseCipher.prototype,
      "seal",
      (original) =>
        function (this: NoiseCipher, plaintext, associated) {
          frames.push(plaintext.slice());
          return original.call(this, plaintext, associated);
        },
    ),
    tap(
      InlineTrainer.prototype,
      "train",
      (original) =>
        async function (this: InlineTrainer, job, options) {
          const before = job.parameters.slice();
          const outcome = await original.call(this, job, options);
          const { examples, parameters: after } = outcome;
          kept.updates.push({ before, after: after.slice(), examples });
          return outcome;
        },
    ),
  ];
  try {
    const cluster = new Cluster({ seed: "bytes" });
    const { world, network } = cluster;
    // Paths that encrypt by themselves get frames in the clear: here the session encrypts all of them, so that it hands over all of them.
    const below = network.random.below.bind(network.random);
    network.random.below = (bound) => bound === 2 ? 1 : below(bound);
    for (let device = 0; device < DEVICES; device++) {
      const node = await cluster.addNode({
        learning: { tasks: [mnistTask], source: () => source, epsilonMax: 1_000_000 },
      });
      const { settings } = node.disk.tables;
      const set = settings.set.bind(settings);
      settings.set = (key, json) => {
        if (key.startsWith(SECRET_PREFIX)) {
          const name = key.slice(SECRET_PREFIX.length);
          const secret = Uint8Array.fromBase64(JSON.parse(json));
          kept.secrets.set(name, [...kept.secrets.get(name) ?? [], { device, secret }]);
        }
        return set(key, json);
      };
    }
    await cluster.formMesh("owner");
    await world.advance(10_000);
    const plan = planFor(cluster, {
      task: "mnist",
      options: OPTIONS,
      networkHash: networkHash(mnistTask.network(OPTIONS), crypto) as ContentHash,
      rounds: ROUNDS,
      participation: { least: DEVICES, most: DEVICES, fraction: 1, overSelection: 0 },
      local: { epochs: 1, batchSize: 10, learningRate: 0.1, momentum: null, proximal: null },
      ...change,
    });
    const [starter, ...others] = cluster.nodes;
    const started = await world.wait(askRounds<Outcome<RunId>>(
      starter!,
      (replyTo) => ({ type: "startRun", plan, idempotencyKey: null, replyTo }),
    ));
    assert.equal(started.type, "done", JSON.stringify(started));
    if (started.type !== "done") throw new Error("it did not start");
    const run = started.value;
    await world.advance(3_000);
    for (const node of others) {
      await world.wait(
        askRounds<Outcome<RunId>>(node, (replyTo) => ({ type: "joinRun", run, replyTo })),
      );
    }
    const isDone = async () => {
      for (const node of cluster.nodes) {
        const runs = await world.wait(askRounds<readonly RunSummary[]>(
          node,
          (replyTo) => ({ type: "listRuns", replyTo }),
        ));
        if (runs[0]?.report?.round !== ROUNDS) return false;
      }
      return true;
    };
    for (let second = 0; second < 120 && !await isDone(); second++) await world.advance(1_000);
    assert.ok(await isDone(), "the run did not come to its end");
    await also(cluster);
    return { run, plan, cluster, sent: joined(frames), kept };
  } finally {
    for (const undo of restore) undo();
  }
}

/** Replaces a method until the returned function is called. */
function tap<T extends object, Name extends keyof T>(
  target: T,
  name: Name,
  replace: (original: T[Name]) => T[Name],
): () => void {
  const original = target[name];
  target[name] = replace(original);
  return () => target[name] = original;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => (out.set(part, at), at + part.length), 0);
  return out;
}

/** Windows of bytes, known by their first eight bytes, found anywhere in a long text of bytes. */
class Windows {
  readonly #byStart = new Map<bigint, { readonly bytes: Uint8Array; readonly at: number }[]>();
  count = 0;

  /** Every window that says something, at every `step` bytes, but those that are the same in `known`. */
  add(
    bytes: Uint8Array,
    { step = 1, known, distinct = DISTINCT }: {
      readonly step?: number;
      readonly known?: Uint8Array;
      readonly distinct?: number;
    } = {},
  ): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at + WINDOW <= bytes.length; at += step) {
      if (new Set(bytes.subarray(at, at + WINDOW)).size < distinct) continue;
      if (known !== undefined && equalAt({ bytes, at }, known, at)) continue;
      const start = view.getBigUint64(at);
      const others = this.#byStart.get(start);
      if (others === undefined) this.#byStart.set(start, [{ bytes, at }]);
      // Backgrounds repeat: a few windows with one beginning are enough.
      else if (others.length < 8) others.push({ bytes, at });
      this.count++;
    }
  }

  /** How many places of `text` hold one of the windows. */
  foundIn(text: Uint8Array): number {
    const view = new DataView(text.buffer, text.byteOffset, text.length);
    let found = 0;
    for (let at = 0; at + WINDOW <= text.length; at++) {
      const known = this.#byStart.get(view.getBigUint64(at));
      if (known?.some((one) => equalAt(one, text, at))) found++;
    }
    return found;
  }
}

function equalAt(
  { bytes, at: from }: { readonly bytes: Uint8Array; readonly at: number },
  text: Uint8Array,
  at: number,
): boolean {
  for (let i = 0; i < WINDOW; i++) if (bytes[from + i] !== text[at + i]) return false;
  return true;
}

const bytesOf = (numbers: Float32Array | Uint32Array) =>
  new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);

/** All pictures, as bytes and as the numbers that go into the network. */
async function examples(): Promise<Windows> {
  const names = {
    images: "mnist-train-images-idx3-ubyte.gz",
    labels: "mnist-train-labels-idx1-ubyte.gz",
  };
  const set = await readImageSet({ images: file(names.images), labels: file(names.labels) }, names);
  const { inputs, exampleLength, count } = datasetOf(set);
  const windows = new Windows();
  for (let i = 0; i < count; i++) {
    const picture = new Uint8Array(inputs.subarray(i * exampleLength, (i + 1) * exampleLength));
    windows.add(picture);
    windows.add(bytesOf(Float32Array.from(picture, (value) => value / 255)), { step: 4 });
  }
  return windows;
}

function floatUpdates({ updates }: Kept): Windows {
  const windows = new Windows();
  for (const { before, after } of updates) {
    windows.add(bytesOf(after), { step: 4 });
    windows.add(bytesOf(after.map((value, i) => value - before[i]!)), { step: 4 });
  }
  return windows;
}

/** The integers that go into the masks, for every device with every secret: by round, then device, then update. */
async function integers({ run, plan, cluster, kept }: Played) {
  const [summary] = await cluster.world.wait(askRounds<readonly RunSummary[]>(
    cluster.nodes[0]!,
    (replyTo) => ({ type: "listRuns", replyTo }),
  ));
  return [...kept.secrets].map(([name, secrets]) => {
    const round = Number(name.split("/")[1]);
    const { tuning } = summary!.results.find(({ result }) => result.round === round)!.result;
    const opened = atRound(
      openPlan(plan, { tasks: [mnistTask], crypto }),
      { run, round, tuning: tuning?.used ?? null },
      crypto,
    );
    const form = sumFormOf(opened, DEVICES)!;
    const { bits } = sizeOf(form, { devices: DEVICES, count: opened.layout.count });
    // All devices of a round train on the same version, one after the other in virtual time.
    const ofRound = kept.updates.slice((round - 1) * DEVICES, round * DEVICES);
    const byDevice = secrets.map(({ device, secret }) =>
      ofRound.map(({ before, after, examples }) => {
        const update = localUpdate(opened, {
          subject: { run, round, device: cluster.nodes[device]!.deviceId },
          ...{ before, after, examples, secret, crypto },
          devices: DEVICES,
          residual: null,
        });
        assert.equal(update.type, "secure");
        return update.type === "secure" ? update.values : new Uint32Array();
      })
    );
    return { bits, byDevice };
  });
}

/** The choice of one update for each device that adds up to a sum that was sent: these integers are then really those that were summed. */
function summands(
  byDevice: readonly (readonly Uint32Array[])[],
  bits: number,
  sent: Uint8Array,
): { readonly values: readonly Uint32Array[]; readonly sum: Uint32Array } | undefined {
  const tryFrom = (
    sum: Uint32Array,
    taken: readonly number[],
  ): readonly number[] | undefined => {
    const candidates = byDevice[taken.length];
    if (candidates === undefined) {
      // All in one piece: a part of a vector is longer than this.
      const middle = pack(sum, bits).subarray(4_000, 6_000);
      return Buffer.from(sent.buffer).includes(Buffer.from(middle)) ? taken : undefined;
    }
    for (const [update, values] of candidates.entries()) {
      if (taken.includes(update)) continue;
      const found = tryFrom(sumOf([sum, values]), [...taken, update]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const taken = tryFrom(new Uint32Array(byDevice[0]![0]!.length), []);
  if (taken === undefined) return undefined;
  const values = taken.map((update, device) => byDevice[device]![update]!);
  return { values, sum: sumOf(values) };
}

function sumOf(vectors: readonly Uint32Array[]): Uint32Array {
  const sum = new Uint32Array(vectors[0]!.length);
  for (const vector of vectors) for (let i = 0; i < sum.length; i++) sum[i]! += vector[i]!;
  return sum;
}

Deno.test("with secure sums no picture and no update leaves a device, neither as floats nor as integers", () =>
  nothingLeaves({}));

Deno.test("nor does an update that was compressed for the sum", () =>
  nothingLeaves({ compression: { name: "stochastic", numbers: { bits: 8 } } }));

Deno.test("nor where each device gives one part to the coordinator and one to a second party", () =>
  nothingLeaves({ aggregation: { type: "twoServers", encoding: { range: 4, bits: 16 } } }));

async function nothingLeaves(change: Partial<RunPlan>): Promise<void> {
  const played = await play(change);
  const { sent, kept } = played;
  assert.ok(sent.length > 200_000, `only ${sent.length} bytes were heard`);
  assert.equal(kept.updates.length, DEVICES * ROUNDS);
  assert.equal(kept.secrets.size, ROUNDS);
  const pictures = await examples();
  assert.ok(pictures.count > 50_000);
  assert.equal(pictures.foundIn(sent), 0, "a picture was sent");
  assert.equal(floatUpdates(kept).foundIn(sent), 0, "an update was sent");
  const unmasked = new Windows();
  for (const { bits, byDevice } of await integers(played)) {
    const found = summands(byDevice, bits, sent);
    assert.ok(found !== undefined, "the integers that were summed are not known");
    const { values, sum } = found;
    for (const one of values) {
      // Where only one device has ink, the sum is its value: no mask can hide what a sum says, that is what noise is for.
      unmasked.add(bytesOf(one), { step: 4, known: bytesOf(sum) });
      unmasked.add(pack(one, bits), { known: pack(sum, bits), distinct: DISTINCT_PACKED });
    }
  }
  assert.ok(unmasked.count > 10_000, `only ${unmasked.count} windows`);
  assert.equal(unmasked.foundIn(sent), 0, "integers were sent without masks");
}

Deno.test("in the clear updates are found, and so is a picture that somebody publishes", async () => {
  const rule = { name: "weightedMean", numbers: {} };
  const set = datasetOf(
    await readImageSet({
      images: file("mnist-train-images-idx3-ubyte.gz"),
      labels: file("mnist-train-labels-idx1-ubyte.gz"),
    }, { images: "images", labels: "labels" }),
  );
  const picture = new Uint8Array(set.inputs.subarray(0, set.exampleLength));
  const { sent, kept } = await play({ aggregation: { type: "clear", rule } }, async (cluster) => {
    await cluster.world.wait(
      cluster.publish(cluster.nodes[1]!, { mediaType: "image/x-test", body: picture }),
    );
    await cluster.world.advance(20_000);
  });
  // The coordinator's own update need not travel.
  const windows = floatUpdates(kept);
  assert.ok(windows.foundIn(sent) > 1_000);
  assert.ok((await examples()).foundIn(sent) > 10);
});
