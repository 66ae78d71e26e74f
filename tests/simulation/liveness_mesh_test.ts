/** Liveness actors together, over a model of a network: who finds out what, and when. */
import assert from "node:assert/strict";
import { deviceIdOf } from "../../protocols/ids.ts";
import type { LivenessMessage, Rumour } from "../../protocols/liveness/messages.ts";
import { encodeLivenessMessage } from "../../protocols/liveness/wire.ts";
import { bytesOf } from "../../simulation/liveness_bytes.ts";
import { LivenessMesh, type LivenessMeshChange } from "../../simulation/liveness_mesh.ts";

/** A mesh that has settled, and what its devices have published since. */
function settledMesh(options: { nodes: number; seed?: number; loss?: number }) {
  const changes: LivenessMeshChange[] = [];
  const mesh = new LivenessMesh({
    seed: options.seed ?? 1,
    nodes: options.nodes,
    loss: options.loss ?? 0,
    onChange: (change) => changes.push(change),
  });
  mesh.advance(150_000);
  changes.length = 0;
  return { mesh, changes };
}

function everybodyBelieves(mesh: LivenessMesh, state: string): boolean {
  const up = mesh.devices.filter(({ isUp }) => isUp);
  return up.every((a) => up.every((b) => a === b || mesh.believes(a, b) === state));
}

for (const nodes of [3, 10, 60]) {
  Deno.test(`among ${nodes} devices a crash is found by all, and nobody else is accused to death`, () => {
    const { mesh, changes } = settledMesh({ nodes });
    assert.ok(everybodyBelieves(mesh, "alive"));
    const victim = mesh.devices[1]!;
    mesh.crash(victim);
    mesh.advance(15_000);
    const others = mesh.devices.filter((device) => device !== victim);
    assert.ok(others.every((device) => mesh.believes(device, victim) === "dead"));
    assert.ok(changes.every(({ subject }) => subject === victim));
    mesh.restart(victim);
    mesh.advance(5_000);
    assert.ok(everybodyBelieves(mesh, "alive"), "it has heard that it is dead, and refuted it");
  });
}

Deno.test("a device all of whose sessions end in one moment is found dead, although nobody has a session left to ask over", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { mesh, changes } = settledMesh({ nodes: 60, seed });
    const victim = mesh.devices[seed]!;
    mesh.kill(victim);
    mesh.advance(20_000);
    const others = mesh.devices.filter((device) => device !== victim);
    assert.ok(others.every((device) => mesh.believes(device, victim) === "dead"), `seed ${seed}`);
    assert.ok(changes.every(({ subject }) => subject === victim));
  }
});

Deno.test("a fifth of all frames lost and short stalls make nobody dead", () => {
  const { mesh, changes } = settledMesh({ nodes: 20, loss: 0.2 });
  for (let i = 0; i < 120; i++) {
    mesh.stall(mesh.devices[mesh.random.below(20)]!, 200 + mesh.random.float() * 1_300);
    mesh.advance(10_000);
  }
  assert.deepEqual(changes.filter(({ state }) => state === "dead").map(({ atMs }) => atMs), []);
  assert.ok(changes.some(({ state }) => state === "suspect"), "the network was bad indeed");
});

Deno.test("in a mesh of partial views a fifth of all frames lost raises few suspicions: those who watch can ask others", () => {
  const { mesh } = settledMesh({ nodes: 100, loss: 0.2 });
  const raised = () =>
    mesh.devices.reduce((sum, { state }) => sum + state.counts.suspicionsRaised, 0);
  const [before, bytes] = [raised(), mesh.bytes];
  mesh.advance(600_000);
  // About 86,000 probes. When watched peers had no partners in common, 1 in 60 ended in a suspicion.
  assert.ok(raised() - before < 30, `${raised() - before} suspicions`);
  const bytesPerSecond = (mesh.bytes - bytes) / 100 / 600;
  assert.ok(bytesPerSecond < 300, `${bytesPerSecond} bytes a device and second`);
});

Deno.test("a device that stands still for long is found, and back as soon as it goes on; it accuses nobody", () => {
  const { mesh, changes } = settledMesh({ nodes: 10 });
  const sleeper = mesh.devices[4]!;
  mesh.stall(sleeper, 30_000);
  mesh.advance(29_000);
  assert.ok(
    mesh.devices.every((device) => device === sleeper || mesh.believes(device, sleeper) === "dead"),
  );
  mesh.advance(10_000);
  assert.ok(everybodyBelieves(mesh, "alive"));
  assert.ok(changes.every(({ subject, state }) => subject === sleeper || state !== "dead"));
});

Deno.test("two halves believe each other dead, and everybody alive soon after they meet again", () => {
  const { mesh, changes } = settledMesh({ nodes: 40 });
  mesh.partition(({ index }) => index % 2);
  mesh.advance(90_000);
  const [a, b, c] = mesh.devices as [typeof mesh.devices[0], ...typeof mesh.devices[0][]];
  assert.equal(mesh.believes(a!, b!), "dead");
  assert.equal(mesh.believes(a!, c!), "alive");
  const before = changes.length;
  mesh.heal();
  mesh.advance(30_000);
  assert.ok(everybodyBelieves(mesh, "alive"));
  // While the halves find each other, nobody believes its own half dead.
  const wrong = changes.slice(before).filter(({ state, observer, subject }) =>
    state === "dead" && observer.index % 2 === subject.index % 2
  );
  assert.deepEqual(wrong, []);
});

Deno.test("one seed gives one history", () => {
  const history = (): unknown => {
    const { mesh, changes } = settledMesh({ nodes: 12, seed: 5, loss: 0.2 });
    mesh.crash(mesh.devices[3]!);
    mesh.advance(20_000);
    const told = changes.map(({ atMs, observer, subject, state }) =>
      `${atMs} ${observer.index} ${subject.index} ${state}`
    );
    return [told, mesh.bytes, mesh.messages];
  };
  assert.deepEqual(history(), history());
});

Deno.test("what a device sends while nothing happens does not grow with the mesh", () => {
  const idleBytes = (nodes: number): number => {
    const { mesh } = settledMesh({ nodes });
    const before = mesh.bytes;
    mesh.advance(60_000);
    return (mesh.bytes - before) / nodes / 60;
  };
  const [few, many] = [idleBytes(10), idleBytes(150)];
  assert.ok(many < few * 1.1, `${few} bytes a second among 10, ${many} among 150`);
});

Deno.test("the model counts the bytes that a message really takes", () => {
  const subject = deviceIdOf(new Uint8Array(32).fill(9));
  const rumour: Rumour = { subject, state: "suspect", incarnation: 300, accusers: [subject] };
  const many = Array.from({ length: 30 }, () => rumour);
  const messages: readonly LivenessMessage[] = [[], [rumour], many].flatMap((rumours) => [
    { type: "ping", sequence: 70_000, rumours },
    { type: "ack", sequence: 3, rumours },
    { type: "pingRequest", sequence: 200, target: subject, rumours },
    { type: "gossip", rumours },
    { type: "digest", count: 100, sum: 4_000_000_000, rumours },
    { type: "beliefs", answerWanted: true, rumours },
  ]);
  for (const message of [...messages, { type: "nack", sequence: 1, noSession: true } as const]) {
    const told = `${message.type} ${JSON.stringify(message).length}`;
    assert.equal(bytesOf(message), encodeLivenessMessage(message).length, told);
  }
});
