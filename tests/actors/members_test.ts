/** The members actor: founds, joins, admits, updates and revokes; tells everyone; survives restarts at any point. */
import assert from "node:assert/strict";
import { KEPT_COPIES_MAX } from "../../actors/members/load.ts";
import { members } from "../../actors/members/members.ts";
import type { MembersState } from "../../actors/members/state.ts";
import type { MembersCommand } from "../../actors/members/commands.ts";
import type { Outcome } from "../../actors/handle.ts";
import { type RecordedEffect, TestActor, testActor, testRef } from "../../actors/kernel/testkit.ts";
import type { PublisherCommand } from "../../actors/publisher/commands.ts";
import { blocksCommitted } from "../../actors/storage/commands.ts";
import type { Block, BlockDraft } from "../../protocols/blocks/block.ts";
import { createBlock } from "../../protocols/blocks/encode.ts";
import { type DeviceId, deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import { isAdmitted, may, type Registry } from "../../protocols/registry/registry.ts";
import { MemoryDisk, openMemoryStore } from "../../store/memory_store.ts";
import type { Store } from "../../store/store.ts";
import { testCrypto } from "../protocols/blocks_support.ts";
import { signerOf, TestMesh } from "../protocols/registry_support.ts";

const publisher = testRef<PublisherCommand>("publisher");
const asker = testRef<unknown>("asker");

type Members = TestActor<MembersCommand, MembersState>;

const idOf = (number: number): DeviceId => deviceIdOf(signerOf(number).publicKey);

function start(store: Store, device: number): Members {
  return testActor(members({
    self: idOf(device),
    displayName: `Device ${device}`,
    crypto: testCrypto,
    store,
    publisher,
  }));
}

/** Runs tasks until none waits; all effects in order. */
async function settle(actor: Members): Promise<readonly RecordedEffect[]> {
  const effects = [...actor.takeEffects()];
  while (actor.pendingTasks().length > 0) effects.push(...await actor.runTask());
  return effects;
}

function published(effects: readonly RecordedEffect[], topic: string): readonly unknown[] {
  return effects.flatMap((one) => one.type === "publish" && one.topic === topic ? [one.event] : []);
}

function lastRegistry(effects: readonly RecordedEffect[]): Registry | null | undefined {
  const last = published(effects, "membershipChanged").at(-1);
  return (last as { registry: Registry | null } | undefined)?.registry;
}

function answer<T>(effects: readonly RecordedEffect[]): Outcome<T> {
  const answers = TestActor.sentTo<Outcome<T>>(effects, "asker");
  assert.equal(answers.length, 1, "expected one answer");
  return answers[0]!;
}

function draftsIn(effects: readonly RecordedEffect[]): readonly BlockDraft[] {
  return TestActor.sentTo<PublisherCommand>(effects, publisher).flatMap((command) =>
    command.type === "publish" ? command.drafts : []
  );
}

/** What the publisher would do: signs, stores, answers. */
async function publishAll(
  actor: Members,
  store: Store,
  device: number,
  drafts: readonly BlockDraft[],
): Promise<readonly RecordedEffect[]> {
  const mesh = actor.state.registry?.mesh ?? null;
  const blocks: Block[] = [];
  let head = (await store.blocks.frontiers()).find(({ author }) => author === idOf(device));
  for (const draft of drafts) {
    const block = createBlock({
      ...draft,
      mesh: draft.kind === "founding" ? null : mesh,
      sequence: (head?.sequence ?? 0) + 1,
      previous: head?.head ?? null,
      parents: draft.parents ?? [],
      target: null,
      timeMs: 1_790_000_000_000,
      bodyBytes: draft.body.length,
      payload: draft.body,
      signer: signerOf(device),
      crypto: testCrypto,
    });
    blocks.push(block);
    head = { author: idOf(device), sequence: block.header.sequence, head: block.id };
  }
  const outcomes = await store.blocks.put(blocks);
  assert.ok(outcomes.every(({ type }) => type === "stored"));
  const operationId = actor.state.operations[0]!.id;
  const effects = [
    ...actor.tell({ type: "published", operationId, outcome: { type: "done", value: blocks } }),
  ];
  effects.push(...await settle(actor));
  return effects;
}

async function found(store: Store): Promise<{ readonly actor: Members; readonly mesh: MeshId }> {
  const actor = start(store, 0);
  await settle(actor);
  const asked = actor.tell({ type: "foundMesh", replyTo: asker });
  const effects = await publishAll(actor, store, 0, draftsIn(asked));
  const outcome = answer<MeshId>(effects);
  assert.ok(outcome.type === "done");
  return { actor, mesh: outcome.value };
}

/** Asks for one change and lets the publisher do its part. */
async function change(
  actor: Members,
  store: Store,
  command: Extract<MembersCommand, { type: "admit" | "updateMember" | "revoke" }>,
): Promise<readonly RecordedEffect[]> {
  actor.tell(command);
  const effects = await actor.runTask();
  const drafts = draftsIn(effects);
  return drafts.length === 0 ? effects : await publishAll(actor, store, 0, drafts);
}

const admit = (number: number, role: "owner" | "submind" | "guest" = "submind") =>
  ({
    type: "admit",
    deviceId: idOf(number),
    displayName: `Device ${number}`,
    role,
    replyTo: asker,
  }) as const;

Deno.test("members publishes the registry once after start, also when there is none", async () => {
  const actor = start(openMemoryStore(), 0);
  actor.tell({ type: "getRegistry", replyTo: testRef("asker") });
  const effects = await settle(actor);
  assert.deepEqual(published(effects, "membershipChanged"), [{ registry: null }]);
  assert.deepEqual(TestActor.sentTo(effects, "asker"), [null]);
});

Deno.test("founding asks the publisher, notes the mesh durably, then tells everyone and the asker", async () => {
  const store = openMemoryStore();
  const actor = start(store, 0);
  await settle(actor);
  const asked = actor.tell({ type: "foundMesh", replyTo: asker });
  const drafts = draftsIn(asked);
  assert.deepEqual(drafts.map(({ kind }) => kind), ["founding"]);
  assert.equal(published(asked, "membershipChanged").length, 0);
  const effects = await publishAll(actor, store, 0, drafts);
  const mesh = await store.settings.get("mesh");
  assert.deepEqual(answer(effects), { type: "done", value: mesh });
  assert.equal(lastRegistry(effects)?.founder, idOf(0));
  assert.deepEqual(published(effects, "nodeEvents"), [
    { type: "meshJoined", mesh, founded: true },
    { type: "memberChanged", deviceId: idOf(0), change: "added" },
  ]);
  const order = effects.findIndex((one) => one.type === "publish");
  assert.ok(order < effects.findIndex((one) => one.type === "send" && one.to === "asker"));
});

Deno.test("a second mesh is refused", async () => {
  const { actor } = await found(openMemoryStore());
  const effects = actor.tell({ type: "foundMesh", replyTo: asker });
  const outcome = answer(effects);
  assert.ok(outcome.type === "refused" && outcome.reason === "alreadyMember");
});

Deno.test("a crash between founding block and its note loses nothing", async () => {
  const store = openMemoryStore();
  const { mesh } = await found(store);
  await store.settings.set({ mesh: undefined });
  const effects = await settle(start(store, 0));
  assert.equal(lastRegistry(effects)?.mesh, mesh);
  assert.equal(await store.settings.get("mesh"), mesh);
});

Deno.test("admitting answers with every registry block, founding block first; admitting twice writes nothing", async () => {
  const store = openMemoryStore();
  const { actor, mesh } = await found(store);
  const effects = await change(actor, store, admit(1, "guest"));
  const outcome = answer<readonly Block[]>(effects);
  assert.ok(outcome.type === "done");
  assert.deepEqual(outcome.value.map(({ header }) => header.kind), ["founding", "member"]);
  assert.equal(outcome.value[0]!.id, mesh);
  assert.deepEqual(outcome.value[1]!.header.parents, [mesh]);
  assert.ok(isAdmitted(lastRegistry(effects)!, idOf(1)));
  assert.deepEqual(published(effects, "nodeEvents"), [
    { type: "memberChanged", deviceId: idOf(1), change: "added" },
  ]);
  const again = await change(actor, store, admit(1));
  assert.deepEqual(answer(again), outcome);
  assert.equal(draftsIn(again).length, 0);
});

Deno.test("requests wait for each other, each judged by what the one before left", async () => {
  const store = openMemoryStore();
  const { actor } = await found(store);
  actor.tell(admit(1));
  const second = actor.tell({ type: "revoke", deviceId: idOf(1), replyTo: asker });
  assert.deepEqual(second, []);
  const first = await actor.runTask();
  actor.takeEffects();
  const operationId = actor.state.operations[0]!.id;
  assert.equal(draftsIn(first).length, 1);
  const refusal = { type: "refused", reason: "busy", message: "later" } as const;
  const effects = [
    ...actor.tell({ type: "published", operationId, outcome: refusal }),
    ...await settle(actor),
  ];
  const answers = TestActor.sentTo<Outcome<null>>(effects, "asker");
  assert.deepEqual(answers[0], refusal);
  // Device 1 was not admitted after all: there is nobody to revoke.
  assert.ok(answers[1]!.type === "refused" && answers[1]!.reason === "notFound");
});

Deno.test("a publisher that does not answer makes the request unavailable, not the actor", async () => {
  const store = openMemoryStore();
  const { actor } = await found(store);
  actor.tell(admit(1));
  const asked = await actor.runTask();
  assert.equal(draftsIn(asked).length, 1);
  const outcome = answer(actor.fireTimer("publish"));
  assert.ok(outcome.type === "refused" && outcome.reason === "unavailable");
  assert.equal(actor.state.operations.length, 0);
});

Deno.test("updating changes the record after the sequence known; the same again writes nothing", async () => {
  const store = openMemoryStore();
  const { actor } = await found(store);
  await change(actor, store, admit(1));
  const update = {
    type: "updateMember",
    deviceId: idOf(1),
    change: { role: "guest", displayName: "Tablet" },
    replyTo: asker,
  } as const;
  const effects = await change(actor, store, update);
  assert.deepEqual(answer(effects), { type: "done", value: null });
  const member = lastRegistry(effects)!.members.get(idOf(1))!;
  assert.deepEqual([member.role, member.displayName, member.version], ["guest", "Tablet", 2]);
  assert.ok(!member.permissions.has("blocks.share"));
  assert.equal(draftsIn(await change(actor, store, update)).length, 0);
});

Deno.test("demoting an owner ends its stay and begins one with less; the last owner stays", async () => {
  const store = openMemoryStore();
  const { actor } = await found(store);
  await change(actor, store, admit(1, "owner"));
  const effects = await change(actor, store, {
    type: "updateMember",
    deviceId: idOf(1),
    change: { role: "submind" },
    replyTo: asker,
  });
  const registry = lastRegistry(effects)!;
  assert.equal(registry.members.get(idOf(1))!.incarnation, 2);
  assert.ok(!may(registry, idOf(1), "members.administer") && isAdmitted(registry, idOf(1)));
  for (
    const command of [
      { type: "revoke", deviceId: idOf(0), replyTo: asker },
      { type: "updateMember", deviceId: idOf(0), change: { role: "guest" }, replyTo: asker },
    ] as const
  ) assert.equal(answer(await change(actor, store, command)).type, "refused");
});

Deno.test("revoking names the highest sequence known here, and a return needs a new admission", async () => {
  const store = openMemoryStore();
  const { actor, mesh } = await found(store);
  await change(actor, store, admit(1));
  const body = new TextEncoder().encode("hello");
  await store.blocks.put([createBlock({
    mesh,
    sequence: 1,
    previous: null,
    parents: [],
    kind: "put",
    target: null,
    topic: "",
    tags: [],
    mediaType: "text/plain",
    timeMs: 0,
    bodyBytes: body.length,
    payload: body,
    signer: signerOf(1),
    crypto: testCrypto,
  })]);
  const effects = await change(actor, store, { type: "revoke", deviceId: idOf(1), replyTo: asker });
  assert.equal(lastRegistry(effects)!.members.get(idOf(1))!.validUpToSequence, 1);
  assert.deepEqual(published(effects, "nodeEvents"), [
    { type: "memberChanged", deviceId: idOf(1), change: "revoked" },
  ]);
  const back = lastRegistry(await change(actor, store, admit(1)))!.members.get(idOf(1))!;
  assert.deepEqual([back.revoked, back.incarnation], [false, 2]);
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

Deno.test("a device that may not administer is refused before anything is published", async () => {
  const mesh = new TestMesh();
  mesh.add(0, 1);
  mesh.add(0, 2);
  const store = openMemoryStore();
  const actor = start(store, 1);
  await settle(actor);
  actor.tell({ type: "joinMesh", mesh: mesh.mesh, blocks: mesh.blocks, replyTo: asker });
  await settle(actor);
  for (
    const command of [admit(3), { type: "revoke", deviceId: idOf(2), replyTo: asker }] as const
  ) {
    const effects = await change(actor, store, command);
    const outcome = answer(effects);
    assert.ok(outcome.type === "refused" && outcome.reason === "notPermitted");
  }
});
