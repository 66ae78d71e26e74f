/** Updates in the clear make the same version whether they are in memory or come one after another, and of those only few are held. */
import assert from "node:assert/strict";
import { combineClear, combineClearFrom } from "../../learning/runs/combine_clear.ts";
import { parameterBytes } from "../../learning/parameters.ts";
import { softmaxRegression } from "../../learning/engine/networks.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { BlockId, DeviceId } from "../../protocols/ids.ts";
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
];

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
        },
      );
      assert.deepEqual(combined, expected);
      const isTwice = rule.name === "weightedMean" && heldBytesMax === 0;
      assert.equal(reads.length, isTwice ? DEVICES + expected.counted.size : DEVICES);
    }
    const outliers = rule.name === "weightedMean" ? ["outlier"] : [];
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
  });
  assert.equal(reads, DEVICES);
  assert.deepEqual(combined, combineClear(plan, all, context({ screened: false })));
});

Deno.test("updates of which none can be read make no version", () => {
  const plan = opened(NETWORK);
  const all = submissions(plan.layout.count).map((one) => ({ ...one, bytes: new Uint8Array(3) }));
  assert.throws(() => combineClear(plan, all, context()), { name: "ReleaseError" });
});
