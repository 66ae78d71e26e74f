import assert from "node:assert/strict";
import { join } from "node:path";
import type { NodeStatus, Outcome } from "../../actors/handle.ts";
import { type BringingOptions, startBringing } from "../../deployments/bringing.ts";
import { systemClock } from "../../platform/system_clock.ts";
import type { BlockDraft } from "../../protocols/blocks/block.ts";
import { splitBody } from "../../protocols/blocks/body.ts";
import { openSqliteStore } from "../../store/sqlite_store.ts";
import { TestAuthor, testCrypto } from "../store/authors.ts";

const OLD_BLOCKS = 130;
const silent = { write() {} };

/** A data folder that has left a mesh with blocks of its own. */
async function withLeftMesh(
  test: (data: string, folder: string, author: TestAuthor) => Promise<void>,
): Promise<void> {
  const data = await Deno.makeTempDir();
  const folder = join(data, "meshes", "0123456789abcdef");
  const author = new TestAuthor("ada");
  try {
    const store = await openSqliteStore({ directory: folder, crypto: testCrypto });
    const blocks = Array.from(
      { length: OLD_BLOCKS },
      (_, i) => author.write(`text ${i}`, { tags: [`part:${i}`], topic: "notes/old" }),
    );
    const removed = author.write("", { kind: "tombstone", target: blocks[0]!.id });
    const newer = author.write("newer", { kind: "supersede", target: blocks[1]!.id });
    const foreign = new TestAuthor("ben").write("of somebody else");
    await store.blocks.put([...blocks, removed, newer, foreign]);
    const large = author.write(new Uint8Array(300_000).fill(7), { mediaType: "image/png" });
    const missing = author.write(new Uint8Array(300_000).fill(8));
    await store.blocks.put([large, missing]);
    for (const { hash, bytes } of chunksOfSevens()) await store.chunks.put([{ hash, bytes }]);
    await store.close();
    await Deno.writeTextFile(
      join(folder, "bring.json"),
      JSON.stringify({ version: 1, sequence: 0, brought: 0, leftBehind: 0 }),
    );
    await test(data, folder, author);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

function chunksOfSevens() {
  return splitBody(new Uint8Array(300_000).fill(7), testCrypto).chunks;
}

interface Published {
  readonly key: string | undefined;
  readonly drafts: readonly BlockDraft[];
}

/** A node that notes what is published; `answer` may refuse or throw. */
function fakeNode(author: TestAuthor, answer: (n: number) => Outcome<never[]> | Error) {
  const published: Published[] = [];
  const calls = Promise.withResolvers<void>();
  let n = 0;
  const node: BringingOptions["node"] = {
    deviceId: author.id,
    status: () => Promise.resolve({ mesh: "f".repeat(64) } as unknown as NodeStatus),
    subscribe: () => () => {},
    addBlocks: (drafts, key) => {
      const outcome = answer(++n);
      if (outcome instanceof Error) {
        calls.resolve();
        return Promise.reject(outcome);
      }
      if (outcome.type === "done") published.push({ key, drafts });
      return Promise.resolve(outcome);
    },
  };
  return { node, published, failed: calls.promise };
}

const done = { type: "done", value: [] as never[] } as const;

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 3_000 && !await condition(); i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function texts(published: readonly Published[]): string[] {
  return published.flatMap(({ drafts }) =>
    drafts.map(({ body }) =>
      body.length > 100 ? `${body.length} bytes` : new TextDecoder().decode(body)
    )
  );
}

const EXPECTED = [
  ...Array.from({ length: OLD_BLOCKS - 2 }, (_, i) => `text ${i + 2}`),
  "newer",
  "300000 bytes",
];

Deno.test("current content comes along in order, once, without what was replaced or is incomplete", () =>
  withLeftMesh(async (data, folder, author) => {
    const { node, published } = fakeNode(author, () => done);
    const options = { dataDirectory: data, node, crypto: testCrypto, clock: systemClock() };
    const stop = startBringing({ ...options, log: silent });
    await until(() => exists(join(folder, "brought.json")));
    await stop();
    assert.deepEqual(texts(published), EXPECTED);
    const [first] = published[0]!.drafts;
    assert.deepEqual([first?.kind, first?.topic, first?.tags], ["put", "notes/old", ["part:2"]]);
    const report = JSON.parse(await Deno.readTextFile(join(folder, "brought.json")));
    assert.equal(report.brought, EXPECTED.length);
    assert.equal(report.leftBehind, 1);
    const again = fakeNode(author, () => done);
    await startBringing({ ...options, node: again.node, log: silent })();
    assert.deepEqual(again.published, []);
  }));

Deno.test("after a crash the batch under way comes again under the same key, the others do not", () =>
  withLeftMesh(async (data, folder, author) => {
    const keys: (string | undefined)[] = [];
    const crashing = fakeNode(author, (n) => n === 2 ? new Error("crash") : done);
    const options = { dataDirectory: data, crypto: testCrypto, clock: systemClock(), log: silent };
    const record = (node: BringingOptions["node"]): BringingOptions["node"] => ({
      ...node,
      addBlocks: (drafts, key) => {
        keys.push(key);
        return node.addBlocks(drafts, key);
      },
    });
    const stop = startBringing({ ...options, node: record(crashing.node) });
    await crashing.failed;
    await stop();
    assert(await exists(join(folder, "bring.json")));
    const next = fakeNode(author, () => done);
    const stopNext = startBringing({ ...options, node: record(next.node) });
    await until(() => exists(join(folder, "brought.json")));
    await stopNext();
    assert.deepEqual(texts([...crashing.published, ...next.published]), EXPECTED);
    assert.equal(keys[1], keys[2], "the batch under way");
    assert.equal(new Set(keys).size, keys.length - 1);
  }));
