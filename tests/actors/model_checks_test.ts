/** What people are told of a version that is verified: whether its devices confirm the sum stands there, and what did not hold. */
import assert from "node:assert/strict";
import { checksOf } from "../../actors/model_checks.ts";
import { softmaxRegression } from "../../learning/engine/networks.ts";
import { verifyModel } from "../../learning/models/verify_model.ts";
import type { RoundResult } from "../../learning/runs/result.ts";
import { confirmationsOf, deps, secureRound } from "../learning/proof_support.ts";

const round = secureRound(softmaxRegression({ inputs: 2, classes: 2 }), 6);

async function told(change: Partial<RoundResult> = {}) {
  const result = { ...round.result, ...change };
  const verification = await verifyModel(result, {
    parent: round.parent,
    aggregate: round.aggregate,
    submissionOf: () => undefined,
  }, {
    opened: round.opened,
    expected: result,
    isParticipant: () => true,
    own: null,
    deps,
  });
  return checksOf(verification, { result });
}

Deno.test("a sum without its devices' word is the coordinator's, and that is said", async () => {
  const checks = await told();
  assert.deepEqual(checks.map(({ check, ok }) => [check, ok]), [
    ["subject", true],
    ["participants", true],
    ["signatures", true],
    ["aggregate", true],
    ["version", true],
  ]);
  assert.match(checks[3]!.detail, /not all devices have confirmed/);
});

Deno.test("a sum that all its devices confirm has a check of its own", async () => {
  const confirmations = await confirmationsOf(round, round.aggregate);
  const checks = await told({ sums: [{ ...round.result.sums[0]!, confirmations }] });
  assert.deepEqual(checks.find(({ check }) => check === "sum"), {
    check: "sum",
    ok: true,
    detail: "all 5 confirm that it is the sum of what they sent",
  });
  assert.ok(checks.every(({ ok }) => ok));
});

Deno.test("words that do not add up to the sum are what did not hold", async () => {
  const confirmations = await confirmationsOf(round, round.aggregate);
  const result = { ...round.result, sums: [{ ...round.result.sums[0]!, confirmations }] };
  const checks = checksOf(
    { ok: false, reason: "otherSum", detail: "it does not add up", device: null },
    { result },
  );
  assert.deepEqual(checks.map(({ check, ok }) => [check, ok]).slice(-2), [
    ["aggregate", true],
    ["sum", false],
  ]);
});
