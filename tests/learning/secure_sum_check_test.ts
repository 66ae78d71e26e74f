/** What devices say of a sum adds up to it, whoever fell away when, and to no other; against subsets that are drawn and added up number by number. */
import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import fc from "fast-check";
import type { ClientState, SignedState } from "../../learning/secure/client_state.ts";
import { inlineMaskWork } from "../../learning/secure/mask_work.ts";
import { maskOf, pack, unpack } from "../../learning/secure/packing.ts";
import { merkleRoot } from "../../learning/secure/merkle.ts";
import {
  addsUp,
  CHECKS,
  checkTotals,
  type Confirmation,
  confirmationMessage,
  confirmSum,
  type OpenedSum,
} from "../../learning/secure/sum_check.ts";
import { concat } from "../../learning/secure/transcripts.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import { DEFAULT_ASSUMPTIONS } from "../../learning/secure/contract.ts";
import {
  DEPENDENCIES,
  type Ending,
  LAX,
  type Phase,
  play,
  type Player,
  players,
  sumRound,
  vectors,
} from "./secure_support.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const pause = () => Promise.resolve();
const opened: OpenedSum = {
  roster: new Uint8Array(32).fill(1),
  claim: { survivors: Uint8Array.of(7), inputsRoot: new Uint8Array(32).fill(2) },
  aggregate: new Uint8Array(32).fill(3),
};

/** Number i is in check c when bit c of bytes 12 i … 12 i + 11 of the key stream is set, least significant first. */
function totalsByHand(numbers: Uint32Array, about: OpenedSum, bits: number): bigint[] {
  const { roster, claim: { survivors, inputsRoot }, aggregate } = about;
  const key = DEPENDENCIES.crypto.sha256(
    concat(encode("kiana sum check v1\0"), roster, survivors, inputsRoot, aggregate),
  );
  const stream = createCipheriv("chacha20", key, new Uint8Array(16))
    .update(new Uint8Array(12 * numbers.length));
  return Array.from({ length: CHECKS }, (_, check) => {
    let total = 0n;
    numbers.forEach((value, i) => {
      if ((stream[12 * i + (check >> 3)]! >> (check & 7) & 1) === 1) total += BigInt(value);
    });
    return total % 2n ** BigInt(bits);
  });
}

Deno.test("totals are those of the subsets that the key stream draws", async () => {
  const numbers = fc.uint32Array({ minLength: 1, maxLength: 300 });
  await fc.assert(
    fc.asyncProperty(numbers, fc.integer({ min: 2, max: 32 }), async (values, bits) => {
      const totals = await checkTotals(values, { opened, bits }, { ...DEPENDENCIES, pause });
      assert.deepEqual([...totals].map(BigInt), totalsByHand(values, opened, bits));
    }),
    { numRuns: 30 },
  );
  // More than are drawn at once, and more than are gone through in a turn.
  const many = Uint32Array.from({ length: 70_001 }, (_, i) => i * 2_654_435_761);
  const totals = await checkTotals(many, { opened, bits: 31 }, { ...DEPENDENCIES, pause });
  assert.deepEqual([...totals].map(BigInt), totalsByHand(many, opened, 31));
});

type Sum = Extract<Ending, { ended: "sum" }>;

/** A sum of devices of which some fall away in every phase; which of them is the seed's. */
function sumWithDropouts(seed: number, { count = 12, assumptions = DEFAULT_ASSUMPTIONS } = {}) {
  const round = sumRound({ length: 40, bits: 17, assumptions });
  const random = seededRandom(seed);
  const all = players(count, { seed });
  const leaves = all.map((_, i): Phase | null =>
    i % 4 !== 1 ? null : (["share", "mask", "sign", "reveal"] as const)[random.below(4)]!
  );
  const data = vectors(round, random);
  const ending = play({
    round,
    players: all,
    values: data.of,
    present: (i, phase) => leaves[i] !== phase,
  });
  assert.ok(ending.ended === "sum", ending.ended);
  const { server } = ending as Sum;
  const about: OpenedSum = {
    roster: server.roster!.view.hash,
    claim: {
      survivors: server.claim!.survivors,
      inputsRoot: merkleRoot(server.claim!.levels),
    },
    aggregate: DEPENDENCIES.crypto.sha256(pack(ending.sum, round.bits)),
  };
  const inSum = all.filter(({ device }) => ending.survivors.includes(device));
  return { round, sum: ending.sum as Uint32Array, about, inSum, view: server.roster!.view };
}

function isMasked(state: ClientState | undefined): state is SignedState {
  return state !== undefined && "input" in state;
}

async function confirmed(one: Player, about: OpenedSum): Promise<Confirmation> {
  assert.ok(isMasked(one.state));
  const maskWork = inlineMaskWork(DEPENDENCIES);
  const word = await confirmSum(one.state, { ...about, packed: one.state.input.packed }, {
    ...one.deps,
    maskWork,
  });
  assert.ok(word);
  return word;
}

Deno.test("what all devices of a sum say adds up to it, whoever fell away in which phase", async () => {
  for (let seed = 0; seed < 8; seed++) {
    // A full graph, and a sparse one in which not everybody shares a mask with everybody.
    const isSparse = seed % 4 === 3;
    const changes = isSparse ? { count: 34, assumptions: LAX } : {};
    const { round: { bits }, sum, about, inSum, view } = sumWithDropouts(seed, changes);
    assert.equal(view.neighbours(0).length < view.devices.length - 1, isSparse);
    const words = await Promise.all(inSum.map((one) => confirmed(one, about)));
    const totals = await checkTotals(sum, { opened: about, bits }, { ...DEPENDENCIES, pause });
    assert.ok(addsUp(words, { totals, bits }), `seed ${seed}`);
    for (const [i, { totals, signature }] of words.entries()) {
      const message = confirmationMessage(about, totals);
      assert.ok(DEPENDENCIES.verify(inSum[i]!.device, message, signature));
    }
  }
});

Deno.test("another sum, a device too few, and one that says something else do not add up", async () => {
  const { round: { bits }, sum, about, inSum } = sumWithDropouts(3);
  const words = await Promise.all(inSum.map((one) => confirmed(one, about)));
  const totalsOf = (numbers: Uint32Array) =>
    checkTotals(numbers, { opened: about, bits }, { ...DEPENDENCIES, pause });
  const modulus = maskOf(bits) + 1;
  // Also a difference that vanishes in every number of even weight.
  for (const by of [1, 2, modulus / 2, modulus - 1]) {
    const other = sum.slice();
    other[17] = (other[17]! + by) % modulus;
    assert.ok(!addsUp(words, { totals: await totalsOf(other), bits }), `by ${by}`);
  }
  const swapped = sum.slice();
  [swapped[0], swapped[1]] = [sum[1]!, sum[0]!];
  assert.ok(!addsUp(words, { totals: await totalsOf(swapped), bits }));
  const totals = await totalsOf(sum);
  assert.ok(!addsUp(words.slice(1), { totals, bits }));
  const said = unpack(words[0]!.totals, { count: CHECKS, bits })!;
  said[95] = (said[95]! + 1) % modulus;
  const lie = { ...words[0]!, totals: pack(said, bits) };
  assert.ok(!addsUp([lie, ...words.slice(1)], { totals, bits }));
  assert.ok(!addsUp([{ totals: new Uint8Array(5) }, ...words.slice(1)], { totals, bits }));
});

Deno.test("what is said of one aggregate is worth nothing for another", async () => {
  const { round: { bits }, sum, about, inSum } = sumWithDropouts(5);
  const other = { ...about, aggregate: new Uint8Array(32).fill(9) };
  const words = await Promise.all(inSum.map((one) => confirmed(one, other)));
  const totals = await checkTotals(sum, { opened: about, bits }, { ...DEPENDENCIES, pause });
  assert.ok(!addsUp(words, { totals, bits }));
  const message = confirmationMessage(about, words[0]!.totals);
  assert.ok(!DEPENDENCIES.verify(inSum[0]!.device, message, words[0]!.signature));
});
