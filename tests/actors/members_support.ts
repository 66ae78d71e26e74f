/** One members actor, with a publisher that the test plays. */
import assert from "node:assert/strict";
import { members } from "../../actors/members/members.ts";
import type { MembersState } from "../../actors/members/state.ts";
import type { MembersCommand } from "../../actors/members/commands.ts";
import type { Outcome } from "../../actors/handle.ts";
import { type RecordedEffect, TestActor, testActor, testRef } from "../../actors/kernel/testkit.ts";
import type { PublisherCommand } from "../../actors/publisher/commands.ts";
import type { Block, BlockDraft } from "../../protocols/blocks/block.ts";
import { createBlock } from "../../protocols/blocks/encode.ts";
import { type DeviceId, deviceIdOf, type MeshId } from "../../protocols/ids.ts";
import type { Registry } from "../../protocols/registry/registry.ts";
import type { Store } from "../../store/store.ts";
import { testCrypto } from "../protocols/blocks_support.ts";
import { signerOf } from "../protocols/registry_support.ts";

const publisher = testRef<PublisherCommand>("publisher");

/** Who asks, in every test. */
export const asker = testRef<unknown>("asker");

type Members = TestActor<MembersCommand, MembersState>;

/** The id of the test's device of that number. */
export const idOf = (number: number): DeviceId => deviceIdOf(signerOf(number).publicKey);

/** The members actor of a device, with what its store holds. */
export function start(store: Store, device: number): Members {
  return testActor(members({
    self: idOf(device),
    displayName: `Device ${device}`,
    crypto: testCrypto,
    store,
    publisher,
  }));
}

/** Runs tasks until none waits; all effects in order. */
export async function settle(actor: Members): Promise<readonly RecordedEffect[]> {
  const effects = [...actor.takeEffects()];
  while (actor.pendingTasks().length > 0) effects.push(...await actor.runTask());
  return effects;
}

/** What was published on a topic, in order. */
export function published(effects: readonly RecordedEffect[], topic: string): readonly unknown[] {
  return effects.flatMap((one) => one.type === "publish" && one.topic === topic ? [one.event] : []);
}

/** The registry that was told last; undefined when none was. */
export function lastRegistry(effects: readonly RecordedEffect[]): Registry | null | undefined {
  const last = published(effects, "membershipChanged").at(-1);
  return (last as { registry: Registry | null } | undefined)?.registry;
}

/** The one answer that the asker got. */
export function answer<T>(effects: readonly RecordedEffect[]): Outcome<T> {
  const answers = TestActor.sentTo<Outcome<T>>(effects, "asker");
  assert.equal(answers.length, 1, "expected one answer");
  return answers[0]!;
}

/** What the publisher was asked to write. */
export function draftsIn(effects: readonly RecordedEffect[]): readonly BlockDraft[] {
  return TestActor.sentTo<PublisherCommand>(effects, publisher).flatMap((command) =>
    command.type === "publish" ? command.drafts : []
  );
}

/** What the publisher would do: signs, stores, answers. */
export async function publishAll(
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

/** A device that has founded a mesh. */
export async function found(
  store: Store,
): Promise<{ readonly actor: Members; readonly mesh: MeshId }> {
  const actor = start(store, 0);
  await settle(actor);
  const asked = actor.tell({ type: "foundMesh", replyTo: asker });
  const effects = await publishAll(actor, store, 0, draftsIn(asked));
  const outcome = answer<MeshId>(effects);
  assert.ok(outcome.type === "done");
  return { actor, mesh: outcome.value };
}

/** Asks for one change and lets the publisher do its part. */
export async function change(
  actor: Members,
  store: Store,
  command: Extract<MembersCommand, { type: "admit" | "updateMember" | "revoke" }>,
): Promise<readonly RecordedEffect[]> {
  actor.tell(command);
  const effects = await actor.runTask();
  const drafts = draftsIn(effects);
  return drafts.length === 0 ? effects : await publishAll(actor, store, 0, drafts);
}

/** A request to admit the test's device of that number. */
export const admit = (number: number, role: "owner" | "submind" | "guest" = "submind") =>
  ({
    type: "admit",
    deviceId: idOf(number),
    displayName: `Device ${number}`,
    role,
    replyTo: asker,
  }) as const;
