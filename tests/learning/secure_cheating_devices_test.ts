/** Secure sums against devices that cheat: what the coordinator never takes, and the sum of the others is right. */
import assert from "node:assert/strict";
import * as client from "../../learning/secure/client.ts";
import type { KeyShares } from "../../learning/secure/contract.ts";
import * as server from "../../learning/secure/server.ts";
import { openSum } from "../../learning/secure/server_state.ts";
import { combineShares } from "../../learning/secure/shamir.ts";
import { concat } from "../../learning/secure/transcripts.ts";
import * as unmask from "../../learning/secure/unmask.ts";
import { closeReveals, maskInput, unmaskStep } from "./secure_steps.ts";
import { DEPENDENCIES, good, type Player, players } from "./secure_support.ts";
import { maskAll, refusedAs, revealAll, signAll, until } from "./secure_attack_support.ts";

Deno.test("keys of low order and keys that come twice are refused even when signed", () => {
  const { all, round } = until("advertised");
  const cheat = all[0]!;
  const sign = (maskKey: Uint8Array, shareKey: Uint8Array) => {
    const fake = { ...cheat.deps.random, bytes: () => new Uint8Array(32) };
    const made: Uint8Array[] = [maskKey, shareKey];
    const deps = {
      ...cheat.deps,
      random: fake as never,
      crypto: {
        ...cheat.deps.crypto,
        agreementKeyPair: () => ({
          publicKey: made.shift()! as never,
          agree: () => new Uint8Array(32),
        }),
      },
    };
    return good(client.advertise({ round, device: cheat.device }, deps)).message;
  };
  const state = good(openSum(round));
  const low = sign(new Uint8Array(32), new Uint8Array(32).fill(9));
  const lowered = server.acceptAdvertisement(state, cheat.device, low, DEPENDENCIES);
  assert.equal(refusedAs(lowered, "badKey").device, cheat.device);
  // A coordinator that takes them all the same finds no device that does.
  state.advertisements.set(cheat.device, low);
  for (const player of all.slice(1)) {
    good(
      server.acceptAdvertisement(state, player.device, player.state!.advertisement, DEPENDENCIES),
    );
  }
  good(server.closeAdvertising(state, DEPENDENCIES));
  const one = all[1]!;
  const outcome = client.shareKeys(one.state!, server.rosterFor(state, one.device)!, one.deps);
  assert.equal(refusedAs(outcome, "badKey").device, cheat.device);

  const copy = sign(one.state!.advertisement.maskKey, new Uint8Array(32).fill(8));
  const again = good(openSum(round));
  good(server.acceptAdvertisement(again, one.device, one.state!.advertisement, DEPENDENCIES));
  const copied = server.acceptAdvertisement(again, cheat.device, copy, DEPENDENCIES);
  assert.equal(refusedAs(copied, "badKey").device, cheat.device);
  // Nor does a device take them from a coordinator that hands them on.
  const handed = good(openSum(round));
  for (const player of all) {
    handed.advertisements.set(player.device, player === cheat ? copy : player.state!.advertisement);
  }
  good(server.closeAdvertising(handed, DEPENDENCIES));
  for (const player of [one, all[2]!]) {
    const told = server.rosterFor(handed, player.device)!;
    refusedAs(client.shareKeys(player.state!, told, player.deps), "badKey");
  }
  refusedAs(
    server.acceptAdvertisement(
      again,
      cheat.device,
      sign(new Uint8Array(31), low.shareKey),
      DEPENDENCIES,
    ),
    "malformed",
  );
});

Deno.test("the coordinator refuses, counts and names what cheats send, and the sum of the others is right", () => {
  const { all, state, data } = until("shared");
  const inputs = all.map((player, i) =>
    good(
      maskInput(
        player.state!,
        server.receivedSharesFor(state, player.device)!,
        data.of(i),
        player.deps,
      ),
    )
  );
  const [short, long, one] = all as [Player, Player, Player];
  const packed = inputs[0]!.message.packed;
  for (
    const [player, input] of [
      [short, { ...inputs[0]!.message, packed: packed.slice(1) }],
      [long, { ...inputs[1]!.message, packed: concat(packed, packed) }],
      [short, { packed, unreadable: [0] }],
      [short, { packed, unreadable: [3, 2] }],
      [short, {
        packed: packed.map((byte, i) => i === packed.length - 1 ? 0xff : byte),
        unreadable: [],
      }],
    ] as const
  ) {
    const outcome = server.acceptMaskedInput(state, player.device, input, DEPENDENCIES);
    assert.equal(refusedAs(outcome, "malformed").device, player.device);
  }
  for (const i of [1, 2, 3, 4, 5]) {
    all[i]!.state = inputs[i]!.state;
    good(server.acceptMaskedInput(state, all[i]!.device, inputs[i]!.message, DEPENDENCIES));
    good(server.acceptMaskedInput(state, all[i]!.device, inputs[i]!.message, DEPENDENCIES));
  }
  refusedAs(
    server.acceptMaskedInput(
      state,
      one.device,
      { ...inputs[2]!.message, packed: packed.slice() },
      DEPENDENCIES,
    ),
    "duplicate",
  );
  const stranger = players(1, { seed: "stranger" })[0]!;
  refusedAs(
    server.acceptMaskedInput(state, stranger.device, inputs[1]!.message, DEPENDENCIES),
    "wrongPhase",
  );
  good(server.closeMaskedInputs(state, DEPENDENCIES));
  refusedAs(
    server.acceptMaskedInput(state, short.device, inputs[0]!.message, DEPENDENCIES),
    "wrongPhase",
  );
  for (const player of all.slice(1)) {
    const step = good(
      client.signSurvivors(
        player.state!,
        server.survivorClaimFor(state, player.device)!,
        player.deps,
      ),
    );
    player.state = step.state;
    const forged = { signature: step.message.signature.map((byte) => byte ^ 1) };
    refusedAs(
      server.acceptSurvivorSignature(state, player.device, forged, DEPENDENCIES),
      "badSignature",
    );
    good(server.acceptSurvivorSignature(state, player.device, step.message, DEPENDENCIES));
  }
  good(server.closeSurvivorSignatures(state));
  const request = server.unmaskRequest(state)!;
  all.slice(1).forEach((player, i) => {
    const { shares } = good(client.reveal(player.state!, request, player.deps)).message;
    if (i === 0) {
      // Truncated, too long, with a bit turned, and finally the other share of each pair: all refused as a whole.
      refusedAs(
        unmask.acceptReveal(state, player.device, { shares: shares.slice(32) }, DEPENDENCIES),
        "malformed",
      );
      refusedAs(
        unmask.acceptReveal(state, player.device, { shares: concat(shares, shares) }, DEPENDENCIES),
        "malformed",
      );
      const turned = { shares: shares.map((byte, at) => at === 40 ? byte ^ 1 : byte) };
      assert.equal(
        refusedAs(unmask.acceptReveal(state, player.device, turned, DEPENDENCIES), "forgedShare")
          .device,
        player.device,
      );
      return;
    }
    good(unmask.acceptReveal(state, player.device, { shares }, DEPENDENCIES));
  });
  assert.deepEqual(unmask.missingSecrets(state), []);
  const work = good(closeReveals(state, DEPENDENCIES));
  unmaskStep(state, work, { max: Infinity }, DEPENDENCIES);
  assert.deepEqual([...unmask.finishSum(state, work).sum], data.sum([1, 2, 3, 4, 5]));
  assert.deepEqual(state.refusals, {
    malformed: 7,
    duplicate: 1,
    wrongPhase: 2,
    badSignature: 5,
    forgedShare: 1,
  });
});

Deno.test("shares that were garbled on the way are complained about, and the sum comes about without them", () => {
  const { all, state, data } = until("shared");
  for (const [i, player] of all.entries()) {
    const told = server.receivedSharesFor(state, player.device)!;
    const sealed = told.sealed.map((byte, at) => i === 2 && at === 60 ? byte ^ 1 : byte);
    const step = good(
      maskInput(player.state!, { ...told, sealed }, data.of(i), player.deps),
    );
    player.state = step.state;
    assert.deepEqual(step.message.unreadable, i === 2 ? [0] : []);
    good(server.acceptMaskedInput(state, player.device, step.message, DEPENDENCIES));
  }
  good(server.closeMaskedInputs(state, DEPENDENCIES));
  signAll({ all, state });
  revealAll({ all, state });
  const work = good(closeReveals(state, DEPENDENCIES));
  unmaskStep(state, work, { max: 100 }, DEPENDENCIES);
  assert.deepEqual([...unmask.finishSum(state, work).sum], data.sum([0, 1, 2, 3, 4, 5]));
});

Deno.test("a device that dealt shares of something else than its seed is named", () => {
  const { all, state, data } = until("advertised");
  const cheat = all[3]!;
  for (const player of all) {
    const step = good(
      client.shareKeys(player.state!, server.rosterFor(state, player.device)!, player.deps),
    );
    player.state = step.state;
    const message: KeyShares = player === cheat
      ? { ...step.message, seedCommitment: new Uint8Array(16) }
      : step.message;
    good(server.acceptKeyShares(state, player.device, message));
    good(server.acceptKeyShares(state, player.device, message));
  }
  refusedAs(
    server.acceptKeyShares(state, cheat.device, {
      sealed: new Uint8Array(5 * 112),
      seedCommitment: new Uint8Array(16),
      signature: new Uint8Array(64),
    }),
    "duplicate",
  );
  good(server.closeKeyShares(state));
  maskAll({ all, state, data });
  signAll({ all, state });
  revealAll({ all, state });
  assert.equal(
    refusedAs(closeReveals(state, DEPENDENCIES), "forgedShare").device,
    cheat.device,
  );
});

Deno.test("fewer shares than the threshold say nothing about a secret that the test can see", () => {
  const { all, state } = until("shared");
  // One share fewer than the threshold: every secret is still possible, and the interpolation gives another one.
  const owner = all[0]!.state!;
  assert.ok(owner.phase === "shared");
  const threshold = state.roster!.view.shape.threshold;
  const shares = all.slice(1).map((player, i) => {
    const opened = good(
      maskInput(
        player.state!,
        server.receivedSharesFor(state, player.device)!,
        new Uint32Array(5),
        player.deps,
      ),
    ).state;
    assert.ok(opened.phase === "masked");
    // The first neighbour of everybody else is device 0.
    return { x: i + 1, bytes: opened.heldShares.subarray(0, 32) };
  });
  assert.deepEqual(combineShares(shares.slice(0, threshold)), owner.seed);
  assert.deepEqual(combineShares(shares.slice(-threshold)), owner.seed);
  assert.notDeepEqual(combineShares(shares.slice(0, threshold - 1)), owner.seed);
});
