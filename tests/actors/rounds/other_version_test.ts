/**
 * Two coordinators made two versions of one round, of groups not all of which they had both; before everybody had the one that stays, an attempt at the next
 * round was signed that goes on from the other one.
 */
import assert from "node:assert/strict";
import type { CommittedResult } from "../../../actors/rounds/commands.ts";
import { softmaxRegression } from "../../../learning/engine/networks.ts";
import { parameterBytes } from "../../../learning/parameters.ts";
import { submissionStatement } from "../../../learning/models/proof.ts";
import { encodeCheckpoint, groupCheckpoint } from "../../../learning/runs/checkpoint.ts";
import { nextModel } from "../../../learning/runs/release.ts";
import { sumRoundOf } from "../../../learning/runs/secure_round.ts";
import { memoryVectors } from "../../../store/memory_vectors.ts";
import type { BlockId, ContentHash } from "../../../protocols/ids.ts";
import { partsOf } from "../../../protocols/rounds/transfer.ts";
import { crypto, type FinishedRound, secureRound } from "../../learning/proof_support.ts";
import { play, players } from "../../learning/secure_support.ts";
import { peerOf, type RunActor, startedRun } from "./run_actor.ts";
import { other, registryOf, run, said, self } from "./support.ts";

const change = {
  aggregation: {
    type: "secureGroups",
    groupSize: 3,
    rule: { name: "coordinateMedian", numbers: {} },
    encoding: { range: 1, bits: 16 },
  },
} as const;
const network = softmaxRegression({ inputs: 2, classes: 2 });
/** Of the same round: the second has a group more, and the lower id, so it stays. */
const first = secureRound(network, 4, { change });
const second = secureRound(network, 5, { change });
const plan = first.opened;
const FIRST = "ee".repeat(32) as BlockId;
const SECOND = "11".repeat(32) as BlockId;
const members = [self, other, ...second.devices.map(({ id }) => id)];

function modelOf({ opened, parent, aggregate, result }: FinishedRound) {
  return nextModel(opened, parent, aggregate, result.counts.called);
}

const committed = (block: BlockId, { result }: FinishedRound): CommittedResult => ({
  block,
  author: other,
  atMs: 1,
  result,
});

/** What finishes an attempt at the next round that goes on from the first of the two, and which so many have handed in for. */
function checkpointOfNext(count = 4) {
  const devices = players(4, { seed: "secure" });
  const key = { run, round: first.result.round + 1, term: 0, attempt: 1 };
  const modelHash = first.result.result;
  const round = sumRoundOf(plan, { ...key, modelHash, devices: devices.length })!;
  const values = () => new Uint32Array(round.length).fill(5);
  const { server } = play({ round, players: devices, values });
  const commitment = "77".repeat(32) as ContentHash;
  const submissions = devices.slice(0, count).map(({ device, deps }) => ({
    device,
    commitment,
    weight: 1,
    signature: deps.sign(
      submissionStatement({ ...key, parent: modelHash }, { commitment, weight: 1 }),
    ),
  })).sort((a, b) => a.device < b.device ? -1 : 1);
  return encodeCheckpoint({
    round: key.round,
    attempt: key.attempt,
    groups: [groupCheckpoint(server)],
    submissions,
    called: submissions.map(({ device }) => device),
    ready: devices.length,
    refused: 0,
  });
}

/** Our device has the first version, and has signed for the survivors of an attempt that goes on from it, whose checkpoint is in its care. */
async function signedOnFirst(): Promise<RunActor> {
  const vectors = memoryVectors();
  const model = modelOf(first);
  for (const one of [first, second]) {
    await vectors.put(one.result.result, parameterBytes(modelOf(one).parameters));
  }
  const bytes = checkpointOfNext();
  const offer = { hash: crypto.sha256Hex(bytes) as ContentHash, bytes: bytes.length };
  await vectors.put(offer.hash, bytes);
  const registry = registryOf(members);
  const actor = startedRun(plan, {
    registry,
    deps: { vectors, results: [committed(FIRST, first)] },
  });
  const { round } = first.result;
  actor.settleTask({
    ok: true,
    value: {
      head: { round, block: FIRST, parameters: first.result.result, model },
      examples: { unavailable: "none" },
      signed: { round: round + 1, attempt: 1, release: 0 },
      kept: [],
      checkpoint: { round: round + 1, attempt: 1, offer },
    },
  });
  actor.tell({ type: "peersChanged", peers: members.slice(1).map((id) => peerOf(id)), registry });
  return actor;
}

/** Everything that is to be done on the disk is done; what is said to the first device meanwhile. */
async function settle(actor: RunActor) {
  const effects = [];
  while (actor.pendingTasks().length > 0) effects.push(...await actor.runTask());
  return effects;
}

/** The other version of the round has come, and is the one that stays. */
async function takesSecond(actor: RunActor): Promise<void> {
  actor.tell({ type: "resultCommitted", committed: committed(SECOND, second) });
  await settle(actor);
  assert.equal(actor.state.head?.block, SECOND);
}

/** Time passes until the attempt that was signed goes on. */
async function goesOn(actor: RunActor): Promise<void> {
  for (let second = 0; second < 60; second++) {
    actor.advance(1_000);
    await settle(actor);
    const { lead } = actor.state;
    if (lead?.key?.attempt !== 1 || lead.phase !== "signing") continue;
    assert.equal(actor.state.head?.block, FIRST, "on the version that it goes on from");
    return;
  }
  assert.fail("nobody can finish what was signed");
}

Deno.test("an attempt that was signed on a version that gave way to another one of its round is finished on that version", async () => {
  const actor = await signedOnFirst();
  await takesSecond(actor);
  await goesOn(actor);
});

Deno.test("so it is when its coordinator was in the middle of it as the other version came", async () => {
  const actor = await signedOnFirst();
  await goesOn(actor);
  await takesSecond(actor);
  await goesOn(actor);
});

Deno.test("whoever had only the version that stays fetches the other one, and finishes", async () => {
  const actor = await signedOnFirst();
  actor.state.head = {
    round: second.result.round,
    block: SECOND,
    parameters: second.result.result,
    model: modelOf(second),
  };
  actor.tell({ type: "resultCommitted", committed: committed(FIRST, first) });
  await settle(actor);
  assert.equal(actor.state.head?.block, SECOND);
  await goesOn(actor);
});

Deno.test("without an attempt that was signed the version that stays is the one of all", async () => {
  const actor = await signedOnFirst();
  actor.state.signed = null;
  actor.state.checkpoint = null;
  await takesSecond(actor);
  for (let second = 0; second < 30; second++) {
    actor.advance(1_000);
    await settle(actor);
    assert.equal(actor.state.head?.block, SECOND);
  }
});

Deno.test("a further attempt is called on the version that stays, when the one that was signed cannot be finished", async () => {
  const actor = await signedOnFirst();
  await takesSecond(actor);
  await goesOn(actor);
  const calls = [];
  for (let second = 0; second < 30; second++) {
    calls.push(...actor.advance(1_000), ...await settle(actor));
  }
  const models = said(calls, other).flatMap((one) =>
    one.type === "roundStart" ? [one.model.hash] : []
  );
  assert.ok(models.includes(second.result.result), JSON.stringify(models));
});

/** Our device coordinates on the version that stays; another one offers it a checkpoint whenever it asks. How often it goes back for that in ten minutes. */
async function offered(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
  const actor = await signedOnFirst();
  actor.state.signed = null;
  actor.state.checkpoint = null;
  await takesSecond(actor);
  const { round } = first.result;
  const offer = { hash: crypto.sha256Hex(bytes) as ContentHash, bytes: bytes.length };
  let times = 0;
  let before = actor.state.head?.block;
  for (let second = 0; second < 600; second++) {
    const heard = [...said(actor.advance(1_000), other), ...said(await settle(actor), other)];
    for (const message of heard) {
      const { term } = actor.state;
      const reply = message.type === "whereAreYou"
        ? [{
          type: "hereIAm" as const,
          ...{ run, round: round + 1, term, attempt: 1 },
          phase: "unmasked" as const,
          checkpoint: offer,
        }]
        : message.type === "requestParts" && message.hash === offer.hash
        ? partsOf({ run, hash: offer.hash }, bytes, message)
        : [];
      for (const one of reply) {
        heard.push(
          ...said(actor.tell({ type: "peerMessage", from: other, message: one }), other),
          ...said(await settle(actor), other),
        );
      }
      const block = actor.state.head?.block;
      if (block === FIRST && before === SECOND) times++;
      before = block;
    }
  }
  return times;
}

Deno.test("nobody makes a coordinator go back by what it has made up: all whose vectors are in the sum have signed for that version", async () => {
  assert.equal(await offered(checkpointOfNext(1)), 0);
  assert.equal(await offered(checkpointOfNext(3)), 0);
});

Deno.test("what another one holds of an attempt that cannot be finished makes a coordinator go back now and then, no more", async () => {
  const times = await offered(checkpointOfNext());
  assert.ok(times >= 1 && times <= 12, `${times} times in ten minutes`);
});
