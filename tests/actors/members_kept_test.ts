/** What the members actor knows after a restart, a crash or damage, and what joining and sync bring it. */
import assert from "node:assert/strict";
import { KEPT_COPIES_MAX } from "../../actors/members/load.ts";
import { TestActor, testRef } from "../../actors/kernel/testkit.ts";
import { blocksCommitted } from "../../actors/storage/commands.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { isAdmitted } from "../../protocols/registry/registry.ts";
import { MemoryDisk, openMemoryStore } from "../../store/memory_store.ts";
import { TestMesh } from "../protocols/registry_support.ts";
import {
  admit,
  answer,
  asker,
  change,
  found,
  idOf,
  lastRegistry,
  published,
  settle,
  start,
} from "./members_support.ts";

Deno.test("members publishes the registry once after start, also when there is none", async () => {
  const actor = start(openMemoryStore(), 0);
  actor.tell({ type: "getRegistry", replyTo: testRef("asker") });
  const effects = await settle(actor);
  assert.deepEqual(published(effects, "membershipChanged"), [{ registry: null }]);
  assert.deepEqual(TestActor.sentTo(effects, "asker"), [null]);
});

Deno.test("a crash between founding block and its note loses nothing", async () => {
  const store = openMemoryStore();
  const { mesh } = await found(store);
  await store.settings.set({ mesh: undefined });
  const effects = await settle(start(store, 0));
  assert.equal(lastRegistry(effects)?.mesh, mesh);
  assert.equal(await store.settings.get("mesh"), mesh);
});

Deno.test("joining checks everything before anything is kept", async () => {
  const mesh = new TestMesh();
  mesh.add(0, 1, { parents: [mesh.founding] });
  const good = mesh.blocks;
  const forged = { ...good[1]!, signature: new Uint8Array(64) };
  const other = new TestMesh();
  const bad: readonly (readonly [number, readonly Block[]])[] = [
    [2, good],
    [1, []],
    [1, good.slice(1)],
    [1, [good[0]!, forged]],
    [1, [good[0]!, { ...good[1]!, payload: null }]],
    [1, [...good, { ...other.founding, id: "00".repeat(32) as Block["id"] }]],
  ];
  for (const [device, blocks] of bad) {
    const store = openMemoryStore();
    const actor = start(store, device);
    await settle(actor);
    actor.tell({ type: "joinMesh", mesh: mesh.mesh, blocks, replyTo: asker });
    const effects = await settle(actor);
    assert.equal(answer(effects).type, "refused");
    assert.equal(lastRegistry(effects), undefined);
    assert.equal(await store.settings.get("mesh"), undefined);
  }
});

Deno.test("a joiner knows its mesh after a restart, before sync, and keeps its copies after", async () => {
  const mesh = new TestMesh();
  // The admission stands where the joiner has a gap.
  mesh.skipTo(0, 57);
  mesh.add(0, 1, { parents: [mesh.founding] });
  const store = openMemoryStore();
  const actor = start(store, 1);
  await settle(actor);
  actor.tell({ type: "joinMesh", mesh: mesh.mesh, blocks: mesh.blocks, replyTo: asker });
  const joined = await settle(actor);
  assert.deepEqual(answer(joined), { type: "done", value: mesh.mesh });
  assert.ok(isAdmitted(lastRegistry(joined)!, idOf(1)));
  const restarted = start(store, 1);
  assert.deepEqual(lastRegistry(await settle(restarted)), lastRegistry(joined));
  const committed = mesh.blocks.map((block) => ({ block, receivedFrom: null, completed: false }));
  const effects = [
    ...restarted.publish(blocksCommitted, { blocks: committed }),
    ...await settle(restarted),
  ];
  assert.equal(lastRegistry(effects), undefined, "nothing new, nothing to tell");
  const kept = (await store.settings.entries("registry/")).map(([key]) => key);
  assert.deepEqual(kept, mesh.blocks.map(({ id }) => `registry/${id}`).sort());
});

Deno.test("a founder whose rows are damaged still knows its mesh after a restart, and whom to ask", async () => {
  const store = openMemoryStore();
  const { actor, mesh } = await found(store);
  const before = lastRegistry(await change(actor, store, admit(1)));
  await settle(actor);
  // Another disk with the same settings and no block at all.
  const damaged = openMemoryStore();
  await damaged.settings.set(Object.fromEntries(await store.settings.entries("")));
  const registry = lastRegistry(await settle(start(damaged, 0)));
  assert.equal(registry?.mesh, mesh);
  assert.deepEqual(registry, before);
});

Deno.test("copies that the disk refuses are tried again; of a large registry only the first are kept", async () => {
  const mesh = new TestMesh();
  for (let device = 1; device <= KEPT_COPIES_MAX + 20; device++) mesh.add(0, device);
  const disk = new MemoryDisk();
  const store = openMemoryStore({ disk });
  await store.settings.set({ mesh: mesh.mesh });
  await store.blocks.put(mesh.blocks);
  disk.faults.full = true;
  const actor = start(store, 0);
  const effects = await settle(actor);
  assert.ok(effects.some((one) => one.type === "startTimer" && one.key === "copies"));
  assert.equal((await store.settings.entries("registry/")).length, 0);
  disk.faults.full = false;
  actor.tell({ type: "copiesDue" });
  await settle(actor);
  const kept = (await store.settings.entries("registry/")).map(([key]) => key);
  assert.equal(kept.length, KEPT_COPIES_MAX);
  assert.ok(kept.includes(`registry/${mesh.mesh}`));
});

Deno.test("registry blocks that sync brings change the registry, also while it is being loaded", async () => {
  const store = openMemoryStore();
  const mesh = new TestMesh();
  await store.blocks.put([mesh.founding]);
  await store.settings.set({ mesh: mesh.mesh });
  const actor = start(store, 0);
  const commit = (block: Block) =>
    actor.publish(blocksCommitted, {
      blocks: [{ block, receivedFrom: idOf(1), completed: false }],
    });
  commit(mesh.add(0, 1));
  assert.ok(isAdmitted(lastRegistry(await settle(actor))!, idOf(1)));
  const effects = commit(mesh.add(0, 2));
  assert.ok(isAdmitted(lastRegistry(effects)!, idOf(2)));
  assert.deepEqual(published(effects, "nodeEvents"), [
    { type: "memberChanged", deviceId: idOf(2), change: "added" },
  ]);
});
