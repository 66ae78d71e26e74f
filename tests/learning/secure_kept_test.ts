/** What a device keeps of a secure sum for a restart: it comes back as it was, and nothing else is taken for it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeCanonical } from "../../protocols/codec.ts";
import {
  decodeKeptState,
  encodeKeptState,
  type KeptState,
  keptState,
} from "../../learning/secure/kept_state.ts";
import { until } from "./secure_attack_support.ts";
import { DEPENDENCIES } from "./secure_support.ts";

/** Kept by a device whose vector is masked. */
function masked(): KeptState {
  const { state } = until("masked").all[0]!;
  assert.ok(state?.phase === "masked");
  return keptState(state, DEPENDENCIES);
}

Deno.test("what was kept is read as it was written", () => {
  const state = masked();
  const read = decodeKeptState(encodeKeptState(state), DEPENDENCIES);
  assert.ok(read.ok);
  assert.deepEqual(read.message, state);
  const tuned = { ...state, round: { ...state.round, tuning: 0.25 } };
  const again = decodeKeptState(encodeKeptState(tuned), DEPENDENCIES);
  // Another sum has another ring of neighbours; with so few everybody is everybody's neighbour.
  assert.deepEqual(again.ok && again.message.round.tuning, 0.25);
});

Deno.test("what is kept of a masked vector is small, whatever the size of the vector", () => {
  const { state } = until("masked").all[0]!;
  assert.ok(state?.phase === "masked");
  const input = { packed: new Uint8Array(1_000_000), unreadable: [] };
  const { length } = encodeKeptState(keptState({ ...state, input }, DEPENDENCIES));
  assert.ok(length < 1_500, `${length} bytes`);
});

Deno.test("arbitrary bytes, and every state with one byte changed, are read as a sound state or refused, and never throw", () => {
  const bytes = encodeKeptState(masked());
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (input) => {
      assert.equal(decodeKeptState(input, DEPENDENCIES).ok, false);
    }),
    { seed: 5, numRuns: 300 },
  );
  let refused = 0;
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at]! ^= 0x41;
    const read = decodeKeptState(changed, DEPENDENCIES);
    if (!read.ok) refused++;
    else assert.deepEqual(encodeKeptState(read.message), changed);
  }
  assert.ok(refused > 300, `${refused} of ${bytes.length} were refused`);
});

Deno.test("a state that contradicts itself is refused", () => {
  const state = masked();
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ heldShares: state.heldShares.subarray(64) }, /bytes of shares/],
    [{ present: new Uint8Array(3) }, /bytes of shares/],
    [{ devices: state.devices.subarray(0, -32) }, /./],
    [{ devices: state.devices.subarray(0, -1) }, /roster/],
    [{ seed: new Uint8Array(32) }, /./],
    [{ phase: "signed" }, /./],
    [{ inputHash: new Uint8Array(31) }, /32 bytes/],
    [{ heldShares: new Uint8Array(20_000) }, /./],
  ];
  for (const [change, why] of wrong) {
    const bytes = encodeCanonical({ version: 1, state: { ...state, ...change } });
    const read = decodeKeptState(bytes, DEPENDENCIES);
    assert.ok(!read.ok, Object.keys(change).join());
    assert.match(read.reason, why);
  }
});
