/** The trainer on workers keeps the contract of the Trainer port, survives its workers, and leaves the asking thread alone. */
import assert from "node:assert/strict";
import { InlineTrainer } from "../../learning/engine/inline_trainer.ts";
import type { TrainingRequest } from "../../platform/training_messages.ts";
import { WorkerTrainer } from "../../platform/worker_trainer.ts";
import {
  failure,
  longJob,
  spiralJob,
  spirals,
  trainerContract,
} from "../contracts/trainer_contract.ts";

trainerContract("the trainer on one worker", () => new WorkerTrainer({ workersMax: 1 }));
trainerContract("the trainer on two workers", () => new WorkerTrainer({ workersMax: 2 }));

const WORKER = new URL("../../platform/training_worker.ts", import.meta.url);
const realWorker = () => new Worker(WORKER, { type: "module" });

/** A worker that dies of its first message. */
function dyingWorker(): Worker {
  const program = `onmessage = () => { throw new Error("out of memory, say"); };`;
  return new Worker(`data:application/javascript,${encodeURIComponent(program)}`, {
    type: "module",
  });
}

Deno.test("a worker gives the bits that the same engine gives inline", async () => {
  const [workers, inline] = [new WorkerTrainer({ workersMax: 1 }), new InlineTrainer()];
  const job = spiralJob({ momentum: 0.9 });
  assert.deepEqual(await workers.train(job), await inline.train(job));
  assert.deepEqual(await workers.evaluate(job), await inline.evaluate(job));
  workers.close();
  inline.close();
});

Deno.test("a job whose worker dies is begun anew on another", async () => {
  let started = 0;
  const trainer = new WorkerTrainer({
    workersMax: 1,
    startWorker: () => started++ === 0 ? dyingWorker() : realWorker(),
  });
  const [first, second] = await Promise.all([
    trainer.train(spiralJob()),
    trainer.train(spiralJob()),
  ]);
  assert.equal(started, 2);
  assert.deepEqual(first, second);
  trainer.close();
});

Deno.test("a job that takes down two workers is given up, and the next one done", async () => {
  let started = 0;
  const trainer = new WorkerTrainer({
    workersMax: 1,
    startWorker: () => started++ < 2 ? dyingWorker() : realWorker(),
  });
  const given = failure(trainer.train(spiralJob()));
  const next = trainer.train(spiralJob());
  const { reason, message, cause } = await given;
  assert.equal(reason, "closed");
  assert.match(message, /ended 2 times during the job/);
  assert.match(String(cause), /out of memory, say/);
  assert.equal((await next).steps, 30);
  trainer.close();
});

Deno.test("where workers cannot start, jobs are refused", async () => {
  const trainer = new WorkerTrainer({
    startWorker: () => {
      throw new Error("no more threads");
    },
  });
  const { reason, message } = await failure(trainer.train(spiralJob()));
  assert.equal(reason, "closed");
  assert.match(message, /cannot be started/);
  trainer.close();
});

Deno.test("examples go into shared memory once, however many jobs and workers there are", async () => {
  const seen = new Set<SharedArrayBuffer>();
  const trainer = new WorkerTrainer({
    workersMax: 2,
    startWorker: () => {
      const worker = realWorker();
      const post = worker.postMessage.bind(worker);
      worker.postMessage = (message: unknown, ...rest: unknown[]) => {
        seen.add((message as TrainingRequest).job.dataset.inputs.buffer);
        post(message, rest[0] as Transferable[]);
      };
      return worker;
    },
  });
  const dataset = spirals(33);
  await Promise.all(Array.from({ length: 5 }, () => trainer.train(spiralJob({ dataset }))));
  assert.equal(seen.size, 1);
  await trainer.train(spiralJob());
  assert.equal(seen.size, 2);
  trainer.close();
});

Deno.test("workers end when there was nothing to do for a while, and start again", async () => {
  const trainer = new WorkerTrainer({ workersMax: 1, idleMs: 0 });
  assert.equal(trainer.workers, 0);
  await trainer.train(spiralJob());
  while (trainer.workers > 0) await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal((await trainer.train(spiralJob())).steps, 30);
  trainer.close();
});

Deno.test("the asking thread goes on while workers train", async () => {
  const trainer = new WorkerTrainer({ workersMax: 1 });
  const begun = Promise.withResolvers<void>();
  const job = failure(
    trainer.train({ ...longJob(), epochs: 1_000 }, { onProgress: () => begun.resolve() }),
  );
  await begun.promise;
  // Were the steps made on this thread, no timer would come before the job has ended.
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  trainer.close();
  assert.equal((await job).reason, "closed");
});

Deno.test("a trainer without workers is refused", () => {
  assert.throws(() => new WorkerTrainer({ workersMax: 0 }), /Cannot train with 0 workers/);
});
