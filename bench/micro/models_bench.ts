/**
 * How long does it take to find that a new version of a model follows from what ten devices signed, for the FedAvg paper's CNN? In the clear every submission
 * is hashed and averaged again; with a secure sum the sum is. The promise is under a second. Beside it: naming and exporting such a model.
 */
import { weightedMean } from "../../learning/aggregation/weighted_mean.ts";
import { mcmahanCnn, mlp2nn } from "../../learning/engine/networks.ts";
import { initialParameters } from "../../learning/engine/initial.ts";
import { parameterLayout } from "../../learning/engine/shapes.ts";
import { writeOnnx } from "../../learning/models/onnx.ts";
import {
  type ClearProof,
  type ProofSubject,
  type SecureProof,
  submissionStatement,
  survivorStatement,
} from "../../learning/models/proof.ts";
import { writeSafetensors } from "../../learning/models/safetensors.ts";
import {
  type ClearMaterial,
  type SecureMaterial,
  type VerificationContext,
  verifyModel,
} from "../../learning/models/verify_model.ts";
import { parametersHash } from "../../learning/models/version.ts";
import { parameterBytes, type Parameters, parametersFromBytes } from "../../learning/parameters.ts";
import { nodeCrypto, nodeSigner } from "../../platform/node_crypto.ts";
import { deviceIdOf } from "../../protocols/ids.ts";
import { type Figure, median } from "../harness.ts";

const DEVICES = 10;
/** SPEC 7.6: any participant verifies in less than a second. */
const LIMIT_MS = 1_000;

/** Measures. */
export async function run({ quick }: { readonly quick: boolean }): Promise<readonly Figure[]> {
  const crypto = nodeCrypto({ workersMax: 0 });
  const network = quick ? mlp2nn() : mcmahanCnn();
  const rounds = quick ? 1 : 5;
  const parent = initialParameters(network, new Uint8Array(32));
  const { count } = parameterLayout(network);
  const subject: ProofSubject = {
    run: "ab".repeat(32),
    round: 1,
    attempt: 0,
    parent: parametersHash(parent, crypto),
  };
  const signers = Array.from(
    { length: DEVICES },
    (_, i) => nodeSigner(crypto.sha256(Uint8Array.of(i))),
  ).map((signer) => ({ signer, id: deviceIdOf(signer.publicKey) }))
    .sort((a, b) => a.id < b.id ? -1 : 1);
  const updates = new Map(signers.map(({ id }, i) => [id, madeUpUpdate(count, i)]));
  const next: ClearMaterial["next"] = (submissions) => {
    const sum = weightedMean().begin!(count);
    for (const { payload, weight } of submissions) {
      sum.add({ values: parametersFromBytes(payload)!, weight });
    }
    return added(parent, sum.finish(), 1);
  };
  const payloadOf: ClearMaterial["payloadOf"] = (id) => {
    const update = updates.get(id);
    return update && parameterBytes(update);
  };
  const submissions = signers.map(({ signer, id }) => {
    const part = { commitment: crypto.sha256Hex(payloadOf(id)!), weight: 600 };
    return { device: id, ...part, signature: signer.sign(submissionStatement(subject, part)) };
  });
  const context: VerificationContext = {
    expected: subject,
    submissionsMin: DEVICES,
    survivorsMin: DEVICES,
    isParticipant: (id) => updates.has(id),
    own: null,
    crypto,
  };
  const clear: ClearProof = {
    mode: "clear",
    subject,
    submissions,
    result: parametersHash(
      next(signers.map(({ id }) => ({ device: id, payload: payloadOf(id)!, weight: 600 }))),
      crypto,
    ),
  };
  const sum = parameterBytes(madeUpUpdate(count, 99));
  const follow: SecureMaterial["next"] = (bytes, devices) =>
    added(parent, parametersFromBytes(bytes)!, 1 / devices);
  const secure: SecureProof = {
    mode: "secure",
    subject,
    submissions,
    survivors: signers.map(({ signer, id }) => ({
      device: id,
      signature: signer.sign(survivorStatement(subject, submissions)),
    })),
    sum: crypto.sha256Hex(sum),
    result: parametersHash(follow(sum, DEVICES), crypto),
  };
  const what = `${(count / 1e6).toFixed(2)} M parameters`;
  const layout = parameterLayout(network);
  const figures: Figure[] = [
    {
      name: `verify a model in the clear, ${DEVICES} submissions, ${what}`,
      value: await elapsedMs(
        rounds,
        () => verified(verifyModel(clear, { mode: "clear", payloadOf, next }, context)),
      ),
      unit: "ms",
      ...(quick ? {} : { limit: LIMIT_MS }),
    },
    {
      name: `verify a model of a secure sum, ${DEVICES} submissions, ${what}`,
      value: await elapsedMs(
        rounds,
        () => verified(verifyModel(secure, { mode: "secure", sum, next: follow }, context)),
      ),
      unit: "ms",
      ...(quick ? {} : { limit: LIMIT_MS }),
    },
    {
      name: `hash a model, ${what}`,
      value: await elapsedMs(rounds, () => parametersHash(parent, crypto)),
      unit: "ms",
    },
    {
      name: `export a model as ONNX, ${what}`,
      value: await elapsedMs(rounds, () => writeOnnx(network, parent)),
      unit: "ms",
    },
    {
      name: `export a model as safetensors, ${what}`,
      value: await elapsedMs(rounds, () => writeSafetensors(parent, layout)),
      unit: "ms",
    },
  ];
  crypto.close();
  return figures;
}

async function verified(outcome: ReturnType<typeof verifyModel>): Promise<void> {
  const verification = await outcome;
  if (!verification.ok) throw new Error(verification.detail);
}

/** Numbers like those of an update: small, of both signs, all different. */
function madeUpUpdate(count: number, seed: number): Parameters {
  const update = new Float32Array(count);
  let word = seed + 1;
  for (let i = 0; i < count; i++) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
    update[i] = (word / 2 ** 32 - 0.5) / 100;
  }
  return update;
}

function added(parent: Parameters, update: Parameters, factor: number): Parameters {
  const next = new Float32Array(parent.length);
  for (let i = 0; i < next.length; i++) next[i] = parent[i]! + factor * update[i]!;
  return next;
}

/** The median of `rounds`, after one to warm up. */
async function elapsedMs(rounds: number, body: () => unknown): Promise<number> {
  await body();
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startedMs = performance.now();
    await body();
    times.push(performance.now() - startedMs);
  }
  return median(times);
}
