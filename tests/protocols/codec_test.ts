/** Canonical CBOR: published vectors in both directions, and properties on random values and bytes. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeCanonical, encodeCanonical, equalBytes, isWireText } from "../../protocols/codec.ts";

const LIMITS = { bytesMax: 65_536 };

/** RFC 8949, appendix A: every example whose type can travel. */
const RFC_8949_VECTORS: readonly (readonly [hex: string, value: unknown])[] = [
  ["00", 0],
  ["01", 1],
  ["0a", 10],
  ["17", 23],
  ["1818", 24],
  ["1819", 25],
  ["1864", 100],
  ["1903e8", 1000],
  ["1a000f4240", 1_000_000],
  ["1b000000e8d4a51000", 1_000_000_000_000],
  ["20", -1],
  ["29", -10],
  ["3863", -100],
  ["3903e7", -1000],
  ["f4", false],
  ["f5", true],
  ["f6", null],
  ["40", new Uint8Array()],
  ["4401020304", new Uint8Array([1, 2, 3, 4])],
  ["60", ""],
  ["6161", "a"],
  ["6449455446", "IETF"],
  ["62225c", '"\\'],
  ["62c3bc", "ü"],
  ["63e6b0b4", "水"],
  ["64f0908591", "\u{10151}"],
  ["80", []],
  ["83010203", [1, 2, 3]],
  ["8301820203820405", [1, [2, 3], [4, 5]]],
  [
    "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
    Array.from({ length: 25 }, (_, i) => i + 1),
  ],
  ["a0", {}],
  ["a26161016162820203", { a: 1, b: [2, 3] }],
  ["826161a161626163", ["a", { b: "c" }]],
  [
    "a56161614161626142616361436164614461656145",
    { a: "A", b: "B", c: "C", d: "D", e: "E" },
  ],
];

/** Well-formed CBOR (RFC 8949, appendix A, and variations) that is not canonical here. */
const REFUSED: readonly (readonly [hex: string, why: string])[] = [
  ["f93c00", "a float, even one that is whole"],
  ["fb3ff199999999999a", "a float of 64 bits"],
  ["f7", "undefined"],
  ["f0", "another simple value"],
  ["f8ff", "another simple value"],
  ["c11a514b67b0", "a tag"],
  ["c249010000000000000000", "a big integer"],
  ["1bffffffffffffffff", "an integer beyond 2^53 - 1"],
  ["1b0020000000000000", "2^53"],
  ["3b001fffffffffffff", "-2^53"],
  ["5f42010243030405ff", "an indefinite byte string"],
  ["7f657374726561646d696e67ff", "an indefinite text"],
  ["9fff", "an indefinite array"],
  ["bf61610161629f0203ffff", "an indefinite map"],
  ["1817", "an integer that is not in its shortest form"],
  ["190017", "an integer that is not in its shortest form"],
  ["1a00000017", "an integer that is not in its shortest form"],
  ["1b0000000000000017", "an integer that is not in its shortest form"],
  ["5801ff", "a length that is not in its shortest form"],
  ["9800", "a count that is not in its shortest form"],
  ["a201020304", "keys that are integers"],
  ["a2616201616100", "keys in another order"],
  ["a262616101616200", "keys in another order: shorter ones come first"],
  ["a2616100616101", "a key twice"],
  ["62c328", "text that is not UTF-8"],
  ["63eda080", "text with a surrogate"],
  ["62c080", "text with an overlong form"],
  ["63efbbbf", "text that starts with a byte order mark"],
  ["0000", "a second value behind the first"],
  ["", "nothing"],
  ["82", "an array without its items"],
  ["6261", "text that is cut off"],
  ["5bffffffffffffffff", "a byte string of 2^64 - 1 bytes"],
  ["9b7fffffffffffffff", "an array of 2^63 - 1 items"],
  ["1c", "a reserved length"],
  ["ff", "a break"],
];

Deno.test("codec writes and reads the examples of RFC 8949", () => {
  for (const [hex, value] of RFC_8949_VECTORS) {
    assert.equal(encodeCanonical(value as object).toHex(), hex);
    assert.deepEqual(decodeCanonical(Uint8Array.fromHex(hex), LIMITS), { ok: true, value });
  }
});

Deno.test("codec refuses what has another encoding or no place on the wire", () => {
  for (const [hex, why] of REFUSED) {
    assert.equal(decodeCanonical(Uint8Array.fromHex(hex), LIMITS).ok, false, `${hex}: ${why}`);
  }
});

Deno.test("codec refuses to encode what could not be read back", () => {
  for (
    const value of [1.5, NaN, Infinity, 2 ** 53, "\ud800", "\ufeffx", { a: undefined }, [() => 0]]
  ) assert.throws(() => encodeCanonical(value), TypeError);
  for (const value of [new Map(), new Date(0), new Float32Array(2)]) {
    assert.throws(() => encodeCanonical(value), TypeError);
  }
});

const wireText = fc.string({ unit: "binary", maxLength: 12 }).filter(isWireText);
const wireValue = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.integer({ min: -70_000, max: 70_000 }),
    fc.uint8Array({ maxLength: 40 }),
    wireText,
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(wireText.filter((key) => key !== "__proto__"), tie("value"), {
      maxKeys: 5,
      noNullPrototype: true,
    }),
  ),
})).value;

Deno.test("codec reads back every value it writes", () => {
  fc.assert(
    fc.property(wireValue, (value) => {
      const outcome = decodeCanonical(encodeCanonical(value as object), LIMITS);
      assert.ok(outcome.ok);
      // −0 travels as 0.
      assert.deepEqual(outcome.value, withoutNegativeZero(value));
    }),
    { seed: 1, numRuns: 500 },
  );
});

Deno.test("codec never throws and accepts changed bytes only as the encoding of what it read", () => {
  const mutation = fc.tuple(wireValue, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat(3));
  let accepted = 0;
  fc.assert(
    fc.property(mutation, ([value, at, byte, kind]) => {
      const bytes = [...encodeCanonical(value as object)];
      const index = at % bytes.length;
      if (kind === 0) bytes[index] = byte;
      else if (kind === 1) bytes.splice(index, 1);
      else if (kind === 2) bytes.splice(index, 0, byte);
      else bytes.length = index;
      const changed = Uint8Array.from(bytes);
      const outcome = decodeCanonical(changed, LIMITS);
      if (!outcome.ok) return;
      accepted++;
      assert.equal(encodeCanonical(outcome.value as object).toHex(), changed.toHex());
    }),
    { seed: 2, numRuns: 3000 },
  );
  assert.ok(accepted > 100, `only ${accepted} mutations were accepted: the test proves little`);
});

Deno.test("codec keeps to its limits of size, depth and items", () => {
  const nested = (depth: number) => Uint8Array.from([...Array(depth).fill(0x81), 0x00]);
  assert.ok(decodeCanonical(nested(16), LIMITS).ok);
  assert.equal(decodeCanonical(nested(17), LIMITS).ok, false);
  assert.equal(decodeCanonical(nested(60_000), LIMITS).ok, false);
  assert.equal(decodeCanonical(nested(3), { ...LIMITS, depthMax: 2 }).ok, false);
  assert.equal(decodeCanonical(new Uint8Array(11).fill(0), { bytesMax: 10 }).ok, false);
  assert.ok(decodeCanonical(encodeCanonical([1, 2, 3]), { ...LIMITS, itemsMax: 4 }).ok);
  assert.equal(decodeCanonical(encodeCanonical([1, 2, 3]), { ...LIMITS, itemsMax: 3 }).ok, false);
});

function withoutNegativeZero(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(withoutNegativeZero);
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, withoutNegativeZero(inner)]),
  );
}

Deno.test("bytes are equal when each is, however many, wherever they lie in memory and whichever differs", () => {
  fc.assert(fc.property(
    fc.uint8Array({ maxLength: 600 }),
    fc.nat(7),
    fc.nat(),
    fc.integer({ min: 1, max: 255 }),
    (bytes, offset, place, change) => {
      const other = new Uint8Array(offset + bytes.length).subarray(offset);
      other.set(bytes);
      assert.ok(equalBytes(bytes, other));
      assert.ok(!equalBytes(bytes, new Uint8Array([...other, 0])));
      if (bytes.length === 0) return;
      other[place % bytes.length]! ^= change;
      assert.ok(!equalBytes(bytes, other));
    },
  ));
  // The last bytes beyond whole words.
  for (const length of [255, 256, 257, 258, 259, 260]) {
    const [one, other] = [new Uint8Array(length), new Uint8Array(length)];
    for (let at = 0; at < length; at++) {
      other[at] = 1;
      assert.ok(!equalBytes(one, other), `byte ${at} of ${length}`);
      other[at] = 0;
    }
  }
});
