/** Secure sums byte by byte, against an independent description of them in Python (tests/oracles/secure_aggregation.py) and NIST's vectors. */
import assert from "node:assert/strict";
import fixture from "../fixtures/learning/secure_aggregation.json" with { type: "json" };
import * as client from "../../learning/secure/client.ts";
import type { Assumptions, SumRound } from "../../learning/secure/contract.ts";
import { graphFrom, neighboursOf, shapeFor } from "../../learning/secure/graph.ts";
import { merkleRoot } from "../../learning/secure/merkle.ts";
import * as server from "../../learning/secure/server.ts";
import { openSum } from "../../learning/secure/server_state.ts";
import { combineShares, splitSecret } from "../../learning/secure/shamir.ts";
import { concat, graphSeed, roundHash } from "../../learning/secure/transcripts.ts";
import * as unmask from "../../learning/secure/unmask.ts";
import { nodeMaskStream } from "../../platform/mask_stream.ts";
import { nodeSigner } from "../../platform/node_crypto.ts";
import type { MaskStream, Random } from "../../platform/ports.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
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

Deno.test("a sum of six devices, two of which fall away, is what its description says, byte by byte", () => {
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
    one.state = step.state;
    good(server.acceptKeyShares(state, one.device, step.message));
  }
  good(server.closeKeyShares(state));
  for (const one of all) {
    if (one.vector.packed === null) continue;
    const told = server.receivedSharesFor(state, one.device)!;
    const step = good(
      client.maskInput(one.state, told, Uint32Array.from(one.vector.values), one.deps),
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
  const work = good(unmask.closeReveals(state, DEPENDENCIES));
  unmask.unmaskStep(state, work, { max: 100 }, DEPENDENCIES);
  assert.deepEqual([...unmask.finishSum(state, work).sum], play.sum);
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

// NIST SP 800-38A, F.5.5: CTR-AES256.Encrypt.
const NIST = {
  key: "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
  counter: "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
  plaintext:
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
  ciphertext:
    "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
};

function words(
  stream: MaskStream,
  options: { key: string; counter?: string; count: number },
): Uint32Array {
  const target = new Uint32Array(options.count);
  const { key, counter } = options;
  stream.apply({
    key: bytes(key),
    target,
    sign: 1,
    ...(counter === undefined ? {} : { counter: bytes(counter) }),
  });
  return target;
}

Deno.test("the mask stream is AES-256 in counter mode, as in NIST SP 800-38A", () => {
  const plaintext = bytes(NIST.plaintext);
  const stream = words(nodeMaskStream(), { ...NIST, count: 16 });
  const view = new DataView(new ArrayBuffer(64));
  stream.forEach((word, i) => view.setUint32(i * 4, word, true));
  const ciphertext = plaintext.map((byte, i) => byte ^ view.getUint8(i));
  assert.equal(ciphertext.toHex(), NIST.ciphertext);
});

Deno.test("a mask that is added and taken off again leaves what was there, over chunks and in parts by counter", () => {
  const stream = nodeMaskStream();
  const key = bytes(NIST.key);
  const count = 40_003;
  const target = Uint32Array.from({ length: count }, (_, i) => i * 99_991);
  const before = target.slice();
  stream.apply({ key, target, sign: 1 });
  assert.notDeepEqual(target.slice(-4), before.slice(-4));
  // Any four words are one counter block.
  const part = before.slice(20_000, 20_004);
  const counter = new Uint8Array(16);
  new DataView(counter.buffer).setUint32(12, 5_000);
  stream.apply({ key, target: part, sign: 1, counter });
  assert.deepEqual(part, target.slice(20_000, 20_004));
  stream.apply({ key, target, sign: -1 });
  assert.deepEqual(target, before);
  for (const wrong of [{ key: key.slice(1) }, { key, counter: new Uint8Array(12) }]) {
    assert.throws(() => stream.apply({ ...wrong, target, sign: 1 }), RangeError);
  }
});
