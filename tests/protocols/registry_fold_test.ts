/** The registry: each rule by an example, and freedom of order by random histories. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Block } from "../../protocols/blocks/block.ts";
import { emptyFold, extendFold, foldRegistry, registryOf } from "../../protocols/registry/fold.ts";
import {
  isAdmitted,
  lastValidSequence,
  may,
  permissionsAt,
  type Registry,
} from "../../protocols/registry/registry.ts";
import { DEFAULT_PERMISSIONS, PERMISSIONS } from "../../protocols/registry/roles.ts";
import { TestMesh } from "./registry_support.ts";

function registry(mesh: TestMesh, blocks: readonly Block[] = mesh.blocks): Registry {
  const folded = foldRegistry(mesh.mesh, blocks);
  assert.ok(folded !== null);
  return folded;
}

function admitted(mesh: TestMesh): readonly number[] {
  const folded = registry(mesh);
  return [0, 1, 2, 3, 4, 5, 6].filter((number) => isAdmitted(folded, mesh.device(number).id));
}

Deno.test("the founder is owner and may do everything", () => {
  const mesh = new TestMesh();
  const founder = registry(mesh).members.get(mesh.device(0).id)!;
  assert.equal(founder.role, "owner");
  assert.deepEqual([...founder.permissions].sort(), [...PERMISSIONS].sort());
  assert.equal(founder.admittedBy, null);
  assert.deepEqual(registry(mesh).heads, [mesh.mesh]);
  assert.equal(foldRegistry(mesh.mesh, []), null);
});

Deno.test("the founder admits a device with the permissions it states", () => {
  const mesh = new TestMesh();
  const add = mesh.add(0, 1, { role: "guest", parents: [mesh.founding] });
  const member = registry(mesh).members.get(mesh.device(1).id)!;
  assert.equal(member.role, "guest");
  assert.deepEqual([...member.permissions].sort(), [...DEFAULT_PERMISSIONS.guest].sort());
  assert.equal(member.admittedBy, mesh.device(0).id);
  assert.equal(member.admittedAtMs, add.header.timeMs);
  assert.deepEqual(registry(mesh).heads, [add.id]);
});

Deno.test("what a revoked owner still said is no parent of the next statement: others refuse it", () => {
  const mesh = new TestMesh();
  const second = mesh.add(0, 1, { role: "owner", parents: [mesh.founding] });
  const before = mesh.add(1, 2, { parents: [second] });
  const revocation = mesh.revoke(0, 1, { parents: [before] });
  mesh.add(1, 3, { parents: [before] });
  assert.deepEqual(registry(mesh).heads, [revocation.id]);
});

Deno.test("a device without members.add admits nobody, not even itself", () => {
  const mesh = new TestMesh();
  mesh.add(0, 1);
  mesh.add(1, 2);
  mesh.add(3, 3, { role: "owner" });
  assert.deepEqual(admitted(mesh), [0, 1]);
});

Deno.test("nobody grants what it does not hold, and only administrators make owners", () => {
  const mesh = new TestMesh();
  mesh.add(0, 1, { permissions: ["blocks.read", "members.add", "messages.send"] });
  mesh.add(1, 2, { role: "guest", permissions: ["blocks.read", "messages.send"] });
  mesh.add(1, 3, { permissions: ["blocks.read", "relay"] });
  mesh.add(1, 4, { permissions: ["members.administer"] });
  mesh.add(1, 5, { role: "owner", permissions: ["blocks.read"] });
  mesh.add(0, 6, { role: "owner" });
  assert.deepEqual(admitted(mesh), [0, 1, 2, 6]);
});

Deno.test("only administrators update; the highest version counts, then the highest block id", () => {
  const mesh = new TestMesh();
  mesh.add(0, 1);
  mesh.add(0, 2, { role: "owner" });
  mesh.update(1, 1, { role: "owner", version: 9 });
  mesh.update(0, 1, { version: 3, displayName: "Third" });
  mesh.update(0, 1, { version: 2, displayName: "Second" });
  const first = mesh.update(0, 1, { version: 4, displayName: "Fourth of 0" });
  const second = mesh.update(2, 1, { version: 4, displayName: "Fourth of 2" });
  const member = registry(mesh).members.get(mesh.device(1).id)!;
  assert.equal(member.displayName, first.id > second.id ? "Fourth of 0" : "Fourth of 2");
  assert.equal(member.version, 4);
  assert.equal(member.role, "submind");
});

Deno.test("permissions hold for a part of the log: what was allowed when written stays valid", () => {
  const mesh = new TestMesh();
  mesh.add(0, 1);
  mesh.update(0, 1, { role: "guest", version: 2, afterSequence: 10 });
  mesh.update(0, 1, { role: "submind", version: 3, afterSequence: 20 });
  const folded = registry(mesh);
  const device = mesh.device(1).id;
  const shares = (sequence: number) => permissionsAt(folded, device, sequence)!.has("blocks.share");
  assert.deepEqual([1, 10, 11, 20, 21, 1000].map(shares), [true, true, false, false, true, true]);
  assert.equal(lastValidSequence(folded, device), Infinity);
});

Deno.test("an update never takes members.add or members.administer away", () => {
  const mesh = new TestMesh();
  mesh.add(0, 1, { role: "owner" });
  mesh.update(0, 1, { role: "guest" });
  assert.ok(may(registry(mesh), mesh.device(1).id, "members.administer"));
  assert.ok(!may(registry(mesh), mesh.device(1).id, "blocks.share"));
});

Deno.test("revoking wins over adding with the same incarnation and needs members.administer", () => {
  const mesh = new TestMesh();
  mesh.add(0, 1);
  mesh.add(0, 2, { permissions: ["members.add"] });
  mesh.revoke(2, 1, { upTo: 3 });
  assert.deepEqual(admitted(mesh), [0, 1, 2]);
  mesh.revoke(0, 1, { upTo: 7 });
  mesh.add(0, 1);
  assert.deepEqual(admitted(mesh), [0, 2]);
  const folded = registry(mesh);
  const device = mesh.device(1).id;
  assert.equal(folded.members.get(device)!.validUpToSequence, 7);
  assert.ok(permissionsAt(folded, device, 7) !== undefined);
  assert.equal(permissionsAt(folded, device, 8), undefined);
  assert.equal(lastValidSequence(folded, device), 7);
});

Deno.test("re-admission needs a higher incarnation and an administrator; the log goes on", () => {
  const mesh = new TestMesh();
  mesh.add(0, 1);
  mesh.add(0, 2, { permissions: ["members.add", "blocks.read"] });
  mesh.revoke(0, 1, { upTo: 7 });
  mesh.add(2, 1, { incarnation: 2, permissions: ["blocks.read"] });
  assert.deepEqual(admitted(mesh), [0, 2]);
  mesh.add(0, 1, { incarnation: 2, role: "guest" });
  const folded = registry(mesh);
  const device = mesh.device(1).id;
  assert.ok(isAdmitted(folded, device));
  assert.equal(folded.members.get(device)!.incarnation, 2);
  assert.ok(permissionsAt(folded, device, 7)!.has("blocks.share"));
  assert.ok(!permissionsAt(folded, device, 8)!.has("blocks.share"));
  mesh.revoke(0, 1, { incarnation: 2, upTo: 9 });
  assert.deepEqual(admitted(mesh), [0, 2]);
  assert.equal(registry(mesh).members.get(device)!.validUpToSequence, 9);
});

Deno.test("statements of a revoked author count only up to the sequence named", () => {
  const mesh = new TestMesh();
  mesh.add(0, 1, { role: "owner" });
  mesh.add(1, 2);
  const end = mesh.sequenceOf(1);
  mesh.add(1, 3);
  mesh.add(1, 4);
  mesh.revoke(0, 1, { upTo: end });
  assert.deepEqual(admitted(mesh), [0, 2]);
});

Deno.test("a device that lost its admission takes those it admitted with it", () => {
  const mesh = new TestMesh();
  mesh.add(0, 1, { role: "owner" });
  mesh.add(1, 2, { role: "owner" });
  mesh.add(2, 3);
  mesh.revoke(0, 1, { upTo: 0 });
  assert.deepEqual(admitted(mesh), [0]);
});

Deno.test("of two that revoke each other at the same time the senior one remains", () => {
  const mesh = new TestMesh();
  mesh.add(0, 1, { role: "owner" });
  mesh.revoke(1, 0, { upTo: mesh.sequenceOf(0) });
  mesh.revoke(0, 1, { upTo: 0 });
  assert.deepEqual(admitted(mesh), [0]);
});

Deno.test("of equally senior ones the lower device id remains", () => {
  const mesh = new TestMesh();
  mesh.add(0, 1, { role: "owner" });
  mesh.add(0, 2, { role: "owner" });
  mesh.revoke(1, 2, { upTo: 0 });
  mesh.revoke(2, 1, { upTo: 0 });
  const remains = mesh.device(1).id < mesh.device(2).id ? 1 : 2;
  assert.deepEqual(admitted(mesh), [0, remains]);
});

Deno.test("a junior revokes a senior, whose later answer that knows of it does not count", () => {
  const mesh = new TestMesh();
  mesh.add(0, 1, { role: "owner" });
  const revocation = mesh.revoke(1, 0, { upTo: mesh.sequenceOf(0) });
  assert.deepEqual(admitted(mesh), [1]);
  mesh.revoke(0, 1, { upTo: 0, parents: [revocation] });
  assert.deepEqual(admitted(mesh), [1]);
});

Deno.test("every member may leave; its leaving is the last block that is valid", () => {
  const mesh = new TestMesh();
  mesh.add(0, 1);
  mesh.revoke(1, 1, { upTo: 0 });
  assert.deepEqual(admitted(mesh), [0]);
  assert.equal(lastValidSequence(registry(mesh), mesh.device(1).id), 1);
});

Deno.test("blocks of other meshes, other kinds and unreadable ones change nothing", () => {
  const mesh = new TestMesh();
  mesh.add(0, 1);
  const add = mesh.blocks[1]!;
  const fold = extendFold(emptyFold(mesh.mesh), mesh.blocks);
  const strange: readonly Block[] = [
    { ...add, id: "55".repeat(32) as Block["id"], payload: null },
    { ...add, id: "66".repeat(32) as Block["id"], payload: new Uint8Array([0xff]) },
    {
      ...add,
      id: "77".repeat(32) as Block["id"],
      header: { ...add.header, mesh: "88".repeat(32) as never },
    },
    { ...mesh.founding, id: "99".repeat(32) as Block["id"] },
  ];
  assert.deepEqual(registryOf(extendFold(fold, strange)), registryOf(fold));
});

interface Step {
  readonly action: "add" | "update" | "revoke";
  readonly by: number;
  readonly device: number;
  readonly owner: boolean;
  readonly incarnation: number;
  readonly number: number;
  readonly knows: readonly number[];
}

const step: fc.Arbitrary<Step> = fc.record({
  action: fc.constantFrom("add", "add", "update", "revoke", "revoke"),
  by: fc.nat(4),
  device: fc.nat(5),
  owner: fc.boolean(),
  incarnation: fc.integer({ min: 1, max: 3 }),
  number: fc.nat(6),
  knows: fc.array(fc.nat(40), { maxLength: 3 }),
});

/** A history with owners who add, revoke and revoke each other, some knowing of each other's blocks and some not. */
function play(steps: readonly Step[]): TestMesh {
  const mesh = new TestMesh();
  mesh.add(0, 1, { role: "owner" });
  mesh.add(0, 2, { role: "owner" });
  mesh.add(1, 3, { role: "owner" });
  for (const { action, by, device, owner, incarnation, number, knows } of steps) {
    const role = owner ? "owner" : "submind";
    const parents = [...new Set(knows.map((at) => mesh.blocks[at % mesh.blocks.length]!))];
    if (action === "add") mesh.add(by, device, { role, incarnation, parents });
    else if (action === "revoke") mesh.revoke(by, device, { upTo: number, incarnation, parents });
    else mesh.update(by, device, { role, incarnation, version: 2 + number, afterSequence: number });
  }
  return mesh;
}

Deno.test("any order and any grouping of the same blocks give the same registry", () => {
  let revocations = 0;
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 14 }),
      fc.array(fc.nat(), { minLength: 20, maxLength: 20 }),
      fc.nat(5),
      (steps, shuffle, cut) => {
        const mesh = play(steps);
        const expected = registry(mesh);
        revocations += [...expected.members.values()].filter((one) => one.revoked).length;
        const keys = new Map(mesh.blocks.map((block, i) => [block, shuffle[i % 20]! * 31 + i]));
        const shuffled = [...mesh.blocks].sort((a, b) => keys.get(a)! % 997 - keys.get(b)! % 997);
        assert.deepEqual(registry(mesh, shuffled), expected);
        let fold = emptyFold(mesh.mesh);
        for (let at = 0; at < shuffled.length; at += cut + 1) {
          fold = extendFold(fold, shuffled.slice(at, at + cut + 1));
          // Blocks that come again change nothing.
          fold = extendFold(fold, shuffled.slice(0, at));
        }
        assert.deepEqual(registryOf(fold), expected);
      },
    ),
    { seed: 8, numRuns: 300 },
  );
  assert.ok(revocations > 100, `only ${revocations} revocations: the test proves little`);
});

Deno.test("no history gives power to a device that no administrator named", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 14 }), (steps) => {
      const mesh = play(steps.map((one) => ({ ...one, by: 4, knows: [] })));
      // Device 4 was never admitted, whatever it says.
      assert.deepEqual(admitted(mesh), [0, 1, 2, 3]);
    }),
    { seed: 9, numRuns: 100 },
  );
});

Deno.test("spans of a member lie in order, do not overlap and end when it is revoked", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 14 }), (steps) => {
      for (const member of registry(play(steps)).members.values()) {
        let last: number | null = 0;
        for (const span of member.spans) {
          assert.ok(last !== null && span.fromSequence > last);
          assert.ok(span.toSequence === null || span.toSequence >= span.fromSequence);
          last = span.toSequence;
        }
        if (member.revoked) assert.notEqual(last, null);
      }
    }),
    { seed: 10, numRuns: 200 },
  );
});

Deno.test("of several revocations of one incarnation the lowest sequence counts", () => {
  for (const ends of [[9, 4], [4, 9]]) {
    const mesh = new TestMesh();
    mesh.add(0, 1);
    for (const upTo of ends) mesh.revoke(0, 1, { upTo });
    assert.equal(lastValidSequence(registry(mesh), mesh.device(1).id), 4);
  }
});
