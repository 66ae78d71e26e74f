/** verify_model: an honest result holds, and every lie a coordinator could tell is refused for what it is. */
import assert from "node:assert/strict";
import {
  type VerificationContext,
  type VerificationMaterial,
  verifyModel,
} from "../../learning/models/verify_model.ts";
import type { Network } from "../../learning/network.ts";
import { nextModel } from "../../learning/runs/release.ts";
import {
  decodeResult,
  encodeResult,
  type RoundResult,
  type SurvivorProof,
} from "../../learning/runs/result.ts";
import { parameterBytes } from "../../learning/parameters.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import {
  clearRound,
  confirmationsOf,
  crypto,
  deps,
  type FinishedRound,
  secureRound,
  signedBy,
} from "./proof_support.ts";

const NETWORK: Network = {
  input: { rows: 1, columns: 3, channels: 1 },
  layers: [{ type: "dense", name: "dense1", units: 2 }],
  loss: { type: "crossEntropy", classes: 2 },
};
const clear = clearRound(NETWORK, 5);
const secure = secureRound(NETWORK, 6);

interface Change {
  readonly result?: Partial<RoundResult>;
  readonly material?: Partial<VerificationMaterial>;
  readonly context?: Partial<VerificationContext>;
}

function verify(round: FinishedRound, { result, material, context }: Change = {}) {
  const ids = new Set(round.devices.map(({ id }) => id));
  return verifyModel({ ...round.result, ...result }, {
    parent: round.parent,
    aggregate: round.aggregate,
    submissionOf: (device) => round.submitted.get(device),
    ...material,
  }, {
    opened: round.opened,
    expected: { run: round.result.run, round: round.result.round },
    isParticipant: (device) => ids.has(device),
    own: null,
    deps,
    ...context,
  });
}

async function refusalOf(round: FinishedRound, change: Change): Promise<string> {
  const outcome = await verify(round, change);
  return outcome.ok ? "ok" : outcome.reason;
}

/** What a liar names as result, so that only the lie itself can be found. */
function consistent(
  round: FinishedRound,
  aggregate: Uint8Array<ArrayBuffer>,
): Partial<RoundResult> {
  const next = nextModel(round.opened, round.parent, aggregate, round.result.counts.called);
  return {
    aggregate: { hash: crypto.sha256Hex(aggregate) as ContentHash, bytes: aggregate.length },
    result: crypto.sha256Hex(parameterBytes(next.parameters)) as ContentHash,
  };
}

Deno.test("an honest result holds in the clear and for a secure sum, also as it comes out of its block", async () => {
  for (const round of [clear, secure]) {
    const read = decodeResult(encodeResult(round.result));
    assert.ok(read.ok);
    const [own] = round.result.submissions;
    const outcome = await verify(round, { result: read.message, context: { own: own! } });
    assert.ok(outcome.ok, outcome.ok ? "" : outcome.detail);
    assert.equal(outcome.participants, 5);
    assert.equal(outcome.recombined, round === clear);
    assert.equal(
      crypto.sha256Hex(parameterBytes(outcome.model.parameters)),
      round.result.result,
    );
  }
});

Deno.test("without one of the submissions the aggregate is believed, and that is said", async () => {
  const outcome = await verify(clear, { material: { submissionOf: () => undefined } });
  assert.ok(outcome.ok);
  assert.equal(outcome.recombined, false);
});

Deno.test("a result about another run, round or model is refused", async () => {
  const expected = { run: "cd".repeat(32) as BlockId, round: clear.result.round };
  assert.equal(await refusalOf(clear, { context: { expected } }), "wrongSubject");
  // A result that is passed off as one of another run or round has no signatures for it.
  const passedOff = { result: { run: expected.run }, context: { expected } };
  assert.equal(await refusalOf(clear, passedOff), "badSignatures");
  const later = { run: clear.result.run, round: 5 };
  assert.equal(await refusalOf(clear, { context: { expected: later } }), "wrongSubject");
  assert.equal(
    await refusalOf(clear, { result: { round: 5 }, context: { expected: later } }),
    "badSignatures",
  );
  assert.equal(await refusalOf(secure, { result: { attempt: 2 } }), "badSignatures");
  const parameters = clear.parent.parameters.map((value) => value + 1);
  const parent = { ...clear.parent, parameters };
  assert.equal(await refusalOf(clear, { material: { parent } }), "wrongSubject");
});

Deno.test("a submission that was left out, exchanged, weighed differently or invented is found", async () => {
  const { submissions } = clear.result;
  const [own, ...others] = submissions as [RoundResult["submissions"][number]];
  const context = { own };
  const without = { submissions: others };
  assert.equal(await refusalOf(clear, { result: without, context }), "ownMissing");
  // Whoever does not miss its own finds that the rest makes something else.
  assert.equal(await refusalOf(clear, { result: without }), "otherAggregate");
  const weighed = submissions.map((one, i) => i === 0 ? { ...one, weight: 1 } : one);
  assert.equal(await refusalOf(clear, { result: { submissions: weighed } }), "badSignatures");
  const commitment = "00".repeat(32) as ContentHash;
  const exchanged = submissions.map((one, i) => i === 0 ? { ...one, commitment } : one);
  assert.equal(
    await refusalOf(clear, { result: { submissions: exchanged }, context }),
    "ownChanged",
  );
  assert.equal(await refusalOf(clear, { result: { submissions: exchanged } }), "badSignatures");
  assert.equal(
    await refusalOf(clear, { result: { submissions: [own, ...submissions] } }),
    "badSignatures",
  );
  const isParticipant = (device: DeviceId) => device !== own.device;
  const outcome = await verify(clear, { context: { isParticipant } });
  assert.ok(!outcome.ok);
  assert.deepEqual([outcome.reason, outcome.device], ["notParticipant", own.device]);
});

Deno.test("in the clear: another aggregate than the submissions make is found by whoever holds them", async () => {
  const aggregate = clear.aggregate.slice();
  aggregate[0] = aggregate[0]! ^ 1;
  assert.equal(await refusalOf(clear, { material: { aggregate } }), "aggregateChanged");
  const lie = consistent(clear, aggregate);
  assert.equal(await refusalOf(clear, { result: lie, material: { aggregate } }), "otherAggregate");
  const held = new Map(clear.submitted);
  held.set(clear.result.submissions[2]!.device, new Uint8Array(32));
  const outcome = await verify(clear, { material: { submissionOf: (id) => held.get(id) } });
  assert.ok(!outcome.ok);
  assert.equal(outcome.reason, "submissionChanged");
  assert.equal(outcome.device, clear.result.submissions[2]!.device);
  const result = clear.result.parent;
  assert.equal(await refusalOf(clear, { result: { result } }), "otherResult");
});

Deno.test("what cannot be a model is refused, not believed", async () => {
  const aggregate = parameterBytes(new Float32Array(8).fill(NaN));
  const named = { hash: crypto.sha256Hex(aggregate) as ContentHash, bytes: aggregate.length };
  assert.equal(
    await refusalOf(clear, {
      result: { aggregate: named },
      material: { aggregate, submissionOf: () => undefined },
    }),
    "noModel",
  );
});

Deno.test("secure: another sum, another set, another number of devices, and forged signatures are refused", async () => {
  const [sum] = secure.result.sums as [RoundResult["sums"][number]];
  // One device less in front of the sum: the mean would be larger than anybody signed for.
  const smaller = secure.aggregate.slice();
  new DataView(smaller.buffer).setUint32(0, sum.inputs.length - 1);
  const lie = consistent(secure, smaller);
  assert.equal(
    await refusalOf(secure, { result: lie, material: { aggregate: smaller } }),
    "wrongCount",
  );
  // Another integer in the sum, the result not made to fit.
  const other = secure.aggregate.slice();
  other[10] = other[10]! ^ 1;
  const named = { hash: crypto.sha256Hex(other) as ContentHash, bytes: other.length };
  assert.equal(
    await refusalOf(secure, { result: { aggregate: named }, material: { aggregate: other } }),
    "otherResult",
  );
  const changes: readonly Partial<typeof sum>[] = [
    { inputs: sum.inputs.slice(1) },
    { signatures: sum.signatures.slice(0, 1) },
    {
      signatures: sum.signatures.map((one) => ({
        ...one,
        signature: sum.signatures[0]!.signature,
      })),
    },
    { rosterRoot: new Uint8Array(32) },
  ];
  for (const change of changes) {
    const result = { sums: [{ ...sum, ...change }] };
    assert.equal(await refusalOf(secure, { result }), "badSignatures");
  }
  assert.equal(await refusalOf(secure, { result: { sums: [] } }), "badSignatures");
});

Deno.test("a device cannot sign for another", async () => {
  const [first, second] = clear.devices;
  const bytes = clear.submitted.get(first!.id)!;
  const forged = { ...signedBy(second!, clear.result, bytes, 10), device: first!.id };
  const submissions = clear.result.submissions.map((one) =>
    one.device === first!.id ? forged : one
  );
  assert.equal(await refusalOf(clear, { result: { submissions } }), "badSignatures");
});

/** A result with what its devices say of `aggregate`. */
async function withWords(aggregate: Uint8Array, change: Partial<SurvivorProof> = {}) {
  const confirmations = await confirmationsOf(secure, aggregate);
  return { sums: [{ ...secure.result.sums[0]!, confirmations, ...change }] };
}

Deno.test("a sum that all its devices confirm is said to be that, also as it comes out of its block", async () => {
  const read = decodeResult(
    encodeResult({ ...secure.result, ...await withWords(secure.aggregate) }),
  );
  assert.ok(read.ok);
  const outcome = await verify(secure, { result: read.message });
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.detail);
  assert.equal(outcome.confirmed, true);
  const [without, inTheClear] = [await verify(secure), await verify(clear)];
  assert.ok(without.ok && inTheClear.ok);
  assert.deepEqual([without.confirmed, inTheClear.confirmed], [false, false]);
});

Deno.test("a coordinator that publishes another sum than it opened is found out by what the devices say", async () => {
  const other = secure.aggregate.slice();
  other[10] = other[10]! ^ 1;
  const lie = consistent(secure, other);
  // Nobody was asked: nothing contradicts it.
  const unasked = await verify(secure, { result: lie, material: { aggregate: other } });
  assert.ok(unasked.ok);
  assert.equal(unasked.confirmed, false);
  // The devices were asked about the sum that it publishes, and answered by the book.
  const words = await withWords(other);
  assert.equal(
    await refusalOf(secure, { result: { ...lie, ...words }, material: { aggregate: other } }),
    "otherSum",
  );
  // They were asked about the true one.
  const trueWords = await withWords(secure.aggregate);
  assert.equal(
    await refusalOf(secure, { result: { ...lie, ...trueWords }, material: { aggregate: other } }),
    "badSignatures",
  );
});

Deno.test("words of some, of others or of nobody are refused", async () => {
  const words = await confirmationsOf(secure, secure.aggregate);
  const [first, second, ...rest] = words;
  for (
    const confirmations of [
      [],
      words.slice(1),
      [...words, first!],
      [second!, first!, ...rest],
      [{ ...first!, totals: second!.totals }, second!, ...rest],
    ]
  ) {
    const result = await withWords(secure.aggregate, { confirmations });
    assert.equal(await refusalOf(secure, { result }), "badSignatures");
  }
});
