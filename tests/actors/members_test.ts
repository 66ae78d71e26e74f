/** The members actor: founds, admits, updates and revokes, and tells everyone. */
import assert from "node:assert/strict";
import type { Outcome } from "../../actors/handle.ts";
import { TestActor } from "../../actors/kernel/testkit.ts";
import type { Block } from "../../protocols/blocks/block.ts";
import { createBlock } from "../../protocols/blocks/encode.ts";
import { isAdmitted, may } from "../../protocols/registry/registry.ts";
import { openMemoryStore } from "../../store/memory_store.ts";
import { testCrypto } from "../protocols/blocks_support.ts";
import { signerOf, TestMesh } from "../protocols/registry_support.ts";
import {
  admit,
  answer,
  asker,
  change,
  draftsIn,
  found,
  idOf,
  lastRegistry,
  publishAll,
  published,
  settle,
  start,
} from "./members_support.ts";

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
