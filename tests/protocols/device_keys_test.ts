import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeCanonical } from "../../protocols/codec.ts";
import {
  decodeDeviceKeys,
  encodeDeviceKeys,
  KEY_PACKAGE_BYTES_MAX,
  KEY_PACKAGES_MAX,
} from "../../protocols/keys/device_keys.ts";
import { KEYS_BODY_BYTES_MAX } from "../../protocols/blocks/limits.ts";
import { broken } from "./mailbox/support.ts";

const keys = {
  version: 1,
  boxKey: new Uint8Array(32).fill(1),
  brokerKey: new Uint8Array(32).fill(2),
  keyPackages: [new Uint8Array([1, 2, 3])],
} as const;

Deno.test("the keys of a device survive their encoding, at their largest, too", () => {
  const largest = {
    ...keys,
    keyPackages: Array.from(
      { length: KEY_PACKAGES_MAX },
      () => new Uint8Array(KEY_PACKAGE_BYTES_MAX),
    ),
  };
  for (const one of [keys, { ...keys, keyPackages: [] }, largest]) {
    const encoded = encodeDeviceKeys(one);
    assert.ok(encoded.length <= KEYS_BODY_BYTES_MAX);
    assert.deepEqual(decodeDeviceKeys(encoded), { ok: true, message: one });
  }
});

Deno.test("keys that do not fit are refused with the place", () => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ ...keys, version: 2 }, /version/],
    [{ ...keys, boxKey: new Uint8Array(31) }, /boxKey: expected 32 bytes/],
    [{ ...keys, brokerKey: "key" }, /brokerKey/],
    [{ ...keys, keyPackages: Array.from({ length: 5 }, () => new Uint8Array(1)) }, /keyPackages/],
    [{ ...keys, keyPackages: [new Uint8Array(KEY_PACKAGE_BYTES_MAX + 1)] }, /keyPackages\.0/],
    [{ ...keys, more: 1 }, /more/],
    [{ version: 1 }, /boxKey/],
    [[1], /./],
  ];
  for (const [value, reason] of cases) {
    const decoded = decodeDeviceKeys(encodeCanonical(value));
    assert.ok(!decoded.ok && reason.test(decoded.reason), JSON.stringify(decoded));
  }
});

Deno.test("no bytes make the keys decoder throw, and what it takes has one encoding", () => {
  fc.assert(
    fc.property(broken([encodeDeviceKeys(keys)]), (bytes) => {
      const decoded = decodeDeviceKeys(bytes);
      if (decoded.ok) assert.equal(encodeDeviceKeys(decoded.message).toHex(), bytes.toHex());
    }),
    { seed: 9, numRuns: 2_000 },
  );
});
