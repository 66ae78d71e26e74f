/** A device that was never admitted: a node with a mesh of its own, and a program that knows the protocol and lies. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { HostileReport } from "./hostile_program.ts";
import { type LabNode, meshTag, RENDEZVOUS_PORT } from "./mesh_lab.ts";
import { DISCOVERY_MS, see } from "./mesh_steps.ts";
import { figuresOf } from "./process_figures.ts";

/** Gives a node a mesh of its own with one text; its id. */
export async function foundAndAdd(node: LabNode): Promise<string> {
  await node.invite({ role: "submind" });
  return await node.add("What a stranger writes");
}

/** Tries from the stranger's host what can be tried; every member must be as before. */
export async function strangersGetNothing(
  stranger: LabNode,
  members: readonly LabNode[],
  strangersOwn: string,
): Promise<void> {
  const [alder, birch] = members as [LabNode, LabNode];
  const door = `http://${await alder.host.address(4)}:${RENDEZVOUS_PORT}`;
  await stranger.json("/v1/peers", { address: door });
  await see(stranger, alder, DISCOVERY_MS);
  const { mesh } = await alder.status();
  assert(mesh !== null);
  const before = await figuresOf(alder.ready.pid);
  const program = fileURLToPath(new URL("./hostile_program.ts", import.meta.url));
  const run = await stranger.host.run(
    ...[Deno.execPath(), "run", "--quiet", "--no-check", "-A", program],
    ...[door, alder.id, birch.id, meshTag(mesh)],
  );
  assert.equal(run.code, 0, run.stderr);
  const report = JSON.parse(run.stdout) as HostileReport;
  const after = await figuresOf(alder.ready.pid);
  console.log(`hostile device: ${run.stdout.trim()}`);
  for (const [path, status] of Object.entries(report.reads)) assert.equal(status, 404, path);
  for (const [kind, [status, text]] of Object.entries(report.offers)) {
    assert.equal(status, 403, kind);
    assert.equal(JSON.parse(text).detail, "Not accepted", kind);
  }
  assert.equal(report.garbage["signal"], 403);
  assert.equal(report.garbage["pair"], 403);
  assert.equal(report.garbage["tooLarge"], 413);
  assert(report.flood.passed < 130, `${report.flood.passed} requests passed`);
  assert(Number(report.flood.retryAfter) > 0);
  // Every connection of the library has a UDP socket of its own: none was made.
  assert.equal(after.udpSockets, before.udpSockets);

  const status = await stranger.status();
  assert.equal(status.members, 1);
  assert.equal(status.peersConnected, 0);
  const theirs = await alder.blockIds();
  const ours = await stranger.blockIds();
  assert(ours.includes(strangersOwn));
  assert(ours.every((id) => !theirs.includes(id)));
  for (const node of members) {
    assert(!(await node.blockIds()).includes(strangersOwn));
    const peer = await node.peer(stranger);
    assert(peer === undefined || (!peer.member && peer.state !== "up"));
  }
}
