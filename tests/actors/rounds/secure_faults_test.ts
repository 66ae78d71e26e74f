/** What devices may do to a secure sum: forged shares and vectors that are none are refused, counted, cost points, and the round goes on without them. */
import assert from "node:assert/strict";
import { TestActor } from "../../../actors/kernel/testkit.ts";
import type { RoundsCommand } from "../../../actors/rounds/commands.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { submissionStatement } from "../../../learning/models/proof.ts";
import { decodeResult } from "../../../learning/runs/result.ts";
import { sumRoundOf } from "../../../learning/runs/secure_round.ts";
import * as client from "../../../learning/secure/client.ts";
import type { ClientState } from "../../../learning/secure/client_state.ts";
import { inlineMaskWork } from "../../../learning/secure/mask_work.ts";
import {
  type Confirmation,
  confirmationMessage,
  confirmSum,
  type OpenedSum,
} from "../../../learning/secure/sum_check.ts";
import type {
  KeyShares,
  SumClientDependencies,
  SumOutcome,
} from "../../../learning/secure/contract.ts";
import { commitmentsIn } from "../../../learning/secure/forged_shares.ts";
import { rosterView } from "../../../learning/secure/roster.ts";
import { dealtMessage } from "../../../learning/secure/transcripts.ts";
import * as wire from "../../../learning/secure/wire.ts";
import { nodeCrypto, nodeSigner } from "../../../platform/node_crypto.ts";
import { seededRandom } from "../../../platform/seeded_random.ts";
import { type ContentHash, type DeviceId, deviceIdOf } from "../../../protocols/ids.ts";
import type { Attempt, RoundsMessage, SecurePhase } from "../../../protocols/rounds/messages.ts";
import { decodeRoundsMessage } from "../../../protocols/rounds/wire.ts";
import { opened } from "../../learning/proof_support.ts";
import { maskInput } from "../../learning/secure_steps.ts";
import { DEPENDENCIES } from "../../learning/secure_support.ts";
import { beginningOf, type Effects, openedRun, parent } from "./run_actor.ts";
import { registryOf, run, self, sessions } from "./support.ts";

const plan = opened(softmaxRegression({ inputs: 2, classes: 2 }), {
  participation: { least: 3, most: 10, fraction: 1, overSelection: 0 },
  aggregation: { type: "secure", encoding: { range: 1, bits: 16 } },
  deadlines: { readyMs: 1_000, trainMs: 60_000, phaseMs: 1_000 },
});
const crypto = nodeCrypto({ workersMax: 0 });
const { parameters: modelHash } = beginningOf(plan);

const devices = [8, 40, 41, 42, 43].map((byte) => {
  const signer = nodeSigner(new Uint8Array(32).fill(byte));
  const id = deviceIdOf(signer.publicKey);
  const deps: SumClientDependencies = {
    ...DEPENDENCIES,
    sign: signer.sign,
    random: seededRandom(`device ${byte}`),
  };
  return { id, sign: signer.sign, deps };
});
const liar = devices[2]!.id;
const honest = devices.map(({ id }) => id).filter((id) => id !== liar).sort();

/** What the liar says in place of what it should say. */
interface Lies {
  readonly shares?: (shares: KeyShares) => KeyShares;
  /** So many times it says which shares it deals. */
  readonly times?: number;
  /** What it signs of what it deals is that. */
  readonly isSigned?: boolean;
  readonly vector?: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  /** Why it does not train. */
  readonly declines?: string;
  readonly unmask?: (body: Uint8Array) => Uint8Array;
  /** Null: it says nothing. */
  readonly confirm?: (word: Confirmation, about: OpenedSum) => Uint8Array | null;
}

function good<T>(outcome: SumOutcome<T>): T {
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.detail);
  return outcome.value;
}

function read<T>(decoded: { readonly ok: true; readonly message: T } | { readonly ok: false }): T {
  assert.ok(decoded.ok);
  return decoded.message;
}

/** Our device coordinates, and has nothing to learn from; the others play their parts by the book, but for the liar. */
async function play(lies: Lies, isEnough = isOver) {
  const registry = registryOf([self, ...devices.map(({ id }) => id)]);
  let verified = 0;
  const counting: typeof crypto = {
    ...crypto,
    verify(signed) {
      verified++;
      return crypto.verify(signed);
    },
  };
  const actor = openedRun(plan, { registry, fresh: true, deps: { crypto: counting } });
  const states = new Map<DeviceId, ClientState>();
  /** Who was shown why the sum that it has signed for cannot be opened. */
  const left = new Set<DeviceId>();
  const vectors = new Map<string, Uint8Array<ArrayBuffer>>();
  const toParent: RoundsCommand[] = [];
  /** Everything that is said is answered, until nothing is said any more. */
  async function talk(first: Effects): Promise<void> {
    const queue: Effects[number][] = [...first];
    for (let turn = 0; turn < 10_000; turn++) {
      const effects = queue.splice(0);
      toParent.push(...TestActor.sentTo(effects, parent));
      for (const command of TestActor.sentTo(effects, sessions)) {
        if (command.type !== "sendToPeer") continue;
        const told = read(decodeRoundsMessage(command.body));
        for (const message of await answer(command.to, told)) {
          queue.push(...actor.tell({ type: "peerMessage", from: command.to, message }));
        }
      }
      if (queue.length > 0) continue;
      if (actor.pendingTasks().length === 0) return;
      queue.push(...await actor.runTask());
    }
    assert.fail("it does not come to an end");
  }

  async function answer(from: DeviceId, told: RoundsMessage): Promise<readonly RoundsMessage[]> {
    const one = devices.find(({ id }) => id === from);
    if (one === undefined) return [];
    if (told.type === "keepCheckpoint") {
      const { round, term, attempt, checkpoint } = told;
      return [{ type: "checkpointKept", run, round, term, attempt, hash: checkpoint.hash }];
    }
    if (told.type === "roundStart") {
      const { round, term, attempt, called } = told;
      const key: Attempt = { run, round, term, attempt };
      const sum = sumRoundOf(plan, { ...key, modelHash, devices: called.length })!;
      const { state, message } = good(client.advertise({ round: sum, device: from }, one.deps));
      states.set(from, state);
      return [{ type: "peerReady", ...key, modelHash, keys: wire.encodeAdvertisement(message) }];
    }
    if (told.type === "requestParts") {
      const bytes = vectors.get(told.hash);
      return bytes === undefined
        ? []
        : [{ type: "vectorPart", run, hash: told.hash, index: 0, bytes }];
    }
    if (told.type === "whereAreYou") {
      const { round, term, attempt } = told;
      const where = { type: "hereIAm", run, round, term, attempt, checkpoint: null } as const;
      return left.has(from)
        ? [{ ...where, phase: "unmasked", bound: honest }]
        : [{ ...where, phase: "idle" }];
    }
    if (told.type !== "securePhase") return [];
    const { round, term, attempt } = told;
    const key: Attempt = { run, round, term, attempt };
    const say = (phase: SecurePhase["phase"], body: Uint8Array): readonly RoundsMessage[] => [
      { type: "securePhase", ...key, phase, body },
    ];
    const lie = from === liar ? lies : {};
    const state = states.get(from)!;
    switch (told.phase) {
      case "roster": {
        const step = good(client.shareKeys(state, read(wire.decodeRoster(told.body)), one.deps));
        states.set(from, step.state);
        const shares = lie.shares?.(step.message) ?? step.message;
        const signed = lie.isSigned === true ? signedAgain(step.state, shares, one) : shares;
        const said = say("shares", wire.encodeKeyShares(signed));
        return Array.from({ length: lie.times ?? 1 }, () => said).flat();
      }
      case "inbox": {
        if (lies.declines !== undefined && from !== honest[0]) {
          return [{ type: "decline", ...key, why: "budget", reason: lies.declines }];
        }
        const inbox = read(wire.decodeReceivedShares(told.body));
        assert.ok(state.phase === "shared");
        const values = new Uint32Array(state.round.length).fill(5);
        const step = good(maskInput(state, inbox, values, one.deps));
        states.set(from, step.state);
        const vector = new Uint8Array(wire.encodeMaskedInput(step.message));
        const bytes = lie.vector?.(vector) ?? vector;
        const hash = crypto.sha256Hex(bytes) as ContentHash;
        vectors.set(hash, bytes);
        const about = { run, round, attempt, parent: modelHash };
        return [{
          type: "gradientSubmission",
          ...key,
          update: { hash, bytes: bytes.length },
          modelHash,
          weight: 1,
          proofOfWork: 0,
          signature: one.sign(submissionStatement(about, { commitment: hash, weight: 1 })),
        }];
      }
      case "survivors": {
        const claim = read(wire.decodeSurvivorClaim(told.body));
        const step = client.signSurvivors(state, claim, one.deps);
        // Whoever is not among the survivors has nothing to sign.
        if (!step.ok) return [];
        states.set(from, step.value.state);
        return say("consistency", wire.encodeSurvivorSignature(step.value.message));
      }
      case "unmaskRequest": {
        const step = client.reveal(state, read(wire.decodeUnmaskRequest(told.body)), one.deps);
        if (!step.ok) return [];
        states.set(from, step.value.state);
        const body = wire.encodeReveal(step.value.message);
        return say("unmask", lie.unmask?.(body) ?? body);
      }
      case "opened": {
        assert.ok(state.phase === "revealed");
        const { claim, input: { packed } } = state;
        const about = { claim, aggregate: told.body, packed };
        const maskWork = inlineMaskWork(one.deps);
        const word = (await confirmSum(state, about, { ...one.deps, maskWork }))!;
        if (lie.confirm === undefined) return say("confirmed", wire.encodeConfirmation(word));
        const { hash } = good(rosterView(state, one.deps));
        const body = lie.confirm(word, { ...about, roster: hash });
        return body === null ? [] : say("confirmed", body);
      }
      case "forgedShares":
        // Whoever cheated is bound to nothing.
        if (from !== liar) left.add(from);
        return [];
      default:
        return [];
    }
  }

  const peers = devices.map(({ id }) => (
    { deviceId: id, up: true, coordinates: true, round: 0, trusted: true }
  ));
  await talk(actor.tell({ type: "peersChanged", peers, registry }));
  // What waits for somebody who says nothing more waits until its time is over.
  for (let second = 0; second < 20 && !isEnough(toParent); second++) {
    await talk(actor.advance(1_000));
  }
  const published = toParent.find((one) => one.type === "publishResult");
  const reported = toParent.flatMap((one) => one.type === "roundFaults" ? one.faults : []);
  return {
    result: published === undefined ? null : read(decodeResult(published.body)),
    faults: [...reported, ...actor.state.lead?.faults ?? []],
    waitingFor: actor.state.waitingFor,
    verified,
  };
}

/** The same shares under a signature that holds. */
function signedAgain(
  state: ClientState,
  shares: KeyShares,
  { deps }: { readonly deps: SumClientDependencies },
): KeyShares {
  assert.ok(state.phase === "shared");
  const { hash } = good(rosterView(state, deps));
  const { sealed, seedCommitment } = shares;
  const message = dealtMessage(hash, { seedCommitment, commitments: commitmentsIn(sealed) });
  return { ...shares, signature: deps.sign(message) };
}

function isOver(commands: readonly RoundsCommand[]): boolean {
  return commands.some(({ type }) => type === "publishResult" || type === "roundFaults");
}

Deno.test("a sum of honest devices has all of them in it, and no faults", async () => {
  const { result, faults } = await play({});
  assert.deepEqual(result?.submissions.map(({ device }) => device), [...honest, liar].sort());
  assert.deepEqual([faults, result?.counts.refused], [[], 0]);
  assert.equal(result?.sums[0]?.confirmations?.length, 5, "and all confirm it");
});

Deno.test("a device that says nothing of the sum, or something else, or what it cannot have signed, keeps nobody from the version", async () => {
  const liarSigner = devices[2]!;
  const lies: readonly NonNullable<Lies["confirm"]>[] = [
    () => null,
    () => new Uint8Array(),
    () => new Uint8Array(700),
    ({ totals, signature }) => wire.encodeConfirmation({ totals: totals.slice(1), signature }),
    ({ totals }, about) => {
      const other = totals.map((byte, i) => i === 7 ? byte ^ 4 : byte);
      const signature = liarSigner.sign(confirmationMessage(about, other));
      return wire.encodeConfirmation({ totals: other, signature });
    },
    ({ totals }, about) => {
      const few = totals.slice(0, 5);
      const signature = liarSigner.sign(confirmationMessage(about, few));
      return wire.encodeConfirmation({ totals: few, signature });
    },
  ];
  for (const confirm of lies) {
    const { result, faults } = await play({ confirm });
    assert.deepEqual(result?.submissions.map(({ device }) => device), [...honest, liar].sort());
    assert.equal(result?.sums[0]?.confirmations, undefined);
    assert.deepEqual(faults, []);
  }
});

Deno.test("a forged share is refused and counted and costs points; the others' shares open the sum", async () => {
  const { result, faults } = await play({
    unmask(body) {
      const { shares } = read(wire.decodeReveal(body));
      return wire.encodeReveal({ shares: shares.map((byte, at) => at === 3 ? byte ^ 1 : byte) });
    },
  });
  assert.deepEqual(faults, [{ device: liar, fault: "forgedShare" }]);
  // Its vector was in before, and what it dealt was right.
  assert.deepEqual(result?.submissions.map(({ device }) => device), [...honest, liar].sort());
  assert.equal(result?.counts.refused, 1);
});

Deno.test("shares that cannot be read are as good as none", async () => {
  for (const unmask of [(body: Uint8Array) => body.slice(0, -7), () => new Uint8Array(5)]) {
    const { result, faults } = await play({ unmask });
    assert.deepEqual(result?.submissions.map(({ device }) => device), [...honest, liar].sort());
    assert.deepEqual(faults, [], "nobody is blamed for what may be damage");
    assert.equal(result?.counts.refused, 1);
  }
});

Deno.test("a masked vector that is none is left out of the sum and costs points", async () => {
  const { result, faults } = await play({
    // As many bytes as are allowed, and no vector.
    vector: (bytes) => new Uint8Array(bytes.length).fill(255),
  });
  assert.deepEqual(result?.submissions.map(({ device }) => device), honest);
  assert.equal(result?.counts.refused, 1);
  assert.deepEqual(faults, [{ device: liar, fault: "misshapen" }]);
});

const isPublished = (commands: readonly RoundsCommand[]) =>
  commands.some(({ type }) => type === "publishResult");
const dealsFalsely = (shares: KeyShares) => ({
  ...shares,
  seedCommitment: new Uint8Array(16),
});

Deno.test("a device that dealt shares of something else than its secret is found when the sum is to be opened, pays, and the others do the round without it", async () => {
  const { result, faults } = await play({ shares: dealsFalsely, isSigned: true }, isPublished);
  assert.deepEqual(faults, [{ device: liar, fault: "forgedShare" }]);
  assert.deepEqual(result?.submissions.map(({ device }) => device), honest);
});

Deno.test("a device that says again what it deals costs its coordinator no second signature", async () => {
  const [once, often] = [await play({}), await play({ times: 50 })];
  assert.deepEqual(often.result?.submissions.map(({ device }) => device), [...honest, liar].sort());
  assert.equal(often.verified, once.verified);
});

Deno.test("shares that their device has not signed are as good as none", async () => {
  const { result, faults } = await play({ shares: dealsFalsely });
  assert.deepEqual(faults, []);
  assert.deepEqual(result?.submissions.map(({ device }) => device), honest);
});

Deno.test("a round that lacks devices says what the last of them said that would not take part", async () => {
  const declines = "the privacy budget is spent";
  const { result, waitingFor } = await play({ declines });
  assert.equal(result, null);
  assert.match(waitingFor ?? "", /expected at least 2; one says: the privacy budget is spent$/);
});
