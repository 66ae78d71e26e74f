/** Secure sums against a coordinator that lies: what a device never does, whatever it is asked. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { bitmapOf, hasBit } from "../../learning/secure/bitmap.ts";
import * as client from "../../learning/secure/client.ts";
import type { ClientState } from "../../learning/secure/client_state.ts";
import type { KeptState } from "../../learning/secure/kept_state.ts";
import type {
  Reveal,
  SumRefusal,
  SurvivorClaim,
  UnmaskRequest,
} from "../../learning/secure/contract.ts";
import { merkleLevels, merkleProof, merkleRoot } from "../../learning/secure/merkle.ts";
import { rosterView } from "../../learning/secure/roster.ts";
import * as server from "../../learning/secure/server.ts";
import { openSum, type ServerState } from "../../learning/secure/server_state.ts";
import { SECRET_BYTES } from "../../learning/secure/shamir.ts";
import { concat, inputLeaf, survivorsMessage } from "../../learning/secure/transcripts.ts";
import type { ContentHash } from "../../protocols/ids.ts";
import { maskInput } from "./secure_steps.ts";
import {
  DEPENDENCIES,
  good,
  goOn,
  LAX,
  type Player,
  restart,
  stateOf,
  TOY,
} from "./secure_support.ts";
import { DEVICES, refusedAs, until } from "./secure_attack_support.ts";

/** A claim of any survivors with a right proof for `player`, as only the coordinator can make it. */
function claimOf(
  state: ServerState,
  survivors: readonly number[],
  player: number,
  { crypto } = DEPENDENCIES,
): SurvivorClaim {
  const sorted = [...survivors].sort((a, b) => a - b);
  const levels = merkleLevels(
    crypto,
    sorted.map((i) => state.inputs.get(i)?.leaf ?? inputLeaf(crypto, i, new Uint8Array(1))),
  );
  const rank = sorted.indexOf(player);
  return {
    survivors: bitmapOf(sorted, state.roster!.view.devices.length),
    inputsRoot: merkleRoot(levels),
    proof: rank < 0 ? new Uint8Array(0) : merkleProof(levels, rank),
  };
}

/** Which of a reveal's shares are seed shares, and which are mask shares, by what the device holds. */
function kindsOf(state: ClientState | KeptState, message: Reveal) {
  assert.ok(state.phase === "revealed");
  return Array.from({ length: message.shares.length / SECRET_BYTES }, (_, i) => {
    const share = message.shares.subarray(i * SECRET_BYTES, (i + 1) * SECRET_BYTES).toHex();
    const held = state.heldShares.subarray(i * 64, i * 64 + 64);
    return share === held.subarray(0, 32).toHex()
      ? "seed"
      : share === held.subarray(32).toHex()
      ? "mask"
      : "neither";
  });
}

Deno.test("whatever a coordinator asks and however often, a device reveals one of both shares of each neighbour, for one survivor set", () => {
  // What a coordinator may try: claims over any sets, to any device, in any order; requests with the signatures it got for any of them; restarts.
  const attempt = fc.record({
    player: fc.integer({ min: 0, max: DEVICES - 1 }),
    survivors: fc.constantFrom<number[]>([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4], [1, 2, 3, 4, 5], [
      0,
      1,
      2,
      3,
    ], [
      0,
      1,
      2,
    ]),
    then: fc.constantFrom("claim", "claimAll", "request", "requestBest", "restart", "again"),
  });
  let reveals = 0;
  fc.assert(
    fc.property(fc.array(attempt, { minLength: 20, maxLength: 60 }), (attempts) => {
      const { round, all, state } = until("masked");
      const view = good(
        rosterView(
          { ...state.roster!, round, root: merkleRoot(state.roster!.levels) },
          DEPENDENCIES,
        ),
      );
      const signatures = new Map<string, Map<number, Uint8Array>>();
      const revealed = new Map<string, Set<string>>();
      for (const { player, survivors, then } of attempts) {
        const one = all[player]!;
        const claim = claimOf(state, survivors, player);
        const name = claim.survivors.toHex();
        if (then === "restart") restart(one);
        else if (then === "claim" || then === "claimAll") {
          for (const [i, other] of all.entries()) {
            if (then === "claim" && i !== player) continue;
            const outcome = client.signSurvivors(
              stateOf(other),
              claimOf(state, survivors, i),
              other.deps,
            );
            if (!outcome.ok) continue;
            assert.ok(survivors.includes(i) && survivors.length >= view.shape.quorum);
            goOn(other, outcome.value.state);
            if (!signatures.has(name)) signatures.set(name, new Map());
            signatures.get(name)!.set(i, outcome.value.message.signature);
          }
        } else if (then === "request" || then === "requestBest") {
          const best = [...signatures.values()].sort((a, b) => b.size - a.size)[0];
          const chosen = then === "request" ? signatures.get(name) : best;
          const signers = [...(chosen ?? new Map<number, Uint8Array>())].sort((
            a,
            b,
          ) => a[0] - b[0]);
          const outcome = client.reveal(stateOf(one), {
            signers: bitmapOf(signers.map(([i]) => i), DEVICES),
            signatures: concat(...signers.map(([, signature]) => signature)),
          }, one.deps);
          if (!outcome.ok) continue;
          const before = stateOf(one).phase;
          goOn(one, outcome.value.state);
          if (before !== "revealed") assert.ok(signers.length >= view.shape.quorum);
          const owners = view.neighbours(player);
          reveals++;
          kindsOf(stateOf(one), outcome.value.message).forEach((kind, i) => {
            const pair = `${player} ${owners[i]}`;
            revealed.set(pair, (revealed.get(pair) ?? new Set()).add(kind));
            const signed = stateOf(one);
            assert.ok(signed.phase === "revealed");
            assert.equal(kind, hasBit(signed.claim.survivors, owners[i]!) ? "seed" : "mask");
          });
        } else {
          const outcome = client.advertise(
            { round: { ...round, attempt: 1 }, device: one.device, previous: stateOf(one) },
            one.deps,
          );
          // A further attempt is refused exactly when survivors are signed.
          assert.equal(outcome.ok, stateOf(one).phase === "masked");
        }
      }
      for (const kinds of revealed.values()) assert.equal(kinds.size, 1);
      // Two sets are never both signed by a quorum, so that nobody reveals for a second one.
      const quorums = [...signatures.values()].filter((signers) =>
        signers.size >= view.shape.quorum
      );
      assert.ok(quorums.length <= 1);
    }),
    { seed: 11, numRuns: 60 },
  );
  assert.ok(reveals > 200, `only ${reveals} reveals were seen`);
});

Deno.test("a device that took part in one survivor set takes part in no other, and in no further attempt", () => {
  const { round, all, state } = until("signed");
  const [one] = all as [Player];
  refusedAs(
    client.signSurvivors(one.state!, claimOf(state, [0, 1, 2, 3, 4], 0), one.deps),
    "otherSurvivors",
  );
  const next = { round: { ...round, attempt: 1 }, device: one.device, previous: one.state! };
  refusedAs(client.advertise(next, one.deps), "otherSurvivors");
  refusedAs(client.advertise({ ...next, round }, one.deps), "wrongPhase");
  good(client.advertise({ ...next, round: { ...round, round: round.round + 1 } }, one.deps));
});

Deno.test("a device whose vector was masked but whose survivors are unsigned joins a later attempt with new keys", () => {
  const { round, all } = until("masked");
  const [one] = all as [Player];
  const step = good(
    client.advertise(
      { round: { ...round, attempt: 1 }, device: one.device, previous: one.state! },
      one.deps,
    ),
  );
  assert.notDeepEqual(step.message.maskKey, one.state!.advertisement.maskKey);
});

Deno.test("survivors below the quorum, without the device, or with another vector of it are not signed", () => {
  const { all, state } = until("masked");
  const [one] = all as [Player];
  refusedAs(client.signSurvivors(one.state!, claimOf(state, [0, 1, 2], 0), one.deps), "tooFew");
  refusedAs(
    client.signSurvivors(one.state!, claimOf(state, [1, 2, 3, 4, 5], 0), one.deps),
    "notMe",
  );
  const claim = server.survivorClaimFor(state, one.device)!;
  refusedAs(
    client.signSurvivors(one.state!, { ...claim, inputsRoot: new Uint8Array(32) }, one.deps),
    "badProof",
  );
  refusedAs(
    client.signSurvivors(one.state!, { ...claim, survivors: Uint8Array.of(0xff) }, one.deps),
    "malformed",
  );
  refusedAs(
    client.signSurvivors(one.state!, { ...claim, survivors: new Uint8Array(2) }, one.deps),
    "malformed",
  );
});

Deno.test("over a sparse graph, survivors that are enough neighbours but no quorum are not signed", () => {
  const { all, state } = until("masked", { assumptions: LAX }, { devices: 28, deps: TOY });
  const { shape, neighbours } = state.roster!.view;
  const near = neighbours(0).slice(0, shape.quorum - 2);
  assert.ok(near.length >= shape.threshold && shape.degree < 27);
  const [one] = all as [Player];
  const few = client.signSurvivors(one.state!, claimOf(state, [0, ...near], 0, TOY), one.deps);
  assert.match(refusedAs(few, "tooFew").detail, /expected at least 15 of 28/);
  good(
    client.signSurvivors(
      one.state!,
      claimOf(state, [0, ...neighbours(0).slice(0, shape.quorum - 1)], 0, TOY),
      one.deps,
    ),
  );
});

Deno.test("survivors among whom too few neighbours are are not signed, though they are a quorum", () => {
  // The coordinator tells the first device of three neighbours only, the fewest it masks with, and then drops one of them.
  const { all, state, data } = until("shared");
  const [one] = all as [Player];
  const told = server.receivedSharesFor(state, one.device)!;
  const three = { present: Uint8Array.of(0b00111), sealed: told.sealed.slice(0, 3 * 112) };
  refusedAs(
    maskInput(
      one.state!,
      { present: Uint8Array.of(0b00011), sealed: told.sealed.slice(0, 2 * 112) },
      data.of(0),
      one.deps,
    ),
    "tooFew",
  );
  const step = good(maskInput(one.state!, three, data.of(0), one.deps));
  const leaf = inputLeaf(DEPENDENCIES.crypto, 0, step.message.packed);
  state.inputs.set(0, { leaf, unreadable: [] });
  refusedAs(
    client.signSurvivors(step.state, claimOf(state, [0, 2, 3, 4, 5], 0), one.deps),
    "tooFew",
  );
});

Deno.test("no share is revealed unless a quorum signed the same survivors, round, attempt and model", () => {
  const { all, state } = until("signed");
  const [one] = all as [Player];
  const request = server.unmaskRequest(state)!;
  const changes: readonly [UnmaskRequest, SumRefusal][] = [
    [
      { ...request, signatures: request.signatures.map((byte, i) => i === 70 ? byte ^ 1 : byte) },
      "badSignature",
    ],
    [{ ...request, signers: Uint8Array.of(0b11101) }, "badSignature"],
    [{ signers: Uint8Array.of(0b111), signatures: request.signatures.slice(0, 3 * 64) }, "tooFew"],
    [{ ...request, signatures: request.signatures.slice(1) }, "malformed"],
    [{ ...request, signers: Uint8Array.of(0xff) }, "malformed"],
  ];
  for (const [changed, refusal] of changes) {
    refusedAs(client.reveal(one.state!, changed, one.deps), refusal);
  }
  for (
    const other of [
      { modelHash: "33".repeat(32) as ContentHash },
      { attempt: 9 },
      { round: 4 },
    ]
  ) {
    // The same devices, told of another model, round or attempt: their signatures are over something else.
    const elsewhere = until("signed", other);
    refusedAs(
      client.reveal(one.state!, server.unmaskRequest(elsewhere.state)!, one.deps),
      "badSignature",
    );
  }
  good(client.reveal(one.state!, request, one.deps));
});

Deno.test("signatures of devices that are not in the sum do not count towards the quorum", () => {
  const { all, state } = until("masked");
  const survivors = [0, 1, 2, 3, 4];
  const message = survivorsMessage(state.roster!.view.hash, claimOf(state, survivors, 0));
  const [one] = all as [Player];
  one.state = good(client.signSurvivors(one.state!, claimOf(state, survivors, 0), one.deps)).state;
  const request = (signers: readonly number[]) => ({
    signers: bitmapOf(signers, DEVICES),
    signatures: concat(...signers.map((i) => all[i]!.deps.sign(message))),
  });
  refusedAs(client.reveal(one.state, request([1, 2, 3, 5]), one.deps), "badSignature");
  good(client.reveal(one.state, request([1, 2, 3, 4]), one.deps));
});

Deno.test("different models for different devices give no sum", () => {
  const { all, state, round } = until("advertised");
  const other = until("advertised", { modelHash: "33".repeat(32) as ContentHash });
  // The first device was given another model: its keys are signed for that, and nobody takes them; nor does it take theirs.
  const keys = other.all[0]!.state!.advertisement;
  const fresh = good(openSum(round));
  const outcome = server.acceptAdvertisement(fresh, all[0]!.device, keys, DEPENDENCIES);
  assert.equal(refusedAs(outcome, "badSignature").device, all[0]!.device);
  const told = server.rosterFor(state, all[0]!.device)!;
  const mixed = { ...other.all[0]!, state: other.all[0]!.state! };
  assert.ok(["badProof", "badSignature"].includes(
    (client.shareKeys(mixed.state, told, mixed.deps) as { refusal: string }).refusal,
  ));
});

Deno.test("rosters with swapped, replayed, repeated or missing keys are refused, naming the device", () => {
  const { all, state } = until("advertised");
  const earlier = until("advertised", { attempt: 7 });
  const one = all[1]!;
  const told = server.rosterFor(state, one.device)!;
  const [first, second, ...rest] = told.neighbours;
  const replayed = server.rosterFor(earlier.state, one.device)!.neighbours[0]!;
  const share = (changed: typeof told) => client.shareKeys(one.state!, changed, one.deps);
  const swapped = refusedAs(
    share({ ...told, neighbours: [second!, first!, ...rest] }),
    "badSignature",
  );
  assert.equal(swapped.device, all[0]!.device);
  refusedAs(share({ ...told, neighbours: [replayed, second!, ...rest] }), "badSignature");
  refusedAs(
    share({
      ...told,
      neighbours: [{ ...first!, maskKey: one.state!.advertisement.maskKey }, second!, ...rest],
    }),
    "badSignature",
  );
  refusedAs(share({ ...told, neighbours: rest }), "malformed");
  refusedAs(share({ ...told, proof: told.proof.map((byte) => byte ^ 1) }), "badProof");
  refusedAs(share({ ...told, proof: told.proof.slice(32) }), "badProof");
  refusedAs(share({ ...told, root: new Uint8Array(32) }), "badProof");
  refusedAs(share({ ...told, root: new Uint8Array(31) }), "malformed");
  const [a, b] = [told.devices.slice(0, 32), told.devices.slice(32, 64)];
  refusedAs(share({ ...told, devices: concat(b, a, told.devices.slice(64)) }), "malformed");
  refusedAs(share({ ...told, devices: concat(a, a, told.devices.slice(64)) }), "malformed");
  refusedAs(share({ ...told, devices: told.devices.slice(0, 64) }), "tooFew");
  refusedAs(share({ ...told, devices: concat(a, told.devices.slice(64)) }), "notMe");
  const step = good(share(told));
  refusedAs(
    client.shareKeys(step.state, { ...told, root: new Uint8Array(32) }, one.deps),
    "duplicate",
  );
  assert.deepEqual(good(client.shareKeys(step.state, told, one.deps)).message, step.message);
});

Deno.test("a client never throws on a coordinator's arbitrary bytes", () => {
  const stages = (["advertised", "shared", "masked", "signed"] as const).map((stage) =>
    until(stage).all[0]!
  );
  const some = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(
      some,
      some,
      some,
      fc.array(fc.record({ maskKey: some, shareKey: some, signature: some }), { maxLength: 6 }),
      (a, b, c, neighbours) => {
        for (const { state, deps } of stages) {
          client.shareKeys(state!, { devices: a, root: b, proof: c, neighbours }, deps);
          maskInput(state!, { present: a, sealed: b }, new Uint32Array(5), deps);
          client.signSurvivors(state!, { survivors: a, inputsRoot: b, proof: c }, deps);
          client.reveal(state!, { signers: a, signatures: b }, deps);
        }
      },
    ),
    { seed: 3, numRuns: 200 },
  );
});
