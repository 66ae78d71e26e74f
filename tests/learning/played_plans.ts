/** Plans played for one round with the real parts, every member there: whether what was accepted can be done. */
import assert from "node:assert/strict";
import { formGroups, initialPlaces } from "../../learning/gossip_averaging/grid.ts";
import { groupModel } from "../../learning/gossip_averaging/group_model.ts";
import { isFinite, parametersHash } from "../../learning/parameters.ts";
import { combineClear } from "../../learning/runs/combine_clear.ts";
import { firstModel, type OpenedPlan } from "../../learning/runs/opened_plan.ts";
import { calledDevices, countedLeast } from "../../learning/runs/order.ts";
import { combineSums, nextModel, type SumOf } from "../../learning/runs/release.ts";
import { atRound } from "../../learning/runs/round_form.ts";
import { groupsOf, sumRoundOf, survivorsLeast } from "../../learning/runs/secure_round.ts";
import { type LocalUpdate, localUpdate } from "../../learning/runs/update.ts";
import { nodeCrypto } from "../../platform/node_crypto.ts";
import { seededRandom } from "../../platform/seeded_random.ts";
import type { BlockId, ContentHash, DeviceId } from "../../protocols/ids.ts";
import { play, type Player, players, TOY } from "./secure_support.ts";

const crypto = nodeCrypto({ workersMax: 0 });
const RUN = "ab".repeat(32) as BlockId;
const MODEL = "cd".repeat(32) as ContentHash;
const ROUND = { round: 1, attempt: 1 };
const EXAMPLES = 20;

const all = players(24, { seed: "members", deps: TOY });

/** So many members. */
export function membersOf(count: number): readonly DeviceId[] {
  assert.ok(count <= all.length);
  return all.slice(0, count).map(({ device }) => device);
}

/** One round by these members; throws what stands in the way. */
export function playRound(plan: OpenedPlan, members: readonly DeviceId[]): void {
  const { participation, aggregation } = plan.plan;
  assert.ok(participation.least <= members.length, "it would wait for good");
  if (aggregation.type === "grid") return playGrid(plan, members.length);
  const opened = atRound(plan, { run: RUN, round: 1, tuning: null }, crypto);
  const { buffer } = opened.strategy;
  const called = buffer === null
    ? calledDevices(members, { plan: opened.plan, ...ROUND })
    : members.slice(0, buffer.goal);
  assert.ok(called.length <= participation.most);
  assert.ok(called.length >= Math.min(participation.least, buffer?.goal ?? Infinity));
  assert.ok(called.length >= countedLeast(opened.plan));
  const model = firstModel(opened);
  const updates = new Map(called.map((device, i) => [
    device,
    localUpdate(opened, {
      subject: { run: RUN, round: 1, device },
      before: model.parameters,
      after: model.parameters.map((value, at) => value + 0.01 * Math.sin(i + at)),
      examples: EXAMPLES,
      devices: called.length,
      secret: new Uint8Array(32).fill(i + 1),
      residual: null,
      crypto,
    }),
  ]));
  const aggregate = aggregation.type === "clear"
    ? combined(opened, updates)
    : combineSums(opened, sumsOf(opened, called, updates), called.length);
  const next = nextModel(opened, model, aggregate, called.length);
  assert.ok(isFinite(next.parameters));
}

function combined(opened: OpenedPlan, updates: ReadonlyMap<DeviceId, LocalUpdate>) {
  const isBuffered = opened.strategy.buffer !== null;
  const submissions = [...updates].map(([device, update]) => {
    assert.ok(update.type === "clear");
    const { bytes, weight } = update;
    return { device, bytes, weight, ...(isBuffered && { staleness: 0 }) };
  });
  return combineClear(opened, submissions, {
    run: RUN,
    round: 1,
    crypto,
    random: seededRandom("noise"),
    screening: null,
  }).aggregate;
}

/** The sum of each group, by the protocol where its devices are masked. */
function sumsOf(
  opened: OpenedPlan,
  called: readonly DeviceId[],
  updates: ReadonlyMap<DeviceId, LocalUpdate>,
): readonly SumOf[] {
  const sum = sumRoundOf(opened, {
    run: RUN,
    ...ROUND,
    modelHash: MODEL,
    devices: called.length,
  })!;
  const valuesOf = (device: DeviceId) => {
    const update = updates.get(device)!;
    assert.ok(update.type === "secure" && update.values.length === sum.length);
    return update.values;
  };
  return groupsOf(opened.plan, ROUND, called).map((group) => {
    assert.ok(group.length >= 3 && group.length >= survivorsLeast(opened.plan));
    const { type } = opened.plan.aggregation;
    if (type === "twoServers" || type === "paillier") {
      const total = new Uint32Array(sum.length);
      for (const device of group) {
        // Numbers wrap at 2^32 by themselves.
        valuesOf(device).forEach((value, i) => total[i] = total[i]! + value);
      }
      return {
        sum: total.map((value) => sum.bits === 32 ? value : value % 2 ** sum.bits),
        devices: group.length,
      };
    }
    const playing = all.filter(({ device }) => group.includes(device)).map((one): Player => (
      { device: one.device, deps: one.deps, state: undefined }
    ));
    const ended = play({
      round: sum,
      players: playing,
      values: (i) => valuesOf(playing[i]!.device),
    });
    assert.equal(ended.ended, "sum");
    assert.ok(ended.ended === "sum");
    return { sum: new Uint32Array(ended.sum), devices: ended.survivors.length };
  });
}

function playGrid({ plan, rule, layout }: OpenedPlan, members: number): void {
  assert.ok(plan.aggregation.type === "grid");
  const { dimensions, side } = plan.aggregation;
  const peers = Array.from({ length: members }, (_, i) => (
    { device: String(i).padStart(3, "0"), places: initialPlaces({ dimensions, side }, i) }
  ));
  const groups = formGroups({ dimensions, side }, peers);
  assert.equal(groups.flatMap(({ devices }) => devices).length, members);
  for (const { devices } of groups) {
    const group = devices.map((_, i) => {
      const values = new Float32Array(layout.count).fill(i);
      return { hash: parametersHash(values, crypto), values };
    });
    assert.ok(isFinite(groupModel(rule!, group)));
  }
}
