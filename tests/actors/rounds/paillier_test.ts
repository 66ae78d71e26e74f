/** Sums under Paillier's encryption: the second party's key, what devices encrypt, and which product is opened. */
import assert from "node:assert/strict";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { smallAggregationOf } from "../../../learning/runs/aggregation_choice.ts";
import { secondPartyOrder } from "../../../learning/runs/order.ts";
import { sumRoundOf } from "../../../learning/runs/secure_round.ts";
import { smallSumOf } from "../../../learning/runs/small_sum.ts";
import { rosterBytes } from "../../../learning/secure/roster.ts";
import {
  decodeSecondKey,
  encodeOpening,
  encodeSmallRoster,
  keyStatement,
  openingStatement,
  type SecondKey,
  signaturesOf,
  smallClaims,
  smallRoster,
} from "../../../learning/secure/small_round.ts";
import { modulusBytes } from "../../../learning/secure/paillier.ts";
import { unpack } from "../../../learning/secure/packing.ts";
import { survivorsMessage } from "../../../learning/secure/transcripts.ts";
import { nodeCrypto } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import type { DeviceId } from "../../../protocols/ids.ts";
import type { Attempt, RoundsMessage } from "../../../protocols/rounds/messages.ts";
import { simulatedPaillierWork } from "../../../simulation/simulated_paillier.ts";
import { opened } from "../../learning/proof_support.ts";
import { DEPENDENCIES } from "../../learning/secure_support.ts";
import { openedRun, peerOf, type RunActor, zeroExamples } from "./run_actor.ts";
import { other, registryOf, run, said, self } from "./support.ts";
import { call, members, others, parameters, phase, signers, train } from "./two_servers_support.ts";

const plan = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
  rounds: 5,
  participation: { least: 3, most: 10, fraction: 1, overSelection: 0 },
  aggregation: { type: "paillier", encoding: { range: 1, bits: 16 }, keyBits: 2_048 },
});
const crypto = nodeCrypto({ workersMax: 0 });
const SECOND = others[1]!.id;

function start(): RunActor {
  const registry = registryOf(members);
  const actor = openedRun(plan, {
    registry,
    examples: () => zeroExamples(2),
    deps: {
      paillier: simulatedPaillierWork(seededRandom("hidden")),
      trainer: {
        train: (job) =>
          Promise.resolve({
            parameters: job.parameters.map((one) => one + 0.25),
            loss: 1,
            steps: 1,
            examples: 2,
          }),
        evaluate: () => Promise.reject(new Error("nobody measures in this test")),
        close: () => {},
      },
    },
  });
  actor.tell({ type: "peersChanged", peers: others.map(({ id }) => peerOf(id)), registry });
  return actor;
}

function attemptWith(second: DeviceId, after = 0): Attempt {
  const candidates = members.filter((device) => device !== other);
  for (let attempt = after + 1;; attempt++) {
    const [first] = secondPartyOrder(candidates, { run, round: 1, attempt }, crypto);
    if (first === second) return { run, round: 1, term: 0, attempt };
  }
}

/** A key with the signature of `signing`. */
async function keyOf(key: Attempt, signing: DeviceId): Promise<SecondKey> {
  const { p, q } = await simulatedPaillierWork().draw(2_048);
  const bytes = modulusBytes(p * q);
  return { key: bytes, signature: signers.get(signing)!.sign(keyStatement(key, bytes)) };
}

const roster = (key: SecondKey) => encodeSmallRoster({ devices: rosterBytes(members), ...key });

/** The attempt's sum as all of it see it. */
function sumOf(key: Attempt, second: DeviceId, secondKey: SecondKey) {
  const round = sumRoundOf(plan, { ...key, modelHash: parameters, devices: members.length })!;
  const view = smallRoster({ round, devices: members, second, key: secondKey.key }, DEPENDENCIES);
  assert.ok(view.ok);
  const { arithmetic } = smallSumOf({
    aggregation: smallAggregationOf(plan.plan)!,
    round,
    view: view.value,
    key: secondKey.key,
    called: members.length,
  }, DEPENDENCIES);
  return { round, view: view.value, arithmetic };
}

const bodies = (messages: readonly RoundsMessage[], name: string) =>
  messages.flatMap((one) => one.type === "securePhase" && one.phase === name ? [one.body] : []);

Deno.test("the second party draws a key for the attempt and gives it, signed, to the coordinator; it opens one product that a quorum has signed for", async () => {
  const actor = start();
  const key = attemptWith(self);
  call(actor, key, self);
  const effects = [];
  while (actor.pendingTasks().length > 0) effects.push(...await actor.runTask());
  assert.deepEqual(said(effects).length, said(effects, other).length, "nobody else gets it");
  const secondKey = decodeSecondKey(bodies(said(effects), "key")[0]!);
  assert.ok(secondKey.ok);
  await phase(actor, key, "roster", roster(secondKey.message));
  const { view, round, arithmetic } = sumOf(key, self, secondKey.message);
  const collector = arithmetic.collector(0);
  const inputs = new Map(members.map((device, i) => {
    const values = new Uint32Array(round.length).fill(i + 1);
    const part = arithmetic.contribute(values, { bytes: (count) => new Uint8Array(count) })[0]!;
    assert.ok(collector.add(device, part).ok);
    return [device, crypto.sha256(part)] as const;
  }));
  const request = (product: Uint8Array) => {
    const { survivors, inputsRoot } = smallClaims(view, inputs, crypto);
    const message = survivorsMessage(view.hash, { survivors, inputsRoot });
    const signatures = new Map(members.map((id) => [id, signers.get(id)!.sign(message)]));
    const opening = { survivors, inputsRoot, product };
    const signature = signers.get(other)!.sign(openingStatement(crypto, view.hash, opening));
    return encodeOpening({ ...opening, ...signaturesOf(view, signatures), signature });
  };
  const product = collector.total().bytes;
  const [total] = bodies(await phase(actor, key, "open", request(product)), "total");
  assert.ok(total !== undefined);
  const sum = unpack(total, { count: round.length, bits: round.bits });
  assert.deepEqual(new Set(sum), new Set([1 + 2 + 3 + 4 + 5]));
  // The same devices again, with another product: say that of one of them alone.
  const again = await phase(actor, key, "open", request(product.map((byte) => byte ^ 1)));
  assert.deepEqual(bodies(again, "total"), []);
  assert.equal(actor.state.second!.refused, 1);
});

Deno.test("a roster with another key than its own, or a part, gets the second party to do nothing", async () => {
  const actor = start();
  const key = attemptWith(self);
  call(actor, key, self);
  while (actor.pendingTasks().length > 0) await actor.runTask();
  const own = await keyOf(key, self);
  const forged = own.key.slice();
  forged[100]! ^= 1;
  const signature = signers.get(self)!.sign(keyStatement(key, forged));
  await phase(actor, key, "roster", roster({ key: forged, signature }));
  assert.equal(actor.state.second!.sum, null);
  await phase(actor, key, "part", new Uint8Array(32), SECOND);
  assert.equal(actor.state.second!.refused, 2);
});

Deno.test("a device encrypts under the key that the second party has signed, for the coordinator alone", async () => {
  const key = attemptWith(SECOND);
  const submitted = async () => {
    const actor = start();
    // Everything goes through the coordinator: no session with the second party is needed.
    const peers = others.map(({ id }) => peerOf(id, { up: id !== SECOND }));
    actor.tell({ type: "peersChanged", peers, registry: registryOf(members) });
    call(actor, key, SECOND);
    const effects = await train(actor, key, roster(await keyOf(key, SECOND)));
    assert.deepEqual(said(effects, SECOND), []);
    const [submission] = said(effects, other);
    assert.ok(submission?.type === "gradientSubmission", JSON.stringify(said(effects)));
    return { actor, submission };
  };
  const { actor, submission } = await submitted();
  // Seven numbers fit one ciphertext of 4,096 bits.
  assert.equal(submission.update.bytes, 512);
  const bytes = actor.state.part!.bytes!;
  const update = actor.state.part!.update!;
  assert.ok(update.type === "secure");
  const { arithmetic } = sumOf(key, SECOND, await keyOf(key, SECOND));
  assert.ok(arithmetic.collector(0).add(self, bytes).ok, "it can be summed");
  const bare = arithmetic.contribute(update.values, { bytes: (count) => new Uint8Array(count) });
  assert.notDeepEqual(bytes, bare[0], "what it stands for is hidden");
});

Deno.test("a device gives nothing under a key that somebody else has signed, that is of another length, or that is missing", async () => {
  const key = attemptWith(SECOND);
  const good = await keyOf(key, SECOND);
  const short = good.key.slice(1);
  const none = new Uint8Array();
  for (
    const secondKey of [
      await keyOf(key, other),
      await keyOf({ ...key, attempt: key.attempt + 1 }, SECOND),
      { key: short, signature: signers.get(SECOND)!.sign(keyStatement(key, short)) },
      { key: none, signature: none },
    ]
  ) {
    const actor = start();
    call(actor, key, SECOND);
    const [answer] = await phase(actor, key, "roster", roster(secondKey));
    assert.ok(answer?.type === "decline" && /its key/.test(answer.reason), JSON.stringify(answer));
    assert.equal(actor.state.part!.phase, "ready");
  }
});

Deno.test("one key is drawn at a time, however many attempts are called meanwhile; it is that of the newest", async () => {
  const actor = start();
  let key = attemptWith(self);
  for (let calls = 0; calls < 3; calls++) {
    key = attemptWith(self, key.attempt);
    call(actor, key, self);
  }
  assert.equal(actor.pendingTasks().length, 1);
  const effects = await actor.runTask();
  const [told] = said(effects, other);
  assert.ok(told?.type === "securePhase" && told.phase === "key", JSON.stringify(told));
  assert.equal(told.attempt, key.attempt);
  assert.equal(actor.pendingTasks().length, 0);
  call(actor, attemptWith(self, key.attempt), self);
  assert.equal(actor.pendingTasks().length, 1, "each attempt has a key of its own");
});
