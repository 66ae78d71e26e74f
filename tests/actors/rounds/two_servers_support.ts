/** A sum with a second party around our device: everybody else is played by hand, with keys of their own. */
import assert from "node:assert/strict";
import { smallAggregationOf } from "../../../learning/runs/aggregation_choice.ts";
import { secondPartyOrder } from "../../../learning/runs/order.ts";
import type { OpenedPlan } from "../../../learning/runs/opened_plan.ts";
import { sumRoundOf } from "../../../learning/runs/secure_round.ts";
import { smallSumOf } from "../../../learning/runs/small_sum.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { rosterBytes } from "../../../learning/secure/roster.ts";
import {
  encodeOpening,
  encodeSmallRoster,
  openingStatement,
  signaturesOf,
  smallClaims,
  smallRoster,
} from "../../../learning/secure/small_round.ts";
import { survivorsMessage } from "../../../learning/secure/transcripts.ts";
import { nodeCrypto, nodeSigner } from "../../../platform/node_crypto.ts";
import { type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import type { Attempt, RoundsMessage, SecurePhase } from "../../../protocols/rounds/messages.ts";
import { opened } from "../../learning/proof_support.ts";
import { DEPENDENCIES } from "../../learning/secure_support.ts";
import {
  beginningOf,
  callTo,
  openedRun,
  peerOf,
  QUARTER_STEPS,
  type RunActor,
  type RunActorOptions,
  told,
  zeroExamples,
} from "./run_actor.ts";
import { other, registryOf, run, said, self, signer as ownSigner } from "./support.ts";

/** Sums with a second party, of three devices and more. */
export const plan: OpenedPlan = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
  rounds: 5,
  participation: { least: 3, most: 10, fraction: 1, overSelection: 0 },
  aggregation: { type: "twoServers", encoding: { range: 1, bits: 16 } },
});
/** Of the version that a run begins with. */
export const { parameters } = beginningOf(plan);

const crypto = nodeCrypto({ workersMax: 0 });
/** The others; the first of them, `other`, coordinates. */
export const others = [8, 40, 41, 42].map((byte) => {
  const signer = nodeSigner(new Uint8Array(32).fill(byte));
  return { id: deviceIdOf(signer.publicKey), signer };
});
/** Everybody, ascending. */
export const members: readonly DeviceId[] = [self, ...others.map(({ id }) => id)].sort();
/** Who signs for whom. */
export const signers = new Map([...others.map(({ id, signer }) => [id, signer] as const), [
  self,
  ownSigner,
]]);

/** Our device, which has joined and has something to learn from. */
export function start(deps: RunActorOptions["deps"] = {}): RunActor {
  const registry = registryOf(members);
  const actor = openedRun(plan, {
    registry,
    examples: () => zeroExamples(2),
    deps: {
      trainer: QUARTER_STEPS,
      ...deps,
    },
  });
  actor.tell({ type: "peersChanged", peers: others.map(({ id }) => peerOf(id)), registry });
  return actor;
}

/** The next attempt after `after` among `called` whose second party is `second`, when `coordinator` calls. */
export function attemptWith(
  second: DeviceId,
  { after = 0, called = members, coordinator = other, term = 0 } = {},
): Attempt {
  const candidates = called.filter((device) => device !== coordinator);
  for (let attempt = after + 1;; attempt++) {
    const key = { run, round: 1, attempt };
    if (secondPartyOrder(candidates, key, crypto)[0] === second) return { ...key, term };
  }
}

/** The call to an attempt. */
export function call(
  actor: RunActor,
  key: Attempt,
  second: DeviceId | undefined,
  { called = members, from = other } = {},
): readonly RoundsMessage[] {
  const named = second !== undefined && { second };
  return said(told(actor, callTo(plan, called, { ...key, ...named }), from));
}

/** One message of a phase, and what our device says to it when all it has to write is written. */
export async function phase(
  actor: RunActor,
  key: Attempt,
  name: SecurePhase["phase"],
  body: Uint8Array,
  from = other,
): Promise<readonly RoundsMessage[]> {
  const effects = [...told(actor, { type: "securePhase", ...key, phase: name, body }, from)];
  while (actor.pendingTasks().length > 0) effects.push(...await actor.runTask());
  return said(effects);
}

/** The sum of an attempt as all of it see it. */
export function sumOf(key: Attempt, second: DeviceId, devices = members, called = devices) {
  const round = sumRoundOf(plan, { ...key, modelHash: parameters, devices: called.length })!;
  const roster = smallRoster({ round, devices, second, key: new Uint8Array() }, DEPENDENCIES);
  assert.ok(roster.ok);
  const view = roster.value;
  const { arithmetic } = smallSumOf({
    aggregation: smallAggregationOf(plan.plan)!,
    round,
    view,
    key: new Uint8Array(),
    called: called.length,
  }, DEPENDENCIES);
  /** A request to open the sum over `set`, signed by `signing` and the coordinator. */
  const opening = (
    set: ReadonlyMap<DeviceId, Uint8Array>,
    signing: readonly DeviceId[] = [...set.keys()],
    coordinator: DeviceId = other,
  ) => {
    const { survivors, inputsRoot } = smallClaims(view, set, crypto);
    const message = survivorsMessage(view.hash, { survivors, inputsRoot });
    const signatures = new Map(
      signing.map((device) => [device, signers.get(device)!.sign(message)]),
    );
    const claimed = { survivors, inputsRoot, product: new Uint8Array() };
    return encodeOpening({
      ...claimed,
      ...signaturesOf(view, signatures),
      signature: signers.get(coordinator)!.sign(openingStatement(crypto, view.hash, claimed)),
    });
  };
  return { view, arithmetic, round, opening, roster: rosterOf(devices) };
}

/** A roster as the coordinator tells it. */
function rosterOf(devices: readonly DeviceId[]): Uint8Array {
  const none = new Uint8Array();
  return encodeSmallRoster({ devices: rosterBytes(devices), key: none, signature: none });
}

/** Our device trains for an attempt and hands in; what it said to each. */
export async function train(actor: RunActor, key: Attempt, roster: Uint8Array) {
  const effects = [
    ...told(actor, { type: "securePhase", ...key, phase: "roster", body: roster }),
  ];
  if (actor.state.part?.update == null) {
    const secret = new Uint8Array(32).fill(3);
    effects.push(
      ...actor.tell({ type: "charged", round: 1, release: 0, answer: { ok: true, secret } }),
    );
  }
  while (actor.pendingTasks().length > 0) effects.push(...await actor.runTask());
  return effects;
}
