/** verify_model: an honest proof holds, and every lie a coordinator could tell is refused for what it is. */
import assert from "node:assert/strict";
import {
  type AggregationProof,
  type ClearProof,
  type ProofSubject,
  type SecureProof,
  submissionStatement,
  survivorStatement,
} from "../../learning/models/proof.ts";
import {
  type ClearMaterial,
  type SecureMaterial,
  type VerificationContext,
  verifyModel,
} from "../../learning/models/verify_model.ts";
import { parametersHash } from "../../learning/models/version.ts";
import { parameterBytes, type Parameters, parametersFromBytes } from "../../learning/parameters.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import type { Signer } from "../../platform/ports.ts";
import { type DeviceId, deviceIdOf } from "../../protocols/ids.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const PARENT = Float32Array.of(1, 2, 3);

interface Device {
  readonly id: DeviceId;
  readonly signer: Signer;
  readonly update: Parameters;
  readonly weight: number;
}

const devices: readonly Device[] = Array.from({ length: 5 }, (_, i): Device => {
  const signer = nodeSigner(crypto.sha256(Uint8Array.of(i)));
  return {
    id: deviceIdOf(signer.publicKey),
    signer,
    update: Float32Array.of(i, -i, 0.5 * i),
    weight: 10 * (i + 1),
  };
}).sort((a, b) => a.id < b.id ? -1 : 1);
const [first] = devices;

const subject: ProofSubject = {
  run: "ab".repeat(32),
  round: 4,
  attempt: 1,
  parent: parametersHash(PARENT, crypto),
};

/** The weighted mean added to where the round began. */
function average(updates: readonly { readonly update: Parameters; readonly weight: number }[]) {
  const total = updates.reduce((sum, { weight }) => sum + weight, 0);
  return PARENT.map((value, i) =>
    value + updates.reduce((sum, { update, weight }) => sum + update[i]! * weight, 0) / total
  );
}

function signedBy(device: Device, payload: Uint8Array, weight: number, about = subject) {
  const commitment = crypto.sha256Hex(payload);
  const signature = device.signer.sign(submissionStatement(about, { commitment, weight }));
  return { device: device.id, commitment, weight, signature: signature };
}

const clearProof: ClearProof = {
  mode: "clear",
  subject,
  result: parametersHash(average(devices), crypto),
  submissions: devices.map((device) =>
    signedBy(device, parameterBytes(device.update), device.weight)
  ),
};
const clearMaterial: ClearMaterial = {
  mode: "clear",
  payloadOf: (id) => {
    const device = devices.find((device) => device.id === id);
    return device && parameterBytes(device.update);
  },
  next: (submissions) =>
    average(submissions.map(({ payload, weight }) => {
      const update = parametersFromBytes(payload);
      if (update?.length !== PARENT.length) throw new RangeError("wrong length");
      return { update, weight };
    })),
};

const masked = devices.map(({ id }) => new TextEncoder().encode(`masked input of ${id}`));
const sumBytes = parameterBytes(Float32Array.of(10, 20, 30));
const secureSubmissions = devices.map((device, i) => signedBy(device, masked[i]!, 1));
const secureNext: SecureMaterial["next"] = (sum, count) =>
  parametersFromBytes(sum)!.map((value, i) => PARENT[i]! + value / count);
const secureProof: SecureProof = {
  mode: "secure",
  subject,
  submissions: secureSubmissions,
  survivors: devices.slice(1).map(({ id, signer }) => ({
    device: id,
    signature: signer.sign(survivorStatement(subject, secureSubmissions)),
  })),
  sum: crypto.sha256Hex(sumBytes),
  result: parametersHash(secureNext(sumBytes, 5), crypto),
};
const secureMaterial: SecureMaterial = { mode: "secure", sum: sumBytes, next: secureNext };

const context: VerificationContext = {
  expected: { run: subject.run, round: subject.round, parent: subject.parent },
  submissionsMin: 3,
  survivorsMin: 3,
  isParticipant: (id) => devices.some((device) => device.id === id),
  own: null,
  crypto,
};

async function refusalOf(
  proof: AggregationProof,
  change: Partial<VerificationContext> = {},
  material: ClearMaterial | SecureMaterial = proof.mode === "clear"
    ? clearMaterial
    : secureMaterial,
): Promise<string> {
  const outcome = await verifyModel(proof, material, { ...context, ...change });
  return outcome.ok ? "ok" : outcome.reason;
}

Deno.test("an honest proof holds in the clear and for a secure sum, and gives the parameters", async () => {
  const clear = await verifyModel(clearProof, clearMaterial, context);
  assert.ok(clear.ok);
  assert.deepEqual(clear.parameters, average(devices));
  assert.equal(clear.participants, 5);
  const own = { device: first!.id, commitment: secureSubmissions[0]!.commitment };
  const secure = await verifyModel(secureProof, secureMaterial, { ...context, own });
  assert.ok(secure.ok);
  assert.deepEqual(secure.parameters, Float32Array.of(3, 6, 9));
});

Deno.test("a proof about another run, round or model is refused", async () => {
  for (
    const change of [{ run: "cd".repeat(32) }, { round: 5 }, {
      parent: clearProof.result,
    }]
  ) {
    const proof = { ...clearProof, subject: { ...subject, ...change } };
    assert.equal(await refusalOf(proof), "wrongSubject");
    // Told to expect it, the verifier still finds that nobody signed for it.
    const expected = { ...context.expected, ...change };
    assert.equal(await refusalOf(proof, { expected }), "badSignature");
  }
  const attempt = { ...clearProof, subject: { ...subject, attempt: 2 } };
  assert.equal(await refusalOf(attempt), "badSignature");
  const odd = { ...clearProof, subject: { ...subject, attempt: -1 } };
  assert.equal(await refusalOf(odd), "malformed");
});

Deno.test("a submission that was left out, exchanged, weighed differently or invented is found", async () => {
  const { submissions } = clearProof;
  const own = { device: first!.id, commitment: submissions[0]!.commitment };
  const without = { ...clearProof, submissions: submissions.slice(1) };
  assert.equal(await refusalOf(without, { own }), "ownMissing");
  // Whoever does not miss its own finds that the result is another one.
  assert.equal(await refusalOf(without), "otherResult");
  const lied = submissions.map((submission, i) =>
    i === 0 ? { ...submission, weight: 1 } : submission
  );
  assert.equal(await refusalOf({ ...clearProof, submissions: lied }), "badSignature");
  const exchanged = submissions.map((submission, i) =>
    i === 0 ? { ...submission, commitment: "00".repeat(32) } : submission
  );
  assert.equal(await refusalOf({ ...clearProof, submissions: exchanged }, { own }), "ownChanged");
  assert.equal(await refusalOf({ ...clearProof, submissions: exchanged }), "badSignature");
  const twice = [submissions[0]!, ...submissions];
  assert.equal(await refusalOf({ ...clearProof, submissions: twice }), "malformed");
  assert.equal(
    await refusalOf({ ...clearProof, submissions: submissions.toReversed() }),
    "malformed",
  );
  for (const weight of [0, -1, 0.5, NaN, 2 ** 31]) {
    const odd = submissions.map((submission) => ({ ...submission, weight }));
    assert.equal(await refusalOf({ ...clearProof, submissions: odd }), "malformed");
  }
});

Deno.test("strangers, too few, and a signature of somebody else are refused", async () => {
  const isParticipant = (id: DeviceId) => id !== first!.id;
  assert.equal(await refusalOf(clearProof, { isParticipant }), "notParticipant");
  assert.equal(await refusalOf(secureProof, { isParticipant }), "notParticipant");
  assert.equal(await refusalOf(clearProof, { submissionsMin: 6 }), "tooFew");
  assert.equal(await refusalOf(secureProof, { survivorsMin: 5 }), "tooFew");
  const [one, two, ...rest] = clearProof.submissions;
  const swapped = [
    { ...one!, signature: two!.signature },
    { ...two!, signature: one!.signature },
    ...rest,
  ];
  assert.equal(await refusalOf({ ...clearProof, submissions: swapped }), "badSignature");
  const cut = [{ ...one!, signature: one!.signature.slice(0, 63) }, two!, ...rest];
  assert.equal(await refusalOf({ ...clearProof, submissions: cut }), "badSignature");
});

Deno.test("in the clear: missing, changed and undecodable payloads, and a result that does not follow", async () => {
  const holding = (payload: Uint8Array | undefined): ClearMaterial => ({
    ...clearMaterial,
    payloadOf: (id) => id === first!.id ? payload : clearMaterial.payloadOf(id),
  });
  assert.equal(await refusalOf(clearProof, {}, holding(undefined)), "payloadMissing");
  assert.equal(await refusalOf(clearProof, {}, holding(new Uint8Array(12))), "payloadChanged");
  const odd = new Uint8Array(5);
  const signedOdd = [signedBy(first!, odd, 1), ...clearProof.submissions.slice(1)];
  const proof = { ...clearProof, submissions: signedOdd };
  assert.equal(await refusalOf(proof, {}, holding(odd)), "undecodable");
  const poison = parameterBytes(Float32Array.of(NaN, 0, 0));
  const poisoned = [signedBy(first!, poison, 1), ...clearProof.submissions.slice(1)];
  assert.equal(
    await refusalOf({ ...clearProof, submissions: poisoned }, {}, holding(poison)),
    "notFinite",
  );
  const other = { ...clearProof, result: parametersHash(PARENT, crypto) };
  assert.equal(await refusalOf(other), "otherResult");
  assert.equal(await refusalOf(clearProof, {}, secureMaterial), "wrongMode");
});

Deno.test("secure: another sum, another set, and signers from outside the set are refused", async () => {
  const material = { ...secureMaterial, sum: parameterBytes(Float32Array.of(10, 20, 31)) };
  assert.equal(await refusalOf(secureProof, {}, material), "payloadChanged");
  const lying = { ...secureProof, sum: crypto.sha256Hex(material.sum) };
  assert.equal(await refusalOf(lying, {}, material), "otherResult");
  // A coordinator that takes a smaller set than the devices signed for (to learn a difference) has no signatures for it.
  const smaller = {
    ...secureProof,
    submissions: secureSubmissions.slice(1),
    survivors: secureProof.survivors.slice(1),
  };
  assert.equal(await refusalOf(smaller), "badSignature");
  const outside = { ...secureProof, submissions: secureSubmissions.slice(0, -1) };
  assert.equal(await refusalOf(outside), "malformed");
});
