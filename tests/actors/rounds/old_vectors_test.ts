/** Vectors of old rounds make room, and nobody can name those of another run to have them removed. */
import assert from "node:assert/strict";
import { headSetting } from "../../../actors/rounds/adopting.ts";
import { checkpointSetting } from "../../../actors/rounds/checkpoints.ts";
import { keptSetting, removeOldVectors, ROUNDS_KEPT } from "../../../actors/rounds/old_vectors.ts";
import { vectorsInUse } from "../../../actors/rounds/vectors_in_use.ts";
import type { RunId } from "../../../learning/runs/plan.ts";
import type { ContentHash } from "../../../protocols/ids.ts";
import { MemoryDisk, openMemoryStore } from "../../../store/memory_store.ts";
import { memoryVectors } from "../../../store/memory_vectors.ts";
import { nodeCrypto } from "../../../platform/node_crypto.ts";

type Runs = Parameters<typeof vectorsInUse>[0];
type Known = Runs extends Iterable<infer One> ? One : never;

const mine = "aa".repeat(32) as RunId;
const another = "bb".repeat(32) as RunId;
const onGrid = "cc".repeat(32) as RunId;

/** A device with a store of vectors, in which the test names each by a word. */
async function device(words: readonly string[]) {
  const crypto = nodeCrypto({ workersMax: 0 });
  const { settings } = openMemoryStore({ disk: new MemoryDisk() });
  const vectors = memoryVectors();
  const bytesOf = (word: string) => new TextEncoder().encode(word);
  const hashOf = (word: string) => crypto.sha256Hex(bytesOf(word)) as ContentHash;
  for (const word of words) await vectors.put(hashOf(word), bytesOf(word));
  const here = async () => {
    const found: string[] = [];
    for (const word of words) if (await vectors.get(hashOf(word)) !== undefined) found.push(word);
    return found;
  };
  /** A run whose results name these vectors, by round. */
  const runOf = (run: RunId, results: readonly (readonly [number, string])[], start?: string) =>
    ({
      run,
      plan: { startFrom: start === undefined ? null : hashOf(start) },
      results: results.map(([round, word]) => ({
        result: { round, result: hashOf(word), state: null, aggregate: { hash: hashOf(word) } },
      })),
    }) as unknown as Known;
  const makeRoom = (run: Known, round: number, runs: readonly Known[]) =>
    removeOldVectors(run, {
      round,
      from: 1,
      inUse: () => vectorsInUse(runs, { except: run.run, settings }),
      vectors,
      settings,
    });
  return { settings, hashOf, here, runOf, makeRoom };
}

Deno.test("vectors of old rounds go; those of the newest ten, of where runs began, and of versions gone back to stay", async () => {
  const { settings, hashOf, here, runOf, makeRoom } = await device(
    ["old", "start", "back", "new"],
  );
  const run = runOf(mine, [[1, "old"], [2, "start"], [3, "back"], [4, "new"]]);
  await settings.set({ [keptSetting(hashOf("back"))]: true });
  await makeRoom(run, ROUNDS_KEPT + 3, [run, runOf(another, [], "start")]);
  assert.deepEqual(await here(), ["start", "back", "new"]);
});

Deno.test("a result that names the vectors of other runs as old ones of its own removes none of them", async () => {
  const theirs = ["head", "optimiser", "before", "next", "checkpoint", "grid"];
  const { settings, hashOf, here, runOf, makeRoom } = await device([...theirs, "gone", "ahead"]);
  await settings.set({
    [headSetting(another)]: {
      round: 30,
      block: null,
      parameters: hashOf("head"),
      state: hashOf("optimiser"),
    },
    [checkpointSetting(another)]: {
      round: 31,
      attempt: 1,
      offer: { hash: hashOf("checkpoint"), bytes: 10 },
    },
    [headSetting(onGrid)]: { round: 2, hash: hashOf("grid"), parent: hashOf("old"), places: null },
  });
  const run = runOf(mine, [...theirs, "gone", "ahead"].map((word) => [1, word] as const));
  await makeRoom(run, ROUNDS_KEPT + 1, [
    run,
    // "ahead": whoever names a vector for a round that is far away keeps it no longer by that.
    runOf(another, [[21, "before"], [20, "gone"], [31, "next"], [99, "ahead"]]),
    runOf(onGrid, []),
  ]);
  assert.deepEqual(await here(), theirs);
});
