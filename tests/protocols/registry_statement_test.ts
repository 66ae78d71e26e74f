/** Statements as bytes: read back equal, and refused when one element is wrong. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { compareUtf8 } from "../../protocols/blocks/limits.ts";
import { encodeCanonical } from "../../protocols/codec.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import { PERMISSIONS, ROLES, TRUST_LEVELS } from "../../protocols/registry/roles.ts";
import {
  decodeFounding,
  decodeStatement,
  encodeFounding,
  encodeStatement,
  type MemberStatement,
  problemOfDisplayName,
} from "../../protocols/registry/statement.ts";

const KEY = new Uint8Array(32).fill(3);
const RECORD = ["Tablet", "guest", ["blocks.read", "messages.send"], "normal"];

const record = {
  device: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(deviceIdOf),
  incarnation: fc.integer({ min: 1, max: 1_000_000 }),
  displayName: fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((name) =>
    problemOfDisplayName(name) === undefined
  ),
  role: fc.constantFrom(...ROLES),
  permissions: fc.subarray([...PERMISSIONS]).map((list) => list.sort(compareUtf8)),
  trust: fc.constantFrom(...TRUST_LEVELS),
};
const statement: fc.Arbitrary<MemberStatement> = fc.oneof(
  fc.record({ action: fc.constant("add" as const), ...record }),
  fc.record({
    action: fc.constant("update" as const),
    version: fc.integer({ min: 2, max: 1_000_000 }),
    afterSequence: fc.maxSafeNat(),
    ...record,
  }),
  fc.record({
    action: fc.constant("revoke" as const),
    device: record.device,
    incarnation: record.incarnation,
    validUpToSequence: fc.maxSafeNat(),
  }),
);

Deno.test("statements are read back as they were written", () => {
  fc.assert(
    fc.property(statement, (one) => {
      assert.deepEqual(decodeStatement(encodeStatement(one)), { ok: true, statement: { ...one } });
    }),
    { seed: 14, numRuns: 300 },
  );
  const founding = { displayName: "Küche", salt: new Uint8Array(16).fill(1) };
  assert.deepEqual(decodeFounding(encodeFounding(founding)), { ok: true, statement: founding });
});

Deno.test("statements with one wrong element are refused", () => {
  const add: readonly unknown[] = [1, "add", KEY, 1, ...RECORD];
  const update: readonly unknown[] = [1, "update", KEY, 1, 2, 0, ...RECORD];
  const revoke: readonly unknown[] = [1, "revoke", KEY, 1, 5];
  for (const good of [add, update, revoke]) assert.ok(decodeStatement(encodeCanonical(good)).ok);
  const bad: readonly (readonly unknown[])[] = [
    add.with(0, 2),
    add.with(1, "ban"),
    add.with(2, KEY.subarray(1)),
    add.with(3, 0),
    add.with(3, 1_000_001),
    add.with(4, ""),
    add.with(4, " Tablet"),
    add.with(4, "a\u0007"),
    add.with(4, "x".repeat(65)),
    add.with(5, "king"),
    add.with(6, ["messages.send", "blocks.read"]),
    add.with(6, ["blocks.read", "blocks.read"]),
    add.with(6, ["blocks.write"]),
    add.with(7, "absolute"),
    [...add, 1],
    add.slice(0, 7),
    update.with(4, 1),
    update.with(5, -1),
    revoke.with(4, null),
    [...revoke, 0],
    [],
  ];
  for (const one of bad) {
    assert.equal(decodeStatement(encodeCanonical(one)).ok, false, JSON.stringify(one));
  }
  const salt = new Uint8Array(16);
  for (const one of [[1, "x"], [2, "x", salt], [1, "", salt], [1, "x", salt.subarray(1)]]) {
    assert.equal(decodeFounding(encodeCanonical(one)).ok, false);
  }
});

Deno.test("arbitrary bytes are no statement and crash nothing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1100 }), (bytes) => {
      assert.equal(decodeStatement(bytes).ok, false);
      assert.equal(decodeFounding(bytes).ok, false);
    }),
    { seed: 15, numRuns: 1000 },
  );
});
