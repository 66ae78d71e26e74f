/** What a version is verified with is asked of others only for results that were signed. */
import assert from "node:assert/strict";
import { materialOf } from "../../actors/model_material.ts";
import type { RunSummary } from "../../actors/rounds/commands.ts";
import { softmaxRegression } from "../../learning/engine/networks.ts";
import { firstModel } from "../../learning/runs/opened_plan.ts";
import type { RoundResult } from "../../learning/runs/result.ts";
import type { BlockId, ContentHash } from "../../protocols/ids.ts";
import { memoryVectors } from "../../store/memory_vectors.ts";
import { opened } from "../learning/proof_support.ts";
import { beginningOf, signedResult } from "./rounds/run_actor.ts";
import { dependencies, other, run } from "./rounds/support.ts";

const plan = opened(softmaxRegression({ inputs: 2, classes: 2 }));
const signed = signedResult({
  round: 1,
  parent: beginningOf(plan).parameters,
  result: "cd".repeat(32) as ContentHash,
});

/** What comes of looking for it, and how often others were asked. */
async function sought(result: RoundResult) {
  const committed = { block: "ef".repeat(32) as BlockId, author: other, atMs: 1, result };
  const summary: RunSummary = {
    run,
    plan: plan.plan,
    startedBy: other,
    startedAtMs: 0,
    joined: false,
    state: "open",
    report: null,
    devices: 0,
    problem: null,
    results: [committed],
  };
  const { crypto, masks, store } = dependencies(plan);
  let asked = 0;
  const found = await materialOf(
    { summary, opened: plan, version: result.result, committed, ownRound: null },
    {
      crypto,
      masks,
      settings: store.settings,
      vectors: memoryVectors(),
      clock: { monotonicMs: () => 0 },
      parametersOf: () => Promise.resolve(firstModel(plan).parameters),
      fetch({ offer }) {
        asked++;
        return Promise.resolve({
          type: "done",
          value: { type: "here", bytes: new Uint8Array(offer.bytes) },
        });
      },
    },
  );
  return { found, asked };
}

Deno.test("nobody is asked for the vectors of a result whose signatures do not hold", async () => {
  // The signatures are those of another attempt.
  const forged = await sought({ ...signed, attempt: 2 });
  assert.equal(forged.found.type, "unsigned");
  assert.equal(forged.asked, 0);
  const honest = await sought(signed);
  assert.equal(honest.found.type, "done");
  assert.equal(honest.asked, 1);
});
