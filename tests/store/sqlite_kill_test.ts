/** What was acknowledged is there after the process was killed in the middle of writing. */
import assert from "node:assert/strict";
import type { BlockId, ContentHash } from "../../protocols/ids.ts";
import { openStore, withFolder } from "./folders.ts";

Deno.test("sqlite store has everything that was acknowledged before its process was killed", async () => {
  await withFolder(async (directory) => {
    const acknowledged = new Map<string, string[]>();
    // Each round is killed at another point; the next one starts on what the last one left.
    for (const [round, linesMax] of [57, 200, 411].entries()) {
      const lines = await killedWriter("writer_process.ts", {
        directory,
        round,
        isOver: (text) => text.split("\n").length > linesMax,
      });
      let count = 0;
      for (const line of lines) {
        const [what = "", outcome, name = ""] = line.split(" ");
        assert.equal(outcome, "stored");
        acknowledged.set(what, [...acknowledged.get(what) ?? [], name]);
        if (what === "setting") count = Number(name);
      }
      const store = await openStore(directory);
      const ids = (acknowledged.get("block") ?? []) as BlockId[];
      assert.ok(ids.length > 0);
      assert.deepEqual(await store.blocks.known(ids), new Set(ids));
      const hashes = (acknowledged.get("chunk") ?? []) as ContentHash[];
      for (const hash of hashes) assert.ok(await store.chunks.get(hash), `chunk ${hash} is lost`);
      const stored = await store.settings.get(`round/${round}`);
      assert.ok((count === 0 && stored === undefined) || Number(stored) >= count);
      const { blocks } = await store.blocks.stats();
      const frontiers = await store.blocks.frontiers();
      assert.equal(frontiers.reduce((sum, { sequence }) => sum + sequence, 0), blocks);
      assert.deepEqual(await store.verify({ deep: true }), []);
      await store.close();
    }
  });
});

Deno.test("sqlite store has everything when its process was killed while a worker wrote the log back", async () => {
  await withFolder(async (directory) => {
    const acknowledged: BlockId[] = [];
    for (const [round, checkpoints] of [1, 2, 3, 5].entries()) {
      const lines = await killedWriter("checkpoint_process.ts", {
        directory,
        round,
        // The line comes just before the worker is asked; what it does then takes milliseconds.
        isOver: (text) => text.split("checkpoint begins\n").length > checkpoints,
      });
      assert.ok(!lines.includes("checkpoint failed"));
      for (const line of lines) {
        const [what, outcome, id] = line.split(" ");
        if (what !== "block") continue;
        assert.equal(outcome, "stored");
        acknowledged.push(id as BlockId);
      }
      const store = await openStore(directory);
      assert.deepEqual(await store.blocks.known(acknowledged), new Set(acknowledged));
      const { blocks } = await store.blocks.stats();
      assert.ok(blocks >= acknowledged.length);
      assert.deepEqual(await store.verify({ deep: true }), []);
      await store.close();
    }
  });
});

interface Killing {
  readonly directory: string;
  readonly round: number;
  /** Whether what was printed so far is enough. */
  readonly isOver: (text: string) => boolean;
}

async function killedWriter(
  program: string,
  { directory, round, isOver }: Killing,
): Promise<string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      "--no-check",
      new URL(program, import.meta.url).pathname,
      directory,
      String(round),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  let killed = false;
  const decoder = new TextDecoder();
  for await (const bytes of child.stdout) {
    text += decoder.decode(bytes, { stream: true });
    if (!killed && isOver(text)) {
      killed = true;
      child.kill("SIGKILL");
    }
  }
  const status = await child.status;
  assert.equal(status.signal, "SIGKILL");
  // The last line may be cut; all others were printed after their acknowledgement.
  return text.split("\n").slice(0, -1);
}
