/** Masks on workers are the masks made here; workers that die or are idle change nothing. */
import assert from "node:assert/strict";
import { maskKeys } from "../../learning/secure/mask_keys.ts";
import { applyMasks, inlineMaskWork } from "../../learning/secure/mask_work.ts";
import { nodeMaskStream } from "../../platform/mask_stream.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { WorkerMaskWork } from "../../platform/worker_mask_work.ts";
import {
  maskJobs,
  maskOrders,
  maskWorkContract,
  vectorOf,
} from "../contracts/mask_work_contract.ts";

const crypto = nodeCrypto({ workersMax: 0 });

maskWorkContract(
  "mask work inline",
  () => inlineMaskWork({ crypto, masks: nodeMaskStream() }),
);
for (const workersMax of [1, 3]) {
  maskWorkContract(
    `mask work on ${workersMax} workers`,
    () => new WorkerMaskWork({ workersMax, inlineBelow: 0, keysInlineBelow: 0 }),
  );
}

/** A worker that dies of its first message. */
function dyingWorker(): Worker {
  const program = `onmessage = () => { throw new Error("out of memory, say"); };`;
  return new Worker(`data:application/javascript,${encodeURIComponent(program)}`, {
    type: "module",
  });
}

function masked(length: number, jobs: ReturnType<typeof maskJobs>) {
  const expected = vectorOf(length);
  applyMasks(expected, jobs, nodeMaskStream());
  return expected;
}

Deno.test("what a worker that dies had in hand is done all the same", async () => {
  const work = new WorkerMaskWork({ workersMax: 2, inlineBelow: 0, startWorker: dyingWorker });
  const target = vectorOf(200_000);
  const jobs = maskJobs(3);
  await work.apply(target, jobs);
  assert.deepEqual(target, masked(200_000, jobs));
  const orders = maskOrders(20);
  assert.deepEqual(await work.keys(orders), maskKeys(crypto, orders));
  assert.equal(work.workers, 0);
  work.close();
});

Deno.test("without workers masks are made here", async () => {
  const work = new WorkerMaskWork({
    workersMax: 2,
    inlineBelow: 0,
    startWorker: () => {
      throw new Error("no threads");
    },
  });
  const target = vectorOf(1_000);
  const jobs = maskJobs(3);
  await work.apply(target, jobs);
  assert.deepEqual(target, masked(1_000, jobs));
  const orders = maskOrders(20);
  assert.deepEqual(await work.keys(orders), maskKeys(crypto, orders));
  work.close();
});

Deno.test("small vectors and few keys start no workers", async () => {
  const work = new WorkerMaskWork();
  await work.apply(vectorOf(1_000), maskJobs(3));
  await work.keys(maskOrders(7));
  assert.equal(work.workers, 0);
  work.close();
});

Deno.test("closed mask work refuses, also what is under way", async () => {
  const work = new WorkerMaskWork({ workersMax: 1, inlineBelow: 0 });
  const under = work.apply(vectorOf(1_000_000), maskJobs(50));
  const refused = assert.rejects(under, { message: "Cannot mask: the mask work is closed" });
  work.close();
  await refused;
  await assert.rejects(work.apply(vectorOf(10), maskJobs(1)), /closed/);
  await assert.rejects(work.keys(maskOrders(1)), /closed/);
});

Deno.test("a number of workers that is none is refused", () => {
  assert.throws(() => new WorkerMaskWork({ workersMax: 0 }), {
    message: "Cannot mask with 0 workers: expected an integer of at least 1",
  });
});
