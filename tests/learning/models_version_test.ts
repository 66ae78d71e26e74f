/** Versions of a model: names that follow from content, lineage, roll back, and what lies between two. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { compareModels } from "../../learning/models/compare.ts";
import { commonAncestor, headsOf, lineageOf } from "../../learning/models/lineage.ts";
import {
  type ModelId,
  modelId,
  type ModelVersion,
  parametersHash,
  rollBack,
  versionBytes,
} from "../../learning/models/version.ts";
import type { Network } from "../../learning/network.ts";
import { layoutOf } from "../../learning/parameters.ts";

const crypto = {
  sha256Hex: (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex"),
};
const NETWORK: Network = {
  input: { rows: 1, columns: 2, channels: 1 },
  layers: [{ type: "dense", name: "dense1", units: 2 }],
  loss: { type: "crossEntropy", classes: 2 },
};
const RUN = "ab".repeat(32);

function version(round: number, parent: ModelId | null, value = round): ModelVersion {
  return {
    run: RUN,
    round,
    parent,
    restores: null,
    network: NETWORK,
    parameters: parametersHash(Float32Array.of(value, 1, 2, 3, 4, 5), crypto),
    participants: round === 0 ? 0 : 7,
    metrics: { loss: 0.1 + 0.2, accuracy: 0.5 },
  };
}

/** A chain of `length` versions from round 0, with `value` in the parameters of the last. */
function chain(length: number, value = 0) {
  const versions = new Map<ModelId, ModelVersion>();
  const ids: ModelId[] = [];
  for (let round = 0; round < length; round++) {
    const next = version(round, ids.at(-1) ?? null, round + (round === length - 1 ? value : 0));
    const id = modelId(next, crypto);
    versions.set(id, next);
    ids.push(id);
  }
  return { versions, ids };
}

Deno.test("a version's name is the hash of all it says, and of nothing else", () => {
  const one = version(0, null);
  assert.equal(modelId(one, crypto), crypto.sha256Hex(versionBytes(one)));
  const reordered: ModelVersion = {
    metrics: { accuracy: 0.5, loss: 0.30000000000000004 },
    participants: one.participants,
    parameters: one.parameters,
    network: one.network,
    restores: null,
    parent: null,
    round: 0,
    run: RUN,
  };
  assert.equal(modelId(reordered, crypto), modelId(one, crypto));
  const others: readonly Partial<ModelVersion>[] = [
    { run: "cd".repeat(32) },
    { round: 1, parent: modelId(one, crypto) },
    { restores: modelId(one, crypto) },
    { parameters: parametersHash(Float32Array.of(1), crypto) },
    { participants: 1 },
    { metrics: { loss: 0.3, accuracy: 0.5 } },
    { metrics: { accuracy: 0.5 } },
    { network: { ...NETWORK, loss: { type: "squaredError", outputs: 2 } } },
  ];
  const ids = others.map((change) => modelId({ ...one, ...change }, crypto));
  assert.equal(new Set([...ids, modelId(one, crypto)]).size, others.length + 1);
});

Deno.test("metrics of every finite size keep their name on the way through text", () => {
  fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
    const named = { ...version(0, null), metrics: { value } };
    const back = { ...version(0, null), metrics: { value: Number(String(value)) } };
    assert.equal(modelId(back, crypto), modelId(named, crypto));
  }));
});

Deno.test("what is no version gets no name", () => {
  const good = version(0, null);
  const id = modelId(good, crypto);
  const wrong: readonly [Partial<ModelVersion>, RegExp][] = [
    [{ run: "x" }, /run is "x"/],
    [{ round: -1 }, /round is -1/],
    [{ round: 1 }, /round 1 has no parent/],
    [{ parent: id }, /round 0 has a parent/],
    [{ restores: "z" as ModelId }, /restores is "z"/],
    [{ participants: 0.5 }, /participants is 0.5/],
    [{ metrics: { loss: NaN } }, /metric "loss" is NaN/],
    [{ metrics: { "a b": 1 } }, /"a b" is no name/],
  ];
  for (const [change, problem] of wrong) {
    assert.throws(() => modelId({ ...good, ...change }, crypto), problem);
  }
});

Deno.test("lineage leads back to round 0, tells what is missing, and finds what does not fit", () => {
  const { versions, ids } = chain(5);
  const head = ids[4]!;
  assert.deepEqual(lineageOf(versions, head), {
    type: "complete",
    versions: ids.toReversed(),
  });
  const holed = new Map([...versions].filter(([id]) => id !== ids[1]));
  assert.deepEqual(lineageOf(holed, head), {
    type: "incomplete",
    versions: [ids[4], ids[3], ids[2]],
    missing: ids[1],
  });
  const jumping = new Map(versions);
  const jump = { ...version(9, ids[2]!), round: 9 };
  const jumpId = modelId(jump, crypto);
  jumping.set(jumpId, jump);
  assert.deepEqual(lineageOf(jumping, jumpId), {
    type: "broken",
    at: jumpId,
    reason: "it is of round 9, its parent of round 2",
  });
  const foreign = { ...version(5, head), run: "cd".repeat(32) };
  const foreignId = modelId(foreign, crypto);
  const lineage = lineageOf(new Map([...versions, [foreignId, foreign]]), foreignId);
  assert.equal(lineage.type, "broken");
});

Deno.test("a map that lies about ids does not make lineage run for ever", () => {
  const a = "aa".repeat(32) as ModelId;
  const circular = new Map([[a, version(3, a)]]);
  assert.equal(lineageOf(circular, a).type, "broken");
});

Deno.test("two coordinators that did not know of each other leave two heads with one ancestor", () => {
  const { versions, ids } = chain(3);
  const left = version(3, ids[2]!, 100);
  const right = version(3, ids[2]!, 200);
  const [leftId, rightId] = [modelId(left, crypto), modelId(right, crypto)];
  const both = new Map([...versions, [leftId, left], [rightId, right]]);
  assert.deepEqual(headsOf(both), [leftId, rightId].sort());
  assert.equal(commonAncestor(both, leftId, rightId), ids[2]);
  assert.equal(commonAncestor(both, leftId, ids[0]!), ids[0]);
});

Deno.test("rolling back makes a new version that equals the old one and forgets nothing", () => {
  const { versions, ids } = chain(4);
  const current = { id: ids[3]!, version: versions.get(ids[3]!)! };
  const older = { id: ids[1]!, version: versions.get(ids[1]!)! };
  const back = rollBack(current, older);
  assert.equal(back.parameters, older.version.parameters);
  assert.equal(back.round, 4);
  assert.equal(back.restores, older.id);
  const id = modelId(back, crypto);
  assert.notEqual(id, older.id);
  const all = new Map([...versions, [id, back]]);
  const lineage = lineageOf(all, id);
  assert.equal(lineage.type === "complete" && lineage.versions.length, 5);
  const lying = { ...back, parameters: current.version.parameters };
  const lyingId = modelId(lying, crypto);
  assert.equal(lineageOf(new Map([...versions, [lyingId, lying]]), lyingId).type, "broken");
  const stranger = { id: older.id, version: { ...older.version, run: "cd".repeat(32) } };
  assert.throws(() => rollBack(current, stranger), /of another run/);
});

Deno.test("a comparison measures the distance of parameters, layer by layer", () => {
  const layout = layoutOf([{ name: "a", shape: [2] }, { name: "b", shape: [1, 2] }]);
  const comparison = compareModels(
    { parameters: Float32Array.of(3, 4, 0, 1), metrics: { loss: 2 } },
    { parameters: Float32Array.of(0, 0, 0, -1), metrics: { loss: 1, accuracy: 0.5 } },
    layout,
  );
  assert.equal(comparison.equal, false);
  assert.equal(comparison.distance, Math.sqrt(29));
  assert.equal(comparison.relativeDistance, Math.sqrt(29 / 26));
  assert.equal(comparison.cosine, -1 / Math.sqrt(26));
  assert.deepEqual(comparison.tensors, [
    { name: "a", numbers: 2, normBefore: 5, normAfter: 0, distance: 5, largestChange: 4 },
    { name: "b", numbers: 2, normBefore: 1, normAfter: 1, distance: 2, largestChange: 2 },
  ]);
  assert.deepEqual(comparison.metrics, [
    { name: "accuracy", before: null, after: 0.5 },
    { name: "loss", before: 2, after: 1 },
  ]);
  const same = { parameters: Float32Array.of(1, 2, 3, 4), metrics: {} };
  assert.equal(compareModels(same, same, layout).equal, true);
  assert.throws(
    () => compareModels(same, { parameters: new Float32Array(3), metrics: {} }, layout),
    /one has 3 parameters, the layout 4/,
  );
});
