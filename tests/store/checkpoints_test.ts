/** Much that is stored at once is checkpointed by a worker; little, or without a worker, by SQLite as ever. Nothing else differs. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { CheckpointLane, type CheckpointLaneOptions } from "../../platform/checkpoint_lane.ts";
import { restoreBackup } from "../../store/backup.ts";
import { NodeSqlite } from "../../store/node_sqlite.ts";
import type { Store } from "../../store/store.ts";
import { TestAuthor } from "./authors.ts";
import { openStore, withFolder } from "./folders.ts";

/** Of a frame in the log: a page and its header. */
const FRAME_BYTES = 4_096 + 24;
/** A block of this body takes about 15 pages. */
const BODY_BYTES = 60_000;

/** The real lane, which notes what becomes of it. */
class WatchedLane extends CheckpointLane {
  workers = 0;
  readonly checkpoints: Promise<boolean>[] = [];

  constructor(options: CheckpointLaneOptions = {}) {
    const startWorker = options.startWorker ??
      (() => new Worker(new URL("../../platform/checkpoint_worker.ts", import.meta.url), MODULE));
    super({
      ...options,
      startWorker: () => {
        this.workers++;
        return startWorker();
      },
    });
  }

  override checkpoint(path: string): Promise<boolean> {
    const done = super.checkpoint(path);
    this.checkpoints.push(done);
    return done;
  }

  /** The worker has answered all that it was asked: it answers in order. */
  async settled(): Promise<void> {
    await this.release("");
  }
}
const MODULE = { type: "module" } as const;

async function withStore(
  lane: CheckpointLane,
  work: (store: Store, directory: string) => Promise<void>,
): Promise<void> {
  await withFolder(async (directory) => {
    const store = await openStore(directory, { checkpointLane: lane });
    try {
      await work(store, directory);
    } finally {
      await store.close();
      await lane.close();
    }
    // The last connection that closes empties the log and removes it.
    assert.deepEqual(await databaseFiles(directory), ["node.db"]);
    const reopened = await openStore(directory);
    assert.deepEqual(await reopened.verify({ deep: true }), []);
    await reopened.close();
  });
}

async function databaseFiles(directory: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(directory), ({ name }) => name);
  return names.filter((name) => name.startsWith("node.db"));
}

/** Stores `count` blocks of about 15 pages each; by `batch`, each commit fills the log beyond what is worth a checkpoint. */
async function putMuch(store: Store, author: TestAuthor, count: number, batch = 80) {
  for (let done = 0; done < count; done += batch) {
    const blocks = Array.from({ length: batch }, () => author.write(new Uint8Array(BODY_BYTES)));
    await store.blocks.put(blocks);
  }
}

/** Pages in the log, and how many of them are in the database, too. */
function logOf(directory: string): { readonly log: number; readonly checkpointed: number } {
  const database = new NodeSqlite(join(directory, "node.db"), { readOnly: true });
  database.all("SELECT count(*) FROM authors");
  const row = database.first<{ log: number; checkpointed: number }>(
    "PRAGMA wal_checkpoint(NOOP)",
  );
  database.close();
  return row!;
}

function logBytes(directory: string): number {
  return Deno.statSync(join(directory, "node.db-wal")).size;
}

Deno.test("large commits start one worker, which writes the log back beside those that follow", async () => {
  const lane = new WatchedLane();
  await withStore(lane, async (store, directory) => {
    const author = new TestAuthor("ada");
    await putMuch(store, author, 160);
    assert.equal(lane.workers, 1);
    assert.equal(lane.checkpoints.length, 0);
    await lane.settled();
    await putMuch(store, author, 160);
    await lane.settled();
    assert.ok(lane.checkpoints.length > 0);
    assert.deepEqual(new Set(await Promise.all(lane.checkpoints)), new Set([true]));
    assert.ok(logOf(directory).checkpointed > 0);
    assert.equal(lane.workers, 1);
    assert.equal((await store.blocks.stats()).blocks, 320);
  });
});

Deno.test("small commits start no worker, and the log stays as short as SQLite keeps it", async () => {
  const lane = new WatchedLane();
  await withStore(lane, async (store, directory) => {
    const author = new TestAuthor("ada");
    for (let i = 0; i < 400; i++) await store.blocks.put([author.write(`note ${i}`)]);
    assert.equal(lane.workers, 0);
    assert.ok(logBytes(directory) < 1_100 * FRAME_BYTES);
  });
});

Deno.test("without a worker, with one that cannot start, dies or fails, the log is emptied by commits", async () => {
  const script = (text: string): CheckpointLaneOptions => ({
    startWorker: () => new Worker(`data:text/javascript,${text}`, MODULE),
  });
  const scripts: Record<string, CheckpointLaneOptions> = {
    "cannot start": {
      startWorker: () => {
        throw new Error("no workers here");
      },
    },
    "dies at once": script("throw new Error('dead')"),
    "dies later": script(
      "onmessage=({data})=>{if(data.type==='checkpoint')throw new Error('dead');postMessage({problem:null})}",
    ),
    "fails": script(
      "onmessage=({data})=>postMessage({problem:data.type==='checkpoint'?'disk full':null})",
    ),
  };
  for (const [what, options] of Object.entries(scripts)) {
    const lane = new WatchedLane(options);
    await withStore(lane, async (store, directory) => {
      const author = new TestAuthor("ada");
      await putMuch(store, author, 160);
      await lane.settled();
      await putMuch(store, author, 160);
      await Promise.all(lane.checkpoints);
      const asked = lane.checkpoints.length;
      await putMuch(store, author, 640);
      assert.equal(lane.checkpoints.length, asked, what);
      assert.ok(lane.workers <= 1, what);
      assert.ok(logBytes(directory) < 4_500 * FRAME_BYTES, `${what}: ${logBytes(directory)} bytes`);
      assert.equal((await store.blocks.stats()).blocks, 960, what);
    });
  }
});

Deno.test("a worker that is never done leaves a bounded log", async () => {
  const lane = new WatchedLane({
    // Is done with its checkpoints only when it is asked for something else: when the store closes.
    startWorker: () =>
      new Worker(
        "data:text/javascript,let due=0;onmessage=({data})=>{due++;" +
          "if(data.type!=='checkpoint')while(due-->0)postMessage({problem:null});due=Math.max(due,0)}",
        MODULE,
      ),
  });
  await withStore(lane, async (store, directory) => {
    const author = new TestAuthor("ada");
    await putMuch(store, author, 160);
    await lane.settled();
    // About 12,000 pages.
    await putMuch(store, author, 720);
    assert.equal(lane.checkpoints.length, 1);
    assert.ok(logBytes(directory) > 8_192 * FRAME_BYTES);
    assert.ok(logBytes(directory) < 9_500 * FRAME_BYTES, `${logBytes(directory)} bytes`);
  });
});

Deno.test("a worker that was idle ends, and another one comes when much is stored again", async () => {
  const lane = new WatchedLane();
  await withStore(lane, async (store) => {
    const author = new TestAuthor("ada");
    await putMuch(store, author, 160);
    await lane.settled();
    await putMuch(store, author, 160);
    // As when its time is over, in the middle of its work.
    await lane.close();
    assert.equal(lane.ready, false);
    await putMuch(store, author, 320);
    assert.equal(lane.workers, 2);
    await lane.settled();
    assert.equal(lane.ready, true);
  });
});

Deno.test("one worker serves several stores, and lets each go by itself", async () => {
  const lane = new WatchedLane();
  await withStore(lane, async (first) => {
    await putMuch(first, new TestAuthor("ada"), 160);
    await lane.settled();
    await withFolder(async (directory) => {
      const second = await openStore(directory, { checkpointLane: lane });
      await putMuch(second, new TestAuthor("bob"), 160);
      await second.close();
      assert.deepEqual(await databaseFiles(directory), ["node.db"]);
    });
    assert.ok(lane.checkpoints.length > 0);
    assert.equal(lane.ready, true);
    await putMuch(first, new TestAuthor("eve"), 160);
    assert.equal(lane.workers, 1);
  });
});

Deno.test("backup, restore and checks see everything while a worker checkpoints", async () => {
  const lane = new WatchedLane();
  await withStore(lane, async (store, directory) => {
    const author = new TestAuthor("ada");
    await putMuch(store, author, 160);
    await lane.settled();
    const backup = join(directory, "backup");
    const [, , damage] = await Promise.all([
      putMuch(store, author, 160),
      putMuch(store, new TestAuthor("bob"), 160),
      store.verify({ deep: false }),
    ]);
    assert.deepEqual(damage, []);
    await store.backup(backup);
    await withFolder(async (target) => {
      await restoreBackup({ from: backup, to: target });
      const restored = await openStore(target);
      assert.equal((await restored.blocks.stats()).blocks, 480);
      assert.deepEqual(await restored.verify({ deep: true }), []);
      await restored.close();
    });
    await Deno.remove(backup, { recursive: true });
  });
});
