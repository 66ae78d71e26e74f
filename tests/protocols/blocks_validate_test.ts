/** What may be stored: each rule with a block that keeps it and one that breaks it. */
import assert from "node:assert/strict";
import type { Block } from "../../protocols/blocks/block.ts";
import { validateBlock, type Verdict } from "../../protocols/blocks/validate.ts";
import type { BlockId, MeshId } from "../../protocols/ids.ts";
import { foldRegistry } from "../../protocols/registry/fold.ts";
import { testBlock } from "./blocks_support.ts";
import { signerOf, TestMesh } from "./registry_support.ts";

/** A mesh with a founder (0), two who share (1, 2), a guest (3) and a revoked one (4, valid up to 2). */
function world(): {
  readonly mesh: TestMesh;
  judge(block: Block, known?: readonly Block[]): Verdict;
} {
  const mesh = new TestMesh();
  mesh.add(0, 1);
  mesh.add(0, 2);
  mesh.add(0, 3, { role: "guest" });
  mesh.add(0, 4);
  mesh.revoke(0, 4, { upTo: 2 });
  const registry = foldRegistry(mesh.mesh, mesh.blocks);
  return {
    mesh,
    judge(block, known = []) {
      const byId = new Map([...mesh.blocks, ...known].map((one) => [one.id, one]));
      return validateBlock(block, { registry, find: (id) => byId.get(id) });
    },
  };
}

function put(by: number, mesh: MeshId, fields: Parameters<typeof testBlock>[1] = {}): Block {
  return testBlock(signerOf(by), { mesh, ...fields });
}

function reasonOf(verdict: Verdict): string {
  return verdict.type === "rejected" ? verdict.reason : verdict.type;
}

Deno.test("members who may share are heard, guests, strangers and other meshes are not", () => {
  const { mesh, judge } = world();
  assert.equal(reasonOf(judge(put(1, mesh.mesh))), "valid");
  assert.equal(reasonOf(judge(put(3, mesh.mesh))), "notPermitted");
  assert.equal(reasonOf(judge(put(5, mesh.mesh))), "notMember");
  assert.equal(reasonOf(judge(put(1, "12".repeat(32) as MeshId))), "otherMesh");
  const outside = validateBlock(put(1, mesh.mesh), { registry: null, find: () => undefined });
  assert.equal(reasonOf(outside), "otherMesh");
});

Deno.test("each kind needs its own permission", () => {
  const { mesh, judge } = world();
  assert.equal(reasonOf(judge(put(1, mesh.mesh, { kind: "checkpoint" }))), "valid");
  assert.equal(reasonOf(judge(put(1, mesh.mesh, { kind: "model" }))), "valid");
  assert.equal(reasonOf(judge(put(1, mesh.mesh, { kind: "crdt" }))), "valid");
  for (const kind of ["checkpoint", "model", "crdt"] as const) {
    assert.equal(reasonOf(judge(put(3, mesh.mesh, { kind }))), "notPermitted");
  }
});

Deno.test("the blocks of a revoked author are valid up to the sequence that was named", () => {
  const { mesh, judge } = world();
  const first = put(4, mesh.mesh);
  const second = put(4, mesh.mesh, { sequence: 2, previous: first.id });
  const third = put(4, mesh.mesh, { sequence: 3, previous: second.id });
  assert.equal(reasonOf(judge(second, [first])), "valid");
  assert.equal(reasonOf(judge(third, [first, second])), "revoked");
});

Deno.test("previous must be the author's block right before", () => {
  const { mesh, judge } = world();
  const first = put(1, mesh.mesh);
  const other = put(2, mesh.mesh);
  const next = (previous: BlockId, sequence = 2) => put(1, mesh.mesh, { sequence, previous });
  assert.equal(reasonOf(judge(next(first.id), [first])), "valid");
  assert.equal(reasonOf(judge(next(other.id), [other])), "wrongPrevious");
  assert.equal(reasonOf(judge(next(first.id, 3), [first])), "wrongPrevious");
});

Deno.test("a block waits for everything it builds on, naming each missing block once", () => {
  const { mesh, judge } = world();
  const first = put(1, mesh.mesh);
  const parent = put(2, mesh.mesh);
  const block = put(1, mesh.mesh, {
    sequence: 2,
    previous: first.id,
    parents: [parent.id],
    kind: "supersede",
    target: parent.id,
  });
  assert.deepEqual(judge(block), { type: "waiting", missing: [first.id, parent.id] });
  assert.deepEqual(judge(block, [parent]), { type: "waiting", missing: [first.id] });
  assert.equal(reasonOf(judge(block, [first, parent])), "valid");
});

Deno.test("everyone who shares supersedes; only author and administrators remove", () => {
  const { mesh, judge } = world();
  const target = put(1, mesh.mesh);
  const known = [target];
  const by = (author: number, kind: "supersede" | "tombstone") => {
    const sequence = author === 0 ? 7 : 2;
    const before = author === 1
      ? target
      : author === 0
      ? mesh.blocks.at(-1)!
      : put(author, mesh.mesh, { timeMs: 1 });
    const block = put(author, mesh.mesh, {
      sequence,
      previous: before.id,
      kind,
      target: target.id,
    });
    return reasonOf(judge(block, [...known, before]));
  };
  assert.equal(by(1, "supersede"), "valid");
  assert.equal(by(2, "supersede"), "valid");
  assert.equal(by(3, "supersede"), "notPermitted");
  assert.equal(by(1, "tombstone"), "valid");
  assert.equal(by(2, "tombstone"), "notPermitted");
  assert.equal(by(0, "tombstone"), "valid");
});

Deno.test("registry blocks, checkpoints and tombstones cannot be replaced or removed", () => {
  const { mesh, judge } = world();
  const first = put(1, mesh.mesh);
  const tombstone = put(1, mesh.mesh, {
    sequence: 2,
    previous: first.id,
    kind: "tombstone",
    target: first.id,
  });
  for (const target of [mesh.founding, mesh.blocks[1]!, tombstone]) {
    const block = put(2, mesh.mesh, { kind: "supersede", target: target.id });
    assert.equal(reasonOf(judge(block, [first, tombstone])), "wrongTarget");
  }
});

Deno.test("member blocks need a readable statement that their author may make", () => {
  const { mesh, judge } = world();
  assert.equal(reasonOf(judge(mesh.founding)), "valid");
  assert.equal(reasonOf(judge({ ...mesh.founding, payload: null })), "badStatement");
  assert.equal(reasonOf(judge(mesh.blocks[1]!)), "valid");
  assert.equal(reasonOf(judge({ ...mesh.blocks[1]!, payload: null })), "badStatement");
  assert.equal(reasonOf(judge(put(1, mesh.mesh, { kind: "member" }))), "badStatement");
  assert.equal(reasonOf(judge(mesh.add(1, 5))), "notPermitted");
  assert.equal(reasonOf(judge(mesh.revoke(2, 2))), "valid");
});
