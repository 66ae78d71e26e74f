/** A mesh that is too large for sessions of everybody with everybody, in virtual time. */
import assert from "node:assert/strict";
import type { DeviceId } from "../../../protocols/ids.ts";
import { CHOSEN_MAX, EVERYBODY_MAX, SESSIONS_MAX } from "../../../actors/sessions/peer_choice.ts";
import { TestNetwork } from "./test_network.ts";
import { TestTime } from "./test_time.ts";
import { registryOf, startNode, type TestNode } from "./world.ts";

function up(node: TestNode): ReadonlySet<DeviceId> {
  const peers = new Set<DeviceId>();
  for (const event of node.sessionEvents) {
    if (event.type === "up") peers.add(event.deviceId);
    else peers.delete(event.deviceId);
  }
  return peers;
}

function reached(nodes: readonly TestNode[]): number {
  const byId = new Map(nodes.map((node) => [node.device.id, node]));
  const seen = new Set(nodes.slice(0, 1));
  for (const node of seen) {
    for (const id of up(node)) {
      const peer = byId.get(id);
      if (peer !== undefined) seen.add(peer);
    }
  }
  return seen.size;
}

function world(count: number) {
  const time = new TestTime();
  const net = new TestNetwork(time);
  const nodes = Array.from({ length: count }, (_, index) => startNode(net, `node ${index}`));
  const registry = registryOf(nodes.map(({ device }) => device.id));
  const see = (from: readonly TestNode[], others: readonly TestNode[]): void => {
    for (const node of from) for (const other of others) if (node !== other) node.sight(other);
  };
  return { time, net, nodes, registry, see };
}

Deno.test("sessions connect a mesh of forty without everybody knowing everybody", async () => {
  const { time, nodes, registry, see } = world(40);
  for (const node of nodes) node.join(registry);
  see(nodes, nodes);
  await time.run(20_000);
  assert.equal(reached(nodes), nodes.length);
  const most = Math.max(...nodes.map((node) => up(node).size));
  assert.ok(most <= SESSIONS_MAX, `${most} sessions`);
  assert.ok(Math.min(...nodes.map((node) => up(node).size)) >= CHOSEN_MAX);
  await Promise.all(nodes.map((node) => node.system.stop()));
});

Deno.test("sessions of a mesh that grows past the bound one by one stay bounded and connected", async () => {
  const { time, nodes, registry, see } = world(EVERYBODY_MAX + 8);
  for (const [index, node] of nodes.entries()) {
    const earlier = nodes.slice(0, index);
    node.join(registry);
    see([node], earlier);
    see(earlier, [node]);
    await time.run(1_500);
    if (index + 1 <= EVERYBODY_MAX + 1) assert.equal(up(node).size, index, `node ${index}`);
  }
  await time.run(20_000);
  assert.equal(reached(nodes), nodes.length);
  for (const node of nodes) {
    assert.ok(up(node).size >= CHOSEN_MAX && up(node).size <= SESSIONS_MAX, `${up(node).size}`);
  }
  await Promise.all(nodes.map((node) => node.system.stop()));
});

Deno.test("sessions take in no more guests than there is room for", async () => {
  const { time, nodes, registry, see } = world(60);
  const [host, ...others] = nodes;
  for (const node of nodes) node.join(registry);
  // The host sees all; everybody else sees only the host and therefore wants it.
  see([host!], others);
  see(others, [host!]);
  await time.run(20_000);
  const sessions = up(host!).size;
  assert.ok(sessions <= SESSIONS_MAX, `${sessions} sessions`);
  assert.ok(sessions >= CHOSEN_MAX, `${sessions} sessions`);
  // Whoever is in stays in.
  const before = up(host!);
  await time.run(30_000);
  assert.deepEqual(up(host!), before);
  await Promise.all(nodes.map((node) => node.system.stop()));
});

Deno.test("sessions with those who learn together are kept beyond the bound, and let go when it is over", async () => {
  const { time, nodes, registry, see } = world(40);
  for (const node of nodes) node.join(registry);
  see(nodes, nodes);
  await time.run(20_000);
  const together = nodes.slice(0, SESSIONS_MAX + 4);
  const keep = (kept: readonly TestNode[]) => {
    for (const node of together) {
      const devices = kept.filter((other) => other !== node).map(({ device }) => device.id);
      node.system.tell(node.sessions, { type: "keepSessions", devices, most: 128 });
    }
  };
  keep(together);
  await time.run(20_000);
  for (const node of together) {
    const sessions = up(node);
    assert.ok(together.every((other) => other === node || sessions.has(other.device.id)));
  }
  keep([]);
  await time.run(30_000);
  const most = Math.max(...nodes.map((node) => up(node).size));
  assert.ok(most <= SESSIONS_MAX, `${most} sessions`);
  assert.equal(reached(nodes), nodes.length);
  await Promise.all(nodes.map((node) => node.system.stop()));
});
