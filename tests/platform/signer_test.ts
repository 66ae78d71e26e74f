/** Signing many: on another core, in order, with the same signatures as one by one, and on this thread when no other is there. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { type NodeSigner, nodeSigner, type NodeSignerOptions } from "../../platform/node_signer.ts";
import { packMessages, unpackMessages } from "../../platform/sign_batch.ts";

const SEED = new Uint8Array(32).fill(9);

function messages(count: number, from = 0): Uint8Array[] {
  return Array.from(
    { length: count },
    (_, i) => new TextEncoder().encode(`message ${from + i} ${"x".repeat(i % 50)}`),
  );
}

/** Starts the real worker and notes what is posted to it. */
function watchedWorker() {
  const posted: (Record<string, ArrayBuffer>)[] = [];
  let workers = 0;
  return {
    posted,
    get workers() {
      return workers;
    },
    startWorker(): Worker {
      workers++;
      const url = new URL("../../platform/sign_worker.ts", import.meta.url);
      const worker = new Worker(url, { type: "module" });
      const post = worker.postMessage.bind(worker);
      worker.postMessage = (message: Record<string, ArrayBuffer>, transfer: unknown) => {
        posted.push(message);
        return post(message, transfer as Transferable[]);
      };
      return worker;
    },
  };
}

async function withSigner(
  options: NodeSignerOptions,
  check: (signer: NodeSigner) => Promise<void>,
): Promise<void> {
  const signer = nodeSigner(SEED, options);
  try {
    await check(signer);
  } finally {
    signer.close();
  }
}

Deno.test("batches of messages survive packing, empty ones too", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 70 }), { maxLength: 20 }), (list) => {
      const unpacked = unpackMessages(packMessages(list));
      assert.deepEqual(unpacked.map((one) => [...one]), list.map((one) => [...one]));
    }),
    { seed: 5 },
  );
});

Deno.test("the worker signs exactly what one by one would give, set after set, in order", async () => {
  const crypto = nodeCrypto({ workersMax: 0 });
  const watched = watchedWorker();
  await withSigner({ worker: true, startWorker: watched.startWorker }, async (signer) => {
    // The first set starts the worker and does not wait for it; those asked for meanwhile go there.
    const sets = [messages(100), messages(300, 100), messages(64, 400), messages(1_000, 464)];
    const signed = await Promise.all(sets.map((set) => signer.signMany(set)));
    const alone = nodeSigner(SEED);
    sets.forEach((set, k) => {
      assert.deepEqual(signed[k], set.map((message) => alone.sign(message)));
      const [message, signature] = [set.at(-1)!, signed[k]!.at(-1)!];
      assert.ok(crypto.verify({ publicKey: signer.publicKey, message, signature }));
    });
    assert.equal(watched.workers, 1);
    assert.equal(watched.posted.filter((one) => "packed" in one).length, 3);
  });
});

Deno.test("the key is handed over whole: no copy stays in the buffer it came in", async () => {
  const watched = watchedWorker();
  await withSigner({ worker: true, startWorker: watched.startWorker }, async (signer) => {
    await signer.signMany(messages(64));
    await signer.signMany(messages(64));
    const [first, ...others] = watched.posted;
    assert.ok(first !== undefined && "key" in first && first.key?.detached === true);
    assert.ok(others.every((one) => !("key" in one) && one.packed?.detached === true));
    // Neither does signing spoil the key here.
    assert.deepEqual(signer.sign(SEED), nodeSigner(SEED).sign(SEED));
  });
});

Deno.test("a few messages start no worker", async () => {
  const watched = watchedWorker();
  await withSigner({ worker: true, startWorker: watched.startWorker }, async (signer) => {
    assert.equal((await signer.signMany(messages(63))).length, 63);
    assert.deepEqual(await signer.signMany([]), []);
    assert.equal(watched.workers, 0);
  });
});

Deno.test("without a worker, with one that cannot start, dies or answers nonsense, all is signed here", async () => {
  const scripts: Record<string, NodeSignerOptions> = {
    "none": { worker: false },
    "cannot start": {
      worker: true,
      startWorker: () => {
        throw new Error("no workers here");
      },
    },
    "dies": {
      worker: true,
      startWorker: () =>
        new Worker("data:text/javascript,throw new Error('dead')", { type: "module" }),
    },
    "nonsense": {
      worker: true,
      startWorker: () =>
        new Worker(
          "data:text/javascript,onmessage=()=>postMessage({signatures:new ArrayBuffer(64)})",
          { type: "module" },
        ),
    },
  };
  const alone = nodeSigner(SEED);
  const sets = [messages(100), messages(100, 100), messages(100, 200)];
  for (const [name, options] of Object.entries(scripts)) {
    await withSigner(options, async (signer) => {
      const signed = await Promise.all(sets.map((set) => signer.signMany(set)));
      const expected = sets.map((set) => set.map((message) => alone.sign(message)));
      assert.deepEqual(signed, expected, name);
      assert.deepEqual(await signer.signMany(sets[0]!), expected[0], name);
    });
  }
});

Deno.test("what is under way when the signer is closed is signed here", async () => {
  const watched = watchedWorker();
  const signer = nodeSigner(SEED, { worker: true, startWorker: watched.startWorker });
  const first = signer.signMany(messages(64));
  const second = signer.signMany(messages(200));
  signer.close();
  assert.equal((await first).length, 64);
  const alone = nodeSigner(SEED);
  assert.deepEqual(await second, messages(200).map((message) => alone.sign(message)));
});

Deno.test("signing many on this thread lets others run in between", async () => {
  const { setImmediate } = await import("node:timers");
  let turns = 0;
  let counting = true;
  const count = () => {
    turns++;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  await nodeSigner(SEED).signMany(messages(640));
  counting = false;
  await new Promise<void>((resolve) => setImmediate(() => resolve()));
  assert.ok(turns >= 5, `${turns} turns`);
});
