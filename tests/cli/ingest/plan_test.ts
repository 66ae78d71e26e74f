import assert from "node:assert/strict";
import fc from "fast-check";
import { type CurrentPart, planChanges } from "../../../cli/ingest/plan.ts";
import { sha256Hex } from "../../../cli/ingest/draft.ts";
import type { BlockDraft } from "../../../protocols/blocks/block.ts";
import type { BlockId } from "../../../protocols/ids.ts";

const utf8 = new TextEncoder();

function wanted(bodies: readonly string[]): BlockDraft[] {
  return bodies.map((body) => ({
    kind: "put",
    topic: "t",
    tags: [],
    mediaType: "text/plain",
    body: utf8.encode(body),
  }));
}

function current(bodies: readonly string[]): CurrentPart[] {
  return bodies.map((body, index) => ({
    id: sha256Hex(`${index} ${body}`) as BlockId,
    part: index + 1,
    topic: "t",
    mediaType: "text/plain",
    bodyBytes: utf8.encode(body).length,
    payloadHash: sha256Hex(utf8.encode(body)),
  }));
}

const summary = (have: string[], want: string[]) => {
  const { unchanged, added, superseded, removed } = planChanges(current(have), wanted(want));
  return { unchanged, added, superseded, removed };
};

Deno.test("adding a new source publishes every part", () => {
  assert.deepEqual(summary([], ["a", "b"]), { unchanged: 0, added: 2, superseded: 0, removed: 0 });
});

Deno.test("adding an unchanged source again publishes nothing", () => {
  assert.deepEqual(planChanges(current(["a", "b"]), wanted(["a", "b"])).drafts, []);
});

Deno.test("a changed part supersedes exactly the part it replaces", () => {
  const have = current(["a", "b", "c"]);
  const plan = planChanges(have, wanted(["a", "B", "c"]));
  assert.deepEqual(plan.drafts.map((draft) => [draft.kind, draft.target]), [[
    "supersede",
    have[1]?.id,
  ]]);
});

Deno.test("a part put in front leaves the others alone", () => {
  assert.deepEqual(summary(["a", "b"], ["new", "a", "b"]), {
    unchanged: 2,
    added: 1,
    superseded: 0,
    removed: 0,
  });
});

Deno.test("parts that are gone are removed", () => {
  const have = current(["a", "b", "c"]);
  const plan = planChanges(have, wanted(["a", "c"]));
  assert.deepEqual(plan.drafts.map((draft) => [draft.kind, draft.target]), [[
    "tombstone",
    have[1]?.id,
  ]]);
  assert.equal(planChanges(have, []).removed, 3);
});

Deno.test("after a plan is carried out the source is there in order, and planning again finds nothing to do", () => {
  const texts = fc.array(fc.constantFrom("a", "b", "c", "d", "e"), { maxLength: 12 });
  fc.assert(
    fc.property(texts, texts, (have, want) => {
      const parts = current(have);
      const plan = planChanges(parts, wanted(want));
      const gone = new Set(
        plan.drafts.map((draft) => draft.target).filter((id) => id !== undefined),
      );
      const kept = parts.filter((part) => !gone.has(part.id)).map((part) => part.payloadHash);
      const fresh = plan.drafts.filter((draft) => draft.kind !== "tombstone")
        .map((draft) => sha256Hex(draft.body));
      const expected = want.map((body) => sha256Hex(utf8.encode(body))).sort();
      assert.deepEqual([...kept, ...fresh].sort(), expected);
      assert.equal(plan.unchanged, kept.length);
      assert.deepEqual(planChanges(current(want), wanted(want)).drafts, []);
    }),
    { seed: 3, numRuns: 500 },
  );
});
