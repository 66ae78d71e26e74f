/** Two nodes that may have sessions with each other, and what they say of them. */
import assert from "node:assert/strict";
import type { SessionSummary } from "../../../actors/sessions/commands.ts";
import { TestNetwork } from "./test_network.ts";
import { TestTime } from "./test_time.ts";
import { registryOf, startNode, type TestNode } from "./world.ts";

/** So many bytes, with a number in front. */
export const body = (number: number, bytes = 100) => {
  const out = new Uint8Array(bytes);
  new DataView(out.buffer).setUint32(0, number);
  return out;
};
/** The numbers in front of what a node has received. */
export const numbers = (node: TestNode) =>
  node.received.map(({ body }) => new DataView(body.buffer, body.byteOffset).getUint32(0));

/** Two members of a mesh that have not seen each other. What they draw by chance follows from `seed`. */
export async function pair(change: (net: TestNetwork) => void = () => {}, seed?: string) {
  const time = new TestTime();
  const net = new TestNetwork(time);
  change(net);
  const [a, b] = ["anna", "ben"].map((name) =>
    startNode(net, name, seed === undefined ? name : `${name} ${seed}`)
  ) as [TestNode, TestNode];
  const registry = registryOf([a.device.id, b.device.id]);
  for (const node of [a, b]) node.join(registry);
  await time.run(1);
  return { time, net, a, b, registry, stop: () => Promise.all([a.system.stop(), b.system.stop()]) };
}

/** Two members that have just seen each other. */
export async function sighted(change?: (net: TestNetwork) => void, seed?: string) {
  const world = await pair(change, seed);
  world.a.sight(world.b);
  world.b.sight(world.a);
  return world;
}

/** Two members that have a session. */
export async function connected(change?: (net: TestNetwork) => void) {
  const world = await sighted(change);
  await world.time.run(3_000);
  assert.deepEqual(up(world.a), [world.b.device.id]);
  assert.deepEqual(up(world.b), [world.a.device.id]);
  return world;
}

/** Peers that are up, after every event so far. */
export function up(node: TestNode): readonly string[] {
  const peers = new Set<string>();
  for (const event of node.sessionEvents) {
    if (event.type === "up") peers.add(event.deviceId);
    else peers.delete(event.deviceId);
  }
  return [...peers];
}

/** What a node says of its sessions. */
export async function summaries(
  node: TestNode,
  time: TestTime,
): Promise<readonly SessionSummary[]> {
  const asked = node.system.ask<
    Parameters<typeof node.system.tell>[1] & never,
    readonly SessionSummary[]
  >(
    node.sessions as never,
    (replyTo) => ({ type: "listPeers", replyTo }) as never,
    1_000,
  );
  await time.run(5);
  const outcome = await asked;
  assert.ok(outcome.type === "answered");
  return outcome.value;
}
