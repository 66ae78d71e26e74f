/** Which version is current: by example, and the same from any order. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { chooseCurrent, type Version } from "../../protocols/blocks/heads.ts";
import type { BlockId } from "../../protocols/ids.ts";

const id = (name: string) => name.padEnd(64, "0") as BlockId;

function version(name: string, kind: Version["kind"], target: string | null = null): Version {
  return { id: id(name), kind, target: target === null ? null : id(target) };
}

Deno.test("the newest of a chain of edits is current", () => {
  const chain = [
    version("9", "put"),
    version("5", "supersede", "9"),
    version("1", "supersede", "5"),
  ];
  assert.deepEqual(chooseCurrent(chain), { current: id("1"), conflicts: [], removed: false });
});

Deno.test("of edits at the same time the longer chain wins, then the higher id; the other stays readable", () => {
  const edits = [
    version("0", "put"),
    version("a", "supersede", "0"),
    version("b", "supersede", "0"),
  ];
  assert.deepEqual(chooseCurrent(edits), {
    current: id("b"),
    conflicts: [id("a")],
    removed: false,
  });
  const longer = [...edits, version("1", "supersede", "a")];
  assert.deepEqual(chooseCurrent(longer), {
    current: id("1"),
    conflicts: [id("b")],
    removed: false,
  });
});

Deno.test("an edit survives a removal made at the same time; a removal of the last edit removes", () => {
  const both = [
    version("0", "put"),
    version("1", "tombstone", "0"),
    version("2", "supersede", "0"),
  ];
  assert.deepEqual(chooseCurrent(both), { current: id("2"), conflicts: [], removed: false });
  const removed = [...both, version("3", "tombstone", "2")];
  assert.deepEqual(chooseCurrent(removed), { current: null, conflicts: [], removed: true });
  assert.deepEqual(chooseCurrent([]), { current: null, conflicts: [], removed: false });
});

Deno.test("any order of the versions gives the same answer, and every open edit is in it", () => {
  const steps = fc.array(
    fc.record({ target: fc.nat(20), remove: fc.boolean(), salt: fc.nat(15) }),
    {
      maxLength: 20,
    },
  );
  fc.assert(
    fc.property(steps, fc.array(fc.nat(), { minLength: 21, maxLength: 21 }), (list, keys) => {
      const versions: Version[] = [version("7", "put")];
      for (const { target, remove, salt } of list) {
        const name = salt.toString(16) + String(versions.length).padStart(4, "0");
        const kind = remove ? "tombstone" : "supersede";
        const aim = versions[target % versions.length]!;
        versions.push({ id: id(name), kind, target: aim.id });
      }
      const expected = chooseCurrent(versions);
      const order = new Map(versions.map((one, i) => [one, keys[i]!]));
      const shuffled = [...versions].sort((a, b) => order.get(a)! - order.get(b)!);
      assert.deepEqual(chooseCurrent(shuffled), expected);
      const targets = new Set(versions.map((one) => one.target));
      const open = versions.filter((one) => one.kind !== "tombstone" && !targets.has(one.id));
      const readable = expected.current === null ? [] : [expected.current, ...expected.conflicts];
      assert.deepEqual([...readable].sort(), open.map((one) => one.id).sort());
    }),
    { seed: 11, numRuns: 500 },
  );
});
