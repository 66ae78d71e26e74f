/** A coordinator that dies after survivors were signed: another one finishes the attempt with what the devices hold. */
import assert from "node:assert/strict";
import * as client from "../../learning/secure/client.ts";
import type { ServerState } from "../../learning/secure/server_state.ts";
import * as server from "../../learning/secure/server.ts";
import { openSum } from "../../learning/secure/server_state.ts";
import { takeOver, type Testimony, testimonyOf } from "../../learning/secure/takeover.ts";
import * as unmask from "../../learning/secure/unmask.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { DeviceId } from "../../protocols/ids.ts";
import {
  DEPENDENCIES,
  good,
  LAX,
  type Player,
  players,
  restarted,
  sumRound,
  TOY,
  vectors,
} from "./secure_support.ts";

/** A sum in which `silent` masked nothing, and in which `signers` have signed when the coordinator dies. */
function died(
  options: {
    devices: number;
    silent: readonly number[];
    signers: readonly number[];
    sparse?: boolean;
  },
) {
  const deps = options.sparse === true ? TOY : DEPENDENCIES;
  const round = sumRound(options.sparse === true ? { assumptions: LAX } : {});
  const all = players(options.devices, { seed: "takeover", deps }).sort((a, b) =>
    a.device < b.device ? -1 : 1
  );
  const data = vectors(round, seededRandom(2));
  const state = good(openSum(round));
  for (const player of all) {
    const step = good(client.advertise({ round, device: player.device }, player.deps));
    player.state = step.state;
    good(server.acceptAdvertisement(state, player.device, step.message, deps));
  }
  good(server.closeAdvertising(state, deps));
  for (const player of all) {
    const step = good(
      client.shareKeys(player.state!, server.rosterFor(state, player.device)!, player.deps),
    );
    player.state = step.state;
    good(server.acceptKeyShares(state, player.device, step.message));
  }
  good(server.closeKeyShares(state));
  const survivors = all.map((_, i) => i).filter((i) => !options.silent.includes(i));
  for (const i of survivors) {
    const player = all[i]!;
    const step = good(
      client.maskInput(
        player.state!,
        server.receivedSharesFor(state, player.device)!,
        data.of(i),
        player.deps,
      ),
    );
    player.state = restarted(step.state);
    good(server.acceptMaskedInput(state, player.device, step.message, deps));
  }
  good(server.closeMaskedInputs(state, deps));
  for (const i of options.signers) {
    const player = all[i]!;
    player.state = good(
      client.signSurvivors(
        player.state!,
        server.survivorClaimFor(state, player.device)!,
        player.deps,
      ),
    ).state;
  }
  return { round, all, data, survivors, deps, old: state };
}

function testimonies(all: readonly Player[], from: readonly number[]): Map<DeviceId, Testimony> {
  return new Map(from.map((i) => [all[i]!.device, testimonyOf(all[i]!.state!)!]));
}

/** The new coordinator goes on from signatures to the sum. */
function finish(
  state: ServerState,
  all: readonly Player[],
  from: readonly number[],
  deps = DEPENDENCIES,
): number[] {
  for (const i of from) {
    const player = all[i]!;
    const step = good(
      client.signSurvivors(
        player.state!,
        server.survivorClaimFor(state, player.device)!,
        player.deps,
      ),
    );
    player.state = step.state;
    good(server.acceptSurvivorSignature(state, player.device, step.message, deps));
  }
  good(server.closeSurvivorSignatures(state));
  for (const i of from) {
    const { message } = good(
      client.reveal(all[i]!.state!, server.unmaskRequest(state)!, all[i]!.deps),
    );
    good(unmask.acceptReveal(state, all[i]!.device, message, deps));
  }
  const work = good(unmask.closeReveals(state, deps));
  unmask.unmaskStep(state, work, { max: Infinity }, deps);
  return [...unmask.finishSum(state, work).sum];
}

Deno.test("a new coordinator finishes the attempt although one device signed and one had fallen away before its vector", () => {
  const { round, all, data, survivors, old } = died({ devices: 7, silent: [2], signers: [4] });
  const state = good(takeOver(round, testimonies(all, survivors), DEPENDENCIES));
  assert.deepEqual(state.sum, old.sum);
  assert.deepEqual(
    server.survivorClaimFor(state, all[0]!.device),
    server.survivorClaimFor(old, all[0]!.device),
  );
  assert.deepEqual(finish(state, all, survivors), data.sum(survivors));
});

Deno.test("the same over a sparse graph", () => {
  const { round, all, data, survivors, deps } = died({
    devices: 28,
    silent: [1, 20],
    signers: [0, 5, 9],
    sparse: true,
  });
  const state = good(takeOver(round, testimonies(all, survivors), deps));
  assert.deepEqual(finish(state, all, survivors, deps), data.sum(survivors));
});

Deno.test("when nobody signed, a survivor's vector is gone, or it is another, the takeover says so", () => {
  const refusal = (outcome: ReturnType<typeof takeOver>) =>
    outcome.ok ? "taken" : `${outcome.refusal}: ${outcome.detail}`;
  const fresh = died({ devices: 6, silent: [], signers: [] });
  assert.match(
    refusal(takeOver(fresh.round, testimonies(fresh.all, fresh.survivors), DEPENDENCIES)),
    /wrongPhase: .*begin a new attempt/,
  );

  const { round, all, survivors } = died({ devices: 6, silent: [], signers: [0, 1] });
  assert.match(
    refusal(takeOver(round, testimonies(all, survivors.slice(0, -1)), DEPENDENCIES)),
    /tooFew: .*does not answer/,
  );
  const told = testimonies(all, survivors);
  const liar = told.get(all[3]!.device)!;
  const packed = liar.input.packed.slice();
  packed[0]! ^= 1;
  told.set(all[3]!.device, { ...liar, input: { ...liar.input, packed } });
  assert.match(
    refusal(takeOver(round, told, DEPENDENCIES)),
    /badProof: .*not those that were signed/,
  );
  told.set(all[3]!.device, { ...liar, present: new Uint8Array(9) });
  assert.match(refusal(takeOver(round, told, DEPENDENCIES)), /tooFew/);
});

Deno.test("a device tells nothing before it masked a vector", () => {
  const { all } = died({ devices: 6, silent: [3], signers: [0] });
  assert.equal(testimonyOf(all[3]!.state!), undefined);
});
