/** A secure sum carried to any stage, for tests in which somebody then lies or cheats. */
import assert from "node:assert/strict";
import * as client from "../../learning/secure/client.ts";
import type {
  SumDependencies,
  SumOutcome,
  SumRefusal,
  SumRound,
} from "../../learning/secure/contract.ts";
import * as server from "../../learning/secure/server.ts";
import { openSum, type ServerState } from "../../learning/secure/server_state.ts";
import * as unmask from "../../learning/secure/unmask.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { maskInput } from "./secure_steps.ts";
import { DEPENDENCIES, good, type Player, players, sumRound, vectors } from "./secure_support.ts";

/** Devices of a sum unless said otherwise. */
export const DEVICES = 6;
export type Stage = "advertised" | "shared" | "masked" | "signed";

/** A sum under way, with everybody there. */
export interface SumUnderWay {
  readonly all: readonly Player[];
  readonly state: ServerState;
  readonly data: ReturnType<typeof vectors>;
  readonly deps?: SumDependencies;
}

const SIX = { devices: DEVICES, deps: DEPENDENCIES };

/** A sum carried as far as `stage`, with everybody there: among six, unless said otherwise. */
export function until(
  stage: Stage,
  changes: Partial<SumRound> = {},
  { devices, deps }: { readonly devices: number; readonly deps: SumDependencies } = SIX,
) {
  const round = sumRound(changes);
  const all = players(devices, { seed: "attacks", deps }).sort((a, b) =>
    a.device < b.device ? -1 : 1
  );
  const state = good(openSum(round));
  const data = vectors(round, seededRandom(1));
  const sum = { round, all, state, data, deps };
  for (const player of all) {
    const step = good(client.advertise({ round, device: player.device }, player.deps));
    player.state = step.state;
    good(server.acceptAdvertisement(state, player.device, step.message, deps));
  }
  good(server.closeAdvertising(state, deps));
  if (stage === "advertised") return sum;
  for (const player of all) {
    const told = server.rosterFor(state, player.device)!;
    const step = good(client.shareKeys(player.state!, told, player.deps));
    player.state = step.state;
    good(server.acceptKeyShares(state, player.device, step.message));
  }
  good(server.closeKeyShares(state));
  if (stage === "shared") return sum;
  maskAll(sum);
  if (stage === "masked") return sum;
  signAll(sum);
  return sum;
}

/** Everybody hands in its vector under masks. */
export function maskAll({ all, state, data, deps = DEPENDENCIES }: SumUnderWay): void {
  for (const [i, player] of all.entries()) {
    const told = server.receivedSharesFor(state, player.device)!;
    const step = good(maskInput(player.state!, told, data.of(i), player.deps));
    player.state = step.state;
    good(server.acceptMaskedInput(state, player.device, step.message, deps));
  }
  good(server.closeMaskedInputs(state, deps));
}

/** Everybody signs for the survivors. */
export function signAll({ all, state, deps = DEPENDENCIES }: Omit<SumUnderWay, "data">): void {
  for (const player of all) {
    const told = server.survivorClaimFor(state, player.device)!;
    const step = good(client.signSurvivors(player.state!, told, player.deps));
    player.state = step.state;
    good(server.acceptSurvivorSignature(state, player.device, step.message, deps));
  }
  good(server.closeSurvivorSignatures(state));
}

/** Everybody reveals its shares; masks are still on. */
export function revealAll({ all, state, deps = DEPENDENCIES }: Omit<SumUnderWay, "data">): void {
  const request = server.unmaskRequest(state)!;
  for (const player of all) {
    const { message } = good(client.reveal(player.state!, request, player.deps));
    good(unmask.acceptReveal(state, player.device, message, deps));
  }
}

/** That an outcome is this refusal; gives its details for more. */
export function refusedAs(outcome: SumOutcome<unknown>, refusal: SumRefusal) {
  assert.ok(!outcome.ok, `expected ${refusal}, but it was taken`);
  assert.equal(outcome.refusal, refusal, outcome.detail);
  return outcome;
}
