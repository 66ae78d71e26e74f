/** What a secure sum costs one device on the wire, counted from real messages at the size that Bonawitz et al. give: 1,024 × 2^20 × 16 bits. */
import assert from "node:assert/strict";
import * as client from "../../learning/secure/client.ts";
import { SEALED_SHARE_BYTES } from "../../learning/secure/contract.ts";
import { packedBytes } from "../../learning/secure/packing.ts";
import { sumBits } from "../../learning/secure/encoding.ts";
import * as server from "../../learning/secure/server.ts";
import { openSum } from "../../learning/secure/server_state.ts";
import { encodeCanonical } from "../../protocols/codec.ts";
import { maskInput } from "./secure_steps.ts";
import { good, players, sumRound, TOY } from "./secure_support.ts";

const DEVICES = 1_024;
const ENTRIES = 2 ** 20;
/** Their figure is 1.73, without the signatures that keep an active coordinator from splitting the survivors. */
const FACTOR_MAX = 1.73;

Deno.test("a device of 1,024 sends and receives less than 1.73 times its vector of 2^20 numbers of 16 bits", () => {
  const bits = sumBits({ clip: 1, valueBits: 16, weightMax: 1, summandsMax: DEVICES, noiseMax: 0 });
  const round = sumRound({ length: ENTRIES + 1, bits });
  const all = players(DEVICES, { seed: 1, deps: TOY });
  const state = good(openSum(round));
  for (const player of all) {
    const step = good(client.advertise({ round, device: player.device }, player.deps));
    player.state = step.state;
    good(server.acceptAdvertisement(state, player.device, step.message, TOY));
  }
  const view = good(server.closeAdvertising(state, TOY));
  const one = all[0]!;
  let [sent, received] = [0, 0];
  const size = (message: object) => encodeCanonical(message).length;
  sent += size(one.state!.advertisement);
  const roster = server.rosterFor(state, one.device)!;
  received += size(roster);
  const index = view.indexOf.get(one.device)!;
  const near = new Set([index, ...view.neighbours(index)]);
  for (const player of all) {
    const at = view.indexOf.get(player.device)!;
    // What others far away deal does not reach this device: its length is what counts.
    if (!near.has(at)) {
      const message = {
        sealed: new Uint8Array(view.shape.degree * SEALED_SHARE_BYTES),
        seedCommitment: new Uint8Array(16),
        signature: new Uint8Array(64),
      };
      good(server.acceptKeyShares(state, player.device, message));
      continue;
    }
    const step = good(
      client.shareKeys(player.state!, server.rosterFor(state, player.device)!, player.deps),
    );
    player.state = step.state;
    if (player === one) sent += size(step.message);
    good(server.acceptKeyShares(state, player.device, step.message));
  }
  good(server.closeKeyShares(state));
  const shares = server.receivedSharesFor(state, one.device)!;
  received += size(shares);
  const step = good(maskInput(one.state!, shares, new Uint32Array(round.length), one.deps));
  sent += size(step.message);
  assert.equal(step.message.packed.length, packedBytes(ENTRIES + 1, 26));
  assert.deepEqual(step.message.unreadable, []);
  // Claim, signatures of a quorum and the reveal have fixed lengths.
  received += size({
    survivors: new Uint8Array(DEVICES / 8),
    inputsRoot: new Uint8Array(32),
    proof: new Uint8Array(10 * 32),
  });
  sent += size({ signature: new Uint8Array(64) });
  received += size({
    signers: new Uint8Array(DEVICES / 8),
    signatures: new Uint8Array(view.shape.quorum * 64),
  });
  sent += size({ shares: new Uint8Array(view.shape.degree * 32) });
  const clear = ENTRIES * 2;
  const [up, both] = [sent / clear, (sent + received) / clear];
  assert.ok(up <= 1.65, `${up}`);
  assert.ok(both <= FACTOR_MAX, `${both}`);
  // docs/protocols/secure-aggregation.md names these.
  assert.deepEqual([up.toFixed(3), both.toFixed(3)], ["1.633", "1.681"]);
});
