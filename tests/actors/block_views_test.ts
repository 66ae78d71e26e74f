import assert from "node:assert/strict";
import { readBlock } from "../../actors/block_views.ts";
import type { BlockDraft } from "../../protocols/blocks/block.ts";
import type { BlockId } from "../../protocols/ids.ts";
import { inSync, plug, TestNode } from "./replication_harness.ts";

const body = (text: string) => new TextEncoder().encode(text);

async function viewOf(node: TestNode, id: BlockId) {
  const view = await readBlock(node.store, id);
  if (view.type === "refused") throw new Error(view.message);
  return view.value;
}

Deno.test("two edits made apart: both devices show the same one, and the other stays readable as a conflict", async () => {
  const a = new TestNode("a", 1);
  const b = new TestNode("b", 2);
  await a.found();
  await a.admit(b, "owner");
  const [original] = await a.publish([{ body: body("first") }]);
  plug(a, b);
  await inSync(a, b);
  const edit = (text: string): Partial<BlockDraft> => ({
    kind: "supersede",
    target: original!.id,
    body: body(text),
  });
  const [[ours], [theirs]] = await Promise.all([
    a.publish([edit("ours")]),
    b.publish([edit("theirs")]),
  ]);
  const both = [ours!.id, theirs!.id].sort();
  await a.until(
    "both edits",
    () => a.events.some((event) => event.type === "blockStored" && event.id === theirs!.id),
  );
  await b.until(
    "both edits",
    () => b.events.some((event) => event.type === "blockStored" && event.id === ours!.id),
  );
  for (const node of [a, b]) {
    for (const id of [original!.id, ...both]) {
      const { current, conflicts } = await viewOf(node, id);
      assert.deepEqual([current, conflicts], [both[1], [both[0]]]);
    }
    assert.deepEqual((await viewOf(node, original!.id)).replacedBy.toSorted(), both);
  }
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("a removed document has no current version", async () => {
  const a = new TestNode("a", 1);
  await a.found();
  const [block] = await a.publish([{ body: body("soon gone") }]);
  await a.publish([{ kind: "tombstone", target: block!.id }]);
  assert.deepEqual((await viewOf(a, block!.id)).current, null);
  await a.stop();
});
