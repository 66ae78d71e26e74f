/** Pairing with everything real but the network: whole nodes in the simulated world become one mesh and sync. */
import assert from "node:assert/strict";
import type { NodeHandle, Outcome } from "../../actors/handle.ts";
import { Cluster } from "../../simulation/cluster.ts";

function value<T>(outcome: Outcome<T>): T {
  assert.ok(outcome.type === "done", JSON.stringify(outcome));
  return outcome.value;
}

async function only(cluster: Cluster, handle: NodeHandle) {
  const pairings = await cluster.world.wait(handle.pairings());
  assert.equal(pairings.length, 1);
  return pairings[0]!;
}

for (const form of ["link", "code"] as const) {
  Deno.test(`two simulated nodes pair by ${form}, become one mesh and sync`, async () => {
    const cluster = new Cluster({ seed: `pairing by ${form}` });
    const { world } = cluster;
    const hub = (await cluster.addNode()).handle;
    const phone = (await cluster.addNode()).handle;
    await world.advance(5_000);
    const invite = value(await world.wait(hub.createInvite({ role: "submind" })));
    value(await world.wait(phone.acceptInvite(invite[form])));
    await world.advance(5_000);
    const [left, right] = [await only(cluster, hub), await only(cluster, phone)];
    assert.equal(right.phase, "confirming", right.problem ?? "");
    assert.deepEqual(left.words, right.words);
    value(await world.wait(hub.confirmPairing(left.pairingId, true)));
    value(await world.wait(phone.confirmPairing(right.pairingId, true)));
    await world.advance(10_000);
    assert.equal((await only(cluster, phone)).phase, "completed");
    assert.equal((await only(cluster, hub)).phase, "completed");
    const mesh = (await world.wait(hub.status())).mesh;
    assert.ok(mesh !== null);
    assert.equal((await world.wait(phone.status())).mesh, mesh);
    assert.equal((await world.wait(phone.members())).length, 2);

    const added = value(await world.wait(cluster.publish(cluster.nodes[0]!)));
    await world.advance(10_000);
    value(await world.wait(phone.block(added[0]!.id)));
  });
}
