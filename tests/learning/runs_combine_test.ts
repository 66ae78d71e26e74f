/** Updates in the clear make the same version whether they are in memory or come one after another, and of those only few are held. */
import assert from "node:assert/strict";
import { combineClear, combineClearFrom } from "../../learning/runs/combine_clear.ts";
import { parameterBytes } from "../../learning/parameters.ts";
import { softmaxRegression } from "../../learning/engine/networks.ts";
import type { Scratch } from "../../platform/ports.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { BlockId, DeviceId } from "../../protocols/ids.ts";
import { memoryScratch } from "../../store/memory_vectors.ts";
import { crypto, opened, updateOf } from "./proof_support.ts";

const NETWORK = softmaxRegression({ inputs: 8, classes: 4 });
const DEVICES = 9;

function submissions(count: number) {
  return Array.from({ length: DEVICES }, (_, i) => ({
    device: i.toString(16).padStart(64, "0") as DeviceId,
    weight: i + 1,
    bytes: new Uint8Array(parameterBytes(updateOf(count, i % 3))),
  }));
}

function context(change: { readonly heldBytesMax?: number; readonly screened?: boolean } = {}) {
  const { heldBytesMax, screened = true } = change;
  return {
    run: "ab".repeat(32) as BlockId,
    round: 4,
    crypto,
    random: seededRandom("noise"),
    screening: screened ? new Uint8Array(32).fill(5) : null,
    ...(heldBytesMax !== undefined && { heldBytesMax }),
  };
}

const RULES = [
  { name: "weightedMean", numbers: {} },
  { name: "coordinateMedian", numbers: {} },
  // Weighted and no sum: what screening leaves out is on the disk and is not counted.
  { name: "geometricMedian", numbers: { iterations: 5 } },
];

/** Room in memory, and how often it was taken and given back. */
function countedScratches() {
  const counts = { opened: 0, closed: 0 };
  return {
    counts,
    open(): Scratch {
      counts.opened++;
      const inner = memoryScratch();
      return {
        ...inner,
        close() {
          counts.closed++;
          return inner.close();
        },
      };
    },
  };
}

for (const rule of RULES) {
  Deno.test(`${rule.name} over updates that come one after another gives the bits of the held ones`, async () => {
    const plan = opened(NETWORK, { aggregation: { type: "clear", rule } });
    const all = submissions(plan.layout.count);
    // One that cannot be read, and one far too long.
    all[2]!.bytes = new Uint8Array(7);
    all[6]!.bytes = new Uint8Array(
      parameterBytes(updateOf(plan.layout.count, 0).map((value) => 1_000 * value)),
    );
    const expected = combineClear(plan, all, context());
    for (const heldBytesMax of [0, 2 ** 30]) {
      const scratches = countedScratches();
      const reads: DeviceId[] = [];
      const combined = await combineClearFrom(
        plan,
        all.map(({ device, weight }) => ({ device, weight })),
        {
          ...context({ heldBytesMax }),
          read(submission) {
            reads.push(submission.device);
            return Promise.resolve(all.find(({ device }) => device === submission.device)!.bytes);
          },
          pause: () => Promise.resolve(),
          scratch: () => Promise.resolve(scratches.open()),
        },
      );
      assert.deepEqual(combined, expected);
      const streams = rule.name === "weightedMean";
      const isTwice = streams && heldBytesMax === 0;
      const onDisk = !streams && heldBytesMax === 0 ? 1 : 0;
      assert.deepEqual(scratches.counts, { opened: onDisk, closed: onDisk });
      assert.equal(reads.length, isTwice ? DEVICES + expected.counted.size : DEVICES);
    }
    const outliers = rule.name === "coordinateMedian" ? [] : ["outlier"];
    assert.deepEqual(expected.faults.map(({ fault }) => fault), ["misshapen", ...outliers]);
  });
}

Deno.test("who counts being decided, every update is read once, however many there are", async () => {
  const plan = opened(NETWORK);
  const all = submissions(plan.layout.count);
  let reads = 0;
  const combined = await combineClearFrom(plan, all, {
    ...context({ heldBytesMax: 0, screened: false }),
    read(submission) {
      reads++;
      return Promise.resolve(all.find(({ device }) => device === submission.device)!.bytes);
    },
    pause: () => Promise.resolve(),
    scratch: () => Promise.reject(new Error("sums need no room")),
  });
  assert.equal(reads, DEVICES);
  assert.deepEqual(combined, combineClear(plan, all, context({ screened: false })));
});

Deno.test("updates of which none can be read make no version", () => {
  const plan = opened(NETWORK);
  const all = submissions(plan.layout.count).map((one) => ({ ...one, bytes: new Uint8Array(3) }));
  assert.throws(() => combineClear(plan, all, context()), { name: "ReleaseError" });
});
