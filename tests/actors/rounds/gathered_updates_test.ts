/** A coordinator's memory does not grow with the number of updates in the clear, and where they lie makes no difference to what is learned. */
import assert from "node:assert/strict";
import { SpilledUpdates } from "../../../actors/rounds/spilled_updates.ts";
import { pumpRound } from "../../../bench/micro/rounds_pump.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import type { Scratch } from "../../../platform/ports.ts";
import type { DeviceId } from "../../../protocols/ids.ts";
import { memoryScratch } from "../../../store/memory_vectors.ts";
import { opened } from "../../learning/proof_support.ts";

const NETWORK = softmaxRegression({ inputs: 784, classes: 10 });
/** Bytes of one update. */
const UPDATE = 4 * 7_850;
const HELD_MAX = 3 * UPDATE;

const PARTICIPATION = { least: 3, most: 1_024, fraction: 1, overSelection: 0 };

const round = (
  rule: string,
  devices: number,
  gatheredBytesMax?: number,
  scratch?: () => Promise<Scratch>,
) =>
  pumpRound({
    opened: opened(NETWORK, {
      rounds: 1,
      aggregation: { type: "clear", rule: { name: rule, numbers: {} } },
      participation: PARTICIPATION,
    }),
    devices,
    dropouts: 1,
    ...(gatheredBytesMax !== undefined && { gatheredBytesMax }),
    ...(scratch !== undefined && { scratch }),
  });

for (const rule of ["weightedMean", "coordinateMedian"]) {
  Deno.test(`${rule}: updates beyond what a coordinator holds lie on the disk, and the version is the same`, async () => {
    const [held, few, many] = [
      await round(rule, 30),
      await round(rule, 15, HELD_MAX),
      await round(rule, 30, HELD_MAX),
    ];
    assert.equal(many.result.result, held.result.result);
    assert.deepEqual(many.result.submissions, held.result.submissions);
    assert.equal(many.result.submissions.length, 29);
    // Twice as many updates take no more, but for the names and signatures of their devices; all held, they take as much again.
    const perDevice = 2_000;
    assert.ok(
      many.coordinatorBytes <= few.coordinatorBytes + 15 * perDevice,
      `${few.coordinatorBytes} bytes with 15 devices, ${many.coordinatorBytes} with 30`,
    );
    assert.ok(held.coordinatorBytes > many.coordinatorBytes + 20 * UPDATE);
  });
}

Deno.test("with a secure sum no vector stays: more devices take what their keys and shares take", async () => {
  const plan = opened(NETWORK, {
    rounds: 1,
    aggregation: { type: "secure", encoding: { range: 1, bits: 16 } },
    participation: PARTICIPATION,
  });
  const [few, many] = [
    await pumpRound({ opened: plan, devices: 8, dropouts: 1 }),
    await pumpRound({ opened: plan, devices: 16, dropouts: 1 }),
  ];
  const perDevice = (many.coordinatorBytes - few.coordinatorBytes) / 8;
  assert.ok(perDevice < UPDATE / 4, `${perDevice} bytes for each further device`);
});

Deno.test("an update that the disk does not take is left out, and the others make the version", async () => {
  const inner = memoryScratch();
  let writes = 0;
  const { result } = await round("weightedMean", 10, HELD_MAX, () =>
    Promise.resolve({
      ...inner,
      write: (at, bytes) =>
        ++writes > 4 ? Promise.reject(new Error("no space left")) : inner.write(at, bytes),
    }));
  assert.equal(writes, 6);
  assert.equal(result.submissions.length, 7);
  assert.equal(result.counts.dropped, 3);
});

Deno.test("updates come back as they were, whatever their lengths, until their attempt is over", async () => {
  let opened = 0;
  const spilled = new SpilledUpdates(() => {
    opened++;
    return Promise.resolve(memoryScratch());
  });
  const updates = new Map(
    [["aa", 5], ["bb", 0], ["cc", 70_000]].map(([device, length]) =>
      [device as DeviceId, new Uint8Array(length as number).fill(length as number)] as const
    ),
  );
  await Promise.all([...updates].map(([device, bytes]) => spilled.write(device, bytes)));
  for (const [device, bytes] of updates) assert.deepEqual(await spilled.read(device), bytes);
  assert.equal(opened, 1);
  await spilled.close();
  await spilled.close();
  await assert.rejects(spilled.write("dd" as DeviceId, new Uint8Array(1)), /attempt is over/);
});
