/** Secure sums byte by byte, against an independent description of them in Python (tests/oracles/secure_aggregation.py) and the vectors of RFC 8439. */
import assert from "node:assert/strict";
import fixture from "../fixtures/learning/secure_aggregation.json" with { type: "json" };
import * as client from "../../learning/secure/client.ts";
import type { Assumptions, SumRound } from "../../learning/secure/contract.ts";
import { graphFrom, neighboursOf, shapeFor } from "../../learning/secure/graph.ts";
import { inlineMaskWork } from "../../learning/secure/mask_work.ts";
import { merkleRoot } from "../../learning/secure/merkle.ts";
import * as server from "../../learning/secure/server.ts";
import { openSum } from "../../learning/secure/server_state.ts";
import { combineShares, splitSecret } from "../../learning/secure/shamir.ts";
import { addsUp, checkTotals, confirmSum } from "../../learning/secure/sum_check.ts";
import { concat, graphSeed, roundHash } from "../../learning/secure/transcripts.ts";
import * as unmask from "../../learning/secure/unmask.ts";
import { nodeMaskStream } from "../../platform/mask_stream.ts";
import { nodeSigner } from "../../platform/node_crypto.ts";
import type { Random } from "../../platform/ports.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import { closeReveals, maskInput, unmaskStep } from "./secure_steps.ts";
import { DEPENDENCIES, good } from "./secure_support.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);

/** Chance that draws what the vectors say it drew. */
function scripted(draws: readonly string[]): Random {
  const left = draws.map(bytes);
  const none = () => assert.fail("nothing else is drawn");
  return {
    bytes(count) {
      const next = left.shift();
      assert.equal(next?.length, count);
      return next!;
    },
    uint32: none,
    below: none,
    float: none,
    fork: none,
  };
}

Deno.test("a sum of six devices, two of which fall away, is what its description says, byte by byte", async () => {
  const { play } = fixture;
  const round = play.round as SumRound;
  assert.equal(roundHash(DEPENDENCIES.crypto, round).toHex(), play.roundHash);
  const all = play.devices.map((vector) => {
    const signer = nodeSigner(bytes(vector.identity));
    const device = deviceIdOf(signer.publicKey);
    assert.equal(device, vector.device);
    const deps = { ...DEPENDENCIES, sign: signer.sign, random: scripted(vector.draws) };
    const step = good(client.advertise({ round, device }, deps));
    const { maskKey, shareKey, signature } = step.message;
    assert.equal(concat(maskKey, shareKey, signature).toHex(), vector.advertised);
    return { vector, device, deps, state: step.state, advertisement: step.message };
  });
  const state = good(openSum(round));
  // In any order: the roster is ascending.
  for (const { device, advertisement } of all.toReversed()) {
    good(server.acceptAdvertisement(state, device, advertisement, DEPENDENCIES));
  }
  const view = good(server.closeAdvertising(state, DEPENDENCIES));
  assert.equal(merkleRoot(state.roster!.levels).toHex(), play.root);
  assert.equal(view.hash.toHex(), play.rosterHash);
  for (const one of all) {
    const told = server.rosterFor(state, one.device)!;
    assert.equal(told.proof.toHex(), one.vector.proof);
    const step = good(client.shareKeys(one.state, told, one.deps));
    assert.equal(step.message.sealed.toHex(), one.vector.sealed);
    assert.equal(step.message.seedCommitment.toHex(), one.vector.seedCommitment);
    assert.equal(step.message.signature.toHex(), one.vector.dealt);
    one.state = step.state;
    good(server.acceptKeyShares(state, one.device, step.message));
  }
  good(server.closeKeyShares(state));
  for (const one of all) {
    if (one.vector.packed === null) continue;
    const told = server.receivedSharesFor(state, one.device)!;
    const step = good(
      maskInput(one.state, told, Uint32Array.from(one.vector.values), one.deps),
    );
    assert.equal(step.message.packed.toHex(), one.vector.packed);
    one.state = step.state;
    good(server.acceptMaskedInput(state, one.device, step.message, DEPENDENCIES));
  }
  good(server.closeMaskedInputs(state, DEPENDENCIES));
  for (const one of all) {
    if (one.vector.signed === null) continue;
    const claim = server.survivorClaimFor(state, one.device)!;
    assert.equal(claim.survivors.toHex(), play.survivors);
    assert.equal(claim.inputsRoot.toHex(), play.inputsRoot);
    assert.equal(claim.proof.toHex(), one.vector.inputProof);
    const step = good(client.signSurvivors(one.state, claim, one.deps));
    assert.equal(step.message.signature.toHex(), one.vector.signed);
    one.state = step.state;
    good(server.acceptSurvivorSignature(state, one.device, step.message, DEPENDENCIES));
  }
  good(server.closeSurvivorSignatures(state));
  const request = server.unmaskRequest(state)!;
  assert.equal(request.signers.toHex(), play.signers);
  assert.equal(request.signatures.toHex(), play.signatures);
  for (const one of all) {
    if (one.vector.revealed === null) continue;
    const step = good(client.reveal(one.state, request, one.deps));
    assert.equal(step.message.shares.toHex(), one.vector.revealed);
    good(unmask.acceptReveal(state, one.device, step.message, DEPENDENCIES));
  }
  const work = good(closeReveals(state, DEPENDENCIES));
  unmaskStep(state, work, { max: 100 }, DEPENDENCIES);
  const { sum } = unmask.finishSum(state, work);
  assert.deepEqual([...sum], play.sum);
  const claim = {
    survivors: Uint8Array.fromHex(play.survivors),
    inputsRoot: Uint8Array.fromHex(play.inputsRoot),
  };
  const about = { claim, aggregate: Uint8Array.fromHex(play.aggregate) };
  const words = [];
  for (const one of all) {
    if (one.vector.totals === null) continue;
    assert.ok("input" in one.state);
    const word = await confirmSum(one.state, { ...about, packed: one.state.input.packed }, {
      ...one.deps,
      maskWork: inlineMaskWork(one.deps),
    });
    assert.equal(word?.totals.toHex(), one.vector.totals);
    assert.equal(word.signature.toHex(), one.vector.confirmed);
    words.push(word);
  }
  const { bits } = state.round;
  const opened = { ...about, roster: Uint8Array.fromHex(play.rosterHash) };
  const pause = () => Promise.resolve();
  const totals = await checkTotals(sum, { opened, bits }, { ...DEPENDENCIES, pause });
  assert.ok(addsUp(words, { totals, bits }));
});

Deno.test("degree, thresholds and quorum are those of the bounds in exact fractions", () => {
  for (const { assumptions, devices, shape } of fixture.shapes) {
    const [corruptPermille, dropoutPermille, privacyBits, completionBits] = assumptions as [
      number,
      number,
      number,
      number,
    ];
    const found = shapeFor(devices, {
      corruptPermille,
      dropoutPermille,
      privacyBits,
      completionBits,
    });
    const numbers = "impossible" in found
      ? null
      : [found.devices, found.degree, found.threshold, found.quorum, found.corrupt];
    assert.deepEqual(numbers, shape, `${devices} devices, ${assumptions}`);
  }
});

Deno.test("the ring is shuffled as described, and being neighbours is mutual", () => {
  const { roster, devices, order } = fixture.ring;
  const shape = { devices, degree: 60, threshold: 11, quorum: 56, corrupt: 10 };
  const graph = graphFrom(graphSeed(DEPENDENCIES.crypto, bytes(roster)), shape, nodeMaskStream());
  assert.deepEqual([...graph.order], order);
  for (let i = 0; i < devices; i++) {
    const neighbours = neighboursOf(graph, i);
    assert.equal(new Set(neighbours).size, 60);
    assert.deepEqual(neighbours, neighbours.toSorted((a, b) => a - b));
    assert.ok(
      !neighbours.includes(i) && neighbours.every((j) => neighboursOf(graph, j).includes(i)),
    );
  }
  // The next on the ring by order alone.
  assert.ok(
    neighboursOf(graph, order[0]!).includes(order[30]!) &&
      !neighboursOf(graph, order[0]!).includes(order[31]!),
  );
});

Deno.test("impossible sums say what would be possible", () => {
  const assumptions: Assumptions = {
    corruptPermille: 200,
    dropoutPermille: 333,
    privacyBits: 60,
    completionBits: 20,
  };
  const text = (devices: number, changes: Partial<Assumptions> = {}) => {
    const shape = shapeFor(devices, { ...assumptions, ...changes });
    return "impossible" in shape ? shape.impossible : "";
  };
  assert.match(text(20_000), /254 neighbours are not enough .* groups of at most 255/);
  assert.match(text(2), /expected 3 to 20000/);
  assert.match(text(2.5), /expected 3 to 20000/);
  assert.match(text(10, { corruptPermille: 501 }), /expected integers from 0 to 500/);
  assert.match(text(10, { privacyBits: 19 }), /20 to 100/);
  assert.equal(text(1_024), "");
});

Deno.test("shares of a secret are those of the polynomials over GF(256), and any threshold of them give it back", () => {
  const { secret, coefficients, shares } = fixture.shamir;
  const dealt = splitSecret(bytes(secret), {
    threshold: 46,
    count: 255,
    random: scripted(coefficients),
  });
  for (const [x, share] of Object.entries(shares)) {
    assert.equal(dealt[Number(x) - 1]!.toHex(), share);
  }
  for (const first of [0, 100, 209]) {
    const some = dealt.slice(first, first + 46).map((share, i) => ({
      x: first + i + 1,
      bytes: share,
    }));
    assert.equal(combineShares(some).toHex(), secret);
    assert.notEqual(combineShares(some.slice(1)).toHex(), secret);
  }
  assert.throws(
    () => combineShares([{ x: 1, bytes: dealt[0]! }, { x: 1, bytes: dealt[0]! }]),
    /twice/,
  );
});

// RFC 8439, appendix A.1: test vectors 1 (block 0), 2 (block 1) and 3 (block 1 under another key); all nonces are zero.
const RFC_8439 = [
  {
    key: "00".repeat(32),
    counter: 0,
    stream:
      "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586",
  },
  {
    key: "00".repeat(32),
    counter: 1,
    stream:
      "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f",
  },
  {
    key: "00".repeat(31) + "01",
    counter: 1,
    stream:
      "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0",
  },
] as const;

Deno.test("the mask stream is ChaCha20, as in RFC 8439", () => {
  for (const { key, counter, stream } of RFC_8439) {
    const target = new Uint32Array(16);
    nodeMaskStream().apply({ key: bytes(key), target, sign: 1, counter });
    const view = new DataView(new ArrayBuffer(64));
    target.forEach((word, i) => view.setUint32(i * 4, word, true));
    assert.equal(new Uint8Array(view.buffer).toHex(), stream);
  }
});

Deno.test("a mask that is added and taken off again leaves what was there, over chunks and in parts by counter", () => {
  const stream = nodeMaskStream();
  const key = bytes(RFC_8439[2].key);
  const count = 40_003;
  const target = Uint32Array.from({ length: count }, (_, i) => i * 99_991);
  const before = target.slice();
  stream.apply({ key, target, sign: 1 });
  assert.notDeepEqual(target.slice(-4), before.slice(-4));
  // Sixteen words are one block.
  const part = before.slice(32_000, 32_020);
  stream.apply({ key, target: part, sign: 1, counter: 2_000 });
  assert.deepEqual(part, target.slice(32_000, 32_020));
  stream.apply({ key, target, sign: -1 });
  assert.deepEqual(target, before);
  for (const wrong of [{ key: key.slice(1) }, { key, counter: -1 }, { key, counter: 2 ** 32 }]) {
    assert.throws(() => stream.apply({ ...wrong, target, sign: 1 }), RangeError);
  }
});

Deno.test("many masks at once are those masks one after the other, however many and however long", () => {
  const masks = nodeMaskStream();
  for (const count of [0, 1, 2, 3, 4, 9]) {
    for (const length of [1, 15, 16_384, 16_385, 40_003]) {
      const streams = Array.from({ length: count }, (_, i) => ({
        key: new Uint8Array(32).fill(i + 1),
        sign: i % 3 === 0 ? -1 as const : 1 as const,
      }));
      const target = Uint32Array.from({ length }, (_, i) => Math.imul(i, 2_654_435_761));
      const expected = target.slice();
      masks.applyAll({ streams, target, counter: 77 });
      for (const one of streams) masks.apply({ ...one, target: expected, counter: 77 });
      assert.deepEqual(target, expected, `${count} masks of ${length} numbers`);
    }
  }
  const streams = [1, 2, 3].map((length) => ({ key: new Uint8Array(length), sign: 1 as const }));
  assert.throws(() => masks.applyAll({ streams, target: new Uint32Array(5) }), RangeError);
});
